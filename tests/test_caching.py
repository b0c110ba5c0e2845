"""CUDA's caching allocator, replayed: against an H100's history, and against a slow, obvious twin."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vgg_profile.predict import caching
from vgg_profile.predict.caching import CachingAllocator, DoesNotFitError, rounded, segment_size

H100 = Path(__file__).parent / "data" / "h100"
HISTORIES = sorted(path.name.removesuffix(".json.gz") for path in H100.glob("net-*.json.gz"))
MIB = 2**20


@cache
def history(name: str) -> Any:
    return json.loads(gzip.decompress((H100 / f"{name}.json.gz").read_bytes()))


def replay(events: list[list[Any]]) -> CachingAllocator:
    """Every request and release of a history, each block held against the address that it really had.

    A new segment is given its real address; where blocks lie within it, and when one is needed, is ours.
    """
    expandable = any(action == "segment_map" for action, *_ in events)
    addresses = iter([address for action, address, *_ in events if action == "segment_alloc"])
    mapped = 0
    allocator = CachingAllocator(
        expandable=expandable, address_of_next=lambda size: mapped if expandable else next(addresses)
    )
    blocks: dict[int, caching.Block] = {}
    before = ""
    for action, address, size, _ in events:
        if action == "segment_map":
            mapped = address
        elif action == "alloc":
            block = blocks[address] = allocator.malloc(size)
            assert block.address == address
        elif action == "free_completed":
            allocator.free(blocks.pop(address))
        elif action in ("segment_free", "segment_unmap") and action != before:
            allocator.empty_cache()
        before = action
    return allocator


@pytest.mark.parametrize("name", HISTORIES)
def test_every_block_lies_where_it_lay_on_the_h100(name: str) -> None:
    answer = history(name)
    allocator = replay(answer["trace"])
    real = answer["stats"]
    for counter in ("requested", "allocated", "reserved"):
        assert getattr(allocator, counter).current == real[f"{counter}.current"]
    used = {mark: stats["reserved.peak"] for mark, _, stats in answer["marks"]}
    if not answer["spec"].keys() & {
        "fraction",
        "cudnn",
    }:  # those gave segments back before the peak was reset
        assert allocator.reserved.peak == max(used.values())


def test_a_wrong_rule_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching, "LARGE_ROUNDING", MIB)
    with pytest.raises((AssertionError, StopIteration)):
        assert (
            replay(history("net-D")["trace"]).reserved.current
            == history("net-D")["stats"]["reserved.current"]
        )


class Twin:
    """The same rules, as slowly and plainly as they can be written: segments are lists of [bytes, holder]."""

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.segments: list[tuple[bool, list[list[int]]]] = []

    @property
    def reserved(self) -> int:
        return sum(size for _, blocks in self.segments for size, _ in blocks)

    @property
    def allocated(self) -> int:
        return sum(size for _, blocks in self.segments for size, holder in blocks if holder)

    def malloc(self, size: int, holder: int) -> bool:
        size = rounded(size)
        small = size <= MIB
        if not self.place(size, holder, small):
            whole = segment_size(size)
            if self.limit is not None and self.reserved + whole > self.limit:
                self.segments = [each for each in self.segments if any(used for _, used in each[1])]
            if self.limit is not None and self.reserved + whole > self.limit:
                return False
            self.segments.append((small, [[whole, 0]]))
            assert self.place(size, holder, small)
        return True

    def place(self, size: int, holder: int, small: bool) -> bool:
        free = [
            (block[0], number, place)
            for number, (is_small, blocks) in enumerate(self.segments)
            for place, block in enumerate(blocks)
            if is_small is small and not block[1] and block[0] >= size
        ]
        if not free:
            return False
        whole, number, place = min(free)
        rest = whole - size
        blocks = self.segments[number][1]
        if rest >= 512 if small else rest > MIB:
            blocks[place : place + 1] = [[size, holder], [rest, 0]]
        else:
            blocks[place] = [whole, holder]
        return True

    def free(self, holder: int) -> None:
        for _, blocks in self.segments:
            for block in blocks:
                block[1] = 0 if block[1] == holder else block[1]
            place = 1
            while place < len(blocks):
                if not blocks[place][1] and not blocks[place - 1][1]:
                    blocks[place - 1][0] += blocks.pop(place)[0]
                else:
                    place += 1


def requests() -> st.SearchStrategy[list[tuple[int, int]]]:
    """Sizes to ask for, each with how many requests later it is let go."""
    size = st.one_of(st.integers(0, 4096), st.integers(1, 3 * MIB), st.integers(8 * MIB, 40 * MIB))
    return st.lists(st.tuples(size, st.integers(1, 12)), max_size=60)


@settings(deadline=None, max_examples=150)
@given(requests(), st.sampled_from([None, 64 * MIB, 200 * MIB]))
def test_it_agrees_with_a_slow_and_obvious_twin(asked: list[tuple[int, int]], limit: int | None) -> None:
    allocator, twin = CachingAllocator(limit=limit), Twin(limit)
    held: dict[int, tuple[caching.Block, int]] = {}
    for number, (size, lasts) in enumerate(asked, start=1):
        try:
            held[number] = allocator.malloc(size), number + lasts
        except DoesNotFitError:
            assert not twin.malloc(size, number)
        else:
            assert twin.malloc(size, number)
        for old in [old for old, (_, until) in held.items() if until == number]:
            allocator.free(held.pop(old)[0])
            twin.free(old)
        assert allocator.requested.current <= allocator.allocated.current <= allocator.reserved.current
        assert allocator.allocated.current == twin.allocated
        assert allocator.reserved.current == twin.reserved


@settings(deadline=None, max_examples=100)
@given(requests())
def test_expandable_segments_hold_the_laws_and_give_everything_back(asked: list[tuple[int, int]]) -> None:
    allocator = CachingAllocator(expandable=True)
    held: dict[int, tuple[caching.Block, int]] = {}
    for number, (size, lasts) in enumerate(asked, start=1):
        held[number] = allocator.malloc(size), number + lasts
        for old in [old for old, (_, until) in held.items() if until == number]:
            allocator.free(held.pop(old)[0])
        assert allocator.requested.current <= allocator.allocated.current <= allocator.reserved.current
        assert allocator.reserved.current % caching.SMALL_SEGMENT == 0
        assert disjoint(block for block, _ in held.values())
    for block, _ in held.values():
        allocator.free(block)
    allocator.empty_cache()
    assert allocator.reserved.current == allocator.allocated.current == 0


def disjoint(blocks: Iterator[caching.Block]) -> bool:
    spans = sorted((block.address, block.address + block.size) for block in blocks)
    return all(end <= start for (_, end), (start, _) in pairwise(spans))


def test_a_block_is_let_go_once() -> None:
    allocator = CachingAllocator()
    block = allocator.malloc(100)
    allocator.free(block)
    with pytest.raises(ValueError, match="free already"):
        allocator.free(block)


def test_at_the_limit_free_segments_are_given_back_first() -> None:
    allocator = CachingAllocator(limit=50 * MIB)
    allocator.free(allocator.malloc(30 * MIB))
    assert allocator.malloc(40 * MIB).size == 40 * MIB
    assert allocator.retries == 1
    with pytest.raises(DoesNotFitError, match="31,457,280 bytes"):
        allocator.malloc(30 * MIB)
