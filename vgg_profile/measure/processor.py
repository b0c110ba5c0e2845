"""Which of oneDNN's kernels this process gets, told by what two small operations take.

Neither the processor's name nor ``torch.backends.cpu.get_cpu_capability()`` tells: a variable
(``ONEDNN_MAX_CPU_ISA``), a virtual machine or another build of PyTorch may hide what the processor has.
"""

from __future__ import annotations

import torch

from vgg_profile.core.processor import family
from vgg_profile.core.verified import tried
from vgg_profile.measure.memory import allocations

ONEDNN = "Intel(R) MKL-DNN v3.12."
"""How PyTorch's build says it has that version."""

_CHANNELS, _SIDE = 16, 8


def processor() -> str | None:
    """The family of this process's processor, one of ``core.setting.PROCESSORS``.

    ``None`` for any other, and where oneDNN is of another version than the one that the rules were read in.
    """
    if ONEDNN not in torch.__config__.show():
        return None
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return family(_block, _sums_a_copy)
    finally:
        torch.set_num_threads(threads)


def why_unknown() -> str:
    """Why no rule says what this process's kernels take, where :func:`processor` is ``None``."""
    if ONEDNN not in torch.__config__.show():
        return (
            f"the rules hold for oneDNN 3.12, of torch 2.13, and torch {torch.__version__} has another; "
            f"of what else is predicted, {tried(torch.__version__)}"
        )
    return "its convolutions take blocks of a form that no rule has"


def _block(name: str) -> int | None:
    """How many channels a result of one is padded to; ``None`` if the maps are in no such blocks."""
    dtype = getattr(torch, name)
    images = torch.zeros(2, _CHANNELS, _SIDE, _SIDE, dtype=dtype)
    weight = torch.zeros(1, _CHANNELS, 3, 3, dtype=dtype)
    plain = 2 * _SIDE**2 * images.element_size()
    with torch.no_grad():
        taken = [
            size
            for size in allocations(lambda: torch.nn.functional.conv2d(images, weight, padding=1))
            if size > 0
        ]
    if len(taken) != 4 or taken[0] != _CHANNELS * plain or taken[-1] != plain:
        return None
    return taken[2] // plain


def _sums_a_copy() -> bool:
    rows, inner = torch.zeros(16, 64, dtype=torch.bfloat16), torch.zeros(64, 64, dtype=torch.bfloat16)
    with torch.no_grad():
        return rows.numel() * 4 + 128 in allocations(lambda: torch.mm(rows, inner))
