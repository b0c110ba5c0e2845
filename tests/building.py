"""Small networks to build, and their checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from vgg_profile.models import VGG, build
from vgg_profile.predict.vgg.configs import from_dict

TINY = from_dict(
    {"name": "tiny", "layers": [8, "M", "conv1-16", "LRN", "M"], "classifier": [12], "classes": 7}
)


TINY_BN = from_dict(TINY.to_dict() | {"batch_norm": True})
CLASSIC = {
    "vgg11": ("A", False),
    "vgg11_bn": ("A", True),
    "vgg13": ("B", False),
    "vgg13_bn": ("B", True),
    "vgg16": ("D", False),
    "vgg16_bn": ("D", True),
    "vgg19": ("E", False),
    "vgg19_bn": ("E", True),
}
"""torchvision's names for the paper's."""


# -- torchvision's layout, described once more, apart from our code ------------------------------


CONVOLUTIONS = {"A": (1, 1, 2, 2, 2), "B": (2, 2, 2, 2, 2), "D": (2, 2, 3, 3, 3), "E": (2, 2, 4, 4, 4)}
"""The paper's Table 1: how many 3×3 convolutions each block has."""


def torchvision_layout(name: str, batch_norm: bool) -> dict[str, tuple[int, ...]]:
    """The keys and shapes of torchvision's ``state_dict``, in its order."""
    layout: dict[str, tuple[int, ...]] = {}
    place, channels = 0, 3
    for width, convolutions in zip((64, 128, 256, 512, 512), CONVOLUTIONS[name], strict=True):
        for _ in range(convolutions):
            layout[f"features.{place}.weight"] = (width, channels, 3, 3)
            layout[f"features.{place}.bias"] = (width,)
            if batch_norm:
                place += 1
                for what in ("weight", "bias", "running_mean", "running_var"):
                    layout[f"features.{place}.{what}"] = (width,)
                layout[f"features.{place}.num_batches_tracked"] = ()
            place += 2  # the ReLU has a place, and no state
            channels = width
        place += 1  # so has the pool
    for place, shape in {0: (4096, 512 * 7 * 7), 3: (4096, 4096), 6: (1000, 4096)}.items():
        layout[f"classifier.{place}.weight"] = shape
        layout[f"classifier.{place}.bias"] = shape[:1]
    return layout


def same(one: nn.Module, other: nn.Module) -> bool:
    left, right = one.state_dict(), other.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


def assert_whole(net: nn.Module, device: str, dtype: torch.dtype) -> None:
    """Real parameters, each a leaf with a memory of its own; statistics of the same dtype, int64 counters."""
    for parameter in net.parameters():
        assert type(parameter) is nn.Parameter
        assert parameter.is_leaf
        assert parameter.requires_grad
        assert parameter.dtype == dtype
    for name, buffer in net.named_buffers():
        assert not buffer.requires_grad
        assert buffer.dtype == (torch.int64 if name.endswith("num_batches_tracked") else dtype)
    tensors = list(net.state_dict().values())
    assert {tensor.device.type for tensor in tensors} == {device}
    assert all(tensor.is_contiguous() for tensor in tensors)
    if device != "meta":
        assert all(tensor.untyped_storage().nbytes() == tensor.nbytes for tensor in tensors)
        assert len({tensor.data_ptr() for tensor in tensors}) == len(tensors)


def retrained() -> VGG:
    """A network whose every tensor differs from a fresh one's."""
    net = build(TINY_BN, seed=5)
    with torch.no_grad():
        for tensor in net.state_dict().values():
            tensor.add_(3)
    return net


def saved(content: object, path: Path, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path
