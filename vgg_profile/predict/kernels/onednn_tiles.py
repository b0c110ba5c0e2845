"""oneDNN's bfloat16 convolutions by matrix tiles (AMX): copies of maps are known, what is booked at most.

Maps are read and made channels last, so a copy is as large as the plain tensor, and there is none where both
are the same: one channel, or one pixel. Weights are in blocks of up to 64 channels, chosen by a cost that is
estimated, as are the rows that a thread takes at once; here both are bounded. What the weight's gradient
books is known exactly, but where threads share it in "cubes".

Source: ``src/cpu/x64/jit_brgemm_conv_utils.cpp`` of oneDNN 3.12.0, the function named at each rule.
"""

from __future__ import annotations

from vgg_profile.core.events import Provenance
from vgg_profile.core.sizes import HALF
from vgg_profile.predict.kernels import onednn_threads
from vgg_profile.predict.kernels.onednn_threads import BOOKING, PAGE, SECOND_CACHE, batch_of_products
from vgg_profile.predict.kernels.primitive import UNKNOWN, Primitive, Primitives
from vgg_profile.predict.kernels.shapes import Convolution, blocks, up

TILE, ROW = 16, 32
"""Values of a tile's column in float32, and of its row in bfloat16."""

FEW_PIXELS, FEW_CHANNELS = 4, 512
FIRST_CACHE = 48 * 2**10 * 7 // 8
"""Bytes of a core's first cache that are counted on."""

LIMIT = 64
"""A kernel that would book so many times its tensors, for each thread, gives way to another."""

UNWANTED = ((128, 128, 150, 150), (256, 256, 150, 150))
"""Channels, in and out, and sides of maps that are left to another kernel. Source: ``init_conf``."""


def primitives(shape: Convolution, threads: int) -> Primitives:
    """The three primitives in bfloat16 on a processor with matrix tiles."""
    transposed = shape._replace(in_channels=shape.out_channels, out_channels=shape.in_channels)
    forward = _convolved(shape, threads, lowers=True)
    data = _convolved(transposed, threads, lowers=False)
    if data.provenance is not Provenance.UNKNOWN:
        data = data._replace(scratchpad=data.scratchpad + BOOKING)
    return forward, data, _weights(shape, threads)


def _weights(shape: Convolution, threads: int) -> Primitive:
    """Its result is in blocks of 16 channels made and 32 read, whatever the others choose."""
    booked, is_exact = onednn_threads.tiles(shape, threads)
    window = up(shape.in_channels, ROW) * up(shape.out_channels, TILE) * shape.kernel**2 * HALF
    weights = Primitive(
        channels_last(shape, shape.out_channels),
        channels_last(shape, shape.in_channels),
        window,
        booked,
        Provenance.RULE if is_exact else Provenance.BOUND,
    )
    if booked > _most(shape, threads):  # another kernel takes it, which books less
        return weights._replace(provenance=Provenance.BOUND, bounded=("map", "other", "result", "scratchpad"))
    return weights


def _convolved(shape: Convolution, threads: int, *, lowers: bool) -> Primitive:
    """A forward pass, or an input's gradient, which is one with the channels exchanged.

    ``lowers`` says whether an image of few channels may be spread out along the window first.
    """
    if (shape.in_channels, shape.out_channels, shape.height, shape.width) in UNWANTED:
        return UNKNOWN
    booked = _pointwise(shape, threads) if shape.kernel == 1 else _windows(shape, threads, lowers=lowers)
    if _is_small(shape) or booked > _most(shape, threads):
        return _by_another(shape, booked)
    return Primitive(
        channels_last(shape, shape.in_channels),
        _blocks_of_outputs(shape) * _padded(shape) * shape.kernel**2 * HALF,
        plane(shape, shape.out_channels),
        booked,
        Provenance.BOUND,
        again=channels_last(shape, shape.out_channels),
        bounded=("other", "scratchpad"),
    )


def _is_small(shape: Convolution) -> bool:
    """Whether it is left to the kernels of AVX-512, or to older ones of tiles. Source: ``init_jcp``."""
    room = FIRST_CACHE // 2 if shape.kernel == 1 else FIRST_CACHE
    return (
        shape.height * shape.width <= FEW_PIXELS
        and shape.in_channels <= FEW_CHANNELS
        and shape.batch * shape.in_channels * shape.out_channels <= room
    )


def _by_another(shape: Convolution, booked: int) -> Primitive:
    """By a kernel that has channels in blocks, or last: the most of either; it books no more than tiles."""
    window = up(shape.in_channels, ROW) * up(shape.out_channels, ROW) * shape.kernel**2 * HALF
    return Primitive(
        plane(shape, up(shape.in_channels, TILE)),
        window,
        plane(shape, up(shape.out_channels, TILE)),
        booked,
        Provenance.BOUND,
        again=plane(shape, shape.out_channels),
        bounded=("map", "other", "result", "scratchpad", "again"),
    )


def _most(shape: Convolution, threads: int) -> int:
    """Source: ``init_scratchpad``, ``scratchpad_limit_by_tensor_sizes``."""
    return LIMIT * threads * (shape.input_values + shape.weight_values + shape.output_values) * HALF


def plane(shape: Convolution, channels: int) -> int:
    """Bytes of a map of so many channels, in two bytes a value."""
    return shape.batch * channels * shape.height * shape.width * HALF


def channels_last(shape: Convolution, channels: int) -> int:
    """Bytes of a copy with the channels last; 0 where that is the plain tensor itself."""
    return plane(shape, channels) if channels > 1 and shape.height * shape.width > 1 else 0


def _padded(shape: Convolution) -> int:
    """Channels read, filled up to a tile's row, or to pairs where they are fewer."""
    return up(shape.in_channels, ROW if shape.in_channels > ROW else 2)


def in_blocks(channels: int, most: int) -> int:
    """Channels, at most, that fill blocks of 16, or of up to so many times as many, by a cost."""
    sizes = (TILE * count for count in range(1, most + 1))
    return max(up(channels, size) for size in sizes if size <= up(channels, TILE))


def _blocks_of_outputs(shape: Convolution) -> int:
    """Channels made, at most: up to four tiles side by side, where a window is larger only without a rest."""
    return in_blocks(shape.out_channels, 4 if shape.kernel == 1 else 2)


def _pointwise(shape: Convolution, threads: int) -> int:
    """A 1×1 window: one product, and a thread's copy of an image whose channels fill no row.

    Source: ``init_1x1_conf``.
    """
    booked = batch_of_products(1, threads) + _tiles(2, threads)
    if shape.in_channels % 2 or (shape.in_channels > ROW and shape.in_channels % ROW):
        plane = shape.height * shape.width
        booked += threads * up(_padded(shape) * plane, 64) * HALF + PAGE
        booked += threads * up(plane, 64) + PAGE
    return booked


def _windows(shape: Convolution, threads: int, *, lowers: bool) -> int:
    """A thread copies the rows of the input that it reads, with their margins, and writes down which it has.

    An image of under 16 channels is spread out: the values of a window's row, or of all of it, side by side.
    Source: ``init_conf`` and ``iterate_ker_block``, which takes rows until half of the second cache is full.
    """
    window, few = shape.kernel**2, lowers and shape.in_channels < TILE
    whole = few and _lowers_the_window(shape)
    width = shape.width + 2 * shape.pad
    channels = shape.in_channels if few else _padded(shape)
    rows = _rows_at_once(shape, width * channels * HALF)
    if whole:
        rows = 1
    read = min(shape.height + 2 * shape.pad, rows + shape.kernel - 1) + 2 * shape.pad
    made = (rows - 1) * width + shape.width + 15  # a product's rows come by 16
    lines = blocks(read * width + made, width) + shape.kernel
    values = lines * width * channels * (shape.kernel if shape.width == 1 else 1)
    if whole:
        values = values * window + shape.height * shape.kernel * channels
    booked = threads * up(values, PAGE) * HALF + PAGE
    booked += threads * up(shape.height * blocks(shape.in_channels, ROW), PAGE) + PAGE
    if few:
        line = shape.kernel * channels
        filled = up(shape.kernel * line, ROW) if whole else shape.kernel * up(line, ROW)
        booked += up(_blocks_of_outputs(shape) * filled, 1024) * HALF + PAGE
    return booked + batch_of_products(window, threads) + _tiles(4, threads)


def _rows_at_once(shape: Convolution, row: int) -> int:
    """Rows of the output, at most: in and out of half of the second cache, of which 3/4 are counted on."""
    room = SECOND_CACHE * 3 // 4 // 2
    if (shape.height + 2 * shape.pad) * 2 * row <= room:
        return shape.height
    return min(shape.height, max(1, room // (2 * row)))


def _lowers_the_window(shape: Convolution) -> bool:
    """Whether all of a window is spread out, not its rows one by one: ``try_relo_whi``."""
    line = shape.kernel * shape.in_channels
    window = shape.kernel * line
    used = window / up(window, ROW)
    return (shape.width > 48 or shape.width % 16 == 0) and used > max(line / up(line, ROW), 0.7)


def _tiles(pages: int, threads: int) -> int:
    """A thread's float32 tiles as they are stored, in pages of 4 KiB at most: ``set_amx_wsp_per_thread``."""
    return threads * pages * PAGE + PAGE
