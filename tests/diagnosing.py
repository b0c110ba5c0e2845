"""What the tests of ``diagnose`` share: layers to write, files to read, and a fixed model run for real."""

from __future__ import annotations

import sys
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vgg_profile.diagnose import Diagnosis, Draft, Kind, Written, diagnose
from vgg_profile.diagnose.against import as_written
from vgg_profile.diagnose.child import inspect_model
from vgg_profile.predict.vgg.configs import Config
from vgg_profile.predict.vgg.spelled_out import modules

ROOT = Path(__file__).parent.parent


BROKEN = ROOT / "examples" / "broken_vgg19.py"


IMAGE = (3, 32, 32)


def conv(inputs: int, outputs: int, kernel: int = 3, **more: object) -> Written:
    sizes = {"in_channels": inputs, "out_channels": outputs, "kernel_size": kernel, "padding": kernel // 2}
    return Written("Conv2d", sizes | more)


def norm(channels: int) -> Written:
    return Written("BatchNorm2d", {"num_features": channels})


def linear(inputs: int, outputs: int) -> Written:
    return Written("Linear", {"in_features": inputs, "out_features": outputs})


RELU, FLATTEN, DROPOUT = Written("ReLU"), Written("Flatten"), Written("Dropout")


POOL = Written("MaxPool2d", {"kernel_size": 2, "stride": 2})


def diagnosed(*layers: Written, image: tuple[int, ...] = IMAGE, like: Config | None = None) -> Diagnosis:
    return diagnose(Draft(layers), image, like)


def summary(diagnosis: Diagnosis) -> list[tuple[str, Kind, str]]:
    return [(each.place, each.kind, each.fix) for each in diagnosis.defects]


def run_fixed(diagnosis: Diagnosis) -> torch.nn.Sequential:
    """Build the fixed list from its source and run it; every layer gives the shape that was said."""
    space: dict[str, torch.nn.Sequential] = {}
    exec(diagnosis.code, space)
    model = space["model"].eval()
    x = torch.zeros(2, *diagnosis.input)
    with torch.no_grad():
        for layer, (name, _, shape) in zip(model, diagnosis.fixed, strict=True):
            x = layer(x)
            assert tuple(x.shape[1:]) == shape, name
    assert sum(each.numel() for each in model.parameters()) == diagnosis.parameters
    return model


def shared(layer: Written, line: int) -> Written:
    return replace(layer, module="twin", line=3, call=line)


def written(net: Config) -> list[Written]:
    return [as_written(module.layer) for module in modules(net)]


# -- files


def inspected(monkeypatch: pytest.MonkeyPatch, folder: Path, source: str, name: str = "model") -> Draft:
    """A file's model, read in this process."""
    path = folder / f"file_{zlib.crc32(source.encode())}.py"
    path.write_text(source)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setitem(sys.modules, path.stem, None)
    return inspect_model(path, name, IMAGE)


HEAD = "import torch\nfrom torch import nn\nimport torch.nn.functional as F\n"


CLASS = f"{HEAD}class Model(nn.Module):\n    def __init__(self):\n        super().__init__()\n"


BODY = "        self.conv = nn.Conv2d(3, 8, 3, padding=1)\n        self.fc = nn.Linear(8 * 32 * 32, 5)\n"


SMALL = f"""{CLASS}
        self.conv1 = nn.Conv2d(3, 32, 3, padding=1)
        self.conv2 = nn.Conv2d(32, 64, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(64 * 8 * 8, 128)
        self.fc2 = nn.Linear(128, 10)

    def flat(self, x):
        size = 1
        for side in x.size()[1:]:
            size *= side
        return size

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        return self.fc2(x)
"""


def changed(*changes: tuple[str, str]) -> str:
    """A model without a mistake, with some of its text replaced."""
    source = SMALL
    for old, new in changes:
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    return source


def line_of(source: str, text: str) -> int:
    return source[: source.index(text)].count("\n") + 1


FLAT = "torch.flatten(x, 1)"


START = "    def forward(self, x):\n"
