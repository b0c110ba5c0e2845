"""The times of a record: what each layer took, and what of it is the first touch of fresh memory."""

from __future__ import annotations

from collections.abc import Iterator

from vgg_profile.core.events import Phase
from vgg_profile.core.forms import Column, Table
from vgg_profile.core.units import exact
from vgg_profile.describe.kinds import describe_kind
from vgg_profile.measure.record import Measurement, Reading
from vgg_profile.measure.vocabulary import RATE, TOUCH_RATE, pages_of, time_of

PASSES = (Phase.FORWARD, Phase.BACKWARD)


@describe_kind.register
def _times(measurement: Measurement) -> Table:
    """Time by layer; no verdicts."""
    times = [measurement.layers(time_of(phase)) for phase in PASSES]
    pages = [measurement.layers(pages_of(phase)) for phase in PASSES]
    flops = measurement.layers("forward_backward_flops") or measurement.layers("forward_flops")
    whole = sum(number(reading) for each in times for reading in each.values())
    rows = []
    for layer in times[0]:
        both = [each.get(layer) for each in times]
        seconds = sum(number(reading) for reading in both if reading)
        done = number(flops[layer]) if layer in flops else 0.0
        fresh = [number(each[layer]) for each in pages if layer in each]
        rows.append(
            (
                layer,
                *(cell for reading in both for cell in _microseconds(reading)),
                f"{100 * seconds / whole:.1f}" if whole else None,
                f"{done / seconds / 1e9:.1f}" if done and seconds else None,
                round(sum(fresh)) if fresh else None,
            )
        )
    columns = (
        Column("layer", "layer", is_text=True),
        *(
            Column(f"{phase}_{key}us", f"{phase}{word}\n(µs)", rank=rank)
            for phase in PASSES
            for key, word, rank in (("", "", 0), ("least_", ", least", 2), ("most_", ", most", 2))
        ),
        Column("share_percent", "share\n(%)"),
        Column("gflops_per_s", "achieved\n(GFLOP/s)"),
        Column("fresh_pages", "fresh\npages", rank=1),
    )
    added_up = {"forward_us", "backward_us", "fresh_pages"}
    cells = zip(columns, zip(*rows, strict=True), strict=True) if rows else ()
    sums = [sum(filter(None, each)) if column.key in added_up else None for column, each in cells]
    return Table(
        title=f"Time by layer on {measurement.environment.get('device', '?')}",
        columns=columns,
        rows=tuple(rows),
        total=("total", *sums[1:]) if rows else None,
        footer=(
            *(f"Method: {reading.method}." for reading in list(times[0].values())[:1]),
            *_yardsticks(measurement),
            "Times are reported, not judged; they vary from pass to pass, and from run to run.",
        ),
    )


def number(reading: Reading) -> float:
    """What was read, if it is one number; 0 for several."""
    return 0.0 if isinstance(reading.value, list) else float(reading.value)


def _microseconds(reading: Reading | None) -> list[int | None]:
    """A median, the least and the most of its passes."""
    if reading is None:
        return [None] * 3
    return [
        None if each is None else round(each * 1e6)
        for each in (number(reading), *(reading.spread or (None, None)))
    ]


def _yardsticks(measurement: Measurement) -> Iterator[str]:
    """What the machine reaches in this run: at nothing but computing, and at nothing but fresh memory."""
    if (rate := measurement.get(RATE)) is not None:
        yield f"A plain matrix product reaches {_rate(rate, 1e9, '.1f')} GFLOP/s here ({rate.method})."
    touch, pages = measurement.get(TOUCH_RATE), measurement.get(pages_of(Phase.BACKWARD))
    if touch is not None and pages is not None and number(touch):
        yield (
            f"The system clears a page of memory when it is first touched, {_rate(touch, 1, ',.0f')} a "
            f"second here ({touch.method}). Of the backward pass that is about "
            f"{1e3 * number(pages) / number(touch):,.0f} ms, for {exact(round(number(pages)))} pages."
        )


def _rate(reading: Reading, scale: float, form: str) -> str:
    """A median rate, and between what it lay."""
    said = [format(each / scale, form) for each in (number(reading), *(reading.spread or ()))]
    return said[0] if reading.spread is None else f"{said[0]} ({said[1]} to {said[2]})"
