"""The command that lays networks side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from vgg_profile.ask.cards import memory
from vgg_profile.ask.compare import BY, Comparison, read_records
from vgg_profile.ask.difference import Difference, measured, predicted
from vgg_profile.cli.completion import cards, networks
from vgg_profile.cli.hints import typed_network
from vgg_profile.cli.networks import is_python
from vgg_profile.cli.options import rules_option, takes_networks, takes_setup, was_given
from vgg_profile.cli.output import Output, gives_drawing
from vgg_profile.cli.spelling import Word
from vgg_profile.core.errors import InputError, excerpt
from vgg_profile.core.setting import Setup
from vgg_profile.core.tree import Profile
from vgg_profile.measure.record import Measurement, is_record
from vgg_profile.run.revision import as_of


@click.command("compare")
@click.option("--by", type=Word(BY), default="total", show_default=True, help="What each row is.")
@click.option(
    "--relative-to",
    "base",
    metavar="NET",
    shell_complete=networks,
    help="Add ratios to this network's figures.",
)
@click.option(
    "--short",
    is_flag=True,
    help="Two networks, or two records, old and new: what changed, and in which layer.",
)
@click.option("--against", metavar="REV", help="The old one is the same file in this git revision: main.")
@click.option(
    "--memory",
    "memory_",
    metavar="SIZE",
    shell_complete=cards,
    help="With --short: the largest batch that fits, too, into 8GiB or a card.",
)
@click.option(
    "--measured",
    "records",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="A record, or a folder of them: measured figures beside the predicted.",
)
@takes_networks
@rules_option
@takes_setup
@gives_drawing
def compare_command(
    configs: tuple[str, ...],
    walk_one: Callable[[str, str], Profile],
    device: str,
    setup: Setup,
    by: str,
    base: str | None,
    records: Path | None,
    short: bool,
    against: str | None,
    memory_: str | None,
    out: Output,
) -> None:
    """Networks side by side at one setting, in figures and ratios.

    NET is what `table` takes: a name, a list of layers, or a file. A record is used only for the network
    and the setting that it was made with.

    \b
    vgg-profile compare A B D E --relative-to A
    vgg-profile compare D D-BN "64,64,M,128,128,M,GAP" --batch 32 --optimizer adam
    vgg-profile compare A B D E --by layer -o layers.csv
    vgg-profile compare A B D E --measured reports/measured
    vgg-profile compare old.toml new.toml --short --memory 8GiB
    vgg-profile compare my/net.py:Net --input 3x224x224 --against main
    """
    if short or against is not None or memory_ is not None:
        if by != "total" or base is not None or records is not None:
            raise InputError(
                "--by, --relative-to and --measured are of networks side by side.",
                "Leave them out, or leave --short, --against and --memory out.",
            )
        have = None if memory_ is None else memory(memory_)
        if have is not None and have.device is not None and not was_given("device"):
            device = have.device
        with _two(configs, against, memory_ or "8GiB") as sources:
            old, new = (
                measured(label, _load(Path(source)))
                if is_record(Path(source))
                else predicted(label, walk_one(source, device), setup, have)
                for label, source in sources
            )
            out.deliver(Difference(old, new, have))
        return
    out.deliver(
        Comparison(
            tuple(walk_one(each, device) for each in configs),
            setup,
            base=None if base is None else walk_one(base, device),
            by=by,
            measured={} if records is None else read_records(records),
        )
    )


def _load(path: Path) -> Measurement:
    from vgg_profile.measure.reading import load  # and with it msgspec, which no prediction needs

    return load(path)


@contextmanager
def _two(sources: tuple[str, ...], against: str | None, have: str) -> Iterator[tuple[tuple[str, str], ...]]:
    """The old and the new network, as label and name; a revision's file lies there meanwhile."""
    if against is None:
        if len(sources) != 2:
            raise InputError(
                f"What changed is asked of two networks, old and new, and {len(sources)} are named.",
                "Name two; what fits of several says "
                f"`vgg-profile fit {typed_network(len(sources))} --memory {have}`.",
            )
        yield tuple((source, source) for source in sources)
        return
    source, *others = sources
    file, colon, name = source.rpartition(":") if is_python(source) else (source, "", "")
    if others or Path(file).suffix not in (".py", ".toml", ".json"):
        raise InputError(
            f"--against is asked of one file, and {excerpt(' '.join(sources))} is none.",
            "Name it: net.toml, or my/net.py:Net.",
        )
    with as_of(Path(file), against) as there:
        try:
            yield (f"{source} at {against}", f"{there}{colon}{name}"), (source, source)
        except InputError as error:  # in the words of the one who asks, and not of where the old file lies
            said = (text.replace(str(there), file) for text in (error.problem, error.next_step))
            raise InputError(*said) from None
