"""What a page's figures are made of: the rows of a table, the tape of a step, equal values once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from vgg_profile.core import units
from vgg_profile.core.counts import Count
from vgg_profile.core.step import Step
from vgg_profile.core.tree import Profile, block_labels


class Shared:
    """A list in which equal values stand once."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._places: dict[str, int] = {}

    def place(self, value: Any) -> int:
        """Where the value stands."""
        place = self._places.setdefault(json.dumps(value), len(self.values))
        if place == len(self.values):
            self.values.append(value)
        return place


def key(*parts: object) -> str:
    """The key of several choices together, as the script's own lists become one."""
    return ",".join(map(str, parts))


def rows_of(profile: Profile) -> dict[str, Any]:
    """The rows of a table and their totals, per image."""
    totals = profile.totals
    blocks = block_labels(profile.rows)
    return {
        "rows": [
            {
                "name": row.name,
                "block": blocks.get(row.block, ""),
                "output": units.shape(row.output_shape),
                "values": _count(row.values),
                "weights": _count(row.weights),
                "biases": row.biases,
                "macs": _count(row.macs),
            }
            for row in profile.rows
        ],
        "totals": {
            "values": totals.values,
            "weights": totals.weights,
            "biases": totals.biases,
            "parameters": totals.parameters,
            "macs": totals.macs,
            "flops": 2 * totals.macs,
        },
    }


def _count(number: Count) -> list[int | str]:
    return [number.value, number.working]


def saved_of(seen: Profile) -> list[list[list[Any]]]:
    """What each row keeps for the backward pass: names, fixed bytes, bytes per image; and the totals."""
    kept = [[(f"{each.what} of {each.layer}", *each.size) for each in row.saved] for row in seen.rows]
    rows = [[list(column) for column in zip(*storages, strict=True)] or [[], [], []] for storages in kept]
    sizes = [storage.size for row in seen.rows for storage in row.saved]
    return [*rows, [["total"], [sum(size.fixed for size in sizes)], [sum(size.per_image for size in sizes)]]]


def tape_of(step: Step) -> dict[str, Any]:
    """Who allocates and frees: a storage by its number, from 1 on, and negative where it is freed."""
    return {
        "marks": [
            [mark.phase, mark.layer, row, mark.event]
            for mark, row in zip(step.marks, _rows(step), strict=True)
        ],
        "categories": step.book.columns.category,
        "events": step.book.columns.events,
    }


def _rows(step: Step) -> Iterator[int]:
    """The number of the table's row that each part of the step belongs to; -1 for none."""
    names = [row.name for row in step.profile.rows]
    found, row = {"": -1, "loss": -1}, -1
    for module in step.profile.module_rows:
        row = names.index(module.name) if module.name in names else row
        found[module.name] = row
    return (0 if mark.phase == "input" else found.get(mark.layer, -1) for mark in step.marks)
