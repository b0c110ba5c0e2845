"""What a kernel takes in passing: one file a library, pure functions of shapes, no torch.

An operation's kernel allocates more than its result: a copy of a map in its own layout, columns, sums for
each thread. All of it goes through PyTorch's allocator and is given back before the operation returns, so it
counts toward the peak and toward nothing else. Each function here takes one operation's shapes, the processor
and the threads, and returns the allocations and releases in their order (:class:`~.events.Passing`).
"""

from __future__ import annotations

from collections.abc import Sequence

Order = Sequence[str]
"""The blocks of an operation as they come (``+columns``) and go (``-columns``), whether taken or not."""

OUTPUT = "output"
INPUT_GRADIENT, WEIGHT_GRADIENT, BIAS_GRADIENT = "input gradient", "weight gradient", "bias gradient"

GRADIENTS = (INPUT_GRADIENT, WEIGHT_GRADIENT, BIAS_GRADIENT)
"""The results of a backward by the place of the input that they are of: a map, a weight, a bias."""


def is_onednns_half(dtype: str, processor: str | None) -> bool:
    """Whether oneDNN computes in a dtype of two bytes a value on a processor; on one not known, it may.

    In bfloat16 wherever there is AVX-512, in float16 with AVX512-FP16 alone, which comes with matrix tiles.
    Source: ``mkldnn_bf16_device_check`` and ``mkldnn_fp16_device_check`` in ``mkldnn/Utils.h``, torch 2.13.

    >>> [is_onednns_half("float16", each) for each in ("avx2", "avx512", "avx512_bf16", "amx", None)]
    [False, False, False, True, True]
    """
    if dtype == "float16":
        return processor in (None, "amx")
    return dtype == "bfloat16" and processor != "avx2"
