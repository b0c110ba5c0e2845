"""One line of the notes beside the row that was computed for it, and what came of comparing them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from vgg_profile.core import units
from vgg_profile.core.tree import Row
from vgg_profile.teach.notes import PrintedLine
from vgg_profile.teach.printed import evaluated


class Finding(StrEnum):
    """What came of comparing a printed figure, or a line, with the computed one."""

    AGREES = "agrees"
    DIFFERS = "differs"
    OMITTED = "omitted"
    MISSING = "missing"
    EXTRA = "extra"
    UNREADABLE = "unreadable"


def finding(holds: bool) -> Finding:
    """``AGREES`` if it holds, else ``DIFFERS``."""
    return Finding.AGREES if holds else Finding.DIFFERS


@dataclass(frozen=True, slots=True)
class AuditedLine:
    """One printed line beside the row that was computed for it."""

    printed: PrintedLine
    row: Row

    @property
    def shape(self) -> Finding:
        channels, *plane = self.row.output_shape
        sides = (int(side) for side in self.printed.shape.split("x"))
        return finding(tuple(sides) == (*(plane or (1, 1)), channels))

    @property
    def memory(self) -> Finding:
        working, _, result = self.printed.memory.rpartition("=")
        value = self.row.values.value
        is_worked_out = not working or evaluated(working) == value
        return finding(is_worked_out and result == units.as_the_notes(value))

    @property
    def weights(self) -> Finding:
        working, _, result = self.printed.weights.rpartition(" = ")
        value = self.row.weights.value
        is_worked_out = not working or evaluated(working) == value
        return finding(is_worked_out and result.replace(",", "") == str(value))

    @property
    def biases(self) -> Finding | None:
        """The notes print none; ``None`` where there are none."""
        return Finding.OMITTED if self.row.biases else None

    @property
    def differing(self) -> tuple[str, ...]:
        """The names of the figures that differ."""
        return tuple(
            name for name in ("shape", "memory", "weights") if getattr(self, name) is Finding.DIFFERS
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "label": self.printed.label,
            "name": self.row.name,
            "shape_printed": self.printed.shape,
            "shape": self.shape.value,
            "memory_printed": self.printed.memory,
            "memory_values": self.row.values.value,
            "memory": self.memory.value,
            "weights_printed": self.printed.weights,
            "weights_computed": self.row.weights.value,
            "weights": self.weights.value,
            "biases_computed": self.row.biases,
            "biases": self.biases.value if self.biases else None,
        }
