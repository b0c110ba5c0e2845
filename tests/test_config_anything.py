"""Whatever people type is a network or an explanation."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from configuring import KEYS, WRITERS, answer, refusal
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vgg_profile.predict.vgg.configs import (
    Config,
    Conv,
    config,
    from_dict,
    read_file,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("configs")


# -- whatever else people type


words = st.sampled_from(
    [
        *"ABCDEM,-_/.\\\0\x1b\n \u202e\ud800",
        "64",
        "vgg",
        "conv",
        "16",
        "bn",
        "LRN",
        ".toml",
        ".json",
        "9" * 400,
    ]
)


typed = st.one_of(st.text(), st.lists(words).map("".join))


@given(typed)
@example("\ud800.json")
@example("conv³-64,M")
@example("²,M")
def test_any_text_is_a_network_or_a_refusal(text):
    found = answer(config, text)
    assert found is None or isinstance(found, Config)


json_like = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        typed,
        st.integers(min_value=10**2000, max_value=10**3000),
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(typed, inner, max_size=4),
    max_leaves=10,
)


layers_like = st.lists(st.sampled_from([64, "M", "conv1-8"]), min_size=1, max_size=3) | json_like
nearly_configs = st.fixed_dictionaries(
    {"layers": layers_like}, optional=dict.fromkeys((*KEYS[2:], "name", "extra"), json_like)
)


@given(json_like | nearly_configs)
@example({"layers": [64], "classifier": "\ud800"})
@settings(deadline=None)
def test_any_content_is_a_network_or_a_refusal(content):
    found = answer(from_dict, content)
    assert found is None or from_dict(found.to_dict()) == found


@given(json_like)
def test_any_object_is_a_network_or_a_refusal(thing):
    found = answer(config, thing)
    assert found is None or isinstance(found, Config)


@given(st.binary())
@settings(deadline=None)
@pytest.mark.parametrize("suffix", WRITERS)
def test_any_bytes_in_a_file_are_a_network_or_a_refusal(folder, suffix, content):
    path = folder / f"bytes{suffix}"
    path.write_bytes(content)
    found = answer(read_file, path)
    assert found is None or isinstance(found, Config)


def test_mistyped_names_never_crash_however_they_are_mistyped():
    dice = random.Random(16)
    for _ in range(300):
        letters = list("vgg16_bn")
        dice.shuffle(letters)
        answer(config, "".join(letters[: dice.randint(1, 8)]))


# -- what once got through, or broke


@pytest.mark.parametrize(
    "content",
    [
        {"layers": [10**5000]},
        {"layers": 10**5000},
        {"layers": [64], "name": 10**5000},
        {"layers": [64], "batch_norm": 10**5000},
        {"layers": [64], "classes": [10**5000]},
    ],
    ids=["a layer", "layers", "name", "batch_norm", "in a list"],
)
def test_a_gigantic_integer_is_refused_anywhere(content):
    refusal(from_dict, content)


def test_a_gigantic_hexadecimal_layer_is_refused(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(f"layers = [0x{'f' * 5000}]")
    refusal(read_file, path)


def test_a_list_nested_beyond_the_stack_is_refused():
    nested: list = []
    for _ in range(100_000):
        nested = [nested]
    refusal(from_dict, {"layers": [nested]})


def test_a_file_with_a_long_name_reads(tmp_path):
    path = tmp_path / f"{'long-' * 20}.json"
    path.write_text('{"layers": [64]}')
    assert read_file(path).layers == (Conv(64),)


def test_a_key_given_twice_in_json_is_refused(tmp_path):
    path = tmp_path / "own.json"
    path.write_text('{"layers": [64], "layers": [128]}')
    assert "layers" in refusal(read_file, path)


def test_a_path_without_a_suffix_is_told_what_suffix_to_have(tmp_path):
    path = tmp_path / "own"
    path.write_text("layers = [64]")
    assert ".toml" in refusal(config, Path(path))


def test_an_article_agrees_with_its_noun():
    assert "a int" not in refusal(config, 16)
