"""What goes wrong in somebody's file, reported at its line and in Python's own words."""

from __future__ import annotations

import io
import linecache
import re
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
    step = next_step(message(error)) or "Fix it and try again."
    return InputError(f"{where}: {in_pythons_words(error)}{quoted}", step)


_ADVICE = (
    (r"^(list|tuple) is not a Module", "Put a star before the list: nn.Sequential(*layers)."),
    (r"(\w+) is not a Module subclass", r"Make one of the class, with parentheses: nn.\1()."),
    (
        r"Module \[Module(List|Dict)\] is missing",
        "Call its layers in turn, for layer in …: x = layer(x), or make it an nn.Sequential.",
    ),
    (
        r"argument '\w+' .*must be Tensor, not (\w+)",
        r"Call the \1, and give what it makes: F.relu(self.conv(x)).",
    ),
    (r"Module \[.*\] is missing", "Write forward(self, x), indented as __init__ is."),
    (r"takes [01] positional arguments? but", "Name the model itself first: def forward(self, x)."),
    (
        r"not compiled with CUDA|NVIDIA driver|CUDA GPUs are available",
        "Leave the device to who runs the model: model.to(device) there, and x.device in forward.",
    ),
)
"""What somebody who reads such a message should do."""


def next_step(said: str) -> str:
    """What to do about such a message, if that is known."""
    for pattern, advice in _ADVICE:
        if found := re.search(pattern, said):
            return found.expand(advice)
    return ""


def asks_for_values(error: BaseException) -> bool:
    """Whether it comes of tensors without values, and not of the file."""
    return "meta" in message(error).lower()


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
