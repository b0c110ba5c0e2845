"""A table as plain text: whole in a pipe or a file, and on a terminal as wide as that is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from typing import NamedTuple

import click

from vgg_profile.core import units
from vgg_profile.core.counts import Count
from vgg_profile.core.forms import Cell, Column, Table


def cell_text(cell: Cell, count: Callable[[int], str] = units.exact) -> str:
    """A cell as people read it: ``(3*3*3)*64 = 1,728``, ``64×224×224``, ``×1.75``, ``–`` for unknown."""
    match cell:
        case None:
            return "–"
        case Count():
            return count(cell.value) if cell.is_plain else f"{cell.working} = {count(cell.value)}"
        case tuple():
            return units.shape(cell)
        case int():
            return units.exact(cell)
        case float():
            return units.times(cell)
        case _:
            return cell


def total_texts(table: Table) -> list[str]:
    """The line of totals; what has no total stays empty."""
    return ["" if cell is None else cell_text(cell) for cell in table.total or ()]


def alignments(table: Table) -> list[str]:
    """Names to the left, numbers to the right."""
    return ["left" if column.is_text else "right" for column in table.columns]


_RULE = "─"
_GAP = "  "
_HEADER_ROOM = 2
"""How much wider than its header a column of a whole table is at least."""


class Screen(NamedTuple):
    """Where a text is shown; without a ``width`` everything is there, every byte, as in a pipe or a file.

    With one, no line is wider, and bytes stand in larger units unless ``is_exact``. ``hint`` is for columns
    that have no room: their names come where its ``{}`` is.
    """

    width: int | None = None
    is_exact: bool = True
    is_colourful: bool = False
    hint: str = "Not shown: {}."

    def styled(self, text: str, **style: bool) -> str:
        return click.style(text, **style) if self.is_colourful else text


WHOLE = Screen()


class Laid(NamedTuple):
    """A column as texts: its header line by line, a cell for each row, then the total's if there is one."""

    column: Column
    header: list[str]
    cells: list[str]
    width: int


def to_text(table: Table, screen: Screen = WHOLE) -> str:
    """Answer, title, table, footnotes, ruled between groups; with colour the first line, totals and rules.

    Laid out here and not by tabulate, whose import takes longer than the rest of ``vgg-profile table D``.
    """
    laid, hidden = _whole(table), ""
    if screen.width is not None or not screen.is_exact:
        from vgg_profile.write.narrow import fitted

        laid, hidden = fitted(table, screen.width, is_exact=screen.is_exact)
    rule = screen.styled(_RULE * width_of_all(each.width for each in laid), dim=True)

    body = _line([[line for part in each.header for line in wrap(part, each.width)] for each in laid], laid)
    body.append(rule)
    for place in range(len(table.rows)):
        body += _row(laid, place)
        if place in table.ends:
            body.append(rule)
    if table.total:
        body += [rule, *(screen.styled(line, bold=True) for line in _row(laid, -1))]
    notes = [*table.footer, *([screen.hint.format(hidden)] if hidden else [])]
    first, *others = [table.answer, table.title] if table.answer else [table.title]
    lines = [screen.styled(line, bold=True) for line in wrap(first, screen.width)] + [""]
    for each in others:
        lines += [*wrap(each, screen.width), ""]
    lines += body
    if notes:
        lines += ["", *(line for note in notes for line in wrap(note, screen.width))]
    return "\n".join(lines) + "\n"


def _whole(table: Table) -> list[Laid]:
    """Every column, as wide as it is."""
    lines = [[cell_text(cell) for cell in row] for row in table.rows]
    if table.total:
        lines.append(total_texts(table))
    laid = []
    for place, column in enumerate(table.columns):
        header, cells = column.label.split("\n"), [line[place] for line in lines]
        width = max([max(map(width_of, header)) + _HEADER_ROOM, *map(width_of, cells)])
        laid.append(Laid(column, header, cells, width))
    return laid


def _row(laid: Sequence[Laid], place: int) -> list[str]:
    return _line([wrap(each.cells[place], each.width) for each in laid], laid)


def _line(cells: Iterable[Sequence[str]], laid: Sequence[Laid]) -> list[str]:
    """One row of a table, without blanks at the ends of its lines; it has as many as its longest cell."""
    lines = []
    for texts in zip_longest(*cells, fillvalue=""):
        padded = []
        for text, each in zip(texts, laid, strict=True):
            blanks = " " * (each.width - width_of(text))
            padded.append(text + blanks if each.column.is_text else blanks + text)
        lines.append(_GAP.join(padded).rstrip())
    return lines


def width_of_all(widths: Iterable[int]) -> int:
    """How wide a line of cells is, with the gaps between them."""
    return sum(width + len(_GAP) for width in widths) - len(_GAP)


def width_of(text: str) -> int:
    """How many columns of a terminal a text takes: two for each wide character, as in a network's own name.

    >>> width_of("64×224×224"), width_of("网络")
    (10, 4)
    """
    if not text or max(text) < _FIRST_WIDE:
        return len(text)
    from unicodedata import east_asian_width

    return sum(2 if east_asian_width(sign) in "FW" else 1 for sign in text)


_FIRST_WIDE = "\u2e80"
"""Where the scripts of East Asia begin, and emoji after them."""


def wrap(text: str, width: int | None, indent: str = "") -> list[str]:
    """A text in lines, broken between words; a word that is too long, behind a sign that divides it.

    >>> wrap("of 64 images", 6), wrap("64,64,M,128,M", 6), wrap("of 64 images", None)
    (['of 64', 'images'], ['64,64,', 'M,128,', 'M'], ['of 64 images'])
    """
    if width is None or width_of(text) <= width:
        return [text]
    lines = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1].strip() else lines[-1] + word
        if width_of(joined) <= width:
            lines[-1] = joined
            continue
        if lines[-1].strip():
            lines.append(indent)
        for part in _PARTS.findall(word):
            pieces = [part] if width_of(indent + part) <= width else part
            for piece in pieces:
                if width_of(lines[-1] + piece) > width and lines[-1].strip():
                    lines.append(indent)
                lines[-1] += piece
    return [line.rstrip() for line in lines]


_PARTS = re.compile(r"[^,/.:]*[,/.:]|[^,/.:]+")
