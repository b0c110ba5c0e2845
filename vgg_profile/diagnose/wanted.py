"""The layers of a config as one would write them for PyTorch: what a model is set against."""

from __future__ import annotations

from vgg_profile.core.counts import product
from vgg_profile.core.sizes import Shape
from vgg_profile.diagnose.draft import Written
from vgg_profile.predict.vgg import layers
from vgg_profile.predict.vgg.configs import Config
from vgg_profile.predict.vgg.spelled_out import modules


def wanted(config: Config, shape: Shape) -> list[Written]:
    """The layers of a config at an image (C, H, W)."""
    return [as_written(module.layer) for module in modules(config, shape)]


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
