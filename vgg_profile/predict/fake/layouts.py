"""How kernels lay out what they make, where fake tensors take it to lie otherwise.

An elementwise operation's result lies as PyTorch's ``TensorIterator`` decides. Fake tensors ask
``torch._refs``, which takes the operands in another order, and dimensions of one element for what their
strides say. Source: ``compute_fast_setup_type``, ``reorder_dimensions`` and ``allocate_or_resize_outputs`` in
ATen/TensorIterator.cpp of torch 2.13; ``masked_fill`` in ATen/native/TensorAdvancedIndexing.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch._prims_common import (
    is_non_overlapping_and_dense_or_false,
    make_channels_last_strides_for,
    make_contiguous_strides_for,
)

from vgg_profile.predict.fake.operations import name_of, names

Strides = tuple[int, ...]

CHANNELS_LAST_DIMENSIONS = 4
"""``TensorIterator`` knows channels last of images alone, not of volumes."""

ELEMENTWISE = names(
    """
    abs add addcdiv addcmul atan2 ceil clamp cos div elu elu_backward eq erf exp floor fmod ge gelu
    gelu_backward gt hardsigmoid hardsigmoid_backward hardswish hardswish_backward hardtanh_backward le
    leaky_relu leaky_relu_backward lerp log logical_not lt maximum minimum mish mish_backward mul ne neg pow
    reciprocal relu remainder round rsqrt rsub sigmoid sigmoid_backward sign silu silu_backward sin softplus
    softplus_backward sqrt sub tanh tanh_backward threshold_backward where
    """
)
"""Operations whose one result ``TensorIterator`` allocates."""

SECOND_FIRST = names("leaky_relu_backward rsub threshold_backward")
"""Of these, the ones that hand it their second operand before the first: ATen/native/Activation.cpp."""

CONTIGUOUS = names(
    """
    _log_softmax _log_softmax_backward_data _softmax_backward_data log_sigmoid_forward masked_fill tril triu
    """
)
"""Operations whose results are contiguous, however what they are given lies."""

LIKE = names("empty_like full_like hardtanh ones_like rand_like randn_like zeros_like")
"""Operations that lay out a result as a tensor lies."""


@cache
def has_layout(func: Any) -> bool:
    """Whether a rule knows how an operation that makes something lays it out."""
    schema = func._schema
    if schema.is_mutable or not schema.arguments or not schema.returns:
        return False
    if {str(schema.arguments[0].type), str(schema.returns[0].type)} != {"Tensor"}:
        return False
    return name_of(func) in CONTIGUOUS | LIKE | ELEMENTWISE


def layout(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Tensor) -> Strides:
    """The strides that a kernel gives its result."""
    name = name_of(func)
    if name in CONTIGUOUS:
        return _contiguous(out)
    if name in LIKE:
        is_asked_for = kwargs.get("memory_format") not in (None, torch.preserve_format)
        is_dense = is_non_overlapping_and_dense_or_false(args[0])
        return args[0].stride() if is_dense and not is_asked_for else out.stride()
    operands = [each for each in args if isinstance(each, Tensor)]
    if name in SECOND_FIRST:
        operands.reverse()
    return elementwise(operands, out, has_number=_has_number(func, args))


def _has_number(func: Any, args: tuple[Any, ...]) -> bool:
    """Whether an operand is a number, which is a tensor without dimensions to the kernel."""
    return any(
        not isinstance(given, Tensor)
        and (str(argument.type) == "Tensor" or argument.name in ("self", "other"))
        for given, argument in zip(args, func._schema.arguments, strict=False)
    )


def elementwise(operands: Sequence[Tensor], out: Tensor, *, has_number: bool = False) -> Strides:
    """The strides that ``TensorIterator`` gives a result.

    >>> turned = torch.empty(2, 3, device="meta").t()
    >>> elementwise([turned, torch.empty(3, 2, device="meta")], torch.empty(3, 2, device="meta"))
    (1, 3)
    """
    if not has_number and all(each.shape == out.shape for each in operands):
        if all(each.is_contiguous() for each in operands):
            return _contiguous(out)
        if out.dim() == CHANNELS_LAST_DIMENSIONS and all(map(_is_channels_last, operands)):
            return tuple(make_channels_last_strides_for(out.shape))
        strides = {each.stride() for each in operands}
        if len(strides) == 1 and is_non_overlapping_and_dense_or_false(operands[0]):
            return strides.pop()
    order = _inner_first(out.shape, [_stepping(each, out.shape) for each in operands])
    laid, step = [0] * out.dim(), 1
    for dimension in order:
        laid[dimension] = step
        step *= out.shape[dimension]
    return _contiguous(out) if order == sorted(order, reverse=True) else tuple(laid)


def _inner_first(shape: Sequence[int], strides: Sequence[Strides]) -> list[int]:
    """The dimensions from the innermost out: an insertion sort, since some of them do not compare."""
    order = list(reversed(range(len(shape))))
    for place in range(1, len(order)):
        here = place
        for before in reversed(range(place)):
            comparison = _compare(order[before], order[here], shape, strides)
            if comparison < 0:
                break
            if comparison > 0:
                order[before], order[here] = order[here], order[before]
                here = before
    return order


def _compare(one: int, other: int, shape: Sequence[int], strides: Sequence[Strides]) -> int:
    """-1 if a dimension lies within another, 1 if outside of it, 0 if no operand tells."""
    for each in strides:
        if 0 in (each[one], each[other]):  # one of them is broadcast
            continue
        if each[one] != each[other]:
            return -1 if each[one] < each[other] else 1
        if shape[one] > shape[other]:
            return 1
    return 0


def _stepping(operand: Tensor, shape: Sequence[int]) -> Strides:
    """An operand's strides along a result's dimensions: 0 along those that it is broadcast along."""
    new = (0,) * (len(shape) - operand.dim())
    own = zip(operand.shape, operand.stride(), shape[len(new) :], strict=True)
    return (*new, *(0 if size != broad else step for size, step, broad in own))


def is_transposed(matrices: Tensor) -> bool:
    """Whether a matrix, or each of a batch of them, is contiguous when transposed, and so are all together.

    >>> [is_transposed(each) for each in (torch.empty(5, 4, 3).mT, torch.empty(4, 3), torch.empty(4, 1))]
    [True, False, True]
    """
    *batch, row, column = zip(matrices.shape, matrices.stride(), strict=True)
    wanted = 1
    for size, stride in (row, column, *reversed(batch)):
        if size != 1 and stride != wanted:
            return False
        wanted *= size
    return True


def _contiguous(out: Tensor) -> Strides:
    return tuple(make_contiguous_strides_for(out.shape))


def _is_channels_last(tensor: Tensor) -> bool:
    return tensor.is_contiguous(memory_format=torch.channels_last)
