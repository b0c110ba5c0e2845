"""What fits of several networks, or over a grid: each line is the answer of `fit` alone."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from any_nets import run
from calling import refusal
from conftest import Golden

AVX512 = ("--processor", "avx512", "--threads", "2")
LIKE_FIT = (
    "largest_batch", "batch", "fits", "spare_bytes", "reserve_bytes", "memory_bytes",
    "peak_phase", "peak_layer",
)  # fmt: skip


def points(*words: object) -> list[dict[str, Any]]:
    result = run(*words, "--format", "json")
    assert result.exit_code in (0, 4), result.output
    return list(json.loads(result.stdout)["points"])


def alone(*words: object) -> dict[str, Any]:
    return dict(json.loads(run("fit", *words, "--format", "json").stdout))


def same(point: dict[str, Any], answer: dict[str, Any]) -> None:
    assert {key: point[key] for key in LIKE_FIT} == {key: answer[key] for key in LIKE_FIT}
    taken = "peak_bytes" if answer["device"] == "cpu" else "reserved_bytes"
    assert point["taken_bytes"] == answer[taken]
    assert point["largest_batch_at_most"] == answer.get("largest_batch_at_most", answer["largest_batch"])


@pytest.mark.parametrize(
    "words",
    [
        ("--memory", "8GiB", "--optimizer", "adam", *AVX512),
        ("--memory", "8GiB", "--batch", "80"),
        ("--memory", "t4", "--amp", "bfloat16"),
    ],
    ids=" ".join,
)
def test_each_network_has_the_answer_that_it_has_alone(words: tuple[str, ...]) -> None:
    nets = ("A", "D", "8,M,16,M")
    found = points("fit", *nets, *words)
    assert [point["network"] for point in found] == [*nets]
    for net, point in zip(nets, found, strict=True):
        same(point, alone(net, *words))


def test_each_point_of_a_grid_has_the_answer_of_fit() -> None:
    words = ("--memory", "8GiB", *AVX512)
    found = points("sweep", "D", *words, "--optimizer", "sgd,adam", "--input", "160,224")
    assert [(each["input"], each["optimizer"]) for each in found] == [
        ("3x160x160", "sgd"), ("3x160x160", "adam"), ("3x224x224", "sgd"), ("3x224x224", "adam"),
    ]  # fmt: skip
    for point in found:
        same(point, alone("D", *words, "--input", point["input"], "--optimizer", point["optimizer"]))
    for point in points("sweep", "D", "--memory", "8GiB", "--batch", "64,128"):
        same(point, alone("D", "--memory", "8GiB", "--batch", point["batch"]))


def test_a_card_brings_its_rules_to_a_grid_too() -> None:
    (point,) = points("sweep", "A", "--memory", "t4")
    assert point["device"] == "cuda"
    same(point, alone("A", "--memory", "t4"))


def test_networks_of_ones_own_stand_beside_others(nets: Path, tmp_path: Path) -> None:
    words = ("--input", "3x16x16", "--no-probe")
    assert run("trace", f"{nets}:Net", *words, "-o", tmp_path / "net.json").exit_code == 0
    one, two = points("fit", f"{nets}:Net", tmp_path / "net.json", "--memory", "1GiB", *words)
    assert one == two
    (swept,) = points("sweep", tmp_path / "net.json", "--memory", "1GiB")
    assert swept == one


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("fit", "A", "D", "--memory", "8GiB"), 0),
        (("fit", "A", "D", "--memory", "8GiB", "--batch", "100"), 4),  # A's largest is 132, D's 89
        (("fit", "A", "D", "--memory", "8GiB", "--batch", "64"), 0),
        (("fit", "8,M", "D", "--memory", "1GiB"), 4),  # of D not even one image
        (("sweep", "D", "--memory", "8GiB", "--optimizer", "none,adam"), 0),
        (("sweep", "D", "--memory", "8GiB", "--optimizer", "none,adam", "--batch", "80"), 4),
        (("sweep", "D", "--memory", "8GiB", "--input", "224,512", "--batch", "16,32"), 4),
        (("sweep", "D", "--memory", "1GiB"), 4),
    ],
)
def test_the_exit_code_is_4_if_one_asked_about_does_not_fit(words: tuple[str, ...], code: int) -> None:
    result = run(*words)
    assert result.exit_code == code
    assert (" not fit in " in result.stdout.splitlines()[0]) == (code == 4)


def test_as_csv_each_row_says_its_setting_and_numbers_are_numbers() -> None:
    result = run("sweep", "D", "--memory", "8GiB", "--optimizer", "sgd,adam", "--format", "csv")
    one, two = csv.DictReader(io.StringIO(result.stdout))
    assert (one["optimizer"], two["optimizer"], one["dtype"], one["input"]) == (
        "sgd",
        "adam",
        "float32",
        "3x224x224",
    )
    for name in ("batch", "largest_batch", "taken_bytes", "spare_bytes"):
        assert all(row[name].lstrip("-").isdigit() for row in (one, two)), name


def test_the_screen(golden: Golden) -> None:
    golden("fit_A_B_D_E.txt", run("fit", "A", "B", "D", "E", "--memory", "8GiB", *AVX512).stdout)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("fit", "A", "D", "--memory", "8GiB", "--calibrate"), "of one network"),
        (("fit", "A", "D", "--memory", "8GiB", "--measured", "x.json"), "of one network"),
        (("fit", "A", "Q", "--memory", "8GiB"), "'Q'"),
        (("fit", "A", "D", "--memory", "8GiB", "--batch", "0"), "batch"),
        (("sweep", "D", "--memory", "8G"), "GiB"),
        (("sweep", "D", "--memory", "t4", "--device", "cpu"), "is a card"),
        (("sweep", "D", "--memory", "8GiB", "--batch", "0"), "batch"),
    ],
)
def test_bad_input_is_a_clear_error(words: tuple[str, ...], said: str) -> None:
    assert said in refusal(run(*words))
