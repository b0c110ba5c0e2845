"""Columns of a table, chosen by name."""

from __future__ import annotations

from dataclasses import replace

from vgg_profile.core.errors import InputError, excerpt
from vgg_profile.core.forms import Cell, Table


def columns_of(table: Table, asked: str) -> Table:
    """A table of some of its columns, by their names or how these begin, in that order: ``name,macs``.

    ``+macs`` keeps the others, and has these go last where there is no room for all. Raises ``InputError``
    for a name of no column, or of several.
    """
    names = [name.strip() for name in asked.removeprefix("+").split(",")]
    places = [_place(table, name) for name in names]
    if asked.startswith("+"):
        columns = (
            replace(each, rank=-1) if place in places else each for place, each in enumerate(table.columns)
        )
        return replace(table, columns=tuple(columns))

    def some(line: tuple[Cell, ...]) -> tuple[Cell, ...]:
        return tuple(line[place] for place in places)

    return replace(
        table,
        columns=tuple(replace(table.columns[place], rank=0) for place in places),
        rows=tuple(map(some, table.rows)),
        total=table.total and some(table.total),
    )


def names_of(table: Table) -> list[str]:
    """What a person types for each column: its key, without the unit where it needs none."""
    keys = [column.key for column in table.columns]
    short = [key.removesuffix("_bytes") for key in keys]
    return [name if short.count(name) == 1 else key for name, key in zip(short, keys, strict=True)]


def _place(table: Table, name: str) -> int:
    """Where the column of a name stands."""
    names = names_of(table)
    whole = [place for place, each in enumerate(table.columns) if name in (names[place], each.key)]
    found = whole or [place for place, each in enumerate(names) if name and each.startswith(name)]
    if len(found) == 1:
        return found[0]
    problem = "names several columns here" if found else "names no column here"
    raise InputError(f"{excerpt(name)} {problem}.", f"Those there are: {', '.join(names)}.")
