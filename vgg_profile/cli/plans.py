"""The commands that plan: what fits, and what a whole grid of settings would take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from vgg_profile.cli.options import (
    Output,
    dtype_option,
    gives_output,
    input_option,
    rules_option,
    takes_conditions,
    takes_config,
    takes_setup,
)
from vgg_profile.cli.program import bar
from vgg_profile.core.errors import InputError
from vgg_profile.core.setting import DEVICES, OPTIMIZERS, Setup
from vgg_profile.core.sizes import ITEMSIZE
from vgg_profile.predict.vgg.configs import Config, Source
from vgg_profile.predict.vgg.walk import walk

DOES_NOT_FIT = 4


@click.command("fit")
@takes_config
@click.option(
    "--memory",
    "memory_",
    required=True,
    metavar="SIZE",
    help="8GiB, 8 GB, 24576MiB, bytes, or a card: rtx4090.",
)
@input_option
@dtype_option
@click.option("--batch", type=int, metavar="N", help="Ask about this batch (default: find the largest).")
@click.option(
    "--device", type=click.Choice(DEVICES), help="Whose rules.  [default: cuda for a card, else cpu]"
)
@click.option(
    "--reserve", "reserve_", metavar="SIZE", help="Kept free for what is no tensor.  [default: 1GiB]"
)
@click.option(
    "--measured",
    type=click.Path(path_type=Path),
    metavar="RECORD",
    help="Add the scratch that a record of this network and setup was seen to take.",
)
@takes_setup
@gives_output
def fit_command(
    net: Config,
    memory_: str,
    input_: str | None,
    dtype: str,
    batch: int | None,
    device: str | None,
    reserve_: str | None,
    measured: Path | None,
    setup: Setup,
    out: Output,
) -> None:
    """Will it fit? The largest batch that a memory holds, with the working.

    Exit code 0 if it fits, 4 if it does not.

    \b
    vgg-profile fit D --memory 8GiB --optimizer adam
    vgg-profile fit D --memory rtx4090 --optimizer adam --amp bfloat16
    vgg-profile fit D --memory 8GiB --batch 64 --checkpoint blocks
    """
    from vgg_profile.ask.cards import memory, reserve
    from vgg_profile.ask.fit import DEFAULT_RESERVE, Fit, Reserve
    from vgg_profile.predict.vgg.step import trace

    have = memory(memory_)
    rules = device or have.device or "cpu"
    reserves = [DEFAULT_RESERVE[rules]]
    if reserve_ is not None:
        kept = reserve(reserve_)
        reserves = [Reserve(kept, "all that is no tensor", "--reserve")] if kept else []
    profile = walk(net, input=input_, batch=1 if batch is None else batch, dtype=dtype, device=rules)
    step = trace(profile, setup)
    if measured is not None:
        reserves += _scratch(step.setup, profile.config, list(profile.input), dtype, rules, measured)
    fit = Fit(step, have, tuple(reserves), batch)
    out.deliver(fit)
    if not fit.fits:
        click.get_current_context().exit(DOES_NOT_FIT)


def _scratch(
    setup: Setup, net: Source, input_: list[int], dtype: str, device: str, path: Path
) -> Iterator[Any]:
    """What a record took beside its tensors; it must be of the same network and setup, at any batch."""
    from vgg_profile.ask.fit import Reserve
    from vgg_profile.check.crosscheck import check_network, check_setting, remainders
    from vgg_profile.measure.reading import load

    record = load(path)
    check_network(record)
    check_setting(record, {"input": input_, "dtype": dtype, "device": device, **setup.to_dict()})
    source = f"measured at batch {record.subject['batch']:,} by {path}"
    terms = remainders(net, record)
    for term in terms:
        yield Reserve(term.value, term.name, source)
    if not terms:
        yield Reserve(0, "scratch at the peak", source)


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
    """The predicted peak over a grid of batches, image sizes, dtypes and optimizers.

    \b
    vgg-profile sweep D --batch 1..256 --input 64..512:32 -o grid.csv
    vgg-profile sweep D --dtype float32,bfloat16 --optimizer sgd,adam --format json
    """
    from vgg_profile.ask.sweep import image_sizes, numbers, sweep

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


def _choices(text: str, allowed: tuple[str, ...], what: str) -> list[str]:
    """A list of words, each one of those allowed."""
    found = [word.strip() for word in text.split(",")]
    for word in found:
        if word not in allowed:
            raise InputError(f"There is no {what} {word!r} here.", f"Choose from {', '.join(allowed)}.")
    return found
