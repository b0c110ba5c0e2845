"""The layers of a VGG. Each class alone knows its own formulas; ``layer`` has the conventions of counting."""

from vgg_profile.predict.vgg.layers.layer import Layer
from vgg_profile.predict.vgg.layers.norms import BatchNorm2d, LocalResponseNorm
from vgg_profile.predict.vgg.layers.plain import AdaptiveAvgPool2d, Dropout, Flatten, MaxPool2d, ReLU
from vgg_profile.predict.vgg.layers.products import Conv2d, Linear

__all__ = [
    "AdaptiveAvgPool2d",
    "BatchNorm2d",
    "Conv2d",
    "Dropout",
    "Flatten",
    "Layer",
    "Linear",
    "LocalResponseNorm",
    "MaxPool2d",
    "ReLU",
]
