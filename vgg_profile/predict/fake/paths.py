"""Where PyTorch goes another way because a dispatch mode is on, and how it is led back.

``isTensorSubclassLike`` (ATen/TensorSubclassLikeUtils.h) is true of every tensor while a mode is on. Code
that asks it works out of place where it would work in place: the engine that adds up gradients, some backward
formulas, and a linear layer's bias. Which of them happened is told from who holds the tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.library import Library
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import _disable_current_modes

from vgg_profile.predict.fake.building import deep_copy
from vgg_profile.predict.fake.known import Known
from vgg_profile.run.marks import in_backward

aten = torch.ops.aten

_IN_PLACE = {
    aten.index_put.default: aten.index_put_.default,
    aten.scatter_add.default: aten.scatter_add_.default,
    aten.index_add.default: aten.index_add_.default,
}
"""Backward formulas that scatter into a fresh tensor: in place, but for ``isTensorSubclassLike``."""

_LAST_HOLDERS = 4
"""The holders of a gradient that the engine alone still has, seen from a dispatch mode: two of C++ and the
argument's two of Python. A formula's own temporary has one more: its name."""

_ADD_BIAS = ("linear", "scaled_dot_product_attention")
"""Functions of ATen that add a bias to what they made, or a mask."""

_FINITE = {
    torch.isfinite: True,
    torch.isnan: False,
    torch.isinf: False,
    Tensor.isfinite: True,
    Tensor.isnan: False,
    Tensor.isinf: False,
}
"""Guards that look for values gone wrong, and what they find in a network that works."""


class Paths(TorchFunctionMode):
    """Knows within which function an operation is called, and which variant of it a real run takes."""

    def __init__(self, known: Known) -> None:
        super().__init__()
        self.known = known
        self.assumed: dict[str, None] = {}
        """What was taken to be so, in words, in order."""
        self._adds_in_place = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in _FINITE and isinstance(args[0], FakeTensor):
            return self._assume(func, args, kwargs or {})
        if func is Tensor.__deepcopy__ and isinstance(args[0], FakeTensor):
            return deep_copy(*args)
        return func(*args, **(kwargs or {}))

    def __enter__(self) -> Paths:
        library: Any = Library("aten", "IMPL")  # type: ignore[no-untyped-call]
        for name in _ADD_BIAS:
            whole = getattr(aten, name).default.decompose
            library.impl(name, self.adding_in_place(whole), "AutogradCPU")
        self._library = library
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *raised: Any) -> None:
        super().__exit__(*raised)  # type: ignore[no-untyped-call]
        self._library._destroy()

    def adding_in_place(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function that adds to what it made itself, as a kernel of the dispatcher."""

        def kernel(*args: Any, **kwargs: Any) -> Any:
            self._adds_in_place += 1
            try:
                return function(*args, **kwargs)
            finally:
                self._adds_in_place -= 1

        return kernel

    def _assume(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Values that nobody has are finite."""
        out = func(*args, **kwargs)
        self.assumed["that all values are finite"] = None
        with _disable_current_modes():
            value = torch.full((1,) * out.dim(), _FINITE[func], dtype=torch.bool).expand(tuple(out.shape))
        self.known.tell(out, value)
        return out

    def real(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The operation that a real run calls in the place of this one."""
        if func is aten.add.Tensor and not kwargs and len(args) == 2 and isinstance(args[1], Tensor):
            is_engines = (
                in_backward()
                and not torch.is_grad_enabled()
                and args[0].shape == args[1].shape
                and _is_held_by(args[0], _LAST_HOLDERS)
                and _is_dense(args[0])
            )
            is_bias = self._adds_in_place and _is_held_by(args[0], _LAST_HOLDERS + 1)
            return aten.add_.Tensor if is_engines or is_bias else func
        if func in _IN_PLACE and in_backward() and isinstance(args[0], FakeTensor):
            return _IN_PLACE[func] if _is_held_by(args[0], _LAST_HOLDERS + 1) else func
        return func


def _is_held_by(tensor: Tensor, most: int) -> bool:
    uses: int = tensor._use_count()  # type: ignore[attr-defined]
    return uses <= most and torch._C._storage_Use_Count(tensor.untyped_storage()._cdata) <= 2


def _is_dense(tensor: Tensor) -> bool:
    """Whether a tensor's values fill a stretch of memory without gaps or overlaps."""
    wanted = 1
    sizes = zip(tensor.stride(), tensor.shape, strict=True)
    for stride, size in sorted(pair for pair in sizes if pair[1] != 1):
        if stride != wanted:
            return False
        wanted *= size
    return True
