"""What a layer is: each formula against figures worked out by hand or published elsewhere."""

from __future__ import annotations

from math import prod

import pytest
from facts import NOTES, POOL_INDEX_BYTES
from hypothesis import given
from hypothesis import strategies as st

import vgg_profile.predict.vgg.layers
from vgg_profile.core.counts import ZERO, Count
from vgg_profile.core.events import Category
from vgg_profile.predict.vgg.configs import config
from vgg_profile.predict.vgg.layers import (
    AdaptiveAvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    Layer,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    ReLU,
)
from vgg_profile.predict.vgg.spelled_out import modules
from vgg_profile.predict.vgg.tape import Tape
from vgg_profile.predict.vgg.walk import walk

sizes = st.integers(1, 512)
maps = st.tuples(sizes, sizes, sizes)
convolutions = st.builds(Conv2d, sizes, sizes, st.sampled_from([1, 3, 5, 7]))
linears = st.builds(Linear, st.one_of(maps, st.tuples(sizes)), sizes)
any_layer = st.one_of(
    convolutions,
    linears,
    st.builds(BatchNorm2d, sizes),
    st.builds(ReLU, st.booleans()),
    st.sampled_from([LocalResponseNorm(), MaxPool2d(), AdaptiveAvgPool2d(), Flatten(), Dropout()]),
)


# -- convolutions


def test_the_first_convolution_of_vgg_is_worked_out_by_hand():
    conv1_1 = Conv2d(3, 64)
    assert conv1_1.output_shape((3, 224, 224)) == (64, 224, 224)
    assert conv1_1.weights == Count(1_728, "(3*3*3)*64")
    assert conv1_1.biases == 64
    assert conv1_1.values((3, 224, 224)) == Count(3_211_264, "224*224*64")
    assert conv1_1.macs((3, 224, 224)).value == 86_704_128  # 224 * 224 places, 27 weights, 64 filters


def test_a_1x1_convolution_mixes_channels_and_sees_one_pixel():
    conv = Conv2d(256, 256, 1)
    assert (conv.weights.value, conv.biases, conv.kernel) == (65_536, 256, 1)


@given(convolutions, maps)
def test_a_convolution_keeps_the_size_of_its_map_whatever_its_kernel(conv, shape):
    assert conv.output_shape((conv.in_channels, *shape[1:])) == (conv.out_channels, *shape[1:])


@given(convolutions, maps)
def test_a_convolution_uses_every_weight_once_at_every_place(conv, shape):
    _, height, width = shape
    assert conv.macs((conv.in_channels, height, width)).value == conv.weights.value * height * width


# -- pools and what follows them


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((64, 224, 224), (64, 112, 112)),
        ((8, 7, 5), (8, 3, 2)),
        ((8, 2, 3), (8, 1, 1)),
        ((8, 1, 9), (8, 0, 4)),
    ],
)
def test_a_max_pool_halves_and_leaves_an_odd_last_row_out(before, after):
    assert MaxPool2d().output_shape(before) == after


def test_the_average_pool_makes_seven_by_seven_of_anything():
    assert {AdaptiveAvgPool2d().output_shape((512, *plane)) for plane in ((7, 7), (1, 1), (40, 9))} == {
        (512, 7, 7)
    }


def test_the_average_pool_copies_even_a_map_of_its_own_size():
    assert AdaptiveAvgPool2d().values((512, 7, 7)) == Count(25_088, "7*7*512")


def test_flattening_is_a_view_and_makes_nothing():
    assert Flatten().output_shape((512, 7, 7)) == (25_088,)
    assert Flatten().values((512, 7, 7)) == ZERO


# -- fully connected


def test_fc6_is_worked_out_by_hand():
    fc6 = Linear((512, 7, 7), 4096)
    assert fc6.weights == Count(102_760_448, "7*7*512*4096")
    assert fc6.macs((25_088,)) == fc6.weights
    assert (fc6.biases, fc6.in_features, fc6.output_shape((25_088,))) == (4096, 25_088, (4096,))
    assert fc6.parameter_shapes == {"weight": (4096, 25_088), "bias": (4096,)}


def test_fc7_multiplies_two_plain_sizes():
    assert Linear((4096,), 4096).weights == Count(16_777_216, "4096*4096")


# -- norms


def test_a_batch_norm_learns_two_figures_a_channel_and_tracks_two_and_a_counter():
    norm = BatchNorm2d(64)
    assert (norm.weights.value, norm.biases) == (64, 64)
    assert norm.buffers == 64 + 64 + 1
    assert norm.buffer_sizes["num_batches_tracked"] == (1, 8)  # an int64, whatever the network's dtype


def test_local_response_normalisation_is_alexnets():
    norm = LocalResponseNorm()
    assert (norm.size, norm.k, norm.alpha, norm.beta) == (5, 2, 1e-4, 0.75)


# -- in place


def test_a_relu_in_place_makes_no_values_and_another_makes_as_many_as_it_reads():
    assert ReLU().values((64, 224, 224)) == ZERO
    assert ReLU(in_place=False).values((64, 224, 224)).value == 3_211_264


@pytest.mark.parametrize("in_place", [True, False])
def test_a_rectifier_keeps_its_output(in_place):
    tape = Tape(itemsize=4)
    given = tape.parameter("given", (64, 8, 8))
    output = ReLU(in_place).trace(tape, given, {})
    assert output.node.saved == (output.storage,)
    assert (output.storage is given.storage) is in_place


def test_a_product_keeps_a_factor_where_the_other_wants_a_gradient():
    tape = Tape(itemsize=4)
    wants, images = tape.parameter("x", (8,)), tape.tensor(Category.INPUT, "images", (8,))
    trained, frozen = (
        {
            "weight": tape.parameter("weight", (4, 8), is_frozen=each),
            "bias": tape.parameter("bias", (4,), is_frozen=each),
        }
        for each in (False, True)
    )
    layer = Linear((8,), 4)
    assert layer.trace(tape, wants, frozen).node.saved == (frozen["weight"].storage,)
    assert layer.trace(tape, images, trained).node.saved == (images.storage,)
    assert layer.trace(tape, wants, trained).node.saved == (wants.storage, trained["weight"].storage)


# -- what holds for every layer


@given(any_layer)
def test_weights_and_biases_are_the_elements_of_the_parameters(layer):
    shapes = layer.parameter_shapes
    assert layer.weights.value == (prod(shapes["weight"]) if "weight" in shapes else 0)
    assert layer.biases == (prod(shapes["bias"]) if "bias" in shapes else 0)


@given(any_layer, maps)
def test_new_values_are_the_elements_of_the_output_unless_nothing_is_made(layer, shape):
    expected = prod(layer.output_shape(shape)) if layer.allocates_output else 0
    assert layer.values(shape).value == expected


@given(any_layer, maps)
def test_only_layers_that_learn_multiply_and_accumulate(layer, shape):
    learns = isinstance(layer, (Conv2d, Linear))
    assert bool(layer.macs(shape).value) == learns


def test_every_layer_has_a_kind_of_its_own_and_can_be_traced():
    named = vars(vgg_profile.predict.vgg.layers).values()
    layers = [
        each for each in named if isinstance(each, type) and issubclass(each, Layer) and each is not Layer
    ]
    assert len({layer.kind for layer in layers}) == len(layers) == 9
    assert all("trace" in vars(layer) for layer in layers)


# -- what autograd keeps, against figures read from an allocator


def kept(label: str, what: str, **setup: str) -> int:
    return sum(
        storage.size.at(1)
        for row in walk(label, **setup).module_rows
        for storage in row.saved
        if storage.category == what
    )


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_max_pool_indices_are_int64_in_every_dtype(dtype):
    pooled = sum(prod(map(int, line.shape.split("x"))) for line in NOTES if line.label == "POOL2")
    assert kept("D", "pool indices", dtype=dtype) == POOL_INDEX_BYTES == 8 * pooled


def test_a_dropout_mask_is_of_the_networks_dtype_on_the_cpu_and_of_bytes_on_cuda():
    assert kept("D", "dropout masks") == 2 * 4096 * 4
    assert kept("D", "dropout masks", dtype="float64") == 2 * 4096 * 8
    assert kept("D", "dropout masks", device="cuda") == 2 * 4096


def test_a_batch_norm_keeps_a_mean_and_a_deviation_a_channel():
    channels = sum(
        module.layer.channels for module in modules(config("D-BN")) if module.layer.kind == "batchnorm"
    )
    assert channels == 4_224  # 2*64 + 2*128 + 3*256 + 6*512
    assert kept("D-BN", "batch statistics") == 2 * 4_224 * 4
