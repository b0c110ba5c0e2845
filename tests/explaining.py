"""Lessons, asked for as on the command line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from click.testing import CliRunner, Result

from vgg_profile.cli import main
from vgg_profile.core.counts import Count
from vgg_profile.teach.forms import Grid, Lesson, Working

ROOT = Path(__file__).parent.parent


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def one_line(text: str) -> str:
    """A text with its lines joined, so that no sentence is broken."""
    return re.sub(r"\s+", " ", text)


# Every working gives its value


def counts(lesson: Lesson) -> Iterator[Count]:
    """Every count of a lesson, in lines and in tables."""
    for section in lesson.sections:
        for part in section.parts:
            if isinstance(part, Working):
                yield part.count
            elif isinstance(part, Grid):
                yield from (cell for row in part.rows for cell in row if isinstance(cell, Count))


def wrong_workings(lesson: Lesson) -> list[str]:
    """Workings that are not plain arithmetic, or do not give the value beside them."""
    return [
        f"{count.working} is not {count.value}"
        for count in counts(lesson)
        if not re.fullmatch(r"[0-9+\-*/()]+", count.working) or eval(count.working) != count.value
    ]


def wrong_totals(lesson: Lesson) -> list[str]:
    """Totals of tables that are not the sum of the whole numbers above them."""
    found = []
    for part in (part for section in lesson.sections for part in section.parts):
        if not isinstance(part, Grid) or part.total is None:
            continue
        for place, cell in enumerate(part.total):
            if isinstance(cell, int):
                column = [row[place] for row in part.rows]
                if sum(int(each) for each in column if isinstance(each, (int, Count))) != cell:
                    found.append(f"{part.title}: {part.columns[place]}")
    return found
