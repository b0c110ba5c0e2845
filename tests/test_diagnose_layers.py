"""Defects of single layers, told by the layers around them, each at its place with its fix."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from diagnosing import FLATTEN, IMAGE, POOL, RELU, conv, diagnosed, linear, norm, run_fixed, shared, summary

from vgg_profile.core.errors import InputError
from vgg_profile.diagnose import Kind, Written
from vgg_profile.diagnose.calls import of_function
from vgg_profile.render import render

CASES = {
    "a norm's width": (
        (conv(3, 8), norm(64), RELU),
        [("bn1_1", Kind.NORM_WIDTH, "nn.BatchNorm2d(8)")],
    ),
    "a group norm's width, and groups that divide it": (
        (conv(3, 6), Written("GroupNorm", {"num_groups": 4, "num_channels": 8})),
        [("gn1_1", Kind.NORM_WIDTH, "nn.GroupNorm(2, 6)")],
    ),
    "the first in-channels": (
        (conv(1, 8), RELU),
        [("conv1_1", Kind.IN_CHANNELS, "nn.Conv2d(3, 8, 3, padding=1)")],
    ),
    "groups that no longer divide": (
        (conv(3, 6), conv(4, 8, groups=4)),
        [("conv1_2", Kind.IN_CHANNELS, "nn.Conv2d(6, 8, 3, padding=1)")],
    ),
    "each channel by itself, as it was": (
        (conv(3, 8), norm(8), conv(16, 16, groups=16), norm(16)),
        [("conv1_2", Kind.IN_CHANNELS, "nn.Conv2d(8, 16, 3, padding=1, groups=8)")],
    ),
    "a norm and the next convolution outvote a width": (
        (conv(3, 8), norm(8), conv(8, 18), norm(16), conv(16, 16), norm(16)),
        [("conv1_2", Kind.WIDTH, "nn.Conv2d(8, 16, 3, padding=1)")],
    ),
    "the block decides against a width": (
        (conv(3, 18), conv(16, 16)),
        [("conv1_1", Kind.WIDTH, "nn.Conv2d(3, 16, 3, padding=1)")],
    ),
    "the block decides for a width": (
        (conv(3, 16), conv(18, 16)),
        [("conv1_2", Kind.IN_CHANNELS, "nn.Conv2d(16, 16, 3, padding=1)")],
    ),
    "alone, a width stands": (
        (conv(3, 16), POOL, conv(18, 24)),
        [("conv2_1", Kind.IN_CHANNELS, "nn.Conv2d(16, 24, 3, padding=1)")],
    ),
    "a linear layer's fan-in": (
        (conv(3, 8), POOL, FLATTEN, linear(8 * 8 * 8, 10)),
        [("fc2", Kind.FAN_IN, "nn.Linear(8*16*16, 10)")],
    ),
    "a missing flatten": (
        (conv(3, 8), POOL, linear(8 * 16 * 16, 10)),
        [("flatten", Kind.NO_FLATTEN, "insert nn.Flatten() after pool1")],
    ),
    "a flatten too early": (
        (conv(3, 8), FLATTEN, POOL, FLATTEN, linear(8 * 16 * 16, 10)),
        [("flatten", Kind.MISPLACED, "remove it")],
    ),
    "images put in one row": (
        (Written("Flatten", {"start_dim": 0}), linear(3 * 32 * 32, 10)),
        [("flatten", Kind.FLATTEN, "nn.Flatten()")],
    ),
    "a row of the wrong length": (
        (Written("Flatten", {"row": 3 * 28 * 28}), linear(3 * 32 * 32, 10)),
        [("flatten", Kind.FLATTEN, "nn.Flatten()")],
    ),
    "a pool too many": (
        (conv(3, 8), *[POOL] * 6, FLATTEN, linear(8, 10)),
        [("pool6", Kind.NOTHING_LEFT, "remove it")],
    ),
    "a kernel larger than the map": (
        (*[POOL] * 4, conv(3, 8, padding=0)),
        [("conv5_1", Kind.NOTHING_LEFT, "nn.Conv2d(3, 8, 3, padding=1)")],
    ),
    "a norm that most have": (
        (conv(3, 8), norm(8), conv(8, 8), norm(8), conv(8, 8), POOL),
        [("bn1_3", Kind.NO_NORM, "insert nn.BatchNorm2d(8) after conv1_3")],
    ),
    "an activation that most have, after the norm": (
        (conv(3, 8), norm(8), RELU, conv(8, 8), norm(8), conv(8, 8), norm(8), RELU, POOL),
        [("relu1_2", Kind.NO_ACTIVATION, "insert nn.ReLU() after bn1_2")],
    ),
    "a convolution on a row": (
        (FLATTEN, linear(3072, 8), RELU, conv(8, 8)),
        [("conv1_1", Kind.MISPLACED, "remove it")],
    ),
    "a batch norm for the wrong dimensions": (
        (conv(3, 8), Written("BatchNorm1d", {"num_features": 8})),
        [("bn1_1", Kind.MISPLACED, "nn.BatchNorm2d(8)")],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_kind_of_defect_is_named_at_its_place_with_its_fix(case):
    layers, expected = CASES[case]
    assert summary(diagnosed(*layers)) == expected


@pytest.mark.parametrize("case", CASES)
def test_what_is_fixed_runs_and_is_clean(case):
    diagnosis = diagnosed(*CASES[case][0])
    run_fixed(diagnosis)
    assert not diagnosed(*(layer for _, layer, _ in diagnosis.fixed)).defects


def test_a_norm_for_rows_says_that_a_map_arrives():
    (defect,) = diagnosed(*CASES["a batch norm for the wrong dimensions"][0]).defects
    assert defect.found == "BatchNorm1d(8), and a map, 8×32×32, arrives"


def test_one_mistake_is_told_once():
    """What comes after meets the fixed layer."""
    layers = (conv(3, 8), norm(64), RELU, conv(8, 8), norm(8), RELU, FLATTEN, linear(8 * 32 * 32, 10))
    assert [each.place for each in diagnosed(*layers).defects] == ["bn1_1"]


def test_the_working_of_a_fan_in_is_shown():
    layers = (conv(3, 512), *[POOL] * 5, FLATTEN, linear(512 * 8 * 8, 4096))
    (defect,) = diagnosed(*layers, image=(3, 224, 224)).defects
    assert defect.found.endswith("512*8*8 = 32,768, and 512*7*7 = 25,088 arrive")
    assert defect.fits == "512*7*7 = 25,088"


def test_a_fan_in_that_is_no_square_map_is_a_bare_number():
    (defect,) = diagnosed(conv(3, 8), FLATTEN, linear(1000, 10)).defects
    assert ": 1,000, and 8*32*32 = 8,192 arrive" in defect.found


@pytest.mark.parametrize(
    ("first", "fan_in", "meant"),
    [
        (conv(1, 8), 8 * 32 * 32, "1x32x32"),
        (conv(3, 8), 8 * 64 * 64, "3x64x64"),
        (conv(1, 8), 6272, "1x28x28"),
    ],
)
def test_an_input_that_the_model_takes_as_it_is_is_named(first, fan_in, meant):
    diagnosis = diagnosed(first, RELU, FLATTEN, linear(fan_in, 10))
    assert diagnosis.defects
    (remark,) = diagnosis.remarks
    assert remark.endswith(f"try --input {meant}.")


def test_no_other_input_is_named_where_none_would_do():
    assert not diagnosed(conv(3, 8), RELU, FLATTEN, linear(1000, 10)).remarks
    assert not diagnosed(conv(3, 8), RELU, conv(4, 8), RELU).remarks


def test_twice_the_same_name_is_told_apart():
    layers = (conv(3, 8), RELU, RELU, Written("ReLU6"), FLATTEN, linear(8 * 32 * 32, 10), FLATTEN)
    assert [name for name, _, _ in diagnosed(*layers).fixed] == [
        *("conv1_1", "relu1_1", "relu1_1_2", "relu6_1_1"),
        *("flatten", "fc2", "flatten_2"),
    ]


def test_a_place_to_insert_at_has_the_files_own_name():
    layers = [conv(3, 8), RELU, conv(8, 8), conv(8, 8), RELU, POOL]
    layers[2] = replace(layers[2], module="body.2", line=11)
    (defect,) = diagnosed(*layers).defects
    assert defect.fix == "insert nn.ReLU() after conv1_2 (module body.2, line 11)"


def test_what_is_too_close_to_call_is_remarked_upon():
    layers = (conv(3, 8), RELU, conv(8, 8), RELU, conv(8, 8), POOL, conv(8, 8), POOL, conv(8, 8), RELU, POOL)
    diagnosis = diagnosed(*layers)
    assert not diagnosis.defects
    tally = "3 of 5 such layers have one"
    assert diagnosis.remarks == (f"No activation follows Conv2d; {tally}.",) * 2
    assert render(diagnosis, "table").endswith("Every layer fits. See the 2 remarks above.\n")


def test_a_1x1_convolution_is_not_measured_by_others():
    layers = (conv(3, 8), RELU, conv(8, 8), RELU, conv(8, 4, kernel=1), POOL)
    diagnosis = diagnosed(*layers)
    assert not diagnosis.defects
    assert not diagnosis.remarks


def test_no_activation_at_all_is_remarked_upon():
    diagnosis = diagnosed(conv(3, 8), POOL, FLATTEN, linear(8 * 16 * 16, 10))
    assert not diagnosis.defects
    assert diagnosis.remarks[0].startswith("No activation stands anywhere")


def test_a_padding_that_its_neighbours_have_is_missed_unless_a_layer_counts_on_its_absence():
    body = [conv(3, 8), RELU, conv(8, 8, padding=0), RELU, *[conv(8, 8), RELU] * 3, FLATTEN]
    assert summary(diagnosed(*body, linear(8 * 32 * 32, 5))) == [
        ("conv1_2", Kind.PADDING, "nn.Conv2d(8, 8, 3, padding=1)")
    ]
    assert not diagnosed(*body, linear(8 * 30 * 30, 5)).defects
    few = [conv(3, 8), RELU, conv(8, 8, padding=0), RELU, conv(8, 8), RELU]
    assert not diagnosed(*few).defects


def test_a_width_that_its_block_bears_out_stands_against_a_norm_and_the_next_block():
    layers = (conv(3, 8), norm(8), conv(8, 8), norm(4), POOL, conv(4, 16), norm(16))
    assert summary(diagnosed(*layers)) == [
        ("bn1_2", Kind.NORM_WIDTH, "nn.BatchNorm2d(8)"),
        ("conv2_1", Kind.IN_CHANNELS, "nn.Conv2d(8, 16, 3, padding=1)"),
    ]


def test_a_layer_called_again_is_shared_and_counted_once():
    twin = conv(8, 8)
    diagnosis = diagnosed(conv(3, 8), RELU, shared(twin, 5), RELU, shared(twin, 6), RELU)
    assert not diagnosis.defects
    assert diagnosis.code.count("nn.Conv2d(8, 8") == 1
    run_fixed(diagnosis)


def test_a_layer_called_again_is_one_witness():
    twin = [shared(conv(8, 8), 5), replace(norm(8), module="norm"), RELU]
    assert not diagnosed(conv(3, 8), RELU, *twin * 3).defects


def test_a_layer_called_again_is_fixed_once():
    twin = conv(9, 8)
    diagnosis = diagnosed(conv(3, 8), norm(8), RELU, shared(twin, 5), RELU, shared(twin, 6), RELU)
    assert [(each.place, each.line) for each in diagnosis.defects] == [("conv1_2", 3)]
    run_fixed(diagnosis)


def test_a_layer_called_again_where_it_cannot_fit_needs_another():
    twin = conv(3, 8)
    diagnosis = diagnosed(shared(twin, 5), RELU, shared(twin, 6), RELU)
    (defect,) = diagnosis.defects
    assert (defect.place, defect.line) == ("conv1_2", 6)
    assert defect.fix == "make a layer of its own for this call: nn.Conv2d(8, 8, 3, padding=1)"
    run_fixed(diagnosis)


def test_a_layer_that_is_not_known_is_refused_at_its_place():
    with pytest.raises(InputError, match=r"features\.3 \(line 7\) is a LSTM, whose shapes are not known"):
        diagnosed(Written("LSTM", {}, "features.3", 7))


def test_a_squeeze_that_drops_a_batch_of_one_is_a_wrong_flatten() -> None:
    squeeze = of_function("squeeze", (), {}, (7, 32, 1, 1), "x.squeeze()")
    assert squeeze is not None
    pool = Written("AdaptiveAvgPool2d", {"output_size": 1})
    found = diagnosed(conv(3, 32), pool, *squeeze, linear(32, 10))
    assert [kind for _, kind, _ in summary(found)] == [Kind.FLATTEN]
    assert run_fixed(found)(torch.zeros(1, *IMAGE)).shape == (1, 10)
