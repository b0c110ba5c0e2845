"""Live bytes during a real pass, read from the allocator: two recorders for the marks of a ``TrainingStep``.

:class:`CpuMemory` lays each mark into the profiler's trace, between the allocator's own events;
:class:`CudaMemory` reads the caching allocator's counters there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, NamedTuple

import torch
from torch.autograd.profiler import profile, record_function

from vgg_profile.measure.record import MeasuredMoment, Reading
from vgg_profile.measure.vocabulary import MEMORY_METHOD, ROUNDING_METHOD
from vgg_profile.run.marks import Parts

os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # or the profiler announces itself on stderr

_MARK = "vgg-profile mark "

_ALLOCATING = ("aten::empty", "aten::empty_like", "aten::empty_strided", "aten::resize_", "aten::zeros")
"""Operations that say how memory was taken, not what for; the one around them names an allocation."""


class CpuMemory:
    """Live bytes on the CPU: every allocation and release that the profiler sees, between marks.

    ``start`` is what is live at the beginning, so that the curve counts from the empty process. ``known``
    holds the blocks that earlier recordings saw and nobody freed, bytes by address, and is kept up to date.
    No other release counts: the profiler keeps the size of a block that is freed behind its back, and reports
    it when another at that address goes (``ProfiledCPUMemoryReporter`` in ``c10/core/CPUAllocator.cpp``).
    """

    def __init__(self, start: int = 0, known: dict[int, int] | None = None) -> None:
        self.start = start
        self.known = {} if known is None else known
        self.moments: list[MeasuredMoment] = []
        self._marks: list[tuple[str, str, bool]] = []
        self._profile: Any = None

    def mark(self, phase: str, layer: str = "", *, if_used: bool = False) -> None:
        with record_function(f"{_MARK}{len(self._marks)}"):
            self._marks.append((phase, layer, if_used))

    def __enter__(self) -> CpuMemory:
        self._profile = profile(
            use_kineto=True, profile_memory=True
        )  # torch.profiler's core, without its start-up
        self._profile.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._profile.__exit__(kind, error, trace)
        tree = self._profile.kineto_results.experimental_event_tree()
        self.moments = list(self._resolve(_in_order(tree)))
        self._profile = None

    def _resolve(self, events: Iterator[_TraceEvent]) -> Iterator[MeasuredMoment]:
        """Walk the trace once; a part of the step lasts from its mark to the next.

        A mark that stands if it is used waits for the first allocation after it.
        """
        live, peak, op = self.start, self.start, ""
        parts = Parts()
        for event in events:
            before, begins = parts.current, False
            if event.name.startswith(_MARK):
                begins = parts.mark(*self._marks[int(event.name[len(_MARK) :])])
            elif event.size > 0:
                begins = parts.use()
            if begins:
                if before is not None:
                    yield MeasuredMoment(*before, live, peak, op)
                peak, op = live, ""
            if event.size > 0:
                self.known[event.address] = event.size
                live += event.size
                if live > peak:
                    peak, op = live, event.name
            elif event.size < 0:
                live -= self.known.pop(event.address, 0)
        if parts.current is not None:
            yield MeasuredMoment(*parts.current, live, peak, op)


def allocations(run: Callable[[], object]) -> tuple[int, ...]:
    """What a call takes from the CPU's allocator (> 0) and gives back (< 0), in bytes, in order.

    What it returns is held until the recording is over.
    """
    with profile(use_kineto=True, profile_memory=True) as recording:
        held = run()
    tree = recording.kineto_results.experimental_event_tree()
    del held
    return tuple(event.size for event in _in_order(tree) if event.size)


class _TraceEvent(NamedTuple):
    """A mark, or an allocation (size > 0) or release (size < 0) with the operation around it."""

    name: str
    size: int
    address: int


def _in_order(roots: Sequence[Any]) -> Iterator[_TraceEvent]:
    """The trace's marks and CPU allocations, in the order of time, each with the operation around it."""
    stack = [(root, "") for root in reversed(roots)]
    found: list[tuple[int, _TraceEvent]] = []
    while stack:
        node, inside = stack.pop()
        name = node.name
        if name == "[memory]":
            fields = node.extra_fields
            if fields.device.type == "cpu":
                found.append((node.start_time_ns, _TraceEvent(inside, fields.alloc_size, fields.ptr)))
            continue
        if name.startswith(_MARK):
            found.append((node.start_time_ns, _TraceEvent(name, 0, 0)))
            continue
        stack += [(child, inside if name in _ALLOCATING else name) for child in reversed(node.children)]
    found.sort(key=lambda timed: timed[0])
    return (event for _, event in found)


class CudaMemory:
    """Live bytes on a CUDA device: what was asked of the caching allocator, read at each mark.

    ``start`` is what the network takes; what more is live at the beginning (the lasting workspace
    of cuBLAS, kept since the warm-up) is a reading of its own and not part of the curve.
    """

    def __init__(self, device: torch.device, start: int = 0) -> None:
        self.device = device
        self.start = start
        self.moments: list[MeasuredMoment] = []
        self._offset = 0
        self._rounding = 0
        self._current: tuple[str, str] | None = None

    def __enter__(self) -> CudaMemory:
        torch.cuda.synchronize(self.device)
        torch.cuda.reset_peak_memory_stats(self.device)
        stats = torch.cuda.memory_stats(self.device)
        self._offset = stats["requested_bytes.all.current"] - self.start
        return self

    def allocator_readings(self) -> Iterator[Reading]:
        """What the allocator holds beside the tensors, each part by its name."""
        yield Reading("lasting_workspace_bytes", self._offset, "B", MEMORY_METHOD["cuda"])
        yield Reading("allocator_rounding_bytes", self._rounding, "B", ROUNDING_METHOD)

    def mark(self, phase: str, layer: str = "", *, if_used: bool = False) -> None:
        """The counters do not tell whether a mark is used before the next, so that only sure ones count."""
        if not if_used:
            self._close()
            self._current = (phase, layer)

    def _close(self) -> None:
        stats = torch.cuda.memory_stats(self.device)
        if self._current is not None:
            live, peak = stats["requested_bytes.all.current"], stats["requested_bytes.all.peak"]
            self.moments.append(MeasuredMoment(*self._current, live - self._offset, peak - self._offset, ""))
            rounding = stats["allocated_bytes.all.current"] - live
            self._rounding = max(self._rounding, rounding)
        torch.cuda.reset_peak_memory_stats(self.device)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        torch.cuda.synchronize(self.device)
        self._close()
        self._current = None
