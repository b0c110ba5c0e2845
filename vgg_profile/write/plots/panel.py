"""One panel's data and axes: bands, bars, areas, lines, dots, ticks, limits, points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from math import nan
from typing import Any

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patheffects import AbstractPathEffect, withStroke
from matplotlib.ticker import LinearLocator, Locator, MaxNLocator

from vgg_profile.core.figures import Panel, Series, Style
from vgg_profile.write.plots.style import DASHES, Theme, dot

CROWD = 200
"""More bars than so many have no room on a page for a text each, nor to be told apart."""

MULTITUDE = 20_000
"""More corners than so many lie within a dot of each other: as dots they take less than as an outline."""


def legible(panel: Panel) -> Panel:
    """A panel with no more texts and bands than there is room for: the bars of a crowd are one outline."""
    crowd = len(panel.names)
    if not panel.sideways or crowd <= CROWD:
        return panel
    bands = panel.bands if len(panel.bands) <= CROWD else ()
    return replace(panel, names=panel.names[:: -(-crowd // CROWD)], ends=(), bands=bands)


def draw_panel(axes: Axes, panel: Panel, theme: Theme, *, is_named: bool = True) -> None:
    """Bands, series, limits, points, and the two axes of one panel."""
    scale = panel.unit.scale
    for band in panel.bands:
        if band.is_shaded:
            shade = axes.axhspan if panel.sideways else axes.axvspan
            shade(band.start, band.stop, color=theme.shade, linewidth=0, zorder=0)
    tops: list[float] = []
    for style, members in groupby(panel.series, key=lambda series: series.style):
        base = [0.0] * max(len(series.x) for series in panel.series)
        for series in members:
            values = [value / scale for value in series.y]
            base = _DRAW[style](axes, series, values, base, panel.sideways, theme)
            tops += base if style in (Style.BARS, Style.AREAS) else values
    for limit, dashes in zip(panel.limits, DASHES, strict=False):
        line = axes.axvline if panel.sideways else axes.axhline
        drawn = line(limit.value / scale, color=theme.limit, linewidth=1.4, linestyle=dashes, zorder=4)
        drawn.set_path_effects(_halo(theme))
        tops.append(limit.value / scale)
    _axes(axes, panel, tops, is_named)
    point_look: dict[str, Any] = {"marker": "o", "markersize": 6, "color": theme.limit}
    point_look["markeredgecolor"] = theme.ground
    for point in panel.points:
        axes.plot([point.x], [point.y / scale], zorder=6, clip_on=False, **point_look)


def _bars(
    axes: Axes, series: Series, values: list[float], base: list[float], sideways: bool, theme: Theme
) -> list[float]:
    look: dict[str, Any] = {
        "color": series.colour,
        "edgecolor": theme.outlined(theme.ground),
        "linewidth": 0.4,
        "zorder": 2,
    }
    if sideways and len(values) > CROWD:
        edges = [series.x[0] - 0.5, *(place + 0.5 for place in series.x)]
        left, right = [base[0], *base], [base[0] + values[0], *map(sum, zip(base, values, strict=True))]
        axes.fill_betweenx(edges, left, right, step="pre", color=series.colour, linewidth=0, zorder=2)
    elif sideways:
        axes.barh(series.x, values, 0.72, left=base, **look)
    else:
        axes.bar(series.x, values, 0.72, bottom=base, **look)
    return [below + value for below, value in zip(base, values, strict=True)]


def _areas(
    axes: Axes, series: Series, values: list[float], base: list[float], sideways: bool, theme: Theme
) -> list[float]:
    top = [below + value for below, value in zip(base, values, strict=True)]
    there = [any(values[max(place - 1, 0) : place + 2]) for place in range(len(values))]
    is_raster = len(top) > MULTITUDE  # whose colours are the same in every scheme
    look: dict[str, Any] = {
        "facecolor": series.colour,
        "edgecolor": series.colour if is_raster else theme.outlined(series.colour),
        "linewidth": 0.5,
        "zorder": 2,
    }
    axes.fill_between(series.x, base, top, where=there, rasterized=is_raster, **look)
    return top


def _line(
    axes: Axes, series: Series, values: list[float], base: list[float], sideways: bool, theme: Theme
) -> list[float]:
    axes.plot(series.x, values, color=series.colour, linewidth=1.6, zorder=3, solid_joinstyle="round")
    return base


def _dots(
    axes: Axes, series: Series, values: list[float], base: list[float], sideways: bool, theme: Theme
) -> list[float]:
    axes.plot(series.x, values, clip_on=False, zorder=5, **dot(series.colour, theme))
    return base


def _ticks(
    axes: Axes, series: Series, values: list[float], base: list[float], sideways: bool, theme: Theme
) -> list[float]:
    lower, upper = ([place + side for place in series.x] for side in (-0.36, 0.36))
    look: dict[str, Any] = {"color": series.colour, "linewidth": 1.8, "zorder": 4}
    drawn: Line2D | LineCollection
    if sideways and len(values) > CROWD:  # as one line, which is lifted between them
        places = [each for ends in zip(lower, upper, upper, strict=True) for each in ends]
        heights = [each for value in values for each in (value, value, nan)]
        (drawn,) = axes.plot(heights, places, solid_capstyle="butt", **look)
    else:
        drawn = (axes.vlines if sideways else axes.hlines)(values, lower, upper, **look)
    drawn.set_path_effects(_halo(theme))
    return base


def _halo(theme: Theme) -> list[AbstractPathEffect]:
    """A rim of paper, in which a line is seen on bars and areas of any colour."""
    return [withStroke(linewidth=3.4, foreground=theme.ground)]


_DRAW = {
    Style.BARS: _bars,
    Style.AREAS: _areas,
    Style.LINE: _line,
    Style.DOTS: _dots,
    Style.TICKS: _ticks,
}


def _axes(axes: Axes, panel: Panel, tops: Sequence[float], is_named: bool) -> None:
    """Labels, ticks and limits of both axes."""
    value, across = (axes.xaxis, axes.yaxis) if panel.sideways else (axes.yaxis, axes.xaxis)
    label = f"{panel.value_label} ({panel.unit.name})" if panel.unit.name else panel.value_label
    value.set_label_text(label)
    value.set_major_locator(_locator(panel))
    value.set_major_formatter(_NUMBER)
    across.set_major_formatter(_NUMBER)
    axes.grid(axis="x" if panel.sideways else "y", zorder=1)
    across.set_label_text(panel.place_label)
    if panel.names:
        places, names = zip(*panel.names, strict=True)
        across.set_ticks(places, names, parse_math=False)
        across.set_tick_params(length=0)
    elif panel.bands:
        across.set_ticks([])
    else:
        across.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10], integer=True))
    lowest, highest = min([0.0, *tops]), max([0.0, *tops])
    if lowest == highest:
        lowest, highest = -1.0, 1.0
    if panel.sideways:
        across.set_tick_params(labelleft=is_named)
        axes.spines.left.set_visible(False)
        _limit_sideways(axes, panel, lowest, highest)
    else:
        _limit_upright(axes, panel, lowest, highest)
    _name_bands(axes, panel)


_NUMBER = "{x:,.10g}"
_QUARTERS = 5
"""Ticks from nothing to the whole, ends included."""


def _locator(panel: Panel) -> Locator:
    """Round numbers; of parts of a whole its quarters, in every panel alike."""
    if panel.reach:
        return LinearLocator(_QUARTERS)
    return MaxNLocator(5, steps=[1, 2, 2.5, 5, 10], integer=panel.unit.scale == 1)


def _places(panel: Panel) -> list[float]:
    return [place for series in panel.series for place in series.x]


def _limit_sideways(axes: Axes, panel: Panel, lowest: float, highest: float) -> None:
    """Values to the right, places down the page, half a place beyond the outer ones."""
    places = _places(panel)
    axes.set_xlim(lowest, panel.reach / panel.unit.scale or highest * 1.02)
    axes.set_ylim(max(places) + 0.5, min(places) - 0.5)


def _limit_upright(axes: Axes, panel: Panel, lowest: float, highest: float) -> None:
    """Values upwards, with room above them, and below where there are any below zero."""
    headroom = 0.09 * (highest - lowest)
    axes.set_ylim(lowest - headroom if lowest < 0 else lowest, highest + headroom)
    places = _places(panel) + [edge for band in panel.bands for edge in (band.start, band.stop)]
    first, last = min(places), max(places)
    axes.set_xlim(first - (first == last), last + (first == last))


def _name_bands(axes: Axes, panel: Panel) -> None:
    """The names of bands, above the axes, those of the widest first."""
    for band in sorted(panel.bands, key=lambda band: band.start - band.stop):
        if band.text:
            axes.text(
                (band.start + band.stop) / 2,
                1.01,
                band.text,
                transform=axes.get_xaxis_transform(),
                ha="center",
                va="bottom",
                color=axes.xaxis.label.get_color(),
            )
