"""The legend: every series and limit that the axes' labels do not name already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from vgg_profile.core.figures import Panel, Series, Style
from vgg_profile.write.plots.lettering import break_lines, inches
from vgg_profile.write.plots.style import DASHES, Theme, dot

_KEY = 0.3
"""Inches of a series' sign and the gap behind it."""


def add_legend(
    owner: Canvas | Axes, panels: Iterable[Panel], width: float, theme: Theme, **look: Any
) -> Legend | None:
    """A legend of as few rows as ``width`` inches allow, its words broken where one alone is too wide.

    ``None`` if there is nothing to name.
    """
    handles = list(_handles(panels, theme))
    for rows in range(1, len(handles) + 1):
        columns = -(-len(handles) // rows)
        legend = owner.legend(handles=handles, loc="upper left", bbox_to_anchor=(0, 0), ncols=columns, **look)
        if inches(legend).width <= width:
            return legend
        if columns == 1:
            for text in legend.get_texts():
                break_lines(text, text.get_text(), width - _KEY)
            return legend
        legend.remove()
    return None


def _handles(panels: Iterable[Panel], theme: Theme) -> Iterator[Artist]:
    for panel in panels:
        if len(panel.series) > 1 and not panel.names_lines:
            for series in panel.series:
                yield _handle(series, theme)
        for limit, dashes in zip(panel.limits, DASHES, strict=False):
            yield Line2D([], [], color=theme.limit, linewidth=1.4, linestyle=dashes, label=limit.label)


def _handle(series: Series, theme: Theme) -> Artist:
    match series.style:
        case Style.BARS | Style.AREAS:
            return Patch(facecolor=series.colour, edgecolor=theme.outline, label=series.label)
        case Style.LINE:
            return Line2D([], [], color=series.colour, linewidth=1.6, label=series.label)
        case Style.DOTS:
            return Line2D([], [], label=series.label, **dot(series.colour, theme))
        case Style.TICKS:
            return Line2D(
                [],
                [],
                color=series.colour,
                linestyle="none",
                marker="|",
                markersize=9,
                markeredgewidth=1.8,
                label=series.label,
            )
