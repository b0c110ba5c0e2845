"""The networks that are built are as the walker counts them, module by module."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import pytest
import torch
from building import CLASSIC, TINY_BN
from facts import PAPER, TORCHVISION
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from vgg_profile import models
from vgg_profile.models import VGG, build, networks
from vgg_profile.predict.vgg.configs import Config, from_dict
from vgg_profile.predict.vgg.configs import config as find_config
from vgg_profile.predict.vgg.layers import Layer
from vgg_profile.predict.vgg.walk import walk

# -- counts and shapes: the walker's, on a network that runs -------------------------------------


@pytest.mark.parametrize("function", CLASSIC)
def test_parameters_are_as_many_as_torchvision_publishes(function: str) -> None:
    net = getattr(models, function)(device="meta")
    assert sum(parameter.numel() for parameter in net.parameters()) == TORCHVISION[function].num_params


@pytest.mark.parametrize("name", PAPER)
def test_parameters_are_as_many_as_the_paper_says(name: str) -> None:
    net = build(name, device="meta")
    parameters = sum(parameter.numel() for parameter in net.parameters())
    assert parameters == PAPER[name].parameters
    assert round(parameters / 10**6) == PAPER[name].millions


Counted = dict[str, tuple[int, int, int, tuple[int, ...], bool]]
"""Module path → weights, biases, buffers, output shape of one image, whether it works in place."""


def counted(config: Config, image: Sequence[int]) -> Counted:
    return {
        row.module: (
            row.weights.value,
            row.biases,
            row.buffers,
            row.output_shape,
            row.note == "in place",
        )
        for row in walk(config, input=image).module_rows
        if row.module
    }


def found(net: nn.Module, image: Sequence[int]) -> Counted:
    """What forward hooks see in every module of a network on the meta device."""
    seen: Counted = {}

    def look(path: str, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        sizes = {name: tensor.numel() for name, tensor in module.named_parameters()}
        seen[path] = (
            sizes.pop("weight", 0),
            sizes.pop("bias", 0),
            sum(buffer.numel() for buffer in module.buffers()),
            tuple(output.shape[1:]),
            output is inputs[0],
        )
        assert not sizes
        assert output.shape[0] == 2

    for path, module in net.named_modules():
        if not any(module.children()):
            module.register_forward_hook(partial(look, path))
    net(torch.empty(2, *image, device="meta"))
    return seen


@pytest.mark.parametrize("image", [(3, 224, 224), (3, 64, 64), (3, 192, 256), (3, 33, 33)])
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("name", PAPER)
def test_every_module_is_as_the_walker_counts_it(name: str, batch_norm: bool, image: tuple[int, ...]) -> None:
    net = build(name, batch_norm=batch_norm, device="meta")
    assert found(net, image) == counted(find_config(name, batch_norm=batch_norm), image)


@st.composite
def own_configs(draw: st.DrawFn) -> Config:
    convolution = st.builds("conv{}-{}".format, st.sampled_from([1, 3, 5, 7]), st.integers(1, 20))
    layers = draw(st.lists(st.one_of(convolution, st.just("LRN")), max_size=6))
    layers.insert(draw(st.integers(0, len(layers))), draw(convolution))
    for _ in range(draw(st.integers(0, 3))):
        layers.insert(draw(st.integers(0, len(layers))), "M")
    return from_dict(
        {
            "layers": layers,
            "classifier": draw(st.lists(st.integers(1, 20), max_size=3)),
            "classes": draw(st.integers(1, 9)),
            "in_channels": draw(st.integers(1, 5)),
            "batch_norm": draw(st.booleans()),
            "pool": draw(st.sampled_from([7, 1, 2, "none"])),
        }
    )


@settings(max_examples=60, deadline=None)
@given(config=own_configs(), height=st.integers(0, 20), width=st.integers(0, 20))
def test_every_module_of_any_config_is_as_the_walker_counts_it(
    config: Config, height: int, width: int
) -> None:
    smallest = 2**config.pools
    image = (config.in_channels, smallest + height, smallest + width)
    net = build(config, input=image, device="meta")
    assert found(net, image) == counted(config, image)
    pools = [nn.AdaptiveAvgPool2d] * (config.pool is not None)
    assert [type(child) for child in net.children()] == [nn.Sequential, *pools, nn.Flatten, nn.Sequential]


def _drop_a_bias(net: VGG) -> None:
    net.features[0].register_parameter("bias", None)


def _change_a_width(net: VGG) -> None:
    net.classifier[0] = nn.Linear(16 * 7 * 7, 11, device="meta")
    net.classifier[3] = nn.Linear(11, 7, device="meta")


def _forget_the_padding(net: VGG) -> None:
    net.features[0] = nn.Conv2d(3, 8, 3, device="meta")


def _forget_in_place(net: VGG) -> None:
    net.features[2] = nn.ReLU()


def _pool_up(net: VGG) -> None:
    net.features[3] = nn.MaxPool2d(2, 2, ceil_mode=True)


def _pool_to_another_size(net: VGG) -> None:
    net.avgpool.output_size = (7, 6)
    net.classifier[0] = nn.Linear(16 * 7 * 6, 12, device="meta")


def _lose_the_running_statistics(net: VGG) -> None:
    net.features[1] = nn.BatchNorm2d(8, track_running_stats=False, device="meta")


def _add_a_layer(net: VGG) -> None:
    net.classifier.append(nn.Identity())


@pytest.mark.parametrize(
    "alter",
    [
        _drop_a_bias,
        _change_a_width,
        _forget_the_padding,
        _forget_in_place,
        _pool_up,
        _pool_to_another_size,
        _lose_the_running_statistics,
        _add_a_layer,
    ],
)
def test_the_comparison_sees_an_altered_module(alter: Callable[[VGG], None]) -> None:
    image = (3, 33, 33)
    net = build(TINY_BN, device="meta")
    assert found(net, image) == counted(TINY_BN, image)
    net = build(TINY_BN, device="meta")
    alter(net)
    assert found(net, image) != counted(TINY_BN, image)


def test_a_layer_without_a_module_is_refused() -> None:
    with pytest.raises(TypeError, match="no module does what Layer"):
        networks._on_meta(Layer(), None)
