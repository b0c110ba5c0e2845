"""What a page needs to answer for other settings than the report's: everything counted here, ahead.

Formulas stay in Python. For every network, batch norm, image size, dtype, device and optimizer a page gets
the rows of the layer table, their totals, and the tape of the step: which storages each event allocates and
frees, and their bytes, **affine in the batch**. From these it finds what is live at every event, for any
batch, and the largest batch within any memory, by the functions of :mod:`vgg_profile.core.fold` themselves.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

from vgg_profile.ask.cards import CARDS
from vgg_profile.ask.compare import Comparison, distinct
from vgg_profile.ask.fit import beside_tensors
from vgg_profile.ask.page_parts import Shared, key, rows_of, saved_of, tape_of
from vgg_profile.core import units
from vgg_profile.core.errors import InputError
from vgg_profile.core.events import Category, kept
from vgg_profile.core.network import TracedNetwork
from vgg_profile.core.setting import DEVICES, OPTIMIZERS, Setup
from vgg_profile.core.sizes import ITEMSIZE
from vgg_profile.core.step import SEVERAL
from vgg_profile.core.tree import Profile
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
    if any(profile.is_traced for profile in comparison.profiles):
        return traced_page_data(comparison)
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
    tapes, sizes = Shared(), Shared()
    witnesses: list[Verified | None] = [None]
    most = max(MOST_IMAGES, first.batch)
    settings = list(product(enumerate(configs), (False, True), planes))
    for (place, config), norm, plane in progress(settings, len(settings)):
        net = replace(config, batch_norm=norm)
        look = partial(walk, net, input=(net.in_channels, *plane))
        where = (place, json.dumps(norm), units.shape(plane))
        try:
            tables[key(*where)] = _table(look(), setup)
        except InputError:  # too small an image for so many pools
            continue
        for (itemsize, dtype), device in product(lowest.items(), devices):
            profile = look(dtype=dtype, device=device)
            for optimizer in optimizers:
                step = tensors_alone(profile, replace(setup, optimizer=optimizer))
                if optimizer == optimizers[0]:
                    saved[key(*where, itemsize, device)] = saved_of(step.profile)
                _, _, fixed, per_image = step.book.columns
                most = min(most, (EXACT - 1 - sum(fixed)) // sum(per_image))
                steps[key(*where, itemsize, device, optimizer)] = [
                    tapes.place(tape_of(step)),
                    sizes.place(fixed),
                    sizes.place(per_image),
                    [[line.fixed, line.per_image] for line in step.lines],
                ]
                for each in dtypes if device != "cpu" else ():
                    found = replace(step.profile, setting=replace(step.setting, dtype=each)).verified
                    if found not in witnesses:
                        witnesses.append(found)
                    verified[key(*where, each, optimizer)] = witnesses.index(found)
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
            key(optimizer, device): replace(setup, optimizer=optimizer).on(device).label
            for optimizer, device in product(optimizers, devices)
        },
        "has_backward": setup.has_backward,
        "has_norms": True,
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


def traced_page_data(comparison: Comparison) -> dict[str, Any]:
    """The figures of networks that were traced: at their own inputs, dtype and optimizer, for every batch.

    Raises ``InputError`` where one was not, or is too large for a page's script.
    """
    first, setup = comparison.profiles[0], comparison.setup or Setup()
    labels = distinct(each.config.name for each in comparison.profiles)
    given = []
    tables, saved, steps = {}, {}, {}
    tapes, sizes = Shared(), Shared()
    most = max(MOST_IMAGES, first.batch)
    for place, (label, network) in enumerate(zip(labels, comparison.networks, strict=True)):
        about = network.profile.config
        if not isinstance(about, TracedNetwork) or len(network.profile.rows) > MOST_MODULES:
            raise InputError(
                f"Live figures beside those of a traced network are of traced ones, of up to {MOST_MODULES} "
                "modules.",
                "Report on each alone.",
            )
        step = network.step.for_any_batch()
        if step.book.only or step.book.least > SEVERAL:
            raise InputError(
                f"The step of {label} answers for {step.book.answers_for}, so there are no live figures.",
                "Trace it at another batch.",
            )
        given.append(about.given)
        where = (place, "false", about.given)
        _, _, fixed, per_image = step.book.columns
        room = (EXACT - 1 - sum(fixed)) // max(1, sum(per_image))
        most = min(most, room, step.book.most or room)
        alone = f"{label} goes another way for one image." if step.book.least > 1 else ""
        tables[key(*where)] = {"alone": alone, **rows_of(step.profile)}
        kept_here = kept(step.book.events)
        rows = tuple(replace(row, saved=kept_here.get(row.name, ())) for row in step.profile.module_rows)
        here = (*where, first.itemsize, first.device)
        saved[key(*here)] = saved_of(replace(step.profile, module_rows=rows))
        steps[key(*here, step.setup.optimizer)] = [
            tapes.place(tape_of(step)),
            sizes.place(fixed),
            sizes.place(per_image),
            [[line.fixed, line.per_image] for line in step.lines],
        ]
    step = comparison.networks[0].step
    return {
        "setting": {
            "network": labels[0],
            "batch": str(first.batch),
            "dtype": first.dtype,
            "optimizer": step.setup.optimizer,
            "size": given[0],
            "norm": "false",
            "device": first.device,
        },
        "networks": labels,
        "itemsizes": {first.dtype: first.itemsize},
        "optimizers": [step.setup.optimizer],
        "setups": {key(step.setup.optimizer, first.device): step.setup.label},
        "has_backward": setup.has_backward,
        "has_norms": False,
        "planes": list(dict.fromkeys(given)),
        "reserves": {first.device: beside_tensors(first.device)},
        "cards": {},
        "units": units.UNITS,
        "categories": list(Category),
        "most_images": most,
        "tables": tables,
        "saved": saved,
        "steps": steps,
        "verified": {},
        "witnesses": [None],
        "tapes": tapes.values,
        "sizes": sizes.values,
    }


def _table(profile: Profile, setup: Setup) -> dict[str, Any]:
    """The rows and their totals, per image; and why one image alone cannot be trained on, if so."""
    try:
        tensors_alone(profile, setup).check_batch(1)
    except InputError as error:
        alone = error.problem
    else:
        alone = ""
    return {"alone": alone, **rows_of(profile)}
