"""oneDNN's convolution by columns and a matrix product: what its gradients book.

It is taken where no kernel of blocks can: padding that reaches beyond the image, maps of over 2 GiB. It reads
plain tensors. Source: ``src/cpu/gemm_convolution_utils.cpp`` of oneDNN 3.12.0, ``init_conf``.
"""

from __future__ import annotations

from math import prod

from vgg_profile.core.sizes import FLOAT32, HALF, ITEMSIZE
from vgg_profile.predict.kernels.onednn_threads import BOOKING
from vgg_profile.predict.kernels.primitive import Primitive
from vgg_profile.predict.kernels.shapes import Convolution, blocks, up


def _limit(shape: Convolution, threads: int) -> int:
    """What the columns may take together, in bytes: 1 GiB, or 15 times the operands a thread."""
    values = shape.input_values + shape.weight_values + shape.output_values
    return min(2**30, 15 * threads * values * ITEMSIZE[shape.dtype])


def _one_image(shape: Convolution) -> int:
    """Values of one image's columns; a 1×1 window needs none."""
    return shape.in_channels * shape.kernel**2 * prod(shape.output_plane) if shape.kernel > 1 else 0


def for_weight(shape: Convolution, threads: int, register: int) -> Primitive:
    """The weight's gradient: a float32 sum and columns for each thread that shares the batch.

    It books the bytes of the weight as if they were values, so four times too many in float32.
    """
    itemsize = ITEMSIZE[shape.dtype]
    weight, plane = shape.weight_values * itemsize, prod(shape.output_plane)
    window, lanes, limit = shape.in_channels * shape.kernel**2, register // itemsize, _limit(shape, threads)
    bias = shape.out_channels * FLOAT32 * shape.has_bias
    is_half = itemsize == HALF
    estimate = FLOAT32 * threads * weight + itemsize * threads * window * lanes
    estimate += (FLOAT32 * weight + bias) * is_half
    shares_batch = estimate < limit and plane // threads < 256 and shape.batch != 1
    used = threads if shares_batch else 1
    sums = used * weight * FLOAT32 + BOOKING
    if is_half:
        sums += weight * FLOAT32 + BOOKING + (bias + BOOKING if bias else 0)
    columns = _one_image(shape)
    if limit - sums < used * columns * itemsize:
        columns = window * _strip(limit - sums, itemsize * used * window, lanes, share=0.05)
    return Primitive(result=weight, scratchpad=sums + _booked(used * columns * itemsize))


def for_input(shape: Convolution, threads: int, register: int) -> Primitive:
    """The input's gradient: float32 columns for each thread that shares the batch."""
    itemsize = ITEMSIZE[shape.dtype]
    plane, window = shape.height * shape.width, shape.in_channels * shape.kernel**2
    lanes, limit = register // itemsize, _limit(shape, threads)
    inner = blocks(plane, lanes) * blocks(shape.in_channels, lanes)
    is_small = plane * shape.in_channels * shape.out_channels // threads < 65_536
    shares_batch = (
        (plane // threads < 512 or shape.kernel**2 < 64)
        and shape.batch != 1
        and (_even(shape.batch, threads) >= _even(inner, threads) or is_small)
    )
    used = threads if shares_batch else 1
    sums = used * up(shape.in_channels * plane, 16) * FLOAT32 + BOOKING if itemsize == HALF else 0
    columns = _one_image(shape)
    if limit - sums < used * columns * FLOAT32:
        columns = window * _strip(limit - sums, FLOAT32 * used * window, lanes, share=0.1)
    booked = sums + _booked(used * columns * FLOAT32)
    return Primitive(result=shape.input_values * itemsize, scratchpad=booked)


def _even(work: int, threads: int) -> float:
    """How evenly so much work can be shared."""
    return work / up(work, threads)


def _strip(room: int, each: int, lanes: int, *, share: float) -> int:
    """The places of a strip where a whole image's columns have no room."""
    return max(lanes, int(room // each * share))


def _booked(size: int) -> int:
    return size + BOOKING if size else 0
