"""The command that lists the paper's configs."""

from __future__ import annotations

import click

from vgg_profile.cli.output import Output, gives_drawing
from vgg_profile.predict.vgg.configs import PAPER
from vgg_profile.predict.vgg.walk import walk


@click.command("list")
@gives_drawing
def list_command(out: Output) -> None:
    """The paper's configs: depth, parameters, MACs, memory.

    \b
    vgg-profile list
    vgg-profile list -o configs.csv
    """
    from vgg_profile.ask.compare import Comparison

    labels = [*PAPER, *(f"{name}-BN" for name in ("A", "B", "D", "E"))]
    out.deliver(Comparison(tuple(walk(label) for label in labels)))
