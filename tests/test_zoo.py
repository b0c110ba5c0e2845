"""The fake book of networks of all kinds, held against the allocator's events of a real step."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from examples.zoo.models import animals
from examples.zoo.run import row
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


PAGE = Path("reports/zoo.md").read_text(encoding="utf-8")
QUICK = 2.0
"""The CPU seconds of a prediction up to which a network of the page is tried here."""

EXACT = [
    cells[1]
    for cells in (re.split(r" ?\| ?", line) for line in PAGE.splitlines() if line.startswith("| "))
    if len(cells) == 11 and cells[4:6] == ["0", "0"] and float(cells[9]) <= QUICK
]
"""Networks of the page of which nothing is off, and which are quickly tried."""

DOZEN = (
    "RNN 2",
    "GRU 2 both ways",
    "LSTM 2 (momentum, autocast)",
    "Transformer",
    "DCGAN generator",
    "DCGAN discriminator",
    "parametrized",
    "3D convolutions",
    "upsampler",
    "opt",
    "big_bird",
    "squeezenet1_1",
)


@pytest.fixture
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def check_exact(name: str) -> None:
    animal = next((each for each in animals() if each.name == name), None)
    if animal is None:
        pytest.skip("the zoo's other packages are not installed")
    found = row(animal, "cpu", None)
    if "autocast" in name and found.why == "cannot be run: RuntimeError":
        pytest.skip("this machine has no 16-bit kernel for it")
    assert found.is_exact, found


@pytest.mark.usefixtures("_threads")
@pytest.mark.parametrize("name", DOZEN)
def test_a_network_that_nobody_here_wrote_is_exact(name: str) -> None:
    check_exact(name)


@pytest.mark.slow
@pytest.mark.usefixtures("_threads")
@pytest.mark.parametrize("name", EXACT)
def test_what_the_page_says_is_exact_is_so(name: str) -> None:
    check_exact(name)


def test_the_docs_say_what_the_page_says() -> None:
    steps, networks, live, most = map(
        int,
        re.search(  # type: ignore[union-attr]
            r"(\d+) steps of (\d+) networks that nobody.* every boundary of (\d+); of (\d+) the most",
            PAGE,
            re.DOTALL,
        ).groups(),
    )
    rows = [line for line in PAGE.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == steps
    assert networks >= 180
    assert live >= most >= 170
    claims = " ".join(Path("docs/claims.md").read_text(encoding="utf-8").split())
    assert f"live bytes of {live} of {steps} steps of {networks} networks that nobody here wrote" in claims
    assert f"of {most} the most within every part, too" in claims
