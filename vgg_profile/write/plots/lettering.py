"""Text that fits: broken into lines by its measured width, stacked in a column, thinned in a crowd."""

from __future__ import annotations

import re
from collections.abc import Iterable
from textwrap import fill
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from vgg_profile.write.plots.style import MARGIN

GAP = 0.07
"""Inches between a text and what stands below it."""

_INSEPARABLE = re.compile(r"(?<=\d) (?=\S)|(?<=block) (?=\d)|(?<==) (?=\d)|(?<=iB) (?==)")
"""The space between a number and its unit, a block and its number, or in an equation: no line ends there."""


def inches(artist: Artist) -> Bbox:
    """Where an artist is, in inches."""
    canvas = artist.figure
    assert canvas is not None
    return Bbox(artist.get_window_extent().transformed(canvas.dpi_scale_trans.inverted()))


def break_lines(artist: Text, text: str, width: float) -> None:
    """Set a text in lines of at most ``width`` inches; a word longer than a line is broken.

    matplotlib's own wrapping goes to the edge of the canvas, and cannot be told a width.
    """
    text = _INSEPARABLE.sub("\N{NO-BREAK SPACE}", text)
    for letters in range(len(text), 0, -1):
        artist.set_text(fill(text, letters, break_on_hyphens=False))
        if inches(artist).width <= width:
            return


_WORDS_APART = 4
"""Points between two labels on one line: a letter's width, so that nobody reads them as one."""


def thin(axes: Axes) -> None:
    """Hide labels that would lie on one that stands already or touch it; the widest bands are named first."""
    for labels in (axes.get_xticklabels(), axes.get_yticklabels(), axes.texts):
        _thin(labels, _WORDS_APART * axes.figure.dpi / 72)


def _thin(labels: Iterable[Text], apart: float) -> None:
    """The same of one kind of labels, that stand at least so many pixels ``apart``."""
    taken: list[Bbox] = []
    for label in filter(Text.get_text, labels):
        box = label.get_window_extent().padded(apart / 2, 0)
        if any(box.overlaps(other) for other in taken):
            label.set_visible(False)
        else:
            taken.append(box)


class Stack:
    """Texts and a legend, one below the other, each as wide as the canvas and as high as it needs.

    A canvas is as high as its column and its panels together, so the column is measured first, and put in
    its place once that height is known.
    """

    def __init__(self, canvas: Canvas) -> None:
        self.canvas = canvas
        self.parts: list[Text | Legend] = []

    @property
    def height(self) -> float:
        """Inches."""
        return sum(inches(part).height + GAP for part in self.parts)

    def write(self, text: str, **look: Any) -> None:
        """A paragraph, its lines broken where they must be."""
        if text:
            artist = self.canvas.text(0, 0, text, va="top", ha="left", linespacing=1.25, **look)
            break_lines(artist, text, self.canvas.get_figwidth() - 2 * MARGIN)
            self.parts.append(artist)

    def add(self, legend: Legend | None) -> None:
        """A legend, if there is one."""
        if legend is not None:
            self.parts.append(legend)

    def place(self, top: float) -> None:
        """Put everything in its place, from ``top`` inches downwards."""
        width, height = self.canvas.get_size_inches()
        for part in self.parts:
            where = (MARGIN / width, top / height)
            top -= inches(part).height + GAP
            if isinstance(part, Text):
                part.set_position(where)
            else:
                part.set_bbox_to_anchor(where, transform=self.canvas.transFigure)
