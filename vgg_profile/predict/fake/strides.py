"""Where the strides of a fake result are not those of the kernel's, and so would decide later copies otherwise.

A view's strides along dimensions of one element mean nothing, but kernels that ask whether a tensor is laid
out as another compare them all. Source: fake tensors take PyTorch's Python decompositions of views
(``torch/_refs``), a real run takes ``computeStride`` (ATen/TensorUtils.cpp), which the meta device shares.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

aten = torch.ops.aten

_VIEWS = (aten.view.default, aten._unsafe_view.default, aten._reshape_alias.default)


def as_the_kernel(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Any:
    """The result with the strides that the real operation gives it."""
    if func not in _VIEWS or not isinstance(out, Tensor) or 1 not in out.shape:
        return out
    given = args[0]
    with _disable_current_modes():
        like = torch.empty_strided(given.shape, given.stride(), dtype=given.dtype, device="meta")
        strides = func(like, *args[1:], **kwargs).stride()
    if strides == out.stride():
        return out
    return aten.as_strided.default(out, out.shape, strides, out.storage_offset())
