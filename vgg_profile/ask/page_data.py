"""What a page needs to answer for other settings than the report's: everything counted here, ahead.

Formulas stay in Python. For every network, batch norm, image size, dtype, device and optimizer a page gets
the rows of the layer table, their totals, and the tape of the step: which storages each event allocates and
frees, and their bytes, **affine in the batch**. From these it finds what is live at every event, for any
batch, and the largest batch within any memory, by the functions of :mod:`vgg_profile.core.fold` themselves.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

from vgg_profile.ask.cards import CARDS
from vgg_profile.ask.compare import Comparison, distinct
from vgg_profile.ask.fit import beside_tensors
from vgg_profile.core import units
from vgg_profile.core.counts import Count
from vgg_profile.core.errors import InputError
from vgg_profile.core.events import Category
from vgg_profile.core.setting import DEVICES, OPTIMIZERS, Setup
from vgg_profile.core.sizes import ITEMSIZE
from vgg_profile.core.step import Step
from vgg_profile.core.tree import Profile, block_labels
from vgg_profile.core.verified import Verified
from vgg_profile.predict.vgg.configs import config as find
from vgg_profile.predict.vgg.spelled_out import modules
from vgg_profile.predict.vgg.step import tensors_alone
from vgg_profile.predict.vgg.walk import walk

SIZES = (64, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512)
"""Image sizes computed ahead, squares; the report's own is added."""

DTYPES = ("float32", "bfloat16", "float16")
"""Dtypes to choose from; the report's own is added."""

MOST_IMAGES = 100_000
"""The largest batch that a page takes, or the report's."""

MOST_MODULES = 400
"""Of all networks together; the figures of more would fill a page of many megabytes."""

EXACT = 2**53
"""From here on a script's numbers skip integers."""


def page_data(
    comparison: Comparison,
    progress: Callable[[Sequence[Any], int], Iterable[Any]] = lambda settings, length: settings,
) -> dict[str, Any]:
    """The figures of every setting as JSON has them, equal ones shared.

    ``tables`` is by network, batch norm and image size, joined by commas; ``saved`` by itemsize and device as
    well; ``steps`` by optimizer, too. ``saved`` has a row's storages as three lists, what they are, their
    fixed bytes and their bytes per image, and the totals at the end. A step is its tape's place in ``tapes``,
    two places in ``sizes``, of the fixed bytes of its storages and of their bytes per image, and its lines,
    the ``[fixed, per image]`` bytes of the events that have the peak of some batch. ``verified`` says, by
    dtype and optimizer, which of the ``witnesses`` confirmed a card's rules for it. ``setups`` says in words
    how it is run, the report's own options among them, by optimizer and device. ``progress`` is given the
    settings to count and their number, and hands them on. Raises ``InputError`` for networks too large for a
    page.

    >>> data = page_data(Comparison((walk("64,M", classes=10, input=64),)))
    >>> data["tables"]["0,false,64×64"]["rows"][1]["weights"]
    [1728, '(3*3*3)*64']
    >>> data["steps"]["0,false,64×64,4,cpu,none"][3]
    [[237385816, 1097776], [237378648, 3194928]]
    """
    first, setup = comparison.profiles[0], comparison.setup or Setup()
    configs = list(
        dict.fromkeys(replace(find(each.config), batch_norm=False) for each in comparison.profiles)
    )
    if sum(len(modules(config)) for config in configs) > MOST_MODULES:
        raise InputError(
            f"Live figures are for networks of up to {MOST_MODULES} modules together.", "Report on fewer."
        )
    dtypes = ("float32",) if setup.amp != "none" else tuple(dict.fromkeys((*DTYPES, first.dtype)))
    devices = DEVICES if setup.onednn else ("cpu",)
    optimizers = OPTIMIZERS if setup.has_backward else ("none",)
    planes = sorted({first.input[1:], *((side, side) for side in SIZES)})
    lowest = {ITEMSIZE[dtype]: dtype for dtype in dtypes}

    tables, saved, steps, verified = {}, {}, {}, {}
    tapes, sizes = _Shared(), _Shared()
    witnesses: list[Verified | None] = [None]
    most = max(MOST_IMAGES, first.batch)
    settings = list(product(enumerate(configs), (False, True), planes))
    for (place, config), norm, plane in progress(settings, len(settings)):
        net = replace(config, batch_norm=norm)
        look = partial(walk, net, input=(net.in_channels, *plane))
        where = (place, json.dumps(norm), units.shape(plane))
        try:
            tables[_key(*where)] = _table(look(), setup)
        except InputError:  # too small an image for so many pools
            continue
        for (itemsize, dtype), device in product(lowest.items(), devices):
            profile = look(dtype=dtype, device=device)
            for optimizer in optimizers:
                step = tensors_alone(profile, replace(setup, optimizer=optimizer))
                if optimizer == optimizers[0]:
                    saved[_key(*where, itemsize, device)] = _saved(step.profile)
                _, _, fixed, per_image = step.book.columns
                most = min(most, (EXACT - 1 - sum(fixed)) // sum(per_image))
                steps[_key(*where, itemsize, device, optimizer)] = [
                    tapes.place(_tape(step)),
                    sizes.place(fixed),
                    sizes.place(per_image),
                    [[line.fixed, line.per_image] for line in step.lines],
                ]
                for each in dtypes if device != "cpu" else ():
                    found = replace(step.profile, setting=replace(step.setting, dtype=each)).verified
                    if found not in witnesses:
                        witnesses.append(found)
                    verified[_key(*where, each, optimizer)] = witnesses.index(found)
    if most < first.batch:
        raise InputError(
            "The bytes of this step are too many for a page's script.", "Take a smaller --batch."
        )
    labels = distinct(config.name for config in configs)
    return {
        "setting": {
            "network": labels[0],
            "batch": str(first.batch),
            "dtype": first.dtype,
            "optimizer": setup.optimizer,
            "size": units.shape(first.input[1:]),
            "norm": json.dumps(find(first.config).batch_norm),
            "device": first.device,
        },
        "networks": labels,
        "itemsizes": {dtype: ITEMSIZE[dtype] for dtype in dtypes},
        "optimizers": optimizers,
        "setups": {
            _key(optimizer, device): replace(setup, optimizer=optimizer).on(device).label
            for optimizer, device in product(optimizers, devices)
        },
        "has_backward": setup.has_backward,
        "planes": [units.shape(plane) for plane in planes],
        "reserves": {device: beside_tensors(device) for device in devices},
        "cards": {card.name: card.bytes for card in CARDS},
        "units": units.UNITS,
        "categories": list(Category),
        "most_images": most,
        "tables": tables,
        "saved": saved,
        "steps": steps,
        "verified": verified,
        "witnesses": witnesses,
        "tapes": tapes.values,
        "sizes": sizes.values,
    }


class _Shared:
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


def _key(*parts: object) -> str:
    return ",".join(map(str, parts))


def _table(profile: Profile, setup: Setup) -> dict[str, Any]:
    """The rows and their totals, per image; and why one image alone cannot be trained on, if so."""
    try:
        tensors_alone(profile, setup).check_batch(1)
    except InputError as error:
        alone = error.problem
    else:
        alone = ""
    totals = profile.totals
    blocks = block_labels(profile.rows)
    return {
        "alone": alone,
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


def _saved(seen: Profile) -> list[list[list[Any]]]:
    """What each row keeps for the backward pass: names, fixed bytes, bytes per image; and the totals."""
    kept = [[(f"{each.what} of {each.layer}", *each.size) for each in row.saved] for row in seen.rows]
    rows = [[list(column) for column in zip(*storages, strict=True)] or [[], [], []] for storages in kept]
    sizes = [storage.size for row in seen.rows for storage in row.saved]
    return [*rows, [["total"], [sum(size.fixed for size in sizes)], [sum(size.per_image for size in sizes)]]]


def _tape(step: Step) -> dict[str, Any]:
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
    return (0 if mark.phase == "input" else found[mark.layer] for mark in step.marks)
