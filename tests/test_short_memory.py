"""``ulimit -v``: wherever memory ends, a command has done what it was asked, or says that in one sentence."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

MODEL = """
from torch import nn
net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))
def small():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(288, 2))
"""

COMMANDS = {
    "table": "table D",
    "table.html": "table D -o t.html",
    "timeline": "timeline D --optimizer adam",
    "fit": "fit D --memory 8GiB --what-if",
    "sweep": "sweep D --batch 1..9 -o s.csv",
    "compare": "compare A D --by layer",
    "explain": "explain D conv1_1",
    "doctor": "doctor",
    "check": "check A RECORD",
    "trace": "trace m.py:small --input 3x8x8 -o net.json",
    "measure": "measure 8,M --input 8 --repeats 1 -o r.json",
    "diagnose": "diagnose m.py:small --input 8 -o d.md",
    "report": "report 8,M --input 8 -o r.html",
    "plot": "plot D memory -o m.svg",
}
PARTLY = ", as far as it came"
"""How a record is announced of a real step for which memory did not suffice."""

MIB = 2**20
LIMITS = (300, 400, 500, 600, 700, 1100, 1500, 1900)

RECORD = Path(__file__).parents[1] / "reports" / "measured" / "A-cpu.json"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to RLIMIT_AS")


def problem(words: str, limit: int | None, folder: Path) -> str:
    """What is wrong with how a command ended in so many MiB of addresses; empty if nothing is."""
    work, scratch = folder / "work", folder / "scratch"
    for each in (work, scratch):
        each.mkdir(exist_ok=True)
    (work / "m.py").write_text(MODEL)
    most = resource.RLIM_INFINITY if limit is None else limit * MIB
    ended = subprocess.run(
        [sys.executable, "-m", "vgg_profile", *words.replace("RECORD", str(RECORD)).split()],
        cwd=work,
        env={**os.environ, "TMPDIR": str(scratch), "PYTHONPATH": os.pathsep.join(sys.path)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (most, most)),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    told = [line for line in ended.stderr.splitlines() if not line.endswith(("…", PARTLY))]
    made = {path.name for path in work.iterdir()} - {"m.py", "__pycache__"}
    kept = {name for name in made if f"Wrote {name}{PARTLY}" in ended.stderr}
    for is_wrong, what in (
        (ended.returncode not in (0, 1), f"exit code {ended.returncode}"),
        ("Traceback" in ended.stderr, "a traceback"),
        (ended.returncode and not told, "nothing said"),
        (ended.returncode and len(told) > 1, "more than a sentence"),
        (ended.returncode and made - kept, f"left {sorted(made)}"),
        (any(scratch.iterdir()), f"left {[path.name for path in scratch.iterdir()]}"),
        (any(name.endswith(".part") for name in made), "a half-written file"),
    ):
        if is_wrong:
            return f"{words} in {limit} MiB: {what}: {ended.stderr[-400:]!r}"
    for name in made:
        (work / name).unlink()
    return "" if ended.returncode == 0 else " "


@pytest.mark.parametrize("limit", [60, 300])
def test_a_table_in_little_memory(limit: int, tmp_path: Path) -> None:
    assert problem("table D", limit, tmp_path).strip() == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "limit"),
    list(product(COMMANDS, LIMITS)),
)
def test_every_command_in_every_memory(name: str, limit: int, tmp_path: Path) -> None:
    assert problem(COMMANDS[name], limit, tmp_path).strip() == ""


def test_what_goes_wrong_in_little_memory_is_seen(tmp_path: Path) -> None:
    """An exit code that is none of the two, and debris."""
    assert "exit code 2" in problem("table nowhere", None, tmp_path)
    (tmp_path / "scratch" / "left").touch()
    assert "left ['left']" in problem("list", None, tmp_path)
