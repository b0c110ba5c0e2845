"""A call of ``forward`` as the layer that it stands for: a module of ``torch.nn``, or a function like one."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from torch import nn

from vgg_profile.core.sizes import Shape
from vgg_profile.diagnose.draft import Written
from vgg_profile.diagnose.trouble import shown

_CONTAINERS = frozenset(("Module", "Sequential", "ModuleList", "ModuleDict", "DataParallel"))

_POOL = ("kernel_size", "stride", "padding")

_FUNCTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "max_pool2d": ("MaxPool2d", (*_POOL, "dilation", "ceil_mode", "return_indices")),
    "avg_pool2d": ("AvgPool2d", (*_POOL, "ceil_mode", "count_include_pad", "divisor_override")),
    "adaptive_avg_pool2d": ("AdaptiveAvgPool2d", ("output_size",)),
    "adaptive_max_pool2d": ("AdaptiveMaxPool2d", ("output_size", "return_indices")),
    "dropout": ("Dropout", ("p", "training", "inplace")),
    "dropout2d": ("Dropout2d", ("p", "training", "inplace")),
    "local_response_norm": ("LocalResponseNorm", ("size", "alpha", "beta", "k")),
    "relu": ("ReLU", ("inplace",)),
    "relu_": ("ReLU", ()),
    "relu6": ("ReLU6", ("inplace",)),
    "leaky_relu": ("LeakyReLU", ("negative_slope", "inplace")),
    "elu": ("ELU", ("alpha", "inplace")),
    "selu": ("SELU", ("inplace",)),
    "gelu": ("GELU", ("approximate",)),
    "silu": ("SiLU", ("inplace",)),
    "mish": ("Mish", ("inplace",)),
    "hardswish": ("Hardswish", ("inplace",)),
    "sigmoid": ("Sigmoid", ()),
    "tanh": ("Tanh", ()),
    "softmax": ("Softmax", ("dim",)),
    "log_softmax": ("LogSoftmax", ("dim",)),
    "flatten": ("Flatten", ("start_dim", "end_dim")),
}
"""Functions and methods that do what a module does, and what their arguments after the tensor are called."""

IDLE = ("contiguous", "clone", "float", "to", "detach", "requires_grad_")
_FLAT = Written("Flatten")
_GLOBAL_POOL = Written("AdaptiveAvgPool2d", {"output_size": 1})


def is_layer(module: nn.Module) -> bool:
    """Whether a module is a layer, not one that calls others."""
    return class_name(module) not in _CONTAINERS


def class_name(module: nn.Module) -> str:
    """The class of ``torch.nn`` that a module is of, or derives from."""
    return _class(module).__name__


def _class(module: nn.Module) -> type[nn.Module]:
    found: type[nn.Module] = next(
        each for each in type(module).__mro__ if getattr(nn, each.__name__, None) is each
    )
    return found


def has_own_forward(module: nn.Module) -> bool:
    """Whether a class that derives from one of ``torch.nn`` does something else when it is called."""
    return type(module).forward is not _class(module).forward


def of_module(module: nn.Module, path: str, line: int | None, call: int | None = None) -> Written:
    """A module as it was written, made on one line and called on another."""
    arguments = {
        name: getattr(module, name)
        for name in inspect.signature(_class(module)).parameters
        if hasattr(module, name)
    }
    if "bias" in arguments:
        arguments["bias"] = arguments["bias"] is not None
    return Written(class_name(module), _telling(_class(module), arguments), shown(path), line, call)


def of_function(
    name: str, given: Sequence[Any], named: Mapping[str, Any], arriving: Shape, text: str
) -> list[Written] | None:
    """The layers that a function or method stands for, none if it changes nothing; ``None`` if not known.

    ``given`` and ``named`` are its arguments after the tensor, whose shape, images and all, is ``arriving``;
    ``text`` is the source line.
    """
    if name in _FUNCTIONS:
        of, names = _FUNCTIONS[name]
        defaults = {"start_dim": 0} if of == "Flatten" else {}  # the module's is 1
        arguments = {**defaults, **dict(zip(names, given, strict=False)), **named}
        return [Written(of, _telling(getattr(nn, of), arguments))]
    if name in ("view", "reshape"):
        return _reshaped(_sizes(given, named), arriving, text)
    if name == "mean" and len(arriving) == 4:
        return _mean(given, named)
    if name == "squeeze" and arriving[2:] == (1, 1) and not given and not named:
        return [Written("Flatten", {"squeezed": True})]
    return [] if name in IDLE else None


def _sizes(given: Sequence[Any], named: Mapping[str, Any]) -> list[Any]:
    """``view(a, b)`` is ``view((a, b))``."""
    sizes = [*given, *named.values()]
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = [*sizes[0]]
    return [_plain(size) for size in sizes]


def _reshaped(sizes: list[Any], arriving: Shape, text: str) -> list[Written] | None:
    """A row an image is a flatten, right or wrong; what stays as it is, nothing."""
    batch, row = arriving[0], prod(arriving[1:])
    if sizes in ([*arriving], [-1, *arriving[1:]]) and len(arriving) > 2:
        return []
    if len(sizes) not in (1, 2) or not all(isinstance(size, int) for size in sizes):
        return None
    if len(sizes) == 2 and sizes[0] in (-1, batch):
        return [_FLAT if sizes[1] in (-1, row) else Written("Flatten", {"row": sizes[1]})]
    are_written = all(str(size) in text for size in sizes)  # and not worked out from this batch
    return [Written("Flatten", {"sizes": sizes if are_written else []})]


def _mean(given: Sequence[Any], named: Mapping[str, Any]) -> list[Written] | None:
    """The mean over both sides of a map is a pool to 1×1, and a flatten unless they are kept."""
    arguments = {**dict(zip(("dim", "keepdim"), given, strict=False)), **named}
    dim = arguments.get("dim")
    if not isinstance(dim, (tuple, list)) or sorted(side % 4 for side in dim) != [2, 3]:
        return None
    return [_GLOBAL_POOL] if arguments.get("keepdim") else [_GLOBAL_POOL, _FLAT]


def _telling(kind: type[nn.Module], arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments that differ from the defaults, in the order of the class, as JSON can hold them."""
    telling = {}
    for name, parameter in inspect.signature(kind).parameters.items():
        value = _plain(arguments.get(name, parameter.default))
        if name == "padding" and value == "same":
            value = _same_padding(arguments)
        if name == "padding" and value == "valid":
            value = 0
        if name == "stride" and value is None:
            value = _plain(arguments["kernel_size"])  # a pool's own default
        if name not in ("device", "dtype") and value != _plain(parameter.default):
            telling[name] = value
    return telling


def _plain(value: Any) -> Any:
    """A pair of equals as one number, a tuple as a list, a whole number of any make as an ``int``."""
    if isinstance(value, (tuple, list)):
        values = [_plain(each) for each in value]
        return values[0] if values and all(each == values[0] for each in values) else values
    if value is None or isinstance(value, (bool, float, str)):
        return value
    try:
        return operator.index(value)
    except TypeError:
        return value if value is inspect.Parameter.empty else str(value)


def _same_padding(arguments: dict[str, Any]) -> Any:
    kernel, dilation = _plain(arguments["kernel_size"]), _plain(arguments.get("dilation", 1))
    if isinstance(kernel, int) and isinstance(dilation, int) and dilation * (kernel - 1) % 2 == 0:
        return dilation * (kernel - 1) // 2
    return "same"
