"""Arithmetic: what it takes where its operands have to be cast to what they have in common.

Source: ``TensorIterator`` and ``wrapped_scalar_tensor`` in ATen of torch 2.13, and the files named at each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from vgg_profile.predict.fake.operations import OperationMemory, in_passing, name_of, names, rule

ARITHMETIC = ("add", "sub", "mul", "div", "rsub", "eq", "ne", "gt", "lt", "ge", "le")

IN_FLOATS = names(
    """
    acos asin atan cos cosh erf erfc exp exp2 expm1 log log10 log1p log2 reciprocal rsqrt sigmoid sin sinh
    sqrt tan tanh
    """
)
"""Functions whose values are floats, be they of whole numbers, which are cast first."""


@rule(*ARITHMETIC, *(f"{name}_" for name in ARITHMETIC))
def _arithmetic(func: Any, args: tuple[Any, ...], results: Sequence[int]) -> OperationMemory:
    """A Python number is cast, a tensor of another dtype is copied: ``ATen/native/TensorIterator.cpp``.

    A number where the schema says tensor is no part of this, if there is a tensor: ``numbers`` writes it
    down. One where it says number is made a tensor within the operation (``wrapped_scalar_tensor``,
    ATen/ScalarOps.h).
    """
    first, second = args[0], args[1]
    if not isinstance(first, Tensor):
        first, second = second, first
    if not isinstance(first, Tensor):
        return _of_numbers(func, args[:2], results)
    common = _computed_in(func, _common_dtype(first, second))
    casts = []
    for each in (first, second):
        if isinstance(each, Tensor):
            if each.dtype != common:
                casts.append(each.numel() * common.itemsize)
        else:
            own = dtype_of_number(each)
            if str(func._schema.arguments[1].type) == "number":
                casts.append(own.itemsize)
            if own != common:
                casts.append(common.itemsize)
    return OperationMemory(in_passing(casts, results))


def _computed_in(func: Any, common: torch.dtype) -> torch.dtype:
    """The dtype in which operands are computed: of whole numbers a quotient is a float, if not rounded."""
    is_quotient = name_of(func).startswith("div") and "mode" not in func._schema.overload_name
    return torch.get_default_dtype() if is_quotient and _is_whole(common) else common


def _is_whole(dtype: torch.dtype) -> bool:
    return not dtype.is_floating_point and not dtype.is_complex


def _of_numbers(func: Any, numbers: Sequence[Any], results: Sequence[int]) -> OperationMemory:
    """Two Python numbers become tensors, the second first, and are cast to what they have in common."""
    common = _computed_in(func, torch.result_type(*numbers))
    own = [dtype_of_number(each) for each in numbers]
    taken = [each.itemsize for each in reversed(own)] + [common.itemsize for each in own if each != common]
    return OperationMemory(in_passing(taken, results))


def _common_dtype(first: Tensor, second: Any) -> torch.dtype:
    """The dtype of a sum; PyTorch is asked where it is not plain, which takes it an operation."""
    own: torch.dtype = first.dtype
    if isinstance(second, Tensor):
        is_plain = own == second.dtype
    else:
        is_plain = own.is_floating_point and not isinstance(second, complex)
    return own if is_plain else torch.result_type(first, second)


def dtype_of_number(number: Any) -> torch.dtype:
    """The dtype of the tensor that a Python number becomes."""
    if isinstance(number, bool):
        return torch.bool
    return torch.int64 if isinstance(number, int) else torch.float64


@rule(*IN_FLOATS)
def _in_floats(func: Any, args: tuple[Any, ...], results: Sequence[int]) -> OperationMemory:
    """Whole numbers are cast to the default dtype: ``build_borrowing_unary_float_op``."""
    given = args[0]
    casts = [given.numel() * torch.get_default_dtype().itemsize] if _is_whole(given.dtype) else []
    return OperationMemory(in_passing(casts, results))


@rule("pow")
def _power(func: Any, args: tuple[Any, ...], results: Sequence[int]) -> OperationMemory:
    """A number's power makes a tensor of it once the result is there; a power of 1 is filled in.

    Source: ``pow`` in ATen/native/Pow.cpp.
    """
    base, exponent = args[:2]
    common = torch.result_type(base, exponent)
    casts = [
        each.numel() * common.itemsize
        for each in (base, exponent)
        if isinstance(each, Tensor) and each.dtype != common
    ]
    if isinstance(base, Tensor):
        return OperationMemory(in_passing(casts, results))
    own = dtype_of_number(base)
    taken = [] if base == 1 else [own.itemsize, *([common.itemsize] if own != common else []), *casts]
    return OperationMemory((*results, *in_passing(taken)))
