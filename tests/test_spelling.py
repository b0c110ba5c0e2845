"""Options as people write them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from vgg_profile.cli import main


def told(*words: str) -> Any:
    result = CliRunner().invoke(main, [*words, "--format", "json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("bf16", "bfloat16"), ("FP16", "float16"), ("half", "float16"), ("torch.float32", "float32")],
)
def test_a_dtype_by_its_other_names(typed: str, meant: str) -> None:
    assert told("table", "8,M", "--input", "8", "--dtype", typed)["dtype"] == meant


def test_a_word_in_any_case_and_a_number_with_an_exponent() -> None:
    asked = told("timeline", "8,M", "--input", "8", "--optimizer", "Adam", "--batch", "1e3")
    assert (asked["optimizer"], asked["batch"]) == ("adam", 1000)


@pytest.mark.parametrize("number", ["1.5", "1e-3", "1e400", "nan", "inf", "x", ""])
def test_what_is_no_whole_number_is_refused(number: str) -> None:
    assert CliRunner().invoke(main, ["table", "D", "--batch", number]).exit_code == 2


@pytest.mark.parametrize("typed", ["64 64 M", "64  M "])
def test_a_list_between_spaces(typed: str) -> None:
    with_commas = ",".join(typed.split())
    assert told("table", typed, "--input", "8") == told("table", with_commas, "--input", "8")


def test_a_list_of_one_layer() -> None:
    assert CliRunner().invoke(main, ["table", "64", "--input", "8"]).stdout.startswith("VGG config 64: ")


def test_a_name_that_is_a_number_stays_a_name() -> None:
    assert told("table", "16", "--input", "32")["config"] == told("table", "D", "--input", "32")["config"]


def test_a_list_of_several_words_is_asked_for_in_quotes() -> None:
    result = CliRunner().invoke(main, ["table", "64", "64", "M", "128", "M"])
    assert result.exit_code == 2
    assert 'put it into quotes, "64 64 M 128 M".' in result.stderr


def test_a_small_memory_alone_is_gib_and_the_answer_says_so() -> None:
    asking = (["fit"], ["fit", "8"], ["fit", "--what-if"], ["sweep"], ["compare", "8,8"])
    for command, *more in asking:
        words = [command, "8,M", *more, "--input", "8", "--memory", "8"]
        assert "8 GiB: read as GiB" in CliRunner().invoke(main, words).stdout, words


def test_a_range_of_batches_is_for_sweep() -> None:
    for command in ("table", "fit", "timeline"):
        result = CliRunner().invoke(main, [command, "D", "--batch", "1..8"])
        assert "'1..8' is a range, and this takes one number; `sweep` takes ranges." in result.stderr


def test_help_lists_the_cards() -> None:
    words = " ".join(CliRunner().invoke(main, ["fit", "--help"]).stdout.split())  # however its lines break
    assert "GTX 1080 Ti" in words
