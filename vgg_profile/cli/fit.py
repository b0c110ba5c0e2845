"""The command that asks whether it fits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from vgg_profile.ask.cards import CARDS, is_unit, memory, reserve
from vgg_profile.ask.fit import Reserve
from vgg_profile.ask.fits import Fits
from vgg_profile.ask.question import Question
from vgg_profile.ask.what_if import advised, what_if
from vgg_profile.cli.calibrating import calibrate
from vgg_profile.cli.completion import cards
from vgg_profile.cli.networks import Asked, open_any
from vgg_profile.cli.options import probe_if_asked, takes_any_networks, takes_setup
from vgg_profile.cli.output import Output, bar, gives_drawing
from vgg_profile.cli.program import exit_unless
from vgg_profile.cli.spelling import Whole, Word
from vgg_profile.core.errors import InputError, excerpt
from vgg_profile.core.setting import DEVICES, Setup
from vgg_profile.core.tree import Profile


@click.command("fit", epilog=f"Cards: {', '.join(card.name for card in CARDS)}.")
@click.option(
    "--memory",
    "memory_",
    required=True,
    metavar="SIZE",
    shell_complete=cards,
    help="What it must fit: 8GiB, 8 GB, 24576MiB, bytes, or a card, rtx4090.",
)
@click.option(
    "--batch", type=Whole(), metavar="N", help="Whether so many images fit (default: the most that do)."
)
@click.option(
    "--what-if",
    "what_if_",
    is_flag=True,
    help="What would help: each option that gains images or saves memory, ranked.",
)
@takes_any_networks
@click.option(
    "--device",
    type=Word(DEVICES),
    help="By whose rules to predict: a CPU's or a card's.  [default: cuda for a card, else cpu]",
)
@click.option(
    "--reserve",
    "reserve_",
    metavar="SIZE",
    help="Kept free for what is no tensor; on a card, the CUDA context.  [default: up to 720 MiB; an H200's]",
)
@click.option(
    "--expandable-segments",
    "expandable",
    is_flag=True,
    help="On a card: its allocator with expandable_segments:True.",
)
@click.option(
    "--measured",
    type=click.Path(path_type=Path),
    metavar="RECORD",
    help="On the CPU, its processor and threads; on a card, the scratch that it shows.",
)
@click.option(
    "--calibrate",
    "calibrates",
    is_flag=True,
    help="Of a VGG on the CPU: try real steps in so much memory, and keep what they took.",
)
@takes_setup
@gives_drawing
def fit_command(
    sources: tuple[str, ...],
    batch_norm: bool | None,
    classes: int | None,
    asked: Asked,
    memory_: str,
    batch: int | None,
    device: str | None,
    reserve_: str | None,
    expandable: bool,
    measured: Path | None,
    calibrates: bool,
    what_if_: bool,
    setup: Setup,
    out: Output,
) -> None:
    """The largest batch that fits into a memory, with the working.

    NET is what `table` takes: a config, a network in Python, or a traced one. Several NETs get a line each.

    The temporary memory of the CPU's kernels depends on the processor: the one that you name, else the one
    that `doctor` or --calibrate last saw here, else the worst known one.

    Exit code 0 if all fit, 4 if one does not.

    \b
    vgg-profile fit D --memory 8GiB --optimizer adam
    vgg-profile fit D --memory 8GiB --optimizer adam --what-if
    vgg-profile fit A B D E --memory rtx4090
    vgg-profile fit D --memory h100 --optimizer adam --expandable-segments
    vgg-profile fit D --memory 8GiB --batch 64 --checkpoint blocks
    """
    if len(sources) > 1 and is_unit(sources[-1]):
        raise InputError(
            f"The memory is one word, and {excerpt(sources[-1])} stands apart.",
            f"Type --memory {memory_}{sources[-1]}.",
        )
    have = memory(memory_)
    if len(sources) > 1 and (what_if_ or calibrates or measured is not None):
        raise InputError(
            "--what-if, --calibrate and --measured are of one network.", "Name one, or leave them out."
        )

    def question(source: str) -> Question:
        def look(inputs: tuple[str, ...]) -> Profile:
            return open_any(
                source,
                asked._replace(inputs=inputs),
                setup,
                batch,
                device or have.device,
                batch_norm=batch_norm,
                classes=classes,
            )

        profile = look(asked.inputs)
        is_a_vgg_here = profile.run is None and profile.device == "cpu"
        here, probe = probe_if_asked(setup) if is_a_vgg_here else (setup, None)
        reserves = None if reserve_ is None else tuple(_kept(reserve_, profile.device))
        return Question(profile, have, here, batch, reserves, expandable=expandable, look=look, probe=probe)

    if len(sources) > 1:
        asking = bar(sources, len(sources), "Asking")
        several = Fits.of(have, (question(each).answer() for each in asking))
        out.deliver(several)
        exit_unless(several.fits)
        return
    one = question(*sources)
    if measured is not None:
        from vgg_profile.cli.measured import as_measured  # and with it what checks, and msgspec

        one = as_measured(one, measured)
    if calibrates:
        calibrate(one.profile, one.setup, have.bytes)
    if what_if_:
        changed = what_if(one, lambda changes: bar(changes, len(changes), "Asking what if"))
        out.deliver(changed)
        exit_unless(changed.fit.fits)
        return
    fit = one.answer()
    _ = fit.with_adam  # first, while no other book is held: of ten thousand layers each is large
    out.deliver(advised(one, fit) if out.is_for_people else fit)
    exit_unless(fit.fits)


def _kept(text: str, device: str) -> Iterator[Reserve]:
    """What ``--reserve`` keeps free."""
    if kept := reserve(text):
        what = "all that is no tensor" if device == "cpu" else "the CUDA context"
        yield Reserve(kept, what, "--reserve")
