"""The form of a lesson: sections of sentences, worked lines and small tables.

What is said, and with which numbers, is the business of ``topics`` and ``layer``; how it looks, that of
``describe.teach``. One description feeds every format.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from vgg_profile.core.counts import Count
from vgg_profile.core.display import Displayed
from vgg_profile.core.forms import Cell
from vgg_profile.core.jsonable import by_fields, jsonable
from vgg_profile.core.tree import Profile
from vgg_profile.core.version import SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class Working:
    """One line of working: what it is, the arithmetic with its result, and the unit of the result."""

    label: str
    count: Count
    unit: str

    def to_dict(self) -> dict[str, Any]:
        return {"label": self.label, **by_fields(self.count), "unit": self.unit}


@dataclass(frozen=True, slots=True)
class Grid:
    """A small table under a title of its own; ``total``, if any, is added up from the rows."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: tuple[Cell, ...] | None = None


Passage = str | Working | Grid
"""A paragraph, a line of working, or a small table."""


@dataclass(frozen=True, slots=True)
class Section:
    """Some parts under a heading."""

    heading: str
    parts: tuple[Passage, ...]


@dataclass(frozen=True, repr=False)
class Lesson(Displayed):
    """One fact or one layer, worked out.

    ``evidence`` says what holds the prediction against a real pass, or that nothing does yet;
    ``commands`` are what to type to see the same numbers.
    """

    is_document: ClassVar[bool] = True
    name: str
    title: str
    sections: tuple[Section, ...]
    evidence: str
    commands: tuple[str, ...] = ()
    profile: Profile | None = None
    """The network that a layer is of, at its setting."""

    @property
    def lines(self) -> Iterator[tuple[str, Working]]:
        """Every line of working, with its section's heading."""
        for section in self.sections:
            for part in section.parts:
                if isinstance(part, Working):
                    yield section.heading, part

    def to_dict(self) -> dict[str, Any]:
        """The lesson as JSON has it: sentences as they are, numbers raw with their workings."""
        content = {"schema_version": SCHEMA_VERSION, **by_fields(replace(self, profile=None))}
        del content["profile"]
        return content


@dataclass(frozen=True, repr=False)
class Contents(Displayed):
    """What can be explained: a table of names, and what to type for one of them."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    hint: str
    profile: Profile | None = None
    """The network whose layers they are, at its setting."""

    def to_dict(self) -> dict[str, Any]:
        """One object a row."""
        return {
            "schema_version": SCHEMA_VERSION,
            "title": self.title,
            "entries": [dict(zip(self.columns, jsonable(row), strict=True)) for row in self.rows],
            "hint": self.hint,
        }
