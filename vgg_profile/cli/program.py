"""The program around the commands: one place for what goes wrong in any of them."""

from __future__ import annotations

import shlex
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from vgg_profile.core.errors import InputError
from vgg_profile.core.files import uninterrupted

NAME = "vgg-profile"

TYPED = f"{__name__}.typed"
"""Where a context keeps the command as it was typed."""


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


class Program(click.Group):
    """The commands, with one place for what goes wrong in any of them."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        typed = shlex.join([NAME, *args])
        context = super().make_context(info_name, args, parent, **extra)
        context.meta[TYPED] = typed
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
    return str(click.get_current_context().meta[TYPED])


Item = TypeVar("Item")


def bar(items: Iterable[Item], length: int, label: str) -> Iterator[Item]:
    """The items one after the other, with a bar on stderr if that is a terminal; in a pipe, none."""
    with click.progressbar(
        items, length, label, file=sys.stderr, hidden=length < 2 or not sys.stderr.isatty()
    ) as walked:
        yield from walked


@contextmanager
def undivided() -> Iterator[None]:
    """Let an import come to its end: half of torch cannot be imported again. Ctrl-C counts afterwards."""
    try:
        with uninterrupted():
            yield
    except ImportError as error:
        raise Failure(
            f"PyTorch cannot be loaded: {error}. `pip install -c constraints.txt .` installs it."
        ) from None
