"""What a result says, in no format yet: tables and documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from vgg_profile.core.counts import Count

if TYPE_CHECKING:
    from vgg_profile.core.figures import Figure


Cell = str | int | float | None | Count | tuple[int, ...]
"""A name, a raw number, a ratio, unknown, a number with its working, or a shape."""


@dataclass(frozen=True, slots=True)
class Column:
    """``key`` names the column for machines, unit included; ``header`` for people."""

    key: str
    header: str
    is_text: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """One table. ``ends`` are the rows after which a group ends; ``total`` stands under them all."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: tuple[Cell, ...] | None = None
    ends: frozenset[int] = frozenset()
    footer: tuple[str, ...] = ()


class Heading(NamedTuple):
    """The title of what follows; ``level`` 2 stands right under the document's own."""

    text: str
    level: int = 2


class Code(NamedTuple):
    """Lines that keep their places: commands, a program, a working under its like."""

    lines: tuple[str, ...]
    language: str = "text"


class Items(NamedTuple):
    """Sentences of equal rank."""

    items: tuple[str, ...]


class Picture(NamedTuple):
    """A figure, and the name that its file has where there is one."""

    name: str
    figure: Figure


Part = str | Heading | Code | Items | Table | Picture
"""A paragraph, or one of those."""


@dataclass(frozen=True, slots=True)
class Document:
    """Parts under a title."""

    title: str
    parts: tuple[Part, ...]
