"""Results described as figures: raw numbers, units, colours and the finding, for whoever draws them.

``depict(result, kind)`` gives a :class:`Figure`, and every picture format, and a page, draws that one
description. A new kind is one small function here, registered with ``@figure_of``. Numbers are
raw (bytes, values, MACs, seconds); a :class:`Unit` says by what an axis divides them.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import accumulate, groupby, pairwise
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

from vgg_profile import units
from vgg_profile.budget import Ledger, Moment
from vgg_profile.compare import Comparison
from vgg_profile.crosscheck import Checks, Overlay, overlay, setup_of
from vgg_profile.errors import InputError, excerpt
from vgg_profile.fit import Fit
from vgg_profile.measure.record import Measurement
from vgg_profile.render.tables import rules, title
from vgg_profile.sweep import Point as Swept
from vgg_profile.sweep import Sweep
from vgg_profile.tape import Category, Phase
from vgg_profile.walker import Profile, Row

PALETTE = {
    Category.WEIGHTS: "#0072B2",
    Category.BUFFERS: "#DDDDDD",
    Category.OPTIMIZER: "#332288",
    Category.GRADIENTS: "#D55E00",
    Category.INPUT: "#663333",
    Category.ACTIVATIONS: "#56B4E9",
    Category.CASTS: "#009E73",
    Category.INDICES: "#F0E442",
    Category.MASKS: "#BBBBBB",
    Category.STATISTICS: "#AA3377",
    Category.IN_FLIGHT: "#E69F00",
    Category.TEMPORARY: "#222255",
}
"""One colour a memory category, everywhere, in the order in which they are stacked.

From the colour-blind-safe sets of Okabe & Ito and of Tol, assigned so that neighbours in a stack differ
most where red and green are not told apart; a test measures it.
"""

INK = "#222222"
COMPUTE = "#117733"
COMPUTE_LIGHT = "#8CCB9B"
SPEED = "#5B6B7B"
PREDICTED = "#9A9A9A"
MEASURED = INK


class Style(StrEnum):
    """How a series is drawn. Bars stand on the bars before them in their panel, areas on the areas."""

    BARS = "bars"
    AREAS = "areas"
    LINE = "line"
    DOTS = "dots"
    TICKS = "ticks"


class Unit(NamedTuple):
    """What an axis counts in: so many raw ones make one of it."""

    name: str
    scale: float = 1


class Series(NamedTuple):
    """Raw numbers ``y`` at the places ``x``."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    colour: str
    style: Style


class Band(NamedTuple):
    """A stretch of an axis, shaded if so wished, and its name."""

    start: float
    stop: float
    text: str = ""
    is_shaded: bool = False


class Limit(NamedTuple):
    """A line across the values, and what it is."""

    label: str
    value: float


class Point(NamedTuple):
    """One remarkable place and what to say of it."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes: places along it, named or numbered, and values in a unit.

    ``sideways`` runs the places down the page, so that their names can be read, and writes ``ends`` at the
    ends of the bars.
    """

    value_label: str
    unit: Unit
    series: tuple[Series, ...]
    place_label: str = ""
    names: tuple[tuple[float, str], ...] = ()
    bands: tuple[Band, ...] = ()
    ends: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    points: tuple[Point, ...] = ()
    reach: float = 0
    """The raw value that the axis shows at least."""
    sideways: bool = False
    height: float = 3.6
    """In inches, of the data; a sideways panel is as high as its bars need."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One picture. Its title states the finding; ``alt`` tells it to who cannot see it."""

    title: str
    subtitle: str
    panels: tuple[Panel, ...]
    alt: str
    footer: str = ""
    columns: int = 1
    has_one_scale: bool = False
    """Whether the values of all panels are drawn to one scale, so that they compare."""


Key = TypeVar("Key")
Builder = Callable[[Any], Figure]

KINDS: dict[str, dict[type, Builder]] = {}
"""Kind of figure → the kinds of result that it can show, each with its builder."""


def figure_of(kind: str, result: type) -> Callable[[Builder], Builder]:
    """Register a builder. The first kind that a result is given is the one it shows unasked."""

    def register(builder: Builder) -> Builder:
        KINDS.setdefault(kind, {})[result] = builder
        return builder

    return register


def depict(result: object, kind: str | None = None) -> Figure:
    """The figure of a result: of a kind, or of the first that its type has.

    Raises ``InputError`` for a kind that is unknown, or that this result does not have.

    >>> from vgg_profile.walker import walk
    >>> depict(walk("D"), "parameters").title
    'fc6 holds 74.3 % of the 138,357,544 parameters'
    """
    has = {name: of[type(result)] for name, of in KINDS.items() if type(result) in of}
    if not has:
        raise InputError(
            f"There is no figure of this kind of result ({type(result).__name__}).",
            "Write it as text, Markdown or a page: -o FILE.md, -o FILE.html.",
        )
    name = next(iter(has)) if kind is None else check_kind(kind)
    if name not in has:
        others = [f"{_MADE[of]}.plot({name!r})" for of in KINDS[name] if of in _MADE]
        raise InputError(
            f"A {type(result).__name__} has no figure {name}.",
            f"It has {', '.join(has)}. For {name} use {units.listed(others, 'or')}.",
        )
    return has[name](result)


_MADE = {
    Profile: "ledger(profile, setup).seen",
    Ledger: "ledger(profile)",
    Overlay: "overlay(config, record)",
    Fit: "Fit(ledger(profile), memory('8GiB'))",
    Comparison: "Comparison((profile, other), Setup())",
    Sweep: "sweep(config, batches=(1, 2, 4))",
    Measurement: "load(path)",
}
"""How to come by a result, for who has another."""


def check_kind(kind: str) -> str:
    """The kind, if there is one of that name."""
    if kind not in KINDS:
        close = difflib.get_close_matches(kind.lower(), KINDS, n=1)
        raise InputError(
            f"There is no kind of figure {excerpt(kind)}.",
            (f"Did you mean {close[0]}? " if close else "") + f"There are {', '.join(KINDS)}.",
        )
    return kind


# -- by layer


@figure_of("memory", Profile)
def _memory(profile: Profile) -> Figure:
    """What each layer saves for backward, by category, and its output alone beside it."""
    rows = profile.rows
    places = range(len(rows))
    outputs = [row.memory_bytes(profile.batch, profile.itemsize) for row in rows]
    saved = [row.saved_bytes(profile.batch) for row in rows]
    unit = _bytes(max(*saved, *outputs))
    finding = f"{_most(_by_block(profile, saved), 'keeps')} of the {sum(saved):,} bytes {_saved(profile)}"
    alone = f"output alone, in {profile.dtype}, as the notes count"
    panel = Panel(
        _saved(profile),
        unit,
        (
            *_stack(places, [_categories(row, profile.batch) for row in rows]),
            Series(alone, places, outputs, INK, Style.TICKS),
        ),
        names=_names(rows),
        bands=_block_bands(profile, rows),
        ends=tuple(map(units.exact, saved)),
        sideways=True,
    )
    return Figure(
        title=finding,
        subtitle=_after(profile),
        panels=(panel,),
        alt=_alt(f"Bars of the bytes that each layer keeps. {finding}", rows, saved),
        footer=f"{_saved_means(profile)} At the bars, bytes; {_convention(unit)}",
    )


@figure_of("parameters", Profile)
def _parameters(profile: Profile) -> Figure:
    """Learnable parameters, layer by layer."""
    rows = [row for row in profile.rows if row.parameters]
    counts = [row.parameters for row in rows]
    holds = _most([(row.name, row.parameters) for row in rows], "holds")
    finding = f"{holds} of the {sum(counts):,} parameters"
    return Figure(
        title=finding,
        subtitle=title(profile),
        panels=(
            replace(
                _bars("parameters", _count(max(counts)), counts, PALETTE[Category.WEIGHTS], _names(rows)),
                bands=_block_bands(profile, rows),
                ends=tuple(map(units.exact, counts)),
            ),
        ),
        alt=_alt(f"Bars of parameters by layer. {finding}", rows, counts),
        footer="Weights and biases; a batch norm's stand with its convolution's."
        if profile.config.batch_norm
        else "Weights and biases.",
    )


@figure_of("macs", Profile)
def _macs(profile: Profile) -> Figure:
    """Multiply-accumulates of an image, layer by layer."""
    rows = [row for row in profile.rows if row.macs.value]
    counts = [row.macs.value for row in rows]
    takes = _most(_by_block(profile, [row.macs.value for row in profile.rows]), "takes")
    finding = f"{takes} of the {sum(counts):,} MACs of an image"
    return Figure(
        title=finding,
        subtitle=title(profile),
        panels=(
            replace(
                _bars("MACs of an image", _count(max(counts)), counts, COMPUTE, _names(rows)),
                bands=_block_bands(profile, rows),
                ends=tuple(map(units.exact, counts)),
            ),
        ),
        alt=_alt(f"Bars of MACs by layer. {finding}", rows, counts),
        footer="Forward, one image; 1 MAC = 2 FLOPs.",
    )


@figure_of("shares", Profile)
def _shares(profile: Profile) -> Figure:
    """Memory, MACs and parameters by block: the three sit in three different places."""
    rows = profile.rows
    shares = [
        (what, of, _by_block(profile, values), colour)
        for what, of, values, colour in (
            (
                "memory",
                f"bytes {_saved(profile)}",
                [row.saved_bytes(profile.batch) for row in rows],
                PALETTE[Category.ACTIVATIONS],
            ),
            ("MACs", "MACs of an image", [row.macs.value for row in rows], COMPUTE),
            ("parameters", "parameters", [row.parameters for row in rows], PALETTE[Category.WEIGHTS]),
        )
    ]
    finding = "Where it sits: " + ", ".join(f"{what} in {_leaders(blocks)}" for what, _, blocks, _ in shares)
    panels, said = [], []
    for _, of, blocks, colour in shares:
        sizes = [size for _, size in blocks]
        whole = sum(sizes)
        names = tuple((place, block) for place, (block, _) in enumerate(blocks))
        panels.append(
            replace(
                _bars(f"share of {whole:,}\n{of}", Unit("%", whole / 100), sizes, colour, names),
                ends=tuple(units.percent(size, whole) for size in sizes),
                reach=whole,
            )
        )
        said.append(f"Of {whole:,} {of}: " + ", ".join(f"{block} {size:,}" for block, size in blocks) + ".")
    return Figure(
        title=finding,
        subtitle=_after(profile),
        panels=tuple(panels),
        columns=len(panels),
        has_one_scale=True,
        alt=f"Three bar charts side by side, shares by block. {finding}. {' '.join(said)}",
        footer=_saved_means(profile),
    )


@figure_of("receptive-field", Profile)
def _receptive_field(profile: Profile) -> Figure:
    """How much of the image one value sees, layer by layer."""
    rows = [row for row in profile.rows[1:] if row.receptive_field is not None]
    fields = [row.receptive_field or 0 for row in rows]
    sides = sorted(set(profile.input[1:]))
    last, widest = rows[-1], fields[-1]
    sees = "pixels, more than" if widest > sides[-1] else "pixels of"
    image = units.shape(profile.input[1:])
    finding = f"One value of {last.name} sees {widest:,}×{widest:,} {sees} the image's {image}"
    return Figure(
        title=finding,
        subtitle=title(profile),
        panels=(
            replace(
                _bars(
                    "receptive field, a side",
                    Unit("pixels"),
                    fields,
                    PALETTE[Category.ACTIVATIONS],
                    _names(rows),
                ),
                bands=_block_bands(profile, rows),
                ends=tuple(map(units.exact, fields)),
                limits=tuple(Limit(f"the image, {units.plural(side, 'pixel')}", side) for side in sides),
            ),
        ),
        alt=f"Bars of the receptive field by layer, from {units.plural(fields[0], 'pixel')} a side at "
        f"{rows[0].name} to {widest:,} at {last.name}. {finding}.",
        footer="A kernel of k widens the field by (k - 1) strides, and a pool doubles the stride: "
        f"{units.plural(last.stride or 0, 'pixel')} at {last.name}.",
    )


# -- over a step


@figure_of("timeline", Ledger)
def _timeline(step: Ledger) -> Figure:
    return _step_figure(step)


@figure_of("timeline", Overlay)
def _measured_timeline(curve: Overlay) -> Figure:
    return _step_figure(curve.step, curve)


def _step_figure(step: Ledger, curve: Overlay | None = None) -> Figure:
    """Live bytes over the events of one step, by category, the peak marked; what was measured, as dots."""
    places, stacks = _over_events(step)
    live = [sum(each.values()) for each in stacks]
    highest = max(live)
    top = live.index(highest)
    unit = _bytes(highest)
    finding = f"The peak, {_sized(highest, unit)}, is in {_place(step.peak)}"
    series = [*_stack(places, stacks, Style.AREAS)]
    if curve is not None:
        series.append(_measured(curve))
        finding += f"; {_meeting(curve)}"
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
                points=(Point(places[top], highest, f"peak {_sized(highest, unit)}"),),
            ),
        ),
        alt=f"Live bytes over one training step, stacked by category. {finding}. "
        f"At the peak {highest:,} bytes are live: {at_peak}.",
        footer="Tensors alone, before a backend's scratch, by the rules of device "
        f"{rules(step.profile.device)}. {_convention(unit)}",
    )


@figure_of("check", Overlay)
def _check(curve: Overlay) -> Figure:
    """Predicted and measured live bytes at every boundary, and what is left of their difference."""
    step, measured = curve.step, _measured(curve)
    predicted = [each.live for each in curve.boundaries]
    residuals = [each.residual for each in curve.boundaries if each.residual is not None]
    unit = _bytes(max(predicted))
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
        footer=f"{_device(curve.measurement)} {_convention(unit)}",
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
            "Measure again: `vgg-profile measure D -o record.json`.",
        )
    return Series("measured", [end for end, _ in read], [live for _, live in read], MEASURED, Style.DOTS)


def _meeting(curve: Overlay) -> str:
    """Where the two curves meet, in words."""
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


def _edges(step: Ledger) -> list[float]:
    """Where each part of the step begins, and where the last ends: one wide each, the optimizer's wider."""
    parts = len(step.moments)
    widths = [max(1.0, parts / 8) if moment.phase is Phase.STEP else 1.0 for moment in step.moments]
    return [0.0, *accumulate(widths)]


def _over_events(step: Ledger) -> tuple[list[float], list[dict[Category, int]]]:
    """Places and what is live there by category: each event once before it frees and once after.

    Everything that is loaded stands as one level before the first part of the step.
    """
    batch = step.profile.batch
    places: list[float] = []
    stacks: list[dict[Category, int]] = []
    live = dict.fromkeys(PALETTE, 0)

    def stand(start: float, stop: float) -> None:
        places.extend((start, stop))
        stacks.extend((dict(live), dict(live)))

    ends = [mark.event for mark in step.marks[1:]] + [len(step.events)]
    for (left, right), mark, end in zip(pairwise(_edges(step)), step.marks, ends, strict=True):
        events = step.events[mark.event : end]
        is_level = mark.phase is Phase.LOAD or not events
        half = (right - left) / (2 * len(events) or 1)
        for number, event in enumerate(events):
            start = left + 2 * number * half
            for storage in event.allocated:
                live[storage.category] += storage.size.at(batch)
            if not is_level:
                stand(start, start + half)
            for storage in event.freed:
                live[storage.category] -= storage.size.at(batch)
            if not is_level:
                stand(start + half, start + 2 * half)
        if is_level:
            stand(left, right)
    return places, stacks


def _phases(step: Ledger) -> list[Phase]:
    """The phase of each part; a recompute falls within the backward pass."""
    return [Phase.BACKWARD if part.phase is Phase.RECOMPUTE else part.phase for part in step.moments]


def _phase_bands(step: Ledger) -> tuple[Band, ...]:
    return tuple(
        Band(start, stop, phase.value, is_shaded=number % 2 == 1)
        for number, (start, stop, phase) in enumerate(_runs(_phases(step), _edges(step)))
    )


def _block_names(step: Ledger) -> tuple[tuple[float, str], ...]:
    """Each block's number in the middle of its stretch of the step, the classifier as fc."""
    blocks = _blocks(step.profile.module_rows)
    keys = [(phase, blocks.get(part.layer)) for phase, part in zip(_phases(step), step.moments, strict=True)]
    return tuple(
        ((start + stop) / 2, "fc" if block == _CLASSIFIER else block.removeprefix("block "))
        for start, stop, (_, block) in _runs(keys, _edges(step))
        if block
    )


def _runs(keys: Sequence[Key], edges: Sequence[float]) -> Iterator[tuple[float, float, Key]]:
    """Where runs of equal keys start and stop; key ``n`` stands between the edges ``n`` and ``n + 1``."""
    for key, members in groupby(range(len(keys)), key=keys.__getitem__):
        places = list(members)
        yield edges[places[0]], edges[places[-1] + 1], key


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


# -- against the batch


@figure_of("batch", Fit)
def _fit(fit: Fit) -> Figure:
    """The peak against the batch, and the largest batch that a memory holds."""
    step, largest, have = fit.step, fit.largest_batch, fit.memory.label
    top = max(8, largest + largest // 4, fit.asked or 0)
    # in the memory's own unit, so that its line stands at a round number
    unit = next(unit for unit in (*_BINARY_UNITS, Unit("bytes")) if fit.memory.bytes >= unit.scale)
    limit = have if unit.name in have else f"{have} = {units.binary(fit.memory.bytes)}"
    limits = [Limit(limit, fit.memory.bytes)]
    if fit.reserves:
        limits.append(Limit(f"less {units.binary(fit.reserve_bytes)} in reserve", fit.available_bytes))
    if fit.asked is not None:
        answer = "fits" if fit.fits else "does not fit"
        left = f"{units.binary(abs(fit.spare_bytes))} {'to spare' if fit.fits else 'too much'}"
        finding = f"Batch {fit.asked:,} {answer} into {have}: {left}; the largest is {largest:,}"
        point = Point(fit.asked, fit.peak_bytes, f"batch {fit.asked:,}: {_sized(fit.peak_bytes, unit)}")
        return _batch_figure(step, top, unit, finding, limits, [point])
    if not largest:
        least = units.binary(step.peak_bytes(1) + fit.reserve_bytes)
        finding = f"Not even one image fits into {limit}: it takes {least}"
        return _batch_figure(step, top, unit, finding, limits)
    peak = step.peak_bytes(largest)
    excess = units.binary(step.peak_bytes(largest + 1) - fit.available_bytes)
    finding = f"{units.plural(largest, 'image')} at a time fit into {have}; one more is {excess} too much"
    point = Point(largest, peak, f"batch {largest:,}: {_sized(peak, unit)}")
    return _batch_figure(step, top, unit, finding, limits, [point])


@figure_of("batch", Ledger)
def _batch(step: Ledger) -> Figure:
    """The peak against the batch, where no memory limits it."""
    top = 64
    peak = step.peak_bytes(top)
    unit = _bytes(peak)
    each = units.binary(step.highest(top).per_image)
    finding = f"A batch of {top} peaks at {_sized(peak, unit)}, and each further image takes {each}"
    return _batch_figure(step, top, unit, finding)


def _batch_figure(
    step: Ledger,
    top: int,
    unit: Unit,
    finding: str,
    limits: Sequence[Limit] = (),
    points: Sequence[Point] = (),
) -> Figure:
    """What is live at the peak, by category, for batches up to ``top``."""
    batches = _batches(step, top, [int(point.x) for point in points])
    sizes = {line: step.live_at(line) for line in step.lines}
    stacks = [
        {each: size.at(batch) for each, size in sizes[step.highest(batch)].items()} for batch in batches
    ]
    peaks = [step.peak_bytes(batch) for batch in batches]
    said = title(step.profile).replace(f"batch {step.profile.batch:,}, ", "")
    return Figure(
        title=finding,
        subtitle=f"{said}, {step.setup.label}",
        panels=(
            Panel(
                "peak of live bytes",
                unit,
                (
                    *_stack(batches, stacks, Style.AREAS),
                    Series("predicted peak", batches, peaks, INK, Style.LINE),
                ),
                place_label="batch (images)",
                limits=tuple(limits),
                points=tuple(points),
            ),
        ),
        alt="The peak of live bytes against the batch, stacked by category, from "
        f"{peaks[0]:,} bytes at batch {batches[0]:,} to {peaks[-1]:,} at batch {batches[-1]:,}. {finding}.",
        footer=f"Tensors alone, by the rules of device {rules(step.profile.device)}. {_convention(unit)}",
    )


def _batches(step: Ledger, top: int, wanted: Sequence[int]) -> list[int]:
    """Batches enough for a smooth picture; with them, both sides of each place where the peak moves."""
    batches = {1, top, *wanted, *range(1, top, max(1, top // 64))}
    for left, right in pairwise(step.lines):
        turn = (left.fixed - right.fixed) // (right.per_image - left.per_image)
        batches |= {turn, turn + 1}
    return sorted(batch for batch in batches if 1 <= batch <= top)


# -- over a grid


MOST_LINES = 8

_SETTINGS: dict[str, Callable[[Swept], str]] = {
    "batch": lambda point: f"batch {point.batch:,}",
    "image": lambda point: f"{point.height}×{point.width}",
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
def _sweep(grid: Sweep) -> Figure:
    """The peak against the batch, or against the image where there is one batch; a line a setting."""
    varied = [what for what, tell in _SETTINGS.items() if len(set(map(tell, grid.points))) > 1]
    is_square = all(point.height == point.width for point in grid.points)
    along = "height" if len({point.batch for point in grid.points}) == 1 and is_square else "batch"
    lines: dict[str, list[Swept]] = {}
    for point in sorted(grid.points, key=attrgetter(along)):
        said = [_SETTINGS[what](point) for what in varied if what != _ALONG[along]]
        lines.setdefault(", ".join(said) or "predicted peak", []).append(point)
    shown = _spread(list(lines), MOST_LINES)
    peaks = [point.peak_bytes for line in lines.values() for point in line]
    unit = _bytes(max(peaks))
    least, most = (each(grid.points, key=lambda point: point.peak_bytes) for each in (min, max))
    low, high = _sized(least.peak_bytes, unit), _sized(most.peak_bytes, unit)
    finding = f"The peak is {low}"
    if low != high:
        at_least, at_most = (", ".join(_SETTINGS[what](point) for what in varied) for point in (least, most))
        finding = f"The peak grows from {low} ({at_least}) to {high} ({at_most})"
    left_out = len(lines) - len(shown)
    what = "batch (images)" if along == "batch" else "side of the image (pixels)"
    return Figure(
        title=finding,
        subtitle=f"VGG config {grid.config.label}, {_constant(grid, varied)}; "
        f"{units.plural(len(grid.points), 'point')}",
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
            ),
        ),
        alt=f"The predicted peak of live bytes against the {what}, in {units.plural(len(shown), 'line')}"
        + (f", {left_out} more left out" if left_out else "")
        + f". {finding}: from {min(peaks):,} to {max(peaks):,} bytes.",
        footer=(f"Of {len(lines)} lines, {len(shown)} are drawn. " if left_out else "")
        + f"Tensors alone, by the rules of device {rules(grid.device)}. {_convention(unit)}",
    )


def _constant(grid: Sweep, varied: Sequence[str]) -> str:
    """What is the same at every point, in words; how the step is run tells the optimizer."""
    point = max(grid.points, key=lambda point: point.optimizer != "none")
    said = [tell(point) for what, tell in _SETTINGS.items() if what not in varied and what != "optimizer"]
    run = replace(grid.setup, optimizer=point.optimizer).label
    if "optimizer" in varied:
        run = run.replace(f", {point.optimizer}", "")
    return ", ".join([*said, run])


def _spread(names: list[str], most: int) -> list[str]:
    """So many of them at most, the first and the last among them."""
    if len(names) <= most:
        return names
    return [names[round(place * (len(names) - 1) / (most - 1))] for place in range(most)]


# -- several networks, and time


@figure_of("compare", Comparison)
def _compare(comparison: Comparison) -> Figure:
    """Networks side by side: what they hold, compute, keep and need."""
    labels = [network.label for network in comparison.networks]
    step = comparison.networks[0].step
    looks = {
        "parameters": ("parameters", PALETTE[Category.WEIGHTS]),
        "batch_macs": (f"MACs of {units.plural(step.profile.batch, 'image')}", COMPUTE),
        "saved_bytes": ("saved for backward", PALETTE[Category.ACTIVATIONS]),
        "peak_bytes": ("peak of the step", PALETTE[Category.IN_FLIGHT]),
    }
    values = {key: [int(network.figures[key] or 0) for network in comparison.networks] for key in looks}
    macs, parameters = values["batch_macs"], values["parameters"]
    least, most = macs.index(min(macs)), macs.index(max(macs))
    finding = (
        f"{labels[most]} computes {units.ratio(macs[most], macs[least])} as much as {labels[least]}, "
        f"with {units.ratio(parameters[most], parameters[least])} its parameters"
        if macs[most] > macs[least]
        else f"{' and '.join(labels)}: {macs[0]:,} MACs{' each' * (len(labels) > 1)}"
    )
    panels, said = [], []
    for key, (label, colour) in looks.items():
        numbers = values[key]
        is_bytes = key.endswith("_bytes")
        unit = (_bytes if is_bytes else _count)(max(numbers))
        panels.append(
            replace(
                _bars(label, unit, numbers, colour, tuple(enumerate(map(_shortened, labels)))),
                ends=tuple(map(units.exact, numbers)),
            )
        )
        pairs = ", ".join(f"{name} {number:,}" for name, number in zip(labels, numbers, strict=True))
        said.append(f"{label}{', bytes' * is_bytes}: {pairs}.")
    return Figure(
        title=finding,
        subtitle=f"input {units.shape(step.profile.input)}, batch {step.profile.batch:,}, "
        f"{step.profile.dtype}, {step.setup.label}",
        panels=tuple(panels),
        columns=2,
        alt=f"Four bar charts, a bar for each network. {finding}. {' '.join(said)}",
        footer=f"By the rules of device {rules(step.profile.device)}; 1 MAC = 2 FLOPs. "
        "At the bars, exact counts and bytes.",
    )


@figure_of("time", Measurement)
def _time(measurement: Measurement) -> Figure:
    """Time and achieved speed, layer by layer."""
    forward, backward = (_numbers(measurement, f"{phase}_time") for phase in ("forward", "backward"))
    if not forward:
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
    speeds = {layer: flops.get(layer, 0.0) / took if took else 0.0 for layer, took in seconds.items()}
    slowest, fastest = (max(each, key=each.__getitem__) for each in (seconds, speeds))
    whole = sum(seconds.values())
    share = units.percent(round(1e9 * seconds[slowest]), round(1e9 * whole))
    unit = _seconds(max(seconds.values()))
    finding = (
        f"{slowest} takes {share} of {_took(whole, unit)}; {fastest} computes fastest, "
        f"{speeds[fastest] / 1e9:,.1f} GFLOP/s"
    )
    rate = measurement.get("matrix_product_rate")
    limits = []
    if rate is not None and isinstance(rate.value, float):
        finding += f" beside {rate.value / 1e9:,.1f} of a plain matrix product"
        limits.append(Limit(f"a plain matrix product, {rate.value / 1e9:,.1f} GFLOP/s", rate.value))
    names = tuple(enumerate(seconds))
    config = measurement.subject.get("config") or {"name": "a model", "batch_norm": False}
    return Figure(
        title=finding,
        subtitle=f"{config['name']}{'-BN' * config['batch_norm']}, "
        f"input {units.shape(tuple(measurement.subject['input']))}, batch {measurement.subject['batch']:,}, "
        f"{measurement.subject['dtype']}, {setup_of(measurement).label}",
        panels=(
            Panel(
                "time",
                unit,
                tuple(passes),
                names=names,
                ends=tuple(_took(each, unit) for each in seconds.values()),
                sideways=True,
            ),
            replace(
                _bars("achieved", Unit("GFLOP/s", 1e9), list(speeds.values()), SPEED, names),
                ends=tuple(f"{speed / 1e9:,.1f}" if speed else "" for speed in speeds.values()),
                limits=tuple(limits),
            ),
        ),
        columns=2,
        alt=f"Two bar charts by layer: time, and achieved FLOPs a second. {finding}.",
        footer=f"{_device(measurement)} Times vary from run to run.",
    )


def _numbers(measurement: Measurement, quantity: str) -> dict[str, float]:
    """The single numbers that were read of a quantity, by layer."""
    readings = measurement.layers(quantity)
    return {layer: float(each.value) for layer, each in readings.items() if not isinstance(each.value, list)}


def _device(measurement: Measurement) -> str:
    device, torch, threads = (measurement.environment.get(key, "?") for key in ("device", "torch", "threads"))
    return f"Measured on {device}, torch {torch}, {threads} threads."


# -- parts of a description


def _bars(
    label: str, unit: Unit, values: Sequence[float], colour: str, names: tuple[tuple[float, str], ...]
) -> Panel:
    """One bar a name, running to the right."""
    series = Series(label.replace("\n", " "), range(len(values)), values, colour, Style.BARS)
    return Panel(label, unit, (series,), names=names, sideways=True)


def _shortened(name: str, longest: int = 20) -> str:
    """A name that leaves room for bars beside it."""
    return name if len(name) <= longest else f"{name[: longest - 8]}…{name[-7:]}"


def _stack(
    places: Sequence[float], stacks: Sequence[Mapping[Category, int]], style: Style = Style.BARS
) -> Iterator[Series]:
    """A series for each category that there is anything of, in the palette's order."""
    for category, colour in PALETTE.items():
        sizes = [stack.get(category, 0) for stack in stacks]
        if any(sizes):
            yield Series(category.value, places, sizes, colour, style)


def _categories(row: Row, batch: int) -> Mapping[Category, int]:
    """What a row saves, by category."""
    sizes: Counter[Category] = Counter()
    for storage in row.saved:
        sizes[storage.category] += storage.size.at(batch)
    return sizes


def _names(rows: Sequence[Row]) -> tuple[tuple[float, str], ...]:
    return tuple((place, row.name) for place, row in enumerate(rows))


_BINARY_UNITS = (Unit("GiB", 2**30), Unit("MiB", 2**20), Unit("KiB", 2**10))


def _bytes(largest: int) -> Unit:
    """The binary unit for an axis; the notes' MiB up to ten thousand."""
    if 2**30 <= largest < 10 * 2**30:
        return Unit("MiB", 2**20)
    return next((unit for unit in _BINARY_UNITS if largest >= unit.scale), Unit("bytes"))


def _sized(size: int, unit: Unit) -> str:
    """Bytes as a text beside an axis in that unit."""
    return units.mebibytes(size) if unit.name == "MiB" else units.binary(size)


def _convention(unit: Unit) -> str:
    """What the unit of an axis is."""
    return f"{unit.name} = {int(unit.scale):,} bytes." if unit.scale > 1 else ""


def _count(largest: int) -> Unit:
    scales = (Unit("billions", 10**9), Unit("millions", 10**6), Unit("thousands", 10**3))
    return next((unit for unit in scales if largest >= unit.scale), Unit(""))


def _seconds(longest: float) -> Unit:
    return Unit("ms", 1e-3) if longest >= 1e-3 else Unit("µs", 1e-6)


def _took(seconds: float, unit: Unit) -> str:
    """A time as a text; what took any is never 0."""
    time = seconds / unit.scale
    return f"<0.1 {unit.name}" if 0 < time < 0.05 else f"{time:,.{int(time < 1000)}f} {unit.name}"


_CLASSIFIER = "classifier"


def _blocks(rows: Sequence[Row]) -> dict[str, str]:
    """The block that each layer is of: a pool ends one, the classifier comes after all."""
    number = 1
    blocks: dict[str, str] = {}
    for row in rows:
        in_classifier = row.kind in ("avgpool", "flatten", "fc") or _CLASSIFIER in blocks.values()
        blocks[row.name] = _CLASSIFIER if in_classifier else f"block {number}"
        number += row.kind == "maxpool"
    return blocks


def _by_block(profile: Profile, values: Sequence[int]) -> list[tuple[str, int]]:
    """Sums of the rows' values by block; the input is of none."""
    blocks = _blocks(profile.rows)
    sums: dict[str, int] = {}
    for row, value in zip(profile.rows[1:], values[1:], strict=True):
        sums[blocks[row.name]] = sums.get(blocks[row.name], 0) + value
    return list(sums.items())


def _block_bands(profile: Profile, rows: Sequence[Row]) -> tuple[Band, ...]:
    """Every other block shaded, behind the bars of some of the profile's rows."""
    blocks = _blocks(profile.rows)
    edges = [place - 0.5 for place in range(len(rows) + 1)]
    runs = enumerate(_runs([blocks[row.name] for row in rows], edges))
    return tuple(Band(start, stop, is_shaded=number % 2 == 1) for number, (start, stop, _) in runs)


MOST_NAMED = 4
"""More equals than so many are counted, not named."""


def _who(pairs: Sequence[tuple[str, int]]) -> tuple[str, bool]:
    """Those who have most, as a sentence names them, and whether they are several: ``blocks 2, 3 and 4``."""
    most = max(size for _, size in pairs)
    names = [name for name, size in pairs if size == most]
    numbers = [name.removeprefix("block ") for name in names if name.startswith("block ")]
    are_blocks = len(numbers) == len(names)
    if len(names) > MOST_NAMED:
        return f"{len(names)} {'blocks' if are_blocks else 'parts' if numbers else 'layers'}", True
    if are_blocks and len(names) > 1:
        return f"blocks {units.listed(numbers)}", True
    return units.listed([f"the {name}" if name == _CLASSIFIER else name for name in names]), len(names) > 1


def _share(pairs: Sequence[tuple[str, int]]) -> str:
    return units.percent(max(size for _, size in pairs), sum(size for _, size in pairs))


def _leaders(pairs: Sequence[tuple[str, int]]) -> str:
    """Who has most, and how much: ``blocks 3 and 4 (29.9 % each)``."""
    who, are_several = _who(pairs)
    return f"{who} ({_share(pairs)}{' each' * are_several})"


def _most(pairs: Sequence[tuple[str, int]], verb: str) -> str:
    """Who has most, and how much, as the beginning of a sentence: ``Block 1 keeps 48.6 %``."""
    who, are_several = _who(pairs)
    if who.startswith(("block", "the ")):  # a layer's name stays as it is written
        who = who[0].upper() + who[1:]
    return f"{who} {f'each {verb[:-1]}' if are_several else verb} {_share(pairs)}"


def _saved(profile: Profile) -> str:
    """What the saved bytes are: inference leaves some, and there is no backward pass to save them for."""
    return "left by inference" if "inference" in profile.forward_pass else "saved for backward"


def _saved_means(profile: Profile) -> str:
    what = _saved(profile)
    return (
        f"{what[0].upper()}{what[1:]}: alive after {profile.forward_pass}, above weights and input, by the "
        f"rules of device {rules(profile.device)}."
    )


def _after(profile: Profile) -> str:
    """The network and the setting, and the forward pass where it is no plain training one."""
    is_plain = profile.forward_pass == Profile.forward_pass
    return title(profile) + (f"; {profile.forward_pass}" if not is_plain else "")


def _alt(said: str, rows: Sequence[Row], values: Sequence[int]) -> str:
    """What is said, the three largest, and how many there are."""
    largest = sorted(zip(rows, values, strict=True), key=lambda pair: -pair[1])[:3]
    named = ", ".join(f"{row.name} {value:,}" for row, value in largest)
    return f"{said}. Of {units.plural(len(rows), 'layer')} the largest: {named}."
