"""A table as plain text, the same on a terminal and in a pipe, never cut."""

from __future__ import annotations

import click
from tabulate import SEPARATING_LINE, tabulate

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


def to_text(table: Table, *, colour: bool = False) -> str:
    """Title, table and footnotes, ruled between groups; ``colour`` marks title, totals and rules."""
    emphasise = click.style if colour else _unstyled
    lines: list[list[str] | str] = []
    for place, row in enumerate(table.rows):
        lines.append([cell_text(cell) for cell in row])
        if place in table.ends:
            lines.append(SEPARATING_LINE)
    if table.total is not None:
        lines += [SEPARATING_LINE, total_texts(table)]
    body = tabulate(
        lines,
        headers=[column.header for column in table.columns],
        tablefmt="simple",
        colalign=alignments(table),
        disable_numparse=True,
    ).splitlines()
    for place, line in enumerate(body):
        if set(line) == {"-", " "}:
            body[place] = emphasise(_RULE * len(line), dim=True)
        elif place == len(body) - 1 and table.total is not None:
            body[place] = emphasise(line.rstrip(), bold=True)
        else:
            body[place] = line.rstrip()
    footer = ["", *table.footer] if table.footer else []
    return "\n".join([emphasise(table.title, bold=True), "", *body, *footer]) + "\n"


def _unstyled(text: str, **_: bool) -> str:
    return text
