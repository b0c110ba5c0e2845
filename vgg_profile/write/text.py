"""A table as plain text, the same on a terminal and in a pipe, never cut."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

import click

from vgg_profile.core import units
from vgg_profile.core.counts import Count
from vgg_profile.core.forms import Cell, Table


def cell_text(cell: Cell) -> str:
    """A cell as people read it: ``(3*3*3)*64 = 1,728``, ``64×224×224``, ``×1.75``, ``–`` for unknown."""
    match cell:
        case None:
            return "–"
        case Count():
            return f"{cell.value:,}" if cell.is_plain else f"{cell.working} = {cell.value:,}"
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
"""How much wider than its header a column is at least."""


def to_text(table: Table, *, colour: bool = False) -> str:
    """Answer, title, table, footnotes, ruled between groups; ``colour`` marks the first line, totals, rules.

    Laid out here and not by tabulate, whose import takes longer than the rest of ``vgg-profile table D``.
    """
    emphasise = click.style if colour else _unstyled
    headers = [column.header.split("\n") for column in table.columns]
    rows = [[cell_text(cell) for cell in row] for row in table.rows]
    total = total_texts(table)
    lines = [*rows, total] if total else rows
    widths = [
        max([max(map(_width, header)) + _HEADER_ROOM, *map(_width, texts)])
        for header, *texts in zip(headers, *lines, strict=True)
    ]
    sides = alignments(table)
    rule = emphasise(_RULE * (sum(widths) + len(_GAP) * (len(widths) - 1)), dim=True)

    body = [_line(texts, widths, sides) for texts in zip_longest(*headers, fillvalue="")]
    body.append(rule)
    for place, row in enumerate(rows):
        body.append(_line(row, widths, sides))
        if place in table.ends:
            body.append(rule)
    if total:
        body += [rule, emphasise(_line(total, widths, sides), bold=True)]
    footer = ["", *table.footer] if table.footer else []
    answer = [emphasise(table.answer, bold=True), ""] if table.answer else []
    title = table.title if table.answer else emphasise(table.title, bold=True)
    return "\n".join([*answer, title, "", *body, *footer]) + "\n"


def _line(texts: Sequence[str], widths: Sequence[int], sides: Sequence[str]) -> str:
    """One line of a table, without blanks at its end."""
    cells = []
    for text, width, side in zip(texts, widths, sides, strict=True):
        blanks = " " * (width - _width(text))
        cells.append(blanks + text if side == "right" else text + blanks)
    return _GAP.join(cells).rstrip()


def _width(text: str) -> int:
    """How many columns of a terminal a text takes: two for each wide character, as in a network's own name.

    >>> _width("64×224×224"), _width("网络")
    (10, 4)
    """
    if not text or max(text) < _FIRST_WIDE:
        return len(text)
    from unicodedata import east_asian_width

    return sum(2 if east_asian_width(sign) in "FW" else 1 for sign in text)


_FIRST_WIDE = "\u2e80"
"""Where the scripts of East Asia begin, and emoji after them."""


def _unstyled(text: str, **_: bool) -> str:
    return text
