"""Config files: what is written is read back; a bad one is explained."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys

import pytest
from configuring import KEYS, WRITERS, refusal
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from vgg_profile.core.setting import LARGEST
from vgg_profile.predict.vgg.config_form import FORMS
from vgg_profile.predict.vgg.configs import (
    LARGEST_FILE,
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("configs")


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
        ("classifier", [1] * (MOST_LAYERS + 1), "at most 10,000"),
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
