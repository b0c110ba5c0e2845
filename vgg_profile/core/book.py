"""The book of a training step: who allocated how much, for what, in which layer, and who let go.

Everything that is said about memory is read off this one list of events, and folded in one place
(:func:`vgg_profile.core.fold.levels`). Bytes are affine in the batch, so a book knows no batch: whoever
asks names one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, chain, pairwise
from typing import NamedTuple, Protocol

from vgg_profile.core.events import Category, Event, Mark, Phase, Provenance, Storage
from vgg_profile.core.fold import at_batch, largest_batch, levels
from vgg_profile.core.sizes import NOTHING, Bytes, added_up

CATEGORIES = tuple(Category)
"""In the order of a row of levels."""

_PLACE = {category: place for place, category in enumerate(CATEGORIES)}


class Moment(NamedTuple):
    """One part of the step: a layer's forward, a layer's backward, or a phase without layers.

    ``live`` is what is allocated when it is over, ``peak`` the most that was allocated within it, in bytes:
    at most, where of something only a most is known, and ``least`` without that. ``scratch`` names who may
    take more within it, unpredicted; empty, and nobody does.
    """

    phase: Phase
    layer: str
    live: int
    peak: int
    least: int
    by_category: tuple[int, ...]
    """What is live when it is over, in the order of ``CATEGORIES``."""
    scratch: str

    @property
    def categories(self) -> dict[Category, int]:
        """What is live when it is over, by category."""
        return _by_category(self.by_category)


class Line(NamedTuple):
    """Live bytes at one event, affine in the batch; ``event`` is its number in the book."""

    fixed: int
    per_image: int
    event: int

    def at(self, batch: int) -> int:
        return self.fixed + self.per_image * batch


class Outline(Protocol):
    """What is asked of many a book that nobody reads."""

    @property
    def lines(self) -> Sequence[Line]:
        """The lines that are highest for some batch, of events that have no number here."""

    @property
    def is_at_least(self) -> bool:
        """Whether something may take more than is known."""


class Columns(NamedTuple):
    """A book as numbers: events as :func:`~vgg_profile.core.fold.levels` reads them, and by storage its
    category's place and its bytes, fixed and per image.
    """

    events: list[list[int]]
    category: list[int]
    fixed: list[int]
    per_image: list[int]


@dataclass(frozen=True)
class Book:
    """The events of one step, and the marks where its parts begin: the loading first."""

    events: Sequence[Event]
    marks: Sequence[Mark]
    only: int = 0
    """The one batch that it answers for, where its events change with the batch; 0: any."""
    least: int = 1
    """The least batch that it answers for: one image may go another way than several."""
    most: int = 0
    """The largest batch that it answers for, where many images go another way than few; 0: any."""
    refuses_one: str = ""
    """The layer that cannot be trained on one image alone; empty: each can."""
    outline: Outline | None = field(default=None, compare=False)
    """That of a book whose events are written when somebody looks."""

    def answers(self, batch: int) -> bool:
        """Whether it is the book of that batch, too."""
        return batch == self.only if self.only else batch >= self.least and not 0 < self.most < batch

    @property
    def span(self) -> tuple[int, int]:
        """The least and the largest batch that it answers for; 0 for no largest."""
        return (self.only, self.only) if self.only else (self.least, self.most)

    @cached_property
    def storages(self) -> list[Storage]:
        """Every storage, in the order in which they are allocated: that of their numbers."""
        return [storage for event in self.events for storage in event.allocated]

    @cached_property
    def _flow(self) -> list[int]:
        """Every allocation and every release, by the storage's number, from 1 on; a release is negative."""
        number = {id(storage): place for place, storage in enumerate(self.storages, start=1)}
        unborn = dict(number)
        met = [id(storage) for event in self.events for storage in event.allocated + event.freed]
        return [unborn.pop(each, 0) or -number[each] for each in met]

    @cached_property
    def _ends(self) -> list[int]:
        """How many allocations and releases there were before each event, and in all."""
        return list(accumulate([len(event.allocated) + len(event.freed) for event in self.events], initial=0))

    @cached_property
    def columns(self) -> Columns:
        """The book as plain lists of numbers, as the fold reads it."""
        return Columns(
            events=[self._flow[start:end] for start, end in pairwise(self._ends)],
            category=[_PLACE[storage.category] for storage in self.storages],
            fixed=[storage.size.fixed for storage in self.storages],
            per_image=[storage.size.per_image for storage in self.storages],
        )

    def _rows_at(self, batch: int) -> list[list[int]]:
        """Live bytes by category before and after each event's releases."""
        events, category, fixed, per_image = self.columns
        return levels(events, category, at_batch(fixed, per_image, batch), len(CATEGORIES))

    def levels(self, batch: int) -> list[dict[Category, int]]:
        """Live bytes by category before and after each event's releases: two rows an event."""
        return [_by_category(row) for row in self._rows_at(batch)]

    def live_at(self, event: int) -> dict[Category, Bytes]:
        """What is live at an event before it frees, by category; those of which nothing is are left out."""
        kinds = self._kinds_at(event)
        live = {each: added_up(kinds[of] for of in kinds if of[0] is each) for each in CATEGORIES}
        return {category: size for category, size in live.items() if size != NOTHING}

    def _kinds_at(self, event: int) -> dict[tuple[Category, Provenance], Bytes]:
        """What is live at an event before it frees, by category and by how its size is known."""
        if event not in self._kinds:  # the peaks of many batches are at one event
            sizes: dict[tuple[Category, Provenance], list[Bytes]] = {}
            for storage in self._storages_at(event):
                sizes.setdefault((storage.category, storage.provenance), []).append(storage.size)
            self._kinds[event] = {kind: added_up(of) for kind, of in sizes.items()}
        return self._kinds[event]

    @cached_property
    def _kinds(self) -> dict[int, dict[tuple[Category, Provenance], Bytes]]:
        return {}

    def known_at(self, event: int, batch: int, of: Category | None = None) -> dict[Provenance, int]:
        """How the bytes are known that are live at an event before it frees; only what there is of each.

        ``of`` names the one category that is counted.
        """
        kinds = {kind: size for kind, size in self._kinds_at(event).items() if of in (None, kind[0])}
        known = {each: added_up(kinds[of] for of in kinds if of[1] is each).at(batch) for each in Provenance}
        return {provenance: size for provenance, size in known.items() if size}

    def held_at(self, event: int, batch: int) -> dict[str, int]:
        """Whose the bytes are that are live at an event before it frees, by layer."""
        found: dict[str, int] = {}
        for storage in self._storages_at(event):
            if size := storage.size.at(batch):
                found[storage.layer] = found.get(storage.layer, 0) + size
        return found

    def _storages_at(self, event: int) -> list[Storage]:
        """What is live at an event before it frees."""
        freed = {id(storage) for before in self.events[:event] for storage in before.freed}
        allocated = chain.from_iterable(before.allocated for before in self.events[: event + 1])
        return [storage for storage in allocated if id(storage) not in freed]

    def contents(self, batch: int) -> Iterator[tuple[Event, dict[Category, int]]]:
        """Each event with the bytes that are live before it frees, by category."""
        return zip(self.events, map(_by_category, self._rows_at(batch)[::2]), strict=True)

    def moments(self, batch: int) -> tuple[Moment, ...]:
        """Live and peak bytes of each part of the step, in order."""
        _, category, fixed, per_image = self.columns
        sizes = at_batch(fixed, per_image, batch)
        live = least = self.running(sizes)
        bounds = [storage.provenance is Provenance.BOUND for storage in self.storages]
        if any(bounds):
            least = self.running(
                [0 if at_most else size for at_most, size in zip(bounds, sizes, strict=True)]
            )
        spans = list(pairwise([*(mark.event for mark in self.marks), len(self.events)]))
        ends = [(self._ends[first], self._ends[after]) for first, after in spans]
        as_one = [self._flow[start:end] for start, end in ends]  # the levels of a part as a single event
        left = map(tuple, levels(as_one, category, sizes, len(CATEGORIES))[1::2])
        peaks = [(live[end], max(live[start : end + 1]), max(least[start : end + 1])) for start, end in ends]
        of_events = [event.scratch for event in self.events]
        scratch = [next(filter(None, of_events[first:after]), "") for first, after in spans]
        return tuple(
            Moment(mark.phase, mark.layer, *three, by_category, who)
            for mark, three, by_category, who in zip(self.marks, peaks, left, scratch, strict=True)
        )

    def running(self, sizes: list[int]) -> list[int]:
        """What is live of storages of these sizes: nothing, then after each allocation and each release."""
        change = [0, *sizes, *(-size for size in reversed(sizes))]  # by number, and that of what is freed
        return list(accumulate(map(change.__getitem__, self._flow), initial=0))

    @property
    def loaded_bytes(self) -> int:
        """What is live before the first image comes, whatever the batch."""
        before = self.events[: self.marks[1].event]
        return sum(
            sum(storage.size.fixed for storage in event.allocated)
            - sum(storage.size.fixed for storage in event.freed)
            for event in before
        )

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """Live bytes at each event after loading, before it frees, as a function of the batch.

        Only the lines that are highest for some batch are kept, by their slope: the upper envelope. The
        peak of any batch, and the largest batch within any limit, can be read off these few. A book that is
        searched is asked nothing else, so the events are added up as they are: their columns are as large.
        """
        steepest: dict[int, Line] = {}
        first = self.marks[1].event
        fixed = per_image = 0
        for number, event in enumerate(self.events):
            for storage in event.allocated:
                fixed, per_image = fixed + storage.size.fixed, per_image + storage.size.per_image
            known = steepest.get(per_image)
            if number >= first and (known is None or fixed > known.fixed):
                steepest[per_image] = Line(fixed, per_image, number)
            for storage in event.freed:
                fixed, per_image = fixed - storage.size.fixed, per_image - storage.size.per_image
        return highest_of(steepest)

    @property
    def _outlined(self) -> Sequence[Line]:
        return self.lines if self.outline is None else self.outline.lines

    @property
    def is_at_least(self) -> bool:
        """Whether something in it may take more than is known: then its peak is one at least."""
        if self.outline is not None:
            return self.outline.is_at_least
        return any(event.scratch for event in self.events)

    def highest(self, batch: int) -> Line:
        """The line on which a batch has its peak."""
        return max(self.lines, key=lambda line: line.at(batch))

    def peak_bytes(self, batch: int) -> int:
        """The most that is live at once after loading."""
        return max(line.at(batch) for line in self._outlined)

    def guess(self, limit: int) -> int:
        """What the largest batch were if the book were that of every batch.

        Of a batch that no line joins to the next, what it were if all its bytes were the images'.
        """
        lines = self._outlined
        if self.only and not any(line.per_image for line in lines):
            return self.only * limit // max(line.fixed for line in lines)
        return largest_batch([[line.fixed, line.per_image] for line in lines], limit)


def answers_for(books: Sequence[Book]) -> str:
    """The batches that books answer for, one after the other, in words.

    >>> answers_for([Book((), (), least=2, most=7), Book((), (), only=8)])
    'batches 2 to 8'
    >>> answers_for([Book((), (), only=3)]), answers_for([Book((), ())])
    ('batch 3 alone', 'batches from 1 on')
    """
    first, last = books[0].span[0], books[-1].span[1]
    if first == last:
        return f"batch {first:,} alone"
    return f"batches {first:,} to {last:,}" if last else f"batches from {first:,} on"


def _by_category(row: Iterable[int]) -> dict[Category, int]:
    return dict(zip(CATEGORIES, row, strict=True))


def highest_of(steepest: Mapping[int, Line]) -> tuple[Line, ...]:
    """Of lines by their slope, those that are highest for some batch, by their slope: the upper envelope.

    >>> highest_of({0: Line(9, 0, 1), 1: Line(2, 1, 2), 2: Line(3, 2, 3)})
    (Line(fixed=9, per_image=0, event=1), Line(fixed=3, per_image=2, event=3))
    """
    envelope: list[Line] = []
    for _, line in sorted(steepest.items()):
        while envelope and (
            line.fixed >= envelope[-1].fixed
            or (len(envelope) > 1 and _is_under(envelope[-2], envelope[-1], line))
        ):
            envelope.pop()
        envelope.append(line)
    return tuple(envelope)


def _is_under(left: Line, middle: Line, right: Line) -> bool:
    """Whether, of three lines of rising slope, the middle one is nowhere the highest alone."""
    return (left.fixed - right.fixed) * (middle.per_image - left.per_image) <= (left.fixed - middle.fixed) * (
        right.per_image - left.per_image
    )
