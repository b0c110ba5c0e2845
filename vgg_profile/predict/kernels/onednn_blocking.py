"""How oneDNN cuts a strided convolution's input gradient into blocks, for batches of float32 products.

It estimates how well each way to cut uses registers, threads and caches, and takes the best. The caches are
the processor's own, so all are asked that processors of a family have: often they agree. The estimate is
oneDNN's, term by term, and changes between versions: what stands here is 3.12.0's.

What is read here is the gradient of the convolution's output, and what is made that of its input. Source:
``src/cpu/x64/jit_brgemm_conv_bwd_utils.cpp``, the function named at each rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import ceil, prod
from typing import NamedTuple

from vgg_profile.core.sizes import FLOAT32
from vgg_profile.predict.kernels.shapes import Convolution, blocks, up

CACHES = tuple(
    (first * 2**10, second * 2**10)
    for first, second in ((32, 256), (32, 512), (32, 1024), (48, 512), (48, 1024), (48, 1280), (48, 2048))
)
"""Bytes of a core's first and second cache, of processors with AVX2 or AVX-512."""

LEAST = 1e-5
"""What is estimated to be worse is left to another kernel: ``min_eff``."""

ROUNDING = 1e-4
"""Estimates that are nearer than this may be ordered by how they are rounded, to float32."""

FIRST_CACHE, SECOND_CACHE, MEMORY = 1.0, 3.0, 15.0
"""What it costs to read a value from there: ``L1_k``, ``L2_k``, ``mem_k``."""


class Cut(NamedTuple):
    """Channels of a block that is made, rows and columns of it, and rows of the window taken at once."""

    channels: int
    rows: int
    columns: int
    window: int


class Loop(NamedTuple):
    """Values read, made and of weights that one turn touches, and how often each is come back to.

    ``overlap`` is how often a value that was read is read again within a turn.
    """

    read: int
    made: int
    weights: int
    reads: int = 1
    makes: int = 1
    fetches: int = 1
    overlap: int = 1


@lru_cache(maxsize=4096)
def cuts(shape: Convolution, register: int, threads: int) -> frozenset[Cut | None]:
    """The cuts that the caches of processors lead to; ``None`` among them where there is none good enough."""
    found: set[Cut | None] = set()
    for first, second in CACHES:
        plans = [
            _Plan(shape, cut, register, threads, first)
            for cut in _candidates(shape, register, threads, second)
        ]
        rated = [(plan.rate(second), plan) for plan in plans]
        best = max((rate / plan.doubt for rate, plan in rated), default=0.0)
        least = max(best, LEAST) * (1 - ROUNDING)
        found |= {plan.cut for rate, plan in rated if rate * plan.doubt >= least}
        if best < LEAST * (1 + ROUNDING):
            found.add(None)
    return frozenset(found)


def _candidates(shape: Convolution, register: int, threads: int, second: int) -> Iterator[Cut]:
    """``try_exec_type``, ``calc_blocks`` and ``iterate_ker_block``."""
    stride, kernel, made = shape.stride, shape.kernel, shape.in_channels
    height, width = shape.height, shape.width
    whole = up(width, stride)
    window = FLOAT32 * kernel**2 * shape.out_channels
    for channels in sorted(_widths(shape, register), reverse=True):
        most = ceil(shape.batch * blocks(made, channels) * height * width / (0.9 * threads))
        most = up(min(most, width), stride) if width % stride else min(most, width)
        row = FLOAT32 * (2 * shape.out_channels * padded(shape)[1] + width * channels)
        beside = window * channels + FLOAT32 * 2 * 16 * channels
        room = min(blocks(second, 2), max(0, second - beside))
        rows = height if padded(shape)[0] * row <= room else max(1, min(height, room // row))
        rows = min(rows, blocks(height, blocks(threads, shape.batch * blocks(made, channels))))
        while rows < height and (rows % stride or (height % stride == 0 and height % rows)):
            rows += 1
        for part in dict.fromkeys((kernel, stride)):
            for columns in dict.fromkeys(blocks(whole, count) for count in range(1, whole + 1)):
                divides = width % stride or width % columns == 0
                if columns <= most and columns % stride == 0 and divides:
                    yield Cut(channels, rows, columns, part)


def _widths(shape: Convolution, register: int) -> set[int]:
    """How many channels a block may hold: up to four registers side by side; ``fast_check_ic_block``."""
    filled, stride = up(shape.in_channels, register), shape.stride
    sides = {register * side for side in range(1, min(4, filled // register) + 1)}
    if filled % 64 or filled >= 192:
        sides.discard(64)
    if filled % 48 or filled > 384 or prod(shape.output_plane) <= 81 * stride**2:
        sides.discard(48)
    return sides


def padded(shape: Convolution) -> tuple[int, int]:
    """Height and width of the map that is read, with the margins that windows reach into: ``init_conf``."""
    before = shape.kernel - 1 - shape.pad
    height, width = (
        read + before // shape.stride + (side + shape.pad - 1 - (read - 1) * shape.stride) // shape.stride
        for side, read in zip((shape.height, shape.width), shape.output_plane, strict=True)
    )
    return height, width


@dataclass(frozen=True)
class _Plan:
    """A cut, for so many threads with a first cache of so many bytes: ``est_eff`` rates it."""

    shape: Convolution
    cut: Cut
    register: int
    threads: int
    first: int

    @property
    def whole(self) -> int:
        """Columns, with those that fill up the last step of the stride."""
        return up(self.shape.width, self.shape.stride)

    @property
    def across(self) -> int:
        """Blocks of columns."""
        return blocks(self.shape.width, self.cut.columns)

    @property
    def down(self) -> int:
        """Blocks of rows."""
        return blocks(self.shape.height, self.cut.rows)

    @property
    def count(self) -> int:
        """Blocks of channels."""
        return blocks(self.shape.in_channels, self.cut.channels)

    @property
    def work(self) -> int:
        return self.shape.batch * self.count * self.down * self.across

    @property
    def job(self) -> int:
        """Blocks that the busiest thread makes."""
        return blocks(self.work, self.threads)

    @cached_property
    def places(self) -> int:
        """Places that a product makes at once: ``bd_block`` of ``brgemm_blocking_vmm``."""
        made, read = self.shape.in_channels, self.shape.out_channels
        rows = blocks(self.cut.columns, self.shape.stride)
        wide = (self.cut.channels if made >= self.cut.channels else made) // self.register
        side = 4 if wide >= 4 else max(1, wide)
        if self.register == 8 and side == 4:  # few registers: one for weights, and no other for the map
            most = min((16 - 1) // (side + 1), 16 // side)
        else:
            most = min(((2 * self.register) - side - 1) // side, 2 * self.register // side)
        best, found = 0.0, most
        for places in range(most, 0, -1):
            rate = rows / up(rows, places) * side * places / ((side + places) * most)
            if FLOAT32 * places * read <= self.first and rate > best:
                best, found = rate, places
        return found

    @property
    def is_channels_first(self) -> bool:
        """Whether a thread goes through blocks of channels before those of places: ``loop_ndhwgc``."""
        shape = self.shape
        is_small = prod(shape.output_plane) < shape.in_channels * shape.kernel**2
        return not is_small or shape.width % shape.stride > 0

    @property
    def doubt(self) -> float:
        """By how much it may be rated wrong: where threads have few blocks each, these hold unlike much."""
        if self.job >= self.threads:
            return 1.0
        return _unlike(self.shape.in_channels, self.cut.channels) * _unlike(self.whole, self.cut.columns)

    def rate(self, second: int) -> float:
        """How well it uses what there is, with a second cache of so many bytes; the best is the largest."""
        shape, cut, places = self.shape, self.cut, self.places
        side = cut.channels // self.register
        kernel = side * places / ((places + side) * 2 * self.register)
        last = cut.columns / up(cut.columns, places)
        steps = (1 + places * (2 - min(1.9, places / cut.columns)) / 64) / 2
        filled = shape.in_channels / up(shape.in_channels, cut.channels)
        evenly = self.whole / up(self.whole, cut.columns)
        cost = self._cost(second) + self.job * blocks(shape.kernel, cut.window)
        values = shape.batch * shape.height * self.whole * shape.in_channels * shape.out_channels
        shared = self.work / up(self.work, self.threads)
        return filled * kernel * evenly * shared * last * steps * values / (self.threads * cost)

    def _loops(self) -> list[Loop]:
        """All that is gone round, from the innermost outward."""
        shape, cut, register = self.shape, self.cut, self.register
        height, window = shape.height, shape.kernel**2
        lanes, block = up(shape.out_channels, register), cut.columns * cut.channels
        of_window = shape.kernel * shape.out_channels  # weights for each channel and row of a window
        ahead = self.down * self.across

        mine = min(self.count, blocks(self.job, 1 if self.is_channels_first else ahead))
        sides = blocks(min(shape.in_channels, mine * cut.channels), register)
        kept = sides if self.is_channels_first else cut.channels // register
        beside = self.count if self.is_channels_first else 1
        strips = min(self.across, blocks(self.job, beside))
        columns = min(self.whole, strips * cut.columns)
        turns = min(self.down, blocks(self.job, self.across * beside))
        rows = min(height, turns * cut.rows)
        images = min(shape.batch, blocks(self.job, ahead * self.count))

        of_places = self._reach(self.places) * lanes
        strip = shape.kernel * self._reach(cut.columns) * lanes
        wide = shape.kernel * self._reach(columns) * lanes
        weights = window * shape.out_channels * register
        few = cut.window * of_window * cut.channels
        whole = window * shape.out_channels * cut.channels
        by_channels = [
            Loop(
                strip if self.is_channels_first else rows * wide,
                block if self.is_channels_first else cut.channels * rows * columns,
                whole,
                reads=mine,
            )
        ]
        return [
            Loop(self._reach(self.places) * register, 0, cut.channels, overlap=register),
            Loop(of_places, 0, cut.channels * shape.out_channels, overlap=shape.kernel),
            Loop(of_places, 0, of_window * cut.channels),
            Loop(
                cut.window * of_places,
                self.places * cut.channels,
                few,
                fetches=blocks(cut.columns, self.places),
            ),
            Loop(
                cut.window * self._reach(cut.columns) * lanes,
                block,
                few,
                makes=blocks(shape.kernel, cut.window),
            ),
            Loop(strip, block, whole),
            *(by_channels if self.is_channels_first else []),
            Loop(strip, cut.columns * register * kept, weights * kept, fetches=strips),
            Loop(cut.rows * wide, columns * register * kept, weights * kept, fetches=turns),
            Loop(rows * wide, rows * columns * register * kept, weights * kept),
            *([] if self.is_channels_first else by_channels),
            Loop(rows * wide, rows * columns * sides * register, weights * sides, fetches=images),
            Loop(
                images * rows * columns * of_window * shape.kernel,
                images * rows * columns * sides * register,
                weights * sides,
            ),
        ]

    def _cost(self, second: int) -> float:
        """What bringing the values in and out through caches costs: ``io_k``, from the outermost inward."""
        loops = self._loops()
        *_, outer = loops
        read, made, weights = outer.read, outer.made // self.register, outer.weights // self.register
        reading = making = fetching = MEMORY
        reads = makes = fetches = 1
        for loop in reversed(loops):
            values = FLOAT32 * (loop.read + loop.made + loop.weights)
            near = SECOND_CACHE if values < second else MEMORY
            nearer = FIRST_CACHE if FLOAT32 * loop.read < self.first else near
            reading = _again(reading, nearer, loop.reads * loop.overlap)
            making, fetching = _again(making, near, loop.makes), _again(fetching, near, loop.fetches)
            reads, makes, fetches = reads * loop.reads, makes * loop.makes, fetches * loop.fetches
        return reading * read * reads + making * made * makes + fetching * weights * fetches

    def _reach(self, places: int) -> int:
        """Columns of the map that a row of the window reads for so many places: ``inp_w``."""
        shape = self.shape
        return min(shape.output_plane[1], (places - 1) * min(shape.kernel, shape.stride) + shape.kernel)


def _again(cost: float, near: float, times: int) -> float:
    """What a value costs that comes from afar once, and from near by at each other time."""
    return (cost + near * (times - 1)) / times


def _unlike(whole: int, block: int) -> float:
    """How much more a full block holds than the last one.

    >>> _unlike(20, 8), _unlike(24, 8), _unlike(3, 8)
    (2.0, 1.0, 1.0)
    """
    rest = whole % block
    return block / rest if rest and whole > block else 1.0
