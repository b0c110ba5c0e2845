"""The words that both processes of a diagnosis speak, and the one codec for them; no torch.

The child runs somebody's file with torch and writes what it read as JSON, a :class:`Draft` or the reason why
there is none. The parent reads that back and works on in plain Python.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from vgg_profile.core.counts import Count
from vgg_profile.core.errors import InputError
from vgg_profile.core.parsing import parse_json


class Kind(StrEnum):
    """What can be wrong."""

    IN_CHANNELS = "wrong in-channels"
    NORM_WIDTH = "norm of the wrong width"
    FAN_IN = "wrong fan-in"
    WIDTH = "wrong width"
    SETTING = "differs from the config"
    UNLIKE = "unlike its neighbours"
    PADDING = "other padding than its neighbours"
    NOTHING_LEFT = "nothing left of the map"
    NO_NORM = "missing norm"
    NO_ACTIVATION = "missing activation"
    NO_FLATTEN = "missing flatten"
    NO_LAYER = "missing layer"
    EXTRA = "extra layer"
    HEAD = "another head"
    ORDER = "another order"
    MISPLACED = "misplaced layer"
    FLATTEN = "wrong flatten"
    SILENT = "returns nothing"
    UNAPPLIED = "made, not applied"
    DROPPED = "result dropped"
    ROWS = "rows of the batch change"
    REUSED = "called again"
    HIDDEN = "hidden from PyTorch"
    DOES_NOT_RUN = "does not run"


class Hint(StrEnum):
    """What runs, but is hardly meant."""

    NO_ACTIVATION = "no activation"
    OVERWRITTEN = "name overwritten"
    DROPPED = "result dropped"
    LOGITS = "something on the logits"
    SOFTMAX = "softmax before a cross entropy"
    SOFTMAX_INSIDE = "softmax between layers"
    SOFTMAX_BATCH = "softmax over the batch"
    DROPOUT = "dropout in eval mode"
    PADDED_1X1 = "padded 1×1 convolution"
    UNLIKE = "unlike its neighbours"
    NO_NORM = "no norm"
    HIDDEN_POOL = "a lost pool, hidden"
    IDLE = "never called"


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that runs, and is hardly meant: where, what, and why it matters."""

    kind: Hint
    place: str
    line: int | None
    found: str
    why: str

    def __str__(self) -> str:
        return f"{self.found}. {self.why}"


@dataclass(frozen=True, slots=True)
class Defect:
    """One mistake: where, what was found, what fits, and the fix.

    ``place`` is the paper's name (``conv3_2``); ``module`` the path in the model, and ``line`` the line of
    the file, where there are such. Where PyTorch refuses the model further on, ``raised`` says at which layer
    and ``raised_line`` at which line. ``others`` are fixes as good as this one.
    """

    place: str
    module: str
    line: int | None
    kind: Kind
    found: str
    fits: str
    fix: str
    raised: str = ""
    raised_line: int | None = None
    others: tuple[str, ...] = ()


def located(name: str, module: str, line: int | None) -> str:
    """The paper's name beside the file's own.

    >>> located("fc3", "fc1", 10), located("relu1_1", "forward", 14), located("flatten", "", None)
    ('fc3 (module fc1, line 10)', 'relu1_1 (forward, line 14)', 'flatten')
    """
    own = f"module {module}" if module not in ("", "forward") else module
    known = ", ".join(filter(None, (own, f"line {line}" if line else "")))
    return f"{name} ({known})" if known else name


# -- a layer as it is written


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
    OTHER = "layer"


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
    file makes it, ``call`` where ``forward`` calls it.

    >>> print(Written("Conv2d", {"in_channels": 3, "out_channels": 64, "kernel_size": 3, "padding": 1}))
    Conv2d(3, 64, 3, padding=1)
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    module: str = ""
    line: int | None = None
    call: int | None = None

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

    def with_arguments(self, **arguments: Any) -> Written:
        """The same layer with some arguments replaced, each in its place."""
        return replace(self, arguments={**self.arguments, **arguments})

    @property
    def is_registered(self) -> bool:
        """Whether it is a module of the model, which two calls would share."""
        return self.module not in ("", "forward")

    @property
    def family(self) -> Family:
        return KNOWN.get(self.name, Family.OTHER)

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


def _literal(value: object) -> str:
    if isinstance(value, Count):
        return value.working
    return repr(tuple(value)) if isinstance(value, list) else repr(value)


# -- a model as it was read


@dataclass(frozen=True, slots=True)
class Visit:
    """A layer in its turn: as written (``None``: it was missing), as fixed (``None``: it goes).

    ``output`` is the shape that leaves it, of one image, ``block`` the number of its block, ``parameters``
    those that it adds to the fixed model. ``shares`` is the name of the earlier layer that it calls again.
    ``runs`` says whether PyTorch runs it once fixed, as far as is known.
    """

    name: str
    written: Written | None
    fixed: Written | None
    output: tuple[int, ...]
    block: int
    parameters: int = 0
    shares: str = ""
    runs: bool = True
    is_changed: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """What running a file said of a model.

    ``layers`` are those that its result comes of, in the order in which ``forward`` calls them; they
    are a chain, each given what the one before made, if ``is_chain``. ``refused`` is what PyTorch said of the
    model as it is written, empty if it runs. ``stopped`` says where the run could not go on, if so.
    """

    layers: tuple[Visit, ...]
    defects: tuple[Defect, ...] = ()
    differences: tuple[Defect, ...] = ()
    remarks: tuple[Remark, ...] = ()
    parameters: int = 0
    is_chain: bool = True
    refused: str = ""
    stopped: str = ""
    input: tuple[int, ...] = ()
    """An image as the model was given it, without the batch."""
    images: int = 1
    """How many images ``forward`` was given, each in an argument of its own."""


READY = b"r"
"""What a child sends before it runs the file: whatever ends it until then is not the file's doing."""

PREFIX = 8
"""The bytes before an answer that say how long it is."""

_encode = json.JSONEncoder().encode
"""Held from before the file runs, which may put another function in the place of ``json.dumps``."""


def encode(answer: Draft | InputError) -> str:
    """The child's answer as JSON: a draft, or why there is none."""
    if isinstance(answer, InputError):
        return _encode({"problem": answer.problem, "next_step": answer.next_step})
    layers = [
        replace(
            visit,
            written=visit.written and replace(visit.written, arguments=_plain(visit.written.arguments)),
            fixed=visit.fixed and replace(visit.fixed, arguments=_plain(visit.fixed.arguments)),
        )
        for visit in answer.layers
    ]
    return _encode(asdict(replace(answer, layers=tuple(layers))))


def write_wanted(layers: Sequence[Written], label: str) -> str:
    """The layers of a config, and its label, as JSON for the child."""
    plain = [asdict(replace(layer, arguments=_plain(layer.arguments))) for layer in layers]
    return json.dumps({"label": label, "layers": plain})


def _plain(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as JSON has them; of a count the working goes along."""
    return {
        key: {"value": value.value, "working": value.working} if isinstance(value, Count) else value
        for key, value in arguments.items()
    }


def read_wanted(content: str) -> tuple[list[Written], str]:
    """What :func:`write_wanted` wrote."""
    found = parse_json(content)
    layers = [Written(each["name"], _counted(each["arguments"])) for each in found["layers"]]
    return layers, found["label"]


def _counted(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {key: Count(**value) if isinstance(value, dict) else value for key, value in arguments.items()}
