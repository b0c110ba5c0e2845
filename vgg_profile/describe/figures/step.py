"""A step drawn: the timeline, and the check against a measurement."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, pairwise

from vgg_profile.check.crosscheck import overlay
from vgg_profile.check.results import Checks, Overlay
from vgg_profile.core.book import Moment
from vgg_profile.core.errors import InputError
from vgg_profile.core.events import Category, Phase
from vgg_profile.core.figures import (
    MEASURED,
    PALETTE,
    PREDICTED,
    Band,
    Figure,
    Panel,
    Point,
    Series,
    Style,
    Unit,
)
from vgg_profile.core.step import Step
from vgg_profile.core.tree import block_labels
from vgg_profile.core.units import plural
from vgg_profile.describe.figures.drawing import (
    byte_unit,
    in_unit,
    measured_on,
    stacked,
    stretches,
)
from vgg_profile.describe.kinds import figure_of
from vgg_profile.describe.words import counted, marked, rules, scratch_counted, title


@figure_of("timeline", Step)
def _timeline(step: Step) -> Figure:
    return _step_figure(step)


@figure_of("timeline", Overlay)
def _measured_timeline(curve: Overlay) -> Figure:
    return _step_figure(curve.step, curve)


def _step_figure(step: Step, curve: Overlay | None = None) -> Figure:
    """Live bytes over the events of one step, by category, the peak marked; what was measured, as dots."""
    places, stacks = _over_events(step)
    live = [sum(each.values()) for each in stacks]
    highest = max(live)
    top = live.index(highest)
    unit = byte_unit(highest)
    finding = marked(f"The peak, {in_unit(highest, unit)}, is in {_place(step.peak)}", step.profile)
    series = [*stacked(places, stacks, Style.AREAS)]
    points = [Point(places[top], highest, f"peak {in_unit(highest, unit)}")]
    if curve is not None:
        series.append(_measured(curve))
        finding += f"; {_meeting(curve)}"
        points += (elsewhere := list(_measured_peak(curve, unit)))
        finding += "".join(f"; {each.text}" for each in elsewhere)
    at_peak = ", ".join(f"{each.value} {size:,}" for each, size in stacks[top].items() if size)
    return Figure(
        title=finding,
        subtitle=f"{title(step.profile)}, {step.setup.label}",
        panels=(
            Panel(
                "live bytes",
                unit,
                tuple(series),
                place_label=_IN_STEP,
                names=_block_names(step),
                bands=_phase_bands(step),
                points=tuple(points),
            ),
        ),
        alt=f"Live bytes over one training step, stacked by category. {finding}. "
        f"At the peak {highest:,} bytes are live: {at_peak}.",
        footer=f"{_counted(step)}",
    )


@figure_of("check", Overlay)
def _check(curve: Overlay) -> Figure:
    """Predicted and measured live bytes at every boundary, and what is left of their difference."""
    step, measured = curve.step, _measured(curve)
    predicted = [each.live for each in curve.boundaries]
    residuals = [each.residual for each in curve.boundaries if each.residual is not None]
    unit = byte_unit(max(predicted))
    finding = _meeting(curve)
    finding = finding[0].upper() + finding[1:]
    bands = _phase_bands(step)
    return Figure(
        title=finding,
        subtitle=f"{title(step.profile)}, {step.setup.label}",
        panels=(
            Panel(
                "live bytes",
                unit,
                (Series("predicted", _edges(step)[1:], predicted, PREDICTED, Style.LINE), measured),
                bands=bands,
                points=tuple(_measured_peak(curve, unit)),
            ),
            Panel(
                "residual",
                Unit("bytes"),
                (Series("measured - predicted", measured.x, residuals, MEASURED, Style.DOTS),),
                place_label=_IN_STEP,
                names=_block_names(step),
                bands=tuple(band._replace(text="") for band in bands),
                height=0.9,
            ),
        ),
        alt=f"Predicted and measured live bytes at {len(predicted)} boundaries of one training step. "
        f"{finding}. Predicted live bytes range from {min(predicted):,} to {max(predicted):,}.",
        footer=f"{measured_on(curve.measurement)}",
    )


@figure_of("check", Checks)
def _checked(checks: Checks) -> Figure:
    return _check(overlay(checks.profile.config, checks.measurement))


_IN_STEP = "blocks of the network, in the order of the step"


def _measured(curve: Overlay) -> Series:
    """The measured live bytes where each part of the step ends."""
    ends = zip(_edges(curve.step)[1:], curve.boundaries, strict=True)
    read = [(end, each.measured_live) for end, each in ends if each.measured_live is not None]
    if not read:
        raise InputError(
            "The record holds no live bytes to set against the prediction.",
            "Measure again: `vgg-profile measure NET -o record.json`.",
        )
    return Series("measured", [end for end, _ in read], [live for _, live in read], MEASURED, Style.DOTS)


def _measured_peak(curve: Overlay, unit: Unit) -> Iterator[Point]:
    """The measured peak, in the middle of its part, where it is not the predicted one."""
    highest, predicted = curve.highest, curve.step.peak
    if highest is None or highest.measured_peak is None:
        return
    if (highest.measured_peak, highest.phase, highest.layer) != (
        predicted.peak,
        predicted.phase,
        predicted.layer,
    ):
        number = curve.boundaries.index(highest)
        left, right = _edges(curve.step)[number : number + 2]
        label = f"measured peak {in_unit(highest.measured_peak, unit)}"
        yield Point((left + right) / 2, highest.measured_peak, label)


def _counted(step: Step) -> str:
    """What the figures count."""
    profile = step.profile
    if profile.device == "cpu" and profile.run is None and not step.is_at_least:
        return scratch_counted(step)
    return counted(step.scope, rules(profile))


def _meeting(curve: Overlay) -> str:
    """Where the two curves meet, in words."""
    if curve.unpredicted:
        return f"{plural(len(curve.unpredicted), 'measured part')} of the step not predicted"
    residuals = [each.residual for each in curve.boundaries if each.residual is not None]
    off = sum(residual != 0 for residual in residuals)
    if off:
        furthest = max(map(abs, residuals))
        return f"measured bytes are off at {off} of {len(residuals)} boundaries, by up to {furthest:,}"
    where = (
        f"all {len(residuals)}"
        if len(residuals) == len(curve.boundaries)
        else f"the {len(residuals)} of {len(curve.boundaries)} that were measured"
    )
    return f"measured bytes equal the predicted at {where} boundaries"


def _edges(step: Step) -> list[float]:
    """Where each part of the step begins, and where the last ends: one wide each, the optimizer's wider."""
    parts = len(step.moments)
    widths = [max(1.0, parts / 8) if moment.phase is Phase.STEP else 1.0 for moment in step.moments]
    return [0.0, *accumulate(widths)]


def _over_events(step: Step) -> tuple[list[float], list[dict[Category, int]]]:
    """Places and what is live there by category: each event once before it frees and once after.

    Everything that is loaded stands as one level before the first part of the step.
    """
    levels = [{each: level[each] for each in PALETTE} for level in step.book.levels(step.setting.batch)]
    places: list[float] = []
    stacks: list[dict[Category, int]] = []

    def stand(start: float, stop: float, level: dict[Category, int]) -> None:
        places.extend((start, stop))
        stacks.extend((level, level))

    ends = [mark.event for mark in step.marks[1:]] + [len(step.events)]
    for (left, right), mark, end in zip(pairwise(_edges(step)), step.marks, ends, strict=True):
        if mark.phase is Phase.LOAD or mark.event == end:
            stand(left, right, levels[2 * end - 1])
            continue
        within = levels[2 * mark.event : 2 * end]
        width = (right - left) / len(within)
        for number, level in enumerate(within):
            start = left + number * width
            stand(start, start + width, level)
    return places, stacks


def _phases(step: Step) -> list[Phase]:
    """The phase of each part; a recompute falls within the backward pass."""
    return [Phase.BACKWARD if part.phase is Phase.RECOMPUTE else part.phase for part in step.moments]


def _phase_bands(step: Step) -> tuple[Band, ...]:
    return tuple(
        Band(start, stop, phase.value, is_shaded=number % 2 == 1)
        for number, (start, stop, phase) in enumerate(stretches(_phases(step), _edges(step)))
    )


_CHARACTERS = 110
"""About so many stand side by side below the axis."""


def _block_names(step: Step) -> tuple[tuple[float, str], ...]:
    """Each block's label in the middle of its stretch of the step, where there is room for it."""
    labels = block_labels(step.profile.rows)
    blocks = {row.name: labels.get(row.block, "") for row in step.profile.module_rows}
    keys = [
        (phase, blocks.get(part.layer, "")) for phase, part in zip(_phases(step), step.moments, strict=True)
    ]
    edges = _edges(step)
    named: list[tuple[float, str]] = []
    free = 0.0
    for start, stop, (_, label) in stretches(keys, edges):
        middle, half = (start + stop) / 2, edges[-1] * (len(label) + 1) / 2 / _CHARACTERS
        if label and middle - half >= free - edges[-1] / _CHARACTERS:
            named.append((middle, label))
            free = middle + half
    return tuple(named)


def _place(part: Moment) -> str:
    """A part of the step, in words."""
    match part.phase:
        case Phase.FORWARD | Phase.BACKWARD:
            return f"the {part.phase} pass of {part.layer}"
        case Phase.RECOMPUTE:
            return f"the second forward pass of {part.layer}"
        case Phase.STEP:
            return "the optimizer's step"
    return f"the {part.phase}"
