"""The networks and their names; and whatever else people type, answered by a network or by an explanation."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
from facts import PAPER as PUBLISHED
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from vgg_profile.core.errors import InputError
from vgg_profile.core.setting import LARGEST
from vgg_profile.predict.vgg.config_form import FORMS
from vgg_profile.predict.vgg.configs import (
    LARGEST_FILE,
    PAPER,
    Config,
    Conv,
    Normalise,
    Pool,
    config,
    from_dict,
    from_list,
    read_file,
)
from vgg_profile.predict.vgg.limits import LONGEST_NAME, MOST_LAYERS

KEYS = ("name", "layers", "classifier", "classes", "in_channels", "batch_norm", "pool")


def refusal(action, *args, **kwargs) -> str:
    """The message of the refusal that must come: one printable paragraph, short enough to read."""
    with pytest.raises(InputError) as refused:
        action(*args, **kwargs)
    message = str(refused.value)
    assert message.isprintable()
    assert len(message) < 1000
    assert message == f"{refused.value.problem} {refused.value.next_step}"
    return message


def answer(action, *args, **kwargs):
    """What comes of it: a result, or ``None`` after a proper refusal. Nothing else may happen."""
    try:
        return action(*args, **kwargs)
    except InputError as error:
        message = str(error)
        assert message.isprintable()
        assert len(message) < 1000
        return None


# -- the paper's networks


def test_the_paper_has_six_networks_in_its_order():
    assert list(PAPER) == list(PUBLISHED) == ["A", "A-LRN", "B", "C", "D", "E"]


@pytest.mark.parametrize(
    ("name", "depth"), [("A", 11), ("A-LRN", 11), ("B", 13), ("C", 16), ("D", 16), ("E", 19)]
)
def test_the_paper_counts_layers_that_learn(name, depth):
    assert PAPER[name].depth == depth
    assert PAPER[name].pools == 5


@pytest.mark.parametrize(
    ("name", "blocks"),
    [
        ("A", "64 | 128 | 256 256 | 512 512 | 512 512"),
        ("A-LRN", "64 LRN | 128 | 256 256 | 512 512 | 512 512"),
        ("B", "64 64 | 128 128 | 256 256 | 512 512 | 512 512"),
        ("C", "64 64 | 128 128 | 256 256 conv1-256 | 512 512 conv1-512 | 512 512 conv1-512"),
        ("D", "64 64 | 128 128 | 256 256 256 | 512 512 512 | 512 512 512"),
        ("E", "64 64 | 128 128 | 256 256 256 256 | 512 512 512 512 | 512 512 512 512"),
    ],
)
def test_each_network_is_a_column_of_table_1(name, blocks):
    written = " ".join(map(str, PAPER[name].layers))
    assert written == f"{blocks} |".replace("|", "M")
    assert (PAPER[name].classifier, PAPER[name].classes, PAPER[name].in_channels) == ((4096, 4096), 1000, 3)


# -- the names people type

ALIASES = {
    "A": ["A", "vgg11", "vgg-11", "vgg_11", "vgg 11", "11", "vgga", "vgg-a"],
    "A-LRN": ["A-LRN", "alrn", "a_lrn", "vgg11-lrn", "vgg11_lrn", "11lrn"],
    "B": ["B", "vgg13", "vgg-13", "13"],
    "C": ["C", "vggc", "vgg-c"],
    "D": ["D", "vgg16", "vgg-16", "vgg_16", "vgg 16", "16", "vggd"],
    "E": ["E", "vgg19", "vgg-19", "19", " e "],
}
SPELLINGS = [(alias, label) for label, aliases in ALIASES.items() for alias in aliases]


@pytest.mark.parametrize(("alias", "label"), SPELLINGS)
@pytest.mark.parametrize("case", [str.lower, str.upper, str.title, str.swapcase])
def test_a_network_answers_to_every_usual_name_in_any_case(alias, label, case):
    assert config(case(alias)) == PAPER[label]


@pytest.mark.parametrize(("alias", "label"), SPELLINGS)
@pytest.mark.parametrize("ending", ["_bn", "-BN", "bn", " Bn"])
def test_a_name_that_ends_in_bn_has_batch_norm(alias, label, ending):
    found = config(alias + ending)
    assert found.label == f"{label}-BN"
    assert found == config(label, batch_norm=True)


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("vgg61", "vgg16"),
        ("vg16", "vgg16"),
        ("vgg17", "vgg16"),
        ("vgg19_bm", "vgg19_bn"),
        ("VGG-15", "vgg-16"),
    ],
)
def test_a_typo_is_answered_by_a_name_that_works(typo, meant):
    message = refusal(config, typo)
    suggested = message.partition("Did you mean ")[2].partition("?")[0].split(" or ")
    assert meant in suggested
    assert all(config(name) for name in suggested)


@pytest.mark.parametrize(
    "stranger", ["resnet50", "", "   ", "bn", "-", "64 64 M", "vggvgg16", "F", "٣", "Dé"]
)
def test_a_strange_name_is_told_which_names_there_are(stranger):
    message = refusal(config, stranger)
    assert "A, A-LRN, B, C, D, E" in message
    assert "vgg-profile list" in message


def test_what_the_caller_says_replaces_what_the_name_says():
    assert config("D-BN", batch_norm=False) == PAPER["D"]
    assert config("D", classes=10).classes == 10
    assert config(PAPER["D"]) is PAPER["D"]


# -- a list of one's own


def test_a_quoted_list_is_a_network_with_the_papers_classifier():
    own = config("64, conv1-64 ,LRN,M,128,m,")
    assert own.layers == (Conv(64), Conv(64, 1), Normalise(), Pool(), Conv(128), Pool())
    assert own.name == "64,conv1-64,LRN,M,128,M"
    assert (own.classifier, own.classes, own.in_channels, own.batch_norm) == ((4096, 4096), 1000, 3, False)


def test_a_list_may_be_a_sequence_of_numbers_and_words():
    assert config([64, "M", "128", "MaxPool", "lrn", "CONV1-8"]) == config("64,M,128,M,LRN,conv1-8")
    assert config(range(1, 4)) == config("1,2,3")


def test_a_list_that_spells_d_has_ds_layers():
    spelt = config(PAPER["D"].to_dict()["layers"])
    assert (spelt.layers, spelt.depth) == (PAPER["D"].layers, 16)


def test_a_long_list_has_a_short_name():
    own = config([64] * 100)
    assert own.name == "64,64,64,64,64,64,64,64,… (100 layers)"


@pytest.mark.parametrize(
    ("tokens", "place", "shown"),
    [
        ("64,x,M", 2, "'x'"),
        ("0,M", 1, "'0'"),
        ("64,-5", 2, "'-5'"),
        ("64,M,conv2-64", 3, "'conv2-64'"),
        ("64,conv0-64", 2, "'conv0-64'"),
        ("64,1000000001", 2, "'1000000001'"),
        ("64,6.5", 2, "'6.5'"),
        ("64,٣", 2, "'٣'"),
        ("64,\x1b[31mM", 2, r"'\x1b[31mM'"),
        ("64,M\nM", 2, r"'M\nM'"),
        ([64, 64.0], 2, "64.0"),
        ([True], 1, "True"),
        ([64, None], 2, "None"),
        ([64, float("nan")], 2, "nan"),
        ([64, [64]], 2, "[64]"),
        ([64, 10**12], 2, "1000000000000"),
        ([64, b"M"], 2, "b'M'"),
    ],
)
def test_a_malformed_list_is_told_which_layer_and_what_is_allowed(tokens, place, shown):
    message = refusal(config, tokens)
    assert f"Layer {place} of the list, {shown}, is not a layer." in message
    assert "conv1-64" in message
    assert "LRN" in message


@pytest.mark.parametrize("missing", [",", "64,,M", ",64,M", {"layers": "64,,M"}])
def test_a_comma_without_a_layer_before_it_is_no_list(missing):
    message = refusal(from_dict if isinstance(missing, dict) else config, missing)
    assert re.search(r"Layer [12] of the list, '', is not a layer\.", message)


@pytest.mark.parametrize("nothing", [[], (), "M,M", ["LRN"], ["M"]])
def test_a_list_needs_a_convolution(nothing):
    assert "no convolution" in refusal(config, nothing)


def test_a_list_has_an_end():
    assert "at most 100,000" in refusal(config, [8] * (MOST_LAYERS + 1))


@pytest.mark.parametrize("odd", [None, 16, 3.5, b"64,M", {"layers": [64]}, {64}, object])
def test_what_is_neither_a_name_nor_a_list_nor_a_file_is_refused(odd):
    assert f"of type {type(odd).__name__}" in refusal(config, odd)


@pytest.mark.parametrize(
    "classes", [0, -1, True, 1.5, "10", int, LARGEST + 1, pytest.param(10**5000, id="huge")]
)
def test_classes_must_be_a_size(classes):
    assert "classes" in refusal(config, "D", classes=classes)


# -- files

tokens = st.one_of(
    st.builds(Conv, st.integers(1, LARGEST), st.sampled_from([1, 3, 5, 99])),
    st.just(Pool()),
    st.just(Normalise()),
)
some_layers = (
    st.lists(tokens, min_size=1, max_size=8)
    .map(tuple)
    .filter(lambda layers: any(isinstance(layer, Conv) for layer in layers))
)
names = st.text(
    st.characters(exclude_categories=["C", "Z"], include_characters=" "), min_size=1, max_size=LONGEST_NAME
).filter(str.strip)
own_configs = st.builds(
    Config,
    names,
    some_layers,
    classifier=st.lists(st.integers(1, LARGEST), max_size=3).map(tuple),
    classes=st.integers(1, LARGEST),
    in_channels=st.integers(1, LARGEST),
    batch_norm=st.booleans(),
)


def as_json(content: dict) -> str:
    return json.dumps(content)


def as_toml(content: dict) -> str:
    """TOML writes lists, strings, numbers and truth as JSON does."""
    return "\n".join(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in content.items())


WRITERS = {".json": as_json, ".toml": as_toml}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("configs")


@pytest.mark.parametrize("suffix", WRITERS)
@given(own=own_configs)
@settings(deadline=None)
def test_a_network_survives_its_file(folder, suffix, own):
    path = folder / f"own{suffix}"
    path.write_text(WRITERS[suffix](own.to_dict()), encoding="utf-8")
    assert read_file(path) == config(str(path)) == own


@given(own_configs)
def test_a_list_survives_its_name(own):
    named = from_list(own.layers)
    assert len(named.name) <= LONGEST_NAME
    assume("…" not in named.name and "," in named.name)
    assert config(named.name) == named


@pytest.mark.parametrize("suffix", WRITERS)
def test_every_key_of_a_file_counts(tmp_path, suffix):
    content = {
        "name": "tiny",
        "layers": [64, "M", 128, "conv1-128", "LRN", "M"],
        "classifier": [512],
        "classes": 10,
        "in_channels": 1,
        "batch_norm": True,
        "pool": "none",
    }
    path = tmp_path / f"own{suffix}"
    path.write_text(WRITERS[suffix](content))
    layers = (Conv(64), Pool(), Conv(128), Conv(128, 1), Normalise(), Pool())
    assert tuple(content) == KEYS
    assert read_file(path) == Config("tiny", layers, (512,), 10, 1, True, None)


@pytest.mark.parametrize("suffix", [".json", ".JSON"])
def test_a_file_needs_layers_alone_and_lends_its_name(tmp_path, suffix):
    path = tmp_path / f"mine{suffix}"
    path.write_text('{"layers": "64,M,128,M"}')
    assert read_file(path) == Config("mine", (Conv(64), Pool(), Conv(128), Pool()))


def test_markup_in_a_name_is_only_a_name():
    assert from_dict({"name": "<script>&amp;|*x*", "layers": [64]}).name == "<script>&amp;|*x*"


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("name", "", "''"),
        ("name", "   ", "'   '"),
        ("name", "two\nlines", r"'two\nlines'"),
        ("name", "\x1b[31mred", r"'\x1b[31mred'"),
        ("name", "\u202eright to left", r"'\u202eright to left'"),
        pytest.param("name", "\ud800", r"'\ud800'", id="name-surrogate"),
        ("name", "x" * 61, "…"),
        ("name", ["tiny"], "['tiny']"),
        ("layers", 64, "64"),
        ("layers", {"a": 1}, "{'a': 1}"),
        ("layers", None, "None"),
        ("classifier", 512, "512"),
        ("classifier", [1.5], "1.5"),
        ("classifier", [0], "0"),
        ("classifier", [True], "True"),
        ("classifier", [512, "512"], "'512'"),
        ("classifier", [1] * (MOST_LAYERS + 1), "at most 100,000"),
        ("classes", 0, "0"),
        ("classes", -1, "-1"),
        ("classes", 1e3, "1000.0"),
        ("classes", None, "None"),
        ("classes", float("nan"), "nan"),
        pytest.param("classes", 10**5000, "a monstrous int", id="classes-huge"),
        ("in_channels", 0, "0"),
        ("in_channels", "3", "'3'"),
        ("batch_norm", 1, "1"),
        ("batch_norm", "yes", "'yes'"),
        ("batch_norm", None, "None"),
    ],
)
def test_a_wrong_value_is_shown_with_its_key_and_what_is_allowed(key, value, shown):
    message = refusal(from_dict, {"layers": [64, "M"]} | {key: value})
    assert message.startswith(f"The config's {key} is ")
    assert shown in message
    assert f", not {FORMS[key].words}. " in message


def test_every_key_of_a_config_has_its_form():
    assert tuple(FORMS) == KEYS == tuple(each.name for each in dataclasses.fields(Config))


@pytest.mark.parametrize("net", ["A", "D-BN", "64,M,conv1-8"])
def test_a_name_a_list_and_what_is_written_need_no_msgspec(net):
    code = (
        "import sys; sys.modules['msgspec'] = None\n"
        f"from vgg_profile.predict.vgg.configs import config; config({net!r}, classes=10).to_dict()"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("key", "meant"),
    [("nmae", "name"), ("layer", "layers"), ("batchnorm", "batch_norm"), ("class", "classes")],
)
def test_a_misspelt_key_is_answered_by_the_one_meant(key, meant):
    message = refusal(from_dict, {"layers": [64], key: 1})
    assert repr(key) in message
    assert f"Did you mean {meant}?" in message


def test_an_unknown_key_is_told_which_keys_there_are():
    assert ", ".join(KEYS) in refusal(from_dict, {"layers": [64], "\x1b[31m": 1})


@pytest.mark.parametrize("content", [{}, [], None, "layers", 64, float("nan"), {"name": "tiny"}])
def test_a_config_without_layers_is_told_how_to_add_them(content):
    assert "layers = [64, 64," in refusal(from_dict, content)


BROKEN_FILES = {
    "empty.json": b"",
    "cut.json": b'{"layers": [64',
    "nan.json": b'{"layers": [NaN, Infinity]}',
    "comment.json": b'{"layers": [64]} // mine',
    "deep.json": b"[" * 100_000,
    "deep-in-layers.json": b'{"layers": ' + b"[" * 100_000,
    "gigantic.json": b'{"layers": [' + b"9" * 5000 + b"]}",
    "gigantic-classes.json": b'{"layers": [64], "classes": ' + b"9" * 4000 + b"}",
    "long-token.json": b'{"layers": ["' + b"x" * 10**6 + b'"]}',
    "list.json": b'[64, "M"]',
    "nul.json": b"\0" * 100,
    "latin.json": '{"layers": [64], "name": "é"}'.encode("latin-1"),
    "utf16.json": '{"layers": [64]}'.encode("utf-16"),
    "cut.toml": b"layers = [64",
    "words.toml": b"this is not TOML",
    "twice.toml": b'layers = [64]\nlayers = ["M"]',
    "nan.toml": b"layers = [64, nan]",
    "infinite.toml": b"layers = [64]\nclasses = inf",
    "date.toml": b"layers = [1979-05-27]",
    "table.toml": b"[layers]\nwidth = 64",
    "deep.toml": b"layers = " + b"[" * 100_000,
    "deep-tables.toml": b"layers = " + b"{a=" * 1000,
    "gigantic.toml": b"layers = [" + b"9" * 5000 + b"]",
    "gigantic-classes.toml": b"layers = [64]\nclasses = 0x" + b"f" * 5000,
    "escape.toml": b"\x1b[31m = 1",
    "nul.toml": b"\0" * 100,
    "picture.toml": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
}


@pytest.mark.parametrize("name", BROKEN_FILES)
def test_a_broken_or_hostile_file_is_refused_in_one_paragraph(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(BROKEN_FILES[name])
    refusal(read_file, path)


def test_text_in_another_encoding_is_told_at_which_byte(tmp_path):
    path = tmp_path / "own.json"
    path.write_bytes(b'{"name": "\xe9"}')
    assert "not UTF-8 text (byte 10)" in refusal(read_file, path)


@pytest.mark.parametrize("name", ["none.toml", "none.json", "no\x1b[31mne.toml", "\0.json", "\ud800.json"])
def test_a_missing_file_is_said_to_be_missing(tmp_path, name):
    assert "there is no such file" in refusal(config, str(tmp_path / name))


@pytest.mark.parametrize("name", ["x" * 5000 + ".json", "x/" * 3000 + ".toml"])
def test_an_endless_path_is_refused_briefly(name):
    assert "cannot be read" in refusal(config, name)


def test_a_directory_a_pipe_and_a_device_are_not_files(tmp_path):
    (tmp_path / "directory.toml").mkdir()
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "zero.toml").symlink_to("/dev/zero")
    (tmp_path / "loop.toml").symlink_to(tmp_path / "loop.toml")
    for name in ("directory", "pipe", "zero"):
        assert "not a regular file" in refusal(read_file, tmp_path / f"{name}.toml")
    refusal(read_file, tmp_path / "loop.toml")


def test_a_huge_file_is_refused_unread(tmp_path):
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate(2**40)  # a sparse terabyte
    assert "over 4 MiB" in refusal(read_file, path)


def test_a_file_may_be_as_large_as_it_is_said_to_be(tmp_path):
    path = tmp_path / "large.json"
    path.write_text('{"layers": [64]}'.ljust(LARGEST_FILE))
    assert read_file(path).layers == (Conv(64),)
    path.write_text('{"layers": [64]}'.ljust(LARGEST_FILE + 1))
    refusal(read_file, path)


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
