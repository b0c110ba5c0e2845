"""One training step, and the marks at which every instrument reads.

A :class:`TrainingStep` runs the step and calls ``recorder.mark(phase, layer)`` wherever a module or a phase
begins. What a mark means is the recorder's business: those of ``measure`` read an allocator, a clock, a
counter, that of ``predict.fake`` writes a book.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from vgg_profile.core.setting import Setup
from vgg_profile.run.marks import Recorder, marked_modules
from vgg_profile.run.tensors import Given

AT = "at "
"""How the note begins that says where in a step an exception was raised."""


class _LastMark:
    """Hands marks on, and remembers the last."""

    def __init__(self, instrument: Recorder) -> None:
        self.instrument = instrument
        self.phase, self.layer = "input", ""

    def mark(self, phase: str, layer: str = "", *, if_used: bool = False) -> None:
        self.phase, self.layer = phase, layer
        self.instrument.mark(phase, layer, if_used=if_used)


@dataclass(frozen=True, slots=True)
class TrainingStep:
    """One training step of a network on what it is given.

    ``names`` maps the paths of the modules that are marked to the names of their marks. ``loss`` takes the
    output and the targets.
    """

    model: nn.Module
    given: Given
    loss: Callable[[Any, Any], Any]
    names: dict[str, str]
    setup: Setup
    device: str
    optimizer: torch.optim.Optimizer | None = None

    def run(self, instrument: Recorder, before_step: Callable[[], None] = lambda: None) -> Any:
        """Forward, loss, backward and step, as a training loop writes them; returns the output.

        ``before_step`` is called between the backward pass and the optimizer's step. An exception on the way
        carries a note of where it was: ``at forward of conv1_1``.
        """
        recorder = _LastMark(instrument)
        try:
            return self._run(recorder, before_step)
        except (Exception, SystemExit) as error:
            error.add_note(f"{AT}{recorder.phase} of {recorder.layer or 'the step'}")
            raise

    def _run(self, recorder: Recorder, before_step: Callable[[], None]) -> Any:
        has_backward = self.setup.has_backward
        with marked_modules(self.model, self.names, recorder), torch.set_grad_enabled(has_backward):
            with self._autocast():
                output = self.model(*self.given.args, **self.given.kwargs)
                if has_backward:
                    recorder.mark("loss")
                    loss = self.loss(output, self.given.targets)
            if has_backward:
                recorder.mark("backward", "loss")
                loss.backward()
        if self.optimizer is not None:
            before_step()
            recorder.mark("step")
            self.optimizer.step()
        recorder.mark("end")
        return output

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.setup.amp == "none":
            return nullcontext()
        return torch.autocast(self.device, dtype=getattr(torch, self.setup.amp))


@contextmanager
def computing(setup: Setup) -> Iterator[None]:
    """While this lasts, the CPU computes as a setup says: with oneDNN or without, by so many threads.

    If it names no threads, by as many as before.
    """
    backend: Any = torch.backends.mkldnn
    has_onednn, threads = backend.enabled, torch.get_num_threads()
    backend.enabled = has_onednn and setup.onednn
    wanted = setup.threads or threads
    if wanted != threads:  # being told costs a process 10 MiB
        torch.set_num_threads(wanted)
    try:
        yield
    finally:
        backend.enabled = has_onednn
        if wanted != threads:
            torch.set_num_threads(threads)


_OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "momentum": partial(torch.optim.SGD, momentum=0.9),
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}


def optimizer_of(model: nn.Module, setup: Setup) -> torch.optim.Optimizer | None:
    """The optimizer of a setup, for a network's parameters, with a learning rate of 0; ``None`` without."""
    if setup.optimizer == "none":
        return None
    how = {"fused": True} if setup.fused else {"foreach": setup.foreach}
    return _OPTIMIZERS[setup.optimizer](model.parameters(), lr=0.0, **how)


def make_state(optimizer: torch.optim.Optimizer) -> None:
    """Make the state that a first step leaves: by a step, or Adam's by the part of one that makes it.

    Source: ``Adam._init_group`` in ``torch/optim/adam.py``.
    """
    if not isinstance(optimizer, torch.optim.Adam):
        optimizer.step()
        return
    for group in optimizer.param_groups:
        optimizer._init_group(group, *([] for _ in range(6)))  # type: ignore[no-untyped-call]
