"""What a picture shows, in no format yet: panels, series, units, colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from vgg_profile.core.events import Category
from vgg_profile.core.printable import printable_lines, spell_out

PALETTE = {
    Category.WEIGHTS: "#0072B2",
    Category.BUFFERS: "#DDDDDD",
    Category.OPTIMIZER: "#332288",
    Category.GRADIENTS: "#D55E00",
    Category.INPUT: "#663333",
    Category.ACTIVATIONS: "#56B4E9",
    Category.CASTS: "#009E73",
    Category.INDICES: "#F0E442",
    Category.MASKS: "#BBBBBB",
    Category.STATISTICS: "#AA3377",
    Category.IN_FLIGHT: "#E69F00",
    Category.TEMPORARY: "#222255",
    Category.SCRATCH: "#8877FF",
}
"""One colour a memory category, everywhere, in the order in which they are stacked.

From the colour-blind-safe sets of Okabe & Ito and of Tol, and one for scratch; assigned so that neighbours
in a stack differ most where red and green are not told apart; a test measures it.
"""

INK = "#222222"
COMPUTE = "#117733"
COMPUTE_LIGHT = "#8CCB9B"
SPEED = "#5B6B7B"
PREDICTED = "#9A9A9A"
MEASURED = INK


class Style(StrEnum):
    """How a series is drawn. Bars stand on the bars before them in their panel, areas on the areas."""

    BARS = "bars"
    AREAS = "areas"
    LINE = "line"
    DOTS = "dots"
    TICKS = "ticks"


class Unit(NamedTuple):
    """What an axis counts in: ``scale`` raw ones are one unit."""

    name: str
    scale: float = 1


class Series(NamedTuple):
    """Raw numbers ``y`` at the places ``x``."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    colour: str
    style: Style


class Band(NamedTuple):
    """A stretch of an axis, its name, and whether it is shaded."""

    start: float
    stop: float
    text: str = ""
    is_shaded: bool = False


class LimitLine(NamedTuple):
    """A line across the panel at one value, and what it stands for."""

    label: str
    value: float


class Point(NamedTuple):
    """One marked place and its label."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes: places along it, named or numbered, and values in a unit.

    ``sideways`` runs the places down the page, so that their names can be read, and writes ``ends`` at the
    ends of the bars.
    """

    value_label: str
    unit: Unit
    series: tuple[Series, ...]
    place_label: str = ""
    names: tuple[tuple[float, str], ...] = ()
    bands: tuple[Band, ...] = ()
    ends: tuple[str, ...] = ()
    limits: tuple[LimitLine, ...] = ()
    points: tuple[Point, ...] = ()
    reach: float = 0
    """Where the axis ends, as a raw value, if its values are parts of a whole."""
    names_lines: bool = False
    """Whether a line's name stands at its end, not in a legend."""
    sideways: bool = False
    height: float = 3.6
    """Of the data, in inches; a sideways panel is as high as its bars need."""

    def __post_init__(self) -> None:
        spell_out(self, printable_lines)


@dataclass(frozen=True, slots=True)
class Figure:
    """One picture. Its title states the finding; ``alt`` describes it for readers who cannot see it."""

    title: str
    subtitle: str
    panels: tuple[Panel, ...]
    alt: str
    footer: str = ""
    columns: int = 1

    def __post_init__(self) -> None:
        spell_out(self)
