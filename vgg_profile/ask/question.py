"""One question: does a network's step fit into a memory, and with which batch?

Whoever asks about memory asks here, once or many times over: `fit`, its table of what would help, grids,
budgets and comparisons. The answer is a :class:`~vgg_profile.ask.fit.Fit`, read off one step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from vgg_profile.ask.cards import Memory
from vgg_profile.ask.cards import memory as read_memory
from vgg_profile.ask.fit import DEFAULT_RESERVE, Fit, Reserve, process
from vgg_profile.ask.machine import (
    GIVEN_BACK,
    THRESHOLD,
    WORST,
    gives_back,
    key_of,
    last_seen,
    settle,
)
from vgg_profile.core.errors import InputError, did_you_mean, excerpt
from vgg_profile.core.setting import Setup
from vgg_profile.core.step import Step
from vgg_profile.core.tree import Profile
from vgg_profile.core.units import binary
from vgg_profile.predict.vgg.configs import Source
from vgg_profile.predict.vgg.passing import Probe
from vgg_profile.predict.vgg.walk import walk

PLAIN = Setup()

MOST_CALIBRATED = 3 * 2**30
"""The steps of ``--calibrate`` take no more than so many bytes: it shall not take long."""


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
    probe: Probe | None = None
    """Who is asked what no rule knows of a VGG's kernels, on this machine."""

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
        step, machine = settle(self.profile, self.setup, self.limit, self.batch, self.probe)
        is_open = machine is not None and self.reserves is None
        kept = self._kept(as_calibrated(step, self.memory.bytes) if is_open else None)
        return Fit(step, self.memory, kept, self.batch, self.expandable, machine, self.probe)

    def about(self, batch: int, known: Fit) -> Fit:
        """The answer about one batch; ``known`` is that about another, or about the largest.

        Its step serves again, unless its machine was chosen by the batch.
        """
        if known.machine is None or known.machine.source != WORST:
            return replace(known, asked=batch)
        return replace(self, profile=self.profile.at(batch), batch=batch).answer()


def fit(
    network: Source,
    *,
    memory: str,
    batch: int | None = None,
    input: str | int | Sequence[int] | None = None,  # noqa: A002 - the word that users know
    dtype: str = "float32",
    device: str | None = None,
    batch_norm: bool | None = None,
    classes: int | None = None,
    expandable: bool = False,
    **setup: Any,
) -> Fit:
    """The largest batch of a network that fits into a memory; about one ``batch``, whether it does.

    ``network`` is whatever :func:`vgg_profile.config` takes, and ``memory`` an amount or a card: "8GiB",
    "h100". A card is asked about by the rules of "cuda" where no ``device`` is named. ``setup`` are the
    fields of :class:`vgg_profile.Setup`: ``optimizer="adam"``. It is what the command `fit` answers. Raises
    ``InputError`` for a network, a setting, a memory or a step that cannot be.

    >>> fit("D", memory="h100", optimizer="adam").step.profile.device
    'cuda'
    """
    known = [each.name for each in fields(Setup)]
    for name in setup:
        if name not in known:
            raise InputError(
                f"There is no setting {excerpt(name)}.",
                f"{did_you_mean(name, known)}Known are {', '.join(known)}.",
            )
    have = read_memory(memory)
    profile = walk(
        network,
        input=input,
        batch=1 if batch is None else batch,
        dtype=dtype,
        device=device or have.device or "cpu",
        batch_norm=batch_norm,
        classes=classes,
    )
    return Question(profile, have, Setup(**setup), batch, expandable=expandable).answer()


def as_calibrated(step: Step, memory: int) -> Reserve | None:
    """What was measured beside the tensors of such a step, on this machine, in a memory of so many bytes."""
    seen = last_seen()
    beside = None if seen is None else seen.beside.get(calibrated_as(step, memory))
    if seen is None or beside is None:
        return None
    tried = binary(min(memory, MOST_CALIBRATED))
    told = f" and {THRESHOLD}={GIVEN_BACK}" if gives_back() else ""
    source = f"measured on this machine by --calibrate, in {tried}, with torch {seen.torch}{told}"
    return Reserve(beside, "the process: Python, PyTorch, malloc", source)


def calibrated_as(step: Step, memory: int) -> str:
    """The name under which that is kept: of a malloc that gives back what is freed, one of its own."""
    malloc = {"malloc": "gives back"} if gives_back() else {}
    return key_of({**step.profile.config.to_dict(), "memory": memory, **malloc}, step.setting)
