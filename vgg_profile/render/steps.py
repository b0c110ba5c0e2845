"""A whole step described as tables: the ledger, its measurement, and the checks between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from typing import NamedTuple

from vgg_profile import units
from vgg_profile.budget import Ledger, Moment, in_words
from vgg_profile.crosscheck import Check, Checks, Overlay, Verdict, setup_of
from vgg_profile.fit import Fit
from vgg_profile.measure.record import Measurement, Reading
from vgg_profile.render.tables import Cell, Column, Table, describe_kind, rules, sized, title
from vgg_profile.sweep import Point, Sweep
from vgg_profile.tape import Category

_QUANTITIES = {
    "parameters": "parameters",
    "buffers": "buffers",
    "output_shape": "output shape",
    "forward_flops": "FLOPs forward",
    "forward_backward_flops": "FLOPs forward + backward",
    "checkpointed_flops": "FLOPs with the blocks run again",
    "fvcore_flops": "fvcore's count (MACs)",
    "fvcore_activations": "fvcore's activations",
    "live_bytes_forward": "live after the layer, forward",
    "live_bytes_backward": "live after the layer, backward",
    "live_bytes_recompute": "live after the layer, run again",
    "peak_bytes_forward": "most within, forward",
    "peak_bytes_backward": "most within, backward",
    "peak_bytes_recompute": "most within, run again",
    "lasting_workspace_bytes": "lasting workspace",
    "allocator_rounding_bytes": "allocator rounding, at most",
    "peak": "peak",
}


@describe_kind.register
def _checks(checks: Checks, *, all_layers: bool = False) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for quantity, group in groupby(checks.checks, key=lambda check: (check.quantity, bool(check.layer))):
        members = list(group)
        failed = [check for check in members if check.verdict is Verdict.FAIL]
        if quantity[1] and not all_layers:
            rows.append(_group_row(members))
            rows += [_row(check) for check in failed]
        else:
            rows += [_row(check) for check in members]
    subject, environment = checks.measurement.subject, checks.measurement.environment
    return Table(
        title=(
            f"Predicted against measured: {checks.profile.config.label}, input "
            f"{units.shape(checks.profile.input)}, batch {checks.profile.batch:,}, {subject['dtype']}, "
            f"{setup_of(checks.measurement).label}, {subject['device']}"
        ),
        columns=(
            Column("quantity", "quantity", is_text=True),
            Column("layer", "layer", is_text=True),
            Column("unit", "unit", is_text=True),
            Column("predicted", "predicted"),
            Column("measured", "measured"),
            Column("residual", "residual"),
            Column("verdict", "verdict", is_text=True),
            Column("terms", "named terms", is_text=True),
        ),
        rows=tuple(rows),
        footer=(
            f"{checks.verdict.value}: {checks.count(Verdict.PASS)} of {len(checks.checks)} checks hold, "
            f"{checks.count(Verdict.FAIL)} fail, {checks.count(Verdict.SKIP)} could not be made.",
            "residual = measured - predicted - named terms. No tolerance: one byte or FLOP too many fails.",
            "Memory is what is live in the allocator, from loaded weights to the end of the step. Scratch is "
            "measured, not predicted: what a library takes and gives back within one operation. Where none "
            "computes, a byte beyond the prediction fails.",
            f"Measured on {environment.get('device', '?')} ({environment.get('platform', '?')}), "
            f"torch {environment.get('torch', '?')}, {environment.get('threads', '?')} threads.",
        ),
    )


def _row(check: Check) -> tuple[Cell, ...]:
    terms = "; ".join(f"{term.name}: {term.value:+,}" for term in check.terms)
    return (
        _QUANTITIES.get(check.quantity, check.quantity),
        check.layer,
        check.unit,
        _value(check.predicted),
        None if check.measured is None else _value(check.measured),
        check.residual,
        _words(check),
        terms,
    )


def _value(value: int | list[int]) -> Cell:
    return tuple(value) if isinstance(value, list) else value


def _words(check: Check) -> str:
    if check.verdict is Verdict.SKIP:
        return f"SKIP: {check.reason}"
    if check.measured is None:
        return "FAIL: was not measured"
    if check.verdict is Verdict.FAIL:
        return "FAIL: differs" if check.residual is None else f"FAIL: off by {check.residual:+,} {check.unit}"
    if any(term.is_remainder for term in check.terms):
        return "PASS: the rest is measured"
    return "PASS: exact after named terms" if check.terms else "PASS: exact"


def _group_row(members: Sequence[Check]) -> tuple[Cell, ...]:
    """All layers of one quantity in one line."""
    held = sum(check.verdict is Verdict.PASS for check in members)
    skipped = sum(check.verdict is Verdict.SKIP for check in members)
    residuals = [abs(check.residual) for check in members if check.residual is not None]
    named = sorted({term.name for check in members for term in check.terms})
    rest = sum(any(term.is_remainder for term in check.terms) for check in members)
    verdict = (
        f"PASS: exact at {len(members) - rest}, the rest of {rest} measured"
        if held == len(members) and rest
        else f"PASS: exact at all {len(members)}"
        if held == len(members)
        else f"SKIP: {skipped} not measured"
        if held + skipped == len(members)
        else f"FAIL: {len(members) - held - skipped} of {len(members)} differ"
    )
    return (
        _QUANTITIES.get(members[0].quantity, members[0].quantity),
        f"each of {len(members)}",
        members[0].unit,
        f"{len(members)} figures",
        f"{held - rest} equal",
        max(residuals, default=None),
        verdict,
        "; ".join(named),
    )


@describe_kind.register
def _times(measurement: Measurement) -> Table:
    """Time by layer; no verdicts."""
    rate = measurement.get("matrix_product_rate")
    forward, backward = measurement.layers("forward_time"), measurement.layers("backward_time")
    flops = measurement.layers("forward_flops")
    both = measurement.layers("forward_backward_flops")
    whole = sum(_number(reading) for reading in (*forward.values(), *backward.values()))
    rows = []
    for layer in forward:
        ahead = _number(forward[layer])
        back = _number(backward[layer]) if layer in backward else 0.0
        done = _number((both or flops)[layer]) if layer in (both or flops) else 0.0
        seconds = ahead + back
        rows.append(
            (
                layer,
                round(ahead * 1e6),
                round(back * 1e6) if layer in backward else None,
                f"{100 * seconds / whole:.1f}" if whole else None,
                f"{done / seconds / 1e9:.1f}" if done and seconds else None,
            )
        )
    return Table(
        title=f"Time by layer on {measurement.environment.get('device', '?')}",
        columns=(
            Column("layer", "layer", is_text=True),
            Column("forward_us", "forward\n(µs)"),
            Column("backward_us", "backward\n(µs)"),
            Column("share_percent", "share\n(%)"),
            Column("gflops_per_s", "achieved\n(GFLOP/s)"),
        ),
        rows=tuple(rows),
        total=_time_totals(rows, whole),
        footer=(
            *([f"Method: {next(iter(forward.values())).method}."] if forward else []),
            *(
                [f"A plain matrix product reaches {_number(rate) / 1e9:.1f} GFLOP/s here ({rate.method})."]
                if rate is not None
                else []
            ),
            "Times are reported, not judged; they vary from run to run.",
        ),
    )


def _number(reading: Reading) -> float:
    return 0.0 if isinstance(reading.value, list) else float(reading.value)


def _time_totals(rows: Iterable[Sequence[Cell]], whole: float) -> tuple[Cell, ...]:
    columns = list(zip(*rows, strict=True))
    if not columns:
        return ("total", None, None, None, None)
    forward, backward = (sum(cell for cell in column if isinstance(cell, int)) for column in columns[1:3])
    return ("total", forward, backward, None, None)


class _Part(NamedTuple):
    """A column of the timeline: what some categories take together."""

    name: str
    header: str
    categories: tuple[Category, ...]


_PARTS = (
    _Part("weights_and_buffers_bytes", "weights,\nbuffers", (Category.WEIGHTS, Category.BUFFERS)),
    _Part("input_bytes", "input", (Category.INPUT,)),
    _Part("activations_and_statistics_bytes", "activations", (Category.ACTIVATIONS, Category.STATISTICS)),
    _Part("casts_bytes", "autocast\ncopies", (Category.CASTS,)),
    _Part("indices_bytes", "pool\nindices", (Category.INDICES,)),
    _Part("masks_bytes", "dropout\nmasks", (Category.MASKS,)),
    _Part("in_flight_and_temporary_bytes", "gradients\nin flight", (Category.IN_FLIGHT, Category.TEMPORARY)),
    _Part("gradients_bytes", "gradients", (Category.GRADIENTS,)),
    _Part("optimizer_bytes", "optimizer\nstate", (Category.OPTIMIZER,)),
)
"""Together they are every category, so a line adds up to what is live."""


@describe_kind.register
def _ledger(step: Ledger) -> Table:
    """What is live when one part of the step is over, split by what it is for."""
    profile, moments, peak = step.profile, step.moments, step.peak
    parts = [part for part in _PARTS if part.name != "casts_bytes" or step.setup.amp != "none"]
    return Table(
        title=f"Live bytes through one step: {title(profile)}, {step.setup.label}",
        columns=(
            Column("phase", "phase", is_text=True),
            Column("layer", "layer", is_text=True),
            Column("live_bytes", "live after\n(bytes)"),
            Column("peak_bytes", "most within\n(bytes)"),
            *(Column(part.name, part.header) for part in parts),
        ),
        rows=tuple(
            (
                moment.phase.value,
                moment.layer,
                moment.live,
                moment.peak,
                *(sum(moment.categories[each] for each in part.categories) for part in parts),
            )
            for moment in moments
        ),
        ends=_ends(moments),
        footer=(
            f"Peak: {sized(peak.peak)}, {in_words(*step.place)}; tensors alone, before a backend's scratch.",
            f"By the rules of device {rules(profile.device)}.",
            *_remarks(step),
        ),
    )


@describe_kind.register
def _overlay(curve: Overlay) -> Table:
    """Predicted beside measured at every boundary: what is live there, and the most within the part."""
    step, moments = curve.step, curve.step.moments
    met = sum(each.residual == 0 for each in curve.boundaries)
    exact = sum(each.beyond == 0 for each in curve.boundaries)
    scratch = sorted({each.scratch.name for each in curve.boundaries if each.scratch})
    return Table(
        title=f"Predicted and measured through one step: {title(step.profile)}, {step.setup.label}",
        columns=(
            Column("phase", "phase", is_text=True),
            Column("layer", "layer", is_text=True),
            Column("live_bytes", "live after,\npredicted"),
            Column("measured_live_bytes", "measured\n(bytes)"),
            Column("residual", "residual\n(bytes)"),
            Column("peak_bytes", "most within,\npredicted"),
            Column("measured_peak_bytes", "measured\n(bytes)"),
            Column("beyond_bytes", "beyond it\n(bytes)"),
            Column("operation", "taken by", is_text=True),
        ),
        rows=tuple(
            (
                each.phase,
                each.layer,
                each.live,
                each.measured_live,
                each.residual,
                each.peak,
                each.measured_peak,
                each.beyond,
                each.operation if each.beyond else "",
            )
            for each in curve.boundaries
        ),
        ends=_ends(moments),
        footer=(
            f"{curve.verdict.value}: the curves meet at {met} of {len(moments)} boundaries, to the byte.",
            f"Within {exact} of {len(moments)} parts the most that is live is as predicted, too."
            + (f" The rest is {', and '.join(scratch)}." if scratch else ""),
            f"Predicted peak: {sized(step.peak.peak)}, {in_words(*step.place)}.",
            *_remarks(step),
        ),
    )


def _ends(moments: Sequence[Moment]) -> frozenset[int]:
    """The rows after which a phase is over."""
    return frozenset(n for n, (one, after) in enumerate(pairwise(moments)) if one.phase is not after.phase)


def _remarks(step: Ledger) -> Iterator[str]:
    """What the setup does that a reader of the figures should know."""
    setup = step.setup
    if setup.optimizer != "none":
        yield (
            "The step is the first: the optimizer's state appears in it."
            if setup.first_step
            else "The step is a later one: the optimizer's state is there from the start; in the "
            "--first-step it appears."
        )
    if step.recomputed_flops:
        again = sum(step.recomputed_flops.values())
        plain = sum(step.flops.values())
        yield (
            f"Checkpointing runs {units.exact(again)} FLOPs a second time, "
            f"{100 * again / plain:.1f} % on top of {units.exact(plain)} forward and backward."
        )
    if setup.amp == "float16":
        yield "A GradScaler, which float16 wants, keeps a few scalars more; they are not counted."


@describe_kind.register
def _fit(fit: Fit) -> Table:
    """What a batch takes at the event that decides, and what is left of the memory."""
    batch = fit.batch
    step = fit.step.at(batch)
    binding = fit.binding
    tensors = [
        (category.value, size.fixed, size.per_image, size.at(batch))
        for category, size in fit.categories.items()
    ]
    kept = [(f"reserve: {reserve.what}", reserve.bytes, 0, reserve.bytes) for reserve in fit.reserves]
    rows: list[tuple[Cell, ...]] = [
        *tensors,
        (f"tensors, {in_words(*fit.place)}", binding.fixed, binding.per_image, binding.at(batch)),
        *kept,
        (f"memory, {fit.memory.label}", fit.memory.bytes, None, fit.memory.bytes),
    ]
    return Table(
        title=f"{title(step.profile)}, {step.setup.label}, in {fit.memory.label}",
        columns=(
            Column("part", "part", is_text=True),
            Column("fixed_bytes", "fixed\n(bytes)"),
            Column("bytes_per_image", "per image\n(bytes)"),
            Column(f"batch_{batch}_bytes", f"batch {batch:,}\n(bytes)"),
        ),
        rows=tuple(rows),
        ends=frozenset({len(tensors) - 1, len(tensors), len(tensors) + len(kept)}),
        total=("left", None, None, fit.spare_bytes),
        footer=tuple(_working(fit)),
    )


def _working(fit: Fit) -> Iterator[str]:
    """The answer, and how it comes about, in numbers."""
    largest, line = fit.largest_batch, fit.limiting
    if fit.asked is not None and not fit.fits:
        yield (
            f"Batch {fit.asked:,} does not fit: it is short by {sized(-fit.spare_bytes)}. "
            + (f"The largest that fits is {largest:,}." if largest else "Not even one image fits.")
        )
    elif fit.asked is not None:
        yield f"Batch {fit.asked:,} fits, and {sized(fit.spare_bytes)} are left; the largest is {largest:,}."
    elif largest:
        yield f"The largest batch is {largest:,}; one more would be short by {sized(fit.next_short_bytes)}."
    else:
        yield f"Not even one image fits: it is short by {sized(-fit.spare_bytes)}."
    if fit.asked is None and largest:
        yield (
            f"Working: ({units.exact(fit.memory.bytes)} - {units.exact(fit.reserve_bytes)} - "
            f"{units.exact(line.fixed)}) / {units.exact(line.per_image)} = "
            f"{units.exact(fit.available_bytes - line.fixed)} / {units.exact(line.per_image)} = "
            f"{(fit.available_bytes - line.fixed) / line.per_image:,.2f}, rounded down."
        )
        if line != fit.binding:
            ends = fit.step.events[line.event]
            yield (
                f"One image more has its peak elsewhere, {in_words(ends.phase, ends.layer)}: there "
                f"{units.exact(line.fixed)} bytes are fixed, and {units.exact(line.per_image)} are per image."
            )
    yield (
        f"Bytes at every event are fixed + per image * batch; the peak is the highest of them. "
        f"By the rules of device {rules(fit.step.profile.device)}."
    )
    for reserve in fit.reserves:
        yield f"Reserve for {reserve.what}: {reserve.source}."
    if fit.memory.source:
        yield f"{fit.memory.label}: {fit.memory.source}."
    yield from _remarks(fit.step.at(fit.batch))


@describe_kind.register
def _sweep(grid: Sweep) -> Table:
    return Table(
        title=f"Predicted peak over {units.plural(len(grid.points), 'point')}: {grid.config.label}, "
        f"{replace(grid.setup, optimizer='none').label.replace(', no optimizer', '')}, "
        f"rules of {grid.device}",
        columns=tuple(
            Column(name, name.replace("_bytes", "\n(bytes)").replace("_", " "), is_text=name in _TEXTS)
            for name in Point._fields
        ),
        rows=tuple(tuple(point) for point in grid.points),
        footer=(
            "Peaks are of tensors, before a backend's scratch; MACs and bytes are for the whole batch.",
            "Loaded: weights, buffers, optimizer state. Where the peak is, it is fixed + per image * batch.",
            f"By the rules of device {rules(grid.device)}.",
        ),
    )


_TEXTS = {"dtype", "optimizer", "peak_phase", "peak_layer"}
