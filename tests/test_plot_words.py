"""The words of pictures: titles state the finding, and claim no more than the figure shows."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from plotting import EVERY, FOLDER, RECORD, only, series, subject

from vgg_profile.ask.cards import memory
from vgg_profile.ask.compare import Comparison
from vgg_profile.ask.fit import Fit
from vgg_profile.ask.sweep import sweep
from vgg_profile.check.results import Checks, Overlay
from vgg_profile.core.events import Phase
from vgg_profile.core.figures import Style
from vgg_profile.core.setting import Setup
from vgg_profile.core.units import binary
from vgg_profile.describe.figures import depict
from vgg_profile.describe.figures.drawing import Share, most_of
from vgg_profile.measure.reading import load
from vgg_profile.predict.steps import ledger
from vgg_profile.predict.vgg.configs import config, from_dict
from vgg_profile.predict.vgg.walk import walk

# -- what the title and the alternative text say


@pytest.mark.parametrize(
    ("kind", "finding"),
    [
        ("memory", "Block 1 keeps 48.6 % of the 69.39 MiB saved for backward"),
        ("parameters", "fc6 holds 74.3 % of the 138.4 million parameters"),
        ("macs", "Blocks 3 and 4 each take 29.9 % of the 15.5 billion MACs per image"),
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


@pytest.mark.parametrize(
    ("kind", "whole"),
    [
        ("memory", "72,757,152 in all"),
        ("parameters", "138,357,544 in all"),
        ("macs", "15,470,264,320 in all"),
        ("memory", "MiB = 1,048,576 bytes."),
    ],
)
def test_the_footer_has_the_exact_number_of_what_the_title_rounds(kind: str, whole: str) -> None:
    assert whole in depict(walk("D"), kind).footer


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
    assert most_of([Share("down", 2, "down"), head], "keeps") == "down keeps 66.7 %", "a module's own name"
    modules = [Share(name, 1, name) for name in ("down", "up")]
    assert most_of(modules, "keeps") == "down and up each keep 50.0 %"
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
        if reading.layer in ("conv1_1", "relu1_1")
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
    said = "VGG config 8,M, float32, train, adam, foreach; 4 points"
    assert figure.subtitle == f"{said}; the average pool changes the map at 2 of 2 image sizes"
    figure = depict(sweep(net, inputs=(8,), dtypes=("float32", "bfloat16"), optimizers=("none", "adam")))
    assert "(bfloat16, no optimizer) to " in figure.title
    assert figure.title.endswith("(float32, adam)")
    pooled = "average pool 4×4 → 7×7: 49 values out of 16, 1,605,632 weights read them"
    assert figure.subtitle == f"VGG config 8,M, batch 1, 8×8, train; 4 points; {pooled}"
    assert depict(sweep(net, inputs=(14,))).subtitle == (
        "VGG config 8,M, batch 1, 14×14, float32, train, no optimizer; 1 point"
    )


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
