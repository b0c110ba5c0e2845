"""oneDNN's convolutions on the CPU: the layouts they want, and the scratchpads they book.

A convolution is three primitives: forward, the input's gradient, the weight's gradient. Each reads maps and
weights in a layout of its own, channels in blocks that fill a vector register, and makes its result so.
PyTorch hands it plain tensors: each operand is copied in, each result copied out. An image of few channels is
read as it is.

Holds for oneDNN 3.12.0, which torch 2.13 has. Source: ``src/cpu/x64`` there, the file named at each rule.
"""

from __future__ import annotations

from math import prod

from vgg_profile.core.events import Provenance
from vgg_profile.core.sizes import FLOAT32, HALF
from vgg_profile.predict.kernels import onednn_columns, onednn_float16, onednn_threads, onednn_tiles
from vgg_profile.predict.kernels.onednn_threads import BARRIER, BOOKING
from vgg_profile.predict.kernels.primitive import UNKNOWN, Primitive, Primitives
from vgg_profile.predict.kernels.shapes import Convolution, up

AVX512, AVX2 = 16, 8
"""Channels of a block: float32 values of a vector register."""

IMAGE = 3
"""Up to so many channels, a weight's gradient reads the image as it is."""

LARGEST_MAP = 2**31 - 1
"""Bytes of a map in blocks that the AVX-512 kernel of a weight's gradient can address."""


def primitives(shape: Convolution, processor: str, threads: int) -> Primitives:
    """The forward pass, the input's gradient and the weight's gradient of a convolution that is oneDNN's."""
    if shape.keeps_its_size and shape.dtype == "float32":
        return float32(shape, AVX2 if processor == "avx2" else AVX512, threads)
    if shape.keeps_its_size and shape.dtype == "bfloat16":
        if processor == "amx":
            return onednn_tiles.primitives(shape, threads)
        if shape.kernel == 1:
            return _bfloat16_pointwise(shape, threads)
        return _bfloat16(shape, threads, has_bfloat16=processor != "avx512")
    if shape.keeps_its_size and shape.dtype == "float16":
        return onednn_float16.primitives(shape, threads)
    return UNKNOWN, UNKNOWN, UNKNOWN


def float32(shape: Convolution, block: int, threads: int) -> Primitives:
    """In float32, with blocks of so many channels.

    Source: ``jit_avx512_common_conv_kernel.cpp``, ``jit_avx512_common_1x1_conv_kernel.cpp``; avx2, too.
    """
    ci, co = up(shape.in_channels, block), up(shape.out_channels, block)
    channel, made, window = _areas(shape, FLOAT32)
    if shape.kernel // 2 > shape.width:  # padding beyond the image
        forward, data = UNKNOWN, onednn_columns.for_input(shape, threads, FLOAT32 * block)
    else:
        is_image = shape.kernel > 1 and shape.in_channels < block
        read = shape.in_channels if is_image else ci
        bias = _padded_bias(shape, block, FLOAT32)
        forward = Primitive(0 if is_image else ci * channel, read * co * window, co * made, bias)
        data = Primitive(co * made, ci * co * window, ci * channel)
    return forward, data, (_weights_16 if block == AVX512 else _weights_8)(shape, threads, FLOAT32 * block)


def _weights_16(shape: Convolution, threads: int, register: int) -> Primitive:
    """A float32 weight's gradient with AVX-512: ``jit_avx512_common_convolution.cpp``, and the 1x1 one."""
    ci, co = up(shape.in_channels, AVX512), up(shape.out_channels, AVX512)
    channel, made, window = _areas(shape, FLOAT32)
    bias = _padded_bias(shape, AVX512, FLOAT32)
    if shape.kernel == 1:
        shared = onednn_threads.pointwise_16(shape, threads)
        return Primitive(co * channel, ci * channel, ci * co * window, bias + shared)
    if max(ci if shape.in_channels > IMAGE else shape.in_channels, co) * channel > LARGEST_MAP:
        return onednn_columns.for_weight(shape, threads, register)
    if IMAGE < shape.in_channels < AVX512:
        return _weights_8(shape, threads, register)
    is_image = shape.in_channels <= IMAGE
    read = shape.in_channels if is_image else ci
    shared = onednn_threads.direct_16(shape, read, threads)
    return Primitive(co * made, 0 if is_image else ci * channel, read * co * window, bias + shared)


def _weights_8(shape: Convolution, threads: int, register: int) -> Primitive:
    """A float32 weight's gradient with AVX2: ``jit_avx2_convolution.cpp``, and the 1x1 one."""
    ci, co = up(shape.in_channels, AVX2), up(shape.out_channels, AVX2)
    channel, made, window = _areas(shape, FLOAT32)
    bias = _padded_bias(shape, AVX2, FLOAT32)
    if shape.kernel == 1:
        shared = onednn_threads.pointwise_8(shape, threads)
        return Primitive(co * channel, ci * channel, ci * co * window, bias + shared)
    if shape.kernel > shape.height:
        return onednn_columns.for_weight(shape, threads, register)
    is_image = shape.in_channels == IMAGE
    read = IMAGE if is_image else ci
    shared = onednn_threads.direct_8(shape, IMAGE if is_image else AVX2, threads)
    return Primitive(co * made, 0 if is_image else ci * channel, read * co * window, bias + shared)


def _bfloat16(shape: Convolution, threads: int, *, has_bfloat16: bool) -> Primitives:
    """Blocks of 16 channels, in pairs of two values; an image's weights in pairs of channels, too.

    Source: ``jit_avx512_core_bf16_conv_kernel.cpp``; without bfloat16 instructions it emulates them.
    """
    ci, co = up(shape.in_channels, AVX512), up(shape.out_channels, AVX512)
    channel, _, window = _areas(shape, HALF)
    is_image = shape.in_channels < AVX512
    if shape.kernel // 2 > shape.width:
        forward, data = UNKNOWN, onednn_columns.for_input(shape, threads, FLOAT32 * AVX512)
    else:
        read = up(shape.in_channels, 2) if is_image else ci
        bias = _padded_bias(shape, AVX512, HALF)
        forward = Primitive(0 if is_image else ci * channel, read * co * window, co * channel, bias)
        data = Primitive(co * channel, ci * co * window, ci * channel)
    if is_image and (shape.out_channels % AVX512 or shape.kernel > shape.width + 1):
        return forward, data, onednn_columns.for_weight(shape, threads, FLOAT32 * AVX512)
    read = shape.in_channels if is_image else ci
    shared = onednn_threads.bfloat16(shape, threads, has_bfloat16=has_bfloat16)
    copy_in = 0 if is_image else ci * channel
    return forward, data, Primitive(co * channel, copy_in, read * co * window, shared)


def _bfloat16_pointwise(shape: Convolution, threads: int) -> Primitives:
    """A 1×1 window: the same blocks; what it books is known at most.

    A thread sums one image's result in float32, and for the weight's gradient, a weight and a bias, beside
    one image's maps transposed. Source: ``jit_avx512_core_bf16_1x1_conv_kernel.cpp``.
    """
    ci, co = up(shape.in_channels, AVX512), up(shape.out_channels, AVX512)
    channel, _, window = _areas(shape, HALF)
    places = shape.height * shape.width + 31  # rounded up to those of an instruction
    bias = _padded_bias(shape, AVX512, FLOAT32)
    forward = threads * co * places * FLOAT32 + BOOKING + bias
    data = threads * ci * places * FLOAT32 + BOOKING
    sums = (ci * co + co * shape.has_bias) * FLOAT32
    weights = threads * (sums + (ci + co) * places * HALF) + 3 * BOOKING + BARRIER + bias
    return (
        Primitive(ci * channel, ci * co * window, co * channel, forward, Provenance.BOUND),
        Primitive(co * channel, ci * co * window, ci * channel, data, Provenance.BOUND),
        Primitive(co * channel, ci * channel, ci * co * window, weights, Provenance.BOUND),
    )


def _areas(shape: Convolution, itemsize: int) -> tuple[int, int, int]:
    """Bytes of one channel read and of one made, over the whole batch, and of one window."""
    of_one = shape.batch * itemsize
    return shape.height * shape.width * of_one, prod(shape.output_plane) * of_one, shape.kernel**2 * itemsize


def _padded_bias(shape: Convolution, block: int, itemsize: int) -> int:
    """A bias is copied where its last block is not full."""
    if not shape.has_bias or shape.out_channels % block == 0:
        return 0
    return up(shape.out_channels, block) * itemsize + BOOKING
