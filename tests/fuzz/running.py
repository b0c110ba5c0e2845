"""Runs hostile inputs through the command line, in one process after the other, and judges how each ended."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fuzz.addresses import Page, chromium
from tests.fuzz.kinds import KINDS, Case
from tests.fuzz.terminals import RAW, run_on_a_terminal

MOST_MEMORY = 512 * 2**20
MOST_SECONDS = 10
GOOD = (0, 1, 2, 3, 4)
SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


HEAD = "kind           tried  refused    done  failed  wrong  most MiB  most s"


@dataclass
class Row:
    """How the inputs of one kind ended."""

    name: str
    tried: int = 0
    codes: dict[int, int] = field(default_factory=dict)
    memory: int = 0
    seconds: float = 0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        failed = sum(self.codes.get(code, 0) for code in (1, 3, 4))
        return (
            f"{self.name:<12}{self.tried:>8,}{self.codes.get(2, 0):>9,}{self.codes.get(0, 0):>8,}{failed:>8,}"
            f"{len(self.problems):>7,}{self.memory // 2**20:>10,}{self.seconds:>8.1f}"
        )


def run_kind(name: str, share: float, seed: int, folder: Path) -> Row:
    """A share of one kind's inputs, in batches of one process each.

    A signal and a terminal have a process of their own; addresses are all a page's that is open.
    """
    number, make = KINDS[name]
    row, chance = Row(name), random.Random(f"{name} {seed}")
    number = max(1, round(number * share))
    if name == "signals":
        for place in range(number):
            _send(row, make(chance, folder / str(place)), chance)
        return row
    if name == "terminals":
        for place in range(number):
            _show(row, make(chance, folder / str(place)))
        return row
    if name == "addresses":
        with chromium() as browser:
            page = Page(browser, folder / "page.html")
            for case in (make(chance, folder) for _ in range(number)):
                _note(row, case, page.go_to(*case.words))
        return row
    left = number
    while left:
        size = min(left, 250)
        (folder / "work").mkdir(exist_ok=True)
        _batch(row, [make(chance, folder / "work") for _ in range(size)], folder / "work")
        left -= size
    return row


_WORKER = """
import io, json, os, re, sys, time
from contextlib import suppress
from pathlib import Path
import click
from click.testing import CliRunner
from vgg_profile.cli import main
def build_with(net, weights):
    from vgg_profile.core.errors import InputError
    from vgg_profile.models import build
    try:
        build(net, classes=2, weights=weights)
    except InputError as error:
        sys.stderr.write(str(error))
        sys.exit(2)

def complete(*words):
    from click.shell_completion import ShellComplete
    shell = ShellComplete(main, {}, "vgg-profile", "_VGG_PROFILE_COMPLETE")
    shell.get_completions(list(words[:-1]), words[-1])

def invoke(words):
    if words[0] == "(complete)":
        return CliRunner().invoke(click.Command("x", callback=lambda: complete(*words[1:])), [])
    if words[0] != "(weights)":
        return CliRunner().invoke(main, words)
    return CliRunner().invoke(click.Command("x", callback=lambda: build_with(*words[1:])), [])

def left_behind():
    # processes that still stand in this folder, and what lies in the temporary one
    found = os.listdir(os.environ["TMPDIR"])
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):  # it may have ended meanwhile
            if int(pid) != os.getpid() and os.readlink(f"/proc/{pid}/cwd") == os.getcwd():
                found.append(pid)
    return found

for line in sys.stdin:
    case = json.loads(line)
    for name, content in case["files"].items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(bytes.fromhex(content))
    before, start = set(os.listdir()), time.process_time()
    result = invoke([os.fsdecode(bytes.fromhex(each)) for each in case["words"]])
    told = {
        "code": result.exit_code, "seconds": time.process_time() - start, "odd": "",
        "memory": int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024,
    }
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        told["odd"] = f"traceback: {type(result.exception).__name__}: {result.exception}"[:300]
    elif not (result.stdout + result.stderr).replace("\\t", "").replace("\\n", "").isprintable():
        told["odd"] = "it prints what does not print"
    elif result.exit_code and not result.stderr and result.exit_code not in (3, 4):
        told["odd"] = "it says nothing"
    elif case["is_lie"] and result.exit_code == 0:
        told["odd"] = "a lie passes"
    after = set(os.listdir())
    if (left := left_behind()):
        told["odd"] = f"left behind: {left[:3]}"
    if result.exit_code == 2 and after - before:
        told["odd"] = f"debris: {sorted(after - before)[:3]}"
    for name in {*after - before, *case["files"]}:
        path = Path(name)
        if path.is_file():
            path.unlink()
    print("\\x1e" + json.dumps(told), file=sys.__stdout__, flush=True)
"""


def _batch(row: Row, cases: list[Case], folder: Path) -> None:
    lines = [json.dumps(each.to_dict()) for each in cases]
    scratch = folder.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    ended = subprocess.run(
        [sys.executable, "-c", _WORKER],
        input="\n".join(lines),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        cwd=folder,
        env={
            **os.environ,
            "TMPDIR": str(scratch),
            "XDG_CACHE_HOME": str(folder.parent / "kept"),
            "TORCHINDUCTOR_CACHE_DIR": str(folder.parent / "kernels"),  # else PyTorch's lasts as long as this
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path]),
        },
    )
    told = [json.loads(line) for line in ended.stdout.split("\x1e")[1:]]
    if len(told) < len(cases):
        row.problems.append(f"the process died at {lines[len(told)][:300]}: {ended.stderr[-300:]}")
    for case, each in zip(cases, told, strict=False):
        _note(row, case, each)


def _note(row: Row, case: Case, told: dict[str, Any]) -> None:
    """Add a call to its row: its code, its most MiB and seconds, and what was wrong with it."""
    row.tried += 1
    row.codes[told["code"]] = row.codes.get(told["code"], 0) + 1
    row.memory, row.seconds = max(row.memory, told["memory"]), max(row.seconds, told["seconds"])
    problem = told["odd"] or ("" if told["code"] in GOOD else f"exit code {told['code']}")
    if not case.is_real:
        problem = problem or (f"{told['memory'] >> 20} MiB" if told["memory"] > MOST_MEMORY else "")
        problem = problem or (f"{told['seconds']:.0f} s" if told["seconds"] > MOST_SECONDS else "")
    if problem:
        row.problems.append(f"{problem}: {case.told()}")


def _show(row: Row, case: Case) -> None:
    """One process on a terminal, whose pager is left with ``q``."""
    case.folder.mkdir(parents=True)
    for name, content in case.files.items():
        (case.folder / name).write_bytes(content)
    place = {"HOME": str(case.folder), "LESSHISTFILE": "-", "PYTHONPATH": os.pathsep.join(sys.path)}
    start = time.monotonic()
    code, shown = run_on_a_terminal(
        [sys.executable, "-m", "vgg_profile", *case.words],
        {"PATH": os.environ["PATH"], "TERM": "xterm", **case.environment, **place},
        case.size,
        case.folder,
        typed=b"q" * 9,
    )
    told = {"code": code, "seconds": time.monotonic() - start, "memory": 0, "odd": ""}
    left = {path.name for path in case.folder.iterdir()} - set(case.files)
    for is_odd, what in (
        (b"Traceback" in shown or b"Exception ignored" in shown, f"traceback: {shown[-300:]!r}"),
        (any(raw.encode() in shown for raw in RAW), "it prints what does not print"),
        (left, f"left behind: {left}"),
    ):
        told["odd"] = told["odd"] or (what if is_odd else "")
    _note(row, case, told)


def _send(row: Row, case: Case, chance: random.Random) -> None:
    """One process, and a signal at a moment that chance chooses, once it has come to our first line."""
    work, scratch = case.folder, case.folder / "scratch"
    scratch.mkdir(parents=True)
    for name, content in case.files.items():
        (work / name).write_bytes(content)
    before = {path.name for path in work.iterdir()}
    start = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "vgg_profile", *case.words],
        cwd=work,
        env={**os.environ, "TMPDIR": str(scratch), "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=_heed,
    )
    while process.poll() is None and not _heeds(process.pid):
        time.sleep(0.001)
    number = chance.choice(list(SIGNALS))
    time.sleep(chance.random() * chance.choice([0.05, 0.5, 3]))
    for _ in range(chance.choice([1, 2])):
        with suppress(ProcessLookupError):
            process.send_signal(number)
        time.sleep(chance.random() * 0.01)
    complaint = process.communicate(timeout=120)[1].decode(errors="replace")
    row.tried += 1
    row.codes[process.returncode] = row.codes.get(process.returncode, 0) + 1
    row.seconds = max(row.seconds, time.monotonic() - start)
    after = {path.name for path in work.iterdir()} - before - {"__pycache__"}
    for is_wrong, problem in (
        (process.returncode not in (0, SIGNALS[number]), f"exit code {process.returncode}"),
        ("Traceback" in complaint or "Exception ignored" in complaint, complaint[-200:]),
        (any(scratch.iterdir()), "debris in the temporary folder"),
        (process.returncode and any(name.endswith(".part") for name in after), f"debris: {after}"),
    ):
        if is_wrong:
            row.problems.append(f"{problem}: {signal.Signals(number).name}, {case.told()}")
            break


def _heed() -> None:
    """Ignore no signal: a run under nohup ignores SIGHUP, one in the background SIGINT."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def _heeds(pid: int) -> bool:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("SigCgt:"):
                return bool(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
    return False
