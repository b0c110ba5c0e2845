"""Networks that convert themselves while they are built, or are cast: as PyTorch does with real tensors."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from vgg_profile import trace
from vgg_profile.check.crosscheck import lay_over
from vgg_profile.core.inputs import Input
from vgg_profile.core.setting import Setup
from vgg_profile.measure import measure
from vgg_profile.run.step import make_state, optimizer_of


class Tied(nn.Module):
    """Two layers of one weight, converted when they are tied already."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(8, 8), nn.Linear(8, 8)
        self.two.weight = self.one.weight
        self.to(torch.float64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.two(self.one(x.double()))


def doubled_rnn() -> nn.Module:
    return nn.GRU(6, 5, batch_first=True).double()


@pytest.mark.parametrize(("build", "given"), [(Tied, "8:float64"), (doubled_rnn, "4x6:float64")])
def test_what_converts_itself_is_predicted_as_measured(build: Callable[[], nn.Module], given: str) -> None:
    step = trace(build, given, batch=2, dtype="float64", probe=False, every_batch=False)
    measured = measure(build(), inputs=[Input.parse(given)], batch=2, dtype="float64", repeats=0)
    assert [each for each in lay_over(step, measured).boundaries if each.residual] == []
    if build is Tied:
        assert step.profile.totals.parameters == 8 * 8 + 8 + 8


def lazy() -> nn.Module:
    return nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(5))


def test_a_lazy_network_takes_its_shapes_from_its_first_pass() -> None:
    step = trace(lazy, "3x6x6", batch=2, probe=False, every_batch=False)
    model = lazy()
    model(torch.zeros(2, 3, 6, 6))
    assert step.profile.totals.parameters == sum(each.numel() for each in model.parameters())
    measured = measure(model, inputs=[Input((3, 6, 6))], batch=2, repeats=0)
    assert [each for each in lay_over(step, measured).boundaries if each.residual] == []


def test_a_cast_is_that_of_real_tensors_and_leaves_the_network_alone() -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8), nn.Linear(8, 4))
    step = trace(model, "8", dtype="float64", batch=3, probe=False, every_batch=False)
    assert {each.dtype for each in model.parameters()} == {torch.float32}
    measured = measure(model.double(), inputs=[Input((8,))], batch=3, dtype="float64", repeats=0)
    assert [each for each in lay_over(step, measured).boundaries if each.residual] == []


def test_a_network_of_its_own_dtype_is_taken_in_it() -> None:
    step = trace(nn.Linear(8, 4).double(), "8", probe=False, every_batch=False)
    assert step.setting.dtype == "float64"


def copied() -> nn.Module:
    """A layer, its copy with weights of its own, and a copy of two layers that are tied."""
    layer = nn.Linear(8, 8, dtype=torch.float64)
    layer.bias.requires_grad_(False)
    return nn.Sequential(layer, copy.deepcopy(layer), copy.deepcopy(Tied()))


def test_a_deep_copy_has_storages_of_its_own_and_its_ties() -> None:
    step = trace(copied, "8:float64", batch=2, dtype="float64", probe=False, every_batch=False)
    given = [Input.parse("8:float64")]
    measured = measure(copied(), inputs=given, batch=2, dtype="float64", repeats=0)
    assert [each for each in lay_over(step, measured).boundaries if each.residual] == []
    assert step.profile.totals.parameters == 2 * (8 * 8 + 8) + 8 * 8 + 8 + 8
    assert sum(row.frozen for row in step.profile.rows) == 2 * 8


OPTIMIZERS = [
    Setup(optimizer="sgd"),
    Setup(optimizer="momentum"),
    *(Setup(optimizer=name, foreach=foreach) for name in ("adam", "adamw") for foreach in (False, True)),
]


@pytest.mark.parametrize("setup", OPTIMIZERS, ids=str)
def test_a_state_is_made_as_a_step_leaves_it(setup: Setup) -> None:
    states = []
    for make in (make_state, lambda optimizer: optimizer.step()):
        model = nn.Linear(4, 3)
        model(torch.ones(2, 4)).sum().backward()
        optimizer = optimizer_of(model, setup)
        assert optimizer is not None
        make(optimizer)
        states.append([_kinds(optimizer.state[each]) for each in model.parameters()])
    assert states[0] == states[1]
    assert any(states[0]) == (setup.optimizer != "sgd")


def _kinds(state: dict[str, Any]) -> dict[str, Any]:
    tensors = {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}
    return {name: (value.shape, value.stride(), value.dtype) for name, value in tensors.items()}
