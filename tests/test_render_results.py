"""Frames of integers, and how a result shows itself."""

from __future__ import annotations

import io
import json
import re

import pandas as pd
import pytest
from rendering import TINY, Page, printed, tiny

from vgg_profile import Profile, walk
from vgg_profile.ask.compare import Comparison
from vgg_profile.core.forms import Column, Table
from vgg_profile.describe.tables import describe
from vgg_profile.render import render
from vgg_profile.write.frame import to_frame
from vgg_profile.write.text import Screen

# Frames


NUMBERS = ["memory_bytes", "saved_bytes", "weights", "biases", "macs"]


def test_csv_opens_in_pandas_with_integers() -> None:
    frame = pd.read_csv(io.StringIO(printed("table", "D", "--format", "csv")))
    for key in ("values", *NUMBERS):
        assert pd.api.types.is_integer_dtype(frame[key]), key
    assert frame["weights"].sum() == 138_344_128
    assert frame["receptive_field"].isna().sum() == 3


def test_all_layers_as_csv_open_in_pandas_with_integers() -> None:
    frame = pd.read_csv(io.StringIO(printed("table", "D-BN", "--all-layers", "--format", "csv")))
    for key in NUMBERS:
        assert pd.api.types.is_integer_dtype(frame[key]), key


@pytest.mark.parametrize("options", [{}, {"all_layers": True}], ids=["rows", "all layers"])
def test_a_frame_holds_integers_even_where_some_are_unknown(options: dict[str, bool]) -> None:
    profile = walk("D")
    frame = profile.to_frame(**options)
    rows = profile.to_dict(**options)["rows"]
    for key in (*NUMBERS, "receptive_field", "stride"):
        assert pd.api.types.is_integer_dtype(frame[key]), key
        known = [None if pd.isna(value) else int(value) for value in frame[key]]
        assert known == [row[key] for row in rows]
    assert str(frame["receptive_field"].dtype) == "Int64"
    assert frame["receptive_field"].isna().sum() >= 3
    assert list(frame["name"]) == [row["name"] for row in rows]


def test_the_values_of_a_frame_are_integers() -> None:
    for options in ({}, {"all_layers": True}):
        frame = walk("D-BN").to_frame(**options)
        assert pd.api.types.is_integer_dtype(frame["values"]), options


def test_a_frame_of_the_list_holds_integers() -> None:
    frame = Comparison((walk("A"), walk("D"))).to_frame()
    assert list(frame["parameters"]) == [132_863_336, 138_357_544]
    assert all(pd.api.types.is_integer_dtype(frame[key]) for key in frame.columns[1:])


@pytest.mark.filterwarnings("error")
def test_numbers_beyond_64_bits_survive_in_a_frame_and_in_csv() -> None:
    profile = walk("D", input=10**6, batch=10**9)
    expected = 64 * 10**12 * 10**9 * 4
    assert expected > 2**64
    assert int(profile.to_frame()["memory_bytes"][1]) == expected
    assert str(expected) in render(profile, "csv")
    assert f"{expected:,}" in render(profile, "table")


def test_a_frame_keeps_every_digit_beside_an_unknown() -> None:
    columns = tuple(Column(key, key) for key in ("count", "text", "seconds", "mixed"))
    rows = ((2**53 + 1, "a", 1.0, 1), (None, None, None, "b"), (2**63 - 1, "c", 2.0, None))
    frame = to_frame(Table("t", columns, rows))  # type: ignore[arg-type]
    assert [frame["count"][0], frame["count"][2]] == [2**53 + 1, 2**63 - 1]
    assert [str(dtype) for dtype in frame.dtypes] == ["Int64", "string", "float64", "object"]
    assert list(to_frame(Table("t", columns, ())).columns) == []


# How a result shows itself


@pytest.mark.parametrize("result", [walk("A"), Comparison((walk("A"),))], ids=["profile", "comparison"])
def test_a_result_shows_itself_as_its_text_table(result: Profile | Comparison) -> None:
    assert repr(result).rstrip("\n") == render(result, "table").rstrip("\n")


def test_a_notebook_gets_a_fragment_with_every_row() -> None:
    text = tiny()._repr_html_()
    page = Page(text)
    assert text.startswith("<div")
    assert not page.tags & {"html", "body", "script", "head"}
    assert len(page.rows) == 1 + len(tiny().rows) + 1
    assert "MiB" in page.texts["p"]


def test_a_page_stands_alone() -> None:
    text = printed(*TINY, "--format", "html")
    assert text.startswith("<!doctype html>")
    assert Page(text).tags >= {"html", "head", "title", "body", "table"}
    assert not re.search(r"\b(src|href|url)\b", text), "it asks for another file"


def test_the_dict_of_a_profile_is_its_json() -> None:
    for options in ({}, {"all_layers": True}):
        assert tiny().to_dict(**options) == json.loads(render(tiny(), "json", **options))


def test_colour_changes_no_letter() -> None:
    coloured = render(walk("D"), "table", screen=Screen(is_colourful=True))
    assert "\x1b" in coloured
    assert re.sub(r"\x1b\[\d*m", "", coloured) == render(walk("D"), "table")


def test_a_result_of_another_kind_has_no_table() -> None:
    with pytest.raises(TypeError, match="int"):
        describe(3)
