"""What the command line understands, and how it explains what it does not."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest
from calling import ESCAPE, ROOT, TINY, accepted, call, refusal

import vgg_profile.cli
from vgg_profile.predict.vgg.configs import LARGEST_FILE


def test_a_good_call_is_not_taken_for_a_refusal() -> None:
    with pytest.raises(AssertionError):
        refusal(call(*TINY))


def test_a_refused_call_is_not_taken_for_a_good_one() -> None:
    with pytest.raises(AssertionError):
        accepted(call("table", "Q"))


# Finding the way


def test_version_and_help_are_good_calls() -> None:
    assert vgg_profile.__version__ in accepted(call("--version"))
    assert "table" in accepted(call("-h"))
    assert accepted(call("table", "-h")) == accepted(call("table", "D", "--help"))


def test_the_help_of_table_names_every_key_of_a_config_file() -> None:
    text = accepted(call("table", "D", "--help"))
    keys = ("name", "layers", "classifier", "classes", "in_channels", "batch_norm")
    assert [key for key in keys if f"{key} = " not in text] == []


def test_the_config_file_in_the_help_works(tmp_path: Path) -> None:
    lines = accepted(call("table", "--help")).splitlines()
    first = next(place for place, line in enumerate(lines) if "tiny.toml:" in line)
    file = tmp_path / "tiny.toml"
    file.write_text("\n".join(line.replace("tiny.toml:", "") for line in lines[first : first + 7]))
    data = json.loads(accepted(call("table", str(file), "--format", "json")))
    assert (data["config"], data["classes"], data["classifier"]) == ("tiny", 10, [512])


def test_a_mistyped_command_is_suggested() -> None:
    assert "table" in refusal(call("tabel", "D"))


def test_a_network_in_the_place_of_a_command_is_told_the_command() -> None:
    assert "It is a network: `vgg-profile table D --batch 2`." in refusal(call("D", "--batch", "2"))
    assert "It is a network" not in refusal(call("Q"))


def test_a_memory_in_two_words_is_asked_for_in_one() -> None:
    assert "Type --memory 8GiB." in refusal(call("fit", "D", "--memory", "8", "GiB"))
    assert "stands apart" not in call("fit", "A", "B", "--memory", "8").stderr


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("examples/my_net.py", "Name the network in it: examples/my_net.py:NAME."),
        ("torchvision.models.resnet18", "Did you mean torchvision.models:resnet18?"),
        ("examples/my_net.py:Unet", "Did you mean UNet?"),
    ],
)
def test_a_network_in_python_that_is_named_otherwise_is_told_how(
    name: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert meant in refusal(call("table", name, "--input", "3x32x32"))


def test_a_file_that_is_named_as_a_package_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each])
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "lonely.py").write_text("from torch import nn")
    said = refusal(call("table", "nets.lonely:Net", "--input", "3x32x32"))
    assert "Name it: nets/lonely.py:Net." in said


def test_a_mistyped_config_is_suggested() -> None:
    assert "vgg16" in refusal(call("table", "vgg61"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["table", "--batch", "2", "--classes", "10", "D"],
        ["table", "--batch", "2", "D", "--classes", "10"],
        ["table", "D", "--classes=10", "--batch=2"],
    ],
)
def test_options_stand_anywhere(arguments: list[str]) -> None:
    assert accepted(call(*arguments)) == accepted(call("table", "D", "--batch", "2", "--classes", "10"))


@pytest.mark.parametrize("name", ["vgg16", "VGG-16", "16", "d", "vgg_16"])
def test_every_usual_name_of_d_is_d(name: str) -> None:
    assert accepted(call("table", name)) == accepted(call("table", "D"))


@pytest.mark.parametrize("arguments", [["vgg16_bn"], ["D-BN"], ["D", "--batch-norm"]])
def test_every_way_to_batch_norm_is_the_same(arguments: list[str]) -> None:
    assert accepted(call("table", *arguments)) == accepted(call("table", "d-bn"))
    assert accepted(call("table", *arguments)) != accepted(call("table", "D"))


def test_the_list_has_every_config_with_its_totals() -> None:
    lines = {
        line.split()[0]: line for line in accepted(call("list")).splitlines() if re.match(r"[A-E]\b", line)
    }
    assert set(lines) == {"A", "A-LRN", "B", "C", "D", "E", "A-BN", "B-BN", "D-BN", "E-BN"}
    for name, line in lines.items():
        totals = json.loads(accepted(call("table", name, "--format", "json")))["totals"]
        printed = line.replace(",", "").split()
        for key in ("parameters", "macs", "values", "memory_bytes", "saved_bytes"):
            assert str(totals[key]) in printed, (name, key)


def test_the_list_as_json_has_one_object_a_config() -> None:
    data = json.loads(accepted(call("list", "--format", "json")))
    assert data["schema_version"] == 1
    assert [net["parameters"] for net in data["configs"] if net["config"] == "D"] == [138357544, 138365992]


# What is refused


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["table"], ["NET"]),
        (["table", "Q"], ["'Q'", "A, A-LRN, B, C, D, E", "vgg-profile list"]),
        (["table", ""], ["vgg-profile list"]),
        (["table", "D", "E"], ["E"]),
        (["table", "D", "--batch", "0"], ["batch", "0", "--batch 1"]),
        (["table", "D", "--batch", "-3"], ["batch", "-3", "--batch 1"]),
        (["table", "D", "--batch", "many"], ["--batch", "many"]),
        (["table", "D", "--batch", "1.5"], ["--batch", "1.5"]),
        (["table", "D", "--batch", "1" * 40], ["batch", "1,000,000,000"]),
        (["table", "D", "--classes", "0"], ["classes", "1,000,000,000"]),
        (["table", "D", "--classes", "ten"], ["--classes", "ten"]),
        (["table", "D", "--dtype", "int8"], ["int8", "float32"]),
        (["table", "D", "--device", "tpu"], ["tpu", "cuda"]),
        (["table", "D", "--format", "pdf"], ["pdf", "markdown"]),
        (["table", "D", "--bacth", "2"], ["--bacth", "--batch"]),
        (["table", "D", "--input", "big"], ["'big'", "--input 224"]),
        (["table", "D", "--input", "0"], ["'0'", "--input 224"]),
        (["table", "D", "--input", "-224"], ["'-224'", "--input 224"]),
        (["table", "D", "--input", "3x"], ["'3x'", "--input 224"]),
        (["table", "D", "--input", "1x2x3x4"], ["'1x2x3x4'", "--input 224"]),
        (["table", "D", "--input", "1x224x224"], ["1 channel", "--input 3x224x224"]),
        (["table", "D", "--input", "9" * 5000], ["image size", "--input 224"]),
        (["table", "64,64,Q,M"], ["Layer 3", "'Q'", "LRN"]),
        (["table", "64,0,M"], ["Layer 2", "'0'"]),
        (["table", "64,-1,M"], ["Layer 2", "'-1'"]),
        (["table", "64,conv2-64"], ["Layer 2", "'conv2-64'", "odd"]),
        (["table", "64,conv3-"], ["Layer 2", "'conv3-'"]),
        (["table", "64,\x1b[31mM"], ["Layer 2", r"\x1b"]),
        (["table", "64," + "x" * 100_000], ["Layer 2", "…"]),
        (["table", "M,M"], ["no convolution"]),
        (["table", ",,"], ["Layer 1 of the list", "is not a layer"]),
        (["table", "8," * 10_001], ["10,001", "10,000"]),
    ],
)
def test_a_mistake_is_explained(arguments: list[str], said: list[str]) -> None:
    error = refusal(call(*arguments))
    assert [word for word in said if word not in error] == []
    assert ESCAPE not in error


@pytest.mark.parametrize(
    ("config", "size", "layer"),
    [
        ("D", "31", "pool5 (features.30)"),
        ("D", "31x500", "pool5 (features.30)"),
        ("D", "500x15", "pool4 (features.23)"),
        ("D", "1", "pool1 (features.4)"),
        ("8,M,8,M", "3", "pool2 (features.5)"),
    ],
)
def test_an_image_too_small_names_the_layer_and_a_size_that_works(config: str, size: str, layer: str) -> None:
    error = refusal(call("table", config, "--input", size))
    assert layer in error
    suggested = re.search(r"--input (\d+)", error)
    assert suggested
    smallest = int(suggested[1])
    accepted(call("table", config, "--input", str(smallest)))
    refusal(call("table", config, "--input", str(smallest - 1)))


def test_a_net_with_more_pools_than_any_image_allows_gets_no_vain_advice() -> None:
    error = refusal(call("table", "8" + ",M" * 40))
    suggested = re.search(r"--input (\d+)", error)
    assert suggested is None or call("table", "8" + ",M" * 40, "--input", suggested[1]).exit_code == 0


HOSTILE_FILES = {
    "binary.toml": (b"\x00\xff\xfe\x80", ["not UTF-8", "byte 1"]),
    "binary.json": (b"\x89PNG\r\n\x1a\n", ["not UTF-8", "byte 0"]),
    "empty.toml": (b"", ["layers ="]),
    "empty.json": (b"", ["JSON", "line 1"]),
    "cut.json": (b'{"layers": [64,', ["JSON"]),
    "cut.toml": (b"layers = [64,", ["TOML"]),
    "list.json": (b"[64, 64]", ["layers ="]),
    "huge.json": (b" " * (LARGEST_FILE + 1), ["4 MiB"]),
    "deep.json": (b'{"layers": ' + b"[" * 100_000, ["nested too deeply"]),
    "deep.toml": (b"layers = " + b"[" * 5_000, ["nested too deeply"]),
    "nested.json": (b'{"layers": [64, [64]]}', ["Layer 2", "[64]"]),
    "token.toml": (b'layers = [64, "M", "conv1_64"]', ["Layer 3", "'conv1_64'", "conv1-64"]),
    "true.json": (b'{"layers": [64, true]}', ["Layer 2", "True"]),
    "float.json": (b'{"layers": [64, 1e999]}', ["Layer 2", "inf"]),
    "digits.json": (b'{"layers": [' + b"9" * 5000 + b"]}", ["JSON", "digits"]),
    "wide.json": (b'{"layers": [9999999999]}', ["Layer 1", "9999999999"]),
    "key.toml": (b"layers = [64]\nclases = 10", ["'clases'", "Did you mean classes?"]),
    "classes.toml": (b"layers = [64]\nclasses = 0", ["classes", "0"]),
    "text.toml": (b'layers = [64]\nclasses = "10"', ["classes", "'10'"]),
    "norm.toml": (b'layers = [64]\nbatch_norm = "yes"', ["batch_norm", "'yes'", "true or false"]),
    "hidden.toml": (b"layers = [64]\nclassifier = 512", ["classifier", "512", "not a list"]),
    "zero.toml": (b"layers = [64]\nclassifier = [0]", ["classifier", "0"]),
    "name.json": (b'{"name": "a\\u001b[31m", "layers": [64]}', [r"\x1b", "name"]),
    "long.json": (b'{"name": "' + b"n" * 61 + b'", "layers": [64]}', ["name", "60"]),
    "surrogate.json": (b'{"name": "\\ud800", "layers": [64]}', ["ud800", "name"]),
    "channels.toml": (b"layers = [64]\nin_channels = -3", ["in_channels", "-3"]),
    "hex.toml": (b"layers = [0x" + b"f" * 5000 + b"]", ["Layer 1"]),
    "hexnorm.toml": (b"layers = [64]\nbatch_norm = 0x" + b"f" * 5000, ["batch_norm"]),
}


@pytest.mark.parametrize("name", HOSTILE_FILES)
def test_a_bad_config_file_is_explained(name: str, tmp_path: Path) -> None:
    content, said = HOSTILE_FILES[name]
    (tmp_path / name).write_bytes(content)
    error = refusal(call("table", str(tmp_path / name), "-o", str(tmp_path / "out.md")))
    assert [word for word in said if word not in error] == []
    assert ESCAPE not in error
    assert [file.name for file in tmp_path.iterdir()] == [name], "something was left behind"


def test_a_config_file_that_is_no_file_is_explained(tmp_path: Path) -> None:
    assert "no such file" in refusal(call("table", str(tmp_path / "missing.toml")))
    (tmp_path / "folder.toml").mkdir()
    assert "not a regular file" in refusal(call("table", str(tmp_path / "folder.toml")))
    os.mkfifo(tmp_path / "pipe.json")
    assert "not a regular file" in refusal(call("table", str(tmp_path / "pipe.json")))
    (tmp_path / "loop.json").symlink_to("loop.json")
    assert "cannot be read" in refusal(call("table", str(tmp_path / "loop.json")))
    assert "cannot be read" in refusal(call("table", "x" * 5000 + ".toml"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_config_file_that_may_not_be_read_is_explained(tmp_path: Path) -> None:
    file = tmp_path / "secret.toml"
    file.write_text("layers = [64]")
    file.chmod(0)
    assert "ermission" in refusal(call("table", str(file)))


def test_two_tables_at_once_are_refused() -> None:
    assert "--saved" in refusal(call("table", "D", "--notes", "--saved"))
    assert "FILE.html" in refusal(call("table", "D", "--notes", "-o", "there_is_none.png"))
