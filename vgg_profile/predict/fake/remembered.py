"""What operations took that were run alone, remembered from process to process.

It holds on this machine alone, with this PyTorch and under these settings: in any other case nothing is
remembered, and the operations run again.
"""

from __future__ import annotations

import atexit
import os
import platform
import re
from contextlib import suppress
from hashlib import sha256
from itertools import islice
from pathlib import Path

import torch

from vgg_profile.core.kept import read_kept, write_kept

KEPT_AS = "operations"
"""The name under which answers are kept."""

MOST = 20_000
"""The most answers that are kept; the newest are."""

_MAY_MATTER = re.compile("ATEN_|DNNL_|GOMP_|KMP_|MKL_|OMP_|ONEDNN_|TORCH_")
"""Names of environment variables that kernels look at, or may."""

_NUMBERS = r"(?:-?\d{1,18}(?:,-?\d{1,18})*|none)"
_ANSWER = re.compile(rf"{_NUMBERS};{_NUMBERS};{_NUMBERS}(?:\|{_NUMBERS})*", re.ASCII)


class Remembered:
    """Answers of earlier processes under the same conditions, read with the first question.

    New ones are written as the process ends.
    """

    def __init__(self) -> None:
        self._answers: dict[str, str] | None = None
        self._new: dict[str, str] = {}

    def answer(self, words: str) -> str | None:
        """The line that answers a question in words; ``None`` if it was never asked here."""
        if self._answers is None:
            self._answers = _kept()
            atexit.register(self.write)
        key = _key(words)
        return self._new.get(key) or self._answers.get(key)

    def keep(self, words: str, line: str) -> None:
        """Remember an answer."""
        key = _key(words)
        if self._answers is not None and key not in self._answers:
            self._new[key] = line

    def write(self) -> Path | None:
        """Keep what is new beside what others kept meanwhile; ``None`` where nothing was written."""
        if not self._new:
            return None
        answers = {**_kept(), **self._new}
        newest = dict(islice(answers.items(), max(len(answers) - MOST, 0), None))
        with suppress(MemoryError):
            return write_kept(KEPT_AS, {"conditions": conditions(), "answers": newest})
        return None


def conditions() -> str:
    """A digest of all that decides what an operation takes, but for the operation: 64 hexadecimal digits."""
    settings = sorted(f"{name}={value}" for name, value in os.environ.items() if _MAY_MATTER.match(name))
    said = (platform.node(), platform.machine(), _processor(), torch.__version__, torch.__config__.show())
    return sha256("\n".join((*said, *settings)).encode(errors="surrogateescape")).hexdigest()


def _processor() -> str:
    """The processor's model, caches and instructions, where the system says them."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    told = ("vendor_id", "cpu family", "model", "stepping", "cache size", "flags", "Features", "CPU part")
    first = lines[: lines.index("")] if "" in lines else lines
    return "\n".join(line for line in first if line.startswith(told))


def _key(words: str) -> str:
    return sha256(words.encode()).hexdigest()[:32]


def _kept() -> dict[str, str]:
    """What is kept for these conditions, as far as it can be an answer."""
    content = read_kept(KEPT_AS)
    if not isinstance(content, dict) or content.get("conditions") != conditions():
        return {}
    answers = content.get("answers")
    pairs = answers.items() if isinstance(answers, dict) else ()
    return {key: line for key, line in pairs if isinstance(line, str) and _ANSWER.fullmatch(line)}
