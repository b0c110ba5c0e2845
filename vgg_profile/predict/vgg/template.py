"""A step on paper before anybody asked what its kernels take: filled in for each batch and machine.

What a tape says of tensors is the same for every batch, processor and number of threads. So a network is run
once, and what kernels take in passing is written into copies of its book, which share all else. Of most
copies nothing but the outline is asked: it is told by launches that are alike, each kind of them asked about
once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

from vgg_profile.core.book import Book, Line, highest_of
from vgg_profile.core.collecting import collecting
from vgg_profile.core.events import Event, Mark
from vgg_profile.core.lazy import Lazy
from vgg_profile.core.sizes import Bytes, added_up
from vgg_profile.predict.vgg.passing import Kernels
from vgg_profile.predict.vgg.tape import Launch, in_blocks
from vgg_profile.predict.vgg.tensors import Request


class Alike(NamedTuple):
    """Launches that ask the same, with results of the same sizes: one of them, and what is live before.

    Of that, the lines that are highest for some batch.
    """

    launch: Launch
    before: tuple[Line, ...]


@dataclass(frozen=True)
class Template:
    """The book of a step's tensors, and the kernels that it launches and that are still to be asked about."""

    book: Book
    launches: tuple[Launch, ...]

    def filled(self, kernels: Kernels) -> Book:
        """The book with what kernels take in passing; it is written when somebody reads it."""
        written = Lazy(lambda: [self._written(kernels)])
        return replace(
            self.book,
            events=Lazy(lambda: written[0].events),
            marks=Lazy(lambda: written[0].marks),
            outline=Outlined(self, kernels),
        )

    def _written(self, kernels: Kernels) -> Book:
        known = {asked: kernels.blocks(asked) for asked in self.requests}
        as_run, events = self.book.events, list[Event]()
        more = [0] * (len(as_run) + 1)
        """By number of an event, how many there are more because of the one before."""
        done = 0
        with collecting(is_on=False):
            for place, asked, results in self.launches:
                blocks = known[asked]
                made = in_blocks(as_run[place]._replace(scratch=blocks.unknown), blocks, results)
                events += (*as_run[done:place], *made)
                done, more[place + 1] = place + 1, len(made) - 1
            before = list(accumulate(more))
            marks = tuple(Mark(phase, layer, at + before[at]) for phase, layer, at in self.book.marks)
            return Book((*events, *as_run[done:]), marks)

    @cached_property
    def requests(self) -> set[Request]:
        """What is to be asked, each once."""
        return {launch.asked for launch in self.launches}

    @cached_property
    def _live(self) -> list[Line]:
        """What is live before each event."""
        fixed = per_image = 0
        live = []
        for place, event in enumerate(self.book.events):
            live.append(Line(fixed, per_image, place))
            for storage in event.allocated:
                fixed, per_image = fixed + storage.size.fixed, per_image + storage.size.per_image
            for storage in event.freed:
                fixed, per_image = fixed - storage.size.fixed, per_image - storage.size.per_image
        return live

    @cached_property
    def sure(self) -> tuple[Line, ...]:
        """The highest lines of the events after loading that ask nothing."""
        asking, first = {launch.event for launch in self.launches}, self.book.marks[1].event
        live, events = self._live, self.book.events
        sure = (place for place in range(first, len(events)) if place not in asking)
        return _highest(_sum(live[place], _taken(events[place])) for place in sure)

    @cached_property
    def alike(self) -> list[Alike]:
        """The others, by what they ask."""
        found: dict[tuple[Request, tuple[tuple[str, Bytes], ...]], list[Launch]] = {}
        for launch in self.launches:
            sizes = ((name, added_up(each.size for each in of)) for name, of in launch.results.items())
            found.setdefault((launch.asked, tuple(sizes)), []).append(launch)
        return [
            Alike(same[0], _highest(self._live[launch.event] for launch in same)) for same in found.values()
        ]


@dataclass(frozen=True)
class Outlined:
    """The outline of a filled book, without writing it."""

    template: Template
    kernels: Kernels

    @cached_property
    def lines(self) -> Sequence[Line]:
        """The lines that are highest for some batch."""
        lines = list(self.template.sure)
        for (place, asked, results), before in self.template.alike:
            whole = self.template.book.events[place]._replace(freed=())
            within = _highest_within(in_blocks(whole, self.kernels.blocks(asked), results))
            lines += [_sum(one, other) for one in before for other in within]
        return _highest(lines)

    @cached_property
    def is_at_least(self) -> bool:
        """Whether something may take more than is known."""
        unknown = (self.kernels.blocks(asked).unknown for asked in self.template.requests)
        return self.template.book.is_at_least or any(unknown)


def _highest(lines: Iterable[Line]) -> tuple[Line, ...]:
    """Of lines, those that are highest for some batch."""
    steepest: dict[int, Line] = {}
    for line in lines:
        known = steepest.get(line.per_image)
        if known is None or line.fixed > known.fixed:
            steepest[line.per_image] = line
    return highest_of(steepest)


def _highest_within(events: Iterable[Event]) -> tuple[Line, ...]:
    """What a kernel's events have live beside what was before, where it is most."""
    live, lines = _NONE, []
    for event in events:
        live = _sum(live, _taken(event))
        lines.append(live)
        freed = added_up(storage.size for storage in event.freed)
        live = _sum(live, Line(-freed.fixed, -freed.per_image, 0))
    return _highest(lines)


def _taken(event: Event) -> Line:
    return Line(*added_up(storage.size for storage in event.allocated), 0)


def _sum(one: Line, other: Line) -> Line:
    return Line(one.fixed + other.fixed, one.per_image + other.per_image, one.event)


_NONE = Line(0, 0, 0)
