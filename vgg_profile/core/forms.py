"""What a result says, in no format yet: tables, documents, and histories of memory.

Whatever a form is made of, it holds printable texts alone: names and paths come from anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from vgg_profile.core.counts import Count
from vgg_profile.core.errors import InputError, excerpt
from vgg_profile.core.printable import printable_lines, spell_out

if TYPE_CHECKING:
    from vgg_profile.core.figures import Figure


Cell = str | int | float | None | Count | tuple[int, ...]
"""A name, a whole number, a ratio, ``None`` for unknown, a number with its working, or a shape."""


@dataclass(frozen=True, slots=True)
class Column:
    """``key`` names the column for machines, unit included; ``header`` for people.

    A column whose ``unit`` is bytes may be shown in larger ones. Where there is no room for all, those of a
    higher ``rank`` go first, and those of one rank together.
    """

    key: str
    header: str
    is_text: bool = False
    unit: Literal["", "bytes"] = ""
    rank: int = 0

    def __post_init__(self) -> None:
        spell_out(self, printable_lines)

    @property
    def label(self) -> str:
        """The header, with the unit on a line of its own below."""
        return f"{self.header}\n({self.unit})" if self.unit else self.header


@dataclass(frozen=True, slots=True)
class Table:
    """One table. ``ends`` are the numbers of the rows that end a group; ``total`` is the last line.

    ``answer`` is what the table works out, where it was a question: people read it first.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: tuple[Cell, ...] | None = None
    ends: frozenset[int] = frozenset()
    footer: tuple[str, ...] = ()
    answer: str = ""

    def __post_init__(self) -> None:
        spell_out(self)


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


class Heading(NamedTuple):
    """The title of what follows; ``level`` 2 is the one below the document's own."""

    text: str
    level: int = 2


class Code(NamedTuple):
    """Lines to print as they are: commands, a program, workings in columns."""

    lines: tuple[str, ...]
    language: str = "text"


class Items(NamedTuple):
    """A list of sentences."""

    items: tuple[str, ...]


class Picture(NamedTuple):
    """A figure, and the name of its file in formats that keep figures in files."""

    name: str
    figure: Figure


Part = str | Heading | Code | Items | Table | Picture
"""A paragraph, or one of those."""


@dataclass(frozen=True, slots=True)
class Document:
    """Parts under a title."""

    title: str
    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        spell_out(self)


class MemoryAction(NamedTuple):
    """What an allocator did, by PyTorch's names for it: ``alloc``, ``free_completed``, ``segment_alloc``.

    ``address`` and ``size`` are in bytes; ``where`` says for whom, the innermost first.
    """

    action: str
    address: int
    size: int
    where: tuple[str, ...]


class Piece(NamedTuple):
    """A block of a segment, in bytes, and for whom it is; ``requested`` is ``None`` while it is free."""

    address: int
    size: int
    requested: int | None
    where: tuple[str, ...] = ()


class Segment(NamedTuple):
    """What an allocator took from a card in one piece, as blocks side by side."""

    pieces: tuple[Piece, ...]
    is_small: bool
    is_expandable: bool


@dataclass(frozen=True, slots=True)
class History:
    """Everything that an allocator did, in order, from empty on; and how its segments stand in the end."""

    actions: tuple[MemoryAction, ...]
    segments: tuple[Segment, ...]
