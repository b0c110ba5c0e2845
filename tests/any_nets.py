"""Networks of one's own: a file of them, and one of them traced."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from vgg_profile.cli import main

NETS = '''
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width)
        self.c = nn.Linear(width, 10)
    def forward(self, x):
        return self.c(torch.relu(self.b(self.a(x))).mean((2, 3)))

class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.out = nn.Embedding(50, 8), nn.Linear(8, 50)
    def forward(self, ids):
        return self.out(self.embed(ids))

class Wrong(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.ReLU(), nn.Linear(7, 3))
    def forward(self, x):
        return self.body(x)

class Picks(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(16, 3)
    def forward(self, x):
        y = self.fc(x)
        return y[(y > 0).any(1)]

class Prints(nn.Linear):
    def __init__(self):
        super().__init__(16, 3)
    def forward(self, x):
        print("hello from the network")
        return super().forward(x)

class Exits(nn.Linear):
    def __init__(self):
        super().__init__(16, 3)
    def forward(self, x):
        raise SystemExit(7)

class Compiled(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(16, 3)
        self.fc.compile()
    def forward(self, x):
        return self.fc(x)

class Squares(nn.Module):
    """Each image attends to each: bytes grow with the square of the batch."""
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(16, 16)
    def forward(self, x):
        y = self.fc(x)
        return (y @ y.T).softmax(1) @ y

class Blocks(nn.Module):
    """Blocks that do nothing between their layers."""
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.body = nn.Sequential(nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU()), nn.Flatten())
    def forward(self, x):
        return self.body(self.stem(x))

def needs(width):
    return Net(width)

def whole(width=8):
    return Net(width), torch.zeros(2, 3, 16, 16), my_loss

def gives_text():
    return "no network"

number = 3

def my_loss(output):
    return output.square().mean()
'''


@pytest.fixture(scope="session")
def nets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("nets") / "some_nets.py"
    path.write_text(NETS)
    return path


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def answer(*words: object) -> Any:
    """What a command says, as JSON."""
    result = run(*words, "--format", "json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture(scope="session")
def traced_net(nets: Path) -> Path:
    path = nets.with_name("net.json")
    result = run("trace", f"{nets}:Net", "--input", "3x16x16", "--optimizer", "adam", "-o", path)
    assert result.exit_code == 0, result.stderr
    return path
