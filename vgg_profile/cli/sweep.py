"""The command that asks for a whole grid of settings."""

from __future__ import annotations

import re
from itertools import product
from typing import Any

import click

from vgg_profile.ask.cards import memory
from vgg_profile.ask.fits import fits_of_grid
from vgg_profile.ask.sweep import MOST_POINTS, Look, sweep_any, vgg_profiles
from vgg_profile.cli.completion import cards
from vgg_profile.cli.networks import (
    Asked,
    check_any,
    is_python,
    is_trace_file,
    only_input,
    open_python,
    open_trace,
)
from vgg_profile.cli.options import rules_option, takes_conditions, takes_named_network, was_given
from vgg_profile.cli.output import Output, bar, gives_drawing
from vgg_profile.cli.program import exit_unless
from vgg_profile.cli.spelling import whole
from vgg_profile.core.errors import InputError, did_you_mean, excerpt
from vgg_profile.core.setting import LARGEST, OPTIMIZERS, Setup
from vgg_profile.core.sizes import ITEMSIZE
from vgg_profile.core.step import SEVERAL
from vgg_profile.core.tree import Profile
from vgg_profile.predict.vgg.configs import config


@click.command("sweep")
@click.option(
    "--batch",
    default="1",
    show_default=True,
    metavar="LIST",
    help="Images at a time: 1..256, or 8,16,32..256:32.",
)
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="LIST",
    help="Image sizes: 64..512:32, or 224,192x256 (default 224); any network's: 3x64x64,3x128x128.",
)
@click.option(
    "--dtype",
    default="float32",
    show_default=True,
    metavar="LIST",
    help="Of weights and images: float32,bfloat16 …",
)
@click.option(
    "--optimizer",
    default="none",
    show_default=True,
    metavar="LIST",
    help="What steps, with its state: sgd,adam …",
)
@click.option(
    "--memory",
    "memory_",
    metavar="SIZE",
    shell_complete=cards,
    help="What fits into it, 8GiB or a card: the largest batch of each, or whether those of --batch do.",
)
@takes_named_network
@rules_option
@takes_conditions
@gives_drawing
def sweep_command(
    source: str,
    batch_norm: bool | None,
    classes: int | None,
    asked: Asked,
    batch: str,
    dtype: str,
    optimizer: str,
    memory_: str | None,
    device: str,
    setup: Setup,
    out: Output,
) -> None:
    """The peak, or what fits into a memory, over a grid of settings.

    A grid has batches, image sizes, dtypes and optimizers. A network in Python is traced again for each
    input, dtype and optimizer; a traced one can only vary its batch. A network with several inputs takes
    --input once for each, and each may list alternatives.

    With --memory: exit code 4 if at any point a batch does not fit, or not even one image does.

    \b
    vgg-profile sweep D --memory 8GiB --optimizer sgd,adam --input 160..224:32
    vgg-profile sweep D --batch 1..256 --input 64..512:32 -o grid.csv
    vgg-profile sweep D --dtype float32,bfloat16 --optimizer sgd,adam -o grid.json
    vgg-profile sweep my/net.py:UNet --batch 2..64 --input 3x64x64,3x128x128
    """
    batches = numbers(batch, "batch")
    have = None if memory_ is None else memory(memory_)
    if have is not None and have.device is not None and not was_given("device"):
        device = have.device
    dtypes = _choices(dtype, tuple(ITEMSIZE), "dtype")
    optimizers = _choices(optimizer, OPTIMIZERS, "optimizer")
    if is_python(source) or is_trace_file(source):
        check_any(source, batch_norm, classes)
        look, sizes = _of_any(source, asked, max(SEVERAL, *batches[:1]), device)
    else:
        look = vgg_profiles(config(source, batch_norm=batch_norm, classes=classes), device)
        sizes = image_sizes(only_input(source, asked) or "224")
    if is_trace_file(source):
        dtypes, optimizers, setup = _as_traced(source, asked, dtypes, optimizers, setup)
    grid: dict[str, Any] = {
        "inputs": sizes,
        "dtypes": dtypes,
        "optimizers": optimizers,
        "setup": setup,
        "progress": lambda steps, length: bar(steps, length, f"Sweeping {source}"),
    }
    if have is None:
        out.deliver(sweep_any(look, batches=batches, **grid))
        return
    found = fits_of_grid(look, have, batches=batches if was_given("batch") else (), **grid)
    out.deliver(found)
    exit_unless(found.fits)


def _of_any(source: str, asked: Asked, batch: int, device: str) -> tuple[Look, list[Any]]:
    """The network at each point, and the inputs: each alternative of one with each of the others."""

    def look(inputs: tuple[str, ...], dtype: str, setup: Setup) -> Profile:
        here = asked._replace(inputs=inputs, dtype=dtype)
        if is_python(source):
            return open_python(source, here, setup, batch, device)
        return open_trace(source, here, None, device if was_given("device") else None)

    if any(".." in each for each in asked.inputs):
        raise InputError(
            f"A range is of a VGG's square images, and {excerpt(source)} is none.",
            "List what it is given instead, such as --input 3x64x64,3x128x128.",
        )
    return look, list(product(*(each.split(",") for each in asked.inputs)))


def _as_traced(
    source: str, asked: Asked, dtypes: list[str], optimizers: list[str], setup: Setup
) -> tuple[list[str], list[str], Setup]:
    """What was traced, where nothing else is asked for; another dtype or optimizer is refused."""
    own = open_trace(source, asked, None).setting
    return (
        dtypes if was_given("dtype") else [own.dtype],
        optimizers if was_given("optimizer") else [own.setup.optimizer],
        setup if asked.is_about_setup else own.setup,
    )


def numbers(text: str, what: str, before: int = 0) -> list[int]:
    """Read a list of whole numbers and ranges: ``1..256``, ``64..512:32``, ``1,2,4..16:4``.

    ``before`` is how many there are already.

    >>> numbers("1,2,4..16:4", "batch")
    [1, 2, 4, 8, 12, 16]
    """
    found: list[int] = []
    for part in text.split(","):
        ends = _ends(part)
        if ends is None:
            raise InputError(
                f"The {what} {excerpt(text)} is not a list of numbers and ranges.",
                f"{_meant(part, what)}Give whole numbers from 1 to {LARGEST:,}, such as --{what} 1,2,4 or "
                f"--{what} 64..512:32.",
            )
        start, stop, step = ends
        if start > stop:
            raise InputError(
                f"The {what} {excerpt(part)} is an empty range.",
                f"Start with the smaller number: --{what} {stop}..{start}.",
            )
        if before + len(found) + (stop - start) // step >= MOST_POINTS:
            raise InputError(
                f"With {excerpt(part)}, the {what} has more than {MOST_POINTS:,} numbers.",
                f"Take larger steps: --{what} {start}..{stop}:{max(1, -(-(stop - start) // 1000))}.",
            )
        found += range(start, stop + 1, step)
    return found


def image_sizes(text: str) -> list[str | int]:
    """Read a list of image sizes, squares also as ranges: ``64..512:32``, ``224,192x256``.

    >>> image_sizes("64..128:32,192x256")
    [64, 96, 128, '192x256']
    """
    found: list[str | int] = []
    for part in text.split(","):
        is_one = "x" in part.lower() and ".." not in part
        found += [part] if is_one else numbers(part, "input", len(found))
    return found


def _ends(part: str) -> tuple[int, int, int] | None:
    """First, last and stride of a range or of a single number; ``None`` for what is neither."""
    bounds, _, stride = part.partition(":")
    first, dots, last = bounds.partition("..")
    start, stop, step = (whole(each.strip()) or 0 for each in (first, last if dots else first, stride or "1"))
    is_one = (dots or not stride) and all(1 <= each <= LARGEST for each in (start, stop, step))
    return (start, stop, step) if is_one else None


def _meant(part: str, what: str) -> str:
    """The range that a part may stand for, if its numbers make one, as the beginning of a next step.

    >>> _meant("1-256", "batch"), _meant("64...512/32", "input"), _meant("9 to 3", "batch")
    ('Did you mean --batch 1..256? ', 'Did you mean --input 64..512:32? ', '')
    """
    first, last, stride, *_ = [*re.findall(r"[0-9]{1,9}", part), "", "", ""]
    text = f"{first}..{last}" + (f":{stride}" if stride else "")
    ends = _ends(text)
    return f"Did you mean --{what} {text}? " if ends and ends[0] <= ends[1] else ""


def _choices(text: str, allowed: tuple[str, ...], what: str) -> list[str]:
    """A list of words, each one of those allowed."""
    found = [word.strip() for word in text.split(",")]
    for word in found:
        if word not in allowed:
            raise InputError(
                f"There is no {what} {excerpt(word)}.",
                f"{did_you_mean(word.lower(), allowed)}Choose from {', '.join(allowed)}.",
            )
    return found
