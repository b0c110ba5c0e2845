"""CUDA's caching allocator, replayed: against an H100's history, and against a slow, obvious twin."""

from __future__ import annotations

import gzip
import json
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


Told = list[tuple[str, int, int]]


def replay(
    events: list[list[Any]], limit: int | None = None, before_it: tuple[tuple[int, int], ...] = ()
) -> tuple[CachingAllocator, Told]:
    """Every request and release of a history, each block held against the address that it really had.

    A new segment is given its real address; where blocks lie within it, and when one is needed, is ours, and
    so is what is told of it. ``before_it`` are sizes that were taken before, and where their segments lie;
    with a ``limit`` every "oom" is a request that has to fail.
    """
    expandable = any(action == "segment_map" for action, *_ in events)
    addresses = iter(
        [address for _, address in before_it]
        + [address for action, address, *_ in events if action == "segment_alloc"]
    )
    mapped = 0
    told: Told = []
    allocator = CachingAllocator(
        limit=limit,
        expandable=expandable,
        address_of_next=lambda size: mapped if expandable else next(addresses),
        log=lambda *action: told.append(action),
    )
    for size, _ in before_it:
        allocator.malloc(size)
    told.clear()
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
        elif action == "oom" and limit is not None:
            with pytest.raises(DoesNotFitError):
                allocator.malloc(size)
            told.append(("oom", address, size))
        elif limit is None and action in ("segment_free", "segment_unmap") and action != before:
            allocator.empty_cache()
        before = action
    return allocator, told


def actions(events: list[list[Any]]) -> Told:
    """What a history tells, but for the marks of whoever recorded it."""
    return [(action, address, size) for action, address, size, _ in events if action != "snapshot"]


def test_a_limit_may_be_met_exactly() -> None:
    segment = 2 * MIB
    CachingAllocator(limit=segment).malloc(1)
    with pytest.raises(DoesNotFitError):
        CachingAllocator(limit=segment - 1).malloc(1)


@pytest.mark.parametrize("name", HISTORIES)
def test_every_block_lies_where_it_lay_on_the_h100(name: str) -> None:
    answer = history(name)
    allocator, told = replay(answer["trace"])
    real = answer["stats"]
    if "oom" not in {action for action, *_ in answer["trace"]}:
        assert told == actions(answer["trace"])  # nothing more, nothing less, in this order
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
            replay(history("net-D")["trace"])[0].reserved.current
            == history("net-D")["stats"]["reserved.current"]
        )


LIMITS = [
    f"edge-{name} {which}"
    for name in (
        "gib-8_net-D",
        "gib-8_net-D_opt-adam",
        "gib-10_net-E_opt-adam_amp-bfloat16",
        "gib-12_net-D_checkpoint-1",
        "gib-12_net-D_opt-momentum",
        "gib-24_net-D",
    )
    for which in ("best", "worst")
]
"""Of the others it is not known how the segments lay when their history began."""


@pytest.mark.parametrize("name", LIMITS)
def test_at_a_limit_the_same_segments_are_given_back_and_memory_runs_out_at_the_same_request(
    name: str,
) -> None:
    """The batch that ran, and the first that did not: every action of two steps, retries and refusals too.

    cuBLAS's workspaces were there before; that of cublasLt is the first half of the small segment.
    """
    file, which = name.split()
    answer = history(file)
    events, limit = answer[which][-1], answer["spec"]["gib"] * 2**30
    first = next(address for action, address, *_ in events if action == "alloc")
    workspaces = ((32 * MIB, 1 << 60), (MIB, first - MIB), (32 * MIB, 1 << 61))
    allocator, told = replay(events, limit, workspaces)
    assert told == actions(events)
    assert allocator.reserved.peak == answer[which][3]["reserved.peak"]


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
        assert_segments(allocator, [block for block, _ in held.values()])
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
        assert_segments(allocator, [block for block, _ in held.values()])
    for block, _ in held.values():
        allocator.free(block)
    allocator.empty_cache()
    assert allocator.reserved.current == allocator.allocated.current == 0


def assert_segments(allocator: CachingAllocator, held: list[caching.Block]) -> None:
    """Blocks lie side by side and fill their segments; of two free ones side by side there would be one."""
    segments = allocator.segments(held)
    assert sum(block.size for blocks in segments for block in blocks) == allocator.reserved.current
    for blocks in segments:
        for block, after in pairwise(blocks):
            assert block.address + block.size == after.address
            assert not (block.is_free and after.is_free)
        assert all(block.size % caching.BLOCK == 0 for block in blocks)
        assert len({block.is_small for block in blocks}) == 1
        assert all((block.requested or 0) <= block.size for block in blocks)


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
