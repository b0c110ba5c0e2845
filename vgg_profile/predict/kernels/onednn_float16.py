"""oneDNN's float16 convolutions (AVX512-FP16): copies of maps are known, weights and scratchpads at most.

Maps are read and made channels last, as by matrix tiles. A weight is copied as it is but for the channels
made, which come in blocks of up to four registers, chosen by a cost that is estimated; here it is the most.
The weight's gradient has no kernel of its own: oneDNN's reference takes the plain tensors and books nothing.

Source: ``src/cpu/x64/jit_brgemm_conv_utils.cpp`` of oneDNN 3.12.0, the function named at each rule, and the
lists of ``src/cpu/cpu_convolution_list.cpp``.
"""

from __future__ import annotations

from vgg_profile.core.events import Provenance
from vgg_profile.core.sizes import FLOAT32, HALF
from vgg_profile.predict.kernels.onednn_threads import BOOKING, PAGE, batch_of_products
from vgg_profile.predict.kernels.onednn_tiles import TILE, channels_last, in_blocks, plane
from vgg_profile.predict.kernels.primitive import Primitive, Primitives
from vgg_profile.predict.kernels.shapes import Convolution, up

MOST_REGISTERS = 4
"""Registers of sums in float32, each as wide as a tile's column, that a block of channels fills at most."""


def primitives(shape: Convolution, threads: int) -> Primitives:
    """The three primitives in float16."""
    exchanged = shape._replace(in_channels=shape.out_channels, out_channels=shape.in_channels)
    data = _convolved(exchanged, threads)
    return (
        _convolved(shape, threads),
        data._replace(scratchpad=data.scratchpad + BOOKING),
        Primitive(result=shape.weight_values * HALF),
    )


def _convolved(shape: Convolution, threads: int) -> Primitive:
    """A forward pass, or an input's gradient, which is one with the channels exchanged."""
    made = in_blocks(shape.out_channels, MOST_REGISTERS)
    return Primitive(
        channels_last(shape, shape.in_channels),
        shape.in_channels * made * shape.kernel**2 * HALF,
        plane(shape, shape.out_channels),
        batch_of_products(shape.kernel**2, threads) + _sums(shape, threads),
        Provenance.BOUND,
        again=channels_last(shape, shape.out_channels),
        bounded=("scratchpad",) if made == up(shape.out_channels, TILE) else ("other", "scratchpad"),
    )


def _sums(shape: Convolution, threads: int) -> int:
    """Where a product comes in parts, a thread's sums of a row, or of a map by a 1×1 window, in float32.

    It does where the channels read do not fit beside in the caches, or where rows of the window are taken one
    by one (``use_buffer``); both are chosen by the estimate.
    """
    places = shape.width * (shape.height if shape.kernel == 1 else 1)
    block = min(up(shape.out_channels, TILE), MOST_REGISTERS * TILE)
    return threads * places * block * FLOAT32 + PAGE
