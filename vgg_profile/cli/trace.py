"""The command that traces any network, and writes its step to be carried."""

from __future__ import annotations

from pathlib import Path

import click

from vgg_profile.cli.networks import Asked, is_python, open_python
from vgg_profile.cli.options import rules_option, takes_any_network, takes_setup
from vgg_profile.cli.output import force_option
from vgg_profile.cli.speech import say
from vgg_profile.cli.spelling import Whole
from vgg_profile.core.errors import InputError, excerpt
from vgg_profile.core.files import check_writable, write_whole
from vgg_profile.core.setting import Setup


@click.command("trace")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="The file to write, such as net.json.",
)
@takes_any_network
@click.option(
    "--batch",
    type=Whole(),
    default=1,
    show_default=True,
    metavar="N",
    help="Images at a time: the least batch that the file answers for.",
)
@click.option(
    "--up-to",
    type=click.IntRange(1),
    default=32,
    show_default=True,
    metavar="BATCH",
    help="The largest batch that it answers for, if kernels change with the batch.",
)
@rules_option
@takes_setup
@force_option
def trace_command(
    source: str,
    batch_norm: bool | None,
    classes: int | None,
    asked: Asked,
    batch: int,
    up_to: int,
    device: str,
    setup: Setup,
    output: Path,
    force: bool,
) -> None:
    """A network's training step as a file that every command reads.

    That needs neither torch nor the network. NET is FILE.py:NAME or package.module:NAME: a class,
    a function or a module; its code is run here, with your rights. It answers for every memory and, unless
    kernels change with it, every batch; input, dtype, mode and optimizer are those traced.

    \b
    vgg-profile trace torchvision.models:resnet50 --input 3x224x224 \\
        --optimizer adam --up-to 128 -o resnet50.json
    vgg-profile trace my/net.py:GPT --with layers=4 --input "128:int64<50257" \\
        -o gpt.json
    vgg-profile fit resnet50.json --memory 8GiB --optimizer adam
    """
    if not is_python(source) or batch_norm is not None or classes is not None:
        raise InputError(
            f"{excerpt(source)} is no network in Python: a VGG needs no trace, it is worked out at once.",
            "Name one as FILE.py:NAME or package.module:NAME.",
        )
    check_writable(output, force=force)
    from vgg_profile.predict.steps import trace
    from vgg_profile.predict.traced import dumps

    profile = open_python(source, asked, setup, batch, device, up_to=up_to)
    step = trace(profile, setup)
    write_whole(output, dumps(step) + "\n", force=force)
    say(f"Wrote {output}: {step.answers_for}; the loss is {step.profile.config.heading['loss']}")
    for doubt in step.doubts:
        say(f"~ {doubt}")
