"""The VGGs as ``nn.Module``s, with torchvision's names, and the weights to fill them with.

What can be built is a config: ``config`` and its types are here too, for whoever runs networks and must not
know what is predicted of them.
"""

from vgg_profile.models.networks import (
    VGG,
    build,
    vgg11,
    vgg11_bn,
    vgg13,
    vgg13_bn,
    vgg16,
    vgg16_bn,
    vgg19,
    vgg19_bn,
)
from vgg_profile.predict.vgg.configs import Config, Source, config

__all__ = [
    "VGG",
    "Config",
    "Source",
    "build",
    "config",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
]
