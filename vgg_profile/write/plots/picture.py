"""A whole picture: header, panels and footer laid out from measured text, and saved.

Nothing is cut off and nothing overlaps, whatever the names and however many layers.
"""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from matplotlib.transforms import ScaledTranslation

from vgg_profile.core.figures import Figure, Panel
from vgg_profile.write.plots.labels import write_labels
from vgg_profile.write.plots.legend import add_legend
from vgg_profile.write.plots.lettering import GAP, Stack, break_lines, inches, thin
from vgg_profile.write.plots.panel import draw_panel, legible
from vgg_profile.write.plots.style import (
    DARK,
    DPI,
    LIGHT,
    MARGIN,
    SIZES,
    SMALLEST,
    Size,
    Theme,
    styled,
    themed,
)

_LABELS = 0.55
"""Inches below a row of panels, for the labels of its axes."""

_APART = 0.32
"""Inches between the texts of neighbouring panels: a number of one is no digit of the next one's."""

_BAR = 0.215
_MOST_BARS_HIGH = 14.0
"""Inches of one bar that runs to the right, and the most of all of them."""


# -- files


def to_bytes(
    figure: Figure,
    format: str,  # noqa: A002 - the word that users know
    size: str = "page",
    *,
    dark: bool = False,
) -> bytes:
    """A figure as a file, ``svg``, ``png``, ``pdf`` or whatever matplotlib writes; the same bytes each time.

    ``size`` is one of ``SIZES``. Raises ``ValueError`` for a format that matplotlib does not write.
    """
    return save(figure, format, size, DARK if dark else LIGHT)


def save(figure: Figure, format: str, size: str, theme: Theme) -> bytes:  # noqa: A002
    """A figure as a file in the colours of a theme."""
    file = BytesIO()
    with styled(theme):
        canvas = draw(figure, size, theme)
        canvas.savefig(file, format=format, dpi=DPI, metadata=_metadata(figure, format))
        canvas.clear()  # its parts hold each other, until somebody collects them
    return file.getvalue()


def _metadata(figure: Figure, format: str) -> dict[str, Any]:  # noqa: A002
    """Title and description, for readers who cannot see the picture; no date and no random id."""
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


class PictureAxes(Axes):
    """Axes that a notebook shows as their whole picture."""

    def _repr_png_(self) -> bytes:
        file = BytesIO()
        self.figure.savefig(file, format="png", dpi=100)  # type: ignore[union-attr]
        return file.getvalue()


# -- a canvas of its own


def draw(figure: Figure, size: str = "page", theme: Theme = LIGHT) -> Canvas:
    """A figure as matplotlib has it, laid out on a canvas of one of ``SIZES``, to be saved or built on."""
    figure = replace(figure, panels=tuple(themed(legible(panel), theme) for panel in figure.panels))
    with styled(theme):
        canvas = Canvas(figsize=(SIZES[size].width, 1), dpi=DPI)
        FigureCanvasAgg(canvas)
        _lay_out(canvas, figure, SIZES[size], theme)
        for number, (axes, panel) in enumerate(zip(canvas.axes, figure.panels, strict=True)):
            draw_panel(axes, panel, theme, is_named=number % figure.columns == 0 or not panel.sideways)
        layout = canvas.get_layout_engine()
        assert layout is not None
        layout.execute(canvas)  # it gives the axes their places
        for axes, panel in zip(canvas.axes, figure.panels, strict=True):
            write_labels(axes, panel, theme)
        layout.execute(canvas)
        canvas.set_layout_engine("none")
        for axes in canvas.axes:
            # the layout's last digits differ from run to run
            left, bottom, width, height = (round(edge, 4) for edge in axes.get_position().bounds)
            axes.set_position((left, bottom, width, height))
            thin(axes)
        return canvas


def _lay_out(canvas: Canvas, figure: Figure, size: Size, theme: Theme) -> None:
    """Write the header and the footer, and put a grid of empty axes between them."""
    heights = [
        max(map(_height, figure.panels[at : at + figure.columns]))
        for at in range(0, len(figure.panels), figure.columns)
    ]
    header, footer = Stack(canvas), Stack(canvas)
    header.write(figure.title, size=12.5, weight="bold", color=theme.ink)
    header.write(figure.subtitle, size=9.5, color=theme.grey)
    header.add(add_legend(canvas, figure.panels, size.width - 2 * MARGIN, theme))
    footer.write(figure.footer, size=SMALLEST, color=theme.grey)

    top, bottom = header.height + 2 * MARGIN, footer.height + 1.5 * MARGIN
    height = size.height or top + sum(heights) + _LABELS * len(heights) + bottom
    canvas.set_size_inches(size.width, height)
    header.place(height - MARGIN)
    footer.place(bottom - MARGIN / 2)
    side = MARGIN / size.width
    canvas.set_layout_engine(
        "constrained",
        rect=(side, bottom / height, 1 - 2 * side, 1 - (top + bottom) / height),
        h_pad=0.02,
        w_pad=0.02,
        hspace=0.06,
        wspace=_APART * figure.columns / size.width,  # matplotlib divides it by the columns
    )
    grid = canvas.add_gridspec(len(heights), figure.columns, height_ratios=heights)
    for number in range(len(figure.panels)):
        canvas.add_subplot(grid[divmod(number, figure.columns)], axes_class=PictureAxes)


def _height(panel: Panel) -> float:
    """Inches of a panel's data."""
    if not panel.sideways:
        return panel.height
    return min(_MOST_BARS_HIGH, _BAR * len(panel.names) + 0.1)


# -- somebody's axes


def to_axes(figure: Figure, axes: Axes | None = None) -> Axes:
    """A figure's axes to build on; of several panels the first, the others are ``axes.figure.axes``.

    With ``axes``, the first panel is drawn there.
    """
    if axes is None:
        return draw(figure).axes[0]
    panel = themed(legible(figure.panels[0]), LIGHT)
    canvas = axes.figure.canvas.figure
    # hinted as it will be when its owner draws it, for texts to be as high then as they are now
    with styled(**{"text.hinting": matplotlib.rcParams["text.hinting"]}):
        draw_panel(axes, panel, LIGHT)
        canvas.draw_without_rendering()  # a layout may move them
        width = inches(axes).width
        above = _add_title(axes, figure.title, panel, width)
        below = _break_label(axes, width) + _add_legend_below(axes, panel, width)
        if canvas.get_layout_engine() is None:
            _shrink(axes, above, below)
        canvas.draw_without_rendering()
        write_labels(axes, panel, LIGHT)
        thin(axes)
    return axes


def _add_title(axes: Axes, title: str, panel: Panel, width: float) -> float:
    """A title as wide as the axes; the inches that it needs beyond one line."""
    has_names_above = any(band.text for band in panel.bands)
    heading = axes.set_title("X", loc="left", fontsize=10, pad=20 if has_names_above else 6)
    line = inches(heading).height
    break_lines(heading, title, width)
    return inches(heading).height - line


def _break_label(axes: Axes, width: float) -> float:
    """A label as wide as the axes; the inches that it needs beyond one line."""
    label = axes.xaxis.label
    line = inches(label).height
    break_lines(label, label.get_text(), width)
    return max(0.0, inches(label).height - line)


def _add_legend_below(axes: Axes, panel: Panel, width: float) -> float:
    """A legend under the axes' label; the inches that it needs."""
    lowest = axes.xaxis.get_tightbbox()
    assert lowest is not None
    scale = axes.figure.dpi_scale_trans
    down = inches(axes).y0 - lowest.transformed(scale.inverted()).y0 + GAP
    under = axes.transAxes + ScaledTranslation(0, -down, scale)
    legend = add_legend(axes, [panel], width, LIGHT, bbox_transform=under)
    return inches(legend).height + GAP if legend else 0.0


def _shrink(axes: Axes, above: float, below: float) -> None:
    """Take the room for texts from the axes, in inches, as a colour bar does."""
    height = inches(axes.figure).height
    left, bottom, width, tall = axes.get_position().bounds
    above, below = above / height, below / height
    rest = max(tall - below - above, tall / 4)
    axes.set_position((left, bottom + tall - above - rest, width, rest))
