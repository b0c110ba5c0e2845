"""What a run does with values: the tensors among them, a flatten's rows, the line of the return."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from vgg_profile.core.counts import Count
from vgg_profile.core.sizes import Shape
from vgg_profile.diagnose.calls import is_layer
from vgg_profile.diagnose.draft import Written
from vgg_profile.run.tensors import tensors_in


def as_given(value: Any) -> Any:
    """An argument as a class takes it: a pair as a tuple, a count as its number."""
    if isinstance(value, list):
        return tuple(value)
    return int(value) if isinstance(value, Count) else value


def loses_rows(result: object, x: Tensor) -> bool:
    """Whether a flatten gives another number of rows than it was given images."""
    return isinstance(result, Tensor) and result.dim() <= 2 and result.shape[:1] != x.shape[:1]


def why_no_flatten(layer: Written, x: Tensor) -> str:
    """What keeps a layer from giving one row an image, to end a finding with."""
    if "squeezed" in layer.arguments:
        return ", which drops the batch as well where it is one image"
    if "sizes" in layer.arguments:
        sizes = layer.arguments["sizes"]
        return (
            f", which fixes the batch at {sizes[0]}" if len(sizes) == 2 else ", which gives no row an image"
        )
    if "row" in layer.arguments:
        return f", and {'*'.join(map(str, x.shape[1:]))} = {x[0].numel():,} values per image arrive"
    return ", which does not give one row an image"


def inputs(model: nn.Module, count: int, shape: Shape, device: str) -> Tensor:
    """Images as a model takes them, in the dtype of its weights."""
    weights = (each.dtype for each in model.parameters() if each.is_floating_point())
    return torch.zeros(count, *shape, dtype=next(weights, torch.float32), device=device)


def as_if_it_fitted(name: str, given: Sequence[Any], named: Mapping[str, Any], x: Tensor) -> Tensor:
    """What a function that does not run would give, were its tensors of sizes that fit."""
    joined = tensors_in(given[:1])
    dim = named.get("dim", given[1] if len(given) > 1 else 0)
    if name in ("cat", "concat", "concatenate") and isinstance(dim, int) and -x.dim() <= dim < x.dim():
        sizes = list(x.shape)
        sizes[dim] = sum(each.shape[dim] for each in joined if each.dim() == x.dim())
        return x.new_empty(sizes)
    return x.clone()


def one_shape(given: object) -> str:
    """How to bring two maps to one shape, as a shortcut over a block does; empty for anything else."""
    maps = [each for each in tensors_in(given) if each.dim() == 4]
    if len(maps) != 2 or maps[0].shape == maps[1].shape:
        return ""
    large, small = sorted(maps, key=lambda each: -each.shape[2])
    (channels, height, width), (out, *sides) = large.shape[1:], small.shape[1:]
    if [height % sides[0], width % sides[1]] != [0, 0] or height // sides[0] != width // sides[1]:
        return ""
    stride = height // sides[0]
    layer = Written("Conv2d", {"in_channels": channels, "out_channels": out, "kernel_size": 1})
    layer = layer.with_arguments(stride=stride) if stride > 1 else layer
    return (
        f"bring both to one shape, as nn.{layer} does on the way of the {'larger' if stride > 1 else 'first'}"
    )


@contextmanager
def noting_the_return(model: nn.Module, path: str, note: Callable[[int], None]) -> Iterator[None]:
    """While this lasts, ``note`` is told the line of the file at ``path`` on which ``forward`` returns."""
    forward = getattr(inspect.unwrap(type(model).forward), "__code__", None)
    if forward is None or forward.co_filename != path:
        yield
        return

    def noted(frame: FrameType, event: str, _: object) -> None:
        if event == "return" and frame.f_code is forward:
            note(frame.f_lineno)

    before = sys.getprofile()
    sys.setprofile(noted)
    try:
        yield
    finally:
        sys.setprofile(before)


@contextmanager
def calling_layers(called: Callable[..., Any], is_paused: Callable[[], bool]) -> Iterator[None]:
    """While this lasts, ``called`` is given each call of a layer: it, its arguments, and how to run it."""
    original: Callable[..., Any] = nn.Module.__call__

    def noted(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        if is_paused() or not is_layer(module):
            return original(module, *args, **kwargs)
        return called(module, args, kwargs, original)

    nn.Module.__call__ = noted  # type: ignore[method-assign]
    try:
        yield
    finally:
        nn.Module.__call__ = original  # type: ignore[method-assign]
