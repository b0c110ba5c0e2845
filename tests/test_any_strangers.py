"""Somebody's network, run where it is traced and measured: whatever it raises is one sentence."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from vgg_profile.cli import main

HEAD = "import torch\nfrom torch import nn\n"

RAISE = {
    "a message that raises": "class E(Exception):\n    def __str__(self): raise RuntimeError\n",
    "a message that ends": "class E(Exception):\n    def __str__(self): raise SystemExit\n",
    "a message that is none": "class E(Exception):\n    def __str__(self): return 7\n",
    "a name that raises": (
        "class M(type):\n    @property\n    def __name__(self): raise KeyError\n"
        "class E(Exception, metaclass=M): pass\n"
    ),
    "an end": "class E(SystemExit): pass\n",
    "what a terminal obeys": "def E(): return KeyError('\\x1b]0;x\\x07\\n')\n",
}
FORWARD = """
class net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x):
        if {when}:
            raise E()
        return self.layer(x)
"""
PLACES = {
    "file": "raise E()\n",
    "constructor": "def net():\n    raise E()\n",
    "forward": FORWARD.format(when="True"),
    "forward with values": FORWARD.format(when="type(x) is torch.Tensor"),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("error", RAISE)
def test_what_a_network_raises_is_one_sentence(error: str, place: str, tmp_path: Path) -> None:
    path = tmp_path / "net_that_raises.py"
    path.write_text(HEAD + RAISE[error] + PLACES[place])
    result = CliRunner().invoke(main, ["measure", f"{path}:net", "--input", "3", "--repeats", "0"])
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code == 2, result.output
    said = [line for line in result.stderr.splitlines() if not line.endswith("…")]
    assert len(said) == 1
    assert said[0].isprintable()
    assert result.stdout == ""


PROBED = """
import beside, random
from torch import nn
net = nn.Sequential(nn.Conv2d(3, beside.width, 3, dilation=2), nn.Flatten(), nn.Linear(8 * 16, 2))
"""


def test_what_lies_in_the_folder_is_not_run_for_what_is_pythons(tmp_path: Path) -> None:
    """Neither here nor in the process that runs operations alone."""
    (tmp_path / "net.py").write_text(PROBED)
    (tmp_path / "beside.py").write_text("import wave\nwidth = 8\n")
    for each in sys.stdlib_module_names | {"torch", "vgg_profile", "click", "msgspec", "sympy"}:
        (tmp_path / f"{each}.py").write_text("raise SystemExit('shadowed')\n")
    words = ["trace", "net.py:net", "--input", "3x8x8", "-o", "t.json"]
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "vgg_profile", *words],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
    )
    assert ended.returncode == 0, ended.stderr
    assert "shadowed" not in ended.stderr
    book = json.loads((tmp_path / "t.json").read_text())
    assert "probe" in json.dumps(book), "an operation was run alone"
