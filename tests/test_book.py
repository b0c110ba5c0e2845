"""The book of a step against the plainest reading of its events: storage by storage, at one batch."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from vgg_profile import ledger, walk
from vgg_profile.core.book import Book
from vgg_profile.core.events import Category, Event, Mark, Phase, Storage, kept
from vgg_profile.core.fold import parts
from vgg_profile.core.setting import Setup
from vgg_profile.core.sizes import Bytes


@st.composite
def books(draw: st.DrawFn) -> Book:
    """Any order of allocations and releases, cut into parts anywhere, some of them empty."""
    live: list[Storage] = []
    events = []
    for number in range(draw(st.integers(1, 12))):
        made = [
            Storage("layer", f"{number}", draw(st.sampled_from(Category)), Bytes(*draw(sizes)))
            for _ in range(draw(st.integers(0, 3)))
        ]
        live += made
        freed = [storage for storage in live if draw(st.booleans())]
        live = [storage for storage in live if storage not in freed]
        events.append(Event(Phase.FORWARD, "layer", "op", tuple(made), tuple(freed)))
    starts = sorted(draw(st.lists(st.integers(0, len(events)), min_size=1, max_size=4)))
    marks = [Mark(Phase.LOAD, "", 0), *(Mark(Phase.FORWARD, "layer", start) for start in starts)]
    return Book(tuple(events), tuple(marks))


sizes = st.tuples(st.integers(0, 1000), st.integers(0, 1000))


def slow(book: Book, batch: int) -> list[tuple[dict[Category, int], dict[Category, int]]]:
    """What is live by category before and after each event's releases."""
    rows = []
    for number in range(len(book.events)):
        made = [s for event in book.events[: number + 1] for s in event.allocated]
        gone = [s for event in book.events[:number] for s in event.freed]
        before = [s for s in made if s not in gone]
        after = [s for s in before if s not in book.events[number].freed]
        rows.append(
            tuple(
                {c: sum(s.size.at(batch) for s in held if s.category is c) for c in Category}
                for held in (before, after)
            )
        )
    return rows  # type: ignore[return-value]


@settings(deadline=None, max_examples=150)
@given(books(), st.integers(1, 1000))
def test_every_moment_is_what_the_events_say(book: Book, batch: int) -> None:
    rows = slow(book, batch)
    nothing = dict.fromkeys(Category, 0)
    ends = [*(mark.event for mark in book.marks), len(book.events)]
    for moment, (first, after) in zip(book.moments(batch), pairwise(ends), strict=True):
        start = rows[first - 1][1] if first else nothing
        end = rows[after - 1][1] if after else nothing
        assert moment.categories == end
        assert moment.live == sum(end.values())
        assert moment.peak == max(sum(each.values()) for each in (start, *(r[0] for r in rows[first:after])))
    assert [live for _, live in book.contents(batch)] == [before for before, _ in rows]
    assert book.levels(batch) == [level for row in rows for level in row]


@settings(deadline=None, max_examples=150)
@given(books(), st.integers(1, 300), st.integers(0, 200_000))
def test_the_peak_and_the_largest_batch_are_those_of_the_events(book: Book, batch: int, limit: int) -> None:
    start = book.marks[1].event
    if start == len(book.events):
        return

    def peak(batch: int) -> int:
        return max(sum(before.values()) for before, _ in slow(book, batch)[start:])

    assert book.peak_bytes(batch) == peak(batch)
    line = book.highest(batch)
    assert line.at(batch) == peak(batch)
    at_peak = {category: size.at(batch) for category, size in book.live_at(line.event).items()}
    assert sum(at_peak.values()) == peak(batch)
    if any(line.per_image for line in book.lines):
        largest = book.guess(limit)
        assert largest == 0 or peak(largest) <= limit
        assert peak(largest + 1) > limit


def test_the_book_of_a_real_step_is_read_so_too() -> None:
    step = ledger(walk("8,M,4,LRN,M", input=16, batch=3, batch_norm=True), Setup(optimizer="adam"))
    rows = slow(step.book, 3)
    assert step.peak.peak == max(sum(before.values()) for before, _ in rows[step.marks[1].event :])
    assert step.moments[-1].live == sum(rows[-1][1].values())


def test_of_events_that_reach_the_same_height_the_first_has_the_peak() -> None:
    weight = Storage("", "weight", Category.WEIGHTS, Bytes(100, 0))
    twice = [Storage("", f"map {n}", Category.ACTIVATIONS, Bytes(8, 4)) for n in (1, 2)]
    events = [Event(Phase.LOAD, "", "load", (weight,), ())]
    events += [Event(Phase.FORWARD, "", "op", (each,), (each,)) for each in twice]
    book = Book(tuple(events), (Mark(Phase.LOAD, "", 0), Mark(Phase.FORWARD, "", 1)))
    assert book.lines == ((108, 4, 1),)
    assert book.highest(7).event == 1


def test_a_part_begins_with_the_row_before_its_first_event() -> None:
    assert parts([[1], [1], [3], [2]], starts=[0, 1, 2]) == [[[0], [1], [1]], [[1], [3], [2]], [[2]]]


def test_what_is_kept_is_what_the_forward_pass_leaves_and_the_loss_no_more() -> None:
    found = kept(ledger(walk("4,M", input=8)).events)
    assert {"conv1_1", "pool1", "fc2"} <= found.keys()
    assert "loss" not in found


def test_a_book_answers_from_its_least_batch_to_its_most() -> None:
    book = Book((), (), least=2, most=5)
    assert [batch for batch in range(1, 8) if book.answers(batch)] == [2, 3, 4, 5]
    assert [batch for batch in range(1, 8) if Book((), (), only=3).answers(batch)] == [3]


def passing(*storages: tuple[int, int]) -> Book:
    """A network of seven bytes, then storages that are taken one by one and given back at once."""
    made = [Storage("layer", "it", Category.ACTIVATIONS, Bytes(*size)) for size in ((7, 0), *storages)]
    events = [
        Event(Phase.FORWARD, "layer", "op", (each,), (each,) if place else ())
        for place, each in enumerate(made)
    ]
    return Book(tuple(events), (Mark(Phase.LOAD, "", 0), Mark(Phase.FORWARD, "layer", 1)))


def test_of_the_lines_those_are_kept_that_are_the_highest_for_some_batch() -> None:
    """Of 100 and 40 + 10 an image the first is higher to batch 6: there 45 + 5 is below, and 90 + 5 above."""
    below, above = passing((100, 0), (45, 5), (40, 10)), passing((100, 0), (90, 5), (40, 10))
    assert [line[:2] for line in below.lines] == [(107, 0), (47, 10)]
    assert [line[:2] for line in above.lines] == [(107, 0), (97, 5), (47, 10)]
    assert above.loaded_bytes == 7
