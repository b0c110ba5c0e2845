"""Live bytes during a real pass, read from the allocator.

A :class:`Step` runs one training step and calls ``recorder.mark(phase, layer)`` wherever a layer or a
phase begins. What a mark means is the recorder's business: :class:`CpuMemory` lays it into the
profiler's trace between the allocator's own events, :class:`CudaMemory` reads the caching allocator's
counters, and ``timing.Clock`` reads a clock. All three therefore see the same boundaries.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import TracebackType
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.autograd.profiler import profile, record_function

from vgg_profile.core.setting import Setup
from vgg_profile.measure.record import Moment, Reading

os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # or the profiler announces itself on stderr

_MARK = "vgg-profile mark "

_ALLOCATING = ("aten::empty", "aten::empty_like", "aten::empty_strided", "aten::resize_", "aten::zeros")
"""Operations that say how memory was taken, not what for; the one around them names an allocation."""

MEMORY_METHOD = {
    "cpu": "torch.autograd.profiler.profile(profile_memory=True): allocator events",
    "cuda": "torch.cuda.memory_stats(): requested_bytes.all",
}


class Mark(NamedTuple):
    """The beginning of a part of the step."""

    phase: str
    layer: str


class Recorder(Protocol):
    """Whoever wants to know when a part of the step begins."""

    def mark(self, phase: str, layer: str = "") -> None: ...


class CpuMemory:
    """Live bytes on the CPU: every allocation and release that the profiler sees, between marks.

    ``start`` is what is live at the beginning, so that the curve counts from the empty process.
    """

    def __init__(self, start: int = 0) -> None:
        self.start = start
        self.moments: list[Moment] = []
        self._marks: list[Mark] = []
        self._profile: Any = None

    def mark(self, phase: str, layer: str = "") -> None:
        with record_function(f"{_MARK}{len(self._marks)}"):
            self._marks.append(Mark(phase, layer))

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

    def _resolve(self, events: Iterator[_TraceEvent]) -> Iterator[Moment]:
        """Walk the trace once; a part of the step lasts from its mark to the next."""
        live, peak, op = self.start, self.start, ""
        known: dict[int, int] = {}
        current: Mark | None = None
        for event in events:
            if event.name.startswith(_MARK):
                if current is not None:
                    yield Moment(*current, live, peak, op)
                current, peak, op = self._marks[int(event.name[len(_MARK) :])], live, ""
            elif event.size > 0:
                known[event.address] = event.size
                live += event.size
                if live > peak:
                    peak, op = live, event.name
            elif event.size < 0 and (event.address in known or self.start):
                known.pop(event.address, None)
                live += event.size
        if current is not None:
            yield Moment(*current, live, peak, op)


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
        self.moments: list[Moment] = []
        self._offset = 0
        self._rounding = 0
        self._current: Mark | None = None

    def __enter__(self) -> CudaMemory:
        torch.cuda.synchronize(self.device)
        torch.cuda.reset_peak_memory_stats(self.device)
        stats = torch.cuda.memory_stats(self.device)
        self._offset = stats["requested_bytes.all.current"] - self.start
        return self

    def allocator_readings(self) -> Iterator[Reading]:
        """What the allocator holds beside the tensors, each part by its name."""
        yield Reading("lasting_workspace_bytes", self._offset, "B", MEMORY_METHOD["cuda"])
        yield Reading(
            "allocator_rounding_bytes", self._rounding, "B", "allocated_bytes less requested_bytes, at most"
        )

    def mark(self, phase: str, layer: str = "") -> None:
        self._close()
        self._current = Mark(phase, layer)

    def _close(self) -> None:
        stats = torch.cuda.memory_stats(self.device)
        if self._current is not None:
            live, peak = stats["requested_bytes.all.current"], stats["requested_bytes.all.peak"]
            self.moments.append(Moment(*self._current, live - self._offset, peak - self._offset, ""))
            rounding = stats["allocated_bytes.all.current"] - live
            self._rounding = max(self._rounding, rounding)
        torch.cuda.reset_peak_memory_stats(self.device)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        torch.cuda.synchronize(self.device)
        self._close()
        self._current = None


@contextmanager
def marked_layers(model: nn.Module, names: dict[str, str], recorder: Recorder) -> Iterator[None]:
    """While this lasts, a layer marks where its forward and its backward begin.

    ``names`` maps module paths to layer names. A backward begins with the node that made the layer's
    output; a layer that hands its input on, like dropout in eval mode, has none. A checkpointed layer that
    runs again in the backward pass marks that as "recompute"; where PyTorch has all it was after, it stops
    the layer by an exception, and the backward pass of ``place`` goes on.
    """
    handles = []
    entering: list[Any] = [None]
    place = [""]
    """The layer in whose backward we are, if in any."""

    def enter_backward(name: str) -> None:
        place[0] = name
        recorder.mark("backward", name)

    def watch(name: str) -> tuple[Callable[..., None], Callable[..., None]]:
        def before(module: nn.Module, args: tuple[Tensor, ...]) -> None:
            entering[0] = None if place[0] else args[0].grad_fn
            recorder.mark("recompute" if place[0] else "forward", name)

        def after(module: nn.Module, args: tuple[Tensor, ...], output: Tensor | None) -> None:
            if place[0]:
                if output is None and not isinstance(sys.exception(), (RuntimeError, MemoryError)):
                    recorder.mark("backward", place[0])
            elif output is not None:
                node, entered = output.grad_fn, entering[0]
                entering[0] = None
                if node is not None and node is not entered:
                    node.register_prehook(lambda gradients: enter_backward(name))

        return before, after

    try:
        for path, name in names.items():
            module = model.get_submodule(path)
            before, after = watch(name)
            handles.append(module.register_forward_pre_hook(before))
            handles.append(module.register_forward_hook(after, always_call=True))
        yield
    finally:
        for handle in handles:
            handle.remove()


AT = "at "
"""How the note begins that says where in a step an exception was raised."""


class _LastMark:
    """Hands marks on, and remembers the last."""

    def __init__(self, instrument: Recorder) -> None:
        self.instrument = instrument
        self.phase, self.layer = "input", ""

    def mark(self, phase: str, layer: str = "") -> None:
        self.phase, self.layer = phase, layer
        self.instrument.mark(phase, layer)


class Step(NamedTuple):
    """One training step of a network on given images and targets."""

    model: nn.Module
    images: Tensor
    targets: Tensor
    names: dict[str, str]
    setup: Setup
    optimizer: torch.optim.Optimizer | None = None

    def run(self, instrument: Recorder) -> Tensor:
        """Forward, loss, backward and step, as a training loop writes them; returns the logits.

        An exception on the way carries a note of where it was: ``at forward of conv1_1``.
        """
        recorder = _LastMark(instrument)
        try:
            return self._run(recorder)
        except (RuntimeError, MemoryError) as error:
            error.add_note(f"{AT}{recorder.phase} of {recorder.layer or 'the step'}")
            raise

    def _run(self, recorder: Recorder) -> Tensor:
        has_backward = self.setup.has_backward
        with marked_layers(self.model, self.names, recorder), torch.set_grad_enabled(has_backward):
            with self._autocast():
                logits: Tensor = self.model(self.images)
                if has_backward:
                    recorder.mark("loss")
                    loss = nn.functional.cross_entropy(logits, self.targets)
            if has_backward:
                recorder.mark("backward", "loss")
                loss.backward()  # type: ignore[no-untyped-call]
        if self.optimizer is not None:
            recorder.mark("step")
            self.optimizer.step()
        recorder.mark("end")
        return logits

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.setup.amp == "none":
            return nullcontext()
        return torch.autocast(self.images.device.type, dtype=getattr(torch, self.setup.amp))
