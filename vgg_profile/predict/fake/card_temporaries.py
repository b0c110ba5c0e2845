"""What a kernel takes on a card beside its results: by rule, or not known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from vgg_profile.core.sizes import FLOAT32
from vgg_profile.predict.fake.temporaries import Taken

aten = torch.ops.aten

Rule = Callable[[tuple[Any, ...], Sequence[int]], Taken | None]


def on_a_card(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], results: Sequence[int]) -> Taken | None:
    """An operation's changes on a card; at least its results, where no rule knows what cuDNN takes."""
    name = func._schema.name.removeprefix("aten::")
    if name in _TAKES_MORE:
        return Taken(tuple(results), is_least=True)
    rule = _RULES.get(name)
    return Taken(tuple(results)) if rule is None else rule(args, results)


_TAKES_MORE = ("convolution", "convolution_backward")


def _batch_norm(args: tuple[Any, ...], results: Sequence[int]) -> Taken:
    """PyTorch's own keeps both statistics in float32, in eval too: ``native/cuda/Normalization.cu``."""
    statistics = args[0].shape[1] * max(args[0].element_size(), FLOAT32)
    made = (results[0], statistics, statistics)
    return Taken(made, made)


def _softmax_backward(args: tuple[Any, ...], results: Sequence[int]) -> Taken:
    """The gradient times the output, before: ``native/cuda/SoftMax.cu``."""
    gradient: Tensor = args[0]
    size = gradient.numel() * gradient.element_size()
    return Taken((size, *results, -size))


_RULES: dict[str, Rule] = {
    "native_batch_norm": _batch_norm,
    "_softmax_backward_data": _softmax_backward,
}
