"""oneDNN's transposed convolutions on the CPU, in float32: each is the convolution that it turns round.

Forward is that convolution's input gradient, the input's gradient its forward pass, and the weight's its
weight's, map and gradient exchanged. With a stride, forward is a batch of matrix products instead, on maps
with the channels last. A bias is added, and its gradient summed, outside of the convolution.

Source: ``ref_deconvolution.hpp`` under ``src/cpu`` of oneDNN 3.12.0, ``jit_brgemm_deconv.cpp`` and
``jit_brgemm_conv_bwd_utils.cpp`` under ``src/cpu/x64``.
"""

from __future__ import annotations

from math import prod

from vgg_profile.core.events import Provenance
from vgg_profile.core.sizes import FLOAT32
from vgg_profile.predict.kernels import onednn
from vgg_profile.predict.kernels.onednn_blocking import Cut, cuts, padded
from vgg_profile.predict.kernels.onednn_threads import BOOKING, PAGE, batch_of_products
from vgg_profile.predict.kernels.primitive import UNKNOWN, Primitive, Primitives
from vgg_profile.predict.kernels.shapes import Convolution, Transposed, blocks, up

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
"""Channels and planes, of output and input, and windows, left to the kernels of blocks: ``init_jcp``."""


def primitives(shape: Transposed, processor: str, threads: int) -> Primitives:
    """The forward pass, the input's gradient and the weight's gradient of one that is oneDNN's."""
    turned, block = shape.turned, onednn.AVX2 if processor == "avx2" else onednn.AVX512
    if not _is_known(shape):
        return UNKNOWN, UNKNOWN, UNKNOWN
    ahead, back, weights = onednn.float32(turned, block, threads)
    exchanged = weights._replace(map=weights.other, other=weights.map, scratchpad=_nested(weights.scratchpad))
    if shape.stride > 1 and not _is_unwanted(turned):
        leaves_rest = any(side % shape.stride for side in shape.output_plane)
        for register in (block,) if leaves_rest else (block, onednn.AVX2):
            found = cuts(shape, register, threads)
            if found != {None}:
                return _by_products(shape, found, threads), ahead, exchanged
    if block == onednn.AVX2 and shape.stride > 1 and shape.out_channels < block and shape.kernel > 3:
        return UNKNOWN, ahead, exchanged  # by columns
    sums = _nested(back.result) if shape.has_bias else 0
    return back._replace(scratchpad=sums), ahead, exchanged


def _is_known(shape: Transposed) -> bool:
    """Windows of several values that reach into the map from every place, one group, no dilation."""
    is_plain = (shape.dtype, shape.dilation, shape.groups) == ("float32", 1, 1)
    is_inside = shape.padding <= min(shape.kernel // 2, shape.height, shape.width)
    reaches = shape.kernel // 2 <= shape.output_plane[1]
    return is_plain and 1 < shape.kernel <= LARGEST_KERNEL and is_inside and reaches


def _is_unwanted(turned: Convolution) -> bool:
    plane = turned.height, turned.width
    case = turned.in_channels, turned.out_channels, plane, turned.output_plane
    return case in UNWANTED and UNWANTED[case] in (None, turned.kernel)


def _by_products(shape: Transposed, found: frozenset[Cut | None], threads: int) -> Primitive:
    """A batch of matrix products for each place of a window that a stride leaves, by one of these cuts.

    Copies are as large as the plain tensors, and there is none where both are the same: one channel, or one
    pixel. Where caches lead to unlike cuts, that may change a size: then the most is said.
    """
    ways = [cut for cut in found if cut is not None]
    if len(ways) < len(found):
        return UNKNOWN
    input_copy = shape.input_values * FLOAT32 * (shape.in_channels > 1 and shape.height * shape.width > 1)
    output = shape.output_values * FLOAT32
    made = {up(shape.out_channels, cut.channels) for cut in ways}
    booked = {_booked(shape, cut, threads) for cut in ways}
    unsure = tuple(name for name, sizes in (("other", made), ("scratchpad", booked)) if len(sizes) > 1)
    return Primitive(
        input_copy,
        max(made) * shape.in_channels * shape.kernel**2 * FLOAT32,
        output,
        max(booked),
        Provenance.BOUND if unsure else Provenance.RULE,
        again=output * (shape.out_channels > 1 and prod(shape.output_plane) > 1),
        bounded=unsure,
    )


def _booked(shape: Transposed, cut: Cut, threads: int) -> int:
    """Lists of products, padded copies of the map for each thread, and notes of which of its parts it has.

    Where a stride leaves a rest of the output, also a thread's row of it, and the bias's output. Source:
    ``init_conf`` and ``init_scratchpad``.
    """
    stride, (height, width) = shape.stride, shape.output_plane
    booked = batch_of_products(shape.kernel**2, threads)
    booked += threads * up(prod(padded(shape)) * shape.in_channels, PAGE) * FLOAT32 + PAGE
    booked += threads * up(blocks(height, cut.rows) * blocks(width, cut.columns), PAGE) + PAGE
    if width % stride:
        booked += threads * up(cut.columns * stride * shape.out_channels, PAGE) * FLOAT32 + PAGE
    if shape.has_bias and (height % stride or width % stride):
        booked += _nested(shape.output_values * FLOAT32)
    return _nested(booked)


def _nested(size: int) -> int:
    """What a primitive books for one that it contains, or for itself."""
    return size + BOOKING if size else 0
