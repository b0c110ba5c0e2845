"""What a network is made of: its modules in order, and totals that are added up from them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from vgg_profile.core.counts import Count, total
from vgg_profile.core.display import Displayed
from vgg_profile.core.events import Storage
from vgg_profile.core.sizes import ITEMSIZE, Shape
from vgg_profile.core.version import SCHEMA_VERSION
from vgg_profile.predict.vgg.configs import Config

_STAGE_HEADS = ("input", "conv", "maxpool", "fc")


@dataclass(frozen=True, slots=True)
class Row:
    """One layer at one input.

    Counts are per image; ``saved`` is what the layer leaves alive after the forward pass of a training
    step. ``receptive_field`` and ``stride`` are in input pixels; ``None`` where every output sees the
    whole image, or pools of uneven windows leave no single figure.
    """

    name: str
    module: str
    kind: str
    output_shape: Shape
    values: Count
    weights: Count
    biases: int
    buffers: int
    macs: Count
    receptive_field: int | None
    stride: int | None
    saved: tuple[Storage, ...] = field(default=(), compare=False)
    note: str = ""

    def memory_bytes(self, batch: int, itemsize: int) -> int:
        """Bytes of the values that the layer makes, for a whole batch."""
        return self.values.value * batch * itemsize

    def saved_bytes(self, batch: int) -> int:
        return sum(storage.size.at(batch) for storage in self.saved)

    @property
    def parameters(self) -> int:
        return self.weights.value + self.biases


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over rows. ``values`` and ``macs`` are per image, the two ``bytes`` for the batch."""

    values: int
    memory_bytes: int
    saved_bytes: int
    weights: int
    biases: int
    buffers: int
    macs: int

    @property
    def parameters(self) -> int:
        return self.weights + self.biases


@dataclass(frozen=True, repr=False)
class Profile(Displayed):
    """What a network costs at one input: its rows, and totals that are added up from them.

    ``rows`` are the notes' rows: the input, each convolution, pool and fully-connected layer, with the
    small modules that follow counted into theirs (a batch norm into its convolution, the average
    pool into the last max pool, a dropout into its fully-connected layer). ``module_rows`` has
    every module for itself. Both give the same parameters, MACs and saved bytes. ``forward_pass`` says
    after which one the saved bytes are alive; a :class:`~vgg_profile.core.step.Ledger` has its own.

    >>> from vgg_profile import walk
    >>> walk("D").totals.parameters
    138357544
    """

    config: Config
    input: Shape
    batch: int
    dtype: str
    device: str
    module_rows: tuple[Row, ...]
    forward_pass: str = "a training forward pass"

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        return tuple(_notes_rows(self.module_rows))

    @cached_property
    def totals(self) -> Totals:
        return self.total(self.rows)

    @property
    def itemsize(self) -> int:
        return ITEMSIZE[self.dtype]

    @property
    def receptive_field(self) -> int:
        """How many pixels of a side one value of the last map sees; 212 for D."""
        return max(row.receptive_field for row in self.module_rows if row.receptive_field is not None)

    def total(self, rows: Iterable[Row]) -> Totals:
        """Add up rows of this profile."""
        rows = list(rows)
        return Totals(
            values=sum(row.values.value for row in rows),
            memory_bytes=sum(row.memory_bytes(self.batch, self.itemsize) for row in rows),
            saved_bytes=sum(row.saved_bytes(self.batch) for row in rows),
            weights=sum(row.weights.value for row in rows),
            biases=sum(row.biases for row in rows),
            buffers=sum(row.buffers for row in rows),
            macs=sum(row.macs.value for row in rows),
        )

    def to_dict(self, *, all_layers: bool = False) -> dict[str, Any]:
        """The profile as JSON has it: raw integers, rows of the notes or of every module."""
        rows = self.module_rows if all_layers else self.rows
        totals = self.total(rows)
        return {
            "schema_version": SCHEMA_VERSION,
            "config": self.config.name,
            "batch_norm": self.config.batch_norm,
            "input": list(self.input),
            "batch": self.batch,
            "dtype": self.dtype,
            "device": self.device,
            "classes": self.config.classes,
            "layers": self.config.to_dict()["layers"],
            "classifier": list(self.config.classifier),
            "all_layers": all_layers,
            "rows": [
                {
                    "name": row.name,
                    "module": row.module,
                    "kind": row.kind,
                    "output_shape": list(row.output_shape),
                    "values": row.values.value,
                    "values_working": row.values.working,
                    "memory_bytes": row.memory_bytes(self.batch, self.itemsize),
                    "saved_bytes": row.saved_bytes(self.batch),
                    "saved": [
                        {
                            "what": storage.what,
                            "category": storage.category.value,
                            "why": storage.why,
                            "bytes": storage.size.at(self.batch),
                        }
                        for storage in row.saved
                    ],
                    "weights": row.weights.value,
                    "weights_working": row.weights.working,
                    "biases": row.biases,
                    "macs": row.macs.value,
                    "macs_working": row.macs.working,
                    "receptive_field": row.receptive_field,
                    "stride": row.stride,
                    "note": row.note,
                }
                for row in rows
            ],
            "totals": {
                "values": totals.values,
                "memory_bytes": totals.memory_bytes,
                "saved_bytes": totals.saved_bytes,
                "weights": totals.weights,
                "biases": totals.biases,
                "parameters": totals.parameters,
                "parameter_bytes": totals.parameters * self.itemsize,
                "buffers": totals.buffers,
                "macs": totals.macs,
                "flops": 2 * totals.macs,
            },
        }


def _notes_rows(rows: Sequence[Row]) -> Iterator[Row]:
    """Fold every module into the notes' row that it follows."""
    stage: list[Row] = []
    for row in rows:
        if row.kind in _STAGE_HEADS and stage:
            yield _fold(stage)
            stage = []
        stage.append(row)
    yield _fold(stage)


def _fold(stage: Sequence[Row]) -> Row:
    head = stage[0]
    if len(stage) == 1:
        return head
    return replace(
        head,
        weights=total(row.weights for row in stage),
        biases=sum(row.biases for row in stage),
        buffers=sum(row.buffers for row in stage),
        saved=tuple(storage for row in stage for storage in row.saved),
    )
