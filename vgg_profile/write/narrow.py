"""A table on a terminal: the columns that have room there, in the order of their ranks, and short units."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from vgg_profile.core import units
from vgg_profile.core.forms import Cell, Table
from vgg_profile.write.cells import Laid, cell_text, width_of, width_of_all
from vgg_profile.write.columns import names_of

_LONG = 24
"""How wide a column of words may be before its cells go on in another line, where there is room."""


def fitted(table: Table, room: int | None, *, is_exact: bool) -> tuple[list[Laid], str]:
    """The columns that are shown in so many columns of a terminal, and the names of the others.

    The first column stays. Those of rank 0 do if they can be made to fit, with counts in few digits and words
    in several lines. Then, rank by rank, those for all of which there is room beside those as they are.
    """
    unit = "bytes" if is_exact else units.unit_of(_sizes(table))
    laid = [_laid(table, place, unit, units.exact) for place in range(len(table.columns))]
    if room is None:
        return laid, ""
    brief = [_laid(table, place, unit, units.brief) for place in range(len(table.columns))]
    ranks = [max(0, each.rank) if place else -1 for place, each in enumerate(table.columns)]
    kept: list[int] = []
    for place in sorted(range(len(laid)), key=lambda place: (table.columns[place].rank, place)):
        if ranks[place] <= 0 and (
            place == 0 or width_of_all(_least(brief[each]) for each in {0, *kept, place}) <= room
        ):
            kept.append(place)
    needed = [laid[place].width for place in kept]
    for rank in sorted({rank for rank in ranks if rank > 0}):
        together = [place for place, each in enumerate(ranks) if each == rank]
        more = [max(_least(laid[place]), min(_LONG, laid[place].width)) for place in together]
        if width_of_all([*needed, *more]) > room:
            break
        kept += together
        needed += more
    kept.sort()
    for place in sorted(kept, key=lambda place: -laid[place].width):
        if width_of_all(laid[each].width for each in kept) > room:
            laid[place] = brief[place]
    shown = _narrowed([laid[place] for place in kept], room)
    return shown, ",".join(name for place, name in enumerate(names_of(table)) if place not in kept)


def _sizes(table: Table) -> Iterable[int]:
    lines = [*table.rows, *([table.total] if table.total else [])]
    for place, column in enumerate(table.columns):
        if column.unit:
            yield from (cell for line in lines if isinstance(cell := line[place], int))


def _laid(table: Table, place: int, unit: str, count: Callable[[int], str]) -> Laid:
    """A column in a unit, as wide as its widest cell; the total of what has none is empty."""
    column = table.columns[place]

    def text(cell: Cell) -> str:
        if column.unit and isinstance(cell, int):
            return units.in_unit(cell, unit)
        return cell_text(cell, count)

    header = [*column.header.split("\n"), *([f"({unit})"] if column.unit else [])]
    cells = [text(row[place]) for row in table.rows]
    if table.total:
        cells.append("" if table.total[place] is None else text(table.total[place]))
    return Laid(column, header, cells, max(map(width_of, [*header, *cells])))


def _least(each: Laid) -> int:
    """How narrow a column can be: words go on in the next line, numbers and single words do not."""
    if not each.column.is_text:
        return each.width
    longest = max((width_of(word) for cell in each.cells for word in cell.split(" ")), default=0)
    return min(each.width, max(min(longest, _LONG), *map(width_of, each.header)))


def _narrowed(shown: list[Laid], room: int) -> list[Laid]:
    """The widest columns of words in several lines, until all fit."""
    least = [_least(each) for each in shown]
    while width_of_all(each.width for each in shown) > room:
        can = [place for place, each in enumerate(shown) if each.width > least[place]]
        place = max(can, key=lambda place: shown[place].width, default=0)
        shown[place] = shown[place]._replace(width=shown[place].width - 1)
    return shown
