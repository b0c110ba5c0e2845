"""How oneDNN's threads share a weight's gradient, and what they book for it.

A gradient is a sum over the batch. Threads split the images, the output's channels and the input's; those
that share images each sum a copy of their own. How they split follows a cost that oneDNN estimates, and the
estimate changes between versions: what stands here is 3.12.0's. At one thread nothing is shared, and nothing
booked but what :func:`bfloat16` needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from vgg_profile.core.sizes import FLOAT32, HALF
from vgg_profile.predict.kernels.shapes import Convolution, blocks, up

BOOKING = 128
"""Added to every booking of a scratchpad: ``memory_tracking.hpp``, ``default_alignment``."""

PAGE = 4096
"""A barrier, and its alignment."""

BARRIER = 2 * PAGE

SECOND_CACHE = 2 * 2**20
"""Bytes of the largest second cache that a core has: a thread's blocks are chosen to stay within it."""


class Split(NamedTuple):
    """How many threads share the images, the output's blocks of channels, and the input's."""

    images: int
    outputs: int
    inputs: int

    @property
    def used(self) -> int:
        return self.images * self.outputs * self.inputs


def _splits(threads: int, images: int, outputs: int, inputs: int) -> Iterator[Split]:
    """Every split that oneDNN considers, in its order: ``balance`` in each of its kernels."""
    for share in range(1, min(threads, images) + 1):
        rest = threads // share
        for width in range(1, min(rest, outputs) + 1):
            yield Split(share, width, min(rest // width, inputs))


def _least(splits: Iterator[Split], cost: Callable[[Split], float]) -> Split:
    """The last split of the least cost; none is better than one thread."""
    best = Split(1, 1, 1)
    least = cost(best)
    for split in splits:
        here = cost(split)
        if here <= least:
            best, least = split, here
    return best


def _filled(split: Split, threads: int, images: int) -> Split:
    """Over half of the threads on images: then all of them."""
    if threads // 2 < split.images < threads:
        return split._replace(images=min(images, threads))
    return split


def direct_16(shape: Convolution, read: int, threads: int) -> int:
    """AVX-512, a window of several values: ``jit_avx512_common_conv_bwd_weights_kernel_f32::balance``.

    ``read`` is the input's channels as they are read. A copy of the gradients of weight and bias for each
    thread that shares the images but the first, and a barrier.
    """
    rows = 9  # at least so many rows of the output a thread
    block = read if read < 16 else 16
    inputs, outputs = blocks(read, block), blocks(shape.out_channels, 16)
    window = shape.kernel**2
    is_tall = shape.output_plane[0] > rows
    (tall_in, flat_in), (tall, flat) = (
        (height, 1) if is_tall else (1, height) for height in (shape.height, shape.output_plane[0])
    )
    work = shape.batch * tall
    images = shape.batch * max(1, tall // rows)

    def memory(split: Split) -> int:
        share, wide, deep = (
            blocks(work, split.images),
            blocks(outputs, split.outputs),
            blocks(inputs, split.inputs),
        )
        values = blocks(shape.batch * tall_in, split.images) * deep * block * flat_in * shape.width
        maps = values // shape.stride // shape.stride + share * wide * 16 * flat * shape.output_plane[1]
        return maps + 8 * wide * deep * window * block * 16

    def computing(split: Split) -> int:
        return blocks(work, split.images) * blocks(outputs, split.outputs) * blocks(inputs, split.inputs)

    considered = list(_splits(threads, images, outputs, inputs))
    best = _least(iter(considered), memory)
    least_memory, least_computing = memory(best), computing(best)
    for split in considered:
        used, computed = memory(split), computing(split)
        if (computed <= least_computing and used < 1.1 * least_memory) or 4 * computed <= 3 * least_computing:
            best, least_computing = split, computed
    best = _filled(best, threads, images)
    booked = 0
    co = up(shape.out_channels, 16)
    if best.images > 1:
        booked += (co * read * window + co) * (best.images - 1) * FLOAT32 + BOOKING + BARRIER
    if shape.has_bias and best.used > 1:
        booked += _reducer(best.used, 16, co // 16, shape.batch, best.used * 3 * 5 * 5 * 256)
    return booked


def direct_8(shape: Convolution, block: int, threads: int) -> int:
    """AVX2, a window of several values, an input in blocks of channels: ``jit_avx2_convolution.hpp``."""
    outputs, inputs = blocks(shape.out_channels, 8), blocks(shape.in_channels, block)
    most = 2 * 2**20
    booked = _reducer(threads, shape.kernel**2 * block * 8, inputs * outputs, shape.batch, most)
    return booked + (_reducer(threads, 8, outputs, shape.batch, most) if shape.has_bias else 0)


def pointwise_16(shape: Convolution, threads: int) -> int:
    """AVX-512, a 1×1 window: ``jit_avx512_common_1x1_convolution.hpp`` and its kernel's ``init_conf``."""
    if threads == 1:
        return 0
    plane = shape.height * shape.width
    places = _divider(plane, 7, 16, prefers_large=True)
    if plane % places:
        places = _divider(shape.width, 4, shape.width, prefers_large=False)
    if places > 256:
        places = 1
    inputs, outputs = blocks(shape.in_channels, 16), blocks(shape.out_channels, 16)
    work = shape.batch * blocks(plane, places)

    def memory(split: Split) -> int:
        share, wide, deep = (
            blocks(work, split.images),
            blocks(outputs, split.outputs),
            blocks(inputs, split.inputs),
        )
        return share * 16 * places * (deep + wide) + 12 * wide * deep * 256

    best = _filled(_least(_splits(threads, work, outputs, inputs), memory), threads, shape.batch)
    booked = 0
    if best.images > 1:
        booked += inputs * 16 * outputs * 16 * (best.images - 1) * FLOAT32 + BOOKING + BARRIER
    if shape.has_bias and best.used > 1:
        booked += _reducer(best.used, 16, outputs, shape.batch, best.used * 3 * 5 * 5 * 256)
    return booked


def pointwise_8(shape: Convolution, threads: int) -> int:
    """AVX2, a 1×1 window: ``jit_avx2_1x1_convolution.hpp`` and its kernel's ``init_conf``."""
    outputs, inputs = blocks(shape.out_channels, 8), blocks(shape.in_channels, 8)
    wide, deep = _within(outputs, 32), _within(inputs, 9)
    job = wide * deep * 64
    most = threads * job * 8
    jobs = blocks(inputs, deep) * blocks(outputs, wide)
    booked = _reducer(threads, 8, outputs, shape.batch, most) if shape.has_bias else 0
    groups, members, each = _balanced(threads, job, jobs, shape.batch * shape.height * shape.width, most)
    if members > 1:
        booked += groups * members * each * job * FLOAT32 + BOOKING + PAGE * groups + PAGE
    return booked


def bfloat16(shape: Convolution, threads: int, *, has_bfloat16: bool) -> int:
    """bfloat16, a window of several values: ``jit_avx512_core_bf16_conv_kernel.cpp``, backward by weights.

    Transposed copies of the maps in pairs of values, and a float32 copy of the gradients for each thread that
    shares the images, the first, too.
    """
    height, width, batch = shape.height, shape.width, shape.batch
    is_image = shape.in_channels < 16
    block = shape.in_channels if is_image else 16
    read, co = up(shape.in_channels, block), up(shape.out_channels, 16)
    inputs, outputs = read // block, co // 16
    before = shape.kernel // 2
    in_strips = is_image and width >= 124 and height > 1 and co * height * width >= SECOND_CACHE // 4
    margin = up(before + 1, 2)
    in_width = width if is_image else up(width + margin, 2)
    out_width = up(width, 2)
    held = (block * in_width + 16 * out_width) * HALF * max(1, before)
    whole_images = has_bfloat16 and not is_image and held <= 48 * 2**10 and read >= 128
    work = batch if whole_images else batch * height

    source, gradient = (
        batch * channels * height * wide * HALF for channels, wide in ((read, in_width), (co, out_width))
    )
    intensity = 0.5 * (gradient + source) / (co * read * shape.kernel**2 * FLOAT32)
    ratio = outputs / inputs
    of_source = max(1 / ratio, 1.0) * (4.0 if intensity < 1 else 1.0)
    of_gradient, of_weight = max(ratio, 1.0), max(intensity, 1.0)

    def cost(split: Split) -> float:
        share, wide, deep = (
            blocks(work, split.images),
            blocks(outputs, split.outputs),
            blocks(inputs, split.inputs),
        )
        return (
            of_source * share * deep * batch * block * height * in_width / work
            + of_gradient * share * wide * batch * 16 * height * out_width / work
            + of_weight * wide * deep * shape.kernel**2 * block * 16
        )

    best = _filled(_least(_splits(threads, work, outputs, inputs), cost), threads, work)
    together = not in_strips
    size = 0 if is_image else in_width * block * height
    count = 0 if is_image else best.images * inputs if together else best.used
    booked = (size * count + margin) * HALF + BOOKING
    if together and best.outputs > 1:
        booked += PAGE * (best.used // best.outputs) + PAGE
    booked += out_width * 16 * height * (best.images * outputs if together else best.used) * HALF + BOOKING
    if together and best.inputs > 1:
        booked += PAGE * (best.used // best.inputs) + PAGE
    sums = co * read * shape.kernel**2 + (co if shape.has_bias else 0)
    booked += sums * best.images * FLOAT32 + BOOKING
    return booked + (BARRIER if together else 0)


def tiles(shape: Convolution, threads: int) -> tuple[int, bool]:
    """bfloat16 with matrix tiles: ``init_conf_bwd_w``, ``balance_bwd_w`` and ``init_scratchpad_bwd_w``.

    Both maps transposed, as far as the second cache holds them, and a float32 copy of the gradients for each
    thread that shares the images. Also, whether it is known exactly: where threads are many for the batch or
    the channels, other ways to share are sought, and this is the most of all of them.
    """
    batch, height, width = shape.batch, shape.height, shape.width
    if shape.kernel == 1 and width <= 28:  # one long row
        height, width = 1, height * width
    inputs, outputs = blocks(shape.in_channels, 16), blocks(shape.out_channels, 16)
    deep, wide = min(inputs, 2), min(outputs, 2)  # blocks taken together
    in_width, out_width = up(width + 2 * shape.pad, 32), _out_width(width)
    work = batch * height
    jobs_in, jobs_out = blocks(inputs, deep), blocks(outputs, wide)

    values = shape.in_channels * shape.out_channels * shape.kernel**2
    maps = work * (out_width * shape.out_channels + in_width * shape.in_channels) * HALF
    intensity = 0.5 * maps / (values * FLOAT32)
    ratio = jobs_out / jobs_in
    of_source = max(1 / ratio, 1.0) * (4.0 if intensity < 1 else 1.0)
    of_gradient, of_weight = max(ratio, 1.0), max(intensity, 1.0)

    def cost(split: Split) -> float:
        share, ins = blocks(work, split.images), blocks(jobs_in, split.inputs) * 16 * deep
        outs = blocks(jobs_out, 16 * wide * split.outputs) * 16 * wide
        return (
            HALF * (of_source * ins * share * in_width + of_gradient * outs * share * out_width)
            + FLOAT32 * of_weight * outs * ins * shape.kernel**2
        )

    def booked(split: Split) -> int:
        row_in = 2 * HALF * in_width * 16 * blocks(inputs, split.inputs)
        row_out = 2 * HALF * out_width * 16 * blocks(outputs, split.outputs)
        room = max(0.0, 0.8 * (SECOND_CACHE * 3 // 4) - shape.kernel * row_in)
        rows = blocks(height, blocks(height, max(1, int(room / (row_in + row_out)))))
        read = min(height, rows - 1 + shape.kernel)
        size = (split.images * inputs * in_width * 16 * read + up(shape.pad + 1, 32)) * HALF + BOOKING
        if split.outputs > 1:
            size += PAGE * (split.used // split.outputs) + PAGE
        size += (split.images * outputs * out_width * 16 * rows + in_width * 16) * HALF + BOOKING
        if split.inputs > 1:
            size += PAGE * (split.used // split.inputs) + PAGE
        sums = inputs * outputs * 256 * shape.kernel**2 + outputs * 16 * shape.has_bias
        size += sums * split.images * FLOAT32 + BOOKING + BARRIER
        size += 64 + BOOKING  # the tiles' shapes
        return size + batch_of_products(height, split.used) + split.used * BARRIER + PAGE

    is_crowded = batch <= threads // 2 and min(shape.in_channels, shape.out_channels) >= 64
    is_large = max(shape.in_channels, shape.out_channels) > 2048
    is_pointwise = shape.kernel == 1 and threads >= 28 and batch >= threads
    if threads > 1 and (is_crowded or is_large or is_pointwise):
        return max(booked(split) for split in _any_splits(threads, work, outputs, inputs)), False
    best = _least(_splits(threads, work, jobs_out, inputs // deep), cost)
    return booked(_filled(best, threads, work)), True


def _any_splits(threads: int, images: int, outputs: int, inputs: int) -> Iterator[Split]:
    """Every way in which at most so many threads share what there is."""
    for share in range(1, min(threads, images) + 1):
        for width in range(1, min(threads // share, outputs) + 1):
            for depth in range(1, min(threads // (share * width), inputs) + 1):
                yield Split(share, width, depth)


def _out_width(width: int) -> int:
    """Values of a transposed row: in pairs, and as many as the fewest tiles hold."""
    least = up(width, 2)
    if least <= 32:
        return least

    def tiles_of(values: int) -> int:
        return values // next(tile for tile in range(32, 0, -2) if values % tile == 0)

    # more values only where they take fewer tiles than pairs of values would
    return min(range(least, up(least, 32) + 1, 2), key=tiles_of)


def batch_of_products(count: int, threads: int) -> int:
    """A list of a batch of products for each thread, in whole pages, and a page to begin at one."""
    element = 40  # bytes of brgemm_batch_element_t
    return threads * element * blocks(up(count * element, PAGE), element) + PAGE


def _reducer(threads: int, job: int, jobs: int, work: int, most: int) -> int:
    """What a sum over threads books: ``cpu_reducer.cpp``; ``job`` in values, ``most`` values together."""
    groups, members, each = _balanced(threads, job, jobs, work, most)
    if members == 1:
        return 0
    return groups * (members - 1) * each * job * FLOAT32 + PAGE + PAGE * groups + PAGE


def _balanced(threads: int, job: int, jobs: int, work: int, most: int) -> tuple[int, int, int]:
    """Groups of threads, threads of a group, jobs of a group: ``reduce_balancer_t::balance``."""
    fewest = max(1, jobs // threads)
    at_most = max(1, most // (threads * job))
    groups = min(jobs // fewest, threads)
    best = groups, min(threads // groups, work), blocks(jobs, groups)
    least = jobs * job * work
    for each in range(fewest, jobs):
        groups = min(jobs // each, threads)
        members, here = min(threads // groups, work), blocks(jobs, groups)
        if members > 1 and here > at_most:
            continue
        cost = job * here * (blocks(work, members) + (members != 1))
        if cost < least:
            best, least = (groups, members, here), cost
    return best


def _divider(value: int, low: int, high: int, *, prefers_large: bool) -> int:
    """The block size between two that wastes least: ``best_divider``."""
    high = max(1, min(high, value))
    low = max(1, min(low, high))
    sizes = range(high, low - 1, -1)
    waste = {size: (up(value, size) - value) / up(value, size) for size in sizes}
    order = sizes if prefers_large else reversed(sizes)
    return min(order, key=waste.__getitem__)


def _within(value: int, most: int) -> int:
    """Halved, or taken by thirds, until it is at most so many, or neither goes."""
    while value > most and (value % 2 == 0 or value % 3 == 0):
        value //= 2 if value % 2 == 0 else 3
    return value
