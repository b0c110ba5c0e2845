"""The networks: Table 1 of the VGG paper as data, the names people type for them, and custom ones.

Source: Simonyan & Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition"
(2014), Table 1. Convolutions have stride 1 and are padded to keep the image size, pools are 2×2 with
stride 2, and two hidden fully-connected layers of 4096 come before the classes.

A custom network is written in the paper's own words, as a list ``64,64,M,conv1-128,LRN,M`` or as a
small TOML or JSON file::

    name = "tiny"
    layers = [64, "M", 128, "conv1-128", "M"]
    classifier = [512, 512]     # hidden fully-connected widths; may be empty
    classes = 10
    in_channels = 3
    batch_norm = false
    pool = 7                    # average pool before the classifier: 7×7, 1, any N, or "none"

A list says it with its last item: ``64,64,M,GAP`` averages each map to one value, ``64,64,M,none`` hands the
maps to the classifier as they are. Whoever does not say it gets the paper's 7×7.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar

from vgg_profile.core import units
from vgg_profile.core.errors import InputError, did_you_mean, excerpt, in_python
from vgg_profile.core.jsonable import by_fields
from vgg_profile.core.setting import LARGEST, check_size
from vgg_profile.core.tree import Network
from vgg_profile.predict.vgg.limits import LONGEST_NAME, MOST_LAYERS

LARGEST_FILE = 4 * 2**20

POOLED = 7
"""The paper's classifier sees 7×7 maps; torchvision's, on other images too, by an adaptive average pool."""

NO_POOL = "none"
"""How a file or a list says that no average pool stands before the classifier."""


@dataclass(frozen=True, slots=True)
class Conv:
    """A convolution of Table 1: ``conv3-64`` has a 3×3 kernel and 64 output channels."""

    width: int
    kernel: int = 3

    @property
    def plain(self) -> int | str:
        """As a config file has it: the width alone where the kernel is 3×3."""
        return self.width if self.kernel == 3 else f"conv{self.kernel}-{self.width}"

    def __str__(self) -> str:
        return str(self.plain)


@dataclass(frozen=True, slots=True)
class Pool:
    """A 2×2 max pool with stride 2; it closes a block."""

    def __str__(self) -> str:
        return "M"


@dataclass(frozen=True, slots=True)
class Normalise:
    """A local response normalisation across channels."""

    def __str__(self) -> str:
        return "LRN"


Token = Conv | Pool | Normalise


@dataclass(frozen=True, slots=True)
class Config:
    """One network, before it meets an image.

    ``layers`` are the convolutional part in order, ``classifier`` the hidden fully-connected widths;
    a last fully-connected layer to ``classes`` always follows.

    >>> config("vgg16").depth, config("D-BN").label
    (16, 'D-BN')
    """

    name: str
    layers: tuple[Token, ...]
    classifier: tuple[int, ...] = (4096, 4096)
    classes: int = 1000
    in_channels: int = 3
    batch_norm: bool = False
    pool: int | None = POOLED
    """The side of the maps that an average pool hands to the classifier; ``None``: there is no such pool."""
    is_traced: ClassVar[bool] = False

    @property
    def depth(self) -> int:
        """How many layers have weights to learn, norms not counted: VGG-16 has 16."""
        return sum(isinstance(token, Conv) for token in self.layers) + len(self.classifier) + 1

    @property
    def label(self) -> str:
        """The name with its batch norm: ``D``, ``D-BN``."""
        return f"{self.name}-BN" if self.batch_norm else self.name

    @property
    def scope(self) -> str:
        """What the figures of its step count, in words."""
        return "tensors and PyTorch's own scratch, before a library's"

    @property
    def title(self) -> tuple[str, str]:
        """What it is, before and after its input's size is said."""
        layers = units.plural(self.depth, "weight layer")
        return f"VGG config {self.label}: {layers}", f", {units.plural(self.classes, 'class')}"

    @property
    def heading(self) -> dict[str, Any]:
        """How it is named in every JSON form."""
        pool = NO_POOL if self.pool is None else self.pool
        return {"config": self.name, "batch_norm": self.batch_norm, "pool": pool}

    @property
    def facts(self) -> dict[str, Any]:
        """What the JSON form of its table says of it beside."""
        content = self.to_dict()
        return {key: content[key] for key in ("classes", "layers", "classifier")}

    @property
    def pools(self) -> int:
        return sum(isinstance(token, Pool) for token in self.layers)

    def to_dict(self) -> dict[str, Any]:
        """The network in the form of a config file; ``from_dict`` reads it back."""
        return by_fields(self) | {
            "layers": [token.plain if isinstance(token, Conv) else str(token) for token in self.layers],
            "pool": NO_POOL if self.pool is None else self.pool,
        }


def _paper(name: str, layers: str) -> Config:
    return Config(name, parse_layers(layers.split()))


Source = str | Network | Sequence[int | str]
"""What names a network: a name, a list of layers, a file's path, or a config itself."""


def config(
    source: Source,
    *,
    batch_norm: bool | None = None,
    classes: int | None = None,
) -> Config:
    """Find or read a network.

    ``source`` is a name (``D``, ``vgg16``, ``VGG-16``, ``vgg16_bn``, any case), a list of layers
    (``"64,64,M,128,M"`` or a sequence), the path of a ``.toml`` or ``.json`` file, or a ``Config``.
    ``batch_norm`` and ``classes`` replace what the source says; ``None`` leaves it. Raises
    ``InputError`` for anything else, naming the token or key and what is allowed.

    >>> config("VGG-16") == config("d")
    True
    >>> config("64,M,128,M", classes=10).depth
    5
    """
    found = _find(source)
    if classes is not None:
        check_size(classes, "number of classes", "10")
        found = replace(found, classes=classes)
    if batch_norm is not None:
        if not isinstance(batch_norm, bool):
            raise InputError(f"The batch_norm is {excerpt(batch_norm)}.", "Give True or False.")
        found = replace(found, batch_norm=batch_norm)
    return found


def _find(source: object) -> Config:
    if isinstance(source, Config):
        return source
    if isinstance(source, str):
        if source.strip().lower().endswith((".toml", ".json")):
            return read_file(Path(source))
        if "," in source:
            return from_list(_split(source))
        is_list = re.match(r"\s*[1-9][0-9]*(\s|$)", source) is not None and _named(source) is None
        return from_list(source.split()) if is_list else by_name(source)
    if isinstance(source, Path):
        return read_file(source)
    if isinstance(source, Sequence) and not isinstance(source, (bytes, bytearray)):
        return from_list(source)
    raise InputError(
        f"A config cannot be {excerpt(source)}, of type {type(source).__name__}.",
        'Give a name such as "D", a list such as [64, "M", 128, "M"], or a .toml or .json file.',
    )


def by_name(name: str) -> Config:
    """The paper's config under any of its usual names; with batch norm if the name ends in ``bn``.

    Raises ``InputError`` for a name that is none of them, with those most like it.
    """
    found = _named(name)
    if found is None:
        raise InputError(
            f"There is no config named {excerpt(name)}; the paper's are {', '.join(PAPER)}.",
            f"{in_python(name) or did_you_mean(name.lower(), TYPED_NAMES)}"
            "`vgg-profile list` shows them; a network of your own is FILE.py:NAME, a list such as "
            '"64,64,M,128,M", or a .toml or .json file.',
        )
    return found


def _named(name: str) -> Config | None:
    key = re.sub(r"[-_\s]", "", name.lower())
    plain = key.removesuffix("bn") if len(key) > 2 else key
    found = _ALIASES.get(plain.removeprefix("vgg"))
    return replace(found, batch_norm=True) if found and plain != key else found


_LAST = {"gap": 1, NO_POOL: None}
"""What the last item of a list may say of the average pool before the classifier."""


def from_list(tokens: Sequence[object]) -> Config:
    """A network of one's own from its convolutional layers; its name is the list itself.

    >>> from_list(["64", "M", "GAP"]).pool, from_list([64, "M", "none"]).pool, from_list([64, "M"]).pool
    (1, None, 7)
    """
    *before, last = tokens or ("",)
    word = last.strip().lower() if isinstance(last, str) else ""
    layers = parse_layers(before if word in _LAST else tokens)
    names = [str(layer) for layer in layers[:LONGEST_NAME]]
    name = ",".join([*names, *(["GAP" if word == "gap" else word] * (word in _LAST))])
    if len(name) > LONGEST_NAME or len(layers) > LONGEST_NAME:
        name = f"{name[:24].rpartition(',')[0]},… ({len(layers):,} layers)"
    return Config(name, layers, pool=_LAST.get(word, POOLED))


_TOKEN = re.compile(r"(?:conv(?P<kernel>\d{1,2})-)?(?P<width>\d{1,12})", re.ASCII)
_ALLOWED = (
    "A layer is a width such as 64 (a 3×3 convolution), conv1-64 (the kernel named; odd), "
    "M (a 2×2 max pool) or LRN; the last may be GAP or none, for the average pool before the classifier."
)


def parse_layers(tokens: Sequence[object]) -> tuple[Token, ...]:
    """Read a list of layers: widths, ``conv1-256``, ``M``, ``LRN``; raises ``InputError`` for anything else.

    >>> [str(token) for token in parse_layers([64, "conv1-64", "lrn", "M"])]
    ['64', 'conv1-64', 'LRN', 'M']
    """
    if len(tokens) > MOST_LAYERS:
        raise InputError(f"The list has {len(tokens):,} layers; at most {MOST_LAYERS:,} are read.", _ALLOWED)
    layers = tuple(_parse_token(token, place) for place, token in enumerate(tokens, start=1))
    if not any(isinstance(layer, Conv) for layer in layers):
        raise InputError("The list of layers has no convolution.", _ALLOWED)
    return layers


def _parse_token(token: object, place: int) -> Token:
    if isinstance(token, (Conv, Pool, Normalise)):
        return token
    if isinstance(token, (int, str)) and not isinstance(token, bool):
        word = str(token).strip() if isinstance(token, str) else _digits(token)
        if word.upper() == "M" or word.lower() == "maxpool":
            return Pool()
        if word.upper() == "LRN":
            return Normalise()
        match = _TOKEN.fullmatch(word.lower())
        if match:
            kernel = int(match["kernel"] or 3)
            width = int(match["width"])
            if 1 <= width <= LARGEST and kernel % 2 == 1:
                return Conv(width, kernel)
    raise InputError(f"Layer {place} of the list, {excerpt(token)}, is not a layer.", _ALLOWED)


def _split(text: str) -> list[str]:
    """A list as it is typed; a comma may close it, but not stand where a layer is missing.

    >>> _split("64, M,")
    ['64', 'M']
    """
    tokens = [token.strip() for token in text.split(",")]
    return tokens[:-1] if len(tokens) > 1 and not tokens[-1] else tokens


def _digits(number: int) -> str:
    """An integer as text, without the cost (or the refusal) of writing out a monstrous one."""
    return str(number) if -LARGEST <= number <= LARGEST else "a number beyond all sizes"


def read_file(path: Path) -> Config:
    """Read a network from a ``.toml`` or ``.json`` file; its name defaults to the file's.

    Raises ``InputError`` for a file that cannot be read, or that holds no network.
    """
    suffix = path.name.strip().lower()[-5:]
    if suffix not in (".toml", ".json"):
        raise InputError(
            f"The config file {excerpt(str(path))} is neither .toml nor .json.", "Name it by what it holds."
        )
    try:
        if not path.is_file():
            reason = "it is not a regular file" if path.exists() else "there is no such file"
            raise InputError(
                f"The config {excerpt(str(path))} cannot be read: {reason}.",
                "Check the path; `vgg-profile table --help` shows what such a file holds.",
            )
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
        if len(raw) > LARGEST_FILE:
            raise InputError(
                f"The config file {excerpt(str(path))} is over {LARGEST_FILE // 2**20} MiB.",
                "A network needs a few lines: name, layers, classifier, classes.",
            )
        text = raw.decode("utf-8-sig")
        from vgg_profile.core.parsing import parse_json, parse_toml

        content = parse_toml(text) if suffix == ".toml" else parse_json(text)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        format_name = suffix.removeprefix(".").upper()
        raise InputError(
            f"The config file {excerpt(str(path))} cannot be read as {format_name}: {_reason(error)}.",
            f"Fix the file; its keys are {', '.join(each.name for each in fields(Config))}.",
        ) from None
    stem = path.stem[:LONGEST_NAME]
    return from_dict(content, default_name=stem if stem.strip() and stem.isprintable() else "custom")


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8 text (byte {error.start})"
    return excerpt(str(error).rstrip("."), 200).strip("'\"")


def from_dict(content: object, default_name: str = "custom") -> Config:
    """A network from the content of a config file; raises ``InputError`` naming the key at fault.

    >>> from_dict({"name": "tiny", "layers": [8, "M"], "classifier": [], "classes": 10}).depth
    2
    """
    from vgg_profile.predict.vgg.config_form import values  # and with it msgspec, which a name needs not

    found = values(content)
    layers = found.pop("layers")
    name = str(found.pop("name", default_name))
    if found.get("pool") == NO_POOL:
        found["pool"] = None
    return Config(name, parse_layers(_split(layers) if isinstance(layers, str) else layers), **found)


def recorded(content: dict[str, Any]) -> dict[str, Any]:
    """A network as a record has it; a config with the key that the first records lack."""
    return {"pool": POOLED, **content} if "layers" in content else content


PAPER: dict[str, Config] = {
    net.name: net
    for net in (
        _paper("A", "64 M 128 M 256 256 M 512 512 M 512 512 M"),
        _paper("A-LRN", "64 LRN M 128 M 256 256 M 512 512 M 512 512 M"),
        _paper("B", "64 64 M 128 128 M 256 256 M 512 512 M 512 512 M"),
        _paper(
            "C",
            "64 64 M 128 128 M 256 256 conv1-256 M 512 512 conv1-512 M 512 512 conv1-512 M",
        ),
        _paper("D", "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M"),
        _paper("E", "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M"),
    )
}
"""The paper's configs by name, in its order."""

_ALIASES = {name.replace("-", "").lower(): net for name, net in PAPER.items()} | {
    "11": PAPER["A"],
    "11lrn": PAPER["A-LRN"],
    "13": PAPER["B"],
    "16": PAPER["D"],
    "19": PAPER["E"],
}
TYPED_NAMES = [
    *PAPER,
    *(
        f"{stem}{number}{end}"
        for stem in ("vgg", "vgg-")
        for number in (11, 13, 16, 19)
        for end in ("", "_bn")
    ),
]
