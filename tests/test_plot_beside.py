"""What stands beside what: no name on a line, no number beside one of the next panel."""

from __future__ import annotations

from itertools import product

import pytest
from plotting import close, crossed, faults, of_a_card, subject
from turns import by_turns

from examples.my_net import UNet
from vgg_profile.ask.cards import memory
from vgg_profile.ask.fit import Fit
from vgg_profile.ask.sweep import Sweep
from vgg_profile.core.setting import Setup
from vgg_profile.core.step import Step
from vgg_profile.core.tree import Profile
from vgg_profile.describe.figures import KINDS, depict
from vgg_profile.predict.fake.trace import trace
from vgg_profile.write.plots import SIZES, draw

MEMORIES = (512, 2048, 2900, 3100, 3950, 5000, 8192, 24576, 81920)
"""MiB, from less than one image takes to more than a thousand do."""


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("net", ["D", "tiny", "one layer"])
@pytest.mark.parametrize(
    "memories",
    [pytest.param((5000,), id="5000 MiB"), pytest.param(MEMORIES, id="many", marks=pytest.mark.slow)],
)
def test_what_fits_is_named_beside_every_line(memories: tuple[int, ...], net: str, size: str) -> None:
    step = subject(Step, net)
    for mebibytes, asked in product(memories, (None, 3, 1000)):
        fit = Fit(step, memory(f"{mebibytes}MiB"), None, asked)
        canvas = draw(depict(fit), size)
        assert (crossed(canvas), faults(canvas)) == ([], []), fit.memory.label


@pytest.mark.parametrize(
    ("card", "size"), by_turns(["gtx1650", "t4", "rtx4090", "h100", "8GiB", "24GB"], SIZES)
)
def test_what_fits_on_a_card_is_named_beside_every_line(card: str, size: str) -> None:
    canvas = draw(depict(of_a_card(card)), size)
    assert (crossed(canvas), faults(canvas)) == ([], [])


@pytest.mark.parametrize(("have", "size"), by_turns(["1GiB", "2GiB", "2.85GiB", "8GiB", "rtx4090"], SIZES))
def test_a_memory_crosses_no_name_of_a_line(have: str, size: str) -> None:
    canvas = draw(depict(subject(Sweep), memory=memory(have)), size)
    assert (crossed(canvas), faults(canvas)) == ([], [])


@pytest.fixture(scope="module")
def traced() -> Step:
    """A network that is no VGG, whose modules have long names and short turns."""
    return trace(UNet, "3x64x64", batch=2, setup=Setup(optimizer="adam"), probe=False, name="UNet")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["memory", "shares", "macs", "timeline", "batch"])
def test_the_names_of_a_traced_networks_modules_do_not_touch(traced: Step, kind: str, size: str) -> None:
    of = traced if Step in KINDS[kind] else traced.profile
    canvas = draw(depict(of, kind), size)
    assert (crossed(canvas), close(canvas), faults(canvas)) == ([], [], [])


def test_a_text_too_close_to_the_next_panels_is_found() -> None:
    canvas = draw(depict(subject(Profile), "shares"))
    assert close(canvas) == []
    left, bottom, width, height = canvas.axes[1].get_position().bounds
    canvas.axes[1].set_position((left - 0.02, bottom, width, height))
    assert close(canvas)
