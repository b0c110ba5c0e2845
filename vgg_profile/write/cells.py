"""A cell as text, how wide it is on a terminal, and in lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from vgg_profile.core import units
from vgg_profile.core.counts import Count
from vgg_profile.core.forms import Cell, Column, Said, Table


def cell_text(cell: Cell, count: Callable[[int], str] = units.exact) -> str:
    """A cell as people read it: ``(3*3*3)*64 = 1,728``, ``64×224×224``, ``×1.75``, ``–`` for unknown."""
    match cell:
        case None:
            return "–"
        case Count():
            return count(cell.value) if cell.is_plain else f"{cell.working} = {count(cell.value)}"
        case tuple():
            return units.shape(cell)
        case Said():
            return cell.words
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


class Laid(NamedTuple):
    """A column as texts: its header line by line, a cell for each row, then the total's if there is one."""

    column: Column
    header: list[str]
    cells: list[str]
    width: int


GAP = "  "
"""What stands between two columns."""


def width_of_all(widths: Iterable[int]) -> int:
    """How wide a line of cells is, with the gaps between them."""
    return sum(width + len(GAP) for width in widths) - len(GAP)


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
