"""The networks that are built have torchvision's layout, and torchvision's outputs where it is installed."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from building import CLASSIC, torchvision_layout
from torch import nn

from vgg_profile import models
from vgg_profile.core.errors import InputError


def layout_of(net: nn.Module) -> dict[str, tuple[int, ...]]:
    return {key: tuple(tensor.shape) for key, tensor in net.state_dict().items()}


@pytest.mark.parametrize("function", CLASSIC)
def test_the_state_dict_is_torchvisions(function: str) -> None:
    name, batch_norm = CLASSIC[function]
    net = getattr(models, function)(device="meta")
    assert list(layout_of(net).items()) == list(torchvision_layout(name, batch_norm).items())


@pytest.mark.parametrize(
    ("function", "last"),
    [("vgg11", 18), ("vgg13", 22), ("vgg16", 28), ("vgg19", 34), ("vgg16_bn", 40), ("vgg19_bn", 49)],
)
def test_the_last_convolution_is_where_torchvision_has_it(function: str, last: int) -> None:
    shapes = layout_of(getattr(models, function)(device="meta"))
    assert shapes[f"features.{last}.weight"] == (512, 512, 3, 3)
    assert not any(key.startswith(f"features.{last + 3}") for key in shapes)


@pytest.mark.parametrize("function", CLASSIC)
def test_a_checkpoint_of_torchvision_loads_strictly(function: str, tmp_path: Path) -> None:
    """One number seen as every shape keeps the file small; on meta, so the network is."""
    name, batch_norm = CLASSIC[function]
    state = {
        key: torch.zeros((), dtype=torch.int64 if key.endswith("tracked") else torch.float32).expand(shape)
        for key, shape in torchvision_layout(name, batch_norm).items()
    }
    torch.save(state, tmp_path / "weights.pth")
    load = partial(getattr(models, function), device="meta", weights=tmp_path / "weights.pth")
    assert layout_of(load()) == torchvision_layout(name, batch_norm)

    state["features.0.weight"] = state["features.0.weight"][:, :1]
    torch.save(state, tmp_path / "weights.pth")
    with pytest.raises(InputError, match=r"features\.0\.weight \(64×1×3×3, not 64×3×3×3\)"):
        load()


# -- torchvision itself, where there is one: it is no dependency, and does not import beside every torch


def torchvisions(name: str) -> nn.Module:
    try:
        from torchvision import models as theirs
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"torchvision does not import here: {error}")
    made: nn.Module = getattr(theirs, name)(weights=None)
    return made


@pytest.mark.parametrize("name", ["vgg11", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19_bn"])
def test_torchvisions_own_weights_give_torchvisions_own_outputs(name: str) -> None:
    theirs, ours = torchvisions(name).eval(), getattr(models, name)().eval()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict(), strict=True)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(ours(images), theirs(images))
