"""A layer as somebody wrote it for PyTorch: its class and arguments, and what they do to a shape.

``predict.vgg.layers`` knows the layers that VGG has. These are the ones that a hand-written model may have:
any stride, padding or pool, a bias left out, another activation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import prod
from typing import Any

from vgg_profile.core.counts import Count, product
from vgg_profile.core.sizes import Shape
from vgg_profile.diagnose.defects import Fault
from vgg_profile.predict.vgg import layers


class Family(StrEnum):
    """Layers of one family stand in for each other."""

    CONV = "convolution"
    NORM = "norm"
    ACTIVATION = "activation"
    POOL = "pool"
    ADAPTIVE = "adaptive pool"
    FLATTEN = "flatten"
    LINEAR = "linear layer"
    DROPOUT = "dropout"
    IDENTITY = "identity"


FAMILIES: dict[Family, str] = {
    Family.CONV: "Conv2d",
    Family.NORM: "BatchNorm1d BatchNorm2d GroupNorm InstanceNorm2d LocalResponseNorm",
    Family.ACTIVATION: "ReLU ReLU6 LeakyReLU ELU SELU CELU GELU SiLU Mish Sigmoid Tanh Hardtanh Hardswish "
    "Hardsigmoid Softplus Softsign LogSigmoid",
    Family.POOL: "MaxPool2d AvgPool2d",
    Family.ADAPTIVE: "AdaptiveAvgPool2d AdaptiveMaxPool2d",
    Family.FLATTEN: "Flatten",
    Family.LINEAR: "Linear",
    Family.DROPOUT: "Dropout Dropout2d AlphaDropout FeatureAlphaDropout",
    Family.IDENTITY: "Identity Softmax LogSoftmax",
}
KNOWN = {name: family for family, names in FAMILIES.items() for name in names.split()}
"""Every class of ``torch.nn`` whose shapes are known here."""


_NORMS_OF_MAPS = ("InstanceNorm2d", "LocalResponseNorm")

_POSITIONAL = frozenset(
    (
        "in_channels",
        "out_channels",
        "kernel_size",
        "num_groups",
        "num_channels",
        "num_features",
        "in_features",
        "out_features",
        "output_size",
        "size",
    )
)
"""Arguments that people write without their names."""


@dataclass(frozen=True, slots=True)
class Written:
    """One layer: its class in ``torch.nn`` and the arguments that differ from the defaults.

    ``module`` is its path in the model, or ``forward`` for a function called there; ``line`` is where the
    file makes it, ``call`` where ``forward`` calls it. ``faults`` are those seen when it was called, whatever
    arrives there.

    >>> print(Written("Conv2d", {"in_channels": 3, "out_channels": 64, "kernel_size": 3, "padding": 1}))
    Conv2d(3, 64, 3, padding=1)
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    module: str = ""
    line: int | None = None
    call: int | None = None
    faults: tuple[Fault, ...] = ()

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Written:
        return cls(**{**content, "faults": tuple(map(Fault.from_dict, content["faults"]))})

    def __str__(self) -> str:
        if "row" in self.arguments:
            return f"view(-1, {self.size('row')})"
        if "squeezed" in self.arguments:
            return "squeeze()"
        if "sizes" in self.arguments:
            return f"view({', '.join(map(str, self.arguments['sizes'])) or '…'})"
        texts = (
            _literal(value) if key in _POSITIONAL else f"{key}={_literal(value)}"
            for key, value in self.arguments.items()
        )
        return f"{self.name}({', '.join(texts)})"

    def size(self, argument: str, default: int = 0) -> int:
        """An argument that is a whole number."""
        return int(self.arguments.get(argument, default))

    def pair(self, argument: str, default: int) -> tuple[int, int]:
        """An argument for height and width, which may be one number for both."""
        value = self.arguments.get(argument, default)
        height, width = value if isinstance(value, (list, tuple)) else (value, value)
        return height, width

    def mended(self, **arguments: Any) -> Written:
        """The same layer with some arguments replaced, each in its place."""
        return Written(self.name, {**self.arguments, **arguments}, self.module, self.line, self.call)

    @property
    def is_registered(self) -> bool:
        """Whether it is a module of the model, which two calls would share."""
        return self.module not in ("", "forward")

    @property
    def family(self) -> Family:
        return KNOWN[self.name]

    @property
    def is_weighted(self) -> bool:
        return self.family in (Family.CONV, Family.LINEAR)

    @property
    def takes_maps_only(self) -> bool:
        return self.family in (Family.CONV, Family.POOL, Family.ADAPTIVE) or self.name in _NORMS_OF_MAPS

    @property
    def width_key(self) -> str | None:
        """Which argument of a norm must be the number of channels."""
        return next((key for key in ("num_features", "num_channels") if key in self.arguments), None)

    def output_shape(self, shape: Shape) -> Shape:
        """What leaves a layer that fits, of one image; a side below 1 means that nothing does.

        >>> Written("MaxPool2d", {"kernel_size": 2, "stride": 2}).output_shape((64, 7, 7))
        (64, 3, 3)
        """
        match self.family:
            case Family.CONV:
                return (self.size("out_channels"), *self._slid(shape))
            case Family.POOL:
                return (shape[0], *self._slid(shape))
            case Family.ADAPTIVE:
                wanted = self.pair("output_size", 1)
                return (shape[0], *(size or side for size, side in zip(wanted, shape[1:], strict=True)))
            case Family.FLATTEN:
                return (prod(shape),)
            case Family.LINEAR:
                return (self.size("out_features"),)
        return shape

    def _slid(self, shape: Shape) -> Iterator[int]:
        """How often a window fits along each side: floor((side + 2p - d(k-1) - 1) / stride) + 1."""
        windows = zip(
            shape[1:],
            self.pair("kernel_size", 1),
            self.pair("stride", 1),
            self.pair("padding", 0),
            self.pair("dilation", 1),
            strict=True,
        )
        for side, kernel, stride, padding, dilation in windows:
            room = side + 2 * padding - dilation * (kernel - 1) - 1
            steps = room // stride
            if self.arguments.get("ceil_mode") and room % stride and (steps + 1) * stride < side + padding:
                steps += 1  # a last window that begins within the map
            yield steps + 1

    @property
    def parameters(self) -> int:
        """The learnable numbers of a layer: weights, and biases unless it has none.

        >>> Written("Linear", {"in_features": 4096, "out_features": 1000}).parameters
        4097000
        """
        bias = bool(self.arguments.get("bias", True))
        match self.family:
            case Family.CONV:
                inputs = self.size("in_channels") // self.size("groups", 1)
                outputs = self.size("out_channels")
                return outputs * (inputs * prod(self.pair("kernel_size", 1)) + bias)
            case Family.LINEAR:
                return self.size("out_features") * (self.size("in_features") + bias)
            case Family.NORM if self.arguments.get("affine", self.name != "InstanceNorm2d"):
                return 2 * self.size(self.width_key or "")
        return 0


def _literal(value: object) -> str:
    if isinstance(value, Count):
        return value.working
    return repr(tuple(value)) if isinstance(value, list) else repr(value)


def as_written(layer: layers.Layer) -> Written:
    """A layer of a config as one would write it for PyTorch.

    >>> print(as_written(layers.Conv2d(3, 64)))
    Conv2d(3, 64, 3, padding=1)
    """
    match layer:
        case layers.Conv2d(inputs, outputs, kernel):
            sizes = {"in_channels": inputs, "out_channels": outputs, "kernel_size": kernel}
            return Written("Conv2d", sizes | ({"padding": kernel // 2} if kernel > 1 else {}))
        case layers.BatchNorm2d(channels):
            return Written("BatchNorm2d", {"num_features": channels})
        case layers.ReLU(in_place):
            return Written("ReLU", {"inplace": True} if in_place else {})
        case layers.LocalResponseNorm(size, alpha, _, k):
            return Written("LocalResponseNorm", {"size": size, "alpha": alpha * size, "k": k})
        case layers.MaxPool2d():
            return Written("MaxPool2d", {"kernel_size": layer.kernel, "stride": layer.stride})
        case layers.AdaptiveAvgPool2d(size):
            return Written("AdaptiveAvgPool2d", {"output_size": size})
        case layers.Linear():
            fan_in = product(*layer.fan_in)
            return Written("Linear", {"in_features": fan_in, "out_features": layer.out_features})
        case layers.Dropout():
            return Written("Dropout")
    return Written("Flatten")
