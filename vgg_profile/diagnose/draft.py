"""A hand-written model as it was read from its file: the layers in order, nothing mended yet.

The file is run as Python, in a process of its own (``child``), so whatever it does ends there: a
file may hang, print or exit, and this process goes on and says so.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vgg_profile.core.errors import InputError, excerpt
from vgg_profile.diagnose.defects import Defect
from vgg_profile.diagnose.written import Written


@dataclass(frozen=True, slots=True)
class Draft:
    """What a file says of a model.

    ``layers`` stand in the order in which ``forward`` calls them, and ``idle`` are those that it never calls.
    ``defects`` are those of no one layer, such as a function that returns nothing; ``remarks`` are what the
    reader of a diagnosis should know of how the layers were found.
    """

    layers: tuple[Written, ...]
    defects: tuple[Defect, ...] = ()
    remarks: tuple[str, ...] = ()
    idle: tuple[Written, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Draft:
        return cls(
            layers=tuple(map(Written.from_dict, content["layers"])),
            defects=tuple(map(Defect.from_dict, content["defects"])),
            remarks=tuple(content["remarks"]),
            idle=tuple(map(Written.from_dict, content["idle"])),
        )


# -- the file, in a process of its own


def read(subject: str, shape: tuple[int, ...], timeout: float = 60) -> Draft:
    """Run ``FILE.py:NAME`` and read the model that NAME is, makes or returns.

    ``shape`` (C, H, W) is the image that the model is tried with, ``timeout`` in seconds. What the file
    prints goes to stderr. Raises ``InputError`` for whatever keeps the file from giving a model, at its line.
    """
    path, name = _parted(subject)
    with tempfile.TemporaryDirectory(prefix="vgg-profile-") as folder:
        answer = Path(folder, "draft.json")
        code = _run([str(path), name, "x".join(map(str, shape)), str(answer)], path, timeout)
        content = _content(answer)
    if content is None:
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        raise InputError(
            f"Running {path} ended the process {how} before its model could be read.",
            f"Take out whatever ends it, such as os._exit; `python {path}` shows the same.",
        )
    if "problem" in content:
        raise InputError(content["problem"], content["next_step"])
    return Draft.from_dict(content)


def _parted(subject: str) -> tuple[Path, str]:
    """``FILE.py:NAME`` as a readable file and a name."""
    file, colon, name = subject.rpartition(":")
    if not colon or not file or not all(map(str.isidentifier, name.split("."))):
        raise InputError(
            f"{excerpt(subject, 200)} does not say what to diagnose.",
            "Give a file and, after a colon, a class, a function or a module in it: model.py:VGG.",
        )
    path = Path(file)
    if path.suffix != ".py":
        raise InputError(f"{excerpt(file, 200)} is no Python file.", "Its name should end in .py.")
    try:
        path.open("rb").close()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{excerpt(file, 200)} cannot be read: {why}.", "Check the path.") from None
    return path, name


def _run(arguments: list[str], path: Path, timeout: float) -> int:
    """Run the inspector to its end, or end it and all that it started; returns its exit code."""
    process = subprocess.Popen(
        [sys.executable, "-m", "vgg_profile.diagnose.child", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=2,  # what the file prints must not stand among the results
        start_new_session=True,
    )
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        raise InputError(
            f"Running {path} took longer than {timeout:g} seconds.",
            "A file to diagnose only builds its model: move training or input() under "
            '`if __name__ == "__main__":`, or give more time with --timeout.',
        ) from None
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()


def _content(answer: Path) -> dict[str, Any] | None:
    """What the inspector wrote, if it came to that."""
    try:
        return dict(json.loads(answer.read_bytes()))
    except (OSError, ValueError):
        return None
