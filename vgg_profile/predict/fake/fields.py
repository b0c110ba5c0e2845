"""The receptive field of whatever an operation gives: how many pixels of a side one value of it sees.

Followed along the operations of a forward pass on images (N, C, H, W): a kernel of k widens the field by
(k - 1) strides, and its own stride multiplies the stride. Where paths meet that saw differently, or an
operation looks at the whole map, there is no single figure. The statistics of a norm, which are of the whole
map or batch, do not count, as they do not for a VGG.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from vgg_profile.predict.fake.operations import name_of
from vgg_profile.run.tensors import tensors_in

IMAGE_DIMENSIONS = 4


class Field(NamedTuple):
    """One figure for both sides, in pixels of the image."""

    size: int
    stride: int


IMAGE = Field(1, 1)


class Fields:
    """What each tensor sees that comes of an image: a field, or ``None`` where there is no single one."""

    def __init__(self) -> None:
        self._fields: dict[int, tuple[weakref.ref[Tensor], Field | None]] = {}

    def tell(self, tensor: Tensor, field: Field | None) -> None:
        key = id(tensor)
        self._fields[key] = (weakref.ref(tensor, lambda _: self._fields.pop(key, None)), field)

    def of(self, tensor: object) -> Field | None:
        """The field of a tensor; ``None`` if there is none to name."""
        entry = self._fields.get(id(tensor))
        return entry[1] if entry is not None and entry[0]() is tensor else None

    def _is_known(self, tensor: Tensor) -> bool:
        entry = self._fields.get(id(tensor))
        return entry is not None and entry[0]() is tensor

    def follow(self, func: Any, args: tuple[Any, ...], out: Any) -> None:
        """What an operation gives sees what it was given, and beside that what its kernel adds."""
        given = [tensor for tensor in tensors_in(args) if self._is_known(tensor)]
        if not given:
            return
        seen = {self.of(tensor) for tensor in given}
        field = seen.pop() if len(seen) == 1 else None
        name = name_of(func)
        for result in tensors_in(out):
            self.tell(result, None if field is None else _after(name, func, args, given[0], result, field))


def _after(
    name: str, func: Any, args: tuple[Any, ...], given: Tensor, result: Tensor, field: Field
) -> Field | None:
    if result.dim() != IMAGE_DIMENSIONS:
        return None
    rule = _KERNELS.get(name)
    if rule is not None:
        kernel = rule(args, given, result)
        if kernel is None:
            return None
        width, stride, dilation = kernel
        return Field(field.size + (width - 1) * dilation * field.stride, field.stride * stride)
    is_map = result.shape[2:] == given.shape[2:] and result.shape[0] == given.shape[0]
    return field if is_map and (torch.Tag.pointwise in func.tags or name in _VALUE_BY_VALUE) else None


_WORDS = """
    _reshape_alias _to_copy _unsafe_view add_ alias bernoulli_ cat channel_shuffle clone copy_ detach
    empty_like expand native_batch_norm native_channel_shuffle native_dropout native_group_norm slice split
    split_with_sizes unsafe_split view
"""
_VALUE_BY_VALUE = frozenset(_WORDS.split())
"""Operations beside the pointwise ones that put values where the same place of a map was."""

Kernel = tuple[int, int, int]
"""Width, stride and dilation, the same along both sides."""


def _square(kernel: Any, stride: Any, dilation: Any) -> Kernel | None:
    """The kernel, if both its sides are alike."""
    sides = []
    for each in (kernel, stride, dilation):
        values = set(each) if isinstance(each, (list, tuple)) else {each}
        if len(values) != 1:
            return None
        sides.append(int(values.pop()))
    return sides[0], sides[1], sides[2]


def _convolution(args: tuple[Any, ...], given: Tensor, result: Tensor) -> Kernel | None:
    weight, stride, dilation, is_transposed = args[1], args[3], args[5], args[6]
    return None if is_transposed else _square(tuple(weight.shape[2:]), stride, dilation)


def _pool(args: tuple[Any, ...], given: Tensor, result: Tensor) -> Kernel | None:
    kernel, stride = args[1], args[2] if len(args) > 2 and args[2] else args[1]
    return _square(kernel, stride, 1)


def _max_pool(args: tuple[Any, ...], given: Tensor, result: Tensor) -> Kernel | None:
    kernel, stride = args[1], args[2] if len(args) > 2 and args[2] else args[1]
    return _square(kernel, stride, args[4] if len(args) > 4 else 1)


def _adaptive(args: tuple[Any, ...], given: Tensor, result: Tensor) -> Kernel | None:
    """Windows of one size, if they divide the map."""
    ratios = {divmod(size, pooled) for size, pooled in zip(given.shape[2:], result.shape[2:], strict=True)}
    if len(ratios) != 1:
        return None
    width, rest = ratios.pop()
    return (width, width, 1) if not rest else None


_KERNELS: dict[str, Callable[[tuple[Any, ...], Tensor, Tensor], Kernel | None]] = {
    "convolution": _convolution,
    "max_pool2d_with_indices": _max_pool,
    "avg_pool2d": _pool,
    "_adaptive_avg_pool2d": _adaptive,
}
