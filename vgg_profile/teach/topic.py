"""What a topic is, and what many topics need: evidence, networks, steps and rows.

A topic is a function that yields sections; :func:`topic` puts its name, its one line and its evidence in
front of it. Every number is taken from a walk or a step when the topic is asked for, so a sentence cannot
grow old. All topics speak of the notes' setting, config D at 224×224, one image, in float32, unless they
say otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

from vgg_profile.core.counts import Count
from vgg_profile.core.events import Category, Phase
from vgg_profile.core.setting import Setup
from vgg_profile.core.step import Step
from vgg_profile.core.tree import Profile, Row
from vgg_profile.predict.steps import ledger
from vgg_profile.predict.vgg.walk import walk
from vgg_profile.teach.forms import Lesson, Section

ARITHMETIC = "By arithmetic alone, from the shapes of the layers. No framework has a say in it."
RECORD = (
    "Measured with PyTorch 2.13 on the CPU: reports/measured/D-cpu.json is a real step of D, and every "
    "figure of the step that stands here is equal to it."
)
RULES = (
    "By arithmetic; what PyTorch keeps and when, by its rules on the CPU, which this project's tests hold "
    "against real steps of PyTorch 2.13."
)
TESTS = (
    "Measured with PyTorch 2.13 on the CPU by this project's tests, on small networks that are built of "
    "the same layers; the figures here are predicted by the same rules."
)

Sections = Callable[[], Iterable[Section]]


@dataclass(frozen=True, slots=True)
class Topic:
    """One fact: its name, its line in the list, how it is known, what to type, and its sections.

    ``place`` orders the course: hundreds are chapters, with room between two topics for another. ``aliases``
    are other words for the same.
    """

    name: str
    title: str
    evidence: str
    commands: tuple[str, ...]
    place: int
    aliases: tuple[str, ...]
    sections: Sections

    @property
    def lesson(self) -> Lesson:
        """The fact, worked out."""
        return Lesson(self.name, self.title, tuple(self.sections()), self.evidence, self.commands)


def topic(
    name: str,
    title: str,
    evidence: str,
    *commands: str,
    place: int,
    aliases: tuple[str, ...] = (),
) -> Callable[[Sections], Topic]:
    """Make a topic of the function that yields its sections."""

    def make(sections: Sections) -> Topic:
        return Topic(name, title, evidence, commands, place, aliases, sections)

    return make


@cache
def profile_of(name: str = "D", batch: int = 1, device: str = "cpu") -> Profile:
    """The walk of a network at the notes' input."""
    return walk(name, batch=batch, device=device)


@cache
def step_of(name: str = "D", batch: int = 1, setup: Setup = Setup()) -> Step:  # noqa: B008 - it is frozen
    """A step of a network at the notes' input."""
    return ledger(profile_of(name), setup) if batch == 1 else step_of(name, setup=setup).at(batch)


def rows_of(profile: Profile, *kinds: str) -> list[Row]:
    """The modules of these kinds."""
    return [row for row in profile.module_rows if row.kind in kinds]


def row_of(profile: Profile, name: str) -> Row:
    """The module of this name."""
    return next(row for row in profile.module_rows if row.name == name)


def by_block(profile: Profile) -> dict[str, list[Row]]:
    """The notes' rows by block; the image and the classifier are parts of their own."""
    parts: dict[str, list[Row]] = {}
    for row in profile.rows:
        parts.setdefault(row.block or row.name, []).append(row)
    return parts


def kept(step: Step) -> int:
    """Bytes live after the forward pass, beside what was there before it."""
    return step.fixed_points[Phase.FORWARD] - step.fixed_points[Phase.INPUT]


def saved(row: Row, category: Category) -> int:
    """Bytes of one category that a layer keeps after the forward pass of one image."""
    return sum(storage.size.at(1) for storage in row.saved if storage.category is category)


def minus(whole: Count, part: Count) -> Count:
    """A difference with its working; ``part`` must be a product or a plain number."""
    return Count(whole.value - part.value, f"{whole.working}-{part.working}")


def where(phase: Phase, layer: str) -> str:
    """A part of a step in words: ``backward of relu3_3``."""
    return f"{phase.value}{' of ' if layer else ''}{layer}"
