"""oneDNN's matrix products on the CPU: in two bytes a value they take scratch, of which a most is known.

In float32 the product is the BLAS's, which takes nothing through PyTorch's allocator. Source:
``use_mkldnn_matmul`` in ``aten/src/ATen/native/mkldnn/Matmul.cpp`` of torch 2.13; ``brgemm_matmul_utils.cpp``
and ``gemm_bf16_matmul.cpp`` under ``src/cpu`` of oneDNN 3.12.0.
"""

from __future__ import annotations

from typing import NamedTuple

from vgg_profile.core.events import Provenance
from vgg_profile.core.sizes import FLOAT32, HALF
from vgg_profile.predict.kernels import is_onednns_half
from vgg_profile.predict.kernels.onednn_threads import BOOKING, PAGE, SECOND_CACHE
from vgg_profile.predict.kernels.shapes import Product, blocks, up

SMALL = 16**3
"""Multiply-adds up to which PyTorch keeps a product to itself."""

BLOCK = 64
"""Sides of blocks are rounded up to this."""

THIN, LONG = 32, 1024
"""Rows or columns of which a thread takes all the inner values at once; inner values that come in parts."""


class Scratch(NamedTuple):
    """Bytes that a product takes and gives back: exactly, at most, or at least, by its provenance."""

    bytes: int
    provenance: Provenance


def scratch(product: Product, processor: str | None, threads: int, *, with_onednn: bool = True) -> Scratch:
    """What a product takes beside its result.

    >>> scratch(Product(4, 25088, 4096, "bfloat16"), "avx512", 1)
    Scratch(bytes=65664, provenance=<Provenance.BOUND: 'bound'>)
    """
    size = product.rows * product.inner * product.columns
    if not is_onednns_half(product.dtype, processor) or not with_onednn or size <= SMALL:
        return Scratch(0, Provenance.RULE)
    if product.dtype == "bfloat16" and processor == "avx512":
        return Scratch(_sums(product, threads), Provenance.BOUND)
    if product.dtype == "bfloat16" and processor == "avx512_bf16":
        return Scratch(_blocks(product, threads), Provenance.BOUND)
    if processor == "amx":
        return Scratch(_blocks(product, threads) + _long(product, threads), Provenance.BOUND)
    return Scratch(0, Provenance.UNKNOWN)


def _sums(product: Product, threads: int) -> int:
    """Without bfloat16 instructions: the result in float32. Threads share rows, or columns, or nothing."""
    rows, columns = product.rows, product.columns
    shares = (
        (1, rows * columns),
        (threads, blocks(rows, threads) * columns),
        (threads, rows * blocks(columns, threads)),
    )
    return max(used * up(FLOAT32 * values, 256) for used, values in shares) + BOOKING


def _blocks(product: Product, threads: int) -> int:
    """With them: a thread's blocks of the operands, copied, and of the result, summed in float32.

    Blocks are chosen to stay in a core's second cache, and are no larger than the operands.
    """
    rows, inner, columns = (
        up(product.rows, BLOCK) + BLOCK,
        up(product.inner, BLOCK),
        up(product.columns, BLOCK),
    )
    whole = HALF * inner * (rows + columns) + FLOAT32 * rows * BLOCK
    return threads * (min(whole, SECOND_CACHE) + PAGE) + 4 * BOOKING


def _long(product: Product, threads: int) -> int:
    """With matrix tiles also: a thread's strip of a thin operand, sums where inner values come in parts.

    Source: ``maybe_small_dims_heuristics`` in ``amx_blocking_heuristics.cpp``, ``buffer_c_per_thread_sz``.
    """
    rows, inner, columns = (up(side, BLOCK) for side in (product.rows, product.inner, product.columns))
    strip = HALF * inner * THIN if min(product.rows, product.columns) <= THIN else 0
    sums = FLOAT32 * rows * columns if product.inner > LONG else 0
    return threads * (strip + sums)
