"""Books of one network at several batches, joined to one whose bytes are affine in the batch.

Books that tell of the same operations differ in sizes alone, and only these are kept of all but the first.
Two of them give a line for each storage; a third is the proof. Where a kernel, a copy or a list of operations
depends on the batch, the books are of different courses, and the network is asked batch by batch.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import replace
from operator import eq

from vgg_profile.core.book import Book
from vgg_profile.core.sizes import Bytes


class Course:
    """One course that a step takes, and the sizes of its storages at each batch at which it is taken.

    >>> from vgg_profile.core.events import Category, Event, Phase, Storage
    >>> def book(size):
    ...     storage = Storage("", "output", Category.ACTIVATIONS, Bytes(size, 0))
    ...     return Book((Event(Phase.FORWARD, "", "relu", (storage,), ()),), ())
    >>> course = Course(2, book(20))
    >>> course.takes(3, book(28)), course.takes(5, book(45)), course.takes(6, book(52))
    (True, True, True)
    >>> course.line(2, 3, 6).events[0].allocated[0].size
    Bytes(fixed=4, per_image=8)
    >>> course.line(2, 3, 5) is None, course.fits(course.line(2, 3), 5)
    (True, False)
    """

    def __init__(self, batch: int, book: Book) -> None:
        self._first, self._book = batch, book
        self._sizes = {batch: _sizes(book)}

    def __contains__(self, batch: int) -> bool:
        return batch in self._sizes

    def takes(self, batch: int, book: Book) -> bool:
        """Whether a batch's book is of this course; if so, its sizes are kept."""
        is_it = _is_alike(self._book, book)
        if is_it:
            self._sizes[batch] = _sizes(book)
        return is_it

    def at(self, batch: int) -> Book:
        """The book of a batch that takes it."""
        if batch == self._first:
            return self._book
        return self._resized([Bytes(size, 0) for size in self._sizes[batch]])

    def line(self, *batches: int) -> Book | None:
        """The book whose bytes at each of these batches are those seen; ``None`` if there is none."""
        lines = [_line(batches, sizes) for sizes in zip(*map(self._sizes.__getitem__, batches), strict=True)]
        found = [each for each in lines if each is not None]
        return self._resized(found) if len(found) == len(lines) else None

    def fits(self, line: Book, batch: int) -> bool:
        """Whether a batch's sizes are what a line of this course says."""
        sizes = self._sizes[batch]
        return all(each.size.at(batch) == size for each, size in zip(line.storages, sizes, strict=True))

    def _resized(self, sizes: Sequence[Bytes]) -> Book:
        """The book with other sizes, in the order of its storages."""
        storages = {
            id(each): replace(each, size=size) for each, size in zip(self._book.storages, sizes, strict=True)
        }
        events = [
            event._replace(
                allocated=tuple(storages[id(each)] for each in event.allocated),
                freed=tuple(storages[id(each)] for each in event.freed),
            )
            for event in self._book.events
        ]
        return Book(tuple(events), self._book.marks)


def _line(batches: Sequence[int], sizes: Sequence[int]) -> Bytes | None:
    """The size as a function of the batch, if all sizes lie on one line of whole numbers."""
    per_image, rest = divmod(sizes[1] - sizes[0], batches[1] - batches[0])
    line = Bytes(sizes[0] - per_image * batches[0], per_image)
    fits = not rest and per_image >= 0
    return line if fits and all(map(int.__eq__, map(line.at, batches), sizes)) else None


def _sizes(book: Book) -> array[int]:
    """The bytes of each storage of a book of one batch."""
    return array("q", (storage.size.fixed for storage in book.storages))


def _is_alike(one: Book, other: Book) -> bool:
    """Whether two books tell of the same operations, storages and ends, sizes apart."""
    same_length = len(one.events) == len(other.events)
    return same_length and one.marks == other.marks and all(map(eq, _outline(one), _outline(other)))


def _outline(book: Book) -> Iterator[tuple[object, ...]]:
    number: dict[int, int] = {}
    for event in book.events:
        number |= {id(each): place for place, each in enumerate(event.allocated, start=len(number))}
        born = tuple((each.layer, each.category) for each in event.allocated)
        dead = tuple(sorted(number[id(each)] for each in event.freed))
        yield event.phase, event.layer, event.op, born, dead, event.scratch
