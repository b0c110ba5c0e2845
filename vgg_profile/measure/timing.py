"""Seconds per layer, what of them is the first touch of fresh memory, and what the device reaches on a plain
matrix product. Reported, never judged.
"""

from __future__ import annotations

import mmap
import time
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from statistics import median, median_low
from typing import NamedTuple

import torch

from vgg_profile.measure.record import Reading
from vgg_profile.measure.vocabulary import (
    CLOCK,
    PAGES_METHOD,
    PRODUCT_METHOD,
    RATE,
    SECONDS,
    TOUCH_METHOD,
    TOUCH_RATE,
    pages_of,
    time_of,
)

try:
    import resource
except ImportError:  # Windows counts no pages
    resource = None  # type: ignore[assignment]

_MATRIX_SIDE = {"cpu": 1024, "cuda": 8192}
_FRESH = 64 * 2**20
"""Bytes that are mapped to be touched."""

Part = tuple[str, str]
"""A phase, and the layer if it is of one."""


class Now(NamedTuple):
    """What a clock shows: nanoseconds, and the pages that the system has handed to this process so far."""

    ns: int
    pages: int


def _now() -> Now:
    pages = resource.getrusage(resource.RUSAGE_SELF).ru_minflt if resource else 0
    return Now(time.perf_counter_ns(), pages)


class Clock:
    """A recorder that reads a clock at every mark; on CUDA it waits for the device first.

    ``used`` are the parts in which something is allocated. A module of modules that is none of them has no
    time of its own: what it does between its modules counts into the part before.
    """

    def __init__(self, device: torch.device, used: Collection[Part] = ()) -> None:
        self.device, self.used = device, used
        self.marks: list[tuple[Part, Now]] = []

    def mark(self, phase: str, layer: str = "", *, if_used: bool = False) -> None:
        if if_used and (phase, layer) not in self.used:
            return
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.marks.append(((phase, layer), _now()))

    def by_part(self) -> dict[Part, Now]:
        """What each part of the step took: nanoseconds, and pages that nobody had touched before."""
        took: dict[Part, Now] = {}
        for (part, start), (_, end) in pairwise(self.marks):
            ns, pages = took.get(part, Now(0, 0))
            took[part] = Now(ns + end.ns - start.ns, pages + end.pages - start.pages)
        return took


def timings(clocks: Sequence[Clock]) -> Iterator[Reading]:
    """The median over several passes, for each layer and phase, and for each phase in total."""
    passes = [_with_totals(clock.by_part()) for clock in clocks]
    counts_pages = clocks[0].device.type == "cpu" and resource is not None
    for part in passes[0]:
        phase, layer = part
        seconds = [took[part].ns / 1e9 for took in passes]
        spread = min(seconds), max(seconds)
        yield Reading(time_of(phase), median(seconds), SECONDS, CLOCK.format(len(passes)), layer, spread)
        if counts_pages:
            pages = median_low(took[part].pages for took in passes)
            yield Reading(pages_of(phase), pages, "pages", PAGES_METHOD.format(len(passes)), layer)
    if counts_pages:
        yield first_touch_rate()


def _with_totals(took: dict[Part, Now]) -> dict[Part, Now]:
    """The parts of a pass, each of them named, and behind them each phase as a whole."""
    parts = {(phase, layer or phase): each for (phase, layer), each in took.items()}
    for phase in dict.fromkeys(phase for phase, _ in took):
        ns, pages = zip(*(each for (of, _), each in took.items() if of == phase), strict=True)
        parts[phase, ""] = Now(sum(ns), sum(pages))
    return parts


def matrix_product_rate(device: torch.device, dtype: torch.dtype, repeats: int = 5) -> Reading:
    """FLOP/s of a square matrix product in the network's dtype: what this device reaches, in this run."""
    side = _MATRIX_SIDE[device.type]
    a = torch.ones(side, side, device=device, dtype=dtype)
    product = torch.empty_like(a)
    clocks = []
    for _ in range(repeats + 1):
        clock = Clock(device)
        clock.mark("matmul")
        torch.mm(a, a, out=product)
        clock.mark("end")
        clocks.append(clock)
    rates = [2 * side**3 * 1e9 / clock.by_part()["matmul", ""].ns for clock in clocks[1:]]
    method = PRODUCT_METHOD.format(side=side, repeats=repeats)
    return Reading(RATE, median(rates), "FLOP/s", method, spread=(min(rates), max(rates)))


def first_touch_rate(repeats: int = 5) -> Reading:
    """Pages a second at which the system hands out memory that nobody had touched: it clears each page.

    A block is filled, and filled again: the second time it is written alone. It is mapped for that: malloc
    would hand out what it has kept of freed memory.
    """
    rates = []
    for _ in range(repeats):
        clock = Clock(torch.device("cpu"))
        mapped = mmap.mmap(-1, _FRESH, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        fresh = torch.frombuffer(mapped, dtype=torch.uint8)
        clock.mark("first")
        fresh.fill_(1)
        clock.mark("second")
        fresh.fill_(1)
        clock.mark("end")
        first, second = (clock.by_part()[fill, ""] for fill in ("first", "second"))
        rates.append((first.pages - second.pages) * 1e9 / max(1, first.ns - second.ns))
    method = TOUCH_METHOD.format(mib=_FRESH // 2**20, repeats=repeats)
    return Reading(TOUCH_RATE, median(rates), "pages/s", method, spread=(min(rates), max(rates)))
