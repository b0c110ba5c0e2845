"""The walk of anybody's own network: a pupil's walk beside ours, and what holds for every walk."""

from __future__ import annotations

import json
from math import prod

import pytest
from facts import (
    PAPER,
)
from hypothesis import given, settings
from test_arithmetic import evaluate
from walking import own_configs, own_walks

from vgg_profile.predict.vgg.configs import Conv, Normalise, Pool, config
from vgg_profile.predict.vgg.walk import walk


def patiently(net, shape):
    """The walk again as a patient pupil would do it: shape, values, weights, biases and MACs, by counting."""
    channels, height, width = shape
    yield shape, channels * height * width, 0, 0, 0
    for token in net.layers:
        if isinstance(token, Conv):
            one_filter = sum(
                1 for _ in range(channels) for _ in range(token.kernel) for _ in range(token.kernel)
            )
            filters = [one_filter for _ in range(token.width)]
            places = [(y, x) for y in range(height) for x in range(width)]
            norms = token.width if net.batch_norm else 0
            channels = token.width
            values, weights, biases = channels * len(places), sum(filters) + norms, len(filters) + norms
            yield (channels, height, width), values, weights, biases, sum(sum(filters) for _ in places)
        elif isinstance(token, Pool):
            height, width = len(range(1, height, 2)), len(range(1, width, 2))
            yield (channels, height, width), channels * height * width, 0, 0, 0
    side = net.pool
    if side is not None and (height, width) != (side, side):
        height, width = side, side
        yield (channels, side, side), channels * side * side, 0, 0, 0
    wires = channels * height * width
    for neurons in (*net.classifier, net.classes):
        weights = sum(wires for _ in range(neurons))
        yield (neurons,), neurons, weights, neurons, weights
        wires = neurons


@given(own_walks())
@settings(deadline=None)
def test_a_patient_pupil_gets_the_same_rows(profile):
    ours = [
        (row.output_shape, row.values.value, row.weights.value, row.biases, row.macs.value)
        for row in profile.rows
    ]
    assert ours == list(patiently(profile.config, profile.input))


def test_the_pupil_finds_a_published_total_and_tells_two_networks_apart():
    rows = list(patiently(config("A"), (3, 32, 32)))
    assert sum(weights for _, _, weights, _, _ in rows) == PAPER["A"].weights
    assert sum(macs for *_, macs in rows) != walk("B", input=32).totals.macs


def pixels_that_matter(layers, place):
    """Which pixels of a row the value at ``place`` depends on, traced backwards through the layers."""
    first = last = place
    for token in reversed(layers):
        if isinstance(token, Conv):
            first, last = first - token.kernel // 2, last + token.kernel // 2
        elif isinstance(token, Pool):
            first, last = 2 * first, 2 * last + 1
    return first, last


@given(own_configs)
def test_the_receptive_field_is_the_span_of_the_pixels_that_matter(net):
    rows = [row for row in walk(net, input=2**net.pools).rows if row.kind in ("conv", "maxpool")]
    depths = [depth for depth, token in enumerate(net.layers, start=1) if not isinstance(token, Normalise)]
    for row, depth in zip(rows, depths, strict=True):
        first, last = pixels_that_matter(net.layers[:depth], place=10)
        next_first, _ = pixels_that_matter(net.layers[:depth], place=11)
        assert (row.receptive_field, row.stride) == (last - first + 1, next_first - first)


@pytest.mark.parametrize(("side", "seen"), [(224, 212), (64, None)])
def test_a_pool_that_averages_the_map_sees_no_window_of_it(side, seen):
    (pool,) = (row for row in walk("D", input=side).module_rows if row.kind == "avgpool")
    assert pool.receptive_field == seen


def test_a_fully_connected_layer_has_no_receptive_field_of_its_own():
    assert {(row.receptive_field, row.stride) for row in walk("D").rows if row.kind == "fc"} == {(None, None)}


# -- what holds for every walk


@given(own_walks())
@settings(deadline=None)
def test_totals_are_the_sums_of_the_printed_rows_in_both_views(profile):
    for all_layers in (False, True):
        printed = profile.to_dict(all_layers=all_layers)
        columns = ("values", "memory_bytes", "saved_bytes", "weights", "biases", "macs")
        sums = {column: sum(row[column] for row in printed["rows"]) for column in columns}
        assert sums.items() <= printed["totals"].items()
        assert printed["totals"]["parameters"] == sums["weights"] + sums["biases"]


@given(own_walks())
@settings(deadline=None)
def test_both_views_cost_the_same(profile):
    notes, modules = profile.totals, profile.total(profile.module_rows)
    for what in ("parameters", "weights", "biases", "buffers", "macs", "saved_bytes"):
        assert getattr(notes, what) == getattr(modules, what)
    assert notes.values <= modules.values


@given(own_walks())
@settings(deadline=None)
def test_every_working_evaluates_to_its_value(profile):
    for row in (*profile.rows, *profile.module_rows):
        for count in (row.values, row.weights, row.macs):
            assert evaluate(count.working) == count.value


@given(own_walks())
@settings(deadline=None)
def test_memory_is_values_times_batch_times_the_size_of_one(profile):
    size = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}[profile.dtype]
    for row in profile.to_dict(all_layers=True)["rows"]:
        assert row["memory_bytes"] == row["values"] * profile.batch * size


@given(own_walks())
@settings(deadline=None)
def test_what_works_in_place_or_only_looks_makes_no_values(profile):
    makes_nothing = {"relu": "in place", "flatten": "a view"}
    for row in profile.module_rows:
        if row.kind in makes_nothing:
            assert (row.values.value, row.note) == (0, makes_nothing[row.kind])
        else:
            assert (row.values.value, row.note) == (prod(row.output_shape), "")


@given(own_walks())
@settings(deadline=None)
def test_a_profile_is_json_with_raw_integers(profile):
    for all_layers in (False, True):
        printed = profile.to_dict(all_layers=all_layers)
        assert json.loads(json.dumps(printed)) == printed
        assert all(isinstance(value, int) for value in printed["totals"].values())


def test_a_profile_keeps_its_contract_with_machines():
    printed = walk("D", batch=8).to_dict()
    promised = "schema_version config batch_norm input batch dtype classes rows totals"
    assert set(promised.split()) <= set(printed)
    row = (
        "name module kind output_shape values values_working memory_bytes weights weights_working biases macs"
    )
    assert {*row.split(), "receptive_field", "stride"} <= set(printed["rows"][0])
    totals = "values memory_bytes weights biases parameters buffers macs"
    assert set(totals.split()) <= set(printed["totals"])
    assert (printed["schema_version"], printed["input"], printed["rows"][0]["kind"]) == (
        1,
        [3, 224, 224],
        "input",
    )
    assert printed["totals"]["values"] == PAPER["D"].values
    assert printed["totals"]["memory_bytes"] == 8 * 60_950_432
