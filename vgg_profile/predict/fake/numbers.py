"""Python numbers that became tensors: ``x * 0.5`` makes one of 8 bytes on the CPU.

The dispatcher shows a number as a number, though ATen has wrapped it in a tensor. It goes with its operation,
unless the graph's node saves it for its backward. Which nodes do is not listed here: the node is asked, once
the operation is over and its node is made. Source: ``wrapped_scalar_tensor`` in
``ATen/ScalarOps.h``; ``torch/csrc/autograd/VariableTypeManual``'s saved variables.
"""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor

from vgg_profile.core.events import Category, Storage
from vgg_profile.predict.fake.recording import Recording
from vgg_profile.run.marks import in_backward
from vgg_profile.run.tensors import tensors_in

_MAY_BE_SAVED = ("_saved_other", "_saved_self", "_saved_exponent", "_saved_end", "_saved_weight")


def number_bytes(func: Any, args: tuple[Any, ...]) -> int:
    """The bytes of the Python number that an operation takes where its schema says tensor; 0 if none.

    An operation on numbers alone has a rule that counts them, for no node saves one.
    """
    size = 0
    if not tensors_in(args):
        return size
    for argument, value in zip(func._schema.arguments, args, strict=False):
        if isinstance(value, (int, float, complex)) and str(argument.type) == "Tensor":
            size = 16 if isinstance(value, complex) else 1 if isinstance(value, bool) else 8
    return size


def is_borrowed() -> bool:
    """Whether a number is one that a node of the graph saved before: in a backward formula of PyTorch's."""
    node = torch._C._current_autograd_node() if in_backward() else None
    return (
        node is not None
        and not torch.is_grad_enabled()
        and not isinstance(node, torch.autograd.function.BackwardCFunction)
    )


class Numbers:
    """The number of the last operation, until it is known whether its node saved it."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self._last: tuple[weakref.ref[Tensor] | None, Storage] | None = None

    def made(self, number: Storage, out: Any) -> None:
        """An operation wrapped a number in a tensor; ``out`` is its result."""
        can_be_saved = isinstance(out, Tensor) and torch.is_grad_enabled()
        self._last = (weakref.ref(out) if can_be_saved else None, number)

    def settle(self) -> None:
        """The operation is over: its number lives as long as the node that saved it, or is gone."""
        if self._last is None:
            return
        (reference, number), self._last = self._last, None
        out = reference() if reference is not None else None
        saved = None if out is None else _saved_number(out)
        if saved is None:
            self.recording.event("release", freed=(number,))
        else:
            number.category = Category.TEMPORARY
            self.recording.watch(saved.untyped_storage(), number)


def _saved_number(out: Tensor) -> Tensor | None:
    """The number that the node of a result saved.

    A view that was changed in place makes its node anew when it is asked for, through the dispatcher, under
    a lock that we would hold: it is not asked.
    """
    node = None if out._is_view() else out.grad_fn
    if node is None:
        return None
    for attribute in _MAY_BE_SAVED:
        if hasattr(type(node), attribute):
            try:
                saved = getattr(node, attribute)
            except RuntimeError:  # not saved by this node, or changed since
                continue
            if isinstance(saved, Tensor) and not isinstance(saved, FakeTensor) and saved.numel() == 1:
                return saved
    return None
