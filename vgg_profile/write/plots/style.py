"""Sizes and colours of every picture, and matplotlib's settings for them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import matplotlib.style
from matplotlib.colors import to_hex, to_rgb

from vgg_profile.core.figures import INK, Panel, Style

WIDTH = 8.0
"""Inches of a page; heights follow from what is drawn."""

MARGIN = 0.15
"""Inches of paper around everything."""

SMALLEST = 9.0
"""Points; no text is smaller."""

DPI = 200
TEXT_CONTRAST, LINE_CONTRAST = 4.5, 3.0
"""The least contrast of a text and of a line with its ground (WCAG 2.2, 1.4.3 and 1.4.11)."""


class Size(NamedTuple):
    """A canvas in inches; without a height it is as high as what is drawn needs."""

    width: float
    height: float | None = None


SIZES = {"page": Size(WIDTH), "slide": Size(10, 5.625), "square": Size(8, 8)}
"""Sizes by name; a slide is 16:9, and small enough for the smallest text to be read at the back."""


class Theme(NamedTuple):
    """The colours of everything but the series."""

    ground: str
    ink: str
    grey: str
    shade: str
    limit: str
    edge: str
    grid: str
    legend: str
    outline: str | None = None
    """Around bars and areas, whose colours are the same on every ground; ``None``: bars in the ground's."""

    def outlined(self, otherwise: str) -> str:
        """The colour around bars and areas; without an outline this one."""
        return self.outline or otherwise

    def readable(self, colour: str, least: float) -> str:
        """A colour, no further towards the ink than the contrast with the ground needs."""
        for part in range(101):
            red, green, blue = (
                mine + (ink - mine) * part / 100
                for mine, ink in zip(to_rgb(colour), to_rgb(self.ink), strict=True)
            )
            seen = to_hex((red, green, blue)).upper() if part else colour
            if contrast(seen, self.ground) >= least:
                return seen
        return self.ink


LIGHT = Theme("#FFFFFF", INK, "#666666", "#F4F4F4", "#B2182B", "#8C8C8C", "#DDDDDD", "#000000")
DARK = Theme(
    "#16181C", "#ECECEC", "#B0B0B0", "#22252B", "#FF8A80", "#8C8C8C", "#3A3D44", "#ECECEC", "#8C8C8C"
)


def contrast(one: str, other: str) -> float:
    """The ratio of two colours' luminances, as WCAG 2.2 defines it: from 1 to 21."""
    darker, lighter = sorted(map(_luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
        for channel in to_rgb(colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def themed(panel: Panel, theme: Theme) -> Panel:
    """A panel whose lines stand out from the ground, its ink the theme's; areas and bars stay."""
    return replace(
        panel,
        series=tuple(
            each
            if each.style in (Style.BARS, Style.AREAS)
            else each._replace(
                colour=theme.ink if each.colour == INK else theme.readable(each.colour, LINE_CONTRAST)
            )
            for each in panel.series
        ),
    )


DASHES: tuple[tuple[int, Any], ...] = ((0, (6, 2)), (0, (2, 2)))
"""How the first and the second limit of a panel are dashed."""


def _style(theme: Theme) -> dict[str, Any]:
    return {
        "text.color": theme.legend,
        "figure.facecolor": theme.ground,
        "axes.facecolor": theme.ground,
        "savefig.facecolor": theme.ground,
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans", "Verdana", "Bitstream Vera Sans"],
        "font.size": SMALLEST,
        "text.parse_math": False,
        "text.hinting": "none",
        "axes.labelcolor": theme.grey,
        "axes.labelsize": SMALLEST,
        "axes.edgecolor": theme.edge,
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.unicode_minus": False,
        "grid.color": theme.grid,
        "grid.linewidth": 0.6,
        "xtick.color": theme.grey,
        "ytick.color": theme.grey,
        "xtick.labelcolor": theme.ink,
        "ytick.labelcolor": theme.ink,
        "xtick.labelsize": SMALLEST,
        "ytick.labelsize": SMALLEST,
        "hatch.linewidth": 0.5,
        "legend.fontsize": SMALLEST,
        "legend.frameon": False,
        "legend.borderpad": 0,
        "legend.borderaxespad": 0,
        "legend.handlelength": 1.3,
        "legend.columnspacing": 1.4,
        "legend.handletextpad": 0.5,
        "svg.hashsalt": "vgg-profile",
        "svg.fonttype": "none",  # text stays text; those three are as wide as each other
        "pdf.fonttype": 42,
    }


@contextmanager
def styled(theme: Theme = LIGHT, **more: Any) -> Iterator[None]:
    """Our style, whatever the user's; a letter that the font lacks shows as a box, without a warning."""
    with matplotlib.style.context(["default", _style(theme) | more]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")
        yield


def dot(colour: str, theme: Theme) -> dict[str, Any]:
    """How a measured value is marked, in a panel and in its legend."""
    return {
        "linestyle": "none",
        "marker": "o",
        "markersize": 2.8,
        "markerfacecolor": theme.ground,
        "markeredgecolor": colour,
        "markeredgewidth": 0.8,
    }
