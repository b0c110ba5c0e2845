"""The command that draws: one figure to one file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path

import click
from click.core import ParameterSource

from vgg_profile.ask.cards import Memory, memory
from vgg_profile.ask.compare import Comparison, read_records
from vgg_profile.ask.fit import Fit
from vgg_profile.ask.question import Question
from vgg_profile.ask.sweep import Sweep, sweep, sweep_any
from vgg_profile.check.crosscheck import lay_over
from vgg_profile.check.results import Overlay
from vgg_profile.check.subject import check_network, check_setting, profile_of, setup_of
from vgg_profile.cli.completion import cards, figure_words
from vgg_profile.cli.networks import is_python
from vgg_profile.cli.options import rules_option, takes_setup, takes_walk, was_given
from vgg_profile.cli.output import check_can_draw, force_option, look_options, together
from vgg_profile.cli.speech import say
from vgg_profile.cli.steps import asked
from vgg_profile.core import units
from vgg_profile.core.display import Displayed
from vgg_profile.core.errors import InputError, excerpt
from vgg_profile.core.files import check_writable, write_whole
from vgg_profile.core.printable import command_line
from vgg_profile.core.setting import Setup
from vgg_profile.core.step import Step
from vgg_profile.core.tree import Profile
from vgg_profile.describe.figures import check_kind, depict
from vgg_profile.describe.kinds import KINDS
from vgg_profile.measure.record import Measurement
from vgg_profile.predict.steps import ledger, trace
from vgg_profile.render import PICTURES

SUFFIXES = tuple(f".{format_}" for format_ in PICTURES)

_EXTRA = frozenset({"have", "record"})
"""What a figure that is predicted for one setting has no use for: a memory to fit, a record."""

_SETUP = frozenset(each.name for each in fields(Setup))
"""How a training step is run."""

_AFTER_FORWARD = frozenset(
    {"optimizer", "foreach", "fused", "first_step", "accumulate", "onednn", "processor", "threads"}
)
"""The part of it that changes nothing in what is saved for the backward pass."""

_COUNTED = _EXTRA | _SETUP | {"device"}
"""What parameters, MACs and receptive fields have no use for: no step is run for them."""

USELESS: Mapping[str, frozenset[str]] = {
    "memory": _EXTRA | _AFTER_FORWARD,
    "parameters": _COUNTED,
    "macs": _COUNTED,
    "shares": _EXTRA | _AFTER_FORWARD,
    "receptive-field": _COUNTED,
    "timeline": frozenset({"have"}),
    "check": frozenset({"have"}),
    "batch": frozenset({"record", "batch"}),
    "compare": _EXTRA,
    "sweep": frozenset({"record", "batch", "inputs"}),
    "time": frozenset({"have"}),
}
"""Kind of figure → the options that would change nothing in it, and are refused."""


@click.command("plot")
@click.argument("words", metavar="NET… KIND", nargs=-1, shell_complete=figure_words)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="The picture: .svg, .png or .pdf."
)
@click.option(
    "--memory",
    "have",
    metavar="SIZE",
    shell_complete=cards,
    help="For batch and sweep: what it must fit, 8GiB or a card: rtx4090.",
)
@click.option(
    "--measured",
    "record",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="For timeline, check and time: what `vgg-profile measure` wrote, or a folder of such records.",
)
@takes_walk
@force_option
@together(*look_options)
@rules_option
@takes_setup
def plot(
    words: tuple[str, ...],
    walk_one: Callable[[str, str], Profile],
    output: Path | None,
    force: bool,
    have: str | None,
    record: Path | None,
    size: str,
    dark: bool,
    unit: str | None,
    device: str,
    setup: Setup,
) -> None:
    """One picture, whose title states the finding.

    \b
    memory           what each layer saves for backward, by category
    parameters       learnable parameters by layer
    macs             multiply-accumulates by layer
    shares           memory, MACs and parameters by block, side by side
    receptive-field  how much of the image one value sees
    timeline         live bytes over one step; with --measured, a real one, too
    check            a record against the prediction, boundary by boundary
    batch            the peak against the batch; with --memory, what fits
    compare          several networks side by side
    sweep            the peak against the batch, for several image sizes
    time             time and achieved speed by layer, of a record

    \b
    vgg-profile plot D memory -o memory.svg
    vgg-profile plot A B D E compare -o compare.pdf
    vgg-profile plot D batch --memory rtx4090 --optimizer adam -o batch.png
    vgg-profile plot D shares --size slide --dark -o shares.png
    vgg-profile plot D timeline --measured reports/measured -o timeline.svg
    """
    configs, kind = _configs_and_kind(words)
    _refuse_useless(kind, configs)
    path = _picture(output, kind, force=force)
    check_can_draw()
    line = {"memory": memory(have)} if have is not None and Sweep in KINDS[kind] else {}
    figure = depict(_subject(kind, configs, walk_one, have, record, device, setup), kind, unit, **line)

    from vgg_profile.write.plots import to_bytes

    write_whole(path, to_bytes(figure, path.suffix[1:].lower(), size, dark=dark), force=force)
    say(f"Wrote {path}: {figure.title}")


def _configs_and_kind(words: Sequence[str]) -> tuple[Sequence[str], str]:
    """The networks and, last, the kind of figure; what is missing is named."""
    match words:
        case []:
            raise InputError("There is no network and no kind of figure.", _typed("D", "memory"))
        case [kind] if kind in KINDS:
            raise InputError(f"There is no network to draw {kind} of.", _typed("D", kind))
        case [net]:
            raise InputError(
                f"The kind of figure is missing: the one word given, {excerpt(net)}, is the network.",
                f"Name one of {', '.join(KINDS)} after it. {_typed(net, 'memory')}",
            )
        case [kind, *_, net] if kind in KINDS and net not in KINDS:
            raise InputError(
                f"{excerpt(net)} stands where the kind of figure is expected.",
                f"The kind comes last. {_typed(net, kind)}",
            )
    return words[:-1], check_kind(words[-1])


def _typed(net: str, kind: str) -> str:
    return f"Type: `{command_line(['vgg-profile', 'plot', net, kind, '-o', f'{kind}.svg'])}`."


def _refuse_useless(kind: str, configs: Sequence[str]) -> None:
    """Refuse an option that would change nothing in this kind of figure; any network needs its inputs."""
    needed = {"inputs"} if any(map(is_python, configs)) else set()
    for option in click.get_current_context().command.params:
        name = option.name or ""
        if name not in USELESS[kind] - needed or not was_given(name):
            continue
        if name in ("batch", "inputs"):
            advice = (
                "It draws a range of its own; for another: "
                f"`vgg-profile sweep D --batch 1..64 --input 64..512:64 -o {kind}.svg`."
            )
        else:
            others = [other for other, useless in USELESS.items() if name not in useless]
            advice = f"Leave it out, or ask for {units.listed(others, 'or')}."
        raise InputError(f"The figure {kind} has no use for {option.opts[0]}.", advice)


def _picture(path: Path | None, kind: str, *, force: bool) -> Path:
    """Where the picture goes, in a format that its suffix names."""
    if path is None:
        raise InputError("A figure goes to a file, and none is named.", f"Name one: -o {kind}.svg.")
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"The suffix of {excerpt(str(path))} names no format of pictures.",
            f"Use one of {', '.join(SUFFIXES)}: -o {kind}.svg.",
        )
    check_writable(path, force=force)
    return path


def _subject(
    kind: str,
    configs: Sequence[str],
    walk_one: Callable[[str, str], Profile],
    have: str | None,
    record: Path | None,
    device: str,
    setup: Setup,
) -> Displayed:
    """What the figure is of; what a kind needs and is missing is refused."""
    shows = KINDS[kind]
    if Comparison in shows:
        return Comparison(tuple(walk_one(each, device) for each in configs), setup)
    if len(configs) > 1:
        raise InputError(
            f"The figure {kind} is of one network, and {len(configs)} are named.",
            "Name one, and the kind after it; or ask for compare.",
        )
    if have is not None and Sweep in shows:
        return _grid(walk_one(configs[0], _rules(memory(have), device)), setup)
    if have is not None:
        return _fit(configs[0], walk_one, have, device, setup)
    profile = walk_one(configs[0], device)
    if record is not None:
        return _measured(profile, record, setup, is_curve=Overlay in shows)
    if Profile in shows:
        needs_a_step = "mode" not in USELESS[kind]
        return ledger(profile, setup).profile if needs_a_step else profile
    if Sweep in shows:
        return _grid(profile, setup)
    if Step in shows:
        return ledger(profile, setup)
    raise InputError(
        f"The figure {kind} is of a real step.", "Name its record: --measured reports/measured/D-cpu.json."
    )


def _grid(profile: Profile, setup: Setup) -> Sweep:
    """The peak over batches, and of a VGG over image sizes; `vgg-profile sweep` takes any other grid."""
    if profile.run is not None:
        least, most = trace(profile, setup).for_any_batch().span
        return sweep_any(
            lambda size, dtype, setup: profile,
            inputs=(profile.input,),
            batches=range(least, min(64, most or 64) + 1),
            dtypes=(profile.dtype,),
            optimizers=(setup.optimizer,),
            setup=setup,
        )
    return sweep(
        profile.config,
        inputs=(64, 128, 224, 320, 512),
        batches=range(1, 65),
        dtypes=(profile.dtype,),
        optimizers=(setup.optimizer,),
        setup=setup,
        device=profile.device,
    )


def _measured(profile: Profile, path: Path, setup: Setup, *, is_curve: bool) -> Overlay | Measurement:
    """The network's record, of a folder the one at this setting; the curve of its step if so asked."""
    from vgg_profile.measure.reading import load  # and with it msgspec, which no prediction needs

    if path.is_dir():
        (network,) = Comparison((profile,), setup, measured=read_records(path)).networks
        assert network.checks is not None  # else the comparison would have been refused
        measurement = network.checks.measurement
    else:
        measurement = load(path)
        check_network(measurement)
        check_setting(measurement, asked(profile, setup))
    measured = profile_of(profile, measurement)
    return lay_over(ledger(measured, setup_of(measurement)), measurement) if is_curve else measurement


def _fit(config: str, walk_one: Callable[[str, str], Profile], have: str, device: str, setup: Setup) -> Fit:
    """The question that `vgg-profile fit` answers, by a card's own rules unless others are asked for."""
    amount = memory(have)
    return Question(walk_one(config, _rules(amount, device)), amount, setup).answer()


def _rules(amount: Memory, device: str) -> str:
    """A card's own rules, unless others are asked for."""
    is_chosen = click.get_current_context().get_parameter_source("device") is ParameterSource.COMMANDLINE
    return device if is_chosen else amount.device or device
