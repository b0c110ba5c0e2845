"""The command that lays networks side by side."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from vgg_profile.ask.compare import BY, Comparison, read_records
from vgg_profile.cli.options import rules_option, takes_networks, takes_setup
from vgg_profile.cli.output import Output, gives_output
from vgg_profile.core.setting import Setup
from vgg_profile.core.tree import Profile


@click.command("compare")
@takes_networks
@rules_option
@takes_setup
@click.option("--by", type=click.Choice(BY), default="total", show_default=True, help="What each row is.")
@click.option("--relative-to", "base", metavar="CONFIG", help="Add ratios to this network's figures.")
@click.option(
    "--measured",
    "records",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="A record, or a folder of them: measured figures beside the predicted.",
)
@gives_output
def compare_command(
    configs: tuple[str, ...],
    walk_one: Callable[[str, str], Profile],
    device: str,
    setup: Setup,
    by: str,
    base: str | None,
    records: Path | None,
    out: Output,
) -> None:
    """Networks side by side at one setting, in figures and ratios.

    Each CONFIG is what `table` takes: a name, a list of layers, or a file. A record is used only for the
    network and the setting that it was made with.

    \b
    vgg-profile compare A B D E --relative-to A
    vgg-profile compare D D-BN "64,64,M,128,128,M,GAP" --batch 32 --optimizer adam
    vgg-profile compare A B D E --by layer -o layers.csv
    vgg-profile compare A B D E --measured reports/measured
    """
    out.deliver(
        Comparison(
            tuple(walk_one(each, device) for each in configs),
            setup,
            base=None if base is None else walk_one(base, device),
            by=by,
            measured={} if records is None else read_records(records),
        )
    )
