"""The commands that count: no step, no measurement, no torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from vgg_profile.ask.compare import BY, Comparison, read_records
from vgg_profile.cli.options import (
    Output,
    gives_output,
    rules_option,
    takes_network,
    takes_networks,
    takes_setup,
)
from vgg_profile.core.errors import InputError
from vgg_profile.core.setting import Setup
from vgg_profile.core.tree import Profile
from vgg_profile.predict.vgg.configs import PAPER
from vgg_profile.predict.vgg.walk import walk


@click.command("list")
@gives_output
def list_command(out: Output) -> None:
    """Every config of the paper: depth, parameters, MACs, memory."""
    labels = [*PAPER, *(f"{name}-BN" for name in ("A", "B", "D", "E"))]
    out.deliver(Comparison(tuple(walk(label) for label in labels)))


@click.command()
@takes_network
@rules_option
@click.option("--all-layers", is_flag=True, help="Every module: also ReLU, norms, dropout, average pool.")
@click.option("--notes", is_flag=True, help="The notes' conventions: their labels and rounding, no biases.")
@click.option("--saved", is_flag=True, help="What each layer keeps for the backward pass, and why.")
@gives_output
def table(
    walk_on: Callable[[str], Profile], device: str, all_layers: bool, notes: bool, saved: bool, out: Output
) -> None:
    """One network, layer by layer, with the arithmetic beside each figure.

    CONFIG is a name (A, A-LRN, B, C, D, E, vgg16, vgg16_bn, D-BN …), a list of layers, or a .toml or
    .json file. In a list a number is a 3×3 convolution of that width, conv1-256 a 1×1 one, M a max pool,
    LRN a local response norm.

    \b
    vgg-profile table D --batch 8
    vgg-profile table vgg16_bn --all-layers
    vgg-profile table "64,64,M,128,conv1-128,M" --input 3x192x256
    vgg-profile table tiny.toml -o tiny.md

    \b
    tiny.toml:   name = "tiny"
                 layers = [64, "M", 128, "conv1-128", "M"]
                 classifier = [512]       # hidden fully-connected widths
                 classes = 10
                 in_channels = 3
                 batch_norm = false
    """
    if notes and saved:
        raise InputError("--notes and --saved are two different tables.", "Ask for one at a time.")
    out.deliver(walk_on(device), all_layers=all_layers, notes=notes, saved=saved)


@click.command("compare")
@takes_networks
@rules_option
@takes_setup
@click.option("--by", type=click.Choice(BY), default="total", show_default=True, help="What has a row.")
@click.option("--relative-to", "base", metavar="CONFIG", help="Ratios to this one's figures, too.")
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
    """Networks side by side at one setting, absolute and as ratios.

    Each CONFIG is what `table` takes: a name, a list of layers, or a file. A record is used for the network
    and the setting that it is of, and for no other.

    \b
    vgg-profile compare A B D E --relative-to A
    vgg-profile compare D D-BN "64,64,M,128,128,M" --batch 32 --optimizer adam
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
