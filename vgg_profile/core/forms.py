"""What a result says, in no format yet: a table; the other forms are documents, figures and histories.

Whatever a form is made of, it holds printable texts alone: names and paths come from anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vgg_profile.core.counts import Count
from vgg_profile.core.printable import printable_lines, spell_out


class Said(int):
    """A whole number that people read in words of its own, where a column holds more than one unit.

    >>> Said(2**20, "1.00 MiB"), Said(2**20, "1.00 MiB").words
    (1048576, '1.00 MiB')
    """

    words: str

    def __new__(cls, value: int, words: str) -> Said:
        said = super().__new__(cls, value)
        said.words = words
        return said


Cell = str | int | float | None | Count | tuple[int, ...]
"""A name, a whole number, a ratio, ``None`` for unknown, a number with its working, or a shape."""


@dataclass(frozen=True, slots=True)
class Column:
    """``key`` names the column for machines, unit included; ``header`` for people.

    Numbers of a column that ``is_worked`` have their working beside them. Where the ``unit`` is bytes, larger
    ones may be shown. Where there is no room for all, columns of a higher ``rank`` go first, and those of one
    rank together.
    """

    key: str
    header: str
    is_text: bool = False
    unit: Literal["", "bytes"] = ""
    is_worked: bool = False
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
