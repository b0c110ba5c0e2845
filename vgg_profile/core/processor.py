"""The family of a processor, told by what a few small operations take on it."""

from __future__ import annotations

from collections.abc import Callable


def family(block: Callable[[str], int | None], sums_a_copy: Callable[[], bool]) -> str | None:
    """One of ``core.setting.PROCESSORS``; ``None`` for any other.

    ``block`` says, of a dtype, to how many channels oneDNN pads the result of a convolution to one channel,
    ``None`` where its maps are in no blocks: 16 with AVX-512, 8 with AVX2. With AVX-512 bfloat16 does the
    same unless there are matrix tiles (AMX), and ``sums_a_copy`` says whether a product in bfloat16 is summed
    in a float32 copy of its result, as without bfloat16 instructions. None of these but the one with tiles
    convolves in float16 in blocks.

    >>> family({"float32": 16, "bfloat16": 16}.get, lambda: True)
    'avx512'
    """
    channels = block("float32")
    if channels != 16:
        return "avx2" if channels == 8 else None
    if block("bfloat16") != 16:
        return "amx"
    if block("float16") is not None:
        return None  # AVX512-FP16 without matrix tiles, which something hides
    return "avx512" if sums_a_copy() else "avx512_bf16"
