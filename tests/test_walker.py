"""The walk: every published figure, a pupil's walk beside ours, and every way to ask for the impossible."""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from math import prod

import pytest
from facts import (
    NOTES,
    NOTES_TOTAL_PARAMETERS,
    PAPER,
    SAVED_FOR_BACKWARD,
    SAVED_IN_EVAL,
    SAVED_WITHOUT_GRAD,
    STRIDE_AT_THE_LAST_POOL,
    TORCHVISION,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from test_arithmetic import evaluate
from test_configs import answer, refusal

from vgg_profile.core.events import Phase
from vgg_profile.core.setting import DEVICES, LARGEST
from vgg_profile.core.sizes import ITEMSIZE
from vgg_profile.core.tree import Profile
from vgg_profile.core.units import as_the_notes
from vgg_profile.predict.vgg.configs import Config, Conv, Normalise, Pool, config
from vgg_profile.predict.vgg.spelled_out import modules
from vgg_profile.predict.vgg.tape import Tape
from vgg_profile.predict.vgg.walk import forward, load, walk

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


# -- networks of one's own

tokens = st.one_of(
    st.builds(Conv, st.integers(1, 9), st.sampled_from([1, 3, 5, 7])), st.just(Pool()), st.just(Normalise())
)
own_configs = st.builds(
    Config,
    st.just("own"),
    st.tuples(st.lists(tokens, max_size=4), st.lists(tokens, max_size=5)).map(
        lambda two: (*two[0], Conv(4), *two[1])
    ),
    classifier=st.lists(st.integers(1, 9), max_size=3).map(tuple),
    classes=st.integers(1, 9),
    in_channels=st.integers(1, 4),
    batch_norm=st.booleans(),
    pool=st.sampled_from([7, 1, 3, None]),
)


@st.composite
def own_walks(draw):
    """A small network of any make at an image that it can take, square or not, in any setting."""
    net = draw(own_configs)
    sides = st.integers(2**net.pools, 2**net.pools + 9)
    return walk(
        net,
        input=(net.in_channels, draw(sides), draw(sides)),
        batch=draw(st.integers(1, 1000)),
        dtype=draw(st.sampled_from(sorted(ITEMSIZE))),
        device=draw(st.sampled_from(DEVICES)),
    )


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


# -- images of any size


def test_an_image_need_not_be_square():
    tall, wide = walk("D", input="256x192"), walk("D", input="192x256")
    assert tall.rows[1].output_shape == (64, 256, 192)
    assert tall.rows[1].values.working == "256*192*64"
    assert wide.rows[-5].output_shape == (512, 6, 8)
    assert tall.totals == wide.totals


def test_the_classifier_costs_the_same_at_every_size():
    small, large = walk("D", input=32), walk("D", input="512x1024")
    assert small.totals.parameters == large.totals.parameters == PAPER["D"].parameters
    assert small.to_dict()["rows"][-3:] == large.to_dict()["rows"][-3:]


@pytest.mark.parametrize(
    "size", [224, "224", "224x224", " 3X224×224 ", (224, 224), [3, 224, 224], ("3", 224, "224")]
)
def test_an_image_size_is_written_in_many_ways(size):
    assert walk("D", input=size).to_dict() == walk("D").to_dict()


def test_a_hundred_thousand_8k_frames_do_not_overflow():
    profile = walk("D", input="4320x7680", batch=100_000)
    values, height, width = 3 * 4320 * 7680, 4320, 7680
    for convolutions, channels in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)):
        values += convolutions * channels * height * width
        height, width = height // 2, width // 2
        values += channels * height * width
    values += 512 * 7 * 7 + 4096 + 4096 + 1000
    assert profile.rows[1].memory_bytes(100_000, 4) == 849_346_560_000_000
    assert profile.totals.values == values
    assert profile.totals.memory_bytes == 400_000 * values
    assert profile.totals.memory_bytes > 2**51


def test_the_largest_batch_of_the_largest_image_is_exact():
    profile = walk("8,", input=LARGEST, batch=LARGEST)
    assert profile.rows[1].memory_bytes(LARGEST, 4) == 32 * 10**27
    assert profile.rows[1].macs.value == 3 * 3 * 3 * 8 * 10**18


# -- what autograd keeps


@pytest.mark.parametrize("label", SAVED_FOR_BACKWARD)
def test_as_much_is_saved_for_backward_as_an_allocator_says(label):
    assert walk(label).totals.saved_bytes == SAVED_FOR_BACKWARD[label]


@pytest.mark.parametrize(
    ("mode", "live"),
    [
        ({"training": True}, SAVED_FOR_BACKWARD["D"]),
        ({"training": False}, SAVED_IN_EVAL),
        ({"training": False, "grad": False}, SAVED_WITHOUT_GRAD),
        ({"training": True, "grad": False}, SAVED_WITHOUT_GRAD),
    ],
    ids=str,
)
def test_eval_keeps_less_and_no_grad_keeps_the_logits_alone(mode, live):
    tape = Tape(itemsize=4, **mode)
    net = config("D")
    forward(tape, net, (3, 224, 224), load(tape, net, (3, 224, 224)))
    kept = [
        storage.size.at(1)
        for event in tape.events
        if event.phase is Phase.FORWARD
        for storage in event.allocated
        if storage.holders
    ]
    assert sum(kept) == live


@given(own_walks())
@settings(deadline=None)
def test_what_is_saved_grows_with_the_batch_by_the_same_step(profile):
    at = [sum(row.saved_bytes(batch) for row in profile.rows) for batch in (1, 2, 3)]
    assert at[2] - at[1] == at[1] - at[0] > 0


# -- linear in depth, by counting work and not by the clock


def calls_into_the_library(action):
    """How many of our functions an action calls."""
    calls = 0

    def count(frame, event, _):
        nonlocal calls
        calls += event == "call" and "vgg_profile" in frame.f_code.co_filename

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        action()
    finally:
        sys.setprofile(before)
    return calls


def steps(action, depths=(100, 200, 300)):
    """How much an action's figure grows from each depth to the next."""
    figures = [action(depth) for depth in depths]
    return [after - before for before, after in pairwise(figures)]


def test_twice_the_depth_is_twice_the_events():
    def events(depth):
        tape = Tape(itemsize=4)
        net = config([8, "LRN"] * depth, batch_norm=True)
        forward(tape, net, (3, 8, 8), load(tape, net, (3, 8, 8)))
        return len(tape.events)

    first, second = steps(events)
    assert first == second > 0


def test_twice_the_depth_is_twice_the_work():
    def work(depth):
        modules.cache_clear()
        return calls_into_the_library(lambda: walk([8, "LRN"] * depth, batch_norm=True).totals)

    work(100)  # enums and patterns warm up
    first, second = steps(work)
    assert first == second > 0


def test_counting_work_would_notice_a_quadratic_walk():
    def work(depth):
        return calls_into_the_library(lambda: [walk([8] * each) for each in range(1, depth)])

    first, second = steps(work, (5, 10, 15))
    assert first < second


# -- the impossible


def test_an_image_too_small_is_told_at_which_layer_and_which_size_works():
    message = refusal(walk, "D", input=31)
    assert "at pool5 (features.30)" in message
    assert "32x32" in message
    assert "--input 32." in message


@given(own_configs, st.data())
@settings(deadline=None)
def test_the_smallest_size_that_is_named_works_and_one_less_does_not(net, data):
    smallest = 2**net.pools
    assert walk(net, input=smallest)
    if net.pools:
        other_side = data.draw(st.integers(smallest, 2 * smallest))
        for shape in ((smallest - 1, other_side), (other_side, smallest - 1)):
            assert f"smallest image is {smallest}x{smallest}" in refusal(walk, net, input=shape)


@given(st.integers(1, 12), st.data())
@settings(deadline=None)
def test_the_pool_that_is_named_is_the_first_that_leaves_nothing(pools, data):
    side = data.draw(st.integers(1, 2**pools - 1))
    assert f"at pool{side.bit_length()} (" in refusal(walk, [8] + ["M"] * pools, input=side)


@pytest.mark.parametrize(
    "size",
    [
        *(
            "",
            "x",
            "0",
            "-1",
            "3x0x224",
            "224x",
            "224,224",
            "3x224x224x1",
            "9" * 30,
            "1e3",
            "2.5",
            "\x1b[31m",
        ),
        *(0, -1, True, (), [], {}, (224.0,), (None,), (224, -1), [[224]], (1,) * 4, "x".join("9" * 9999)),
    ],
    ids=lambda size: ascii(size)[:20],
)
def test_what_is_not_an_image_size_is_told_what_is(size):
    assert "--input" in refusal(walk, "D", input=size)


def test_other_channels_than_the_networks_are_refused_by_both_numbers():
    message = refusal(walk, "D", input="1x224x224")
    assert "1 channel," in message
    assert "takes 3" in message
    assert "--input 3x224x224" in message


@pytest.mark.parametrize("batch", [0, -1, True, 1.5, "8", None, [8], LARGEST + 1, float("nan")])
def test_a_batch_is_a_whole_number_of_images(batch):
    message = refusal(walk, "D", batch=batch)
    assert "The batch is" in message
    assert "--batch 1" in message


@pytest.mark.parametrize("dtype", ["int8", "FLOAT32", "", None, 32, "float32\n", "x" * 10_000])
def test_a_strange_dtype_is_told_which_there_are(dtype):
    assert "float64, float32, bfloat16, float16" in refusal(walk, "D", dtype=dtype)


@pytest.mark.parametrize("device", ["tpu", "CPU", "", "c", None, ()])
def test_a_strange_device_is_told_which_there_are(device):
    assert "cpu, cuda" in refusal(walk, "D", device=device)


scraps = st.one_of(st.text(max_size=8), st.integers(-5, 300), st.integers(), st.none(), st.booleans())
sizes_like = st.one_of(
    st.text(),
    st.text("0123456789xX× -+_.", max_size=20),
    st.integers(),
    st.lists(scraps, max_size=4),
    st.lists(scraps, max_size=4).map(tuple),
)


@given(sizes_like)
@settings(deadline=None)
def test_any_image_size_is_a_profile_or_a_refusal(size):
    found = answer(walk, "8,M", input=size)
    assert found is None or isinstance(found, Profile)


@given(
    batch=st.one_of(scraps, st.floats(), st.lists(scraps)),
    dtype=st.one_of(st.just("float16"), scraps, st.floats()),
)
@settings(deadline=None)
def test_any_batch_and_dtype_are_a_profile_or_a_refusal(batch, dtype):
    found = answer(walk, "8,M", batch=batch, dtype=dtype)
    assert found is None or (found.batch, found.dtype) == (batch, dtype)


# -- what once got through, or broke


def test_a_network_that_no_image_can_meet_is_not_told_to_try_one():
    message = refusal(walk, [8] + ["M"] * 31)
    assert "try --input" not in message


def test_a_network_of_a_thousand_pools_is_refused_briefly():
    refusal(walk, [8] + ["M"] * 1100)


def test_a_network_of_twenty_thousand_pools_is_refused():
    refusal(walk, [8] + ["M"] * 20_000)


@pytest.mark.parametrize("setting", ["batch", "input", "dtype", "device"])
def test_a_gigantic_integer_is_refused_in_any_setting(setting):
    refusal(walk, "D", **{setting: 10**5000})


@pytest.mark.parametrize("size", [224.0, 1e9, object])
def test_an_input_that_is_no_sequence_is_refused(size):
    refusal(walk, "D", input=size)


@pytest.mark.parametrize("dtype", [[], {}])
def test_an_unhashable_dtype_is_refused(dtype):
    refusal(walk, "D", dtype=dtype)


def test_bytes_are_not_an_image_size():
    assert "is not an image size" in refusal(walk, "D", input=b"224")


@pytest.mark.parametrize("size", ["2_24", "+224", "٢٢٤"])
def test_an_image_size_is_plain_digits(size):
    refusal(walk, "D", input=size)


def test_the_same_walk_twice_is_the_same_profile():
    assert walk("A") == walk("A")


def test_batch_norm_is_true_or_false():
    refusal(walk, "D", batch_norm="no")
