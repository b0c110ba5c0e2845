"""A config spelled out: every layer in order, with the paper's names and torchvision's module paths.

The walker counts these layers and ``models`` builds them, so both speak of the same network.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from vgg_profile.predict.vgg.configs import Config, Conv, Pool
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

POOLED = 7
"""The classifier always sees 7×7 maps: an adaptive average pool stands before it, as in torchvision."""


@dataclass(frozen=True, slots=True)
class Module:
    """A layer in its place: ``conv3_2`` is ``features.12`` of VGG-16."""

    name: str
    path: str
    layer: Layer


@lru_cache(maxsize=16)
def modules(config: Config) -> tuple[Module, ...]:
    """Every layer of a network in the order that an image meets them.

    Convolutions are numbered within their block (``conv3_2``), a pool closes its block (``pool3``), and
    the fully-connected layers go on counting after the last block (``fc6`` in VGG).

    >>> from vgg_profile.predict.vgg.configs import config
    >>> [module.name for module in modules(config("64,M", classes=10))]
    ... # doctest: +NORMALIZE_WHITESPACE
    ['conv1_1', 'relu1_1', 'pool1', 'avgpool', 'flatten',
     'fc2', 'relu2', 'drop2', 'fc3', 'relu3', 'drop3', 'fc4']
    """
    return tuple(_modules(config))


def _modules(config: Config) -> Iterator[Module]:
    channels = config.in_channels
    block, place, norms = 1, 0, 0
    named: list[tuple[str, Layer]] = []
    for token in config.layers:
        if isinstance(token, Conv):
            place += 1
            named.append((f"conv{block}_{place}", Conv2d(channels, token.width, token.kernel)))
            channels = token.width
            if config.batch_norm:
                named.append((f"bn{block}_{place}", BatchNorm2d(channels)))
            named.append((f"relu{block}_{place}", ReLU()))
        elif isinstance(token, Pool):
            named.append((f"pool{block}", MaxPool2d()))
            block, place, norms = block + 1, 0, 0
        else:
            norms += 1
            named.append((f"lrn{block}_{norms}", LocalResponseNorm()))
    for index, (name, layer) in enumerate(named):
        yield Module(name, f"features.{index}", layer)

    yield Module("avgpool", "avgpool", AdaptiveAvgPool2d(POOLED))
    yield Module("flatten", "flatten", Flatten())

    fan_in: tuple[int, ...] = (channels, POOLED, POOLED)
    first = block + (place > 0 or norms > 0)
    index = 0
    for number, width in enumerate(config.classifier, start=first):
        yield Module(f"fc{number}", f"classifier.{index}", Linear(fan_in, width))
        yield Module(f"relu{number}", f"classifier.{index + 1}", ReLU())
        yield Module(f"drop{number}", f"classifier.{index + 2}", Dropout())
        fan_in, index = (width,), index + 3
    yield Module(f"fc{first + len(config.classifier)}", f"classifier.{index}", Linear(fan_in, config.classes))
