"""Seconds and achieved speed by layer, drawn from a record."""

from __future__ import annotations

from dataclasses import replace

from vgg_profile.check.subject import setup_of
from vgg_profile.core import units
from vgg_profile.core.errors import InputError
from vgg_profile.core.figures import COMPUTE, COMPUTE_LIGHT, SPEED, Figure, Limit, Panel, Series, Style, Unit
from vgg_profile.describe.figures.drawing import bars, measured_on, second_unit, took
from vgg_profile.describe.kinds import figure_of
from vgg_profile.measure.record import Measurement


@figure_of("time", Measurement)
def _time(measurement: Measurement) -> Figure:
    """Time and achieved speed, layer by layer."""
    forward, backward = (_numbers(measurement, f"{phase}_time") for phase in ("forward", "backward"))
    if not any(forward.values()):
        raise InputError(
            "The record holds no times.",
            "Measure again, with --repeats 3, the default: `vgg-profile measure D -o record.json`.",
        )
    flops = _numbers(measurement, "forward_backward_flops" if backward else "forward_flops")
    passes = [Series("forward", range(len(forward)), list(forward.values()), COMPUTE_LIGHT, Style.BARS)]
    if backward:
        back = [backward.get(layer, 0.0) for layer in forward]
        passes.append(Series("backward", range(len(forward)), back, COMPUTE, Style.BARS))
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
    rate = measurement.get("matrix_product_rate")
    limits = []
    if rate is not None and isinstance(rate.value, float):
        finding += f" beside {rate.value / 1e9:,.1f} of a plain matrix product"
        limits.append(Limit(f"a plain matrix product, {rate.value / 1e9:,.1f} GFLOP/s", rate.value))
    names = tuple(enumerate(seconds))
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
                ends=tuple(took(each, unit) for each in seconds.values()),
                sideways=True,
            ),
            replace(
                bars("achieved", Unit("GFLOP/s", 1e9), list(speeds.values()), SPEED, names),
                ends=tuple(f"{speed / 1e9:,.1f}" if speed else "" for speed in speeds.values()),
                limits=tuple(limits),
            ),
        ),
        columns=2,
        alt=f"Two bar charts by layer: time, and achieved FLOPs a second. {finding}.",
        footer=f"{measured_on(measurement)} Times vary from run to run.",
    )


def _numbers(measurement: Measurement, quantity: str) -> dict[str, float]:
    """The single numbers that were read of a quantity, by layer."""
    readings = measurement.layers(quantity)
    return {layer: float(each.value) for layer, each in readings.items() if not isinstance(each.value, list)}
