"""Where a fake result is laid out otherwise than the kernel's, and would decide later copies otherwise.

A view's strides along dimensions of one element mean nothing, but kernels that ask whether a tensor is laid
out as another compare them all. Source: fake tensors take PyTorch's Python decompositions of views
(``torch/_refs``), a real run takes ``computeStride`` (ATen/TensorUtils.cpp), which the meta device shares.

A kernel that was run alone has shown how it lays its results out: a fake layer norm's gradient lies as the
input does, the kernel's does not.

A meta kernel may give one tensor twice where the kernel makes two (``mkldnn_rnn_layer_backward``'s biases);
with fake tensors' cache of shapes, the second call of the same operation gives two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_map, tree_map_only

from vgg_profile.predict.fake.layouts import has_layout, layout
from vgg_profile.predict.fake.recording import identity

aten = torch.ops.aten

_VIEWS = (aten.view.default, aten._unsafe_view.default, aten._reshape_alias.default)


def as_the_kernel(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Any:
    """The result as the real operation gives it."""
    if isinstance(out, tuple) and not func._schema.is_mutable:
        out = _each_its_own(out)
    if func in _VIEWS:
        return _laid(out, _of_a_view(func, args, kwargs)) if 1 in out.shape else out
    if not has_layout(func):
        return out
    return tree_map_only(Tensor, lambda each: _laid(each, layout(func, args, kwargs, each)), out)


def _of_a_view(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[int, ...]:
    given = args[0]
    with _disable_current_modes():
        like = torch.empty_strided(given.shape, given.stride(), dtype=given.dtype, device="meta")
        strides: tuple[int, ...] = func(like, *args[1:], **kwargs).stride()
    return strides


def as_seen(out: Any, fresh: Sequence[Tensor], strides: Sequence[tuple[int, ...]]) -> Any:
    """The result with its ``fresh`` tensors laid out as the kernel laid out its own."""
    if all(tensor.stride() == seen for tensor, seen in zip(fresh, strides, strict=True)):
        return out
    seen = {id(tensor): stride for tensor, stride in zip(fresh, strides, strict=True)}
    return tree_map(lambda leaf: _laid(leaf, seen[id(leaf)]) if id(leaf) in seen else leaf, out)


def _laid(out: Tensor, strides: tuple[int, ...]) -> Tensor:
    if strides == out.stride():
        return out
    laid: Tensor = aten.as_strided.default(out, out.shape, strides, out.storage_offset())
    return laid


def _each_its_own(out: tuple[Any, ...]) -> tuple[Any, ...]:
    """Several results, none of them all of a storage that another is all of, too."""
    taken: set[int] = set()
    results = []
    for each in out:
        if isinstance(each, Tensor) and each.numel() and _is_all(each):
            if identity(each) in taken:
                each = aten.empty_strided.default(
                    each.shape, each.stride(), dtype=each.dtype, device=each.device
                )
            taken.add(identity(each))
        results.append(each)
    return tuple(results)


def _is_all(tensor: Tensor) -> bool:
    return tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
