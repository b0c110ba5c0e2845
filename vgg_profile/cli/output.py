"""Where a result goes, in which format, and how much of it a terminal shows."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial, wraps
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import click

from vgg_profile.cli.program import undivided
from vgg_profile.cli.speech import page, say, show
from vgg_profile.cli.spelling import Word
from vgg_profile.core.errors import InputError
from vgg_profile.core.files import check_writable, write_whole
from vgg_profile.core.printable import command_line
from vgg_profile.render import FORMATS, PICTURES, Look, format_of, picture, render, snapshot
from vgg_profile.write.text import WHOLE, Screen

Command = TypeVar("Command", bound=Callable[..., Any])
Item = TypeVar("Item")


def together(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several click decorators as one, in the order that ``--help`` shall show them."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


force_option = click.option("--force", is_flag=True, help="Replace the file if it exists.")

_output = (
    click.option(
        "--format",
        "format_",
        type=Word(FORMATS),
        help="How to print it (default: by the suffix of -o, else table).",
    ),
    click.option(
        "--columns",
        default="",
        metavar="NAMES",
        help="These columns alone, such as name,macs; +macs: these besides the usual ones.",
    ),
    click.option("--wide", is_flag=True, help="Every column, however wide the terminal is."),
    click.option("--bytes", "in_bytes", is_flag=True, help="Exact bytes on a terminal, as in a file."),
    click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Write to a file instead of the terminal.",
    ),
    force_option,
)


size_options = (
    click.option(
        "--size",
        type=Word(("page", "slide", "square")),
        default="page",
        show_default=True,
        help="Of a picture: 8 inches wide and as high as needed; 10 by 5.6, as a slide; or 8 by 8.",
    ),
    click.option("--dark", is_flag=True, help="A picture light on a dark ground."),
)
unit_option = click.option(
    "--unit",
    type=click.Choice(("GiB", "MiB", "KiB"), case_sensitive=False),
    metavar="[GiB|MiB|KiB]",
    help="What a picture's axis of bytes counts in (default: what suits it).",
)
look_options = (*size_options, unit_option)
"""How a picture is drawn, for every command that writes one as a file: a :class:`Look`."""


def gives_output(command: Command, *, is_step: bool = False, draws: bool = False) -> Command:
    """``--format``, ``-o`` and what a terminal shows, handed to the command as ``out``.

    A command that ``draws`` may write its result as a picture, and is told how it looks; one whose result is
    a step may write it as a snapshot, too.
    """

    @wraps(command)
    def with_output(
        format_: str | None,
        columns: str,
        wide: bool,
        in_bytes: bool,
        output: Path | None,
        force: bool,
        **rest: Any,
    ) -> Any:
        look = Look(*(rest.pop(name) for name in Look._fields)) if draws else Look()
        to = Output.to(output, format_, force, columns, wide, in_bytes, look, is_step=is_step)
        return command(out=to, **rest)

    decorated = cast(Command, with_output)
    return together(*_output, *look_options)(decorated) if draws else together(*_output)(decorated)


gives_drawing = partial(gives_output, draws=True)
gives_step = partial(gives_output, is_step=True, draws=True)


def check_can_draw() -> None:
    """Load what draws, so that a lack of it is told before any long work; raises ``Failure``."""
    with undivided():
        import vgg_profile.write.plots  # noqa: F401


class Output(NamedTuple):
    """Where a result goes and in which format; what cannot be written is refused at once."""

    path: Path | None
    format: str
    force: bool
    columns: str = ""
    is_wide: bool = False
    is_exact: bool = False
    look: Look = Look()

    @classmethod
    def to(
        cls,
        path: Path | None,
        format_: str | None,
        force: bool,
        columns: str,
        is_wide: bool,
        is_exact: bool,
        look: Look,
        *,
        is_step: bool = False,
    ) -> Output:
        """Somewhere, with the columns that were asked for, and the rest of what is shown there."""
        shown = (columns, is_wide, is_exact, look)
        is_file = path is not None and str(path) != "-"
        chosen = format_ or (format_of(path) if path is not None and is_file else "table")
        if look != Look() and chosen not in PICTURES:
            raise InputError(
                "--size, --dark and --unit are of a picture, and none is written.",
                "Name its file, such as -o FILE.svg, .png or .pdf, or leave them out.",
            )
        if path is None or not is_file:
            return cls(None, chosen, force, *shown)
        check_writable(path, force=force)
        if chosen in PICTURES:
            check_can_draw()
        if chosen == "snapshot" and not is_step:
            typed = command_line(["vgg-profile", "timeline", "NET", "--device", "cuda", "-o", str(path)])
            raise InputError(
                "A memory snapshot is of a training step, and this command gives none.",
                f"A timeline does: `{typed}`.",
            )
        return cls(path, chosen, force, *shown)

    @property
    def is_for_people(self) -> bool:
        """Whether it is read, and not read in by another program or drawn."""
        return self.format not in ("csv", "tsv", "json", *PICTURES)

    def deliver(self, result: Any, **options: bool) -> None:
        """Print a result, or write it whole to the file: as a picture, if the file's suffix is one's."""
        if self.format in PICTURES:
            self.write(picture(result, self.format, self.look))
            return
        if self.format == "snapshot":
            self.write(snapshot(result))
            return
        form = "page" if self.format == "html" else self.format
        self.write(render(result, form, screen=self._screen, columns=self.columns, **options))

    @property
    def _screen(self) -> Screen:
        """The terminal, if this is one: a pipe and a file get everything, and exact bytes."""
        if self.path is not None:
            return WHOLE
        if not _is_terminal():
            return WHOLE._replace(is_colourful=_is_colourful())
        width = None if self.is_wide else _size().columns
        return Screen(width, self.is_exact, _is_colourful(), _HINT)

    def write(self, content: str | bytes, remark: str = "") -> None:
        """Print a text, or write it whole to the file; bytes go to a file only."""
        if self.path is not None:
            write_whole(self.path, content, force=self.force)
            say(f"Wrote {self.path}{remark}")
        elif isinstance(content, str):
            is_long = _is_terminal() and not _is_dumb() and content.count("\n") >= _size().lines
            (page if is_long else show)(content)


_HINT = "More: --columns +{} · --wide · --bytes"

STDOUT = Output(None, "table", force=False)


def bar(items: Iterable[Item], length: int, label: str) -> Iterator[Item]:
    """The items one after the other, with a bar on stderr if that is a terminal; in a pipe, none."""
    is_hidden = length < 2 or _is_dumb() or not sys.stderr.isatty()
    with click.progressbar(items, length, label, file=sys.stderr, hidden=is_hidden) as walked:
        yield from walked


def _is_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def _is_dumb() -> bool:
    """Whether the terminal says of itself that it only prints: no colour, no pager, no bar."""
    return os.environ.get("TERM") == "dumb"


def _is_colourful() -> bool:
    """Whether stdout gets colour, asked in Python's own order.

    https://docs.python.org/3/using/cmdline.html#controlling-color: NO_COLOR, FORCE_COLOR, the terminal.
    """
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (_is_terminal() and not _is_dumb())


def _size() -> os.terminal_size:
    """How many columns and lines the terminal has; ``COLUMNS`` and ``LINES`` overrule it."""
    from shutil import get_terminal_size

    return get_terminal_size()
