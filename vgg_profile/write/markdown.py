"""A table in GitHub's Markdown."""

from __future__ import annotations

import re

from vgg_profile.core.counts import Count
from vgg_profile.core.forms import Cell, Table
from vgg_profile.write.cells import alignments, cell_text, total_texts

_SPECIAL = re.compile(r"[\\`*<>|\[\]~&#$]|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])")


def escape(text: str) -> str:
    """Text that Markdown shows as it is, whatever signs it holds.

    >>> print(escape("conv1_1 | <b>"))
    conv1_1 \\| \\<b\\>
    """
    return _SPECIAL.sub(lambda sign: "\\" + sign[0], text)


_OPENING = re.compile(r"\s+|[-+=:]|\d+(?=[.)])")


def opening(text: str) -> str:
    """The same where a block begins, and a dash, a number or blanks would make it another kind of block.

    >>> print(opening("- a"), opening("1. b"), opening("    c"), opening("64,M"))
    \\- a 1\\. b &#32;   c 64,M
    """
    found = _OPENING.match(text)
    if not found:
        return escape(text)
    sign = found[0]
    if sign.isspace():
        return f"&#32;{sign[1:]}{escape(text[len(sign) :])}"
    return f"{sign}\\{escape(text[len(sign) :])}" if sign.isdigit() else f"\\{sign}{escape(text[1:])}"


def _cell(cell: Cell) -> str:
    if isinstance(cell, Count) and not cell.is_plain:
        return f"`{cell.working}` = {cell.value:,}"
    return escape(cell_text(cell))


def to_markdown(table: Table) -> str:
    """The answer, a heading, the table, and the footnotes as a list."""
    from tabulate import tabulate  # slow to load, and a document in a terminal needs none

    rows = [[_cell(cell) for cell in row] for row in table.rows]
    if table.total is not None:
        rows.append([f"**{escape(text.strip())}**" if text.strip() else "" for text in total_texts(table)])
    body = tabulate(
        rows,
        headers=[escape(column.label.replace("\n", " ")) for column in table.columns],
        tablefmt="pipe",
        colalign=alignments(table),
        disable_numparse=True,
    )
    footer = "".join(f"- {opening(line)}\n" for line in table.footer)
    answer = f"**{escape(table.answer)}**\n\n" if table.answer else ""
    return f"{answer}### {escape(table.title)}\n\n{body}\n" + (f"\n{footer}" if footer else "")
