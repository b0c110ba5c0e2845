"""A run read forwards: who takes whose result, what layers are called, which calls are activations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from vgg_profile.diagnose.calls import IDLE
from vgg_profile.diagnose.draft import Family, Hint, Remark
from vgg_profile.diagnose.run import Run
from vgg_profile.diagnose.words import Call

_LINEAR_FUNCTIONS = frozenset(
    [
        "view",
        "reshape",
        "flatten",
        "unflatten",
        "permute",
        "transpose",
        "t",
        "swapaxes",
        "moveaxis",
        "movedim",
        "contiguous",
        "squeeze",
        "unsqueeze",
        "pad",
        "dropout",
        "dropout1d",
        "dropout2d",
        "dropout3d",
        "feature_dropout",
        "mean",
        "sum",
        "avg_pool1d",
        "avg_pool2d",
        "avg_pool3d",
        "adaptive_avg_pool1d",
        "adaptive_avg_pool2d",
        "adaptive_avg_pool3d",
        "interpolate",
        "upsample",
        "__getitem__",
        "chunk",
        "split",
        "narrow",
        "expand",
        "expand_as",
        "repeat",
        "unfold",
        "fold",
        "pixel_shuffle",
        "add",
        "sub",
        "mul",
        "div",
        "__add__",
        "__sub__",
        "__mul__",
        "__truediv__",
        "neg",
        "batch_norm",
    ]
) | {*IDLE}
_LINEAR_MODULES = (
    "Identity",
    "Flatten",
    "Unflatten",
    "Pad",
    "AvgPool",
    "Upsampl",
    "PixelShuffle",
    "BatchNorm",
)


@dataclass(frozen=True)
class Graph:
    """A run read forwards: who takes whose result, and what the layers are called."""

    run: Run
    name: Callable[[Call], str]

    @property
    def ends(self) -> list[Call]:
        return [call for result in self.run.results if (call := self.run.call_of(result))]

    def takers(self) -> dict[int, list[Call]]:
        found: defaultdict[int, list[Call]] = defaultdict(list)
        for call in self.run.calls:
            for source in call.sources:
                if source:
                    found[id(source)].append(call)
        return found

    def at(self, call: Call) -> str:
        line = call.made_at
        return f"{self.name(call)}{f' (line {line})' if line else ''}"


def remark(graph: Graph, kind: Hint, call: Call, found: str, why: str) -> Remark:
    """A remark at a call."""
    return Remark(kind, graph.name(call), call.made_at, found, why)


def is_weighted(call: Call) -> bool:
    """Whether a call is of a convolution or a linear layer."""
    layer = call.layer
    return layer is not None and (
        layer.is_weighted or layer.name.startswith(("Conv", "LazyConv", "LazyLinear"))
    )


def is_linear(call: Call) -> bool:
    """Whether what a call does is known to be no activation."""
    layer = call.fixed[0] if call.is_inserted and call.fixed else call.layer
    if layer is None or (call.place == "forward" and not call.is_inserted):
        is_product = call.operands > 1 and call.what.strip("_") in ("mul", "div", "truediv")
        return call.what in _LINEAR_FUNCTIONS and not is_product
    return layer.family in (Family.DROPOUT, Family.FLATTEN) or any(
        word in layer.name for word in _LINEAR_MODULES
    )
