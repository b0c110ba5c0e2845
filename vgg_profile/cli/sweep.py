"""The command that asks for a whole grid of settings."""

from __future__ import annotations

import click

from vgg_profile.ask.sweep import MOST_POINTS, sweep
from vgg_profile.cli.options import Output, gives_output, rules_option, takes_conditions, takes_config
from vgg_profile.cli.program import bar
from vgg_profile.core.errors import InputError, did_you_mean, excerpt
from vgg_profile.core.setting import LARGEST, OPTIMIZERS, Setup
from vgg_profile.core.sizes import ITEMSIZE
from vgg_profile.predict.vgg.configs import Config


@click.command("sweep")
@takes_config
@click.option("--batch", default="1", show_default=True, metavar="LIST", help="1..256, or 8,16,32..256:32.")
@click.option(
    "--input", "input_", metavar="LIST", default="224", show_default=True, help="64..512:32, or 224,192x256."
)
@click.option("--dtype", default="float32", show_default=True, metavar="LIST", help="float32,bfloat16 …")
@click.option("--optimizer", default="none", show_default=True, metavar="LIST", help="sgd,adam …")
@rules_option
@takes_conditions
@gives_output
def sweep_command(
    net: Config, batch: str, input_: str, dtype: str, optimizer: str, device: str, setup: Setup, out: Output
) -> None:
    """The peak over a grid of batches, sizes, dtypes and optimizers.

    \b
    vgg-profile sweep D --batch 1..256 --input 64..512:32 -o grid.csv
    vgg-profile sweep D --dtype float32,bfloat16 --optimizer sgd,adam --format json
    """
    grid = sweep(
        net,
        inputs=image_sizes(input_),
        batches=numbers(batch, "batch"),
        dtypes=_choices(dtype, tuple(ITEMSIZE), "dtype"),
        optimizers=_choices(optimizer, OPTIMIZERS, "optimizer"),
        setup=setup,
        device=device,
        progress=lambda steps, length: bar(steps, length, f"Sweeping {net.label}"),
    )
    out.deliver(grid)


def numbers(text: str, what: str, before: int = 0) -> list[int]:
    """Read a list of whole numbers and ranges: ``1..256``, ``64..512:32``, ``1,2,4..16:4``.

    ``before`` is how many there are already.

    >>> numbers("1,2,4..16:4", "batch")
    [1, 2, 4, 8, 12, 16]
    """
    found: list[int] = []
    for part in text.split(","):
        bounds, _, stride = part.partition(":")
        first, dots, last = bounds.partition("..")
        ends = [_whole(each) for each in (first, last if dots else first, stride or "1")]
        if (stride and not dots) or not all(1 <= end <= LARGEST for end in ends):
            raise InputError(
                f"The {what} {excerpt(text)} is not a list of numbers and ranges.",
                f"Give whole numbers from 1 to {LARGEST:,}, such as --{what} 1,2,4 or --{what} 64..512:32.",
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
        found += [part] if "x" in part.lower() else numbers(part, "input", len(found))
    return found


def _whole(text: str) -> int:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0


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
