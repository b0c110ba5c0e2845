"""The command that finds what is wrong with a hand-written model."""

from __future__ import annotations

import click

from vgg_profile.cli.completion import networks
from vgg_profile.cli.options import input_option, names_network
from vgg_profile.cli.output import Output, gives_output
from vgg_profile.cli.speech import say
from vgg_profile.core.errors import InputError, excerpt
from vgg_profile.core.inputs import Input
from vgg_profile.core.setting import input_shape
from vgg_profile.core.sizes import Shape
from vgg_profile.predict.vgg.configs import config

HAS_DEFECTS = 3


@click.command("diagnose")
@click.argument("subject", metavar="FILE.py:NAME")
@click.option(
    "--like",
    metavar="NET",
    shell_complete=networks,
    help="The config it should be, such as E-BN.",
)
@input_option
@names_network
@click.option(
    "--timeout",
    type=float,
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="How long the file may run.",
)
@gives_output
def diagnose_command(
    subject: str,
    input_: str | None,
    like: str | None,
    batch_norm: bool | None,
    classes: int | None,
    timeout: float,
    out: Output,
) -> None:
    """Find every mistake in a hand-written model, each with its fix.

    NAME is an nn.Module class or a function that returns a module, called without arguments, or a module.
    THE FILE IS RUN AS PYTHON, and so is the model's forward, on images that have a shape but no values. It
    runs in a process of its own, WITH YOUR RIGHTS: it may read, write and send whatever you may, and what it
    answers may be forged, so diagnose only files that you trust. What it prints goes to stderr, without what
    a terminal obeys. The processes that it started end with it, and its temporary files go.

    A model without Conv2d is given what --input says, such as 1x128 or 3x16x112x112; one whose forward wants
    several inputs, an image for each.

    PyTorch decides. A model that it runs, in train and in eval mode, has no defect, unless the rows of the
    batch change or a layer is registered nowhere; one that it refuses has at least one, and the fix with the
    fewest changes comes first. Remarks name what runs but is hardly intended; --like lists what differs from
    a config. Exit code 0 if nothing is wrong, 3 if there is a defect or a difference.

    \b
    vgg-profile diagnose model.py:VGG
    vgg-profile diagnose examples/broken_vgg19.py:vgg19 --like E-BN
    vgg-profile diagnose model.py:VGG --like D --batch-norm --classes 10
    vgg-profile diagnose model.py:net --input 1x32x32 --format json
    """
    from vgg_profile.diagnose import diagnose

    if like is None and (batch_norm, classes) != (None, None):
        raise InputError(
            "--batch-norm and --classes describe the config that the model should be, and none is named.",
            "Name it, such as --like D, or leave them out.",
        )
    wanted = None if like is None else config(like, batch_norm=batch_norm, classes=classes)
    shape = input_shape(input_, wanted.in_channels) if wanted else _sizes(input_)
    diagnosis = diagnose(subject, shape, wanted, timeout, say)
    out.deliver(diagnosis)
    if diagnosis.defects or diagnosis.differences:
        click.get_current_context().exit(HAS_DEFECTS)


def _sizes(text: str | None) -> Shape:
    """The sizes that an input names; how many there must be, the model says."""
    given = Input.parse(text or "224")
    if given != Input(given.shape) or not given.shape:
        raise InputError(
            f"The input {excerpt(text)} is more, or less, than sizes.",
            "Give those of one image: --input 224, --input 192x256 or --input 3x192x256.",
        )
    return given.shape
