"""What measuring costs: ``measure`` beside a bare script that runs the same passes under no instrument.

    python examples/benchmark_measure.py [CONFIG] [RUNS]

Both build the same network in a fresh process and run the same passes: one forward and backward to
count FLOPs, two forward for fvcore, one forward and backward for memory, three for the clock. The two take
turns, so that a noisy machine troubles both; medians of wall seconds and peak resident memory are printed.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from statistics import median

BARE = """
import torch
from torch.nn.functional import cross_entropy
from vgg_profile.models import build
net = build({config!r})
images, targets = torch.randn(1, 3, 224, 224), torch.zeros(1, dtype=torch.int64)
for passes in (1, 1, 3):
    for _ in range(passes):
        net.zero_grad(set_to_none=True)
        cross_entropy(net(images), targets).backward()
    if passes == 1:
        net.zero_grad(set_to_none=True)
        with torch.no_grad():
            net(images)
"""

MEASURED = """
from vgg_profile.measure import measure
measure({config!r})
"""


def run(code: str) -> tuple[float, int]:
    """Wall seconds and peak resident bytes of a fresh process."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"a process failed with exit code {process.returncode}")
    return seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main(config: str = "D", runs: int = 3) -> None:
    figures: dict[str, list[tuple[float, int]]] = {"bare script": [], "measure": []}
    for _ in range(runs):
        figures["bare script"].append(run(BARE.format(config=config)))
        figures["measure"].append(run(MEASURED.format(config=config)))
    print(f"{config}, medians of {runs} runs each, {platform.machine()}, {os.cpu_count()} cores")
    for name, pairs in figures.items():
        seconds, peak = (median(column) for column in zip(*pairs, strict=True))
        print(f"  {name:<12} {seconds:7.2f} s   {peak / 2**20:9,.0f} MiB")
    ratios = [
        (m[0] / b[0], m[1] / b[1]) for b, m in zip(figures["bare script"], figures["measure"], strict=True)
    ]
    wall, memory = (median(column) for column in zip(*ratios, strict=True))
    print(f"  measure / bare, pair by pair: {wall:.2f} × the time, {memory:.2f} × the memory")


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
