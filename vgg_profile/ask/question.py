"""One question: does a network's step fit into a memory, and with which batch?

Whoever asks about memory asks here, once or many times over: `fit`, its table of what would help, grids,
budgets and comparisons. The answer is a :class:`~vgg_profile.ask.fit.Fit`, read off one step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from vgg_profile.ask.cards import Memory
from vgg_profile.ask.fit import DEFAULT_RESERVE, Fit, Reserve, process
from vgg_profile.ask.machine import WORST, key_of, last_seen, settle
from vgg_profile.core.setting import Setup
from vgg_profile.core.step import Step
from vgg_profile.core.tree import Profile

PLAIN = Setup()


@dataclass(frozen=True)
class Question:
    """A network at a setting, in a memory; ``batch`` is the one in question, ``None`` asks for the largest.

    ``reserves`` are kept free, by default what the step's device needs beside tensors, or what
    ``--calibrate`` measured of this very step; ``scratch`` is kept free beside. ``look`` opens the same
    network at other inputs, where that can be.
    """

    profile: Profile
    memory: Memory
    setup: Setup = PLAIN
    batch: int | None = None
    reserves: tuple[Reserve, ...] | None = None
    scratch: tuple[Reserve, ...] = ()
    expandable: bool = False
    look: Callable[[tuple[str, ...]], Profile] | None = None

    @property
    def limit(self) -> int:
        """What tensors may take, in bytes, unless something was measured of this very step."""
        return self.memory.bytes - sum(reserve.bytes for reserve in self._kept(None))

    def _kept(self, measured: Reserve | None) -> tuple[Reserve, ...]:
        if self.reserves is not None:
            return (*self.reserves, *self.scratch)
        device = self.profile.device
        usual = process(self.memory.bytes) if device == "cpu" else (DEFAULT_RESERVE[device],)
        return (*((measured,) if measured else usual), *self.scratch)

    @property
    def is_carried(self) -> bool:
        """Whether the network was traced to a file, so that it is asked about as it was traced."""
        return self.profile.run is not None and self.profile.build is None

    def answer(self) -> Fit:
        """What fits; raises ``InputError`` for a step or a batch that cannot be."""
        step, machine = settle(self.profile, self.setup, self.limit, self.batch)
        measured = None if machine is None or self.reserves is not None else as_calibrated(step)
        return Fit(step, self.memory, self._kept(measured), self.batch, self.expandable, machine)

    def about(self, batch: int, known: Fit) -> Fit:
        """The answer about one batch; ``known`` is that about another, or about the largest.

        Its step serves again, unless its machine was chosen by the batch.
        """
        if known.machine is None or known.machine.source != WORST:
            return replace(known, asked=batch)
        return replace(self, profile=self.profile.at(batch), batch=batch).answer()


def as_calibrated(step: Step) -> Reserve | None:
    """What was measured beside the tensors of such a step, on this machine, at whatever batch."""
    seen = last_seen()
    beside = None if seen is None else seen.beside.get(calibrated_as(step))
    if seen is None or beside is None:
        return None
    source = f"measured on this machine by --calibrate, with torch {seen.torch}"
    return Reserve(beside, "the process: Python, PyTorch, malloc", source)


def calibrated_as(step: Step) -> str:
    """The name under which that is kept."""
    return key_of(step.profile.config.to_dict(), step.setting)
