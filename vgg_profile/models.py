"""Real networks: the layers that the walker counts, built as ``nn.Module``s.

Module paths and ``state_dict`` keys are torchvision's (``features.0.weight``, ``classifier.6.bias``), so
its checkpoints load here and ours load there. Every parameter is allocated once: a network is laid out
on the meta device, where shapes need no memory, then given memory and filled, or given the very
tensors of a checkpoint.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from errno import EINVAL
from http.client import HTTPException
from itertools import groupby
from pathlib import Path
from typing import Any, TypedDict, Unpack, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from vgg_profile.core.errors import InputError, excerpt
from vgg_profile.core.units import shape
from vgg_profile.predict.vgg.configs import Config
from vgg_profile.predict.vgg.configs import config as find_config
from vgg_profile.predict.vgg.layers import (
    AdaptiveAvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    Layer,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    ReLU,
)
from vgg_profile.predict.vgg.network import modules

__all__ = [
    "VGG",
    "build",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
]

BASE_URL = "https://download.pytorch.org/models/"

PUBLISHED: dict[Config, str] = {
    find_config("A"): "vgg11-8a719046.pth",
    find_config("A-BN"): "vgg11_bn-6002323d.pth",
    find_config("B"): "vgg13-19584684.pth",
    find_config("B-BN"): "vgg13_bn-abd245e5.pth",
    find_config("D"): "vgg16-397923af.pth",
    find_config("D-BN"): "vgg16_bn-6c64b313.pth",
    find_config("E"): "vgg19-dcbb9e9d.pth",
    find_config("E-BN"): "vgg19_bn-c79401a0.pth",
}
"""The published weights under ``BASE_URL``; a file's name ends with the start of its SHA-256."""

Weights = str | Path | None

_A_LOCAL_FILE = "a checkpoint of your own loads with weights=PATH."


class VGG(nn.Module):
    """A network of the VGG family: images (N, C, H, W) in, logits (N, classes) out.

    Made on the meta device: it has every shape and no memory yet. :func:`build` gives it both.
    With ``checkpoint_blocks`` set, each block keeps its input alone, and runs again in the backward pass; a
    batch norm then updates its running statistics twice a step.

    >>> VGG(find_config("64,M,128,M")).features[3]
    Conv2d(64, 128, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    """

    features: nn.Sequential
    avgpool: nn.AdaptiveAvgPool2d
    flatten: nn.Flatten
    classifier: nn.Sequential

    def __init__(self, config: Config, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.config = config
        self.checkpoint_blocks = False
        for part, group in groupby(modules(config), key=lambda module: module.path.partition(".")[0]):
            built = [_on_meta(module.layer, dtype) for module in group]
            self.add_module(part, nn.Sequential(*built) if part in ("features", "classifier") else built[0])

    def forward(self, x: Tensor) -> Tensor:
        if self.checkpoint_blocks:
            for block in self._blocks():  # no dropout in them: no random state to keep
                x = checkpoint(block, x, use_reentrant=False, preserve_rng_state=False)
        else:
            x = self.features(x)  # one name for all: each step lets go of the one before
        x = self.avgpool(x)
        x = self.flatten(x)
        x = self.classifier(x)
        return x  # noqa: RET504

    def _blocks(self) -> Iterator[nn.Sequential]:
        """The features cut after each pool."""
        start = 0
        for index, layer in enumerate(self.features, start=1):
            if isinstance(layer, nn.MaxPool2d) or index == len(self.features):
                yield cast(nn.Sequential, self.features[start:index])
                start = index


def _on_meta(layer: Layer, dtype: torch.dtype | None) -> nn.Module:
    """The module that does what ``layer`` describes, with shapes but without memory."""
    match layer:
        case Conv2d(inputs, outputs, kernel):
            return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, device="meta", dtype=dtype)
        case BatchNorm2d(channels):
            return nn.BatchNorm2d(channels, device="meta", dtype=dtype)
        case ReLU(in_place):
            return nn.ReLU(in_place)
        case LocalResponseNorm(size, alpha, beta, k):
            return nn.LocalResponseNorm(size, alpha * size, beta, k)  # PyTorch divides alpha by size
        case MaxPool2d():
            return nn.MaxPool2d(layer.kernel, layer.stride)
        case AdaptiveAvgPool2d(size):
            return nn.AdaptiveAvgPool2d(size)
        case Flatten():
            return nn.Flatten(1)
        case Linear():
            return nn.Linear(layer.in_features, layer.out_features, device="meta", dtype=dtype)
        case Dropout():
            return nn.Dropout()
    raise TypeError(f"no module does what {layer} describes")


def build(
    config: str | Config | Sequence[int | str],
    *,
    batch_norm: bool | None = None,
    classes: int | None = None,
    weights: Weights = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    seed: int | None = None,
) -> VGG:
    """Build a network, in training mode.

    ``config``, ``batch_norm`` and ``classes`` are what :func:`vgg_profile.config` takes; ``device``
    and ``dtype`` default to torch's own, and on ``"meta"`` a network has shapes but no memory. ``weights``
    is the path of a checkpoint, ``"published"`` for those of the eight classic networks, or ``None`` for the
    notes' initialisation: a convolution normal with variance 2 / fan-out (He et al. 2015), a fully-connected
    layer normal with deviation 0.01, a batch norm 1, and every bias 0. ``seed`` draws from a generator of
    its own, ``None`` from torch's. Raises ``InputError`` with the next step.

    >>> net = build("D", device="meta")
    >>> sum(parameter.numel() for parameter in net.parameters())
    138357544
    """
    net = VGG(find_config(config, batch_norm=batch_norm, classes=classes), dtype)
    place = _usable(device)
    if weights is not None:
        source, state = _published(net.config, place) if weights == "published" else _read(weights, place)
        _load(net, state, source, place)
    elif place.type != "meta":
        net.to_empty(device=place)
        _initialise(net, None if seed is None else torch.Generator(place).manual_seed(seed))
    return net


def _usable(device: torch.device | str | None) -> torch.device:
    """The device that a tensor lands on; refused if none can."""
    try:
        return torch.empty(0, device=device).device
    except (AssertionError, RuntimeError) as error:
        raise InputError(
            f"The device {excerpt(str(device))} cannot be used here: {_first_clause(error)}.",
            'Try device="cpu", or device="meta" for shapes without memory.',
        ) from None


def _initialise(net: nn.Module, generator: torch.Generator | None) -> None:
    for module in net.modules():
        match module:
            case nn.Conv2d(weight=weight, bias=Tensor() as bias):
                nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu", generator=generator)
                nn.init.zeros_(bias)
            case nn.Linear(weight=weight, bias=bias):
                nn.init.normal_(weight, 0, 0.01, generator)
                nn.init.zeros_(bias)
            case nn.BatchNorm2d():
                module.reset_parameters()  # scale 1, shift 0; running mean 0 and variance 1 over 0 batches


# -- weights from a file -------------------------------------------------------------------------


def _read(weights: object, device: torch.device) -> tuple[str, dict[Any, Any]]:
    """The tensors of a local checkpoint, and what to call it."""
    if not isinstance(weights, (str, Path)):
        what = type(weights).__name__
        raise InputError(f"The weights cannot be a {what}.", 'Give a path, or "published".')
    path = Path(weights)
    source = f"the file {excerpt(str(path), 200)}"
    try:
        if path.exists() and not path.is_file():
            raise OSError("it is not a regular file")
        content = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:
        raise InputError(
            f"The weights cannot be read from {source}: {_reason(error)}.",
            "Check the path; torch.save(net.state_dict(), PATH) writes such a file"
            ' and weights="published" fetches one.',
        ) from None
    return source, _tensors(content, source)


def _published(config: Config, device: torch.device) -> tuple[str, dict[Any, Any]]:
    """The published tensors of a network, fetched once into torch's cache, and what to call them."""
    name = PUBLISHED.get(config)
    if name is None:
        raise InputError(_unpublished(config), f"Leave weights out to start afresh; {_A_LOCAL_FILE}")
    url = BASE_URL + name
    try:
        with redirect_stdout(sys.stderr):  # where torch announces the download
            content = torch.hub.load_state_dict_from_url(
                url, map_location=device, progress=True, check_hash=True, weights_only=True
            )
    except Exception as error:
        cached = Path(torch.hub.get_dir(), "checkpoints", name)
        mend = f"Delete {cached}" if cached.exists() else "Check the network"
        raise InputError(
            f"The published weights cannot be loaded from {url}: {_reason(error)}.",
            f"{mend} and try again; {_A_LOCAL_FILE}",
        ) from None
    return url, _tensors(content, url)


def _unpublished(config: Config) -> str:
    if replace(config, classes=1000) in PUBLISHED:
        return f"The published weights are for 1,000 classes, and this network has {config.classes:,}."
    labels = ", ".join(published.label for published in PUBLISHED)
    return f"There are no published weights for {excerpt(config.label)}, only for {labels} of the paper."


def _tensors(content: object, source: str) -> dict[Any, Any]:
    """Look into a checkpoint, and into its ``state_dict`` if it wraps one."""
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if isinstance(content, dict) and any(isinstance(value, Tensor) for value in content.values()):
        return content
    raise InputError(
        f"The weights cannot be read: {source} holds no dict of tensors but a {type(content).__name__}.",
        "Save one with torch.save(net.state_dict(), PATH).",
    )


def _reason(error: Exception) -> str:
    """Why, in one clause, and without torch's advice to run the file all the same."""
    asked = re.search(r"GLOBAL (\S+) was|whose module (\S+) is blocked", str(error))
    if asked:
        return f"it asks for {excerpt(asked[1] or asked[2])}, which is no tensor, and was not run"
    tells = isinstance(error, (OSError, HTTPException, torch.OutOfMemoryError))
    lost = getattr(error, "errno", None) == EINVAL  # torch sought the end of a zip file before its beginning
    if (tells and not lost) or "invalid hash" in str(error):
        return getattr(error, "strerror", None) or _first_clause(error)
    return "it is no checkpoint of tensors, or a damaged one"


def _first_clause(error: Exception) -> str:
    clause = re.split(r"\.\s|[\r\n]", str(error), maxsplit=1)[0].strip("<>. ")
    return excerpt(clause, 200).strip("'\"") or type(error).__name__


def _load(net: VGG, state: dict[Any, Any], source: str, device: torch.device) -> None:
    """Give a network on the meta device the tensors of a checkpoint: all of them or, if one differs, none.

    A tensor is kept as it is if it has the network's dtype and a memory of its own, else copied. ``state``
    is emptied on the way, so that no tensor is there twice for longer than its own turn.
    """
    wanted = net.state_dict()
    counters = [key for key in wanted if key.endswith("num_batches_tracked")]
    if state.keys().isdisjoint(counters):  # saved before PyTorch 0.4.1, as published batch norms were
        state |= {key: torch.zeros((), dtype=torch.int64, device=device) for key in counters}
    misfit = _misfit(wanted, state, device)
    if misfit:
        raise InputError(
            f"The weights in {source} do not fit {net.config.label}. {misfit}.",
            "Build the network that they were saved from: its config, batch_norm and classes.",
        )
    own: dict[str, Tensor] = {}
    memories: set[int] = set()
    for key, like in wanted.items():
        tensor = state.pop(key).detach().to(like.dtype)
        memory = tensor.untyped_storage()
        whole = tensor.is_contiguous() and memory.nbytes() == tensor.nbytes
        if not whole or memory.data_ptr() in memories:
            tensor = tensor.clone(memory_format=torch.contiguous_format)
        memories.add(tensor.untyped_storage().data_ptr())
        own[key] = tensor
    net.load_state_dict(own, assign=True)


def _misfit(wanted: dict[str, Tensor], state: dict[Any, Any], device: torch.device) -> str:
    """How a checkpoint differs from the network, key by key; empty if it fits."""
    differences: dict[str, list[str]] = {
        "Missing": [key for key in wanted if key not in state],
        "Unexpected": [excerpt(key) for key in state if key not in wanted],
        "Of another shape": [],
        "Of another kind": [],
    }
    for key, like in wanted.items():
        if key not in state:
            continue
        found = state[key]
        if type(found) not in (Tensor, nn.Parameter):
            differences["Of another kind"].append(f"{key} (a {type(found).__name__})")
        elif (
            found.layout is not torch.strided
            or found.device != device
            or found.is_floating_point() != like.is_floating_point()
        ):
            kind = f"{found.dtype}, {found.layout}, on {found.device}"
            differences["Of another kind"].append(f"{key} ({kind})")
        elif found.shape != like.shape:
            shapes = f"{_shape(found)}, not {_shape(like)}"
            differences["Of another shape"].append(f"{key} ({shapes})")
    return ". ".join(f"{what}: {_few(keys)}" for what, keys in differences.items() if keys)


def _shape(tensor: Tensor) -> str:
    return shape(tuple(tensor.shape)) or "a single number"


def _few(keys: Sequence[str], most: int = 5) -> str:
    """The first keys, and how many more there are."""
    more = f" and {len(keys) - most:,} more" if len(keys) > most else ""
    return ", ".join(keys[:most]) + more


# -- the classic networks ------------------------------------------------------------------------


class Options(TypedDict, total=False):
    """What :func:`build` takes beside the config and the weights."""

    classes: int | None
    device: torch.device | str | None
    dtype: torch.dtype | None
    seed: int | None


def vgg11(*, weights: Weights = None, **options: Unpack[Options]) -> VGG:
    """Config A: 8 convolutions and 3 fully-connected layers."""
    return build("A", weights=weights, **options)


def vgg11_bn(*, weights: Weights = None, **options: Unpack[Options]) -> VGG:
    """Config A with batch norm: 8 convolutions and 3 fully-connected layers."""
    return build("A-BN", weights=weights, **options)


def vgg13(*, weights: Weights = None, **options: Unpack[Options]) -> VGG:
    """Config B: 10 convolutions and 3 fully-connected layers."""
    return build("B", weights=weights, **options)


def vgg13_bn(*, weights: Weights = None, **options: Unpack[Options]) -> VGG:
    """Config B with batch norm: 10 convolutions and 3 fully-connected layers."""
    return build("B-BN", weights=weights, **options)


def vgg16(*, weights: Weights = None, **options: Unpack[Options]) -> VGG:
    """Config D: 13 convolutions and 3 fully-connected layers."""
    return build("D", weights=weights, **options)


def vgg16_bn(*, weights: Weights = None, **options: Unpack[Options]) -> VGG:
    """Config D with batch norm: 13 convolutions and 3 fully-connected layers."""
    return build("D-BN", weights=weights, **options)


def vgg19(*, weights: Weights = None, **options: Unpack[Options]) -> VGG:
    """Config E: 16 convolutions and 3 fully-connected layers."""
    return build("E", weights=weights, **options)


def vgg19_bn(*, weights: Weights = None, **options: Unpack[Options]) -> VGG:
    """Config E with batch norm: 16 convolutions and 3 fully-connected layers."""
    return build("E-BN", weights=weights, **options)
