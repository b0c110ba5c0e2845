"""Sizes and colours of every picture, and matplotlib's settings for them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib.style

from vgg_profile.core.figures import INK

WIDTH = 8.0
"""Inches; heights follow from what is drawn."""

MARGIN = 0.15
"""Inches of paper around everything."""

SMALLEST = 9.0
"""Points; no text is smaller."""

DPI = 200
GREY = "#666666"
SHADE = "#F4F4F4"
LIMIT = "#B2182B"

DASHES: tuple[tuple[int, Any], ...] = ((0, (6, 2)), (0, (2, 2)))
"""How the first and the second limit of a panel are dashed."""

_STYLE: list[Any] = [
    "default",
    {
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans", "Verdana", "Bitstream Vera Sans"],
        "font.size": SMALLEST,
        "text.parse_math": False,
        "text.hinting": "none",
        "axes.labelcolor": GREY,
        "axes.labelsize": SMALLEST,
        "axes.edgecolor": "#999999",
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.unicode_minus": False,
        "grid.color": "#DDDDDD",
        "grid.linewidth": 0.6,
        "xtick.color": GREY,
        "ytick.color": GREY,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
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
    },
]


@contextmanager
def styled(*more: dict[str, Any]) -> Iterator[None]:
    """Our style, whatever the user's; a letter that the font lacks shows as a box, without a warning."""
    with matplotlib.style.context([*_STYLE, *more]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")
        yield


def dot(colour: str) -> dict[str, Any]:
    """How a measured value is marked, in a panel and in its legend."""
    return {
        "linestyle": "none",
        "marker": "o",
        "markersize": 2.8,
        "markerfacecolor": "white",
        "markeredgecolor": colour,
        "markeredgewidth": 0.8,
    }
