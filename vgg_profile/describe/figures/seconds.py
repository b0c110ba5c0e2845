"""Seconds and achieved speed by layer, drawn from a record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from vgg_profile.check.subject import setup_of
from vgg_profile.core import units
from vgg_profile.core.errors import InputError
from vgg_profile.core.events import Phase
from vgg_profile.core.figures import (
    COMPUTE,
    COMPUTE_LIGHT,
    SPEED,
    Figure,
    LimitLine,
    Panel,
    Series,
    Style,
    Unit,
)
from vgg_profile.describe.figures.drawing import bars, measured_on, second_unit, took
from vgg_profile.describe.kinds import figure_of
from vgg_profile.measure.record import Measurement
from vgg_profile.measure.vocabulary import RATE, time_of

MOST_SHOWN = 20
"""Layers that a figure of times names each; the others share one bar."""


@figure_of("time", Measurement)
def _time(measurement: Measurement) -> Figure:
    """Time and achieved speed, layer by layer."""
    forward, backward = (_numbers(measurement, f"{phase}_time") for phase in ("forward", "backward"))
    if not any(forward.values()):
        raise InputError(
            "The record holds no times.",
            "Measure again, with --repeats 3, the default: `vgg-profile measure NET -o record.json`.",
        )
    flops = _numbers(measurement, "forward_backward_flops" if backward else "forward_flops")
    seconds = {layer: forward[layer] + backward.get(layer, 0.0) for layer in forward}
    speeds = {layer: flops.get(layer, 0.0) / each if each else 0.0 for layer, each in seconds.items()}
    slowest, fastest = (max(each, key=each.__getitem__) for each in (seconds, speeds))
    whole = sum(seconds.values())
    share = units.percent(round(1e9 * seconds[slowest]), round(1e9 * whole))
    unit = second_unit(max(seconds.values()))
    finding = (
        f"{slowest} takes {share} of {took(whole, unit)}; {fastest} computes fastest, "
        f"{speeds[fastest] / 1e9:,.1f} GFLOP/s"
    )
    rate = measurement.get(RATE)
    limits = []
    if rate is not None and isinstance(rate.value, float):
        finding += f" beside {rate.value / 1e9:,.1f} of a plain matrix product"
        limits.append(LimitLine(f"a plain matrix product, {rate.value / 1e9:,.1f} GFLOP/s", rate.value))
    shown = _slowest(seconds, fastest)
    groups = [(layer, [layer]) for layer in shown]
    if rest := [layer for layer in seconds if layer not in shown]:
        groups.append((f"{len(rest)} others", rest))
    names = tuple((place, name) for place, (name, _) in enumerate(groups))
    times, worked = (
        [sum(of.get(each, 0.0) for each in group) for _, group in groups] for of in (seconds, flops)
    )
    rates = [each / time if time else 0.0 for each, time in zip(worked, times, strict=True)]
    passes = [
        Series(
            label,
            range(len(groups)),
            [sum(of.get(each, 0.0) for each in group) for _, group in groups],
            colour,
            Style.BARS,
        )
        for label, of, colour in (("forward", forward, COMPUTE_LIGHT), ("backward", backward, COMPUTE))
        if of
    ]
    network = measurement.subject.get("config") or {"name": "a model"}
    return Figure(
        title=finding,
        subtitle=f"{network['name']}{'-BN' * network.get('batch_norm', False)}, "
        f"input {units.shape(tuple(measurement.subject['input']))}, batch {measurement.subject['batch']:,}, "
        f"{measurement.subject['dtype']}, {setup_of(measurement).label}",
        panels=(
            Panel(
                "time",
                unit,
                tuple(passes),
                names=names,
                ends=tuple(took(time, unit) for time in times),
                sideways=True,
            ),
            replace(
                bars("achieved", Unit("GFLOP/s", 1e9), rates, SPEED, names),
                ends=tuple(f"{speed / 1e9:,.1f}" if speed else "" for speed in rates),
                limits=tuple(limits),
            ),
        ),
        columns=2,
        alt=f"Two bar charts by layer: time, and achieved FLOPs a second. {finding}.",
        footer=f"{measured_on(measurement)} {_spread(measurement, unit)}"
        + f" The {MOST_SHOWN} slowest layers stand alone." * bool(rest),
    )


def _spread(measurement: Measurement, unit: Unit) -> str:
    """Between what the times of whole passes lay, or that they vary, of a record that does not say."""
    passes = [(phase, measurement.get(time_of(phase))) for phase in (Phase.FORWARD, Phase.BACKWARD)]
    said = [
        f"a {phase} pass {' to '.join(took(each, unit) for each in reading.spread)}"
        for phase, reading in passes
        if reading and reading.spread
    ]
    return f"Medians: {', '.join(said)}." if said else "Times vary from run to run."


def _slowest(seconds: Mapping[str, float], fastest: str) -> list[str]:
    """As many of the slowest layers as a slide has room for, in the network's order; with the fastest."""
    slowest = sorted(seconds, key=lambda layer: -seconds[layer])[:MOST_SHOWN]
    return [layer for layer in seconds if layer in {*slowest, fastest}]


def _numbers(measurement: Measurement, quantity: str) -> dict[str, float]:
    """The single numbers that were read of a quantity, by layer."""
    readings = measurement.layers(quantity)
    return {layer: float(each.value) for layer, each in readings.items() if not isinstance(each.value, list)}
