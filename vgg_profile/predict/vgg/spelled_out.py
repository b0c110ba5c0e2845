"""A config spelled out: every layer in order, with the paper's names and torchvision's module paths.

The walker counts these layers and ``models`` builds them, so both speak of the same network.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple, cast

from vgg_profile.core.setting import USUAL_PLANE
from vgg_profile.core.sizes import Shape
from vgg_profile.core.tree import BLOCK, CLASSIFIER, Network
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


class Module(NamedTuple):
    """A layer in its place: ``conv3_2`` is ``features.12`` of VGG-16, in ``block 3``.

    A pool ends its block; what stands between the last block and the classifier belongs to that block. This
    is the one place that says so.
    """

    name: str
    path: str
    layer: Layer
    block: str


@lru_cache(maxsize=16)
def modules(network: Network, input: Shape | None = None) -> tuple[Module, ...]:  # noqa: A002 - as users say
    """Every layer of a network in the order that an image meets them.

    ``input`` is the image (C, H, W), by default of 224 pixels a side. It matters to one figure of a network
    without an average pool: how many values its first fully-connected layer takes.

    Convolutions are numbered within their block (``conv3_2``), a pool closes its block (``pool3``), and
    the fully-connected layers go on counting after the last block (``fc6`` in VGG).

    >>> from vgg_profile.predict.vgg.configs import config
    >>> [module.name for module in modules(config("64,M", classes=10))]
    ... # doctest: +NORMALIZE_WHITESPACE
    ['conv1_1', 'relu1_1', 'pool1', 'avgpool', 'flatten',
     'fc2', 'relu2', 'drop2', 'fc3', 'relu3', 'drop3', 'fc4']
    """
    net = cast(Config, network)
    return tuple(_modules(net, input or (net.in_channels, *USUAL_PLANE)))


def _modules(net: Config, shape: Shape) -> Iterator[Module]:
    channels = net.in_channels
    block, place, norms = 1, 0, 0
    named: list[tuple[str, Layer, str]] = []
    for token in net.layers:
        group = f"{BLOCK}{block}"
        if isinstance(token, Conv):
            place += 1
            named.append((f"conv{block}_{place}", Conv2d(channels, token.width, token.kernel), group))
            channels = token.width
            if net.batch_norm:
                named.append((f"bn{block}_{place}", BatchNorm2d(channels), group))
            named.append((f"relu{block}_{place}", ReLU(), group))
        elif isinstance(token, Pool):
            named.append((f"pool{block}", MaxPool2d(), group))
            block, place, norms = block + 1, 0, 0
        else:
            norms += 1
            named.append((f"lrn{block}_{norms}", LocalResponseNorm(), group))
    for index, (name, layer, group) in enumerate(named):
        yield Module(name, f"features.{index}", layer, group)
        shape = layer.output_shape(shape)

    if net.pool is not None:
        pool = AdaptiveAvgPool2d(net.pool)
        yield Module("avgpool", "avgpool", pool, group)
        shape = pool.output_shape(shape)
    yield Module("flatten", "flatten", Flatten(), group)

    first = block + (place > 0 or norms > 0)
    for index, (name, layer) in enumerate(_classifier(net, shape, first)):
        yield Module(name, f"classifier.{index}", layer, CLASSIFIER)


def _classifier(net: Config, fan_in: tuple[int, ...], first: int) -> Iterator[tuple[str, Layer]]:
    """The fully-connected layers, numbered from ``first`` on; a ReLU and a dropout follow each hidden one."""
    for number, width in enumerate(net.classifier, start=first):
        yield f"fc{number}", Linear(fan_in, width)
        yield f"relu{number}", ReLU()
        yield f"drop{number}", Dropout()
        fan_in = (width,)
    yield f"fc{first + len(net.classifier)}", Linear(fan_in, net.classes)
