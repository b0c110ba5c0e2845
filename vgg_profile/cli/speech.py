"""Whatever the program says: results to stdout, everything else to stderr. Nobody else writes to either."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import click

from vgg_profile.core.errors import InputError, excerpt
from vgg_profile.core.printable import printable


class Failure(click.ClickException):
    """Something went wrong while running, through no mistake of the user's; exit code 1."""

    exit_code = 1


def say(text: str) -> None:
    """A line on stderr. A stderr that takes none is no reason to fail: whatever was done is done."""
    _to_stderr(printable(text))


def complain(error: click.ClickException) -> None:
    """Click's account of a mistake on stderr, in which what was typed is printable."""
    if not isinstance(error, click.exceptions.NoArgsIsHelpError):  # whose message is the whole help
        error.message = printable(error.message)  # type: ignore[misc]
    account = io.StringIO()
    error.show(account)
    _to_stderr("\n".join(printable(line.expandtabs()) for line in account.getvalue().splitlines()))


def show(text: str) -> None:
    """A result to stdout, whole or not at all; what stops that is said in one line."""
    _write(partial(click.echo, text, nl=False))


def page(text: str) -> None:
    """A result that is longer than the screen, through ``$PAGER`` or ``less``, set up as git does."""
    os.environ.setdefault("LESS", "FRX")
    try:
        _write(partial(click.echo_via_pager, text.removesuffix("\n")))
    except ValueError as error:
        pager = excerpt(os.environ.get("PAGER"))
        raise InputError(f"PAGER is {pager}, which is no command: {error}.", "Try PAGER=less.") from None


def _write(write: Callable[..., None]) -> None:
    try:
        write(color=True)  # a result has colour only where it shall
        finish()
    except UnicodeEncodeError as error:
        raise Failure(
            f"The encoding of stdout, {error.encoding}, cannot hold the table. "
            "Set PYTHONIOENCODING=utf-8, or write to a file with -o."
        ) from None


def finish() -> None:
    """Have everything out; raises ``Failure`` for a stdout that takes no more.

    Raises ``BrokenPipeError`` where the reader has left.
    """
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        _close(sys.stdout)
        if error.errno == errno.EPIPE:
            raise
        raise Failure(
            f"Stdout cannot be written: {error.strerror}. Write to a file elsewhere with -o."
        ) from None


def _to_stderr(text: str) -> None:
    try:
        click.echo(text, err=True)
    except (OSError, ValueError):
        _close(sys.stderr)


def _close(stream: Any) -> None:
    """Let what a stream has not got rid of go nowhere, lest Python tries again at the very end."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


_STREAMS = (("stdin", os.O_RDONLY), ("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY))


def open_streams() -> None:
    """Put something in the place of a stream that was closed: else the next file opened would be it.

    A stdout that was closed takes nothing, and says so; a stderr takes everything.
    """
    for descriptor, (name, mode) in enumerate(_STREAMS):
        if getattr(sys, name) is None:
            with suppress(OSError):
                os.fstat(descriptor)
                continue
            opened = os.open(os.devnull, mode)
            if opened != descriptor:
                os.dup2(opened, descriptor)
            stream = os.fdopen(descriptor, "r" if name == "stdin" else "w", encoding="utf-8", closefd=False)
            setattr(sys, name, stream)
