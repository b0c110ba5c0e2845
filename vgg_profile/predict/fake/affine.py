"""Books of one network at several batches, joined to one whose bytes are affine in the batch.

Two books are joined event by event; a third is the proof. Where a kernel, a copy or a list of operations
depends on the batch, the books do not join, and the network is asked batch by batch.
"""

from __future__ import annotations

from collections.abc import Sequence

from vgg_profile.core.book import Book
from vgg_profile.core.events import Event, Storage
from vgg_profile.core.sizes import Bytes


def join(books: Sequence[tuple[int, Book]]) -> Book | None:
    """The book whose bytes at each batch are those given; ``None`` if there is none.

    >>> from vgg_profile.core.events import Category, Phase
    >>> def book(size):
    ...     storage = Storage("", "output", Category.ACTIVATIONS, Bytes(size, 0))
    ...     return Book((Event(Phase.FORWARD, "", "relu", (storage,), ()),), ())
    >>> join([(2, book(20)), (3, book(28)), (5, book(44))]).events[0].allocated[0].size
    Bytes(fixed=4, per_image=8)
    >>> join([(2, book(20)), (3, book(28)), (5, book(45))]) is None
    True
    """
    first = books[0][1]
    known: dict[int, Storage] = {}
    if not all(_is_alike(first, other) for _, other in books[1:]):
        return None
    events = []
    for place, event in enumerate(first.events):
        allocated = []
        for number, storage in enumerate(event.allocated):
            sizes = [(batch, book.events[place].allocated[number].size.fixed) for batch, book in books]
            size = _line(sizes)
            if size is None:
                return None
            known[id(storage)] = Storage(
                storage.layer,
                storage.what,
                storage.category,
                size,
                storage.readers,
                provenance=storage.provenance,
            )
            allocated.append(known[id(storage)])
        freed = tuple(known[id(storage)] for storage in event.freed)
        events.append(event._replace(allocated=tuple(allocated), freed=freed))
    return Book(tuple(events), first.marks)


def joins(book: Book, batch: int, other: Book) -> bool:
    """Whether another batch's book is what a book of every batch says of it."""
    if not _is_alike(book, other):
        return False
    pairs = zip(book.events, other.events, strict=True)
    return all(
        line.size.at(batch) == seen.size.fixed
        for one, another in pairs
        for line, seen in zip(one.allocated, another.allocated, strict=True)
    )


def _line(sizes: Sequence[tuple[int, int]]) -> Bytes | None:
    """The size as a function of the batch, if all sizes lie on one line of whole numbers."""
    (batch, size), (other, larger) = sizes[:2]
    per_image, rest = divmod(larger - size, other - batch)
    line = Bytes(size - per_image * batch, per_image)
    fits = not rest and per_image >= 0
    return line if fits and all(line.at(batch) == size for batch, size in sizes) else None


def _is_alike(one: Book, other: Book) -> bool:
    """Whether two books tell of the same operations, storages and ends, sizes apart."""
    return one.marks == other.marks and _outline(one) == _outline(other)


def _outline(book: Book) -> list[tuple[object, ...]]:
    number = {id(each): place for place, each in enumerate(s for e in book.events for s in e.allocated)}

    def words(event: Event) -> tuple[object, ...]:
        born = tuple((each.layer, each.category) for each in event.allocated)
        dead = tuple(sorted(number[id(each)] for each in event.freed))
        return (event.phase, event.layer, event.op, born, dead, event.scratch)

    return [words(event) for event in book.events]
