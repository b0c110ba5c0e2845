"""The command that asks whether it fits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vgg_profile.ask.cards import memory, reserve
from vgg_profile.ask.fit import DEFAULT_RESERVE, Fit, Reserve, process
from vgg_profile.ask.machine import settle
from vgg_profile.check.crosscheck import remainders
from vgg_profile.check.subject import check_network, check_setting, setup_of
from vgg_profile.cli.calibrating import as_calibrated, calibrate
from vgg_profile.cli.networks import Asked, is_python, is_trace_file, open_python, open_trace
from vgg_profile.cli.options import only_input, takes_any_network, takes_setup, was_given
from vgg_profile.cli.output import Output, gives_output
from vgg_profile.core.errors import InputError
from vgg_profile.core.setting import DEVICES, Setup
from vgg_profile.core.step import SEVERAL
from vgg_profile.predict.vgg.configs import Source
from vgg_profile.predict.vgg.walk import walk

if TYPE_CHECKING:
    from vgg_profile.measure.record import Measurement

DOES_NOT_FIT = 4


@click.command("fit")
@takes_any_network
@click.option(
    "--memory",
    "memory_",
    required=True,
    metavar="SIZE",
    help="8GiB, 8 GB, 24576MiB, bytes, or a card: rtx4090.",
)
@click.option("--batch", type=int, metavar="N", help="Ask about this batch (default: find the largest).")
@click.option(
    "--device",
    type=click.Choice(DEVICES),
    help="Whose rules hold.  [default: cuda for a card, else cpu]",
)
@click.option(
    "--reserve",
    "reserve_",
    metavar="SIZE",
    help="Kept free for what is no tensor; on a card, the CUDA context.  [default: up to 720 MiB; an H200's]",
)
@click.option(
    "--expandable-segments",
    "expandable",
    is_flag=True,
    help="A card's memory as with PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True.",
)
@click.option(
    "--measured",
    type=click.Path(path_type=Path),
    metavar="RECORD",
    help="On the CPU, its processor and threads; on a card, the scratch that it shows.",
)
@click.option(
    "--calibrate",
    "calibrates",
    is_flag=True,
    help="On the CPU: measure what the process takes, by small steps in one of its own, and keep it.",
)
@takes_setup
@gives_output
def fit_command(
    source: str,
    batch_norm: bool | None,
    classes: int | None,
    asked: Asked,
    memory_: str,
    batch: int | None,
    device: str | None,
    reserve_: str | None,
    expandable: bool,
    measured: Path | None,
    calibrates: bool,
    setup: Setup,
    out: Output,
) -> None:
    """The largest batch that fits into a memory, with the working.

    NET is what `table` takes: a config, a network of yours, or a traced one.

    What the CPU's kernels take depends on the processor: it is the one that you name, else the one that
    `doctor` or --calibrate last saw here, else the worst that is known.

    Exit code 0 if it fits, 4 if it does not.

    \b
    vgg-profile fit D --memory 8GiB --optimizer adam
    vgg-profile fit D --memory h100 --optimizer adam --expandable-segments
    vgg-profile fit D --memory 8GiB --batch 64 --checkpoint blocks
    """
    have = memory(memory_)
    asked_of = device or have.device
    if is_python(source):
        profile = open_python(source, asked, setup, batch or SEVERAL, asked_of or "cpu")
    elif is_trace_file(source):
        profile = open_trace(source, asked, batch, asked_of)
    else:
        profile = walk(
            source,
            input=only_input(source, asked),
            batch=1 if batch is None else batch,
            dtype=asked.dtype or "float32",
            device=asked_of or "cpu",
            batch_norm=batch_norm,
            classes=classes,
        )
    rules = profile.device
    reserves = list(process(have.bytes)) if rules == "cpu" else [DEFAULT_RESERVE[rules]]
    if reserve_ is not None:
        kept = reserve(reserve_)
        what = "all that is no tensor" if rules == "cpu" else "the CUDA context"
        reserves = [Reserve(kept, what, "--reserve")] if kept else []
    if measured is not None:
        record = _record(setup.on(rules), list(profile.input), profile.dtype, rules, measured)
        if rules == "cpu":
            setup = _as_measured(setup, profile.config, record)
        else:
            reserves += _scratch(profile.config, record, measured)
    limit = have.bytes - sum(each.bytes for each in reserves)
    if calibrates:
        calibrate(profile, setup, have.bytes)
    if profile.run is None and was_given("probe") and asked.probe:
        raise InputError(
            "A probe runs a VGG's operations at one batch, and a largest batch is looked for among many.",
            f"Ask about one: `vgg-profile timeline {source} --batch N --probe`.",
        )
    step, machine = settle(profile, setup, limit, batch)
    known = as_calibrated(step) if reserve_ is None and machine is not None else None
    if known is not None:
        reserves = [known]
    fit = Fit(step, have, tuple(reserves), batch, expandable, machine)
    _ = fit.with_adam  # first, while no other book is held: of ten thousand layers each is large
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
