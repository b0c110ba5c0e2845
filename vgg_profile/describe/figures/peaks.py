"""The peak drawn over batches, and over a grid of settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from operator import attrgetter

from vgg_profile.ask.cards import Memory
from vgg_profile.ask.fit import Fit
from vgg_profile.ask.sweep import GridPoint, Sweep
from vgg_profile.core import units
from vgg_profile.core.events import Category
from vgg_profile.core.figures import INK, PALETTE, Figure, LimitLine, Panel, Point, Series, Style, Unit
from vgg_profile.core.step import Step
from vgg_profile.core.verified import UNVERIFIED
from vgg_profile.describe.figures.drawing import BINARY_UNITS, byte_unit, in_unit, stacked
from vgg_profile.describe.kinds import figure_of
from vgg_profile.describe.words import counted, grid_pool_words, marked, rules, title, unverified_points


@figure_of("batch", Fit)
def _fit(fit: Fit) -> Figure:
    """The peak against the batch, and the largest batch that a memory holds."""
    step, largest, have = fit.step.for_any_batch(), fit.largest_batch, fit.memory.label
    top = max(8, largest + largest // 4, fit.asked or 0)
    # in the memory's own unit, so that its line stands at a round number
    unit = next(unit for unit in (*BINARY_UNITS, Unit("bytes")) if fit.memory.bytes >= unit.scale)
    limit = have if unit.name in have else f"{have} = {units.binary(fit.memory.bytes)}"
    limits = [LimitLine(limit, fit.memory.bytes)]
    if fit.run is not None:
        beside = fit.reserve_bytes + sum(each.bytes for each in fit.run.workspaces)
        limits.append(LimitLine(f"less {units.binary(beside)} beside", fit.memory.bytes - beside))
    elif fit.reserves:
        limits.append(LimitLine(f"less {units.binary(fit.reserve_bytes)} in reserve", fit.available_bytes))
    batch = fit.asked or largest
    finding = _finding(fit, limit) if fit.run is None else _finding_on_a_card(fit)
    points = []
    if batch:
        peak = step.peak_bytes(batch)
        points.append(Point(batch, peak, f"batch {batch:,}: {in_unit(peak, unit)}"))
    left_out = "" if fit.run is None else "Without cuDNN's scratch, which is not predicted. "
    return _batch_figure(step, top, unit, finding, limits, points, left_out)


def _finding(fit: Fit, limit: str) -> str:
    """What fits, and by how much."""
    largest, have = fit.largest_batch, fit.memory.label
    if fit.asked is not None:
        answer = "fits" if fit.fits else "does not fit"
        left = f"{units.binary(abs(fit.spare_bytes))} {'to spare' if fit.fits else 'too much'}"
        return f"Batch {fit.asked:,} {answer} into {have}: {left}; the largest is {largest:,}"
    if not largest:
        needed = units.binary(fit.memory.bytes - fit.spare_bytes)
        return f"Not even one image fits into {limit}: it takes {needed}"
    return (
        f"{units.plural(largest, 'image')} at a time fit into {have}; "
        f"one more is {units.binary(fit.next_short_bytes)} too much"
    )


def _finding_on_a_card(fit: Fit) -> str:
    """The same as far as it is known, and at most how many."""
    have = fit.memory.label
    if fit.asked is not None:
        beyond = "does not fit" if fit.asked > fit.at_most else "runs out of memory in the replay"
        answer = f"Batch {fit.asked:,} {'fits' if fit.fits else beyond}, in {have}"
    elif fit.largest_batch:
        answer = f"About {fit.largest_batch:,} images fit into {have}"
    else:
        answer = f"Not even one image fits into {have}"
    return f"{answer}, {UNVERIFIED}; at most {fit.at_most:,} can"


@figure_of("batch", Step)
def _batch(step: Step) -> Figure:
    """The peak against the batch, where no memory limits it."""
    step, top = step.for_any_batch(), 64
    peak = step.peak_bytes(top)
    unit = byte_unit(peak)
    each = units.binary(step.highest(top).per_image)
    finding = f"A batch of {top} peaks at {in_unit(peak, unit)}, and each further image takes {each}"
    return _batch_figure(step, top, unit, marked(finding, step.profile))


def _batch_figure(
    step: Step,
    top: int,
    unit: Unit,
    finding: str,
    limits: Sequence[LimitLine] = (),
    points: Sequence[Point] = (),
    left_out: str = "",
) -> Figure:
    """What is live at the peak, by category, for batches up to ``top``."""
    batches = _batches(step, top, [int(point.x) for point in points])
    steps = {batch: step.at(batch) for batch in batches}
    lines = {batch: here.highest(batch) for batch, here in steps.items()}
    stacks = [
        {each: size.at(batch) for each, size in here.live_at(lines[batch]).items()}
        for batch, here in steps.items()
    ]
    peaks = [line.at(batch) for batch, line in lines.items()]
    between = f"Traced at {len(batches)} batches, with straight lines between. " if step.book.only else ""
    return Figure(
        title=finding,
        subtitle=f"{title(step.profile, with_batch=False)}, {step.setup.label}",
        panels=(
            Panel(
                "peak of live bytes",
                unit,
                (
                    *stacked(batches, stacks, Style.AREAS),
                    Series("predicted peak", batches, peaks, INK, Style.LINE),
                ),
                place_label="batch (images)",
                limits=tuple(limits),
                points=tuple(points),
            ),
        ),
        alt="The peak of live bytes against the batch, stacked by category, from "
        f"{peaks[0]:,} bytes at batch {batches[0]:,} to {peaks[-1]:,} at batch {batches[-1]:,}. {finding}.",
        footer=f"{left_out}{between}{counted(step.scope, rules(step.profile))}",
    )


def _batches(step: Step, top: int, wanted: Sequence[int]) -> list[int]:
    """Batches enough for a smooth picture; with them, both sides of each place where the peak moves.

    A few, where each is traced by itself, and an operation run at it that no rule knows.
    """
    number = 8 if step.book.only else 64
    batches = {1, top, *wanted, *range(1, top, max(1, top // number))}
    for left, right in pairwise(step.lines):
        turn = (left.fixed - right.fixed) // (right.per_image - left.per_image)
        batches |= {turn, turn + 1}
    least, most = step.span
    return sorted(batch for batch in batches if least <= batch <= min(top, most or top))


MOST_LINES = 8

_SETTINGS: dict[str, Callable[[GridPoint], str]] = {
    "batch": lambda point: f"batch {point.batch:,}",
    "image": lambda point: point.input or f"{point.height}×{point.width}",
    "dtype": lambda point: point.dtype,
    "optimizer": lambda point: point.optimizer if point.optimizer != "none" else "no optimizer",
}
"""What sets one point apart from another, in words."""

_LINES = (
    Category.WEIGHTS,
    Category.GRADIENTS,
    Category.CASTS,
    Category.IN_FLIGHT,
    Category.ACTIVATIONS,
    Category.OPTIMIZER,
    Category.STATISTICS,
    Category.INPUT,
)
"""Whose colours lines borrow that are of no category."""


_ALONG = {"batch": "batch", "height": "image"}


@figure_of("sweep", Sweep)
def _sweep(grid: Sweep, memory: Memory | None = None) -> Figure:
    """The peak against the batch, or against the image where there is one batch; a line a setting."""
    varied = [what for what, tell in _SETTINGS.items() if len(set(map(tell, grid.points))) > 1]
    is_square = all(point.height == point.width is not None for point in grid.points)
    along = "height" if len({point.batch for point in grid.points}) == 1 and is_square else "batch"
    lines: dict[str, list[GridPoint]] = {}
    for point in sorted(grid.points, key=attrgetter(along)):
        said = [_SETTINGS[what](point) for what in varied if what != _ALONG[along]]
        lines.setdefault(", ".join(said) or "predicted peak", []).append(point)
    shown = _spread(list(lines), MOST_LINES)
    peaks = [point.peak_bytes for line in lines.values() for point in line]
    unit = byte_unit(max(peaks))
    least, most = (each(grid.points, key=lambda point: point.peak_bytes) for each in (min, max))
    low, high = in_unit(least.peak_bytes, unit), in_unit(most.peak_bytes, unit)
    finding = f"The peak is {low}"
    if low != high:
        at_least, at_most = (", ".join(_SETTINGS[what](point) for what in varied) for point in (least, most))
        finding = f"The peak grows from {low} ({at_least}) to {high} ({at_most})"
    finding += unverified_points(grid.unverified, len(grid.points))
    left_out = len(lines) - len(shown)
    what = "batch (images)" if along == "batch" else "side of the image (pixels)"
    return Figure(
        title=finding,
        subtitle=f"{_kind(grid)}{grid.config.label}, {_constant(grid, varied)}; "
        f"{units.plural(len(grid.points), 'point')}{grid_pool_words(grid)}",
        panels=(
            Panel(
                "peak of live bytes",
                unit,
                tuple(
                    Series(
                        name,
                        [getattr(point, along) for point in lines[name]],
                        [point.peak_bytes for point in lines[name]],
                        PALETTE[colour],
                        Style.LINE if len(lines[name]) > 1 else Style.DOTS,
                    )
                    for name, colour in zip(shown, _LINES, strict=False)
                ),
                place_label=what,
                limits=() if memory is None else (LimitLine(memory.label, memory.bytes),),
                names_lines=len(shown) > 1,
            ),
        ),
        alt=f"The predicted peak of live bytes against the {what}, in {units.plural(len(shown), 'line')}"
        + (f", {left_out} more left out" if left_out else "")
        + f". {finding}: from {min(peaks):,} to {max(peaks):,} bytes.",
        footer=(f"Of {len(lines)} lines, {len(shown)} are drawn. " if left_out else "")
        + f"{counted(grid.scope, grid.device)}",
    )


def _kind(grid: Sweep) -> str:
    return "VGG config " if grid.is_of_images else ""


def _constant(grid: Sweep, varied: Sequence[str]) -> str:
    """What is the same at every point, in words; how the step is run tells the optimizer."""
    point = max(grid.points, key=lambda point: point.optimizer != "none")
    said = [tell(point) for what, tell in _SETTINGS.items() if what not in varied and what != "optimizer"]
    run = replace(grid.setup, optimizer=point.optimizer)
    return ", ".join([*said, run.conditions if "optimizer" in varied else run.label])


def _spread(names: list[str], most: int) -> list[str]:
    """So many of them at most, the first and the last among them."""
    if len(names) <= most:
        return names
    return [names[round(place * (len(names) - 1) / (most - 1))] for place in range(most)]
