"""Who reads a storage again: the nodes of the graph that saved it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_leaves

from vgg_profile.predict.fake.recording import Recording


def note_readers(
    recording: Recording, outputs: Any, places: Sequence[tuple[int, str]], hooked: Iterable[int]
) -> None:
    """Write into each storage which modules' backward reads it.

    ``places`` says by node number in which module a node was made. ``hooked`` nodes are not asked: a
    checkpoint would run its part again to answer.
    """
    untouchable = set(hooked)
    first = [number for number, _ in places]
    for node in _graph(outputs):
        number = node._sequence_nr()
        if number in untouchable:
            continue
        layer = places[max(0, bisect_right(first, number) - 1)][1] or "loss"
        for tensor in _saved(node):
            storage = recording.known(tensor)
            if storage is not None:
                storage.readers += (f"{layer}'s backward",)


def _graph(outputs: Any) -> Iterator[Any]:
    """Every node of the graph behind some tensors, once; those that hold a parameter apart."""
    waiting = [leaf.grad_fn for leaf in tree_leaves(outputs) if isinstance(leaf, Tensor)]
    seen: set[Any] = set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        waiting += [following for following, _ in node.next_functions]
        if node.name() != "torch::autograd::AccumulateGrad":
            yield node


def _saved(node: Any) -> Iterator[Tensor]:
    for name in dir(type(node)):
        if name.startswith("_saved_") or name == "saved_tensors":
            try:
                value = getattr(node, name)
            except RuntimeError:  # overwritten since, or not saved
                continue
            yield from (leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor))
