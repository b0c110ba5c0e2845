"""What the tests of ``diagnose`` share: files to examine, PyTorch's own verdict, and a fixed model run."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import nn

from vgg_profile.diagnose import Diagnosis, Draft
from vgg_profile.diagnose.child import inspect_model
from vgg_profile.diagnose.wanted import wanted
from vgg_profile.predict.vgg.configs import Config

ROOT = Path(__file__).parent.parent

BROKEN = ROOT / "examples" / "broken_vgg19.py"

CASES = ROOT / "tests" / "data" / "diagnose"

IMAGE = (3, 32, 32)

HEAD = "import torch\nfrom torch import nn\nimport torch.nn.functional as F\n"


def inspected(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    source: str,
    name: str = "model",
    image: tuple[int, ...] = IMAGE,
    like: Config | None = None,
) -> Draft:
    """A file's model, examined in this process."""
    path = folder / f"file_{zlib.crc32(source.encode())}.py"
    path.write_text(source)
    return examined(monkeypatch, path, name, image, like)


def examined(
    monkeypatch: pytest.MonkeyPatch,
    path: Path,
    name: str,
    image: tuple[int, ...] = IMAGE,
    like: Config | None = None,
) -> Draft:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setitem(sys.modules, path.stem, None)
    layers = wanted(like, image) if like else ()
    return inspect_model(path, name, image, layers, like.label if like else "")


def listed(*layers: str) -> str:
    """A model as a list of layers, a line each."""
    body = "".join(f"    {layer},\n" for layer in layers)
    return f"{HEAD}model = nn.Sequential(\n{body})\n"


def diagnosed(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    source: str,
    name: str = "model",
    image: tuple[int, ...] = IMAGE,
    like: Config | None = None,
) -> Diagnosis:
    return Diagnosis("the model", image, inspected(monkeypatch, folder, source, name, image, like), like)


def runs(source: str, name: str, image: tuple[int, ...]) -> bool:
    """Whether PyTorch, asked directly, builds a model and runs it, in train and in eval mode."""
    space: dict[str, object] = {"__name__": "asked"}
    exec(source, space)
    try:
        with torch.device("meta"):
            made = space[name]
            model = made if isinstance(made, nn.Module) else made()  # type: ignore[operator]
            for mode in (True, False):
                model.train(mode)(torch.zeros(5, *image))
    except Exception:
        return False
    return True


def run_fixed(diagnosis: Diagnosis) -> nn.Sequential:
    """Build the fixed list from its source and run it; every layer gives the shape that was said."""
    space: dict[str, nn.Sequential] = {}
    exec(diagnosis.code, space)
    model = space["model"].eval()
    x = torch.zeros(2, *diagnosis.input)
    fixed = [visit for visit in diagnosis.visits if visit.fixed]
    with torch.no_grad():
        for layer, visit in zip(model, fixed, strict=True):
            x = layer(x)
            assert tuple(x.shape[1:]) == visit.output, visit.name
    assert sum(each.numel() for each in model.parameters()) == diagnosis.parameters
    return model


def line_of(source: str, text: str) -> int:
    assert source.count(text) == 1, text
    return source[: source.index(text)].count("\n") + 1


def kinds(findings: Sequence[object]) -> list[str]:
    return [str(finding.kind) for finding in findings]  # type: ignore[attr-defined]


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


FLAT = "torch.flatten(x, 1)"


START = "    def forward(self, x):\n"
