"""What a report says, in no format yet: headings, paragraphs, lists, tables and pictures under a title."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from vgg_profile.core.figures import Figure
from vgg_profile.core.forms import Table
from vgg_profile.core.printable import spell_out


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
