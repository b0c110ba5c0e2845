"""What a result says, in no format yet: tables, documents, and histories of memory.

Whatever a form is made of, it holds printable texts alone: names and paths come from anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from vgg_profile.core.counts import Count
from vgg_profile.core.printable import printable_lines, spell_out

if TYPE_CHECKING:
    from vgg_profile.core.figures import Figure


Cell = str | int | float | None | Count | tuple[int, ...]
"""A name, a whole number, a ratio, ``None`` for unknown, a number with its working, or a shape."""


@dataclass(frozen=True, slots=True)
class Column:
    """``key`` names the column for machines, unit included; ``header`` for people."""

    key: str
    header: str
    is_text: bool = False

    def __post_init__(self) -> None:
        spell_out(self, printable_lines)


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
