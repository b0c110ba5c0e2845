"""The tensors that a step is given, and the loss that goes with what comes out of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from vgg_profile.core.errors import InputError
from vgg_profile.core.inputs import Input


def tensors_in(value: Any, depth: float = inf) -> list[Tensor]:
    """The tensors in a value: itself, or those in tuples, lists and dicts down to a ``depth``."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, (tuple, list)):
        return []
    return [tensor for each in value for tensor in tensors_in(each, depth - 1)] if depth else []


class Given(NamedTuple):
    """What a step is given: the arguments of the network, and the targets of the loss."""

    args: tuple[Tensor, ...]
    kwargs: dict[str, Tensor]
    targets: Tensor | None = None


class Loss(NamedTuple):
    """A loss, what it is in words, and which targets it takes: the shape of int64 class indices."""

    function: Callable[[Any, Any], Any]
    words: str
    targets: Callable[[int], tuple[int, ...]] | None = None
    """The targets' shape for a batch; ``None`` where it takes none."""


def of_an_image(shape: Sequence[int], batch: int, batch_dim: int) -> tuple[int, ...]:
    """A shape without the batch, where its dimension is that of the input's.

    >>> of_an_image((2, 8, 4), 2, 0), of_an_image((5, 2, 4), 2, 1), of_an_image((10, 4), 2, 0)
    ((8, 4), (5, 4), (10, 4))
    """
    is_batched = len(shape) > batch_dim and shape[batch_dim] == batch
    return (*shape[:batch_dim], *shape[batch_dim + 1 :]) if is_batched else tuple(shape)


def give(inputs: Sequence[Input], loss: Loss, batch: int, dtype: torch.dtype, device: torch.device) -> Given:
    """Make the inputs and the targets: random values, zeros for integers below 1."""
    args: list[Tensor] = []
    kwargs: dict[str, Tensor] = {}
    for each in inputs:
        tensor = _make(each, batch, dtype, device)
        if each.name:
            kwargs[each.name] = tensor
        else:
            args.append(tensor)
    return Given(tuple(args), kwargs, targets_of(loss, batch, device))


def targets_of(loss: Loss, batch: int, device: torch.device) -> Tensor | None:
    """The targets that a loss takes, each of class 0; ``None`` where it takes none."""
    if loss.targets is None:
        return None
    return torch.zeros(loss.targets(batch), dtype=torch.int64, device=device)


def _make(each: Input, batch: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    wanted = dtype if each.dtype is None else getattr(torch, each.dtype)
    if wanted.is_floating_point:
        return torch.empty(each.at(batch), dtype=wanted, device=device).normal_()
    zeros = torch.zeros(each.at(batch), dtype=wanted, device=device)
    return zeros.random_(0, each.below) if each.below > 1 else zeros


def _cross_entropy(output: Any, targets: Any) -> Tensor:
    loss: Tensor = nn.functional.cross_entropy(output, targets)
    return loss


def cross_entropy(targets: Callable[[int], tuple[int, ...]]) -> Loss:
    """Cross entropy against class indices of that shape."""
    return Loss(_cross_entropy, "cross entropy against class indices", targets)


CLASSES = cross_entropy(lambda batch: (batch,))
"""The loss of a classifier: one class index an image."""


def default_loss(output: Any, batch: int) -> Loss:
    """The loss that goes with an output, where nobody named one.

    Cross entropy for a tensor (N, classes, …); an output's own ``loss``; else the mean of all floating-point
    tensors of the output. Raises ``InputError`` for an output without any.
    """
    if isinstance(output, Tensor) and output.is_floating_point() and output.dim() in (2, 4):
        shape = tuple(output.shape)
        if shape[0] == batch:
            return cross_entropy(lambda number: (number, *shape[2:]))
    own = output.get("loss") if isinstance(output, dict) else getattr(output, "loss", None)
    if isinstance(own, Tensor):
        return Loss(
            lambda out, _: out["loss"] if isinstance(out, dict) else out.loss, "the output's own loss"
        )
    if any(_counts(leaf) for leaf in tree_leaves(output)):
        return Loss(_mean, "the mean of all outputs")
    raise InputError(
        f"The network returns a {type(output).__name__} without a floating-point tensor: there is no loss.",
        "Name one with --loss FILE.py:NAME, a function of the output.",
    )


def _counts(leaf: object) -> bool:
    return isinstance(leaf, Tensor) and leaf.is_floating_point()


def _mean(output: Any, _: Any) -> Tensor:
    """The sum of the means of the output's floating-point tensors."""
    means: list[Tensor] = [leaf.mean() for leaf in tree_leaves(output) if _counts(leaf)]
    total = means[0]
    for mean in means[1:]:
        total = total + mean
    return total
