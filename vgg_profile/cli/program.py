"""The program around the commands: one place for what goes wrong in any of them."""

from __future__ import annotations

import signal
import sys
import threading
from collections import UserDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, TypeVar

import click

from vgg_profile.core.errors import InputError
from vgg_profile.core.files import uninterrupted

NAME = "vgg-profile"

TYPED = f"{__name__}.typed"
"""Where a context keeps the words of the command as they were typed."""

PRESSED = f"{__name__}.pressed"
"""Where a context keeps that Ctrl-C was pressed."""


@contextmanager
def _remembered(pressed: list[int]) -> Iterator[None]:
    """Note every Ctrl-C: raised within a library's callback, Python would print it and go on."""

    def press(number: int, frame: object) -> None:
        pressed.append(number)
        raise KeyboardInterrupt

    def is_told(unraisable: Any) -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            sys.__unraisablehook__(unraisable)

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield  # whoever started this ignores Ctrl-C, or has a use of their own for it
        return
    signal.signal(signal.SIGINT, press)
    sys.unraisablehook = is_told
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        sys.unraisablehook = sys.__unraisablehook__


def check_not_interrupted() -> None:
    """Ctrl-C counts here at the latest: before a file is written, and when a command is over."""
    if click.get_current_context().meta.get(PRESSED):
        raise KeyboardInterrupt


class Refusal(click.ClickException):
    """A user's mistake, in one paragraph on stderr; exit code 2."""

    exit_code = 2


class Failure(click.ClickException):
    """Something went wrong while running, through no mistake of the user's; exit code 1."""

    exit_code = 1


class Commands(UserDict[str, Any]):
    """Commands by name, each given as ``module:attribute`` and loaded when it is first asked for."""

    def __getitem__(self, name: str) -> click.Command:
        home = super().__getitem__(name)
        if isinstance(home, str):
            module, _, attribute = home.partition(":")
            self[name] = getattr(import_module(module), attribute)
        command: click.Command = self.data[name]
        return command


class Program(click.Group):
    """The commands, with one place for what goes wrong in any of them."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        words = (NAME, *args)
        context = super().make_context(info_name, args, parent, **extra)
        context.meta[TYPED] = words
        return context

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _remembered(ctx.meta.setdefault(PRESSED, [])):
                result = super().invoke(ctx)
                check_not_interrupted()
                return result
        except InputError as error:
            raise Refusal(str(error)) from None
        except KeyboardInterrupt:
            click.echo("Interrupted; nothing half-written was left behind.", err=True)
            ctx.exit(130)


def as_typed() -> str:
    """The command that is running, as it was typed."""
    import shlex

    return shlex.join(click.get_current_context().meta[TYPED])


Item = TypeVar("Item")


def bar(items: Iterable[Item], length: int, label: str) -> Iterator[Item]:
    """The items one after the other, with a bar on stderr if that is a terminal; in a pipe, none."""
    with click.progressbar(
        items, length, label, file=sys.stderr, hidden=length < 2 or not sys.stderr.isatty()
    ) as walked:
        yield from walked


@contextmanager
def undivided() -> Iterator[None]:
    """Let the import of a heavy package come to its end: half of torch cannot be imported again.

    Ctrl-C counts afterwards. Raises ``Failure`` naming the package that is missing or broken.
    """
    try:
        with uninterrupted():
            yield
    except ImportError as error:
        raise Failure(f"{_what_is_wrong(error)} `pip install -c constraints.txt .` installs it.") from None


_NAMES = {"torch": "PyTorch (torch)"}
"""Packages that people know by another name."""


def _what_is_wrong(error: ImportError) -> str:
    """Which package an import stopped at: the one that is missing, be it another package's need.

    >>> _what_is_wrong(ModuleNotFoundError("No module named 'matplotlib.style'", name="matplotlib.style"))
    'matplotlib is missing.'
    >>> _what_is_wrong(ImportError("libcudart.so.13: cannot open shared object file", name="torch._C"))
    'PyTorch (torch) cannot be loaded: libcudart.so.13: cannot open shared object file.'
    """
    package = (error.name or "").partition(".")[0]
    name = _NAMES.get(package, package) or "A package"
    if isinstance(error, ModuleNotFoundError):
        return f"{name} is missing."
    return f"{name} cannot be loaded: {str(error).rstrip('.')}."
