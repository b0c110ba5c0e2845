"""Books of one network at several batches: of one course they have a line, of several they have none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vgg_profile.core.book import Book
from vgg_profile.core.events import Category, Event, Mark, Phase, Storage
from vgg_profile.core.sizes import Bytes
from vgg_profile.predict.fake.affine import Course


def book(*sizes: int, ends: int = 1, op: str = "relu", layer: str = "net") -> Book:
    """A storage of each size, one after the other; the first is let go after ``ends`` of them."""
    born = [Storage(layer, "output", Category.ACTIVATIONS, Bytes(size, 0)) for size in sizes]
    events = [
        Event(Phase.FORWARD, layer, op, (each,), (born[0],) if place == ends else ())
        for place, each in enumerate(born)
    ]
    return Book(tuple(events), (Mark(Phase.FORWARD, layer, 0),))


@pytest.mark.parametrize(
    "other",
    [
        book(8, 8, ends=1, op="relu_"),
        book(8, 8, ends=1, layer="fc"),
        book(8, 8, ends=2),
        book(8, 8, 8, ends=1),
        replace(book(8, 8), marks=()),
    ],
    ids=["another operation", "another layer", "another end", "one more", "other marks"],
)
def test_what_is_told_otherwise_is_another_course(other: Book) -> None:
    course = Course(1, book(4, 4))
    assert course.takes(2, book(8, 8))
    assert not course.takes(3, other)
    assert 3 not in course


def test_each_batch_has_its_sizes_and_a_line_has_all_of_them() -> None:
    course = Course(1, book(6, 9))
    assert course.takes(2, book(8, 9))
    assert course.takes(7, book(18, 9))
    line = course.line(1, 2, 7)
    assert line is not None
    for batch in (1, 2, 7):
        for whole in (course.at(batch), line):
            taken = [each.size.at(batch) for event in whole.events for each in event.allocated]
            assert taken == [4 + 2 * batch, 9]
        assert course.fits(line, batch)
    assert [[each.size for each in event.freed] for event in line.events] == [[], [Bytes(4, 2)]]


@pytest.mark.parametrize("sizes", [(4, 6, 9), (4, 3, 2), (4, 5, 5)], ids=["bent", "falling", "uneven"])
def test_what_is_on_no_line_has_none(sizes: tuple[int, int, int]) -> None:
    course = Course(1, book(sizes[0]))
    assert course.takes(2, book(sizes[1]))
    assert course.takes(3, book(sizes[2]))
    assert course.line(1, 2, 3) is None
    if line := course.line(1, 2):
        assert not course.fits(line, 3)


def test_a_line_through_batches_further_apart_is_one_of_whole_bytes() -> None:
    course = Course(2, book(4))
    assert course.takes(5, book(8))  # four bytes in three images
    assert course.line(2, 5) is None
