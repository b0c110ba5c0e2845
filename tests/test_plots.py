"""The pictures: they say what was counted, anybody can read them, and their bytes are the same each time."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import combinations, pairwise
from pathlib import Path
from unittest import mock
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure as Canvas
from matplotlib.text import Text

from vgg_profile.ask.cards import memory
from vgg_profile.ask.compare import Comparison
from vgg_profile.ask.fit import DEFAULT_RESERVE, Fit
from vgg_profile.ask.sweep import Sweep, sweep
from vgg_profile.check.crosscheck import crosscheck, overlay
from vgg_profile.check.results import Checks, Overlay
from vgg_profile.check.subject import profile_for
from vgg_profile.cli import main
from vgg_profile.cli.plot import SUFFIXES, USELESS
from vgg_profile.core.errors import InputError
from vgg_profile.core.events import Category, Phase
from vgg_profile.core.figures import COMPUTE, PALETTE, SPEED, Figure, Series, Style
from vgg_profile.core.setting import Setup
from vgg_profile.core.step import Step
from vgg_profile.core.tree import Profile
from vgg_profile.core.units import binary
from vgg_profile.describe.figures import depict
from vgg_profile.describe.figures.drawing import Share, most_of
from vgg_profile.describe.kinds import KINDS
from vgg_profile.measure.reading import load
from vgg_profile.measure.record import EVERYTHING_ELSE, Measurement
from vgg_profile.predict.vgg.configs import config, from_dict
from vgg_profile.predict.vgg.step import ledger
from vgg_profile.predict.vgg.walk import walk
from vgg_profile.render import PICTURES as FORMATS
from vgg_profile.write.plots import SMALLEST, WIDTH, draw, to_bytes
from vgg_profile.write.plots.lettering import break_lines, inches

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
OF_A_PROFILE = [kind for kind, of in KINDS.items() if Profile in of]
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


# -- the numbers are those of the JSON


@pytest.mark.parametrize("net", ["D", "D-BN", "tiny"])
def test_by_layer_the_numbers_are_those_of_the_table(net: str) -> None:
    profile = subject(Profile, net)
    assert isinstance(profile, Profile)
    rows = profile.to_dict()["rows"]
    parameters = [row["weights"] + row["biases"] for row in rows if row["weights"]]
    assert only(depict(profile, "parameters")) == parameters
    assert only(depict(profile, "macs")) == [row["macs"] for row in rows if row["macs"]]
    fields = [row["receptive_field"] for row in rows[1:] if row["receptive_field"]]
    assert only(depict(profile, "receptive-field")) == fields
    saved = depict(profile, "memory")
    stacked = [sum(sizes) for sizes in zip(*(each.y for each in series(saved)), strict=True)]
    assert stacked == [row["saved_bytes"] for row in rows]
    assert only(saved, style=Style.TICKS) == [row["memory_bytes"] for row in rows]


def test_shares_add_up_to_the_totals() -> None:
    profile = subject(Profile)
    assert isinstance(profile, Profile)
    totals = profile.to_dict()["totals"]
    figure = depict(profile, "shares")
    sums = [sum(only(figure, panel)) for panel in range(3)]
    assert sums == [totals["saved_bytes"], totals["macs"], totals["parameters"]]
    assert [panel.reach for panel in figure.panels] == sums
    assert [panel.unit.scale for panel in figure.panels] == [each / 100 for each in sums]


@pytest.mark.parametrize("setup", [Setup(), Setup(optimizer="adam"), Setup(mode="inference")], ids=str)
def test_a_timeline_passes_through_every_moment_and_its_peak(setup: Setup) -> None:
    step = ledger(walk("D"), setup)
    content = step.to_dict()
    figure = depict(step, "timeline")
    areas = series(figure, style=Style.AREAS)
    live = [sum(sizes) for sizes in zip(*(each.y for each in areas), strict=True)]
    assert max(live) == content["peak_bytes"] == figure.panels[0].points[0].y
    assert live[-1] == content["moments"][-1]["live_bytes"]
    levels = iter(live)
    assert all(moment["live_bytes"] in levels for moment in content["moments"])
    shown = {each.label: each.y[-1] for each in areas}
    last = content["moments"][-1]["categories"]
    assert {category: shown.get(category, 0) for category in last} == last


def test_the_measured_curve_is_the_record() -> None:
    curve = subject(Overlay)
    assert isinstance(curve, Overlay)
    moments = curve.to_dict()["moments"]
    measured = [moment["measured_live_bytes"] for moment in moments]
    for figure in (depict(curve, "timeline"), depict(curve, "check"), depict(subject(Checks), "check")):
        assert only(figure, style=Style.DOTS) == measured
    check = depict(curve, "check")
    assert only(check, style=Style.LINE) == [moment["live_bytes"] for moment in moments]
    assert only(check, 1, Style.DOTS) == [0] * len(moments)


def test_a_measured_dot_stands_where_its_part_of_the_prediction_ends() -> None:
    figure = depict(subject(Overlay), "timeline")
    areas = series(figure, style=Style.AREAS)
    live = [sum(sizes) for sizes in zip(*(each.y for each in areas), strict=True)]
    (dots,) = series(figure, style=Style.DOTS)
    for x, y in zip(dots.x, dots.y, strict=True):
        assert y in [
            level for place, level in zip(areas[0].x, live, strict=True) if place == pytest.approx(x)
        ]


def test_a_batch_is_the_ledgers_peak() -> None:
    fit = subject(Fit)
    assert isinstance(fit, Fit)
    figure = depict(fit)
    (line,) = series(figure, style=Style.LINE)
    assert list(line.y) == [fit.step.peak_bytes(int(batch)) for batch in line.x]
    stacks = zip(*(each.y for each in series(figure, style=Style.AREAS)), strict=True)
    assert [sum(sizes) for sizes in stacks] == list(line.y)
    (point,) = figure.panels[0].points
    assert (point.x, point.y) == (fit.to_dict()["largest_batch"], fit.to_dict()["peak_bytes"])
    assert [limit.value for limit in figure.panels[0].limits] == [fit.memory.bytes, fit.available_bytes]


def test_a_comparison_is_the_table_of_it() -> None:
    comparison = subject(Comparison)
    assert isinstance(comparison, Comparison)
    figure = depict(comparison)
    for panel, key in enumerate(("parameters", "batch_macs", "saved_bytes", "peak_bytes")):
        assert only(figure, panel) == [network.figures[key] for network in comparison.networks]
    assert only(figure) == [entry["parameters"] for entry in comparison.to_dict()["configs"]]
    assert [panel.unit.name for panel in figure.panels] == ["millions", "billions", "MiB", "MiB"]


def test_time_is_the_records() -> None:
    record = load(RECORD)
    figure = depict(record)
    forward, backward = series(figure)
    assert list(forward.y) == [each.value for each in record.layers("forward_time").values()]
    layers = record.layers("forward_time")
    assert list(backward.y) == [record.layers("backward_time")[layer].value for layer in layers]


# -- what the title and the alternative text say


@pytest.mark.parametrize(
    ("kind", "finding"),
    [
        ("memory", "Block 1 keeps 48.6 % of the 72,757,152 bytes saved for backward"),
        ("parameters", "fc6 holds 74.3 % of the 138,357,544 parameters"),
        ("macs", "Blocks 3 and 4 each take 29.9 % of the 15,470,264,320 MACs of an image"),
        (
            "shares",
            "Where it sits: memory in block 1 (48.6 %), MACs in blocks 3 and 4 (29.9 % each), "
            "parameters in the classifier (89.4 %)",
        ),
        ("receptive-field", "One value of pool5 sees 212×212 pixels of the image's 224×224"),
    ],
)
def test_the_title_states_the_finding(kind: str, finding: str) -> None:
    figure = depict(walk("D"), kind)
    assert figure.title == finding
    assert finding in figure.alt


def test_the_title_of_a_step_says_how_much_and_where() -> None:
    place = "The peak, 1,115.39 MiB, is in the backward pass of relu3_3"
    assert depict(ledger(walk("D"))).title == place
    meeting = "measured bytes equal the predicted at all 84 boundaries"
    with_scratch = "The peak, 1,120.70 MiB, is in the backward pass of conv3_3"
    assert depict(subject(Overlay)).title == f"{with_scratch}; {meeting}"
    assert depict(subject(Checks)).title == meeting.capitalize()


def test_a_field_wider_than_the_image_says_so() -> None:
    assert "more than the image's 32×32" in depict(walk("D", input=32), "receptive-field").title


def test_equals_are_named_or_if_many_counted() -> None:
    three = walk("64,M,128,M,256,M,512", batch_norm=False)
    assert "MACs in blocks 2, 3 and 4 (" in depict(three, "shares").title
    assert depict(three, "macs").title.startswith("Blocks 2, 3 and 4 each take ")
    net = from_dict({"name": "many", "layers": [1, *["M", 2] * 6], "classifier": [], "classes": 1})
    blocks = [Share("block 1", 1, "1"), *(Share(f"block {n}", 2, f"{n}") for n in range(2, 8))]
    assert most_of(blocks, "takes") == "6 blocks each take 15.4 %"
    assert most_of([Share(f"conv1_{n}", 1) for n in range(8)], "holds") == "8 layers each hold 12.5 %"
    head = Share("classifier", 1, "")
    assert most_of([blocks[0], head], "keeps") == "Block 1 and the classifier each keep 50.0 %"
    alike = [*(Share(f"block {n}", 1, f"{n}") for n in range(5)), head]
    assert most_of(alike, "keeps") == "6 parts each keep 16.7 %"
    assert ", 1 class;" in depict(walk(net, input=64), "memory").subtitle
    assert (
        depict(Comparison((walk("D"), walk("D-BN")), Setup())).title == "D and D-BN: 15,470,264,320 MACs each"
    )


def test_what_is_not_all_is_not_said_to_be() -> None:
    figure = depict(walk("8,"), "shares")
    assert figure.title.endswith("parameters in the classifier (>99.9 %)")
    assert figure.panels[2].ends == ("0.00100 %", ">99.9 %")


@pytest.mark.parametrize("name", ["D", "B-BN"])
def test_the_fastest_layer_stands_beside_a_matrix_product_and_no_share_is_claimed(name: str) -> None:
    measurement = load(FOLDER / f"{name}-cpu.json")
    figure = depict(measurement)
    rate = measurement.get("matrix_product_rate")
    assert rate is not None
    said = re.search(r"computes fastest, ([0-9.]+) GFLOP/s beside ([0-9.]+) of a plain", figure.title)
    assert said is not None
    assert said[2] == f"{rate.value / 1e9:.1f}"  # type: ignore[operator]
    assert said[1] == max(figure.panels[1].ends, key=lambda end: float(end or 0))


def test_a_short_time_is_not_none() -> None:
    record = load(RECORD)
    short = [
        reading._replace(value=1e-5)
        if reading.layer == "relu1_1" and "_time" in reading.quantity
        else reading
        for reading in record.readings
    ]
    figure = depict(replace(record, readings=tuple(short)))
    assert "<0.1 ms" in figure.panels[0].ends
    assert "0.0 ms" not in figure.panels[0].ends


def test_a_sweeps_title_names_what_varies_and_its_subtitle_what_does_not() -> None:
    net = config("8,M")
    grid = sweep(net, inputs=(8, 16), batches=(1, 4), optimizers=("adam",), device="cuda")
    figure = depict(grid)
    low, high = (f"{min_(each.peak_bytes for each in grid.points) / 2**20:,.2f} MiB" for min_ in (min, max))
    assert figure.title == f"The peak grows from {low} (batch 1, 8×8) to {high} (batch 4, 16×16)"
    assert figure.subtitle == "VGG config 8,M, float32, train, adam, foreach; 4 points"
    figure = depict(sweep(net, inputs=(8,), dtypes=("float32", "bfloat16"), optimizers=("none", "adam")))
    assert "(bfloat16, no optimizer) to " in figure.title
    assert figure.title.endswith("(float32, adam)")
    assert figure.subtitle == "VGG config 8,M, batch 1, 8×8, train; 4 points"


@pytest.mark.parametrize(
    ("setup", "words"),
    [
        (Setup(mode="eval"), "; a forward pass (eval)"),
        (Setup(amp="bfloat16"), "; a forward pass (train, autocast to bfloat16)"),
        (Setup(checkpoint="blocks"), "; a forward pass (train, checkpoint blocks)"),
        (Setup(optimizer="adam"), "1,000 classes"),
    ],
    ids=str,
)
def test_saved_bytes_are_those_of_the_step(setup: Setup, words: str) -> None:
    step = ledger(walk("D"), setup)
    live = step.fixed_points
    for kind in ("memory", "shares"):
        figure = depict(step.profile, kind)
        assert sum(sum(each.y) for each in series(figure)) == live[Phase.FORWARD] - live[Phase.INPUT]
        assert figure.subtitle.endswith(words)
        assert step.profile.forward_pass in figure.footer


def test_inference_saves_nothing_for_a_backward_pass() -> None:
    for kind in ("memory", "shares"):
        figure = depict(ledger(walk("D"), Setup(mode="inference")).profile, kind)
        assert "backward" not in f"{figure.title} {figure.footer} {figure.alt} {figure.panels[0].value_label}"
        assert "left by inference" in figure.footer.lower()


def test_a_limit_is_said_in_the_unit_of_its_axis() -> None:
    step = ledger(walk("A", batch=2), Setup(mode="inference"))
    for have, unit, label in (
        ("8GiB", "GiB", "8 GiB"),
        ("8GB", "GiB", "8 GB = 7.45 GiB"),
        ("800MiB", "MiB", "800 MiB"),
    ):
        panel = depict(Fit(step, memory(have), ())).panels[0]
        assert panel.unit.name == unit
        assert panel.limits[0].label == label
        assert panel.points[0].text.endswith(unit)


def test_a_byte_off_is_the_finding() -> None:
    curve = subject(Overlay)
    assert isinstance(curve, Overlay)
    first, *rest = curve.boundaries
    live = first.live + 512
    off = Overlay(curve.step, curve.measurement, (first._replace(measured_live=live), *rest))
    assert depict(off, "check").title == "Measured bytes are off at 1 of 84 boundaries, by up to 512"
    unread = Overlay(curve.step, curve.measurement, (first._replace(measured_live=None), *rest))
    assert "the 83 of 84 that were measured" in depict(unread, "check").title
    assert len(only(depict(unread, "check"), style=Style.DOTS)) == 83


def test_not_even_one_image() -> None:
    step = ledger(walk("D"))
    figure = depict(Fit(step, memory(f"{step.peak_bytes(1) - 1}"), ()))
    assert figure.title.startswith("Not even one image fits into")
    assert figure.title.endswith(f": it takes {binary(step.peak_bytes(1))}")
    assert not figure.panels[0].points


@pytest.mark.parametrize(("kind", "result"), EVERY)
def test_every_figure_has_its_words(kind: str, result: type) -> None:
    figure = depict(subject(result), kind)
    assert any(digit.isdigit() for digit in figure.alt)
    assert figure.alt.endswith(".")
    assert len(figure.alt) > len(figure.title)
    assert figure.subtitle
    assert all(panel.value_label for panel in figure.panels)
    assert all(len(each.x) == len(each.y) for panel in figure.panels for each in panel.series)
    assert all(len(panel.ends) in (0, len(panel.names)) for panel in figure.panels)


# -- colours that anybody can tell apart

MATRICES = {
    "trichromat": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanope": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranope": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
}
"""What each sees of linear sRGB: Machado, Oliveira and Fernandes 2009, at full severity."""

TO_CONES = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
TO_OKLAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)
"""Oklab, Ottosson 2020: equal distances look about equally far apart; 2 hundredths are just noticeable."""


def times(matrix: tuple[tuple[float, ...], ...], vector: list[float]) -> list[float]:
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def oklab(colour: str, eye: str) -> list[float]:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    seen = [min(1.0, max(0.0, c)) for c in times(MATRICES[eye], linear)]
    return times(TO_OKLAB, [max(c, 0.0) ** (1 / 3) for c in times(TO_CONES, seen)])


def distance(one: str, other: str) -> float:
    """Hundredths of Oklab, to the eye that tells the two apart worst."""
    return min(100 * math.dist(oklab(one, eye), oklab(other, eye)) for eye in MATRICES)


SELDOM = {
    Category.BUFFERS,
    Category.OPTIMIZER,
    Category.INPUT,
    Category.CASTS,
    Category.MASKS,
    Category.STATISTICS,
    Category.TEMPORARY,
}
"""What a stack may lack, so that its neighbours touch."""


def may_touch() -> list[tuple[Category, Category]]:
    order = list(PALETTE)
    return [
        (order[low], order[high])
        for low, high in combinations(range(len(order)), 2)
        if all(between in SELDOM for between in order[low + 1 : high])
    ]


def test_every_category_has_one_colour_of_its_own() -> None:
    assert set(PALETTE) == set(Category)
    assert len(set(PALETTE.values())) == len(PALETTE)


def test_any_two_categories_differ_to_every_eye() -> None:
    assert min(distance(one, other) for one, other in combinations(PALETTE.values(), 2)) > 8


@pytest.mark.parametrize("pair", may_touch(), ids=str)
def test_categories_that_may_touch_differ_more(pair: tuple[Category, Category]) -> None:
    assert distance(PALETTE[pair[0]], PALETTE[pair[1]]) > 14


def test_measures_side_by_side_differ() -> None:
    colours = (COMPUTE, SPEED, PALETTE[Category.ACTIVATIONS], PALETTE[Category.WEIGHTS])
    assert min(distance(one, other) for one, other in combinations(colours, 2)) > 8


def test_colours_that_a_deuteranope_confuses_are_found() -> None:
    assert distance("#D55E00", "#117733") < 8
    assert distance("#CC79A7", "#44AA99") < 8


# -- nothing clipped, nothing overlapping, nothing too small


def drawn(canvas: Canvas) -> list[Text]:
    """Every text that is really drawn; matplotlib keeps others, such as ticks beyond the axes."""
    texts: list[Text] = []
    draw_text = Text.draw

    def keep(text: Text, renderer: object) -> None:
        if text.get_visible() and text.get_text().strip():
            texts.append(text)
        draw_text(text, renderer)

    with mock.patch.object(Text, "draw", keep):
        canvas.draw_without_rendering()
    return texts


def faults(canvas: Canvas) -> list[str]:
    """Every text that leaves the canvas, lies on another, or is too small to read."""
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
    boxes = [(text.get_text(), text.get_window_extent().padded(-1)) for text in texts]
    found += [f"overlap: {a} / {b}" for (a, one), (b, other) in combinations(boxes, 2) if one.overlaps(other)]
    return found


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


@pytest.mark.parametrize(
    ("kind", "result"), [each for each in EVERY if each.values[1] not in (Profile, Step, Fit)]
)
def test_a_record_and_a_comparison_are_legible(kind: str, result: type) -> None:
    assert faults(draw(depict(subject(result), kind))) == []


@pytest.mark.parametrize("record", ["D-adam-cpu", "D-amp-cpu", "D-checkpoint-cpu", "E-BN-cpu"])
def test_other_steps_are_legible(record: str) -> None:
    measurement = load(RECORD.with_name(f"{record}.json"))
    curve = overlay(from_dict(measurement.subject["config"]), measurement)
    for kind in ("timeline", "check"):
        assert faults(draw(depict(curve, kind))) == []


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
    assert len(axes.get_yticks()) == 303


def test_bars_reach_as_far_as_their_numbers() -> None:
    profile = walk("D")
    axes = draw(depict(profile, "parameters")).axes[0]
    widths = [bar.get_width() for bar in axes.patches[-16:]]
    assert widths == pytest.approx([row.parameters / 10**6 for row in profile.rows if row.parameters])
    assert axes.get_xlabel() == "parameters (millions)"


def crossed(canvas: Canvas) -> list[str]:
    """Every text at a bar or a point that a limit, a curve or a tick of another figure runs through."""
    canvas.draw_without_rendering()
    found = []
    for axes in canvas.axes:
        lines = [line.get_transform().transform_path(line.get_path()) for line in axes.lines]
        for ticks in axes.collections:
            if isinstance(ticks, LineCollection):
                lines += [ticks.get_transform().transform_path(path) for path in ticks.get_paths()]
        for text in axes.texts:
            box = text.get_window_extent().padded(-1)
            if text.get_visible() and any(line.intersects_bbox(box, filled=False) for line in lines):
                found.append(text.get_text())
    return found


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


def of_a_card(have: str) -> Fit:
    step = ledger(walk("D", batch=2, device="cuda"), Setup(optimizer="adam"))
    return Fit(step, memory(have), (DEFAULT_RESERVE["cuda"],))


def test_a_number_stands_at_the_end_of_its_bar_whatever_else_is_marked() -> None:
    axes = draw(depict(walk("8,"), "memory")).axes[0]
    (of_the_input,) = (text for text in axes.texts if text.get_text() == "0")
    assert of_the_input.xy == (0, 0)  # type: ignore[attr-defined]


def test_shares_are_drawn_to_one_scale() -> None:
    canvas = draw(depict(walk("D-BN"), "shares"))
    (reach,) = {axes.get_xlim() for axes in canvas.axes}
    assert reach[0] == 0
    assert reach[1] > 100
    assert len({round(axes.get_position().width, 3) for axes in canvas.axes}) == 1
    assert len({axes.get_xlim() for axes in draw(depict(subject(Comparison))).axes}) > 1


# -- files

SIGNATURES = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}


@pytest.mark.parametrize("format_", FORMATS)
def test_the_same_figure_gives_the_same_bytes(format_: str) -> None:
    figure = depict(subject(Profile, "tiny"), "shares")
    picture = to_bytes(figure, format_)
    assert picture.startswith(SIGNATURES[format_])
    assert picture == to_bytes(figure, format_)


@pytest.mark.parametrize(("kind", "result"), EVERY)
def test_every_kind_becomes_a_picture(kind: str, result: type) -> None:
    figure = depict(subject(result), kind)
    picture = to_bytes(figure, "svg")
    assert figure.title.encode() in picture
    assert picture == to_bytes(figure, "svg")


def test_another_process_and_a_users_style_give_the_same_bytes(tmp_path: Path) -> None:
    code = (
        "import hashlib; from vgg_profile import walk, ledger\n"
        "from vgg_profile.describe.figures import depict\n"
        "from vgg_profile.render import PICTURES as FORMATS\n"
        "from vgg_profile.write.plots import to_bytes\n"
        "import sys; import matplotlib; matplotlib.rcParams['font.size'] = 20\n"
        "figure = depict(ledger(walk('8,M', input=16)))\n"
        "print(*(hashlib.sha256(to_bytes(figure, each)).hexdigest() for each in FORMATS))\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    figure = depict(ledger(walk("8,M", input=16)))
    assert done.stdout.split() == [hashlib.sha256(to_bytes(figure, each)).hexdigest() for each in FORMATS]


def test_a_picture_tells_what_it_shows_and_no_date() -> None:
    figure = depict(walk("D"), "parameters")
    picture = to_bytes(figure, "svg").decode()
    assert f"<title>{figure.title}</title>" in picture
    assert figure.alt in picture
    assert "<dc:date>" not in picture
    assert figure.title.encode() in to_bytes(figure, "png")
    assert b"CreationDate" not in to_bytes(figure, "pdf")


# -- axes to build on


def test_a_result_plots_itself_as_axes() -> None:
    axes = walk("D").plot()
    assert isinstance(axes, Axes)
    assert axes.get_xlabel() == "saved for backward (MiB)"
    assert walk("D").plot("macs").get_xlabel() == "MACs of an image (billions)"
    assert ledger(walk("D")).plot().get_ylabel() == "live bytes (MiB)"
    shares = walk("D").plot("shares")
    assert len(shares.figure.axes) == 3


def test_a_notebook_shows_the_axes() -> None:
    assert walk("8,M", input=16).plot()._repr_png_().startswith(b"\x89PNG")


def test_a_result_plots_itself_into_axes_of_ones_own() -> None:
    canvas = Canvas(figsize=(2 * WIDTH, 5), layout="constrained")
    left, right = canvas.subplots(1, 2)
    assert walk("8,M", input=16).plot("parameters", left) is left
    assert ledger(walk("8,M", input=16)).plot(axes=right) is right
    assert left.get_title("left").startswith("fc")
    assert right.get_legend() is not None
    assert faults(canvas) == []


def test_narrow_axes_of_ones_own_keep_to_themselves() -> None:
    canvas = Canvas(figsize=(6.4, 4.8))
    left, right = canvas.subplots(1, 2)
    walk("D").plot("memory", left)
    of_a_card("8GiB").plot("batch", right)
    canvas.draw_without_rendering()
    for axes in (left, right):
        box, legend = axes.get_window_extent(), axes.get_legend()
        assert legend is not None
        for text in (axes._left_title, axes.xaxis.label, *legend.get_texts()):
            extent = text.get_window_extent()
            assert extent.x1 <= box.x1 + 1, text.get_text()
            assert 0 <= extent.y0 < extent.y1 <= canvas.bbox.y1
        assert legend.get_window_extent().y1 < axes.xaxis.label.get_window_extent().y0
        assert box.height > 100


def test_a_result_without_that_figure_says_which_it_has() -> None:
    with pytest.raises(
        InputError, match=r"For timeline use ledger\(profile\)\.plot\('timeline'\) or overlay"
    ):
        walk("D").plot("timeline")
    with pytest.raises(InputError, match=r"For macs use ledger\(profile, setup\)\.profile\.plot\('macs'\)\."):
        ledger(walk("D")).plot("macs")
    with pytest.raises(InputError, match=r"A Profile has no figure timeline\. It has memory, parameters"):
        walk("D").plot("timeline")
    with pytest.raises(InputError, match=r"Did you mean memory\?"):
        walk("D").plot("memry")
    with pytest.raises(InputError, match="no figure of this kind of result"):
        depict(3)


# -- the command line


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["plot", *map(str, arguments)])


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".PNG"])
def test_plot_writes_the_format_that_the_suffix_names(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"picture{suffix}"
    done = run("8,M", "memory", "--input", 16, "-o", path)
    assert done.exit_code == 0, done.output
    assert done.stdout == ""
    figure = depict(walk("8,M", input=16), "memory")
    assert done.stderr == f"Wrote {path}: {figure.title}\n"
    assert path.read_bytes() == to_bytes(figure, suffix[1:].lower())
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_suffixes_are_the_formats() -> None:
    assert tuple(suffix.removeprefix(".") for suffix in SUFFIXES) == FORMATS


@pytest.mark.parametrize("kind", KINDS)
def test_plot_draws_every_kind_and_its_help_names_it(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "picture.svg"
    measured = ["--measured", RECORD] if kind in ("check", "time") else []
    done = run("D", kind, *measured, "-o", path)
    assert done.exit_code == 0, done.output
    assert path.read_bytes().startswith(b"<?xml")
    assert f"\n  {kind} " in run("--help").stdout


def test_plot_takes_the_setup_and_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "picture.svg"
    assert "optimizer's step" in run("D", "timeline", "--optimizer", "adam", "-o", path).stderr
    asked = ("--memory", "rtx4090", "--optimizer", "adam")
    largest = json.loads(CliRunner().invoke(main, ["fit", "D", *asked, "--format", "json"]).stdout)
    told = run("D", "batch", *asked, "-o", path, "--force").stderr
    assert f"{largest['largest_batch']:,} images fit into NVIDIA RTX 4090" in told
    compared = run("A", "D", "compare", "--optimizer", "adam", "-o", path, "--force")
    assert compared.exit_code == 0
    assert f"{ledger(walk('D'), Setup(optimizer='adam')).peak.peak:,}".encode() in path.read_bytes()


GIVEN = {
    "device": ("--device", "cuda"),
    "optimizer": ("--optimizer", "adam"),
    "mode": ("--mode", "eval"),
    "foreach": ("--foreach",),
    "fused": ("--fused",),
    "first_step": ("--first-step",),
    "amp": ("--amp", "bfloat16"),
    "checkpoint": ("--checkpoint", "blocks"),
    "onednn": ("--no-onednn",),
    "processor": ("--processor", "avx2"),
    "threads": ("--threads", 2),
    "freeze": ("--freeze", "features.0"),
    "batch": ("--batch", 2),
    "inputs": ("--input", 32),
    "have": ("--memory", "8GiB"),
    "record": ("--measured", RECORD),
}
"""How each option that some kind has no use for is given."""


@pytest.mark.parametrize("kind", KINDS)
def test_an_option_is_drawn_or_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.svg"
    base = ("D", kind, *(("--measured", RECORD) if kind in ("check", "time") else ()), "-o", path)
    for name, given in GIVEN.items():
        if name in USELESS[kind]:
            done = run(*base, *given)
            assert (done.exit_code, path.exists()) == (2, False), given
            assert f"The figure {kind} has no use for {given[0].replace('--no-', '--')}." in done.stderr
    assert set(USELESS) == set(KINDS)
    assert set().union(*USELESS.values()) == set(GIVEN)


@pytest.mark.parametrize("kind", ["memory", "shares", "timeline", "compare", "sweep", "batch"])
def test_an_option_that_is_not_refused_changes_the_figure(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.svg"
    assert run("8,M", kind, "-o", path).exit_code == 0
    plain = path.read_bytes()
    for name in ("mode", "amp", "checkpoint", "device", "optimizer", "onednn"):
        if name not in USELESS[kind]:
            done = run("8,M", kind, *GIVEN[name], "-o", path, "--force")
            assert done.exit_code == 0, done.output
            assert path.read_bytes() != plain, name


def test_a_default_that_is_typed_is_refused_as_well_where_it_means_nothing(tmp_path: Path) -> None:
    done = run("D", "sweep", "--batch", 1, "-o", tmp_path / "x.svg")
    assert "It draws a range of its own; for another: vgg-profile sweep D --batch 1..64" in done.stderr


def test_a_folder_of_records_has_that_of_the_network_at_the_setting(tmp_path: Path) -> None:
    pictures = []
    for number, (kind, record, given) in enumerate(
        (
            ("check", RECORD, ()),
            ("check", FOLDER, ()),
            ("timeline", FOLDER / "D-adam-cpu.json", ()),
            ("timeline", FOLDER, ("--optimizer", "adam", "--batch", 4)),
        )
    ):
        path = tmp_path / f"{number}.svg"
        done = run("D", kind, "--measured", record, *given, "-o", path)
        assert done.exit_code == 0, done.output
        pictures.append(path.read_bytes())
    assert pictures[0] == pictures[1] != pictures[2] == pictures[3]


def test_a_folder_where_one_record_is_wanted_says_what_is_in_it(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"is a folder, and a record is one file\. Name one of its: 'A-BN-cpu"
    ):
        load(FOLDER)
    with pytest.raises(InputError, match=r"is a folder.*Measure again"):
        load(tmp_path)


def test_a_card_brings_its_own_rules_unless_others_are_asked_for(tmp_path: Path) -> None:
    told = [
        run("8,M", "batch", "--input", 8, "--memory", have, *device, "-o", tmp_path / f"{number}.svg").stderr
        for number, (have, device) in enumerate(
            [("rtx4090", ()), ("rtx4090", ("--device", "cuda")), ("24GiB", ("--device", "cpu"))]
        )
    ]
    unasked, cuda, cpu = (each.partition(": ")[2] for each in told)
    assert unasked == cuda != cpu
    assert "not verified on a card; at most" in cuda


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("D", "memory"), "A figure goes to a file, and none is named. Name one: -o memory.svg."),
        (("D", "memory", "-o", "x.gif"), "Use one of .svg, .png, .pdf"),
        (("D", "memory", "-o", "x"), "names no format"),
        (("D", "memory", "-o", "-"), "names no format"),
        (("D", "memory", "-o", "nowhere/x.svg"), "There is no directory"),
        (("D", "memry", "-o", "x.svg"), "Did you mean memory?"),
        (("memory", "D", "-o", "x.svg"), "The kind comes last. Type: vgg-profile plot D memory"),
        (("-o", "x.svg"), "There is no network and no kind of figure. Type: vgg-profile plot D memory"),
        (
            ("64,M", "-o", "x.svg"),
            "The kind of figure is missing: the one word given, '64,M', is the network.",
        ),
        (("D", "-o", "x.svg"), "after it. Type: vgg-profile plot D memory -o memory.svg."),
        (("A", "check", "--measured", FOLDER, "--batch", 3, "-o", "x.svg"), "none is of A at input"),
        (("D", "batch", "--memory", "100MiB", "-o", "x.svg"), "One image needs"),
        (("A", "B", "memory", "-o", "x.svg"), "is of one network, and 2 are named"),
        (("D", "check", "-o", "x.svg"), "Name its record: --measured"),
        (("D", "time", "-o", "x.svg"), "Name its record: --measured"),
        (("D", "memory", "--memory", "8GiB", "-o", "x.svg"), "has no use for --memory"),
        (("A", "B", "compare", "--measured", RECORD, "-o", "x.svg"), "has no use for --measured"),
        (("D", "batch", "--memory", "8G", "-o", "x.svg"), "Type 8GiB or 8GB"),
        (("E", "check", "--measured", RECORD, "-o", "x.svg"), "another config"),
        (("E", "time", "--measured", RECORD, "-o", "x.svg"), "another config"),
        (("D", "timeline", "--batch", 4, "--measured", RECORD, "-o", "x.svg"), "another batch"),
        (("D", "check", "--measured", "none.json", "-o", "x.svg"), "There is no record"),
        (("nothing", "memory", "-o", "x.svg"), "There is no config"),
        (("memory", "-o", "x.svg"), "There is no network to draw memory of. Type: vgg-profile plot D"),
    ],
    ids=str,
)
def test_a_mistake_is_explained_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[object, ...], complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert done.exit_code == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.output
    assert list(tmp_path.iterdir()) == []


def test_a_record_without_times_or_bytes_is_explained(tmp_path: Path) -> None:
    record = load(RECORD)
    timeless = Measurement(record.subject, record.environment)
    with pytest.raises(InputError, match="holds no times"):
        depict(timeless)
    unread = Measurement(record.subject, record.environment, skipped={EVERYTHING_ELSE: "no memory"})
    with pytest.raises(InputError, match="holds no live bytes"):
        depict(overlay("D", unread), "check")


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    path = tmp_path / "x.svg"
    path.write_text("old")
    done = run("D", "memory", "-o", path)
    assert done.exit_code == 2
    assert path.read_text() == "old"
    assert run("D", "memory", "-o", path, "--force").exit_code == 0
    assert path.read_bytes().startswith(b"<?xml")


def test_bands_and_names_stand_within_the_axes() -> None:
    panel = depict(subject(Step), "timeline").panels[0]
    assert all(one.stop == other.start for one, other in pairwise(panel.bands))
    assert [band.text for band in panel.bands] == ["load", "input", "forward", "loss", "backward", "step"]
    assert [name for _, name in panel.names] == [*"12345", "fc", "fc", *"54321"]
    assert all(panel.bands[0].start < place < panel.bands[-1].stop for place, _ in panel.names)


# -- any result that has a figure, by the suffix of -o


@pytest.mark.parametrize(
    "arguments",
    [
        ("timeline", "D", "--optimizer", "adam"),
        ("fit", "D", "--memory", "8GiB"),
        ("compare", "A", "D"),
        ("check", "D", RECORD),
        ("sweep", "D", "--batch", "1..8", "--input", "64,96"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_suffix_of_pictures_draws_the_result(tmp_path: Path, arguments: tuple[object, ...]) -> None:
    path = tmp_path / "picture.svg"
    result = CliRunner().invoke(main, [*map(str, arguments), "-o", str(path)])
    assert result.exit_code == 0, result.output
    assert ElementTree.fromstring(path.read_bytes()).tag.endswith("svg")


def test_what_has_no_figure_is_refused_as_a_picture(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["notes", "-o", str(tmp_path / "notes.png")])
    assert (result.exit_code, "There is no figure" in result.stderr) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_the_lines_of_a_sweep_are_its_points() -> None:
    grid = subject(Sweep)
    assert isinstance(grid, Sweep)
    figure = depict(grid)
    drawn = [(x, y) for each in series(figure, style=Style.LINE) for x, y in zip(each.x, each.y, strict=True)]
    assert sorted(drawn) == sorted((point.batch, point.peak_bytes) for point in grid.points)


def test_of_too_many_lines_some_are_drawn_and_the_figure_says_so() -> None:
    figure = depict(sweep(config("8,M"), inputs=range(8, 40), batches=(1, 2)))
    assert len(figure.panels[0].series) == 8
    assert "Of 32 lines, 8 are drawn" in figure.footer


def test_a_record_whose_times_are_all_zero_holds_none() -> None:
    record = subject(Measurement)
    assert isinstance(record, Measurement)
    still = tuple(
        each._replace(value=0.0) if each.quantity.endswith("_time") else each for each in record.readings
    )
    with pytest.raises(InputError, match="holds no times"):
        depict(replace(record, readings=still), "time")
