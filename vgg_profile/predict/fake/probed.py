"""The process that runs one operation at a time under the allocator's events, for ``probe``.

Reads invocations from stdin, writes a line for each: the changes in bytes, in order; then the bytes of its
new results, and their strides. It is started as ``python -m``, by nobody but ``probe``.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

os.environ.setdefault("KINETO_LOG_LEVEL", "99")

import torch
from torch import Tensor
from torch.autograd.profiler import profile
from torch.utils._pytree import tree_leaves, tree_map

from vgg_profile.predict.fake.probe import Invocation, TensorSpec

aten = torch.ops.aten

_KEEPS_FOR_BACKWARD = (aten.mkldnn_rnn_layer.default,)
"""Operations that look whether gradients are on, and make more if they are."""


def main(invocations: BinaryIO) -> None:
    """Answer until there are no more invocations."""
    while length := invocations.read(8):
        invocation = pickle.loads(invocations.read(int.from_bytes(length, "big")))
        try:
            changes, results = run(invocation)
            sizes = [each.untyped_storage().nbytes() for each in results]
            strides = "|".join(_listed(each.stride()) for each in results)
            answer = f"{_listed(changes)};{_listed(sizes)};{strides or 'none'}"
        except Exception:  # whatever an operation says to tensors that nobody computed
            answer = ""
        print(answer, flush=True)


def _listed(numbers: Iterable[int]) -> str:
    return ",".join(map(str, numbers)) or "none"


def run(invocation: Invocation) -> tuple[list[int], list[Tensor]]:
    """An operation's changes in bytes, in their order, and its new results."""
    torch.set_num_threads(invocation.threads)
    backend: Any = torch.backends.mkldnn
    backend.enabled = invocation.onednn
    space, name = invocation.operation.split("::")
    func = getattr(getattr(getattr(torch.ops, space), name), invocation.overload)
    tensors: dict[int, Tensor] = {}

    def make(leaf: Any) -> Any:
        if isinstance(leaf, TensorSpec):
            if leaf.number not in tensors:
                tensors[leaf.number] = tensor_of(leaf)
            return tensors[leaf.number]
        return leaf

    is_spec = lambda leaf: isinstance(leaf, TensorSpec)  # noqa: E731
    args = tree_map(make, invocation.args, is_leaf=is_spec)
    kwargs = tree_map(make, invocation.kwargs, is_leaf=is_spec)
    if func is aten.mkldnn_rnn_layer_backward.default:
        args = _with_its_workspace(args)
    with torch.set_grad_enabled(func in _KEEPS_FOR_BACKWARD):
        with profile(use_kineto=True, profile_memory=True) as events:
            kept = func(*args, **kwargs)
        given = {tensor.untyped_storage()._cdata for tensor in tensors.values()}
        results = []
        for leaf in tree_leaves(kept):
            if isinstance(leaf, Tensor) and leaf.untyped_storage()._cdata not in given:
                given.add(leaf.untyped_storage()._cdata)
                results.append(leaf)
    return [size for _, size in sorted(_memory(events))], results


def tensor_of(spec: TensorSpec) -> Tensor:
    """A tensor of that shape and layout: 0.5 where it is a floating-point one, else 0."""
    reach = sum((size - 1) * step for size, step in zip(spec.shape, spec.stride, strict=True))
    elements = reach + 1 + spec.offset if 0 not in spec.shape else 0
    dtype = getattr(torch, spec.dtype)
    base = torch.full((elements,), 0.5 if dtype.is_floating_point else 0, dtype=dtype)
    return base.as_strided(spec.shape, spec.stride, spec.offset)


def _with_its_workspace(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The backward of a recurrent layer reads a workspace that only its forward can make."""
    reverse, mode, hidden, layers, biases, train, bidirectional, batch_sizes, batch_first = args[13:22]
    with torch.enable_grad():
        made = aten.mkldnn_rnn_layer.default(
            *args[:7], reverse, batch_sizes, mode, hidden, layers, biases, bidirectional, batch_first, train
        )
    return (*args[:22], made[3])


def _memory(events: Any) -> Iterator[tuple[int, int]]:
    """The allocator's events: when, and how many bytes."""
    waiting = list(events.kineto_results.experimental_event_tree())
    while waiting:
        node = waiting.pop()
        if node.name == "[memory]":
            yield node.start_time_ns, node.extra_fields.alloc_size
        waiting += node.children


if __name__ == "__main__":
    main(sys.stdin.buffer)
