"""The command that asks whether it fits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vgg_profile.ask.cards import memory, reserve
from vgg_profile.ask.fit import DEFAULT_RESERVE, Fit, Reserve
from vgg_profile.check.crosscheck import check_network, check_setting, remainders, setup_of
from vgg_profile.cli.options import (
    Output,
    dtype_option,
    gives_output,
    input_option,
    takes_config,
    takes_setup,
)
from vgg_profile.core.setting import DEVICES, Setup
from vgg_profile.predict.vgg.configs import Config, Source
from vgg_profile.predict.vgg.step import trace
from vgg_profile.predict.vgg.walk import walk

if TYPE_CHECKING:
    from vgg_profile.measure.record import Measurement

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
    "--device",
    type=click.Choice(DEVICES),
    help="Whose rules hold.  [default: cuda for a card, else cpu]",
)
@click.option(
    "--reserve", "reserve_", metavar="SIZE", help="Kept free for what is not a tensor.  [default: 1GiB]"
)
@click.option(
    "--measured",
    type=click.Path(path_type=Path),
    metavar="RECORD",
    help="On the CPU, its processor and threads; on a card, the scratch that it shows.",
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
    """The largest batch that fits into a memory, with the working.

    Exit code 0 if it fits, 4 if it does not.

    \b
    vgg-profile fit D --memory 8GiB --optimizer adam
    vgg-profile fit D --memory rtx4090 --optimizer adam --amp bfloat16
    vgg-profile fit D --memory 8GiB --batch 64 --checkpoint blocks
    """
    have = memory(memory_)
    rules = device or have.device or "cpu"
    reserves = [DEFAULT_RESERVE[rules]]
    if reserve_ is not None:
        kept = reserve(reserve_)
        reserves = [Reserve(kept, "all that is no tensor", "--reserve")] if kept else []
    profile = walk(net, input=input_, batch=1 if batch is None else batch, dtype=dtype, device=rules)
    if measured is not None:
        record = _record(setup.on(rules), list(profile.input), dtype, rules, measured)
        if rules == "cpu":
            setup = _as_measured(setup, profile.config, record)
        else:
            reserves += _scratch(profile.config, record, measured)
    step = trace(profile, setup)
    fit = Fit(step, have, tuple(reserves), batch)
    out.deliver(fit)
    if not fit.fits:
        click.get_current_context().exit(DOES_NOT_FIT)


def _record(setup: Setup, input_: list[int], dtype: str, device: str, path: Path) -> Measurement:
    """A record, which must be of the same network and setup, at any batch and on any processor."""
    from vgg_profile.measure.reading import load  # and with it msgspec, which no prediction needs

    record = load(path)
    check_network(record)
    asked = {"input": input_, "dtype": dtype, "device": device, **setup.to_dict()}
    del asked["processor"], asked["threads"]
    check_setting(record, asked)
    return record


def _as_measured(setup: Setup, net: Source, record: Measurement) -> Setup:
    """The setup with the processor and the threads of a record that holds, unless it has its own."""
    remainders(net, record)
    return setup.on_the_machine_of(setup_of(record))


def _scratch(net: Source, record: Measurement, path: Path) -> Iterator[Reserve]:
    """What a record took beside its tensors on a card."""
    source = f"measured at batch {record.subject['batch']:,} by {path}"
    terms = remainders(net, record)
    for term in terms:
        yield Reserve(term.value, term.name, source)
    if not terms:
        yield Reserve(0, "scratch at the peak", source)
