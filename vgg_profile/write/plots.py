"""Figures drawn with matplotlib: SVG, PNG and PDF, or axes to build on.

Object-oriented throughout: no pyplot, no state, so nothing is shown or kept that nobody asked for. The
same figure gives the same bytes: no dates, no random ids. The header is laid out from measured text, so
nothing is cut off and nothing overlaps, whatever the names and however many layers.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from itertools import groupby
from typing import Any

import matplotlib.style
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, MaxNLocator
from matplotlib.transforms import Bbox, ScaledTranslation

from vgg_profile.core.figures import INK, Figure, Panel, Point, Series, Style

WIDTH = 8.0
"""Inches; heights follow from what is drawn."""

SMALLEST = 9.0
"""Points; no text is smaller."""

_DPI = 200
_MARGIN = 0.15
_LABELS = 0.55
_BAR = 0.215
_MOST_BARS_HIGH = 14.0
_GREY = "#666666"
_SHADE = "#F4F4F4"
_LIMIT = "#B2182B"
_INSEPARABLE = re.compile(r"(?<=\d) (?=\S)|(?<=block) (?=\d)")
"""The space between a number and its unit, a block and its number: no line ends there."""

_DASHES: tuple[tuple[int, Any], ...] = ((0, (6, 2)), (0, (2, 2)))

_STYLE: list[Any] = [
    "default",
    {
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans", "Verdana", "Bitstream Vera Sans"],
        "font.size": SMALLEST,
        "text.parse_math": False,
        "text.hinting": "none",
        "axes.labelcolor": _GREY,
        "axes.labelsize": SMALLEST,
        "axes.edgecolor": "#999999",
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "grid.color": "#DDDDDD",
        "grid.linewidth": 0.6,
        "xtick.color": _GREY,
        "ytick.color": _GREY,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "xtick.labelsize": SMALLEST,
        "ytick.labelsize": SMALLEST,
        "hatch.linewidth": 0.5,
        "legend.fontsize": SMALLEST,
        "legend.frameon": False,
        "svg.hashsalt": "vgg-profile",
        "svg.fonttype": "none",  # text stays text; those three are as wide as each other
        "pdf.fonttype": 42,
    },
]


class PictureAxes(Axes):
    """Axes that a notebook shows as their whole picture."""

    def _repr_png_(self) -> bytes:
        file = BytesIO()
        self.figure.savefig(file, format="png", dpi=100)  # type: ignore[union-attr]
        return file.getvalue()


def to_bytes(figure: Figure, format: str) -> bytes:  # noqa: A002 - the word that users know
    """A figure as a file of one of ``FORMATS``; the same bytes each time."""
    file = BytesIO()
    with _styled():
        draw(figure).savefig(file, format=format, dpi=_DPI, metadata=_metadata(figure, format))
    return file.getvalue()


def _metadata(figure: Figure, format: str) -> dict[str, Any]:  # noqa: A002
    """Title and description for who cannot see the picture; no date and no random id."""
    match format:
        case "svg":
            return {"Title": figure.title, "Description": figure.alt, "Creator": "vgg-profile", "Date": None}
        case "png":
            return {"Title": figure.title, "Description": figure.alt, "Software": "vgg-profile"}
        case _:
            return {
                "Title": figure.title,
                "Subject": figure.alt,
                "Creator": "vgg-profile",
                "CreationDate": None,
            }


def to_axes(figure: Figure, axes: Axes | None = None) -> Axes:
    """A figure's axes to build on; of several panels the first, the others are ``axes.figure.axes``.

    With ``axes``, the first panel is drawn there.
    """
    if axes is None:
        return draw(figure).axes[0]
    panel = figure.panels[0]
    canvas = axes.figure.canvas.figure
    # hinted as it will be when its owner draws it, for texts to be as high then as they are now
    with _styled({"text.hinting": matplotlib.rcParams["text.hinting"]}):
        _draw_panel(axes, panel)
        canvas.draw_without_rendering()  # a layout may move them
        width = axes.get_window_extent().width / canvas.dpi
        has_names_above = any(band.text for band in panel.bands)
        heading = axes.set_title("X", loc="left", fontsize=10, pad=20 if has_names_above else 6)
        line = _inches(heading).height
        heading.set_text(_broken(heading, figure.title, width))
        label = axes.xaxis.label
        label.set_text(_broken(label, label.get_text(), width))
        above, below = _inches(heading).height - line, max(0.0, _inches(label).height - line)
        if handles := list(_handles([panel])):
            lowest = axes.xaxis.get_tightbbox()
            assert lowest is not None
            down = (axes.get_window_extent().y0 - lowest.y0) / canvas.dpi + 0.07
            under = axes.transAxes + ScaledTranslation(0, -down, canvas.dpi_scale_trans)
            legend = _legend(axes, handles, width, bbox_transform=under)
            below += _inches(legend).height + 0.07
        if canvas.get_layout_engine() is None:  # take the room from the axes, as a colour bar does
            left, bottom, wide, tall = axes.get_position().bounds
            below, above = (each / canvas.get_figheight() for each in (below, above))
            rest = max(tall - below - above, tall / 4)
            axes.set_position((left, bottom + tall - above - rest, wide, rest))
        canvas.draw_without_rendering()
        _make_room(axes, panel)
        _thin(axes)
    return axes


@contextmanager
def _styled(*more: dict[str, Any]) -> Iterator[None]:
    """Our style, whatever the user's; a letter that the font lacks shows as a box, without a warning."""
    with matplotlib.style.context([*_STYLE, *more]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")
        yield


def draw(figure: Figure) -> Canvas:
    """A figure as matplotlib has it, laid out, to be saved or built on."""
    with _styled():
        rows = [
            figure.panels[at : at + figure.columns] for at in range(0, len(figure.panels), figure.columns)
        ]
        heights = [max(map(_height, row)) for row in rows]
        canvas = Canvas(figsize=(WIDTH, sum(heights) + 1), dpi=_DPI)
        FigureCanvasAgg(canvas)
        header = _Column(canvas)
        header.write(figure.title, size=12.5, weight="bold", color=INK)
        header.write(figure.subtitle, size=9.5, color=_GREY)
        header.legend(list(_handles(figure.panels)))
        footer = _Column(canvas)
        footer.write(figure.footer, size=SMALLEST, color=_GREY)

        top, bottom = header.height + 2 * _MARGIN, footer.height + 1.5 * _MARGIN
        height = top + sum(heights) + _LABELS * len(rows) + bottom
        canvas.set_size_inches(WIDTH, height)
        header.place(height - _MARGIN)
        footer.place(bottom - _MARGIN / 2)
        canvas.set_layout_engine(
            "constrained",
            rect=(
                _MARGIN / WIDTH,
                bottom / height,
                1 - 2 * _MARGIN / WIDTH,
                1 - (top + bottom) / height,
            ),
            h_pad=0.02,
            w_pad=0.02,
            hspace=0.06,
            wspace=0.04,
        )
        grid = canvas.add_gridspec(len(rows), figure.columns, height_ratios=heights)
        for number, panel in enumerate(figure.panels):
            row, column = divmod(number, figure.columns)
            axes = canvas.add_subplot(grid[row, column], axes_class=PictureAxes)
            _draw_panel(axes, panel, is_named=column == 0 or not panel.sideways)
        canvas.draw_without_rendering()
        for axes, panel in zip(canvas.axes, figure.panels, strict=True):
            _make_room(axes, panel)
        if figure.has_one_scale:
            reach = max(axes.get_xlim()[1] for axes in canvas.axes)
            for axes in canvas.axes:
                axes.set_xlim(0, reach)
        canvas.draw_without_rendering()
        canvas.set_layout_engine("none")
        for axes in canvas.axes:
            # the layout's last digits differ from run to run
            left, bottom_, width, tall = (round(edge, 4) for edge in axes.get_position().bounds)
            axes.set_position((left, bottom_, width, tall))
            _thin(axes)
        return canvas


def _height(panel: Panel) -> float:
    """Inches of a panel's data."""
    if not panel.sideways:
        return panel.height
    return min(_MOST_BARS_HIGH, _BAR * len(panel.names) + 0.1)


# -- one panel


def _draw_panel(axes: Axes, panel: Panel, *, is_named: bool = True) -> None:
    """Bands, series, limits, points, and the two axes of one panel."""
    scale = panel.unit.scale
    for band in panel.bands:
        if band.is_shaded:
            shade = axes.axhspan if panel.sideways else axes.axvspan
            shade(band.start, band.stop, color=_SHADE, linewidth=0, zorder=0)
    tops: list[float] = []
    for style, members in groupby(panel.series, key=lambda series: series.style):
        base = [0.0] * max(len(series.x) for series in panel.series)
        for series in members:
            values = [value / scale for value in series.y]
            base = _DRAW[style](axes, series, values, base, panel.sideways)
            tops += base if style in (Style.BARS, Style.AREAS) else values
    for limit, dashes in zip(panel.limits, _DASHES, strict=False):
        line = axes.axvline if panel.sideways else axes.axhline
        line(limit.value / scale, color=_LIMIT, linewidth=1.4, linestyle=dashes, zorder=4)
        tops.append(limit.value / scale)
    _axes(axes, panel, tops, is_named)
    for point in panel.points:
        axes.plot([point.x], [point.y / scale], zorder=6, clip_on=False, **_POINT)


def _bars(axes: Axes, series: Series, values: list[float], base: list[float], sideways: bool) -> list[float]:
    look: dict[str, Any] = {"color": series.colour, "edgecolor": "white", "linewidth": 0.4, "zorder": 2}
    if sideways:
        axes.barh(series.x, values, 0.72, left=base, **look)
    else:
        axes.bar(series.x, values, 0.72, bottom=base, **look)
    return [below + value for below, value in zip(base, values, strict=True)]


def _areas(axes: Axes, series: Series, values: list[float], base: list[float], sideways: bool) -> list[float]:
    top = [below + value for below, value in zip(base, values, strict=True)]
    there = [any(values[max(place - 1, 0) : place + 2]) for place in range(len(values))]
    axes.fill_between(series.x, base, top, where=there, color=series.colour, linewidth=0.5, zorder=2)
    return top


def _line(axes: Axes, series: Series, values: list[float], base: list[float], sideways: bool) -> list[float]:
    axes.plot(series.x, values, color=series.colour, linewidth=1.6, zorder=3, solid_joinstyle="round")
    return base


def _dots(axes: Axes, series: Series, values: list[float], base: list[float], sideways: bool) -> list[float]:
    axes.plot(series.x, values, clip_on=False, zorder=5, **_dot(series.colour))
    return base


def _dot(colour: str) -> dict[str, Any]:
    return {
        "linestyle": "none",
        "marker": "o",
        "markersize": 2.8,
        "markerfacecolor": "white",
        "markeredgecolor": colour,
        "markeredgewidth": 0.8,
    }


def _ticks(axes: Axes, series: Series, values: list[float], base: list[float], sideways: bool) -> list[float]:
    lower, upper = ([place + side for place in series.x] for side in (-0.36, 0.36))
    strokes = axes.vlines if sideways else axes.hlines
    strokes(values, lower, upper, color=series.colour, linewidth=1.8, zorder=4)
    return base


_POINT: dict[str, Any] = {"marker": "o", "markersize": 6, "color": _LIMIT, "markeredgecolor": "white"}

_DRAW = {
    Style.BARS: _bars,
    Style.AREAS: _areas,
    Style.LINE: _line,
    Style.DOTS: _dots,
    Style.TICKS: _ticks,
}


def _axes(axes: Axes, panel: Panel, tops: Sequence[float], is_named: bool) -> None:
    """Labels, ticks and limits of both axes."""
    label = f"{panel.value_label} ({panel.unit.name})" if panel.unit.name else panel.value_label
    places = [place for series in panel.series for place in series.x]
    across, value = (axes.yaxis, axes.xaxis) if panel.sideways else (axes.xaxis, axes.yaxis)
    value.set_label_text(label)
    value.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10], integer=panel.unit.scale == 1))
    for axis in (value, across):
        axis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:,.10g}"))
    axes.grid(axis="x" if panel.sideways else "y", zorder=1)
    across.set_label_text(panel.place_label)
    if panel.names:
        across.set_ticks(
            [place for place, _ in panel.names], [name for _, name in panel.names], parse_math=False
        )
        across.set_tick_params(length=0)
    elif panel.bands:
        across.set_ticks([])
    else:
        across.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10], integer=True))
    lowest, highest = min([0.0, *tops]), max([0.0, *tops])
    if lowest == highest:
        lowest, highest = -1.0, 1.0
    headroom = 0.0 if panel.sideways else 0.09 * (highest - lowest)
    bottom = lowest - headroom if lowest < 0 else lowest
    if panel.sideways:
        across.set_tick_params(labelleft=is_named)
        axes.spines.left.set_visible(False)
        axes.set_xlim(bottom, max(highest * 1.02, panel.reach / panel.unit.scale))
        axes.set_ylim(max(places) + 0.5, min(places) - 0.5)
    else:
        axes.set_ylim(bottom, highest + headroom)
        edges = [edge for band in panel.bands for edge in (band.start, band.stop)]
        first, last = min([*places, *edges]), max([*places, *edges])
        axes.set_xlim(first - (first == last), last + (first == last))
    for band in sorted(panel.bands, key=lambda band: band.start - band.stop):
        if band.text:
            axes.text(
                (band.start + band.stop) / 2,
                1.01,
                band.text,
                transform=axes.get_xaxis_transform(),
                ha="center",
                va="bottom",
                color=_GREY,
            )


_PLACES = tuple((away, up) for away in (7, 20, 35, 50, 70, 90) for up in (4, -4))
"""Where a point's name may stand, in points from it; the first that is free is taken."""


def _make_room(axes: Axes, panel: Panel) -> None:
    """Write what needs to know how wide the axes are: the ends of bars, the names of points."""
    if panel.ends:
        _write_ends(axes, panel)
    for point in panel.points:
        _write_name(axes, panel, point)


def _write_name(axes: Axes, panel: Panel, point: Point) -> None:
    """A point's text, towards the middle of the axes: on no line if it can be, at least on no limit."""
    scale = panel.unit.scale
    left, right = axes.get_xlim()
    is_right = point.x > (left + right) / 2
    text = axes.annotate(
        point.text,
        (point.x, point.y / scale),
        (0, 0),
        textcoords="offset points",
        ha="right" if is_right else "left",
        color=INK,
        weight="bold",
        zorder=7,
        parse_math=False,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5},
    )
    curves = [list(zip(each.x, each.y, strict=True)) for each in panel.series if each.style is Style.LINE]
    limits = [[(edge, limit.value) for edge in (left, right)] for limit in panel.limits]
    inside = axes.get_window_extent()

    def stand(away: int, up: int) -> Bbox:
        text.set_position((-away if is_right else away, up))
        text.set_verticalalignment("bottom" if up > 0 else "top")
        return text.get_window_extent().padded(2)

    for points in ([*curves, *limits], limits, []):
        lines = [Path(axes.transData.transform([(x, y / scale) for x, y in line])) for line in points]
        for away, up in _PLACES:
            box = stand(away, up)
            is_inside = (
                inside.x0 <= box.x0 and box.x1 <= inside.x1 and inside.y0 <= box.y0 < box.y1 <= inside.y1
            )
            if is_inside and not any(line.intersects_bbox(box, filled=False) for line in lines):
                return
    stand(*_PLACES[0])


def _write_ends(axes: Axes, panel: Panel) -> None:
    """What stands at the ends of bars, clear of every line; the axes are widened until all have a place."""
    scale = panel.unit.scale
    ends = [0.0] * len(panel.ends)
    lines: list[list[float]] = [[limit.value / scale for limit in panel.limits] for _ in ends]
    for series in panel.series:
        for place, value in zip(series.x, series.y, strict=True):
            if series.style is Style.BARS:
                ends[round(place)] += value / scale
            else:
                lines[round(place)].append(value / scale)
    look: dict[str, Any] = {"textcoords": "offset points", "va": "center_baseline", "zorder": 7}
    texts = [
        axes.annotate(text, (end, place), (4, 0), color=INK, parse_math=False, **look)
        for place, (text, end) in enumerate(zip(panel.ends, ends, strict=True))
    ]
    width = axes.get_window_extent().width
    gap = 8 * axes.figure.dpi / 72
    widths = [text.get_window_extent().width + gap for text in texts]
    reach = axes.get_xlim()[1]
    for _ in range(4):  # wider axes bring lines nearer to the bars
        for number, wide in enumerate(widths):
            for line in sorted(lines[number]):
                if ends[number] <= line <= ends[number] + wide * reach / width:
                    ends[number] = line
        room = (end * width / max(width - wide, width / 5) for end, wide in zip(ends, widths, strict=True))
        reach = max(reach, *room)
    for place, (text, end) in enumerate(zip(texts, ends, strict=True)):
        text.xy = (end, place)
    axes.set_xlim(0, float(f"{1.001 * reach:.4g}"))


def _thin(axes: Axes) -> None:
    """Hide the labels that would lie on one that stands already; the widest bands are named first."""
    for labels in (axes.get_xticklabels(), axes.get_yticklabels(), axes.texts):
        taken: list[Bbox] = []
        for label in filter(Text.get_text, labels):
            box = label.get_window_extent()
            if any(box.overlaps(other) for other in taken):
                label.set_visible(False)
            else:
                taken.append(box)


# -- the header and the footer


class _Column:
    """Lines of text and a legend, one below the other, each as wide as the canvas and as high as it needs."""

    def __init__(self, canvas: Canvas) -> None:
        self.canvas = canvas
        self.parts: list[tuple[Artist, float]] = []

    @property
    def height(self) -> float:
        """Inches."""
        return sum(height for _, height in self.parts)

    def write(self, text: str, **look: Any) -> None:
        """A paragraph, its lines broken where they must be."""
        if text:
            artist = self.canvas.text(0, 0, text, va="top", ha="left", linespacing=1.25, **look)
            artist.set_text(_broken(artist, text, WIDTH - 2 * _MARGIN))
            self.parts.append((artist, _inches(artist).height + 0.07))

    def legend(self, handles: Sequence[Artist]) -> None:
        """A legend, if there is anything to put into it."""
        if handles:
            legend = _legend(self.canvas, handles, WIDTH - 2 * _MARGIN)
            self.parts.append((legend, _inches(legend).height + 0.07))

    def place(self, top: float) -> None:
        """Put everything in its place, from ``top`` inches downwards."""
        width, height = self.canvas.get_size_inches()
        for artist, tall in self.parts:
            where = (_MARGIN / width, top / height)
            if isinstance(artist, Text):
                artist.set_position(where)
            else:
                artist.set_bbox_to_anchor(where, transform=self.canvas.transFigure)  # type: ignore[attr-defined]
            top -= tall


def _legend(owner: Canvas | Axes, handles: Sequence[Artist], width: float, **look: Any) -> Legend:
    """A legend of as many columns as there is room for, its words broken where one alone is too wide."""
    for columns in range(len(handles), 0, -1):
        legend = owner.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(0, 0),
            ncols=columns,
            borderpad=0,
            borderaxespad=0,
            handlelength=1.3,
            columnspacing=1.4,
            handletextpad=0.5,
            **look,
        )
        if _inches(legend).width <= width:
            return legend
        if columns > 1:
            legend.remove()
    for text in legend.get_texts():
        text.set_text(_broken(text, text.get_text(), width - 0.3))
    return legend


def _inches(artist: Any) -> Bbox:
    """Where an artist is, in inches."""
    return Bbox(artist.get_window_extent().get_points() / artist.figure.dpi)


def _broken(artist: Text, text: str, width: float) -> str:
    """The text in lines of at most so many inches; a word longer than a line is broken."""

    def fits(line: str) -> bool:
        artist.set_text(line)
        return bool(_inches(artist).width <= width)

    def lines() -> Iterator[str]:
        line = ""
        for word in _INSEPARABLE.sub("\N{NO-BREAK SPACE}", text).split(" "):
            longer = f"{line} {word}" if line else word
            if fits(longer):
                line = longer
                continue
            if line:
                yield line
            while not fits(word):
                cut = next(n for n in range(len(word) - 1, 0, -1) if n == 1 or fits(word[:n]))
                yield word[:cut]
                word = word[cut:]
            line = word
        yield line

    return "\n".join(lines())


def _handles(panels: Iterable[Panel]) -> Iterator[Artist]:
    """The legend: every series and limit that the axes' labels do not name already."""
    for panel in panels:
        if len(panel.series) > 1:
            for series in panel.series:
                yield _handle(series)
        for limit, dashes in zip(panel.limits, _DASHES, strict=False):
            yield Line2D([], [], color=_LIMIT, linewidth=1.4, linestyle=dashes, label=limit.label)


def _handle(series: Series) -> Artist:
    match series.style:
        case Style.BARS | Style.AREAS:
            return Patch(facecolor=series.colour, label=series.label)
        case Style.LINE:
            return Line2D([], [], color=series.colour, linewidth=1.6, label=series.label)
        case Style.DOTS:
            return Line2D([], [], label=series.label, **_dot(series.colour))
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
