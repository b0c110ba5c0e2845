"""Networks that convert themselves while they are built, or are cast: as PyTorch does with real tensors."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from vgg_profile import trace
from vgg_profile.check.crosscheck import lay_over
from vgg_profile.core.inputs import Input
from vgg_profile.measure import measure


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
