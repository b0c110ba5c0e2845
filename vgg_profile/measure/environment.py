"""On what a pass was measured: versions, devices, threads."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

import torch

from vgg_profile.core.printable import command_line
from vgg_profile.core.version import __version__


def environment(device: torch.device) -> dict[str, str]:
    """On what it was measured: versions, device, threads."""
    return {
        "vgg_profile": __version__,
        "torch": torch.__version__,
        "fvcore": _installed("fvcore"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
        "threads": str(torch.get_num_threads()),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "onednn": str(torch.backends.mkldnn.is_available()),  # type: ignore[no-untyped-call]
        "cuda": str(torch.version.cuda),
        "command": _command(),
    }


def pytorch() -> tuple[int, str]:
    """How many threads PyTorch computes with, and its version with what it is built for: 2.13.0+cpu."""
    return torch.get_num_threads(), str(torch.__version__)


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _command() -> str:
    """The command as it was typed, on one line, whatever was typed."""
    if "vgg" not in sys.argv[0]:
        return "from Python"
    return command_line(["vgg-profile", *sys.argv[1:]])


def devices() -> Iterator[tuple[str, str]]:
    """Every device that could be measured on, and what is known of it."""
    capability = torch.backends.cpu.get_cpu_capability()
    yield "cpu", f"{_processor()}, {torch.get_num_threads()} threads, {capability}"
    if not torch.cuda.is_available():
        built = f"CUDA {torch.version.cuda}" if torch.version.cuda else "the CPU alone"
        yield "cuda", f"no device; torch is built for {built}"
    for number in range(torch.cuda.device_count()):
        has = torch.cuda.get_device_properties(number)
        yield f"cuda:{number}", f"{has.name}, {has.total_memory:,} bytes, compute {has.major}.{has.minor}"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
