"""The fake book of networks of all kinds, held against the allocator's events of a real step."""

from __future__ import annotations

import pytest
import torch

from tests.zoo import ZOO
from vgg_profile.check.crosscheck import lay_over
from vgg_profile.check.results import Overlay
from vgg_profile.core.inputs import Input
from vgg_profile.core.setting import Setup
from vgg_profile.measure import measure
from vgg_profile.predict.fake.trace import trace

LATER = {"optimizer": "adam"}
FIRST = {"optimizer": "momentum", "first_step": True}


def over(name: str, batch: int, **setup: object) -> Overlay:
    """The predicted step with the measured one laid over it."""
    build, inputs = ZOO[name]
    step = trace(build, inputs, batch=batch, setup=Setup(**setup), every_batch=False)  # type: ignore[arg-type]
    torch.manual_seed(0)
    specs = [Input.parse(each) for each in inputs]
    return lay_over(step, measure(build(), inputs=specs, batch=batch, setup=step.setup, repeats=0))


@pytest.mark.parametrize("name", ZOO)
def test_live_bytes_are_exact_at_every_boundary_and_so_is_the_most_within(name: str) -> None:
    curve = over(name, 3, **LATER)
    assert not curve.unpredicted
    assert [each for each in curve.boundaries if each.residual != 0] == []
    assert [each for each in curve.boundaries if each.beyond != 0] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ZOO)
@pytest.mark.parametrize("batch", [1, 2])
def test_the_first_step_is_exact_too(name: str, batch: int) -> None:
    curve = over(name, batch, **FIRST)
    assert not curve.unpredicted
    assert [each for each in curve.boundaries if each.residual != 0 or each.beyond != 0] == []
