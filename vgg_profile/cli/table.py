"""The command that prints one network, layer by layer."""

from __future__ import annotations

from collections.abc import Callable

import click

from vgg_profile.cli.options import freeze_option, rules_option, takes_network
from vgg_profile.cli.output import Output, gives_drawing
from vgg_profile.cli.spelling import Word
from vgg_profile.core.errors import InputError
from vgg_profile.core.setting import Setup
from vgg_profile.core.tree import Profile
from vgg_profile.render import PICTURES


@click.command()
@click.option("--notes", is_flag=True, help="The notes' conventions: their labels and rounding, no biases.")
@click.option("--saved", is_flag=True, help="What each layer keeps for the backward pass, and why.")
@click.option("--all-layers", is_flag=True, help="Every module: also ReLU, norms, dropout, average pool.")
@click.option(
    "--by",
    type=Word(("layer", "block")),
    default="layer",
    show_default=True,
    help="What each row is.",
)
@click.option(
    "--depth",
    type=click.IntRange(1, 100),
    metavar="N",
    help="Fold all modules below this depth of the tree into those above.",
)
@takes_network
@rules_option
@freeze_option
@gives_drawing
def table(
    walk_on: Callable[[str], Profile],
    device: str,
    all_layers: bool,
    notes: bool,
    depth: int | None,
    by: str,
    saved: bool,
    freeze: tuple[str, ...],
    out: Output,
) -> None:
    """One network, layer by layer, with its arithmetic.

    NET is a name (A, A-LRN, B, C, D, E, vgg16, vgg16_bn, D-BN …), a list of layers, or a .toml or
    .json file. In a list a number is a 3×3 convolution of that width, conv1-256 a 1×1 one, M a max pool,
    LRN a local response norm; the last may be GAP (a global average pool before the classifier) or none (no
    pool there). Without either, it is the paper's 7×7.

    NET may also be any network in Python, FILE.py:NAME or package.module:NAME, or a file that `trace` wrote.

    \b
    vgg-profile table D --batch 8
    vgg-profile table torchvision.models:resnet50 --input 3x224x224 --depth 1
    vgg-profile table vgg16_bn --all-layers
    vgg-profile table "64,64,M,128,conv1-128,M,GAP" --input 3x192x256
    vgg-profile table tiny.toml -o tiny.md

    \b
    tiny.toml:   name = "tiny"
                 layers = [64, "M", 128, "conv1-128", "M"]
                 classifier = [512]       # hidden fully-connected widths
                 classes = 10
                 in_channels = 3
                 batch_norm = false
                 pool = 7                 # average pool: 7, 1, N or "none"
    """
    if notes and saved:
        raise InputError("--notes and --saved are two different tables.", "Ask for one at a time.")
    if notes and out.format in PICTURES:
        raise InputError(
            "The notes' table is no picture: the one that `table` draws shows what each layer saves.",
            "Write it as -o FILE.html, .tex or .md, or leave --notes out.",
        )
    if depth is not None and (by == "block" or all_layers or notes):
        raise InputError(
            "--depth, --by block, --all-layers and --notes each choose the rows.", "Give one of them."
        )
    profile = walk_on(device)
    if freeze and not profile.is_traced:
        from vgg_profile.predict.vgg.step import trace

        profile = trace(profile, Setup(freeze=freeze)).profile
    if depth is not None:
        profile = profile.to_depth(depth)
    elif by == "block":
        profile = profile.by(lambda row: row.block)
    out.deliver(profile, all_layers=all_layers, notes=notes, saved=saved)
