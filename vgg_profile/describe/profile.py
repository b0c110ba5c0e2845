"""Results described as tables: raw numbers and units, in one form that every renderer reads.

``describe(result)`` gives a :class:`Table`. How a number is written is the renderer's business; which
numbers stand where, under which heading, with which footnotes, is decided here and only here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from vgg_profile.core import units
from vgg_profile.core.counts import Count, total
from vgg_profile.core.forms import Cell, Column, Table
from vgg_profile.core.tree import Profile, Row, Totals
from vgg_profile.describe.kinds import describe_kind
from vgg_profile.describe.words import added_up, rules, sized, title


@describe_kind.register
def _profile(
    profile: Profile, *, all_layers: bool = False, notes: bool = False, saved: bool = False
) -> Table:
    rows = profile.module_rows if all_layers else profile.rows
    if saved:
        return _saved_table(profile, rows)
    return _notes_table(profile, rows) if notes else _layer_table(profile, rows)


_LAYER_COLUMNS = (
    Column("name", "layer", is_text=True),
    Column("module", "module", is_text=True, rank=6),
    Column("kind", "kind", is_text=True, rank=5),
    Column("output_shape", "output"),
    Column("values", "values", is_worked=True),
    Column("memory_bytes", "memory", unit="bytes"),
    Column("saved_bytes", "saved for\nbackward", unit="bytes", rank=1),
    Column("weights", "weights", is_worked=True),
    Column("biases", "biases", rank=4),
    Column("macs", "MACs", rank=2),
    Column("receptive_field", "field\n(px)", rank=3),
    Column("stride", "stride\n(px)", rank=3),
)


def _layer_table(profile: Profile, rows: Sequence[Row]) -> Table:
    totals = profile.total(rows)
    more = [each for each in _WHERE_SEVERAL if any(each.value(row) != each.usual for row in rows)]
    return Table(
        title=_title(profile),
        columns=(*_LAYER_COLUMNS, *(each.column for each in more)),
        rows=tuple(
            (
                row.name,
                row.module,
                row.kind,
                row.output_shape,
                row.note or row.values,
                row.memory_bytes(profile.batch, profile.itemsize),
                row.saved_bytes(profile.batch),
                row.weights,
                row.biases,
                row.macs.value,
                row.receptive_field,
                row.stride,
                *(each.value(row) for each in more),
            )
            for row in rows
        ),
        total=(
            "total",
            "",
            "",
            None,
            totals.values,
            totals.memory_bytes,
            totals.saved_bytes,
            totals.weights,
            totals.biases,
            totals.macs,
            None,
            None,
            *(each.total(rows) for each in more),
        ),
        ends=_block_ends(rows),
        footer=_conventions(profile, totals, all_layers=len(rows) == len(profile.module_rows)),
    )


class _More(NamedTuple):
    """A column that stands only where a row has something else in it than usual."""

    column: Column
    value: Callable[[Row], Cell]
    usual: Cell
    is_summed: bool = False

    def total(self, rows: Sequence[Row]) -> Cell:
        return sum(row.frozen for row in rows) if self.is_summed else None


def _more_outputs(row: Row) -> str:
    return " ".join(units.shape(shape) or "()" for shape in row.more_outputs)


_WHERE_SEVERAL = (
    _More(Column("more_outputs", "more\noutputs", is_text=True, rank=2), _more_outputs, ""),
    _More(Column("calls", "calls", rank=2), lambda row: row.calls, 1),
    _More(Column("frozen", "frozen\nparameters", rank=1), lambda row: row.frozen, 0, is_summed=True),
)


def _conventions(profile: Profile, totals: Totals, all_layers: bool) -> tuple[str, ...]:
    images = units.plural(profile.batch, "image")
    parameter_bytes = totals.parameters * profile.itemsize
    return (
        *_trained(profile),
        f"Parameters: {added_up(totals.weights, totals.biases)} (weights + biases), "
        f"{sized(parameter_bytes)} as {profile.dtype}"
        + (f"; and {totals.buffers:,} values in batch-norm buffers." if totals.buffers else "."),
        f"Memory: {_what_is_counted(all_layers)}, once, {totals.values:,} values per image, "
        f"{sized(totals.memory_bytes)} for {images} at {profile.itemsize} bytes a value.",
        f"Saved for backward: what stays alive after {profile.forward_pass}, above weights and input, "
        f"by the rules of device {rules(profile)}: {sized(totals.saved_bytes)} for {images}.",
        f"Compute: {totals.macs:,} MACs per image, forward; 1 MAC = 2 FLOPs, so {2 * totals.macs:,} FLOPs. "
        "Biases count as parameters, not as MACs.",
        "Values and MACs are for one image, bytes for the batch. MiB = 2^20 bytes.",
        *(f"{row.name}: {row.pooled}." for row in profile.module_rows if row.pooled),
    )


def _title(profile: Profile) -> str:
    frozen = profile.setting.setup.freeze
    return title(profile) + (f"; {units.listed(frozen)} frozen" if frozen else "")


def _trained(profile: Profile) -> Iterator[str]:
    """How many parameters are trained, where some are not."""
    setup = profile.setting.setup
    frozen = sum(row.frozen for row in profile.module_rows)
    if frozen:
        whole = profile.totals.parameters
        yield f"Trained: {whole - frozen:,} of {whole:,} parameters; the others need no gradient."
    elif setup.freeze:
        rows = profile.module_rows
        trained = sum(row.parameters for row in rows if not setup.is_frozen(row.module))
        yield (
            f"Trained: {trained:,} of {profile.totals.parameters:,} parameters; "
            f"{units.listed(setup.freeze)} frozen: no gradients, no optimizer state."
        )


def _what_is_counted(all_layers: bool) -> str:
    if all_layers:
        return "the input and every module's output, where it is new memory"
    return "the input and every output of convolutions, pools and fully-connected layers"


def _block_ends(rows: Iterable[Row]) -> frozenset[int]:
    """The rows after which a block is over."""
    return frozenset(place for place, (row, after) in enumerate(pairwise(rows)) if row.block != after.block)


def _saved_table(profile: Profile, rows: Sequence[Row]) -> Table:
    """What each layer leaves alive for the backward pass, one line a tensor, and why."""
    kept = [storage for row in rows for storage in row.saved]
    return Table(
        title=f"{_title(profile)}: saved for backward",
        columns=(
            Column("name", "layer", is_text=True),
            Column("category", "category", is_text=True, rank=1),
            Column("saved_bytes", "saved", unit="bytes"),
            Column("why", "what, and why it is kept", is_text=True),
        ),
        rows=tuple(
            (storage.layer, storage.category.value, storage.size.at(profile.batch), storage.why)
            for storage in kept
        ),
        total=("total", "", profile.total(rows).saved_bytes, None),
        footer=(
            f"Alive after {profile.forward_pass}, above weights and input, "
            f"by the rules of device {rules(profile)}: {sized(profile.total(rows).saved_bytes)}.",
        ),
    )


def _notes_table(profile: Profile, rows: Sequence[Row]) -> Table:
    """The notes' own table: their labels and their rounding; weights without biases."""
    totals = profile.total(rows)
    weights = total(row.weights for row in rows).value
    rounded = units.as_the_notes
    return Table(
        title=f"{_title(profile)}: the notes' conventions",
        columns=(
            Column("layer", "layer", is_text=True),
            Column("output", "output", is_text=True),
            Column("memory_printed", "memory"),
            Column("weights", "weights", is_worked=True),
        ),
        rows=tuple(
            (
                _notes_label(row),
                _notes_shape(row),
                row.note or _rounded_count(row.values),
                row.weights,
            )
            for row in rows
        ),
        total=("TOTAL", "", rounded(totals.values), rounded(weights)),
        ends=_block_ends(rows),
        footer=(
            f"TOTAL memory: {rounded(totals.values)} * {profile.itemsize} bytes; exactly {totals.values:,} "
            f"values = {sized(totals.values * profile.itemsize)} per image, forward only.",
            f"TOTAL params: {rounded(weights)}; exactly {weights:,} weights. "
            f"The notes leave out {totals.biases:,} biases; with them {weights + totals.biases:,}.",
        ),
    )


def _rounded_count(count: Count) -> str:
    rounded = units.as_the_notes(count.value)
    return rounded if count.is_plain else f"{count.working} = {rounded}"


def _notes_label(row: Row) -> str:
    if row.kind == "conv":
        return f"CONV{row.kernel}-{row.output_shape[0]}"
    return {"maxpool": "POOL2", "fc": "FC"}.get(row.kind, row.kind.upper())


def _notes_shape(row: Row) -> str:
    channels, *plane = row.output_shape
    return "x".join(map(str, [*(plane or [1, 1]), channels]))
