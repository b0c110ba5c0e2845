"""What each layer of a hand-written model does to a shape, and how many parameters it has: one formula each.

Any stride, padding, dilation, groups, a bias left out, other norms: VGG's own layers are the special case of
stride 1 and "same" padding. ``predict.vgg.layers`` derives those independently, and a test holds the two, and
PyTorch, together. The shapes that the child's run reports would not do: what is asked here is mostly a shape
after a fix, at another width or on another image.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from vgg_profile.core.sizes import Shape
from vgg_profile.diagnose.draft import Family, Written


def output_shape(layer: Written, shape: Shape) -> Shape:
    """What leaves a layer that fits, of one image, (C, H, W) or (N,); a side below 1 means that nothing does.

    >>> output_shape(Written("MaxPool2d", {"kernel_size": 2, "stride": 2}), (64, 7, 7))
    (64, 3, 3)
    """
    match layer.family:
        case Family.CONV:
            return (layer.size("out_channels"), *_windows(layer, shape))
        case Family.POOL:
            return (shape[0], *_windows(layer, shape))
        case Family.ADAPTIVE:
            wanted = layer.pair("output_size", 1)
            return (shape[0], *(size or side for size, side in zip(wanted, shape[1:], strict=True)))
        case Family.FLATTEN:
            return (prod(shape),)
        case Family.LINEAR:
            return (layer.size("out_features"),)
    return shape


def _windows(layer: Written, shape: Shape) -> Iterator[int]:
    """How often a window fits along each side: floor((side + 2p - d(k-1) - 1) / stride) + 1.

    Source: "Shape" in the documentation of ``torch.nn.Conv2d`` and ``torch.nn.MaxPool2d``.
    """
    is_same = layer.arguments.get("padding") == "same"
    windows = zip(
        shape[1:],
        layer.pair("kernel_size", 1),
        layer.pair("stride", 1),
        (0, 0) if is_same else layer.pair("padding", 0),
        layer.pair("dilation", 1),
        strict=True,
    )
    for side, kernel, stride, padding, dilation in windows:
        reach = dilation * (kernel - 1)
        room = side + (reach if is_same else 2 * padding) - reach - 1
        steps = room // stride
        if layer.arguments.get("ceil_mode") and room % stride and (steps + 1) * stride < side + padding:
            steps += 1  # a last window that begins within the map
        yield steps + 1


def parameters(layer: Written) -> int:
    """The learnable numbers of a layer: weights, and biases unless it has none.

    >>> parameters(Written("Linear", {"in_features": 4096, "out_features": 1000}))
    4097000
    """
    bias = bool(layer.arguments.get("bias", True))
    match layer.family:
        case Family.CONV:
            window = layer.size("in_channels") // layer.size("groups", 1) * prod(layer.pair("kernel_size", 1))
            return layer.size("out_channels") * (window + bias)
        case Family.LINEAR:
            return layer.size("out_features") * (layer.size("in_features") + bias)
        case Family.NORM if layer.arguments.get("affine", layer.name != "InstanceNorm2d"):
            return 2 * layer.size(layer.width_key or "")
    return 0
