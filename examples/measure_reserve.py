"""How much memory does a training step take beside its tensors? The default of ``fit --reserve``.

Each setup is trained for three steps in a process of its own, on the CPU. What the kernel reports as the
peak resident set, less the predicted peak of tensors, is what Python, PyTorch, its libraries, a backend's
scratch and malloc's leftovers take together. For Linux and macOS.

    python examples/measure_reserve.py -o reports/reserve.md
"""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from vgg_profile import ledger, walk
from vgg_profile.ask.fit import DEFAULT_RESERVE
from vgg_profile.core.files import write_whole
from vgg_profile.core.setting import Setup
from vgg_profile.core.units import binary, exact

SETUPS = [
    ("A", 1, 64, "sgd"),
    ("A", 8, 224, "sgd"),
    ("A", 2, 224, "adam"),
    ("B", 4, 224, "momentum"),
    ("D", 1, 224, "sgd"),
    ("D", 8, 224, "sgd"),
    ("D", 8, 224, "adam"),
    ("D", 2, 384, "sgd"),
    ("D-BN", 4, 224, "adam"),
    ("D-BN", 16, 224, "sgd"),
    ("E", 4, 224, "adamw"),
    ("E-BN", 8, 224, "sgd"),
]
"""Config, batch, image size, optimizer."""

STEPS = 3


def peak_resident() -> int:
    """The most that this process ever had in memory, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def train(name: str, batch: str, size: str, optimizer: str) -> None:
    """Take three real steps, and print the peak resident set."""
    import torch

    from vgg_profile.models import build

    make = {"momentum": lambda weights: torch.optim.SGD(weights, momentum=0.9)}
    net = build(name)
    stepper = make.get(optimizer) or getattr(
        torch.optim, {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW"}[optimizer]
    )
    step = stepper(net.parameters())
    images = torch.zeros(int(batch), 3, int(size), int(size))
    targets = torch.zeros(int(batch), dtype=torch.int64)
    for _ in range(STEPS):
        step.zero_grad()
        torch.nn.functional.cross_entropy(net(images), targets).backward()
        step.step()
    print(peak_resident())


def in_a_process(*arguments: object) -> int:
    """Run this file anew with arguments; the number that it prints."""
    command = [sys.executable, __file__, *map(str, arguments)]
    return int(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def page() -> Iterator[str]:
    """Measure every setup; the lines of the page."""
    yield "# What a training step takes beside its tensors\n"
    yield (
        f"{STEPS} steps each in a process of its own; `python examples/measure_reserve.py` made this page on "
        f"{platform.machine()}, {os.cpu_count()} CPUs, {platform.system()}, Python "
        f"{platform.python_version()}, torch {version('torch')}.\n"
    )
    yield "| config | batch | image | optimizer | tensors, predicted (bytes) | resident (bytes) | beside |"
    yield "| --- | ---: | ---: | --- | ---: | ---: | ---: |"
    beside = []
    for name, batch, size, optimizer in SETUPS:
        step = ledger(walk(name, batch=batch, input=size), Setup(optimizer=optimizer))
        resident = in_a_process(name, batch, size, optimizer)
        beside.append(resident - step.peak.peak)
        figures = f"{exact(step.peak.peak)} | {exact(resident)} | {binary(beside[-1])}"
        yield f"| {name} | {batch} | {size} | {optimizer} | {figures} |"
    default = DEFAULT_RESERVE["cpu"].bytes
    verdict = "covers all of them" if default >= max(beside) else "does not cover all of them"
    yield (
        f"\nFrom {binary(min(beside))} to {binary(max(beside))}; loading torch alone takes "
        f"{binary(in_a_process('torch'))}. The default reserve on the CPU, {binary(default)}, {verdict}."
    )


if __name__ == "__main__":
    if sys.argv[1:] == ["torch"]:
        import torch  # noqa: F401

        print(peak_resident())
    elif sys.argv[1:2] == ["-o"]:
        write_whole(Path(sys.argv[2]), "\n".join(page()) + "\n", force=True)
    elif sys.argv[1:]:
        train(*sys.argv[1:])
    else:
        print("\n".join(page()))
