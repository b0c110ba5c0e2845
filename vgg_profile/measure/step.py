"""One real training step, and the marks at which every instrument reads.

A :class:`RealStep` runs the step and calls ``recorder.mark(phase, layer)`` wherever a layer or a phase
begins. What a mark means is the recorder's business: those of ``memory`` read the allocator, that of
``timing`` a clock, that of ``flops`` a counter. All therefore see the same boundaries.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from vgg_profile.core.setting import Setup


class Recorder(Protocol):
    """Whoever wants to know when a part of the step begins."""

    def mark(self, phase: str, layer: str = "") -> None: ...


class Deaf:
    """A recorder for a step that nobody reads."""

    def mark(self, phase: str, layer: str = "") -> None:
        pass


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


class RealStep(NamedTuple):
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
