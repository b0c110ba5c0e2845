"""What stands beside the data, and needs to know how wide the axes are: the ends of bars, names of points."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import hypot

from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.path import Path
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from vgg_profile.core.figures import Panel, Point, Style
from vgg_profile.write.plots.style import TEXT_CONTRAST, Theme

_PLACES = sorted(product((8, 20, 35, 50, 70, 90), (4, -4, 14, -14, 26, -26)), key=lambda place: hypot(*place))
"""Where a point's name may stand, in points from it; the first that is free is taken."""

_MARK = 4
"""Points around a point that no name may cover."""

_GROUND = 1.5
"""Points of paper around a point's name, in which it covers areas and grid."""

_FREE = _GROUND + 2
"""Points around it that no line may cross: the line is 1.6 wide, and has to be seen beside the paper."""

_PADDING = 4
"""Points between a bar and its number."""

_BETWEEN = 2
"""Points between the names of lines that end close together."""


def write_labels(axes: Axes, panel: Panel, theme: Theme) -> None:
    """What stands at the ends of bars and lines, and the names of points; the axes have their place."""
    if panel.ends:
        _write_ends(axes, panel, theme)
    if panel.names_lines:
        _name_lines(axes, panel, theme)
    marks = [axes.transData.transform((point.x, point.y / panel.unit.scale)) for point in panel.points]
    around = _MARK * axes.figure.dpi / 72
    taken = [Bbox([mark - around, mark + around]) for mark in marks]
    for point in panel.points:
        taken.append(_write_name(axes, panel, point, taken, theme))


# -- the ends of bars


def _write_ends(axes: Axes, panel: Panel, theme: Theme) -> None:
    """What stands at the ends of bars, clear of every line; the axes are widened until all have a place."""
    outermost = axes.containers[-1]  # of a stack, the bars that were drawn last
    assert isinstance(outermost, BarContainer)
    texts = axes.bar_label(
        outermost, panel.ends, padding=_PADDING, color=theme.ink, zorder=7, parse_math=False
    )
    for number, text in enumerate(texts):
        text.set_verticalalignment("center_baseline")  # as the names on the other side of the bar
        if text.get_text():  # or there is nothing to clear a ground for
            text.set_bbox({"facecolor": _ground(panel, number, theme), "edgecolor": "none", "pad": 1})
    gap = 2 * _PADDING * axes.figure.dpi / 72
    widths = [text.get_window_extent().width + gap for text in texts]
    floor = axes.get_window_extent().y0
    if any(text.get_window_extent().padded(2).y0 <= floor for text in texts):
        axes.spines.bottom.set_zorder(8)  # above the ground of a text
    reach = _clear(axes, texts, widths, _obstacles(panel))
    if not panel.reach:  # or the axis ends there, and a text may stand beyond it
        axes.set_xlim(0, float(f"{1.001 * reach:.4g}"))


def _ground(panel: Panel, place: int, theme: Theme) -> str:
    """The colour behind a bar, in which its number covers the grid."""
    is_shaded = any(band.is_shaded and band.start < place < band.stop for band in panel.bands)
    return theme.shade if is_shaded else theme.ground


def _obstacles(panel: Panel) -> list[list[float]]:
    """By bar, where lines and marks cross its row, in the axis' unit, from the left."""
    scale = panel.unit.scale
    lines = [[limit.value / scale for limit in panel.limits] for _ in panel.ends]
    for series in panel.series:
        if series.style is not Style.BARS:
            for place, value in zip(series.x, series.y, strict=True):
                lines[round(place)].append(value / scale)
    return [sorted(each) for each in lines]


def _clear(
    axes: Axes, texts: Sequence[Annotation], widths: Sequence[float], obstacles: Sequence[Sequence[float]]
) -> float:
    """Move each text past the lines that would run through it; what the axis must reach to hold them all."""
    width = axes.get_window_extent().width
    reach = axes.get_xlim()[1]
    ends = [text.xy[0] for text in texts]
    for _ in range(4):  # wider axes bring lines nearer to the bars
        for number, wide in enumerate(widths):
            for line in obstacles[number]:
                if ends[number] <= line <= ends[number] + wide * reach / width:
                    ends[number] = line
        room = (end * width / max(width - wide, width / 5) for end, wide in zip(ends, widths, strict=True))
        reach = max(reach, *room)
    for text, end in zip(texts, ends, strict=True):
        text.xy = (end, text.xy[1])
    return reach


# -- the ends of lines


def _name_lines(axes: Axes, panel: Panel, theme: Theme) -> None:
    """Each line's name to the right of its end and in its colour, no two closer than a line of text."""
    scale, lowest = panel.unit.scale, float("-inf")
    for series in sorted(panel.series, key=lambda series: series.y[-1]):
        end = (series.x[-1], series.y[-1] / scale)
        text = axes.annotate(
            series.label,
            end,
            (6, 0),
            textcoords="offset points",
            va="center",
            color=theme.readable(series.colour, TEXT_CONTRAST),
            parse_math=False,
            annotation_clip=False,
        )
        height = text.get_window_extent().height + _BETWEEN * axes.figure.dpi / 72
        at = float(axes.transData.transform(end)[1])
        lowest = max(at, lowest + height)
        text.set_position((6, (lowest - at) * 72 / axes.figure.dpi))


# -- the names of points


def _write_name(axes: Axes, panel: Panel, point: Point, taken: Sequence[Bbox], theme: Theme) -> Bbox:
    """A point's text, towards the middle of the axes if it can be: on no line and no other's, or no limit."""
    scale = panel.unit.scale
    left, right = axes.get_xlim()
    is_right = point.x > (left + right) / 2
    text = axes.annotate(
        point.text,
        (point.x, point.y / scale),
        (0, 0),
        textcoords="offset points",
        color=theme.ink,
        weight="bold",
        zorder=7,
        parse_math=False,
        bbox={"facecolor": theme.ground, "edgecolor": "none", "alpha": 0.85, "pad": _GROUND},
    )

    def stand(away: int, up: int, to_left: bool = is_right) -> Bbox:
        text.set_horizontalalignment("right" if to_left else "left")
        text.set_position((-away if to_left else away, up))
        text.set_verticalalignment("bottom" if up > 0 else "top")
        return text.get_window_extent().padded(_FREE * axes.figure.dpi / 72)

    curves = [list(zip(each.x, each.y, strict=True)) for each in panel.series if each.style is Style.LINE]
    limits = [[(edge, limit.value) for edge in (left, right)] for limit in panel.limits]
    inside = axes.get_window_extent()
    for points in ([*curves, *limits], limits, []):
        lines = [Path(axes.transData.transform([(x, y / scale) for x, y in line])) for line in points]
        for place, to_left in product(_PLACES, (is_right, not is_right)):
            box = stand(*place, to_left)
            is_inside = inside.containsx(box.x0) and inside.containsx(box.x1)
            is_inside &= inside.containsy(box.y0) and inside.containsy(box.y1)
            is_free = not any(box.overlaps(other) for other in taken)
            if is_inside and is_free and not any(line.intersects_bbox(box, filled=False) for line in lines):
                return box
    return stand(*_PLACES[0])
