"""A table as plain text: whole in a pipe or a file, and on a terminal as wide as that is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import NamedTuple

import click

from vgg_profile.core.forms import Table
from vgg_profile.write.cells import GAP, Laid, cell_text, total_texts, width_of, width_of_all, wrap

_RULE = "─"
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
        lines.append(GAP.join(padded).rstrip())
    return lines
