"""Pictures are legible: nothing is clipped, overlaps, or is too small."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure as Canvas
from matplotlib.text import Text
from plotting import EVERY, FOLDER, NETS, RECORD, close, crossed, faults, of_a_card, pale, subject
from turns import by_turns

from vgg_profile.ask.cards import memory
from vgg_profile.ask.compare import Comparison
from vgg_profile.ask.fit import DEFAULT_RESERVE, Fit
from vgg_profile.ask.sweep import Sweep, sweep
from vgg_profile.check.crosscheck import overlay
from vgg_profile.check.results import Overlay
from vgg_profile.core.figures import Band, Figure
from vgg_profile.core.setting import Setup
from vgg_profile.core.step import Step
from vgg_profile.core.tree import Profile
from vgg_profile.describe.figures import KINDS, depict
from vgg_profile.describe.figures.seconds import MOST_SHOWN
from vgg_profile.measure.reading import load
from vgg_profile.predict.steps import ledger
from vgg_profile.predict.vgg.configs import from_dict
from vgg_profile.predict.vgg.walk import walk
from vgg_profile.write.plots import SIZES, WIDTH, draw, to_bytes
from vgg_profile.write.plots.lettering import break_lines, inches
from vgg_profile.write.plots.panel import CROWD, legible
from vgg_profile.write.plots.style import DARK, LIGHT, Theme, contrast

OF_A_PROFILE = [kind for kind, of in KINDS.items() if Profile in of]


@pytest.mark.parametrize("kind", OF_A_PROFILE)
@pytest.mark.parametrize("net", ["D-BN", "tiny", "one layer"])
def test_a_profile_is_legible(net: str, kind: str) -> None:
    assert faults(draw(depict(subject(Profile, net), kind))) == []


@pytest.mark.parametrize("kind", ["memory", "shares"])
@pytest.mark.parametrize("net", ["60 layers", "300 layers"])
def test_a_deep_network_is_legible(net: str, kind: str) -> None:
    assert faults(draw(depict(subject(Profile, net), kind))) == []


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize(("kind", "result"), [("timeline", Step), ("batch", Fit)], ids=["timeline", "batch"])
def test_a_step_is_legible(net: str, kind: str, result: type) -> None:
    assert faults(draw(depict(subject(result, net), kind))) == []


@pytest.mark.parametrize("kind", ["timeline", "batch"])
@pytest.mark.parametrize("net", ["D", "tiny"])
def test_a_step_without_an_optimizer_is_legible(net: str, kind: str) -> None:
    assert faults(draw(depict(subject(Step, net, "none"), kind))) == []


@pytest.mark.parametrize("record", ["D-adam-cpu", "D-amp-cpu", "D-checkpoint-cpu", "E-BN-cpu"])
def test_other_steps_are_legible(record: str) -> None:
    measurement = load(RECORD.with_name(f"{record}.json"))
    curve = overlay(from_dict(measurement.subject["config"]), measurement)
    for kind in ("timeline", "check"):
        assert faults(draw(depict(curve, kind))) == []


THEMES = {"light": LIGHT, "dark": DARK}
LOOKS = by_turns(SIZES, THEMES)
"""Each size, always in one theme, for what stands where is the same in both."""


@pytest.mark.parametrize(("size", "theme"), LOOKS)
@pytest.mark.parametrize(("kind", "result"), EVERY)
def test_every_kind_is_legible_in_every_size_and_theme(
    kind: str, result: type, size: str, theme: str
) -> None:
    canvas = draw(depict(subject(result), kind), size, THEMES[theme])
    assert faults(canvas) == []
    assert crossed(canvas) == []
    assert close(canvas) == []
    assert pale(canvas) == []
    width, height = canvas.get_size_inches()
    assert (width, height if size != "page" else None) == SIZES[size]


@pytest.mark.parametrize(
    ("net", "size"), by_turns(["60 layers", "300 layers", "one layer"], ["slide", "square"])
)
def test_a_deep_network_is_legible_on_a_slide(net: str, size: str) -> None:
    for kind in ("memory", "shares"):
        assert faults(draw(depict(subject(Profile, net), kind), size)) == []


def test_the_bars_of_times_have_room_for_their_names_on_a_slide() -> None:
    for record in ("D-cpu", "E-BN-cpu"):
        axes = draw(depict(load(FOLDER / f"{record}.json")), "slide").axes[0]
        assert len(axes.get_yticklabels()) > MOST_SHOWN
        assert all(label.get_visible() for label in axes.get_yticklabels())


def test_a_bar_without_a_number_has_no_ground_that_covers_the_line_at_zero() -> None:
    speeds = draw(depict(load(FOLDER / "D-cpu.json"))).axes[1]
    grounds = {text.get_text(): text.get_bbox_patch() for text in speeds.texts}
    assert grounds.pop("") is None  # a pool's
    assert grounds
    assert all(grounds.values())


def test_no_ground_of_a_number_covers_the_axis_on_a_slide() -> None:
    def covered(axes: Axes) -> list[str]:
        grounds = [(text, patch) for text in axes.texts if (patch := text.get_bbox_patch())]
        floor = axes.get_window_extent().y0
        above = axes.spines.bottom.get_zorder()
        return [
            text.get_text()
            for text, patch in grounds
            if patch.get_window_extent().y0 < floor and text.get_zorder() > above
        ]

    axes = draw(depict(load(FOLDER / "D-cpu.json")), "slide").axes[0]
    assert covered(axes) == []
    axes.spines.bottom.set_zorder(2.5)  # as matplotlib has it
    assert covered(axes)


def test_the_lines_of_a_sweep_are_named_at_their_ends_and_the_memory_in_the_legend() -> None:
    have = memory("8GiB")
    canvas = draw(depict(subject(Sweep), memory=have))
    assert faults(canvas) == []
    (axes,) = canvas.axes
    names = [line.label for line in depict(subject(Sweep)).panels[0].series]
    assert sorted(text.get_text() for text in axes.texts) == sorted(names)
    assert all(text.get_visible() for text in axes.texts)
    assert [text.get_text() for text in canvas.legends[0].get_texts()] == ["8 GiB"]
    assert [line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == "--"] == [
        have.bytes / depict(subject(Sweep)).panels[0].unit.scale
    ]
    assert not draw(depict(subject(Sweep))).legends


def test_lines_that_end_together_have_their_names_apart() -> None:
    grid = sweep("8,M", inputs=range(16, 24), batches=(1, 2), optimizers=("none",))
    canvas = draw(depict(grid))
    assert faults(canvas) == []
    assert sum(text.get_visible() for text in canvas.axes[0].texts) == 8


@pytest.mark.parametrize("blocks", [CROWD, CROWD + 1])
def test_more_blocks_than_bars_can_be_told_apart_are_not_shaded(blocks: int) -> None:
    profile = walk(from_dict({"name": "deep", "layers": [1] * (CROWD + 1), "classifier": []}), input=2)
    (panel,) = depict(profile, "memory").panels
    bands = tuple(Band(place, place + 1, is_shaded=True) for place in range(blocks))
    assert len(legible(replace(panel, bands=bands)).bands) == (blocks if blocks == CROWD else 0)


def test_long_names_are_legible_and_shown_as_they_are() -> None:
    name = "<b>$x^{2}$ --> & " + "w" * 43
    config = from_dict({"name": name, "layers": [8, "M"], "classifier": []})
    profiles = (walk(config, input=16), walk("A", input=32))
    assert faults(draw(depict(Comparison(profiles, Setup())))) == []
    canvas = draw(depict(profiles[0], "memory"))
    assert faults(canvas) == []
    words = "".join(text.get_text() for text in canvas.findobj(Text)).replace("\n", "")
    assert "<b>$x^{2}$" in words
    picture = to_bytes(depict(profiles[0], "memory"), "svg")
    assert ElementTree.fromstring(picture).tag.endswith("svg")


@pytest.mark.parametrize(
    "text", ["word " * 30, "w" * 150, "a peak of 1,115.39 MiB in block 3 " * 4, "short", ""], ids=len
)
def test_lines_are_broken_to_a_width_and_no_letter_is_lost(text: str) -> None:
    canvas = Canvas(figsize=(WIDTH, 2))
    label = canvas.text(0, 0, "")
    break_lines(label, text, 2)
    assert inches(label).width <= 2
    assert re.sub(r"\s", "", label.get_text()) == re.sub(r"\s", "", text)
    lines = label.get_text().split("\n")
    assert not any(line.endswith(("39", "block")) for line in lines), "a number stands with its unit"


def test_a_text_that_is_too_wide_is_measured_so() -> None:
    canvas = Canvas(figsize=(WIDTH, 2))
    assert inches(canvas.text(0, 0, "word " * 30)).width > 2


@pytest.mark.parametrize(
    ("result", "kind"), [(Profile, "memory"), (Step, "timeline"), (Overlay, "timeline"), (Fit, "batch")]
)
def test_the_figure_that_a_result_shows_unasked(result: type, kind: str) -> None:
    assert depict(subject(result)) == depict(subject(result), kind)


def test_a_card_with_its_limits_close_together_is_legible() -> None:
    step = ledger(walk("D", batch=2, device="cuda"), Setup(optimizer="adam"))
    assert faults(draw(depict(Fit(step, memory("rtx4090"), (DEFAULT_RESERVE["cuda"],))))) == []


def test_a_pale_text_and_a_pale_line_are_found() -> None:
    for dark in (False, True):
        canvas = draw(depict(walk("8,M"), "macs"), theme=DARK if dark else LIGHT)
        assert pale(canvas) == []
        canvas.text(0.5, 0.5, "grey on grey", color="#777777" if dark else "#888888")
        canvas.axes[0].axvline(1, color="#555555" if dark else "#999999")
        assert [fault.partition(":")[0] for fault in pale(canvas)] == ["text", "line"]


def test_contrast_is_that_of_its_definition() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01), "WebAIM's well-known near miss"
    assert contrast("#FFFFFF", "#767676") == pytest.approx(4.54, abs=0.01)


def test_a_clipped_a_small_and_an_overlapping_label_are_found() -> None:
    canvas = draw(depict(walk("D"), "parameters"))
    canvas.text(0.99, 0.5, "beyond the edge")
    canvas.text(0.5, 0.012, "tiny", fontsize=5)
    canvas.text(0.02, 0.96, "on the title", va="top")
    found = faults(canvas)
    assert {fault.partition(":")[0] for fault in found} == {"clipped", "small", "overlap"}
    assert "clipped: beyond the edge" in found


def test_a_crowd_of_labels_is_thinned() -> None:
    axes = draw(depict(subject(Profile, "300 layers"), "macs")).axes[0]
    shown = [label for label in axes.get_yticklabels() if label.get_visible()]
    assert 50 < len(shown) < 150
    assert len(axes.get_yticks()) <= CROWD, "none is made that has no room"


def test_the_bars_of_a_crowd_are_one_outline_of_every_value() -> None:
    profile = subject(Profile, "300 layers")
    axes = draw(depict(profile, "macs")).axes[0]
    (outline,) = (each for each in axes.collections if isinstance(each, PolyCollection))
    counts = {row.macs.value / 10**6 for row in profile.rows if row.macs.value}
    widths = {float(x) for x, _ in outline.get_paths()[0].vertices}
    assert sorted(widths - {0}) == pytest.approx(sorted(counts))
    assert not axes.containers, "and no bar of a few pixels beside it"
    few = draw(depict(walk("D"), "macs")).axes[0]
    assert few.containers
    assert not any(isinstance(each, PolyCollection) for each in few.collections)


def test_bars_reach_as_far_as_their_numbers() -> None:
    profile = walk("D")
    axes = draw(depict(profile, "parameters")).axes[0]
    widths = [bar.get_width() for bar in axes.patches[-16:]]
    assert widths == pytest.approx([row.parameters / 10**6 for row in profile.rows if row.parameters])
    assert axes.get_xlabel() == "parameters (millions)"


@pytest.mark.parametrize(
    "figure",
    [
        lambda: depict(walk(",".join(["16,16,16,16,16,16,16,M"] * 4)), "receptive-field"),
        lambda: depict(walk("D", input=220), "receptive-field"),
        lambda: depict(load(FOLDER / "B-BN-cpu.json")),
        lambda: depict(load(FOLDER / "E-BN-cpu.json")),
        lambda: depict(walk("8,"), "memory"),
        lambda: depict(ledger(walk("D"), Setup(amp="bfloat16")).profile, "memory"),
        lambda: depict(ledger(walk("D"), Setup(checkpoint="blocks")).profile, "memory"),
        lambda: depict(of_a_card("rtx4090")),
        lambda: depict(of_a_card("8GiB")),
        lambda: depict(of_a_card("24GB")),
    ],
)
def test_no_line_runs_through_a_text(figure: Callable[[], Figure]) -> None:
    canvas = draw(figure())
    assert crossed(canvas) == []
    assert faults(canvas) == []


def test_a_line_through_a_text_is_found() -> None:
    canvas = draw(depict(walk("D"), "receptive-field"))
    axes = canvas.axes[0]
    x, _ = axes.texts[-1].xy  # type: ignore[attr-defined]
    axes.axvline(x + 4)
    assert crossed(canvas)


def test_a_number_stands_at_the_end_of_its_bar_whatever_else_is_marked() -> None:
    axes = draw(depict(walk("8,"), "memory")).axes[0]
    (of_the_input,) = (text for text in axes.texts if text.get_text() == "0")
    assert of_the_input.xy == (0, 0)  # type: ignore[attr-defined]


def ruled(canvas: Canvas, theme: Theme) -> list[str]:
    """Numbers at bars that a grid line runs through, seen behind them."""
    found = []
    for axes in canvas.axes:
        lines = [axes.transData.transform((at, 0))[0] for at in axes.xaxis.get_ticklocs()]
        for text in axes.texts:
            patch, box = text.get_bbox_patch(), text.get_window_extent()
            is_on_one = any(box.x0 < line < box.x1 for line in lines)
            if is_on_one and (patch is None or to_hex(patch.get_facecolor()) not in _grounds(theme)):
                found.append(text.get_text())
    return found


def _grounds(theme: Theme) -> set[str]:
    return {theme.ground.lower(), theme.shade.lower()}


@pytest.mark.parametrize(("size", "theme"), LOOKS)
@pytest.mark.parametrize(("result", "kind"), [(Profile, "memory"), (Comparison, "compare")])
def test_no_grid_line_shows_behind_a_number(result: type, kind: str, size: str, theme: str) -> None:
    canvas = draw(depict(subject(result), kind), size, THEMES[theme])
    assert ruled(canvas, THEMES[theme]) == []
    boxed = [text for axes in canvas.axes for text in axes.texts if text.get_bbox_patch()]
    assert boxed
    for text in boxed:
        text.set_bbox(None)
    assert ruled(canvas, THEMES[theme])  # some number stands on a line


@pytest.mark.parametrize("size", SIZES)
def test_the_panels_of_shares_have_the_same_ticks(size: str) -> None:
    for axes in draw(depict(subject(Profile), "shares"), size).axes:
        named = [label.get_text() for label in axes.get_xticklabels()]
        assert named == ["0", "25", "50", "75", "100"]


@pytest.mark.parametrize("net", ["D-BN", "8,"])
def test_shares_are_drawn_to_one_scale_that_ends_at_the_whole(net: str) -> None:
    canvas = draw(depict(walk(net), "shares"))
    for axes in canvas.axes:
        assert axes.get_xlim() == pytest.approx((0, 100), abs=1e-9)
        assert max(axes.get_xticks()) == pytest.approx(100, abs=1e-9)
    assert len({round(axes.get_position().width, 3) for axes in canvas.axes}) == 1
    assert len({axes.get_xlim() for axes in draw(depict(subject(Comparison))).axes}) > 1


def test_bands_and_names_stand_within_the_axes() -> None:
    panel = depict(subject(Step), "timeline").panels[0]
    assert all(one.stop == other.start for one, other in pairwise(panel.bands))
    assert [band.text for band in panel.bands] == ["load", "input", "forward", "loss", "backward", "step"]
    assert [name for _, name in panel.names] == [*"12345", "fc", "fc", *"54321"]
    assert all(panel.bands[0].start < place < panel.bands[-1].stop for place, _ in panel.names)
