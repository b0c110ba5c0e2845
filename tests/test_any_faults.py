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
