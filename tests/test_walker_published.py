"""The walk: every published figure, and the notes line by line."""

from __future__ import annotations

import pytest
from facts import (
    NOTES,
    NOTES_TOTAL_PARAMETERS,
    PAPER,
    STRIDE_AT_THE_LAST_POOL,
    TORCHVISION,
)

from vgg_profile.core.units import as_the_notes
from vgg_profile.predict.vgg.walk import walk

# -- the paper


@pytest.mark.parametrize("name", PAPER)
def test_the_totals_of_every_network_are_the_published_ones(name):
    totals, published = walk(name).totals, PAPER[name]
    assert totals.weights == published.weights
    assert totals.biases == published.biases
    assert totals.parameters == published.parameters
    assert totals.macs == published.macs


@pytest.mark.parametrize("name", [name for name, net in PAPER.items() if net.values is not None])
def test_the_memory_column_adds_up_to_the_published_values(name):
    assert walk(name).totals.values == PAPER[name].values


@pytest.mark.parametrize("name", [name for name, net in PAPER.items() if net.with_batch_norm is not None])
def test_batch_norm_adds_the_published_parameters_and_no_macs(name):
    totals = walk(name, batch_norm=True).totals
    assert totals.parameters == PAPER[name].with_batch_norm
    assert totals.macs == PAPER[name].macs


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_millions_are_ours(name):
    parameters = walk(name).totals.parameters
    assert abs(parameters / 10**6 - PAPER[name].millions) < 0.5


@pytest.mark.parametrize("name", [name for name, net in PAPER.items() if net.receptive_field is not None])
def test_the_last_pool_sees_as_far_as_published(name):
    *_, pool5 = (row for row in walk(name).rows if row.kind == "maxpool")
    assert (pool5.name, pool5.receptive_field) == ("pool5", PAPER[name].receptive_field)
    assert pool5.stride == STRIDE_AT_THE_LAST_POOL
    assert walk(name).receptive_field == PAPER[name].receptive_field


# -- torchvision


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision_publishes_the_same_parameters_and_calls_the_macs_gflops(name):
    totals, published = walk(name).totals, TORCHVISION[name]
    assert totals.parameters == published.num_params
    assert abs(totals.macs - published.ops * 10**9) <= 0.0005 * 10**9  # half its last printed digit


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvisions_file_is_the_tensors_and_a_few_kibibytes_of_container(name):
    profile = walk(name)
    norms = sum(row.kind == "batchnorm" for row in profile.module_rows)
    floats = profile.totals.parameters + profile.totals.buffers - norms
    tensors = 4 * floats + 8 * norms  # each norm counts its batches in an int64
    half_a_digit = 0.0005 * 2**20
    container = TORCHVISION[name].file_size * 2**20 - tensors
    assert 4 * 2**10 - half_a_digit <= container <= 12 * 2**10 + half_a_digit


# -- the notes, line by line


LABELS = {
    "input": lambda row: "INPUT",
    "conv": lambda row: f"CONV3-{row.output_shape[0]}",
    "maxpool": lambda row: "POOL2",
    "fc": lambda row: "FC",
}


NAMES_OF_D = [row.name for row in walk("D").rows]


def test_the_rows_of_d_are_the_lines_of_the_notes():
    assert [LABELS[row.kind](row) for row in walk("D").rows] == [line.label for line in NOTES]


@pytest.mark.parametrize(("row", "line"), [*zip(walk("D").rows, NOTES, strict=True)], ids=NAMES_OF_D)
def test_each_line_of_the_notes_is_right(row, line):
    height, width, channels = map(int, line.shape.split("x"))
    assert row.output_shape == ((channels,) if line.label == "FC" else (channels, height, width))
    assert row.values.value == height * width * channels
    assert as_the_notes(row.values.value) == line.memory
    assert f"{row.weights.value:,}" == line.weights
    assert row.weights.working == (line.weights_working or "0")


def test_the_notes_total_of_parameters_holds_and_their_total_of_memory_does_not():
    totals = walk("D").totals
    assert as_the_notes(totals.weights) == as_the_notes(totals.parameters) == NOTES_TOTAL_PARAMETERS
    assert totals.memory_bytes == 60_950_432
    assert as_the_notes(totals.values) == "15M"  # and not 24M


# -- names


def test_layers_bear_the_papers_names_and_torchvisions_paths():
    places = {row.name: row.module for row in walk("D").module_rows}
    assert places["conv1_1"] == "features.0"
    assert places["conv3_2"] == "features.12"
    assert places["conv5_3"] == "features.28"
    assert places["pool5"] == "features.30"
    assert [places[name] for name in ("fc6", "fc7", "fc8")] == [
        "classifier.0",
        "classifier.3",
        "classifier.6",
    ]


def test_batch_norm_moves_the_paths_and_keeps_the_names():
    places = {row.name: row.module for row in walk("D-BN").module_rows}
    assert (places["conv5_3"], places["bn5_3"], places["pool5"]) == (
        "features.40",
        "features.41",
        "features.43",
    )


def test_the_notes_rows_have_the_papers_names_in_order():
    names = [row.name for row in walk("A").rows]
    assert names == [
        *("input", "conv1_1", "pool1", "conv2_1", "pool2", "conv3_1", "conv3_2", "pool3"),
        *("conv4_1", "conv4_2", "pool4", "conv5_1", "conv5_2", "pool5", "fc6", "fc7", "fc8"),
    ]
