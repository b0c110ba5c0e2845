"""Every way to ask the walk for the impossible."""

from __future__ import annotations

import pytest
from configuring import answer, refusal
from hypothesis import given, settings
from hypothesis import strategies as st
from walking import own_configs

from vgg_profile.core.setting import LARGEST
from vgg_profile.core.tree import Profile
from vgg_profile.predict.vgg.walk import walk

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
