"""Operations of which fake tensors know no more than a meta kernel does, answered without a detour.

For every operation ``FakeTensorMode`` looks up constants, decompositions, devices and a cache of shapes,
which costs more than most kernels. Of those listed here all that comes to the kernel's answer, on the device
of what it is given. Source: ``FakeTensorMode._dispatch_impl`` in torch/_subclasses/fake_tensor.py and
``constructors`` in fake_impls.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import (
    CONSTANT_NUMEL_LIMIT,
    FakeTensor,
    FakeTensorMode,
    in_kernel_invocation_manager,
)
from torch.utils._mode_utils import no_dispatch

from vgg_profile.core.sizes import FLOAT32
from vgg_profile.predict.fake.devices import HOST
from vgg_profile.predict.fake.operations import name_of, names

Args = tuple[Any, ...]
Kwargs = dict[str, Any]

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
    add addcdiv addcmul clamp div elu elu_backward exp gelu gelu_backward hardsigmoid hardsigmoid_backward
    hardswish hardswish_backward hardtanh hardtanh_backward leaky_relu leaky_relu_backward mul neg pow relu
    rsqrt sigmoid sigmoid_backward silu silu_backward sqrt sub tanh tanh_backward threshold_backward
    """
)
"""Operations whose result is as their operands are, where these are alike."""

_IN_PLACE = names(
    "bernoulli_ clamp_ div_ elu_ hardsigmoid_ hardswish_ hardtanh_ leaky_relu_ sigmoid_ silu_ sub_ tanh_"
)
"""Operations that write over their first operand, and give it back."""

_META = torch.device("meta")


def answer(mode: FakeTensorMode, func: Any, args: Args, kwargs: Kwargs) -> Any:
    """What an operation gives on tensors of a mode; ``None`` where the mode itself has to be asked."""
    if func is torch.ops.aten.lift_fresh.default:
        return _lifted(mode, args[0])
    rule = _rule(func)
    if rule is None:
        return None
    given = list(_tensors((*args, *kwargs.values())))
    if not all(isinstance(each, FakeTensor) and each.constant is None for each in given):
        return None  # some are real, or constants
    device, *elsewhere = {each.fake_device for each in given} or {HOST}
    if elsewhere:
        return None
    if rule is _made:
        device = kwargs.get("device") or device
    with in_kernel_invocation_manager(mode):
        out = rule(func, args, kwargs)
    if isinstance(out, tuple):
        return tuple(FakeTensor(mode, each, device) for each in out)
    return out if out is None or isinstance(out, FakeTensor) else FakeTensor(mode, out, device)


def _tensors(values: Args) -> Iterator[Any]:
    return (each for each in values if isinstance(each, Tensor))


def _lifted(mode: FakeTensorMode, value: Tensor) -> FakeTensor | None:
    """A number that ``torch.tensor`` made: its value stays known.

    Source: ``FakeTensorConverter.from_real_tensor``, which remembers the storage for views of it.
    """
    if type(value) is not Tensor or value.layout != torch.strided or value.numel() > CONSTANT_NUMEL_LIMIT:
        return None
    with no_dispatch():
        constant = value.clone()
        lifted = FakeTensor(mode, _like(constant), constant.device, constant=constant)
    converter = mode.fake_tensor_converter
    storages = converter.meta_converter
    described = storages.describer.describe_storage(constant.untyped_storage())
    storages.set_storage_memo(described, lifted.untyped_storage())
    converter.add_constant_storage_mapping(lifted)
    return lifted


# -- rules: what is given on the meta device; ``None`` where that does not follow ----------------


def _asked(func: Any, args: Args, kwargs: Kwargs) -> Any:
    """What the meta kernel gives."""
    return func(*args, **kwargs)


def _made(func: Any, args: Args, kwargs: Kwargs) -> Any:
    return func(*args, **{**kwargs, "device": _META})


def _as_operands(func: Any, args: Args, kwargs: Kwargs) -> Any:
    return _like(next(_tensors(args))) if _are_alike(args) else None


def _first_operand(func: Any, args: Args, kwargs: Kwargs) -> Any:
    return args[0] if _are_alike(args) else None


def _normed(func: Any, args: Args, kwargs: Kwargs) -> Any:
    """A batch norm's output and its statistics: ``batch_norm_cpu`` in ``native/Normalization.cpp``."""
    x, *_, is_training, _, _ = args
    if not _are_plain(args):
        return None
    statistics = (x.shape[1] if is_training else 0,)
    return (_like(x), *(torch.empty(statistics, dtype=x.dtype, device=_META) for _ in range(2)))


def _norm_backward(func: Any, args: Args, kwargs: Kwargs) -> Any:
    """The gradients of its input, weights and biases: ``batch_norm_backward_cpu``, there."""
    x, weight, wanted = args[1], args[2], args[9]
    if weight is None or not all(wanted) or not _are_plain(args):
        return None
    return _like(x), _like(weight), _like(weight)


_RULES: tuple[tuple[frozenset[str], Callable[[Any, Args, Kwargs], Any]], ...] = (
    (_KERNELS, _asked),
    (_MAKERS, _made),
    (_ALIKE, _as_operands),
    (_IN_PLACE, _first_operand),
    (names("native_batch_norm"), _normed),
    (names("native_batch_norm_backward"), _norm_backward),
)


@cache
def _rule(func: Any) -> Callable[[Any, Args, Kwargs], Any] | None:
    """The rule of an operation that gives tensors and has no ``out=``."""
    schema = func._schema
    gives_tensors = {str(each.type) for each in schema.returns} == {"Tensor"}
    is_plain = (
        func.namespace == "aten" and gives_tensors and not any(each.is_out for each in schema.arguments)
    )
    return next((rule for of, rule in _RULES if is_plain and name_of(func) in of), None)


def _like(tensor: Tensor) -> Tensor:
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=_META)


def _are_alike(args: Args) -> bool:
    """Whether operands are of one floating-point dtype, of one shape, and lie densely and in one way."""
    tensors = list(_tensors(args))
    if not tensors:
        return False
    first = tensors[0]
    return (
        first.is_floating_point()
        and (first.is_contiguous() or first.is_contiguous(memory_format=torch.channels_last))
        and not any(isinstance(each, complex) for each in args)
        and all(
            each.dtype == first.dtype and each.shape == first.shape and each.stride() == first.stride()
            for each in tensors[1:]
        )
    )


def _are_plain(args: Args) -> bool:
    """Whether all tensors are contiguous and of one dtype, in which sums are kept, too."""
    first, *rest = _tensors(args)
    return (
        first.is_contiguous()
        and first.element_size() >= FLOAT32
        and all(each.is_contiguous() and each.dtype == first.dtype for each in rest)
    )
