"""Seconds per layer, and what the device reaches on a plain matrix product. Reported, never judged."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from statistics import median

import torch

from vgg_profile.measure.record import Reading
from vgg_profile.measure.vocabulary import CLOCK, PRODUCT_METHOD, RATE, SECONDS, time_of

_MATRIX_SIDE = {"cpu": 1024, "cuda": 8192}


class Clock:
    """A recorder that reads a clock at every mark; on CUDA it waits for the device first.

    ``used`` are the parts in which something is allocated. A module of modules that is none of them has no
    time of its own: what it does between its modules counts into the part before.
    """

    def __init__(self, device: torch.device, used: Collection[tuple[str, str]] = ()) -> None:
        self.device, self.used = device, used
        self.marks: list[tuple[str, str, int]] = []

    def mark(self, phase: str, layer: str = "", *, if_used: bool = False) -> None:
        if if_used and (phase, layer) not in self.used:
            return
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.marks.append((phase, layer, time.perf_counter_ns()))

    def seconds(self) -> dict[tuple[str, str], float]:
        """How long each part of the step took."""
        seconds: dict[tuple[str, str], float] = {}
        for (phase, layer, start), (_, _, end) in pairwise(self.marks):
            seconds[phase, layer] = seconds.get((phase, layer), 0.0) + (end - start) / 1e9
        return seconds


def timings(clocks: Sequence[Clock]) -> Iterator[Reading]:
    """The median over several passes, for each layer and phase, and for each phase in total."""
    passes = [clock.seconds() for clock in clocks]
    method = CLOCK.format(len(passes))
    for phase, layer in passes[0]:
        seconds = median(times[phase, layer] for times in passes)
        yield Reading(time_of(phase), seconds, SECONDS, method, layer or phase)
    for phase in dict.fromkeys(phase for phase, _ in passes[0]):
        seconds = median(sum(t for (p, _), t in times.items() if p == phase) for times in passes)
        yield Reading(time_of(phase), seconds, SECONDS, method)


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
    seconds = median(clock.seconds()["matmul", ""] for clock in clocks[1:])
    method = PRODUCT_METHOD.format(side=side, repeats=repeats)
    return Reading(RATE, 2 * side**3 / seconds, "FLOP/s", method)
