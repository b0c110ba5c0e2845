"""The command that finds what is wrong with a hand-written model."""

from __future__ import annotations

import re

import click

from vgg_profile.cli.options import Output, gives_output, input_option
from vgg_profile.configs import config
from vgg_profile.walker import input_shape

HAS_DEFECTS = 3


@click.command("diagnose")
@click.argument("subject", metavar="FILE.py:NAME")
@input_option
@click.option("--like", metavar="CONFIG", help="What it should be, such as E-BN; else its neighbours decide.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="How long the file may run.",
)
@gives_output
def diagnose_command(subject: str, input_: str | None, like: str | None, timeout: float, out: Output) -> None:
    """Every mistake in a hand-written model, each with its mend.

    NAME is an nn.Module class or a function that returns a module, called without arguments, or a module.
    THE FILE IS RUN AS PYTHON, with your rights, in a process of its own: diagnose only files that you trust.
    What it prints goes to stderr.

    The walk does not stop at the first clash: a defect is mended and the walk goes on. At the end stands the
    mended list, as Python. Exit code 0 if nothing is wrong, 3 if something is.

    \b
    vgg-profile diagnose model.py:VGG
    vgg-profile diagnose examples/broken_vgg19.py:vgg19 --like E-BN
    vgg-profile diagnose model.py:net --input 1x32x32 --format json
    """
    from vgg_profile.diagnose import diagnose, read

    wanted = None if like is None else config(like)
    shape = input_shape(input_, wanted.in_channels if wanted else _channels(input_))
    diagnosis = diagnose(read(subject, shape, timeout), shape, wanted, subject)
    out.deliver(diagnosis)
    if diagnosis.defects:
        click.get_current_context().exit(HAS_DEFECTS)


def _channels(size: str | None) -> int:
    """Those that an image size names, or else a colour image's."""
    named: re.Match[str] | None = re.match(r"\s*(\d{1,9})\s*[x×]\s*\d+\s*[x×]", size or "", re.ASCII | re.I)
    return int(named[1]) if named else 3
