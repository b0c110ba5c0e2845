"""Reads a hand-written model from its file, which is run as Python in a process of its own (``asking``).

Whatever the file does ends there: it may hang, print or exit, and this process goes on and says so. What it
answers is its own word: held against its form, and no more.
"""

from __future__ import annotations

from math import isfinite
from pathlib import Path

from vgg_profile.core.errors import InputError, excerpt
from vgg_profile.diagnose.asking import Hear, TimeIsUp, ask
from vgg_profile.diagnose.draft import Draft, write_wanted
from vgg_profile.diagnose.findings import Diagnosis
from vgg_profile.diagnose.wanted import wanted
from vgg_profile.predict.vgg.configs import Config
from vgg_profile.predict.vgg.walk import walk

LARGEST_FILE = 2**20

LONGEST = 24 * 60 * 60
"""The most seconds that a file may run."""


def unheard(line: str) -> None:
    """What a file prints, where nobody asked for it."""


def diagnose(
    subject: str,
    shape: tuple[int, ...],
    like: Config | None = None,
    timeout: float = 60,
    hear: Hear = unheard,
) -> Diagnosis:
    """Examine ``FILE.py:NAME`` on an image (C, H, W), or any input without its batch.

    Fewer sizes are an image's sides, where the model takes images. Raises ``InputError`` as
    :func:`read` does.
    """
    draft = read(subject, shape, timeout, like, hear)
    return Diagnosis(subject, draft.input or shape, draft, like)


def read(
    subject: str,
    shape: tuple[int, ...],
    timeout: float = 60,
    like: Config | None = None,
    hear: Hear = unheard,
) -> Draft:
    """Run ``FILE.py:NAME`` and examine the model that NAME is, makes or returns.

    ``shape`` (C, H, W) is the image that the model is tried with, ``timeout`` in seconds, ``like`` the config
    that it should be; ``hear`` is told each line that the file prints. Raises ``InputError`` for whatever
    keeps the file from giving a model, at its line.
    """
    path, name = _parted(subject)
    if not (isfinite(timeout) and 0 < timeout <= LONGEST):
        raise InputError(
            f"A file cannot run for {timeout:g} seconds.", f"Give a number of seconds up to {LONGEST}."
        )
    if like is not None:
        walk(like, input=shape)  # refuses an image too small for it
    request = {
        "file": str(path),
        "name": name,
        "shape": shape,
        "timeout": timeout,
        "like": "" if like is None else write_wanted(wanted(like, shape), like.label),
    }
    try:
        answer, code = ask(request, hear)
    except TimeIsUp:
        raise InputError(
            f"Running {path} took longer than {timeout:g} seconds.",
            "A file to diagnose only builds its model: move training or input() under "
            '`if __name__ == "__main__":`, or give more time with --timeout.',
        ) from None
    if answer is not None:
        from vgg_profile.diagnose.answer import decode  # and with it msgspec

        return decode(answer, path)
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
        if not path.is_file() and path.exists():  # a pipe would wait for somebody to write
            raise InputError(f"{excerpt(file, 200)} is no regular file.", "Name a file.")
        path.open("rb").close()
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(
                f"{excerpt(file, 200)} is over {LARGEST_FILE // 2**20} MiB.", "Diagnose its model alone."
            )
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{excerpt(file, 200)} cannot be read: {why}.", "Check the path.") from None
    return path, name
