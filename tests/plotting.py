"""Figures to draw and to look at: every kind of result, and the marks of what is drawn."""

from __future__ import annotations

from functools import cache
from itertools import combinations
from pathlib import Path
from unittest import mock

import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure as Canvas
from matplotlib.text import Text

from vgg_profile.ask.cards import memory
from vgg_profile.ask.compare import Comparison
from vgg_profile.ask.fit import DEFAULT_RESERVE, Fit
from vgg_profile.ask.sweep import Sweep, sweep
from vgg_profile.check.crosscheck import crosscheck, overlay
from vgg_profile.check.results import Checks, Overlay
from vgg_profile.check.subject import profile_for
from vgg_profile.core.figures import Figure, Series, Style
from vgg_profile.core.setting import Setup
from vgg_profile.core.step import Step
from vgg_profile.core.tree import Profile
from vgg_profile.describe.figures import KINDS
from vgg_profile.measure.reading import load
from vgg_profile.measure.record import Measurement
from vgg_profile.predict.steps import ledger
from vgg_profile.predict.vgg.configs import config, from_dict
from vgg_profile.predict.vgg.walk import walk
from vgg_profile.write.plots import SMALLEST
from vgg_profile.write.plots.lettering import inches
from vgg_profile.write.plots.style import contrast

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "reports" / "measured"
RECORD = FOLDER / "D-cpu.json"
NETS = {
    "D": "D",
    "D-BN": "D-BN",
    "tiny": "8,M,16,M",
    "one layer": "8,",
    "60 layers": ",".join([*["64", "64", "M"] * 3, *["64"] * 54]),
    "300 layers": ",".join(["8"] * 300),
}


EVERY = [
    pytest.param(kind, result, id=f"{kind} of a {result.__name__}")
    for kind, of in KINDS.items()
    for result in of
]


@cache
def subject(result: type, net: str = "D", optimizer: str = "adam") -> object:
    """A result of a type, of one of the networks."""
    if result in (Checks, Measurement, Overlay):
        record = load(RECORD)
        net_of_it = from_dict(record.subject["config"])
        checks = crosscheck(profile_for(net_of_it, record), record)
        made = (record, checks, overlay(net_of_it, record))
        return next(each for each in made if type(each) is result)
    if result is Sweep:
        return sweep(
            config(NETS[net]), inputs=(32, 64, 96), batches=range(1, 9), optimizers=("sgd", optimizer)
        )
    if result is Comparison:
        return Comparison(tuple(walk(each) for each in "ABDE"), Setup())
    profile = walk(NETS[net], batch=2, input=32 if net == "300 layers" else None)
    if result is Profile:
        return profile
    step = ledger(profile, Setup(optimizer=optimizer))
    return step if result is Step else Fit(step, memory("8GiB"), (DEFAULT_RESERVE["cpu"],))


def series(figure: Figure, panel: int = 0, style: Style = Style.BARS) -> list[Series]:
    return [each for each in figure.panels[panel].series if each.style is style]


def only(figure: Figure, panel: int = 0, style: Style = Style.BARS) -> list[float]:
    """The numbers of a panel's one series of that style."""
    (found,) = series(figure, panel, style)
    return list(found.y)


# -- nothing clipped, nothing overlapping, nothing too small

APART = 3
"""Points between two texts on one line, at least: more than a space, or they are read as one."""


def drawn(canvas: Canvas) -> list[Text]:
    """Every text that is really drawn; matplotlib keeps others, such as ticks beyond the axes.

    A canvas of which nothing has changed since is not drawn again.
    """
    if not canvas.stale and hasattr(canvas, "texts_drawn"):
        return list(canvas.texts_drawn)
    texts: list[Text] = []
    draw_text = Text.draw

    def keep(text: Text, renderer: object) -> None:
        if text.get_visible() and text.get_text().strip():
            texts.append(text)
        draw_text(text, renderer)

    with mock.patch.object(Text, "draw", keep):
        canvas.draw_without_rendering()
    canvas.texts_drawn = texts  # type: ignore[attr-defined]
    return texts


def faults(canvas: Canvas) -> list[str]:
    """Every text that leaves the canvas, lies on another or touches it, or is too small to read."""
    texts = drawn(canvas)
    assert texts
    width, height = canvas.get_size_inches() * canvas.dpi
    found = []
    for text in texts:
        box = text.get_window_extent()
        if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height:
            found.append(f"clipped: {text.get_text()}")
        if text.get_fontsize() < SMALLEST:
            found.append(f"small: {text.get_text()}")
    apart = APART / 2 * canvas.dpi / 72
    boxes = [(text.get_text(), text.get_window_extent().padded(apart, -1)) for text in texts]
    found += [f"overlap: {a} / {b}" for (a, one), (b, other) in combinations(boxes, 2) if one.overlaps(other)]
    return found


def crossed(canvas: Canvas) -> list[str]:
    """Every text at a bar or a point whose ground touches a limit, a curve or a tick of another figure."""
    drawn(canvas)
    found = []
    for axes in canvas.axes:
        lines = [
            (line.get_transform().transform_path(line.get_path()), line.get_linewidth())
            for line in axes.lines
            if line.get_linestyle() != "None"
        ]
        for ticks in axes.collections:
            if isinstance(ticks, LineCollection):
                lines += [(ticks.get_transform().transform_path(path), 0) for path in ticks.get_paths()]
        for text in filter(Text.get_visible, axes.texts):
            ground = (text.get_bbox_patch() or text).get_window_extent()
            for line, wide in lines:
                if line.intersects_bbox(ground.padded(wide / 2 * canvas.dpi / 72), filled=False):
                    found.append(text.get_text())
    return found


def close(canvas: Canvas, least: float = 0.25) -> list[str]:
    """Every two texts of different panels on one line that are less than so many inches apart."""
    owner = {text: axes for axes in canvas.axes for text in axes.findobj(Text)}
    shown = [(owner[text], inches(text)) for text in drawn(canvas) if text in owner]
    found = []
    for (one, left), (other, right) in combinations(shown, 2):
        is_on_one_line = left.y0 < right.y1 and right.y0 < left.y1
        gap = max(left.x0, right.x0) - min(left.x1, right.x1)
        if one is not other and is_on_one_line and gap < least:
            found.append(f"{gap:.2f} inches at {max(left.x0, right.x0):.1f}, {left.y0:.1f}")
    return found


def pale(canvas: Canvas) -> list[str]:
    """Every text whose contrast with its ground is below 4.5, and every line below 3; a grid may be faint.

    Each text must stand out from the paper and from the shade of bands, wherever it is.
    """
    shades = {each.get_facecolor() for axes in canvas.axes for each in axes.patches if each.get_zorder() == 0}
    paper = to_hex(canvas.get_facecolor())
    found = []
    for text in drawn(canvas):
        grounds = [paper, *map(to_hex, shades)]
        if any(contrast(to_hex(text.get_color()), each) < 4.5 for each in grounds):
            found.append(f"text: {text.get_text()}")
    for axes in canvas.axes:
        spines = [each.get_edgecolor() for each in axes.spines.values() if each.get_visible()]
        lines = [each.get_color() for each in axes.lines if each.get_linestyle() != "None"]
        dots = [each.get_markeredgecolor() for each in axes.lines if each.get_marker() == "o"]
        dots = [each for each in dots if to_hex(each) != paper]  # the rim of a point
        strokes = [each.get_edgecolor()[0] for each in axes.collections if isinstance(each, LineCollection)]
        for colour in (*spines, *lines, *dots, *strokes):
            if contrast(to_hex(colour), paper) < 3:
                found.append(f"line: {to_hex(colour)}")
    return found


def of_a_card(have: str) -> Fit:
    step = ledger(walk("D", batch=2, device="cuda"), Setup(optimizer="adam"))
    return Fit(step, memory(have), (DEFAULT_RESERVE["cuda"],))
