"""The pen that writes the book: storages as they are born and die, and the marks between them.

PyTorch frees a storage with its last holder, whoever that is: a name, a node of the graph, the engine. So a
storage's end is not derived here but seen, by a weak reference to it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, UntypedStorage

from vgg_profile.core.events import Category, Event, Mark, Phase, Storage
from vgg_profile.core.sizes import Bytes
from vgg_profile.run.marks import Parts
from vgg_profile.run.tensors import tensors_in

IN_FLIGHT = {Phase.BACKWARD: Category.IN_FLIGHT, Phase.STEP: Category.TEMPORARY}
"""What a storage is for that an operation makes in these phases; in any other it is an activation."""


class _Live(NamedTuple):
    """A storage of PyTorch's that is live, and the book's word for it."""

    reference: weakref.ref[UntypedStorage]
    storage: Storage


class Bookmark(NamedTuple):
    """A moment of the step: how much is written by then, and in which part it is."""

    events: int
    marks: int
    part: tuple[str, str]


def identity(tensor: Tensor) -> int:
    """What tells a tensor's storage from every other that is live."""
    return int(tensor.untyped_storage()._cdata)


class Recording:
    """A book while it is written. ``layer`` and ``phase`` say where in the step we are.

    Unless ``splits``, a part begins at a sure mark alone, as for an instrument that reads counters there.
    """

    def __init__(self, *, splits: bool = True) -> None:
        self.splits = splits
        self.events: list[Event] = []
        self.marks: list[Mark] = []
        self.parts = Parts()
        self.is_over = False
        self.places: list[tuple[int, str]] = []
        """From which node of the graph on we are in which module."""
        self.before_mark: Callable[[], None] = lambda: None
        """What is still open when a part ends is closed by this."""
        self._live: dict[int, _Live] = {}

    # -- marks: a recorder for a training step ---------------------------------------------------

    def mark(self, phase: str, layer: str = "", *, if_used: bool = False) -> None:
        self.before_mark()
        self.places.append((torch._C._autograd._get_sequence_nr(), layer))
        if self.parts.mark(phase, layer, if_used):
            self._begin()

    def _begin(self) -> None:
        phase, layer = self.parts.current or ("", "")
        self.is_over = phase == "end"
        if not self.is_over:
            self.marks.append(Mark(Phase(phase), layer, len(self.events)))

    @property
    def phase(self) -> Phase:

        return Phase(self.parts.current[0]) if self.parts.current and not self.is_over else Phase.LOAD

    @property
    def layer(self) -> str:
        return self.parts.current[1] if self.parts.current else ""

    @property
    def category(self) -> Category:
        """What a new storage is for, as far as the phase tells."""
        return IN_FLIGHT.get(self.phase, Category.ACTIVATIONS)

    # -- storages --------------------------------------------------------------------------------

    def new(self, what: str, size: int, category: Category | None = None) -> Storage:
        """A storage of this place in the step, not yet allocated."""
        return Storage(self.layer, what, category or self.category, Bytes(size, 0))

    def event(
        self, op: str, allocated: Iterable[Storage] = (), freed: Iterable[Storage] = (), scratch: str = ""
    ) -> None:
        """Write down what an operation allocated, then freed. What is empty takes no memory."""
        if self.is_over:
            return
        born = tuple(storage for storage in allocated if storage.size.fixed)
        dead = tuple(storage for storage in freed if storage.size.fixed)
        if born and self.parts.use():
            if self.splits:
                self._begin()
            for storage in born:
                storage.layer = self.layer
        if born or dead or scratch:
            self.events.append(Event(self.phase, self.layer, op, born, dead, scratch))

    def watch(self, untyped: UntypedStorage, storage: Storage) -> None:
        """See when a storage dies that was written down as born."""
        key = untyped._cdata

        def die(reference: weakref.ref[UntypedStorage]) -> None:
            live = self._live.get(key)
            if live is not None and live.reference is reference:
                del self._live[key]
                self.event("release", freed=(live.storage,))

        self._live[key] = _Live(weakref.ref(untyped, die), storage)

    def known(self, tensor: Tensor) -> Storage | None:
        """The book's word for a tensor's storage, if it is live."""
        live = self._live.get(identity(tensor))
        return live.storage if live is not None and live.reference() is not None else None

    def forget_before(self) -> None:
        """Begin the book anew: whatever was live before is none of it."""
        self.before_mark()
        self._live.clear()
        self.events.clear()
        self.marks.clear()
        self.places.clear()
        self.is_over = False
        self.parts = Parts()

    def load(self, named: Iterable[tuple[str, str, Tensor, Category]]) -> None:
        """What is there before the step begins: (layer, what, tensor, category), each storage once."""
        for layer, what, tensor, category in named:
            if self.known(tensor) is None:
                untyped = tensor.untyped_storage()
                storage = Storage(layer, what, category, Bytes(untyped.nbytes(), 0))
                self.watch(untyped, storage)
                if storage.size.fixed:
                    self.events.append(Event(Phase.LOAD, layer, "load", (storage,), ()))

    # -- what was there earlier ------------------------------------------------------------------

    def now(self) -> Bookmark:
        """This moment, to come back to."""
        return Bookmark(len(self.events), len(self.marks), self.parts.current or (Phase.LOAD, ""))

    @contextmanager
    def back_at(self, at: Bookmark) -> Iterator[None]:
        """What is written while this lasts comes there: made only now, it was there in a real run."""
        self.before_mark()
        events, marks, parts = self.events, self.marks, self.parts
        self.events, self.marks, self.parts = events[: at.events], marks[: at.marks], Parts()
        self.parts.mark(*at.part)
        try:
            yield
        finally:
            self.before_mark()
            moved = len(self.events) - at.events
            self.events += events[at.events :]
            self.marks += [mark._replace(event=mark.event + moved) for mark in marks[at.marks :]]
            self.parts = parts


def storages(values: Any) -> list[Tensor]:
    """The tensors among values, one for each storage."""
    seen: dict[int, Tensor] = {}
    for tensor in tensors_in(values):
        seen.setdefault(identity(tensor), tensor)
    return list(seen.values())
