"""The words of this room: what an operation takes and gives back, in order, and how far that is known."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import NamedTuple

from vgg_profile.core.events import Provenance
from vgg_profile.predict.kernels import Order


class Change(NamedTuple):
    """A block of memory taken (``bytes`` > 0) or given back (< 0)."""

    what: str
    bytes: int


class Passing(NamedTuple):
    """One operation as the allocator sees it: its results and everything it takes in passing, in order.

    Results stay when it is over, the rest is given back within it. Where the ``provenance`` is unknown, the
    events are those of the results at least.

    >>> Passing((Change("columns", 36), Change("output", 8), Change("columns", -36))).most
    44
    """

    events: tuple[Change, ...]
    provenance: Provenance = Provenance.RULE

    @property
    def changes(self) -> tuple[int, ...]:
        """Bytes alone, as an allocator's events read."""
        return tuple(event.bytes for event in self.events)

    @property
    def most(self) -> int:
        """The most that it holds at once, results and all."""
        return max(accumulate(self.changes), default=0)

    @property
    def kept(self) -> int:
        """What is left of it when it is over: its results."""
        return sum(self.changes)


def in_order(order: Order, sizes: Mapping[str, int], provenance: Provenance = Provenance.RULE) -> Passing:
    """The events of an operation; a block without a size, or of no bytes, is not taken.

    >>> in_order(("+columns", "+output", "-columns"), {"output": 8}).changes
    (8,)
    """
    events = (
        Change(step[1:], sizes[step[1:]] if step[0] == "+" else -sizes[step[1:]])
        for step in order
        if sizes.get(step[1:])
    )
    return Passing(tuple(events), provenance)
