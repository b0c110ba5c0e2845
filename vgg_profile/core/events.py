"""The words of the book: storages, what happens to them, and the parts of a step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from vgg_profile.core.sizes import Bytes

OF_THE_LOSS = "gradient of the loss"
"""What the gradient is that a backward pass starts from."""


class Category(StrEnum):
    """What a storage is for; one of these, so that the categories add up to what is live."""

    WEIGHTS = "weights"
    BUFFERS = "buffers"
    INPUT = "input"
    ACTIVATIONS = "activations"
    CASTS = "autocast copies"
    INDICES = "pool indices"
    MASKS = "dropout masks"
    STATISTICS = "batch statistics"
    IN_FLIGHT = "gradients in flight"
    GRADIENTS = "gradients"
    OPTIMIZER = "optimizer state"
    TEMPORARY = "temporaries"
    SCRATCH = "scratch"

    __hash__ = str.__hash__  # an enum's own is written in Python, and the folds ask for it at every storage


class Phase(StrEnum):
    """The parts of a training step, in their order; a recompute falls within the backward pass."""

    LOAD = "load"
    INPUT = "input"
    FORWARD = "forward"
    LOSS = "loss"
    BACKWARD = "backward"
    RECOMPUTE = "recompute"
    STEP = "step"


class Provenance(StrEnum):
    """How a figure is known; the later of two is the less certain."""

    RULE = "rule"
    PROBE = "probe"
    BOUND = "bound"
    UNKNOWN = "unknown"


def least_certain(known: Iterable[Provenance]) -> Provenance:
    """How a sum of figures is known: as the least certain of them.

    >>> least_certain([Provenance.BOUND, Provenance.RULE]).value
    'bound'
    """
    return max(known, key=list(Provenance).index, default=Provenance.RULE)


@dataclass(eq=False, slots=True)
class Storage:
    """One block of memory: who allocated it, what for, and who still holds it."""

    layer: str
    what: str
    category: Category
    size: Bytes
    readers: tuple[str, ...] = ()
    """The operations whose backward reads it, as ``conv1_2's backward``."""
    holders: int = 0
    """How many names and nodes hold it while the tape runs; 0 once it is freed."""
    provenance: Provenance = Provenance.RULE
    """How its size is known; by ``BOUND`` it is the most that it may be."""
    of: str = ""
    """Which of its layer's tensors a gradient belongs to."""

    @property
    def why(self) -> str:
        """What it is and who keeps it alive, in words."""
        if not self.readers:
            return f"{self.what}, in the caller's hands"
        return f"{self.what}, read again by {' and '.join(dict.fromkeys(self.readers))}"


class Event(NamedTuple):
    """One operation: what it allocated, then what was freed. Live bytes peak between the two.

    ``scratch`` names who may take memory beside that and give it back within the operation: a library
    of which nothing more is known. It is not predicted; empty, and there is none.
    """

    phase: Phase
    layer: str
    op: str
    allocated: tuple[Storage, ...]
    freed: tuple[Storage, ...]
    scratch: str = ""


class Mark(NamedTuple):
    """Where a phase's part for one layer begins: before the event of this number."""

    phase: Phase
    layer: str
    event: int


def kept(events: Iterable[Event]) -> dict[str, tuple[Storage, ...]]:
    """What each layer leaves alive after the forward pass of these events, weights and input apart."""
    forward = [event for event in events if event.phase is Phase.FORWARD]
    freed = {id(storage) for event in forward for storage in event.freed}
    layers: dict[str, tuple[Storage, ...]] = {}
    for event in forward:
        for storage in event.allocated:
            if id(storage) not in freed:
                layers[storage.layer] = (*layers.get(storage.layer, ()), storage)
    return layers
