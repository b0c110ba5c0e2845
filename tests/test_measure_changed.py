"""A network that its first step changes is measured in its second, as it is traced; lazy layers, too."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from turns import by_turns

from vgg_profile.cli import main

NETS = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8, 10)
        self.kept = None

    def forward(self, x):
        return self.head(self.keep(self.conv(x).mean((2, 3))))


class Once(Net):
    def keep(self, y):
        if self.kept is None:
            self.kept = torch.zeros(1000)
        return y + self.kept.sum()


class Anew(Net):
    def keep(self, y):
        self.kept = y.detach() * 2
        return y


class Few(Net):
    def keep(self, y):
        self.kept = [*(self.kept or [])[-2:], y.detach() * 2]
        return y


class Lazy(nn.Sequential):
    def __init__(self):
        super().__init__(nn.LazyConv2d(8, 3, padding=1), nn.Flatten(), nn.LazyLinear(10))
"""


SETUPS = [("--optimizer", "adam"), (), ("--optimizer", "adam", "--first-step")]


@pytest.mark.parametrize(("name", "setup"), by_turns(["Once", "Anew", "Few", "Lazy"], SETUPS), ids=str)
def test_every_figure_holds(tmp_path: Path, name: str, setup: tuple[str, ...]) -> None:
    file = tmp_path / "net.py"
    file.write_text(NETS)
    words = ["measure", f"{file}:{name}", "--input", "3x16x16", "--batch", "2", "--repeats", "0", *setup]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("Every figure holds: "), done.output
