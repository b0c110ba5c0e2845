"""PyTorch's caching allocator on CUDA, replayed: what is allocated in blocks and reserved in segments.

A program asks for **requested** bytes. The allocator rounds them up to a block of 512 bytes and may hand out
an unsplit remainder with it: the **allocated** bytes. It takes memory from the card in segments, which
it keeps when their blocks are free: the **reserved** bytes.

Source: ``c10/cuda/CUDACachingAllocator.cpp``, 2.6 to 2.11, without the options ``max_split_size_mb``,
``roundup_power2_divisions`` and ``garbage_collection_threshold``; one stream. Held event by event against
the history of an H100 (``tests/data/h100``).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count

BLOCK = 512
"""Every block is a multiple of this (``kMinBlockSize``)."""
SMALL = 2**20
"""The largest request that the small pool serves (``kSmallSize``)."""
SMALL_SEGMENT = 2 * 2**20
"""What the small pool takes from the card at a time (``kSmallBuffer``)."""
LARGE_SEGMENT = 20 * 2**20
"""What a request below ``LARGE_REQUEST`` takes from the card (``kLargeBuffer``)."""
LARGE_REQUEST = 10 * 2**20
"""From here on a segment is the request, rounded up to ``LARGE_ROUNDING`` (``kMinLargeAlloc``)."""
LARGE_ROUNDING = 2 * 2**20
"""``kRoundLarge``."""
ADDRESS_SPACE = 2**50
"""Further than any expandable segment grows."""


class DoesNotFitError(MemoryError):
    """The card's limit was reached, even after every free segment was given back."""

    def __init__(self, requested: int) -> None:
        super().__init__(f"{requested:,} bytes were requested beyond the limit")
        self.requested = requested


@dataclass(eq=False, slots=True)
class Block:
    """A piece of a segment, between its neighbours; ``address`` is that of its first byte."""

    address: int
    size: int
    is_small: bool
    is_mapped: bool = True
    requested: int | None = None
    """The bytes that were asked for; ``None`` while it is free."""
    before: Block | None = None
    after: Block | None = None

    @property
    def is_free(self) -> bool:
        return self.requested is None

    @property
    def is_whole_segment(self) -> bool:
        return self.before is None and self.after is None


@dataclass(slots=True)
class Counter:
    """Bytes now, and at most since the last reset."""

    current: int = 0
    peak: int = 0

    def add(self, size: int) -> None:
        self.current += size
        self.peak = max(self.peak, self.current)


class _Pool:
    """Free blocks by size, then address: the first that is large enough is the best fit."""

    def __init__(self) -> None:
        self._blocks: list[tuple[int, int, Block]] = []

    def add(self, block: Block) -> None:
        insort(self._blocks, (block.size, block.address, block))

    def remove(self, block: Block) -> None:
        del self._blocks[bisect_left(self._blocks, (block.size, block.address))]

    def at_least(self, size: int) -> Iterator[Block]:
        """The blocks that are large enough, best fit first."""
        for place in range(bisect_left(self._blocks, (size,)), len(self._blocks)):
            yield self._blocks[place][-1]

    def __iter__(self) -> Iterator[Block]:
        return iter([block for _, _, block in self._blocks])


def rounded(size: int) -> int:
    """A request as a block: a multiple of 512 bytes, at least one.

    >>> rounded(0), rounded(513)
    (512, 1024)
    """
    return max(BLOCK, -(-size // BLOCK) * BLOCK)


def segment_size(size: int) -> int:
    """What is taken from the card for a block that no free block can hold.

    >>> segment_size(512), segment_size(2 * 2**20), segment_size(10 * 2**20 + 1)
    (2097152, 20971520, 12582912)
    """
    if size <= SMALL:
        return SMALL_SEGMENT
    if size < LARGE_REQUEST:
        return LARGE_SEGMENT
    return -(-size // LARGE_ROUNDING) * LARGE_ROUNDING


@dataclass(slots=True)
class CachingAllocator:
    """The allocator of one device and one stream, empty at first.

    ``limit`` is what may be reserved in all, in bytes; ``None`` is no limit. ``expandable`` is PyTorch's
    ``expandable_segments:True``: one growing segment a pool instead of many. ``address_of_next`` gives
    the address of a new segment of a size; addresses decide between blocks of one size. ``log`` is told what
    PyTorch's own history tells: an action, an address and a size in bytes.
    """

    limit: int | None = None
    expandable: bool = False
    address_of_next: Callable[[int], int] | None = None
    log: Callable[[str, int, int], None] = lambda action, address, size: None
    requested: Counter = field(default_factory=Counter)
    allocated: Counter = field(default_factory=Counter)
    reserved: Counter = field(default_factory=Counter)
    retries: int = 0
    """How often every free segment was given back to make room."""
    _pools: tuple[_Pool, _Pool] = field(default_factory=lambda: (_Pool(), _Pool()))
    _unmapped: tuple[list[Block], list[Block]] = field(default_factory=lambda: ([], []))
    _bases: dict[bool, int] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def malloc(self, size: int) -> Block:
        """Hand out a block for so many bytes; raises :class:`DoesNotFitError` at the limit."""
        wanted = rounded(size)
        pool = self._pools[wanted <= SMALL]
        block = self._best_fit(pool, wanted) or self._new(pool, wanted)
        if block is None:
            self.retries += 1
            self.empty_cache()
            block = self._new(pool, wanted)
        if block is None:
            raise DoesNotFitError(size)
        pool.remove(block)
        self._split(pool, block, wanted)
        block.requested = size
        self.requested.add(size)
        self.allocated.add(block.size)
        self.log("alloc", block.address, size)
        return block

    def free(self, block: Block) -> None:
        """Take a block back; free neighbours become one."""
        if block.requested is None:
            raise ValueError("the block is free already")
        for action in ("free_requested", "free_completed"):
            self.log(action, block.address, block.requested)
        self.requested.add(-block.requested)
        self.allocated.add(-block.size)
        block.requested = None
        self._merge_and_keep(block)

    def empty_cache(self) -> None:
        """Give every free segment back to the card."""
        for pool in self._pools:
            for block in pool:
                if self.expandable:
                    self._unmap(pool, block)
                elif block.is_whole_segment:
                    pool.remove(block)
                    self.reserved.add(-block.size)
                    self.log("segment_free", block.address, block.size)

    @property
    def free_blocks(self) -> tuple[tuple[int, int], ...]:
        """Size and address of each, the small pool's last."""
        return tuple((block.size, block.address) for pool in self._pools for block in pool)

    def segments(self, held: Iterable[Block]) -> list[list[Block]]:
        """Every segment as its blocks in order, given those that are in use; by address.

        What is mapped of an expandable segment in one piece is one.
        """
        every = sorted(
            (*held, *(block for pool in self._pools for block in pool)), key=lambda each: each.address
        )
        found: list[list[Block]] = []
        for block in every:
            if found and block.before is found[-1][-1]:
                found[-1].append(block)
            else:
                found.append([block])
        return found

    # -- finding a block ------------------------------------------------------------------------

    def _best_fit(self, pool: _Pool, size: int) -> Block | None:
        """The smallest free block that is large enough; with expandable segments, one counts as its room."""
        candidates = pool.at_least(size)
        best = next(candidates, None)
        if best is None or not self.expandable:
            return best
        for block in candidates:
            if _room(block) >= _room(best):
                break
            best = block
        return best

    def _new(self, pool: _Pool, size: int) -> Block | None:
        """A block of a new segment, or of one that grows, in the pool; ``None`` beyond the limit."""
        if self.expandable:
            return self._grow(pool, size)
        whole = segment_size(size)
        if not self._may_reserve(whole):
            return None
        self.reserved.add(whole)
        block = Block(self._address(whole), whole, is_small=size <= SMALL)
        self.log("segment_alloc", block.address, whole)
        pool.add(block)
        return block

    def _may_reserve(self, size: int) -> bool:
        return self.limit is None or self.reserved.current + size <= self.limit

    def _address(self, size: int) -> int:
        if self.address_of_next is not None:
            return self.address_of_next(size)
        return next(self._numbers) * ADDRESS_SPACE

    # -- splitting and merging -------------------------------------------------------------------

    def _split(self, pool: _Pool, block: Block, size: int) -> None:
        """Keep what a block has too much, if it is enough to be worth it."""
        rest = block.size - size
        if rest < BLOCK if block.is_small or self.expandable else rest <= SMALL:
            return
        after = _cut(block, size)
        if after is not None:
            pool.add(after)

    def _merge_and_keep(self, block: Block) -> Block:
        """Put a free block into its pool, as one with its free neighbours."""
        pool = self._pools[block.is_small]
        for neighbour in (block.before, block.after):
            if neighbour is not None and neighbour.is_free and neighbour.is_mapped:
                pool.remove(neighbour)
        _join(block)
        pool.add(block)
        return block

    # -- expandable segments ----------------------------------------------------------------------

    def _grow(self, pool: _Pool, size: int) -> Block | None:
        """Map address space until a free block of the size stands there; ``None`` at the limit.

        It is the unmapped space of the lowest address that has room, together with a free block before it.
        """
        block: Block | None = self._space_for(size)
        if block is not None and not block.is_mapped:
            block = self._map(block, min(size, block.size))
        while block is not None and block.size < size:
            assert block.after is not None  # there is room
            block = self._map(block.after, min(size - block.size, block.after.size))
        return block

    def _space_for(self, size: int) -> Block:
        """The first of the free blocks in a row that have room for so much, once they are all mapped."""
        is_small = size <= SMALL
        spaces = self._unmapped[is_small]
        for block in spaces:
            first = block.before if block.before is not None and block.before.is_free else block
            if _free_from(first) >= size:
                return first
        self._bases[is_small] = self._address(ADDRESS_SPACE)
        whole = Block(self._bases[is_small], ADDRESS_SPACE, is_small, is_mapped=False)
        spaces.append(whole)
        return whole

    def _map(self, block: Block, size: int) -> Block | None:
        """Map so much of unmapped space, in whole pages, and join it with its free neighbours."""
        page = SMALL_SEGMENT if block.is_small else LARGE_SEGMENT
        mapped = -(-size // page) * page
        if not self._may_reserve(mapped):
            return None
        self.reserved.add(mapped)
        self.log("segment_map", block.address, mapped)
        spaces = self._unmapped[block.is_small]
        place = spaces.index(block)
        spaces[place : place + 1] = [rest] if (rest := _cut(block, mapped)) else []
        block.is_mapped = True
        return self._merge_and_keep(block)

    def _unmap(self, pool: _Pool, block: Block) -> None:
        """Give the whole pages of a free block back; what is left of it stays free."""
        page = SMALL_SEGMENT if block.is_small else LARGE_SEGMENT
        base = self._bases[block.is_small]
        first = base - (base - block.address) // page * page
        last = base + (block.address + block.size - base) // page * page
        if first >= last:
            return
        pool.remove(block)
        if first > block.address:
            before, block = block, _cut(block, first - block.address) or block
            pool.add(before)
        if after := _cut(block, last - first):
            pool.add(after)
        self.reserved.add(first - last)
        self.log("segment_unmap", first, last - first)
        block.is_mapped = False
        spaces = self._unmapped[block.is_small]
        for neighbour in (block.before, block.after):
            if neighbour is not None and not neighbour.is_mapped:
                spaces.remove(neighbour)
        _join(block)
        insort(spaces, block, key=lambda space: space.address)


def _free_from(block: Block | None) -> int:
    """The bytes of the free blocks in a row from one on, mapped or not."""
    size = 0
    while block is not None and block.is_free:
        size += block.size
        block = block.after
    return size


def _cut(block: Block, size: int) -> Block | None:
    """Shorten a block to a size; the rest as a block after it, if there is a rest."""
    if size == block.size:
        return None
    rest = Block(
        block.address + size,
        block.size - size,
        block.is_small,
        block.is_mapped,
        before=block,
        after=block.after,
    )
    if rest.after is not None:
        rest.after.before = rest
    block.after, block.size = rest, size
    return rest


def _join(block: Block) -> None:
    """Make a free block one with the free neighbours that are mapped like it."""
    for other in (block.before, block.after):
        if other is None or not other.is_free or other.is_mapped is not block.is_mapped:
            continue
        if other is block.before:
            block.address, block.before = other.address, other.before
        else:
            block.after = other.after
        block.size += other.size
    if block.before is not None:
        block.before.after = block
    if block.after is not None:
        block.after.before = block


def _room(block: Block) -> int:
    """How large a block of an expandable segment can become."""
    after = block.after
    return block.size + (after.size if after is not None and not after.is_mapped else 0)
