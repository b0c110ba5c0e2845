"""Networks at fault: what they do wrong is said in one line, with exit code 2, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn

from vgg_profile import InputError, trace
from vgg_profile.cli import main
from vgg_profile.core.tree import Profile

NETS = """
from torch import nn
from urllib.error import URLError

class OnACard(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 2)
    def forward(self, x):
        return self.fc(x.to("cuda"))

class Downloads(nn.Module):
    def __init__(self):
        raise URLError("no route to host")
"""


@pytest.mark.parametrize(
    ("net", "said"), [("OnACard", "at forward of OnACard"), ("Downloads", "no route to host")]
)
def test_a_fault_is_said_in_one_line(net: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "faulty_nets.py"
    path.write_text(NETS)
    result = CliRunner().invoke(main, ["timeline", f"{path}:{net}", "--input", "4", "--no-probe"])
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert "faulty_nets.py, line" in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""


class Counts(nn.Module):
    """Writes into itself with every pass."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 2)
        self.register_buffer("seen", torch.zeros(()))
        self.passes: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.passes.append(1)
        self.last = x
        self.seen += 1
        y: Tensor = self.fc(x)
        return y


def test_a_network_that_writes_into_itself_comes_back_as_it_was() -> None:
    model = Counts().eval()
    weight = model.fc.weight.clone()
    trace(model, "4", batch=2, probe=False)
    assert model.passes == []
    assert not hasattr(model, "last")
    assert int(model.seen) == 0
    assert torch.equal(model.fc.weight, weight)
    assert model.fc.weight.grad is None
    assert not model.training


class Hangs(nn.Linear):
    """Somebody has waited long enough."""

    def forward(self, x: Tensor) -> Tensor:
        raise KeyboardInterrupt


def test_an_interruption_is_not_swallowed_and_leaves_nothing_switched_on() -> None:
    before = nn.Module._apply, nn.init.normal_, torch.random.get_rng_state
    with pytest.raises(KeyboardInterrupt):
        trace(lambda: Hangs(4, 2), "4", probe=False)
    assert (nn.Module._apply, nn.init.normal_, torch.random.get_rng_state) == before
    assert type(nn.Linear(2, 2)(torch.ones(1, 2))) is Tensor


def test_what_a_constructor_raises_is_said() -> None:
    def build() -> nn.Module:
        raise URLError("offline")

    with pytest.raises(InputError, match="not built yet") as refused:
        trace(build, "4", probe=False)
    assert refused.value.so_far is None


class Halves(nn.Module):
    """Calls a layer that cannot follow, within a block, before a third that is never reached."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.unused = nn.Linear(16, 16), nn.Linear(3, 3)
        self.body = nn.Sequential(nn.ReLU(), nn.Linear(7, 3), nn.Linear(3, 3))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(self.stem(x))
        return y


class Twice(nn.Linear):
    """Raises in its own forward, after which nothing comes."""

    def __init__(self) -> None:
        super().__init__(16, 8)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(super().forward(x))


@pytest.mark.parametrize(
    ("network", "notes"), [(Halves, {"body.1": "raised here"}), (Twice, {"Twice": "raised here"})]
)
def test_the_module_that_raised_is_said_and_is_the_only_one(
    network: type[nn.Module], notes: dict[str, str]
) -> None:
    with pytest.raises(InputError, match="reduction dim") as refused:
        trace(network, "16", probe=False)
    profile = refused.value.so_far
    assert isinstance(profile, Profile)
    assert {row.name: row.note for row in profile.rows if row.note} == notes


def test_one_value_a_channel_is_answered_with_more_images() -> None:
    def small() -> nn.Module:
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(3))

    with pytest.raises(InputError, match=r"Expected more than 1 value.*Use --batch 2 or more"):
        trace(small, "3x8x8", probe=False)
    assert trace(small, "3x8x8", batch=2, probe=False).peak_bytes(2)
