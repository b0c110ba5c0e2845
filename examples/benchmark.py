"""How cheap is it? The table beside a bare ``import click`` and torchinfo's summary; what grows with size.

The promise: ``vgg-profile table D`` takes at most twice the time of ``python -c "import click"``. It is a
ratio of medians in one session, so that it holds on any machine; exit code 3 if it does not.

Every run is a fresh process, and the contestants take turns, so that a busy moment hits all of them.
Wall time is from start to exit; memory is the peak resident set that the kernel reports. Modules are
compiled before the first counted run, as pip does when it installs them.

    python examples/benchmark.py --start    # the promise alone: no torch, a few seconds
    pip install '.[bench]'
    python examples/benchmark.py            # everything; or: --runs 3
    python examples/benchmark.py --against ../old    # this tree beside another, such as a git worktree
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

OURS = [sys.executable, "-m", "vgg_profile", "table", "D"]
CLICK = [sys.executable, "-c", "import click"]
MOST_OF_CLICK = 2

SUMMARY = """
from torch import nn
from torchinfo import summary
widths = "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M".split()
layers, channels = [], 3
for width in widths:
    if width == "M":
        layers.append(nn.MaxPool2d(2))
    else:
        layers += [nn.Conv2d(channels, int(width), 3, padding=1), nn.ReLU(True)]
        channels = int(width)
layers += [nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(512 * 49, 4096), nn.ReLU(True), nn.Dropout()]
layers += [nn.Linear(4096, 4096), nn.ReLU(True), nn.Dropout(), nn.Linear(4096, 1000)]
net = nn.Sequential(*layers)
for module in net:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0, 0.01)
summary(net, input_size=(1, 3, 224, 224), verbose=1)
"""
THEIRS = [sys.executable, "-c", SUMMARY]

WALK = """
import sys, time
from vgg_profile import walk
layers = [8] * int(sys.argv[1])
start = time.perf_counter()
walk(layers, input=8).totals
print(time.perf_counter() - start)
"""

STEP = """
import sys, time
from vgg_profile import walk
from vgg_profile.predict.steps import ledger
from vgg_profile.core.setting import Setup
layers = [8] * int(sys.argv[1])
start = time.perf_counter()
ledger(walk(layers, input=8), Setup(optimizer="adam")).moments
print(time.perf_counter() - start)
"""

SWEEP = """
import sys, time
from vgg_profile.predict.vgg.configs import config
from vgg_profile.ask.sweep import sweep
start = time.perf_counter()
sweep(config("D"), inputs=range(64, 464, 4), batches=range(1, int(sys.argv[1]) // 100 + 1))
print(time.perf_counter() - start)
"""

GROWING = {
    "walk of N convolutions": (WALK, (1_000, 10_000, 100_000)),
    "timeline of N convolutions": (STEP, (1_000, 3_000, 10_000)),
    "sweep of N points": (SWEEP, (1_000, 10_000, 100_000)),
}


HERE = Path(__file__).parents[1]

ASKING = """
import time
from vgg_profile import ledger, walk
from vgg_profile.fit import Fit
from vgg_profile.cards import memory
from vgg_profile.training import Setup
def step():
    step = ledger(walk("D"), Setup(optimizer="adam", checkpoint=CHECKPOINT))
    return step.moments, step.peak, step.fixed_points, step.place, step.largest_batch(2**33)
def fit():
    return Fit(ledger(walk("D"), Setup(optimizer="adam", checkpoint=CHECKPOINT)), memory("8GiB")).to_dict()
best = []
for _ in range(30):
    start = time.process_time()
    ASKED()
    best.append(time.process_time() - start)
print(min(best[1:]))
"""

IN_PROCESS = {
    f"{asked} of D, Adam{'' if checkpoint == 'none' else ', checkpointed'}": ASKING.replace(
        "CHECKPOINT", repr(checkpoint)
    ).replace("ASKED", asked)
    for asked in ("step", "fit")
    for checkpoint in ("none", "blocks")
}
"""A step and all that is asked of it; the names are those that every version has."""

COMMANDS = (
    "table D",
    "timeline D --optimizer adam",
    "fit D --memory 8GiB",
    "compare A D",
    "explain D conv3_2",
)


def run(command: list[str], tree: Path = HERE) -> tuple[float, int, str]:
    """Run to the end in a tree; returns wall seconds, peak resident bytes, and what it printed."""
    compiled = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    compiled["PYTHONPATH"] = str(tree)
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8", env=compiled) as process:
        printed = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command[:4]} ended with {process.returncode}")
    return seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024), printed


def take_turns(contestants: list[list[str]], runs: int) -> list[list[tuple[float, int, str]]]:
    """``runs`` rounds in which each contestant runs once; one list of runs a contestant.

    A round before them warms the file cache, compiles what is not compiled yet, and is not counted.
    """
    results: list[list[tuple[float, int, str]]] = [[] for _ in contestants]
    for turn in range(runs + 1):
        for command, taken in zip(contestants, results, strict=True):
            outcome = run(command)
            if turn > 0:
                taken.append(outcome)
    return results


def beside(other: Path, runs: int) -> None:
    """Print what this tree takes beside another: questions in one process, and whole commands."""
    print(f"{f'this tree beside {other.name}':<32}{'other (ms)':>12}{'this (ms)':>12}{'ratio':>8}")
    asked = {what: [sys.executable, "-c", code] for what, code in IN_PROCESS.items()}
    asked |= {each: [sys.executable, "-m", "vgg_profile", *each.split()] for each in COMMANDS}
    for what, command in asked.items():
        taken: dict[Path, list[float]] = {other: [], HERE: []}
        for turn in range(runs + 1):
            for tree, seconds in taken.items():
                wall, _, printed = run(command, tree)
                if turn:
                    seconds.append(float(printed) if what in IN_PROCESS else wall)
        theirs, ours = (1000 * statistics.median(seconds) for seconds in taken.values())
        print(f"{what:<32}{theirs:>12.2f}{ours:>12.2f}{ours / theirs:>8.2f}")


def start_up(runs: int) -> bool:
    """Print the table's time beside that of a bare ``import click``; whether it keeps the promise."""
    click, table = (
        statistics.median(wall for wall, _, _ in taken) for taken in take_turns([CLICK, OURS], runs)
    )
    print(f"{f'start-up, {runs} runs of each':<32}{'wall (s)':>10}")
    for name, wall in (('python -c "import click"', click), ("vgg-profile table D", table)):
        print(f"{name:<32}{wall:>10.3f}")
    is_kept = table <= MOST_OF_CLICK * click
    verdict = "kept" if is_kept else "BROKEN"
    print(f"{'ratio':<32}{table / click:>10.2f}  at most {MOST_OF_CLICK}: {verdict}\n")
    return is_kept


def main() -> None:
    """Measure, and print five small tables."""
    parser = argparse.ArgumentParser(description="The table beside two other programs, and what grows.")
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each (default: 5)")
    parser.add_argument("--start", action="store_true", help="the start-up alone; needs no torch")
    parser.add_argument("--against", type=Path, metavar="DIR", help="another tree of this project alone")
    asked = parser.parse_args()
    runs = max(1, asked.runs)

    machine = f"{platform.platform()}, {os.cpu_count()} CPUs, Python {platform.python_version()}"
    print(f"{machine}\nmedians, each run in a fresh process, in turns\n")
    if asked.against:
        beside(asked.against.resolve(), runs)
        return
    is_kept = start_up(4 * runs)
    if not asked.start:
        beside_torchinfo(runs)
        growing(runs)
    if not is_kept:
        sys.exit(3)


def beside_torchinfo(runs: int) -> None:
    """Print time and memory of the table beside those of a summary by torchinfo."""
    ours, theirs = (
        (statistics.median(wall for wall, _, _ in taken), statistics.median(peak for _, peak, _ in taken))
        for taken in take_turns([OURS, THEIRS], runs)
    )
    print(f"{'VGG-16 at 3x224x224':<32}{'wall (s)':>10}{'peak (MiB)':>12}")
    for name, (wall, peak) in (("vgg-profile table D", ours), ("plain torch + torchinfo", theirs)):
        print(f"{name:<32}{wall:>10.3f}{peak / 2**20:>12.1f}")
    print(f"{'ratio':<32}{f'1/{theirs[0] / ours[0]:.1f}':>10}{f'1/{theirs[1] / ours[1]:.1f}':>12}\n")


def growing(runs: int) -> None:
    """Print what walks, timelines and sweeps take as they grow."""
    for what, (code, sizes) in GROWING.items():
        turns = take_turns([[sys.executable, "-c", code, str(size)] for size in sizes], runs)
        print(f"{what:<32}{'time (s)':>10}{'µs each':>12}{'peak (MiB)':>12}")
        for size, taken in zip(sizes, turns, strict=True):
            seconds = statistics.median(float(printed) for _, _, printed in taken)
            peak = statistics.median(peak for _, peak, _ in taken)
            print(f"{size:<32,}{seconds:>10.3f}{seconds / size * 1e6:>12.1f}{peak / 2**20:>12.1f}")
        print()


if __name__ == "__main__":
    main()
