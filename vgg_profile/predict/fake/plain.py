"""Operations of which fake tensors know no more than a meta kernel does, answered without a detour.

For every operation ``FakeTensorMode`` looks up constants, decompositions, devices and a cache of shapes,
which costs more than most kernels. Of those listed here all that comes to the kernel's answer, on the device
of what it is given. Source: ``FakeTensorMode._dispatch_impl`` in torch/_subclasses/fake_tensor.py and
``constructors`` in fake_impls.py.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, in_kernel_invocation_manager

from vgg_profile.predict.fake.devices import HOST
from vgg_profile.predict.fake.operations import name_of, names

_KERNELS = names(
    """
    _unsafe_view add_ alias as_strided bmm clone copy_ detach expand fill_ mm mul_ permute relu_ select slice
    sum t transpose unsqueeze view zero_
    """
)
"""Operations that have a meta kernel in C++: views, products, and what writes in place."""

_MAKERS = names("empty empty_like empty_strided ones ones_like zeros zeros_like")
"""Operations that make a tensor of a shape, or like another."""

_ALIKE = names(
    """
    add addcdiv addcmul div exp gelu gelu_backward hardswish hardswish_backward mul neg pow relu rsqrt sigmoid
    sigmoid_backward silu silu_backward sqrt sub tanh tanh_backward threshold_backward
    """
)
"""Operations whose result is as their operands are, where these are alike."""

_META = torch.device("meta")


@cache
def _name(func: Any) -> str:
    """The operation's name, if it gives one tensor; else an empty one."""
    one = [str(each.type) for each in func._schema.returns] == ["Tensor"]
    return name_of(func) if one and func.namespace == "aten" else ""


def answer(mode: FakeTensorMode, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor | None:
    """What an operation gives on tensors of a mode; ``None`` where the mode itself has to be asked."""
    name = _name(func)
    is_arithmetic, makes = name in _ALIKE, name in _MAKERS
    if not (is_arithmetic or makes or name in _KERNELS):
        return None
    tensors = [each for each in (*args, *kwargs.values()) if isinstance(each, Tensor)]
    given = [each for each in args if isinstance(each, FakeTensor) and each.constant is None]
    if len(given) < len(tensors):  # some are real, or constants, or out=
        return None
    device = given[0].fake_device if given else HOST
    if any(each.fake_device != device for each in given) or (is_arithmetic and not _are_alike(given, args)):
        return None
    with in_kernel_invocation_manager(mode):
        if is_arithmetic:
            like = given[0]
            out = torch.empty_strided(like.shape, like.stride(), dtype=like.dtype, device=_META)
        elif makes:
            device = kwargs.get("device") or device
            out = func(*args, **{**kwargs, "device": _META})
        else:
            out = func(*args, **kwargs)
    return out if isinstance(out, FakeTensor) else FakeTensor(mode, out, device)


def _are_alike(given: list[FakeTensor], args: tuple[Any, ...]) -> bool:
    """Whether operands are of one floating-point dtype, of one shape, and lie densely and in one way."""
    if not given:
        return False
    first = given[0]
    return (
        first.is_floating_point()
        and (first.is_contiguous() or first.is_contiguous(memory_format=torch.channels_last))
        and not any(isinstance(each, complex) for each in args)
        and all(
            each.dtype == first.dtype and each.shape == first.shape and each.stride() == first.stride()
            for each in given[1:]
        )
    )
