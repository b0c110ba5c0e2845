"""oneDNN's float32 convolutions on the CPU that change a map's size: with a stride, or with less padding.

Forward and the weight's gradient are those of any convolution. With a stride, the input's gradient is a batch
of matrix products instead, on maps with the channels last, but where a few pixels would fill no register.

Source: ``src/cpu/x64/jit_brgemm_conv_bwd_utils.cpp`` of oneDNN 3.12.0, the function named at each rule.
"""

from __future__ import annotations

from math import prod

from vgg_profile.core.events import Provenance
from vgg_profile.core.sizes import FLOAT32
from vgg_profile.predict.kernels import onednn
from vgg_profile.predict.kernels.onednn_blocking import Cut, cuts, padded
from vgg_profile.predict.kernels.onednn_threads import BOOKING, PAGE, batch_of_products
from vgg_profile.predict.kernels.primitive import UNKNOWN, Primitive, Primitives
from vgg_profile.predict.kernels.shapes import Convolution, blocks, up

LARGEST_KERNEL = 7
"""The sides of windows up to which all of this is known."""

UNWANTED = {
    (128, 256, (101, 85), (49, 41)): None,
    (3, 128, (207, 175), (101, 85)): None,
    (512, 1024, (8, 8), (4, 4)): 4,
    (1024, 2048, (4, 4), (2, 2)): 4,
    (64, 128, (513, 513), (256, 256)): 3,
    (32, 64, (1025, 1025), (512, 512)): 3,
    (128, 256, (257, 257), (128, 128)): 3,
    (256, 512, (49, 41), (23, 19)): 5,
    (64, 128, (14, 14), (7, 7)): 4,
    (1, 64, (28, 28), (14, 14)): 4,
}
"""Channels and planes, of input and output, and windows, left to the kernels of blocks: ``init_jcp``."""


def primitives(shape: Convolution, processor: str, threads: int) -> Primitives:
    """The forward pass, the input's gradient and the weight's gradient of a convolution that is oneDNN's."""
    if not is_known(shape):
        return UNKNOWN, UNKNOWN, UNKNOWN
    block = onednn.AVX2 if processor == "avx2" else onednn.AVX512
    forward, in_blocks, weights = onednn.float32(shape, block, threads)
    found = by_products(shape, (block,), threads)
    if found is not None:
        return forward, found, weights
    return forward, UNKNOWN if is_by_columns(shape, block) else in_blocks, weights


def is_known(shape: Convolution) -> bool:
    """Windows of several values that reach into the map from every place, one group, no dilation."""
    is_plain = (shape.dtype, shape.dilation, shape.groups) == ("float32", 1, 1)
    is_inside = shape.pad <= min(shape.kernel // 2, *shape.output_plane) and shape.kernel // 2 <= shape.width
    return is_plain and 1 < shape.kernel <= LARGEST_KERNEL and is_inside


def is_by_columns(shape: Convolution, block: int) -> bool:
    """Whether the kernel of AVX2's blocks leaves an input's gradient to columns."""
    return block == onednn.AVX2 and shape.stride > 1 and shape.in_channels < block and shape.kernel > 3


def by_products(shape: Convolution, registers: tuple[int, ...], threads: int) -> Primitive | None:
    """An input's gradient as matrix products, in the widest of these registers they fill; or ``None``."""
    plane = shape.height, shape.width
    case = shape.in_channels, shape.out_channels, plane, shape.output_plane
    if shape.stride == 1 or (case in UNWANTED and UNWANTED[case] in (None, shape.kernel)):
        return None
    alone = shape._replace(has_bias=False, wants_input_gradient=True, wants_weight_gradient=True)
    for register in registers:
        found = cuts(alone, register, threads)
        if found != {None}:
            return _products(shape, found, threads)
    return None


def _products(shape: Convolution, found: frozenset[Cut | None], threads: int) -> Primitive:
    """A batch of matrix products for each place of a window that a stride leaves, by one of these cuts.

    Copies are as large as the plain tensors, and there is none where both are the same: one channel, or one
    pixel. Where caches lead to unlike cuts, that may change a size: then the most is said.
    """
    ways = [cut for cut in found if cut is not None]
    if len(ways) < len(found):
        return UNKNOWN
    map_copy = shape.output_values * FLOAT32 * (shape.out_channels > 1 and prod(shape.output_plane) > 1)
    result = shape.input_values * FLOAT32
    made = {up(shape.in_channels, cut.channels) for cut in ways}
    booked = {_booked(shape, cut, threads) for cut in ways}
    unsure = tuple(name for name, sizes in (("other", made), ("scratchpad", booked)) if len(sizes) > 1)
    return Primitive(
        map_copy,
        max(made) * shape.out_channels * shape.kernel**2 * FLOAT32,
        result,
        max(booked),
        Provenance.BOUND if unsure else Provenance.RULE,
        again=result * (shape.in_channels > 1 and shape.height * shape.width > 1),
        bounded=unsure,
    )


def _booked(shape: Convolution, cut: Cut, threads: int) -> int:
    """Lists of products, padded copies of the map for each thread, and notes of which of its parts it has.

    Where a stride leaves a rest of the columns that are made, also a thread's row of them. Source:
    ``init_conf`` and ``init_scratchpad``.
    """
    parts = blocks(shape.height, cut.rows) * blocks(shape.width, cut.columns)
    booked = batch_of_products(shape.kernel**2, threads)
    booked += threads * up(prod(padded(shape)) * shape.out_channels, PAGE) * FLOAT32 + PAGE
    booked += threads * up(parts, PAGE) + PAGE
    if shape.width % shape.stride:
        booked += threads * up(cut.columns * shape.stride * shape.in_channels, PAGE) * FLOAT32 + PAGE
    return booked


def nested(size: int) -> int:
    """What a primitive books for one that it contains, or for itself."""
    return size + BOOKING if size else 0
