"""The numbers in pictures: those of the JSON, and nothing drawn that is not there."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plotting import RECORD, only, series, subject

from vgg_profile.ask.cards import memory
from vgg_profile.ask.compare import Comparison
from vgg_profile.ask.fit import Fit
from vgg_profile.ask.sweep import Sweep, sweep
from vgg_profile.check.results import Checks, Overlay
from vgg_profile.core.book import Book
from vgg_profile.core.errors import InputError
from vgg_profile.core.figures import Style
from vgg_profile.core.setting import Setup
from vgg_profile.core.tree import Profile
from vgg_profile.describe.figures import depict
from vgg_profile.measure.reading import load
from vgg_profile.measure.record import Measurement
from vgg_profile.predict.steps import ledger
from vgg_profile.predict.vgg.configs import config
from vgg_profile.predict.vgg.walk import walk

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


def test_where_each_batch_is_traced_by_itself_few_are_and_the_picture_says_how_many() -> None:
    def write(batch: int) -> Book:
        return replace(book_of_one, only=batch)

    step = ledger(walk("8,M", input=8))
    book_of_one = replace(step.book, only=1)
    alone = replace(step, book=book_of_one, write=write, write_on=write)
    figure = depict(Fit(alone, memory("1GiB"), ()), "batch")
    (line,) = series(figure, style=Style.LINE)
    assert len(line.x) < 20 < len(series(depict(subject(Fit)), style=Style.LINE)[0].x)
    assert f"Traced at {len(line.x)} batches, with straight lines between. " in figure.footer
    assert "Traced at" not in depict(subject(Fit)).footer


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
    names = [name for _, name in figure.panels[0].names]
    assert len(names) == 21
    forward = record.layers("forward_time")
    for drawn, quantity in zip(series(figure), ("forward_time", "backward_time"), strict=True):
        times = {layer: each.value for layer, each in record.layers(quantity).items() if layer in forward}
        assert list(drawn.y[:-1]) == [times[layer] for layer in names[:-1]]
        assert sum(drawn.y) == pytest.approx(sum(times.values())), "the last bar is all the others"
        assert names[-1] == f"{len(times) - 20} others"
        layers = iter(forward)
        assert all(name in layers for name in names[:-1]), "in the network's order"


def test_of_few_layers_each_has_its_times() -> None:
    record = load(RECORD)
    few = tuple(each for each in record.readings if (each.layer or "fc6") in ("fc6", "fc7", "fc8"))
    figure = depict(replace(record, readings=few), "time")
    assert [name for _, name in figure.panels[0].names] == ["fc6", "fc7", "fc8"]
    assert "alone" not in figure.footer


@pytest.mark.parametrize("unit", ["KiB", "MiB", "GiB"])
def test_a_unit_is_that_of_every_axis_of_bytes_and_changes_no_number(unit: str) -> None:
    plain, asked = depict(subject(Comparison)), depict(subject(Comparison), unit=unit)
    assert [panel.unit.name for panel in asked.panels] == ["millions", "billions", unit, unit]
    assert [panel.series for panel in asked.panels] == [panel.series for panel in plain.panels]
    size = {"KiB": "1,024", "MiB": "1,048,576", "GiB": "1,073,741,824"}[unit]
    assert asked.footer.endswith(f"{unit} = {size} bytes.")


@pytest.mark.parametrize("kind", ["macs", "shares", "parameters"])
def test_a_unit_of_bytes_is_refused_where_no_axis_counts_them(kind: str) -> None:
    with pytest.raises(InputError, match=f"The figure {kind} has no axis of binary units"):
        depict(subject(Profile), kind, unit="GiB")


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
