"""The paper's book and the fake one of a VGG, in a form in which both say the same thing the same way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch

from vgg_profile.core.book import Book
from vgg_profile.core.events import Category, Event, Storage
from vgg_profile.core.inputs import Input
from vgg_profile.core.setting import Setting
from vgg_profile.core.sizes import FLOAT32, FLOAT64
from vgg_profile.models import build
from vgg_profile.predict.fake.one_step import Target, run_on_fakes
from vgg_profile.predict.fake.operations import OperationMemory
from vgg_profile.predict.fake.temporaries import by_rule
from vgg_profile.predict.fake.watch import Temporaries
from vgg_profile.predict.vgg.configs import Config
from vgg_profile.predict.vgg.spelled_out import modules
from vgg_profile.run.tensors import CLASSES

IN_PASSING = (Category.TEMPORARY, Category.SCRATCH)

PASSING = {Category.IN_FLIGHT: Category.TEMPORARY, Category.SCRATCH: Category.TEMPORARY}
"""What a backward formula works with: a temporary on paper, a gradient in flight to whoever sees it made.

A Python number and its cast are one temporary on paper; the cast is its kernel's to whoever sees it taken.
"""

Stretch = tuple[tuple[tuple[str, int], ...], tuple[tuple[str, int], ...]]
Part = tuple[str, str, tuple[Stretch, ...]]


def normal_form(book: Book, batch: int) -> list[Part]:
    """A book as its parts, each a list of stretches: what is taken, then what is given back.

    Within a stretch nothing depends on the order: allocations that follow each other without a release
    between them add up by category, and so do releases. A Python number that is a tensor for the length of
    one operation, and its cast, are left out: the paper writes them down only where they could be seen,
    and :func:`levels` sees them.
    """
    numbers = _numbers_in_passing(book)
    starts = [mark.event for mark in book.marks]
    parts = []
    for mark, (first, after) in zip(book.marks, pairwise([*starts, len(book.events)]), strict=True):
        parts.append((mark.phase.value, mark.layer, _stretches(book.events[first:after], batch, numbers)))
    return parts


def _stretches(events: tuple[Event, ...], batch: int, without: set[int]) -> tuple[Stretch, ...]:
    stretches: list[tuple[Counter[str], Counter[str]]] = []
    for event in events:
        born, dead = ([each for each in some if id(each) not in without] for some in event[3:5])
        if born and (not stretches or stretches[-1][1]):
            stretches.append((Counter(), Counter()))
        if dead and not stretches:
            stretches.append((Counter(), Counter()))
        for storages, place in ((born, 0), (dead, 1)):
            for storage in storages:
                stretches[-1][place][_category(storage)] += storage.size.at(batch)
    return tuple((tuple(sorted(taken.items())), tuple(sorted(given.items()))) for taken, given in stretches)


def _numbers_in_passing(book: Book) -> set[int]:
    """A number and its cast, 12 bytes at most, that are gone before anything else is born."""
    passing: set[int] = set()
    candidates: set[int] = set()
    for event in book.events:
        temporaries = [each for each in event.allocated if each.category in IN_PASSING]
        is_number = sum(each.size.at(1) for each in temporaries) <= FLOAT64 + FLOAT32
        small = {id(each) for each in temporaries} if is_number else set()
        if len(small) < len(event.allocated):
            candidates = set()
        candidates |= small
        passing |= candidates & {id(each) for each in event.freed}
    return passing


def levels(book: Book, batch: int) -> list[tuple[str, str, int, int]]:
    """What is live after each part, and the most within it."""
    return [(moment.phase.value, moment.layer, moment.live, moment.peak) for moment in book.moments(batch)]


def _category(storage: Storage) -> str:
    return PASSING.get(storage.category, storage.category).value


def rules(
    func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], results: Sequence[int]
) -> OperationMemory | None:
    """What the rules say that an operation takes, without any probe."""
    return by_rule(func, args, results)


def fake_book(net: Config, setting: Setting, temporaries: Temporaries = rules) -> Book:
    """The book of a VGG's step, by its module on fake tensors, with the paper's names for its layers."""
    model = build(net, device="meta", dtype=getattr(torch, setting.dtype))
    model.checkpoint_blocks = setting.setup.checkpoint == "blocks"
    target = Target(
        network=model,
        inputs=(Input(setting.input),),
        loss=CLASSES,
        dtype=setting.dtype,
        device=setting.device,
        setup=setting.setup,
        temporaries=temporaries,
        names={module.path: module.name for module in modules(net)},
    )
    return run_on_fakes(target, setting.batch).book
