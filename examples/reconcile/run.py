"""Running: each tool in a process of its own, in turns, and what it said written down."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from vgg_profile.measure.reading import load

from .rules import TOOLS
from .sums import INPUT, NETS, Record
from .terms import Tool

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "examples" / "reconcile_tools.py"

BARE = "the network built, and no tool"


def child(name: str, config: str) -> None:
    """Build a network, ask one tool about it, or none; print what it said and what it left behind."""
    import torch

    from vgg_profile.models import build

    net, images = build(config, seed=0), torch.zeros(1, *INPUT)
    keys = set(net.state_dict())
    for tool in TOOLS:
        if tool.name == name:
            with contextlib.redirect_stdout(sys.stderr):
                readings = tool.ask(net, images)
            batches = [each for path, each in net.named_buffers() if path.endswith("num_batches_tracked")]
            left = {
                "eval mode": int(not net.training),
                "hooks": sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in net.modules()),
                "new keys in its state_dict": len(set(net.state_dict()) - keys),
                "batch norms whose running statistics moved": sum(int(each) > 0 for each in batches),
            }
            print(json.dumps({"version": version(tool.package), "readings": readings, "left": left}))


class Run(NamedTuple):
    """A process that ended: wall seconds, peak resident bytes, the JSON it printed, or why it failed."""

    seconds: float
    resident: int
    said: dict[str, Any]
    failure: str


def run(command: list[str], folder: str = "") -> Run:
    """Run a command to its end in a process of its own; packages in ``folder`` go before others."""
    if folder and not (ROOT / folder).is_dir():
        return Run(0, 0, {}, f"it is not installed in {folder}")
    path = {"PYTHONPATH": str(ROOT / folder)} if folder else {}
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", **path}
    start = time.perf_counter()
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
        ) as process,
    ):
        assert process.stdout
        lines = process.stdout.read().splitlines()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        failure = (errors.read().splitlines() or ["no word"])[-1] if process.returncode else ""
    said: dict[str, Any] = next((json.loads(line) for line in lines if line.startswith("{")), {})
    return Run(seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024), said, failure)


def ours(net: str, measured: Path) -> dict[str, list[str]]:
    """What runs beside the tools: our table, our measurement, and the network without any tool."""
    profile = [sys.executable, "-m", "vgg_profile"]
    return {
        "vgg-profile table": [*profile, "table", net],
        "vgg-profile measure": [*profile, "measure", net, "--device", "cpu", "-o", str(measured), "--force"],
        BARE: [sys.executable, str(SCRIPT), "--child", BARE, net],
    }


def ask_all(tools: Sequence[Tool], runs: int) -> Record:
    """Ask every tool about every network, ``runs`` times in turns; what one says must not change."""
    record: Record = {
        "schema_version": 1,
        "runs": runs,
        "environment": {
            "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, {platform.system()}",
            "python": platform.python_version(),
            "torch": version("torch"),
        },
        "tools": {},
        "measured": {name: {} for name in NETS},
        "processes": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        measured = Path(folder, "measured.json")
        for _, net in product(range(runs), NETS):
            for name, command in ours(net, measured).items():
                outcome = run(command)
                if outcome.failure:
                    sys.exit(f"{name} {net} failed: {outcome.failure}")
                note(record, name, net, outcome)
            for reading in load(measured).readings:
                if reading.quantity == "peak_bytes" and not reading.layer:
                    record["measured"][net]["peak_bytes"] = reading.value
            for tool in tools:
                outcome = run([sys.executable, str(SCRIPT), "--child", tool.name, net], tool.folder)
                note(record, tool.name, net, outcome)
                keep(record, tool, net, outcome)
    return record


def note(record: Record, name: str, net: str, outcome: Run) -> None:
    """Write down what a process took."""
    print(f"{outcome.seconds:6.1f} s  {name}, {net} {outcome.failure}", file=sys.stderr)
    if not outcome.failure:
        cost = record["processes"].setdefault(name, {}).setdefault(net, {"seconds": [], "resident": []})
        cost["seconds"].append(round(outcome.seconds, 3))
        cost["resident"].append(outcome.resident)


def keep(record: Record, tool: Tool, net: str, outcome: Run) -> None:
    """Write down what a tool said, or why it said nothing."""
    if outcome.failure:
        record["tools"][tool.name] = {"failure": outcome.failure}
        return
    kept = record["tools"].setdefault(tool.name, {"version": outcome.said["version"], "nets": {}})
    said = {key: outcome.said[key] for key in ("readings", "left")}
    if kept["nets"].setdefault(net, said) != said:
        sys.exit(f"{tool.name} said two things of {net}: {kept['nets'][net]}, then {said}.")
    if "storage object" in said["readings"]:
        record["measured"][net]["storage object"] = said["readings"]["storage object"]
