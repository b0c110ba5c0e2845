"""What goes wrong in somebody's file, reported at its line and in Python's own words."""

from __future__ import annotations

import io
import linecache
import sys
from contextlib import redirect_stderr
from pathlib import Path
from types import FrameType

from vgg_profile.core.errors import InputError, excerpt, kind, message


def innermost(frame: FrameType | None, path: Path) -> int | None:
    """The line of the file that is being run in a frame or its callers."""
    while frame is not None and frame.f_code.co_filename != str(path):
        frame = frame.f_back
    return frame and frame.f_lineno


def explained(error: BaseException, path: Path) -> InputError:
    """An exception of the file as one paragraph: where, what Python says and suggests, and the line."""
    where, line = place(error, path)
    if isinstance(error, SystemExit):
        return InputError(
            f"Running {where} ended in sys.exit({'' if error.code is None else excerpt(error.code)}).",
            'Move what ends the program under `if __name__ == "__main__":`.',
        )
    if isinstance(error, ModuleNotFoundError):
        return InputError(
            f"{where} needs a package that is not here: {message(error)}.", "Install it and try again."
        )
    quoted = f" The line reads `{shown(line)[:200]}`." if line else ""
    next_step = "Fix it and try again."
    if isinstance(error, TypeError) and message(error).startswith(
        ("list is not a Module", "tuple is not a Module")
    ):
        next_step = "Put a star before the list: nn.Sequential(*layers)."
    return InputError(f"{where}: {in_pythons_words(error)}{quoted}", next_step)


def shown(text: object) -> str:
    """A name of the file's own making, printable whatever it holds."""
    return str(text) if str(text).isprintable() else ascii(str(text))[1:-1]


def error_line(error: BaseException, path: Path) -> int | None:
    """The innermost line of a file on the way to an exception."""
    number, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            number = trace.tb_lineno
        trace = trace.tb_next
    return number


def place(error: BaseException, path: Path) -> tuple[str, str]:
    """Where an exception comes from, ``model.py, line 3``, and the text of that line."""
    file, number = str(path), error_line(error, path)
    if isinstance(error, SyntaxError) and error.filename:
        file, number = error.filename, error.lineno
    if number is None:
        return shown(file), ""
    return f"{shown(file)}, line {number}", linecache.getline(file, number).strip()


def in_pythons_words(error: BaseException) -> str:
    """Type, message and suggestion, as Python prints them at the end of a traceback."""
    with redirect_stderr(io.StringIO()) as printed:
        sys.__excepthook__(type(error), error, error.__traceback__)
    said = str(error.msg) if isinstance(error, SyntaxError) else message(error)
    whole = printed.getvalue()
    suggestion = whole.rpartition(said)[2].strip(" .\n") if said and said in whole else ""
    text = f"{kind(error)}: {said}" if said else kind(error)
    first = excerpt(text.partition("\n")[0].rstrip("."), 400)[1:-1]
    stop = "" if first.endswith("?") else "."
    return f"{first}{stop} {suggestion}".rstrip()
