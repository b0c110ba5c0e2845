"""A network on fake tensors: a copy of one that exists, or one that is built there without a weight.

The copy leaves the network as it is: its tensors are replaced in the copy alone, and what its forward pass
notes down in attributes is noted in the copy.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter
from torch.utils._python_dispatch import _disable_current_modes

from vgg_profile.core.errors import InputError, excerpt, message
from vgg_profile.run.tensors import tensors_in

ATTRIBUTE = 2
"""How deep in lists and dicts the tensors of a module's attribute are looked for."""


def faked(model: nn.Module) -> nn.Module:
    """A copy of a network on fake tensors of the same shapes, strides and dtypes, tied as its own are.

    To be called under a fake mode, which takes every new tensor. Raises ``InputError`` for a network that
    Python cannot copy.
    """
    memo: dict[int, Any] = {}
    bases: dict[int, Tensor] = {}
    for tensor in tensors_of(model):
        if id(tensor) not in memo:
            memo[id(tensor)] = _fake(tensor, bases)
    try:
        return copy.deepcopy(model, memo)
    except Exception as error:
        raise InputError(
            f"The network cannot be copied: {excerpt(message(error), 200)}.",
            "Give the function that builds it instead: it is then built on tensors without data.",
        ) from error


def tensors_of(model: nn.Module) -> Iterator[Tensor]:
    """The tensors of a network: parameters, buffers, and whatever stands among its modules' attributes."""
    for module in model.modules():
        for value in vars(module).values():
            yield from tensors_in(value, ATTRIBUTE)


def _fake(tensor: Tensor, bases: dict[int, Tensor]) -> Tensor:
    """A tensor of the same form on the CPU; tensors that share a storage go on sharing one."""
    if isinstance(tensor, (UninitializedParameter, UninitializedBuffer)):
        raise InputError(
            "The network has lazy parameters, whose shapes the first pass decides.",
            "Run it once on an input, then trace it.",
        )
    untyped = tensor.untyped_storage()
    base = bases.get(untyped._cdata)
    if base is None:
        elements = untyped.nbytes() // tensor.element_size()
        base = bases[untyped._cdata] = torch.empty(elements, dtype=tensor.dtype, device="cpu")
    if base.dtype != tensor.dtype:
        base = base.view(tensor.dtype)
    fake = base.as_strided(tensor.shape, tensor.stride(), tensor.storage_offset())
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(fake, requires_grad=tensor.requires_grad)
    return fake.requires_grad_(tensor.requires_grad and tensor.is_leaf)


def check_not_compiled(model: nn.Module) -> None:
    """Refuse what ``torch.compile`` made: its kernels, and what they take, are not ATen's operations.

    Raises ``InputError``.
    """
    for path, module in model.named_modules():
        if hasattr(module, "_orig_mod") or getattr(module, "_compiled_call_impl", None) is not None:
            raise InputError(
                f"The network compiles {path or 'itself'}, and a trace does not see what its kernels take.",
                "Trace it without torch.compile, or measure it.",
            )


def built(build: Callable[[], Any]) -> Any:
    """What a function returns that builds a network, on fake tensors: to be called under a fake mode.

    Raises :class:`LazyError` for one with lazy layers.
    """
    with _without_initialisers(), _conversions(), _refusing_lazy():
        return build()


def converted_to(model: nn.Module, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """The network on a device and in a dtype, as ``model.to(device, dtype)`` makes it of real tensors."""
    tensors = chain(model.parameters(), model.buffers())
    if all(each.device == device and each.dtype in (dtype, torch.int64) for each in tensors):
        return model
    with _conversions():
        return model.to(device, dtype)


@contextmanager
def _conversions() -> Iterator[None]:
    """While this lasts, ``.to()``, ``.half()`` and the like give modules new tensors.

    PyTorch swaps fake tensors for their conversions, and cannot where somebody has a weak reference to one.
    Ties stay: a tensor that several modules own is converted once.
    """
    memo: dict[int, tuple[Tensor, Tensor]] = {}
    depth = 0

    def converted(tensor: Tensor, convert: Callable[[Tensor], Tensor]) -> Tensor:
        if id(tensor) not in memo:
            with torch.no_grad():
                made = convert(tensor)
            if made is not tensor and isinstance(tensor, nn.Parameter):
                made = nn.Parameter(made, tensor.requires_grad)
            memo[id(tensor)] = tensor, made
        return memo[id(tensor)][1]

    def apply(self: nn.Module, convert: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
        nonlocal depth
        depth += 1
        for child in self.children() if recurse else ():
            child._apply(convert)  # type: ignore[no-untyped-call]
        kinds: tuple[dict[str, Any], ...] = (self._parameters, self._buffers)
        for kind in kinds:
            for name, tensor in kind.items():
                if tensor is not None:
                    kind[name] = converted(tensor, convert)
        depth -= 1
        if not depth:
            memo.clear()
        return self

    before = nn.Module._apply
    try:
        nn.Module._apply = apply  # type: ignore[method-assign]
        yield
    finally:
        nn.Module._apply = before  # type: ignore[method-assign]


class LazyError(Exception):
    """A network has parameters whose shapes its first pass decides: it cannot be built on fake tensors."""


@contextmanager
def _refusing_lazy() -> Iterator[None]:
    """While this lasts, a lazy layer raises :class:`LazyError`."""

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise LazyError

    lazy: tuple[Any, ...] = (UninitializedParameter, UninitializedBuffer)
    before = [each.__new__ for each in lazy]
    try:
        for each in lazy:
            each.__new__ = refuse
        yield
    finally:
        for each, new in zip(lazy, before, strict=True):
            each.__new__ = new


def materialised(build: Callable[[], nn.Module], run: Callable[[nn.Module], Any]) -> nn.Module:
    """A network with lazy layers after its first pass, which decides their shapes: on the meta device.

    To be called under the fake mode, which is left meanwhile; ``run`` makes the pass.
    """
    with _disable_current_modes(), torch.device("meta"), torch.no_grad():
        model = build()
        run(model)
    return model


@contextmanager
def _without_initialisers() -> Iterator[None]:
    """While this lasts, the functions of ``torch.nn.init`` leave their tensors alone: there is no data.

    Some of them draw until the values please them, and would never end.
    """
    before = {
        name: function
        for name, function in vars(nn.init).items()
        if name.endswith("_") and not name.startswith("_") and callable(function)
    }
    try:
        for name in before:
            setattr(nn.init, name, _leave)
        yield
    finally:
        for name, function in before.items():
            setattr(nn.init, name, function)


def _leave(tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return tensor


def deep_copy(tensor: Tensor, memo: dict[int, Any]) -> Tensor:
    """What ``copy.deepcopy`` makes of a fake tensor, with a storage that can be told from others.

    The fake mode's own copy has one storage, and each view of it another. ``nn.TransformerEncoder`` copies
    its layers so.
    """
    if id(tensor) not in memo:
        fresh = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=tensor.device)
        copied = nn.Parameter(fresh) if isinstance(tensor, nn.Parameter) else fresh
        memo[id(tensor)] = copied.requires_grad_(tensor.requires_grad)
    return memo[id(tensor)]  # type: ignore[no-any-return]
