"""Values that are known though tensors are fake: of small constants, and of what is computed from them.

A network's control flow reads sizes, masks and counters from small tensors that depend on no data
(``torch.linspace(0, 0.1, 12).tolist()``, ``mask.all()``). Their values are worked out on the side, so that
it goes the way that it goes in a real run; what depends on weights or on inputs is not known.
"""

from __future__ import annotations

import weakref
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.weak import WeakTensorKeyDictionary

from vgg_profile.predict.fake.operations import name_of
from vgg_profile.predict.fake.recording import identity
from vgg_profile.run.tensors import tensors_in

SMALL = 1 << 16
"""The most elements of a tensor whose values are followed."""

_SHAPE_ALONE = ("ones_like", "zeros_like", "full_like", "new_ones", "new_zeros", "new_full")
"""Operations that look at the shape of a tensor and not at its values."""

_COMPARISONS = tuple(getattr(torch.ops.aten, name).Scalar for name in ("lt", "le", "gt", "ge"))

_READS = (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.equal.default)


class Known:
    """The known values, each with the fake tensor that it is the value of."""

    def __init__(self) -> None:
        self._values: dict[int, tuple[weakref.ref[Tensor], Tensor]] = {}
        self._views: defaultdict[int, set[int]] = defaultdict(set)
        """Which of them are views of a storage."""
        self._drawn: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
        """Tensors whose values are drawn from [0, 1)."""

    def of(self, tensor: Tensor) -> Tensor | None:
        """The value of a tensor; ``None`` if it is not known."""
        if not isinstance(tensor, FakeTensor):
            return tensor
        entry = self._values.get(id(tensor))
        return entry[1] if entry is not None and entry[0]() is tensor else None

    def tell(self, tensor: Tensor, value: Tensor) -> None:
        """From here on this is the value of a tensor."""
        key, views = id(tensor), self._views[identity(tensor)]
        views.add(key)

        def forget(_: object) -> None:
            self._values.pop(key, None)
            views.discard(key)

        self._values[key] = (weakref.ref(tensor, forget), value)

    def answer(self, func: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """What a read of values gives, in a tuple; an empty one if it reads none, or none that is known."""
        if func not in _READS:
            return ()
        values = [self._read(tensor) for tensor in args]
        if any(value is None for value in values):
            return ()
        with _disable_current_modes():
            return (func(*values),)

    def _read(self, tensor: Tensor) -> Tensor | None:
        """The value of a tensor, be it one that the fake mode keeps."""
        value = self.of(tensor)
        return tensor.constant if value is None and isinstance(tensor, FakeTensor) else value

    def follow(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        """Work out what an operation gave, if all that it read is known; forget what it overwrote if not."""
        if func is torch.ops.aten.rand.default and out.numel() <= SMALL:
            self._drawn[out] = True
        if func in _COMPARISONS and args[0] in self._drawn:
            self._compare(func, args, out)
            return
        if not self._can_follow(func, args, kwargs, out):
            for tensor in written(func, args, kwargs):
                self._forget(tensor)
            return
        with _disable_current_modes(), torch.no_grad():
            try:
                real = func(*tree_map(self._stand_in, args), **tree_map(self._stand_in, kwargs))
            except Exception:  # the fake operation passed; what is not worked out is merely unknown
                return
        for fake, value in zip(tree_leaves(out), tree_leaves(real), strict=True):
            if isinstance(fake, FakeTensor):
                self.tell(fake, value)

    def _compare(self, func: Any, args: tuple[Any, ...], out: Tensor) -> None:
        """Whether values drawn from [0, 1) are less than a number is known if both ends are, or neither.

        So a layer is never dropped whose rate of dropping is 0.
        """
        with _disable_current_modes():
            shape, dtype = tuple(args[0].shape), args[0].dtype
            ends = [torch.full(shape, end, dtype=dtype) for end in (0.0, 1 - torch.finfo(dtype).eps)]
            least, most = (func(end, *args[1:]) for end in ends)
            if torch.equal(least, most):
                self.tell(out, least)

    def _can_follow(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> bool:
        outputs = tensors_in(out)
        if not outputs or any(each.numel() > SMALL or each.layout != torch.strided for each in outputs):
            return False
        name = name_of(func)
        if torch.Tag.nondeterministic_seeded in func.tags or name.startswith(("empty", "new_empty")):
            return False
        if name in _SHAPE_ALONE:
            return True
        inputs = tensors_in((args, kwargs))
        return all(self.of(each) is not None and not each.requires_grad for each in inputs)

    def _stand_in(self, leaf: Any) -> Any:
        if isinstance(leaf, Tensor):
            value = self.of(leaf)
            return torch.zeros(1, dtype=leaf.dtype).expand(tuple(leaf.shape)) if value is None else value
        return torch.device("cpu") if isinstance(leaf, torch.device) else leaf

    def _forget(self, tensor: Tensor) -> None:
        """A storage was overwritten with values that nobody knows: forget every view of it."""
        if not isinstance(tensor, FakeTensor) or tensor.layout != torch.strided:
            return
        for key in self._views.pop(identity(tensor), ()):
            self._values.pop(key, None)


def written(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[Tensor]:
    """The tensors that an operation writes to, by its schema."""
    if not func._schema.is_mutable:
        return
    for place, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            given = args[place] if place < len(args) else kwargs.get(argument.name)
            yield from tensors_in(given)
