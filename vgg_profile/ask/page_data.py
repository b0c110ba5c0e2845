"""What a page needs to answer for a reader's own setting and, of VGG-like networks, a reader's own network.

Formulas stay in Python. For a VGG-like network the page runs :func:`vgg_profile.ask.page_step.built` itself,
translated: it is given the networks as data, and what may be chosen. Of a traced network it is given what
``built`` would give. From these it finds what is live at every event, for any batch, and the largest batch
within any memory, by the functions of :mod:`vgg_profile.core.fold`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, replace
from itertools import product
from typing import Any

from vgg_profile.ask.cards import CARDS
from vgg_profile.ask.compare import Comparison, distinct
from vgg_profile.ask.fit import beside_tensors
from vgg_profile.ask.page_parts import figures_of, measured_of
from vgg_profile.core import units
from vgg_profile.core.errors import InputError
from vgg_profile.core.events import Category, kept
from vgg_profile.core.network import TracedNetwork
from vgg_profile.core.setting import AMP_ITEMSIZE, CHECKPOINTS, DEVICES, OPTIMIZERS, Setting, Setup
from vgg_profile.core.sizes import ITEMSIZE
from vgg_profile.core.step import SEVERAL, Step
from vgg_profile.core.verified import Verified, conditions, confirmed
from vgg_profile.predict.vgg.configs import PAPER, Config, Conv, Pool, Token
from vgg_profile.predict.vgg.configs import config as find
from vgg_profile.predict.vgg.spelled_out import modules
from vgg_profile.predict.vgg.step import tensors_alone

SIZES = (32, 64, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512)
"""Image sizes to choose from, squares; the report's own is added."""

DTYPES = ("float32", "bfloat16", "float16")
"""Dtypes to choose from; the report's own is added."""

MOST_IMAGES = 100_000
"""The largest batch that a page takes, or the report's."""

MOST_MODULES = 400
"""Of one network; the figures of more would not follow within a frame."""

WIDEST = 65_536
"""The most channels, or values, that a layer is given on a page."""

EXACT = 2**53
"""From here on a script's numbers skip integers."""


def page_data(comparison: Comparison) -> dict[str, Any]:
    """The networks and the choices as JSON has them.

    ``networks`` are labels, ``nets`` what :func:`~vgg_profile.ask.page_step.built` takes of each, ``paper``
    of each that the paper has; ``given`` are the figures of traced ones in their place. ``compared`` are the
    report's own, by place and batch norm; ``setup`` has its options, which no control changes. ``verified``
    says, by dtype, optimizer, autocast and checkpointing, which of the ``witnesses`` confirmed a card's rules
    for networks of which layers; ``measured`` what records read, part by part. Raises ``InputError`` for
    networks too large for a page.

    >>> from vgg_profile.predict.vgg.walk import walk
    >>> data = page_data(Comparison((walk("64,M", classes=10, input=64),)))
    >>> data["nets"]
    [[[['conv', 64, 3], ['pool']], [4096, 4096], 10, 3, False, 7]]
    """
    first, setup = comparison.profiles[0], comparison.setup or Setup()
    if any(profile.is_traced for profile in comparison.profiles):
        return traced_page_data(comparison)
    found = [find(each.config) for each in comparison.profiles]
    configs = list(dict.fromkeys(replace(each, batch_norm=False) for each in found))
    if max(len(modules(config)) for config in configs) > MOST_MODULES:
        raise InputError(
            f"Live figures are for networks of up to {MOST_MODULES} modules.", "Report on fewer."
        )
    dtypes = tuple(dict.fromkeys((*DTYPES, first.dtype)))
    has_backward = setup.has_backward
    labels = distinct(config.name for config in configs)
    places = [(configs.index(replace(each, batch_norm=False)), json.dumps(each.batch_norm)) for each in found]
    is_any = setup.onednn and setup.processor is None  # else it is the CPU's
    heaviest = replace(setup, optimizer="adam") if has_backward and not setup.fused else setup
    verified, witnesses = _verified(dtypes, setup)
    return {
        **_about(
            comparison,
            setup,
            labels[0],
            units.shape(first.input[1:]),
            [tensors_alone(each, heaviest) for each in comparison.profiles],
        ),
        "compared": places,
        "measured": measured_of(comparison.networks, [place for place, _ in places]),
        "networks": labels,
        "nets": [_net(config) for config in configs],
        "paper": {name: _net(config) for name, config in PAPER.items()},
        "itemsizes": {dtype: ITEMSIZE[dtype] for dtype in dtypes},
        "optimizers": OPTIMIZERS if has_backward else ("none",),
        "amps": list(AMP_ITEMSIZE),
        "checkpoints": CHECKPOINTS if has_backward else ("none",),
        "setup": [getattr(setup, each.name) for each in fields(Setup)],
        "options": list(_options(setup)),
        "planes": [
            units.shape(plane) for plane in sorted({first.input[1:], *((side, side) for side in SIZES)})
        ],
        "reserves": {device: beside_tensors(device) for device in (DEVICES if is_any else ("cpu",))},
        "cards": {card.name: card.bytes for card in CARDS},
        "most_layers": MOST_MODULES // 4,
        "widest": WIDEST,
        "verified": verified,
        "witnesses": witnesses,
    }


def traced_page_data(comparison: Comparison) -> dict[str, Any]:
    """The figures of networks that were traced: at their own inputs, dtype and optimizer, for every batch.

    Raises ``InputError`` where one was not, or is too large for a page's script.
    """
    first = comparison.profiles[0]
    labels = distinct(each.config.name for each in comparison.profiles)
    given, steps = [], []
    for label, network in zip(labels, comparison.networks, strict=True):
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
                f"The step of {label} answers for {step.answers_for}, so there are no live figures.",
                "Trace it at another batch.",
            )
        kept_here = kept(step.book.events)
        rows = tuple(replace(row, saved=kept_here.get(row.name, ())) for row in step.profile.module_rows)
        alone = f"{label} goes another way for one image." if step.book.least > 1 else ""
        seen = replace(step, profile=replace(step.profile, module_rows=rows))
        given.append({**figures_of(seen), "alone": alone, "input": about.given})
        steps.append(step)
    step = steps[0]
    return {
        **_about(comparison, step.setup, labels[0], given[0]["input"], steps),
        "compared": [(place, "false") for place in range(len(labels))],
        "measured": measured_of(comparison.networks, range(len(labels))),
        "networks": labels,
        "given": given,
        "itemsizes": {first.dtype: first.itemsize},
        "optimizers": [step.setup.optimizer],
        "amps": [step.setup.amp],
        "checkpoints": [step.setup.checkpoint],
        "planes": list(dict.fromkeys(each["input"] for each in given)),
        "reserves": {first.device: beside_tensors(first.device)},
        "cards": {},
        "verified": {},
        "witnesses": [None],
    }


def _about(comparison: Comparison, setup: Setup, label: str, size: str, steps: list[Step]) -> dict[str, Any]:
    """The report's own setting, and what pages of both kinds are given."""
    first = comparison.profiles[0]
    most = max(MOST_IMAGES, first.batch)
    for step in steps:
        _, _, fixed, per_image = step.book.columns
        room = (EXACT - 1 - sum(fixed)) // max(1, sum(per_image))
        most = min(most, room, step.book.most or room)
    if most < first.batch:
        raise InputError(
            "The bytes of this step are too many for a page's script.", "Take a smaller --batch."
        )
    return {
        "setting": {
            "network": label,
            "batch": str(first.batch),
            "dtype": first.dtype,
            "optimizer": setup.optimizer,
            "size": size,
            "norm": json.dumps(not first.is_traced and find(first.config).batch_norm),
            "amp": setup.amp,
            "checkpoint": setup.checkpoint,
            "device": first.device,
        },
        "own_setup": setup.on(first.device).label,
        "has_backward": setup.has_backward,
        "units": units.UNITS,
        "categories": list(Category),
        "most_images": most,
    }


def _net(config: Config) -> list[Any]:
    """What ``built`` takes of a network: layers, classifier, classes, channels, batch norm, average pool."""
    return [
        list(map(_as_data, config.layers)),
        list(config.classifier),
        config.classes,
        config.in_channels,
        config.batch_norm,
        config.pool,
    ]


def _as_data(token: Token) -> list[Any]:
    if isinstance(token, Conv):
        return ["conv", token.width, token.kernel]
    return ["pool"] if isinstance(token, Pool) else ["lrn"]


def _options(setup: Setup) -> Iterator[str]:
    """What no control of a page changes, as it is typed."""
    yield from ["--mode", setup.mode] * (setup.mode != "train")
    if setup.foreach is not None:
        yield "--foreach" if setup.foreach else "--no-foreach"
    yield from ["--fused"] * setup.fused + ["--first-step"] * setup.first_step
    yield from ["--accumulate", str(setup.accumulate)] * (setup.accumulate > 1)
    yield from ["--no-onednn"] * (not setup.onednn)
    for path in setup.freeze:
        yield from ("--freeze", path)


def _verified(dtypes: tuple[str, ...], setup: Setup) -> tuple[dict[str, Any], list[Verified | None]]:
    """By the choices that matter, what records confirmed: of which kinds of layers, and who saw it."""
    witnesses: list[Verified | None] = [None]
    found: dict[str, Any] = {}
    optimizers = OPTIMIZERS if setup.has_backward else ("none",)
    for dtype, optimizer, amp, checkpoint in product(dtypes, optimizers, AMP_ITEMSIZE, CHECKPOINTS):
        run = replace(setup, optimizer=optimizer, amp=amp, checkpoint=checkpoint)
        wanted = conditions(Setting((1, 1, 1), 1, dtype, "cuda", run))
        for entry in confirmed():
            if entry["setting"] == wanted:
                witness = Verified(*(entry[key] for key in Verified._fields))
                if witness not in witnesses:
                    witnesses.append(witness)
                key = ",".join((dtype, optimizer, amp, checkpoint))
                found.setdefault(key, []).append([entry["layers"], witnesses.index(witness)])
    return found, witnesses
