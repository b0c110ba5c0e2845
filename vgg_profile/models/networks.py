"""Real networks: the layers that the walker counts, built as ``nn.Module``s.

Module paths and ``state_dict`` keys are torchvision's (``features.0.weight``, ``classifier.6.bias``), so
its checkpoints load here and ours load there. Every parameter is allocated once: a network is laid out
on the meta device, where shapes need no memory, then given memory and filled, or given the very
tensors of a checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TypedDict, Unpack, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from vgg_profile.core.errors import InputError, excerpt
from vgg_profile.core.setting import input_shape
from vgg_profile.core.sizes import Shape
from vgg_profile.models.weights import Weights, fetch_published, fill, first_clause, read_checkpoint
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
from vgg_profile.predict.vgg.spelled_out import modules


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

    def __init__(
        self,
        config: Config,
        dtype: torch.dtype | None = None,
        input: Shape | None = None,  # noqa: A002
    ) -> None:
        super().__init__()
        self.config = config
        self.checkpoint_blocks = False
        for part, group in groupby(modules(config, input), key=lambda module: module.path.partition(".")[0]):
            built = [_on_meta(module.layer, dtype) for module in group]
            self.add_module(part, nn.Sequential(*built) if part in ("features", "classifier") else built[0])

    def forward(self, x: Tensor) -> Tensor:
        if self.checkpoint_blocks:
            for block in self._blocks():  # no dropout in them: no random state to keep
                x = checkpoint(block, x, use_reentrant=False, preserve_rng_state=False)
        else:
            x = self.features(x)  # one name for all: each step lets go of the one before
        if self.config.pool is not None:
            x = self.avgpool(x)
        x = self.flatten(x)
        x = self.classifier(x)
        return x  # noqa: RET504

    @property
    def names(self) -> dict[str, str]:
        """The paper's names of its layers, by their modules' paths."""
        return {module.path: module.name for module in modules(self.config)}

    def _blocks(self) -> Iterator[nn.Sequential]:
        """The features, block by block."""
        start = 0
        members = (module for module in modules(self.config) if module.path.startswith("features."))
        for _, block in groupby(members, key=lambda module: module.block):
            stop = start + sum(1 for _ in block)
            yield cast(nn.Sequential, self.features[start:stop])
            start = stop


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
    input: str | int | Sequence[int] | None = None,  # noqa: A002 - the word that users know
    weights: Weights = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    seed: int | None = None,
) -> VGG:
    """Build a network, in training mode.

    ``config``, ``batch_norm`` and ``classes`` are what :func:`vgg_profile.config` takes; ``input`` is what
    :func:`vgg_profile.walk` takes, and matters where no average pool stands before the classifier; ``device``
    and ``dtype`` default to torch's own, and on ``"meta"`` a network has shapes but no memory. ``weights``
    is the path of a checkpoint, ``"published"`` for those of the eight classic networks, or ``None`` for the
    notes' initialisation: a convolution normal with variance 2 / fan-out (He et al. 2015), a fully-connected
    layer normal with deviation 0.01, a batch norm 1, and every bias 0. ``seed`` draws from a generator of
    its own, ``None`` from torch's. Raises ``InputError`` with the next step.

    >>> net = build("D", device="meta")
    >>> sum(parameter.numel() for parameter in net.parameters())
    138357544
    """
    found = find_config(config, batch_norm=batch_norm, classes=classes)
    net = VGG(found, dtype, input_shape(input, found.in_channels))
    place = _usable(device)
    if weights is not None:
        source, state = (
            fetch_published(net.config, place) if weights == "published" else read_checkpoint(weights, place)
        )
        fill(net, net.config.label, state, source, place)
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
            f"The device {excerpt(str(device))} cannot be used here: {first_clause(error)}.",
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
