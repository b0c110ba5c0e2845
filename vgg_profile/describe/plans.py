"""What fits, and what a grid of settings takes, described as tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import reduce

from vgg_profile.ask.fit import MALLOC, PROCESS, Fit
from vgg_profile.ask.machine import LAST_SEEN, NAMED, Machine
from vgg_profile.ask.sweep import Sweep
from vgg_profile.core import units
from vgg_profile.core.events import Category, Provenance, least_certain
from vgg_profile.core.forms import Cell, Column, Table
from vgg_profile.core.sizes import Bytes
from vgg_profile.core.step import in_words
from vgg_profile.core.verified import UNVERIFIED
from vgg_profile.describe.kinds import describe_kind
from vgg_profile.describe.step import remarks
from vgg_profile.describe.words import (
    grid_pool_words,
    pool_words,
    rules,
    scratch_counted,
    sized,
    title,
    unverified_points,
    whence,
)


@describe_kind.register
def _fit(fit: Fit) -> Table:
    """What a batch takes at the event that decides, and what is left of the memory."""
    batch = fit.batch
    step = fit.here
    sizes = {category: size for category, size in fit.categories.items() if category is not Category.SCRATCH}
    tensors = [_line(category.value, size, batch) for category, size in sizes.items()]
    binding = fit.binding
    at_peak = [
        _line("tensors", reduce(Bytes.plus, sizes.values()), batch),
        _line(_scratch_words(fit), fit.scratch, batch),
        (f"peak, {in_words(*fit.place)}", binding.fixed, binding.per_image, binding.at(batch)),
    ]
    beside = list(_beside_tensors(fit))
    kept = [(f"reserve: {reserve.what}", reserve.bytes, 0, reserve.bytes) for reserve in fit.reserves]
    rows: list[tuple[Cell, ...]] = [
        *tensors,
        *at_peak,
        *beside,
        *kept,
        (f"memory, {fit.memory.label}", fit.memory.bytes, None, fit.memory.bytes),
    ]
    return Table(
        title=f"{title(step.profile)}, {step.setup.label}, in {fit.memory.label}",
        columns=(
            Column("part", "part", is_text=True),
            Column("fixed_bytes", "fixed", unit="bytes"),
            Column("bytes_per_image", "per image", unit="bytes"),
            Column("batch_bytes", f"batch {batch:,}", unit="bytes"),
        ),
        rows=tuple(rows),
        ends=frozenset({len(tensors) - 1, len(tensors) + 2, len(rows) - 2, len(rows) - 2 - len(kept)}),
        total=("left", None, None, fit.spare_bytes),
        footer=tuple(_working(fit)),
        answer=in_one_line(fit),
    )


def _line(what: str, size: Bytes, batch: int) -> tuple[Cell, ...]:
    return (what, size.fixed, size.per_image, size.at(batch))


def _scratch_words(fit: Fit) -> str:
    """What kernels take in passing, and how that is known."""
    if fit.run is not None:
        return "scratch, without cuDNN's"
    if fit.here.is_at_least:
        return "scratch, at least"
    return f"scratch, {_HOW[least_certain(fit.scratch_by)]}"


_HOW = {Provenance.RULE: "by rule", Provenance.PROBE: "by probe", Provenance.BOUND: "at most"}


def in_one_line(fit: Fit) -> str:
    """The answer in people's units; the exact bytes stand below."""
    memory = fit.memory.label
    largest = f"{fit.largest_batch:,}"
    if fit.run is not None:
        said = f"about {largest} fit in {memory}, {UNVERIFIED}; at most {fit.at_most:,}"
        if fit.asked is not None:
            verdict = "fits" if fit.fits else "does not fit"
            said = f"batch {fit.asked:,} {verdict} in {memory}, {UNVERIFIED}; about {largest} do"
        said = said[0].upper() + said[1:]
    elif fit.largest_batch == 0:
        said = f"Not even one image fits in {memory} ({units.binary(-fit.spare_bytes)} short)"
    elif fit.asked is None:
        at_most = "At most batch" if fit.here.is_at_least else "Batch"
        said = f"{at_most} {largest} fits in {memory} ({units.binary(fit.spare_bytes)} left)"
        said += f"; {fit.largest_batch + 1:,} does not"
    elif fit.fits:
        said = f"Batch {fit.asked:,} fits in {memory} ({units.binary(fit.spare_bytes)} left)"
        said += f"; the largest is {largest}"
    else:
        said = f"Batch {fit.asked:,} does not fit in {memory} ({units.binary(-fit.spare_bytes)} short)"
        said += f"; the largest that does is {largest}"
    return f"{said}{pool_words(fit.step.profile)}.{_with_adam(fit)}"


def _with_adam(fit: Fit) -> str:
    setup = fit.step.setup
    if setup.has_backward and setup.optimizer == "none" and fit.step.profile.is_traced:
        return " No optimizer is counted: --optimizer adam counts Adam's state."
    if fit.with_adam is None:
        return ""
    about = "about " * (fit.run is not None)
    adam = f"it is {about}{fit.with_adam:,}" if fit.with_adam else "not even one image fits"
    return f" No optimizer is counted: with Adam {adam}."


def _beside_tensors(fit: Fit) -> Iterator[tuple[Cell, ...]]:
    """On a card: from what tensors ask for to what is reserved, the most of each."""
    if fit.run is None or fit.taken is None:
        return
    for workspace in fit.run.workspaces:
        yield (f"workspace: {workspace.what}", workspace.bytes, 0, workspace.bytes)
    taken = fit.taken
    yield ("requested", None, None, taken.requested)
    yield ("blocks: rounded up, rests unsplit", None, None, taken.allocated - taken.requested)
    yield ("allocated", None, None, taken.allocated)
    yield ("segments: kept, and not in use then", None, None, taken.reserved - taken.allocated)
    yield ("reserved", None, None, taken.reserved)


def _answer_on_a_card(fit: Fit) -> Iterator[str]:
    """The answer as far as it is known: replayed without cuDNN's scratch, and a bound with it."""
    assert fit.taken is not None
    largest, most = fit.largest_batch, fit.at_most
    said = "without cuDNN's scratch, which is not predicted"
    bound = (
        f"At most {most:,} can: of more, tensors and workspaces alone are more than there is."
        if most
        else "Tensors and workspaces of one image alone are more than there is."
    )
    about = f"About {largest:,}" if largest else "Not even one image"
    if fit.asked is None:
        yield (
            f"{about}, {UNVERIFIED}: the largest batch that fits {said}. {bound}"
            if largest
            else f"{about} fits, {UNVERIFIED}, {said}. {bound}"
        )
    elif fit.fits:
        yield (
            f"Batch {fit.asked:,} fits, {UNVERIFIED}, {said}: {sized(fit.spare_bytes)} are left. "
            f"{about} do. {bound}"
        )
    else:
        verdict = "does not fit" if fit.asked > most else "runs out of memory in the replay"
        yield f"Batch {fit.asked:,} {verdict}, {UNVERIFIED}, {said}. {about} fit. {bound}"
        yield f"With all the room it wants it reserves {sized(-fit.spare_bytes)} more than there is."
    kind = "expandable segments" if fit.expandable else "segments of its default kind"
    yield (
        f"Reserved is what PyTorch's caching allocator takes, in {kind}, replayed step after step until "
        "nothing changes any more. It does not grow evenly with the batch: a smaller one may need more."
    )
    if fit.fits and fit.taken.retries:
        yield (
            f"On the way free segments are given back {units.plural(fit.taken.retries, 'time')} to make "
            "room, which takes time."
        )


def _answer(fit: Fit) -> Iterator[str]:
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
        needed = fit.taken_bytes + fit.reserve_bytes
        would_fit = fit.taken_bytes <= fit.memory.bytes
        yield (
            f"Not even one image fits: it is short by {sized(-fit.spare_bytes)}. One needs {sized(needed)} "
            f"in all: give more --memory{', or a smaller --reserve' * would_fit}."
        )
    if fit.asked is None and largest and not line.per_image:
        yield f"Each batch was traced by itself: no line joins {largest + 1:,} images to the next."
    elif fit.asked is None and largest:
        yield (
            f"Working: ({units.exact(fit.memory.bytes)} - {units.exact(fit.reserve_bytes)} - "
            f"{units.exact(line.fixed)}) / {units.exact(line.per_image)} = "
            f"{units.exact(fit.available_bytes - line.fixed)} / {units.exact(line.per_image)} = "
            f"{(fit.available_bytes - line.fixed) / line.per_image:,.2f}, rounded down."
        )
        if line != fit.binding:
            ends = fit.beyond.events[line.event]
            yield (
                f"One image more has its peak elsewhere, {in_words(ends.phase, ends.layer)}: there "
                f"{units.exact(line.fixed)} bytes are fixed, and {units.exact(line.per_image)} are per image."
            )


def _working(fit: Fit) -> Iterator[str]:
    """The answer, and what each figure rests on."""
    yield from _answer(fit) if fit.run is None else _answer_on_a_card(fit)
    yield (
        f"Bytes at every event are fixed + per image * batch; the peak is the highest of them. "
        f"By the rules of device {rules(fit.step.profile)}."
    )
    for workspace in fit.run.workspaces if fit.run else ():
        yield f"Workspace of {workspace.what}: {workspace.source}."
    if fit.step.profile.device == "cpu" and not fit.step.profile.is_traced:
        yield scratch_counted(fit.here)
        yield from _machine(fit.machine)
    can_measure = {PROCESS.what, MALLOC.what} if not fit.step.profile.is_traced else set()
    for reserve in fit.reserves:
        or_measure = "; --calibrate measures it here" if reserve.what in can_measure else ""
        yield f"Reserve for {reserve.what}: {reserve.source}{or_measure}."
    yield from whence(fit.memory)
    yield from remarks(fit.here)


def _machine(machine: Machine | None) -> Iterator[str]:
    """Whose kernels were counted, where nobody named a processor."""
    if machine is None or machine.source == NAMED:
        return
    if machine.source == LAST_SEEN:
        yield "The processor is the one last seen on this machine, by doctor or --calibrate."
        return
    yield (
        f"At most: the processor is not known here, and of the families that are, {machine.processor} takes "
        "most. Name your --processor, or let `vgg-profile doctor` look once."
    )
    for family in machine.left_out:
        yield f"Not counted among them is {family}: no rule knows all that its kernels take here."


@describe_kind.register
def _sweep(grid: Sweep) -> Table:
    return Table(
        title=f"Predicted peak over {units.plural(len(grid.points), 'point')}: {grid.config.label}, "
        f"{replace(grid.setup, optimizer='none', fused=False).conditions}, "
        f"rules of {grid.device}{unverified_points(grid.unverified, len(grid.points))}"
        f"{grid_pool_words(grid)}",
        columns=tuple(
            Column(
                name,
                name.removesuffix("_bytes").replace("_", " "),
                is_text=name in _TEXTS,
                unit="bytes" if "bytes" in name else "",
                rank=_RANKS.get(name, 0),
            )
            for name in grid.fields
        ),
        rows=tuple(tuple(getattr(point, each) for each in grid.fields) for point in grid.points),
        footer=(
            f"Peaks are of {grid.scope}; MACs and bytes are for the whole batch.",
            "Loaded: weights, buffers, optimizer state. Where the peak is, it is fixed + per image * batch.",
            f"By the rules of device {grid.device}.",
        ),
    )


_RANKS = {"channels": 4, "fixed_bytes": 3, "bytes_per_image": 3, "loaded_bytes": 3, "batch_macs": 2} | {
    "peak_phase": 1,
    "peak_layer": 1,
    "verified_on": 1,
}
_TEXTS = {"input", "dtype", "optimizer", "peak_phase", "peak_layer", "verified_on"}
