"""Ctrl-C, SIGTERM and SIGHUP: each ends the program as an exception, so that everything is let go on the way.

Where one of them is ignored from the start, as ``nohup`` has it, or somebody has a use for it, it stays so.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

Handler = Callable[[int, FrameType | None], Any]


class Ended(KeyboardInterrupt):
    """The program is to end, since a signal of this ``number`` came."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


_came: list[int] = []
"""Which signals have come since somebody heeds them."""

_settled: list[bool] = []
"""Not empty: how the program ends is settled, and no signal changes it."""


def exit_code(ended: BaseException | None) -> int:
    """What a shell is told of what a signal ended: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP."""
    return 128 + int(getattr(ended, "number", signal.SIGINT))


def _end(number: int, frame: FrameType | None) -> None:
    """Raise, unless the program is ending already; where an exception was lost, the next one raises again."""
    if _settled:
        return
    _came.append(number)
    error = sys.exception()
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return
        error = error.__context__
    raise Ended(number)


def check_not_ended() -> None:
    """A signal counts here at the latest: raised within a library's callback, its exception is lost."""
    if _came:
        raise Ended(_came[0])


def heed() -> Callable[[], None]:
    """From here on the signals that end a program raise :class:`Ended`; what is returned undoes that."""
    defaults = (signal.SIG_DFL, signal.default_int_handler)
    is_main = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in ENDING if is_main}
    ours = {number: handler for number, handler in before.items() if handler in defaults}
    hook = sys.unraisablehook

    def is_told(unraisable: Any) -> None:
        if not isinstance(unraisable.exc_value, KeyboardInterrupt):
            hook(unraisable)

    for number in ours:
        signal.signal(number, _end)
    if ours:
        sys.unraisablehook = is_told

    def undo() -> None:
        for number, handler in ours.items():
            signal.signal(number, handler)
        if ours:
            sys.unraisablehook = hook
            _came.clear()
            _settled.clear()

    return undo


@contextmanager
def heeded() -> Iterator[None]:
    """While this lasts, the signals that end a program raise :class:`Ended`."""
    undo = heed()
    try:
        yield
    finally:
        undo()


def settle() -> None:
    """From here on the program is over, and no signal changes how it ends: not to Python's own end either."""
    _settled.append(True)
    for number in ENDING:
        if signal.getsignal(number) is _end:
            signal.signal(number, signal.SIG_IGN)


class Held:
    """The signals that are held back; ``check`` lets the first of them through."""

    def __init__(self) -> None:
        self.came: list[int] = []
        self.handlers: dict[int, Handler] = {}

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.came.append(number)

    def check(self) -> None:
        if self.came:
            number, *_ = self.came
            self.came.clear()
            self.handlers[number](number, None)


@contextmanager
def uninterrupted() -> Iterator[Held]:
    """Hold back every signal that would raise, until this is over."""
    held = Held()
    if threading.current_thread() is threading.main_thread():
        for number in ENDING:
            handler = signal.getsignal(number)
            if callable(handler):  # else it is ignored, or ends the process outright
                held.handlers[number] = handler
                signal.signal(number, held)
    try:
        yield held
    finally:
        for number, handler in held.handlers.items():
            signal.signal(number, handler)
    held.check()
