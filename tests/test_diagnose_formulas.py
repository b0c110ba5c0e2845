"""Shapes and parameters of single layers: PyTorch agrees, and so do the paper's own layers."""

from __future__ import annotations

from math import prod

import pytest
import torch
from diagnosing import conv

from vgg_profile.diagnose import Written
from vgg_profile.diagnose.against import as_written
from vgg_profile.diagnose.formulas import output_shape, parameters
from vgg_profile.predict.vgg.configs import config
from vgg_profile.predict.vgg.spelled_out import modules


@pytest.mark.parametrize("pool", ["MaxPool2d", "AvgPool2d"])
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("side", range(5, 12))
@pytest.mark.parametrize(
    "window", [(2, 2, 0), (3, 2, 0), (3, 2, 1), (2, 3, 1), ((2, 3), (2, 1), (1, 0))], ids=str
)
def test_a_pool_gives_what_pytorchs_gives(pool, ceil_mode, side, window):
    kernel, stride, padding = window
    arguments = {"kernel_size": kernel, "stride": stride, "padding": padding, "ceil_mode": ceil_mode}
    real = getattr(torch.nn, pool)(**arguments)(torch.zeros(1, 2, side, side + 1))
    assert output_shape(Written(pool, arguments), (2, side, side + 1)) == tuple(real.shape[1:])


CONVOLUTIONS = {
    "plain": {},
    "stride": {"stride": 2},
    "padding": {"padding": 2},
    "two sides": {"kernel_size": (3, 1), "stride": (1, 2), "padding": (0, 1)},
    "dilation": {"dilation": 2},
    "groups": {"groups": 3},
    "no bias": {"bias": False},
    "same": {"padding": "same"},
    "same, an even window": {"kernel_size": 4, "padding": "same"},
    "same, two sides": {"kernel_size": (3, 1), "dilation": 2, "padding": "same"},
}


@pytest.mark.parametrize("case", CONVOLUTIONS)
@pytest.mark.parametrize("side", [7, 8])
def test_a_convolution_is_what_pytorchs_is(case: str, side: int) -> None:
    arguments = {"in_channels": 6, "out_channels": 9, "kernel_size": 3} | CONVOLUTIONS[case]
    real = torch.nn.Conv2d(**arguments)
    layer, image = Written("Conv2d", arguments), (6, side, side + 1)
    assert output_shape(layer, image) == tuple(real(torch.zeros(1, *image)).shape[1:])
    assert parameters(layer) == numbers_of(real)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("Linear", {"in_features": 6, "out_features": 5}),
        ("Linear", {"in_features": 6, "out_features": 5, "bias": False}),
        ("BatchNorm2d", {"num_features": 6}),
        ("BatchNorm1d", {"num_features": 6, "affine": False}),
        ("GroupNorm", {"num_groups": 3, "num_channels": 6}),
        ("InstanceNorm2d", {"num_features": 6}),
        ("InstanceNorm2d", {"num_features": 6, "affine": True}),
        ("LocalResponseNorm", {"size": 5}),
    ],
    ids=str,
)
def test_parameters_are_what_pytorch_allocates(name: str, arguments: dict[str, object]) -> None:
    assert parameters(Written(name, arguments)) == numbers_of(getattr(torch.nn, name)(**arguments))


def numbers_of(module: torch.nn.Module) -> int:
    return sum(each.numel() for each in module.parameters())


@pytest.mark.parametrize("name", ["A-LRN", "C", "E-BN"])
def test_the_papers_layers_are_a_special_case(name: str) -> None:
    """Two derivations that share no formula: ``predict.vgg.layers`` has one for each layer that VGG has."""
    shape = (3, 224, 224)
    for module in modules(config(name)):
        layer, own = as_written(module.layer), module.layer
        assert output_shape(layer, shape) == own.output_shape(shape), module.name
        assert parameters(layer) == sum(map(prod, own.parameter_shapes.values())), module.name
        shape = own.output_shape(shape)


def test_a_formula_that_is_wrong_is_noticed() -> None:
    """Nothing here agrees whatever it is given: one argument aside, shape or parameters differ."""
    layer = conv(6, 9)
    for key, value in (("kernel_size", 5), ("stride", 2), ("padding", 0), ("dilation", 2)):
        assert output_shape(layer, (6, 8, 8)) != output_shape(layer.with_arguments(**{key: value}), (6, 8, 8))
    for key, value in (("kernel_size", 5), ("groups", 3), ("bias", False), ("out_channels", 8)):
        assert parameters(layer) != parameters(layer.with_arguments(**{key: value}))
