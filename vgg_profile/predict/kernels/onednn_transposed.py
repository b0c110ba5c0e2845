"""oneDNN's transposed convolutions on the CPU, in float32: each is the convolution that it turns round.

Forward is that convolution's input gradient, the input's gradient its forward pass, and the weight's its
weight's, map and gradient exchanged. A bias is added, and its gradient summed, outside of the convolution.

Source: ``src/cpu/ref_deconvolution.hpp`` and ``src/cpu/x64/jit_brgemm_deconv.cpp`` of oneDNN 3.12.0.
"""

from __future__ import annotations

from vgg_profile.core.sizes import FLOAT32
from vgg_profile.predict.kernels import onednn
from vgg_profile.predict.kernels.onednn_strided import by_products, is_by_columns, is_known, nested
from vgg_profile.predict.kernels.primitive import UNKNOWN, Primitive, Primitives
from vgg_profile.predict.kernels.shapes import Transposed


def primitives(shape: Transposed, processor: str, threads: int) -> Primitives:
    """The forward pass, the input's gradient and the weight's gradient of one that is oneDNN's."""
    turned, block = shape.turned, onednn.AVX2 if processor == "avx2" else onednn.AVX512
    if not is_known(turned):
        return UNKNOWN, UNKNOWN, UNKNOWN
    ahead, in_blocks, weights = onednn.float32(turned, block, threads)
    exchanged = weights._replace(map=weights.other, other=weights.map, scratchpad=nested(weights.scratchpad))
    return _forward(shape, in_blocks, block, threads), ahead, exchanged


def _forward(shape: Transposed, in_blocks: Primitive, block: int, threads: int) -> Primitive:
    """Where a bias is not added by the products themselves, the output is summed in another copy first."""
    leaves_rest = any(side % shape.stride for side in shape.output_plane)
    found = by_products(shape.turned, (block,) if leaves_rest else (block, onednn.AVX2), threads)
    if found is not None:
        sums = nested(shape.output_values * FLOAT32) if shape.has_bias and leaves_rest else 0
        return found if found == UNKNOWN else found._replace(scratchpad=nested(found.scratchpad + sums))
    if is_by_columns(shape.turned, block):
        return UNKNOWN
    return in_blocks._replace(scratchpad=nested(in_blocks.result) if shape.has_bias else 0)
