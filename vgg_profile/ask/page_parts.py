"""What a page's figures are made of: the rows of a table, the tape of a step."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from vgg_profile.ask.compare import Compared
from vgg_profile.check.crosscheck import lay_over
from vgg_profile.core import units
from vgg_profile.core.counts import Count
from vgg_profile.core.step import Step
from vgg_profile.core.tree import Profile, block_labels


def rows_of(profile: Profile) -> dict[str, Any]:
    """The rows of a table and their totals, per image."""
    totals = profile.totals
    blocks = block_labels(profile.rows)
    return {
        "rows": [
            {
                "name": row.name,
                "kind": row.kind,
                "kernel": row.kernel,
                "field": row.receptive_field,
                "stride": row.stride,
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
    """Who allocates and frees: a storage by its number, from 1 on, and negative where it is freed.

    ``ops`` are the events' operations; ``layers`` and ``whats`` say whose each storage is, and what;
    ``readers`` which operations read it again.
    """
    storages = [storage for event in step.events for storage in event.allocated]
    return {
        "marks": [
            [mark.phase, mark.layer, row, mark.event]
            for mark, row in zip(step.marks, _rows(step), strict=True)
        ],
        "categories": step.book.columns.category,
        "events": step.book.columns.events,
        "ops": [event.op for event in step.events],
        "layers": [storage.layer for storage in storages],
        "whats": [storage.what for storage in storages],
        "readers": [list(dict.fromkeys(storage.readers)) for storage in storages],
    }


def figures_of(step: Step) -> dict[str, Any]:
    """All that a page shows of a step's network: rows, totals, what each row keeps, its events."""
    _, _, fixed, per_image = step.book.columns
    return {
        **rows_of(step.profile),
        "setup": step.setup.label,
        "alone": step.alone,
        "saved": saved_of(step.profile),
        "tape": tape_of(step),
        "fixed": fixed,
        "per_image": per_image,
        "lines": [[line.fixed, line.per_image] for line in step.lines],
    }


def measured_of(networks: Sequence[Compared], places: Iterable[int]) -> list[dict[str, Any]]:
    """What records read of steps: of which network, on which device, and by part of the step the live
    bytes at its end and the most within it, ``None`` where they were not read.
    """
    return [
        {
            "network": place,
            "norm": json.dumps(any(row.kind == "batchnorm" for row in network.profile.module_rows)),
            "device": network.checks.measurement.environment.get("device", "?"),
            "parts": [
                [each.measured_live, each.measured_peak]
                for each in lay_over(network.step, network.checks.measurement).boundaries
            ],
        }
        for network, place in zip(networks, places, strict=True)
        if network.checks is not None
    ]


def _rows(step: Step) -> Iterator[int]:
    """The number of the table's row that each part of the step belongs to; -1 for none."""
    names = [row.name for row in step.profile.rows]
    found, row = {"": -1, "loss": -1}, -1
    for module in step.profile.module_rows:
        row = names.index(module.name) if module.name in names else row
        found[module.name] = row
    return (0 if mark.phase == "input" else found.get(mark.layer, -1) for mark in step.marks)
