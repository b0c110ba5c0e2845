"""Reads a hand-written model from its file, which is run as Python in a process of its own (``child``).

Whatever the file does ends there: it may hang, print or exit, and this process goes on and says so.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from vgg_profile.core.errors import InputError, excerpt
from vgg_profile.diagnose.draft import Draft, decode, write_wanted
from vgg_profile.diagnose.findings import Diagnosis
from vgg_profile.diagnose.wanted import wanted
from vgg_profile.predict.vgg.configs import Config
from vgg_profile.predict.vgg.walk import walk


def diagnose(
    subject: str, shape: tuple[int, ...], like: Config | None = None, timeout: float = 60
) -> Diagnosis:
    """Examine ``FILE.py:NAME`` on an image (C, H, W), or any input without its batch.

    Fewer sizes are an image's sides, where the model takes images. Raises ``InputError`` as
    :func:`read` does.
    """
    draft = read(subject, shape, timeout, like)
    return Diagnosis(subject, draft.input or shape, draft, like)


def read(subject: str, shape: tuple[int, ...], timeout: float = 60, like: Config | None = None) -> Draft:
    """Run ``FILE.py:NAME`` and examine the model that NAME is, makes or returns.

    ``shape`` (C, H, W) is the image that the model is tried with, ``timeout`` in seconds, ``like`` the config
    that it should be. What the file prints goes to stderr. Raises ``InputError`` for whatever keeps the file
    from giving a model, at its line.
    """
    path, name = _parted(subject)
    with tempfile.TemporaryDirectory(prefix="vgg-profile-") as folder:
        answer = Path(folder, "draft.json")
        arguments = [str(path), name, "x".join(map(str, shape)), str(answer)]
        if like is not None:
            walk(like, input=shape)  # refuses an image too small for it
            plan = Path(folder, "like.json")
            plan.write_text(write_wanted(wanted(like, shape), like.label))
            arguments.append(str(plan))
        code = _run(arguments, path, timeout)
        if answer.exists():
            return decode(answer.read_bytes())
    how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
    raise InputError(
        f"Running {path} ended the process {how} before its model could be read.",
        f"Take out whatever ends it, such as os._exit; `python {path}` shows the same.",
    )


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
    """Run the child to its end, or end it and all that it started; returns its exit code."""
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
