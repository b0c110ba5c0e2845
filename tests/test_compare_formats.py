"""Networks side by side, in every format."""

from __future__ import annotations

import csv
import io
import json
from html import unescape
from html.parser import HTMLParser

import pytest
from comparing import PLAIN, REPORTS, asked, networks, printed

from vgg_profile import Comparison, walk
from vgg_profile.ask.compare import MEASURED, PARTS
from vgg_profile.core.units import exact, times
from vgg_profile.predict.vgg.configs import from_dict
from vgg_profile.render import FORMATS, render

# Every format


class Cells(HTMLParser):
    """The cells of a page's table, by row, and every tag in it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += unescape(data)


@pytest.mark.parametrize("by", ["total", "block", "layer"])
@pytest.mark.parametrize("format_", [each for each in FORMATS if each != "json"])
def test_every_value_of_the_json_stands_in_every_format(format_: str, by: str) -> None:
    arguments = ("A", "D-BN", "8,M", "--relative-to", "A", "--batch", 2, "--by", by)
    content = asked(*arguments)["configs"]
    text = printed(*arguments, "--format", format_)
    shown = Comparison(networks("A", "D-BN", "8,M", batch=2), PLAIN, base=walk("A", batch=2), by=by)
    keys = shown.figures[0] if by == "total" else [key for key in shown.figures[0] if key.startswith(PARTS)]
    for network in content:
        for figures in network["parts"] or [network]:
            for key in keys:
                value = figures[key]
                if format_ in ("csv", "tsv"):
                    assert value is None or str(value) in text, key
                elif value is not None:
                    assert (times(value) if isinstance(value, float) else exact(value)) in text, key


def test_csv_holds_the_json_under_the_same_keys() -> None:
    arguments = ("A", "C", "D", "--relative-to", "D", "--measured", REPORTS)
    rows = list(csv.DictReader(io.StringIO(printed(*arguments, "--format", "csv"))))
    for row, network in zip(rows, asked(*arguments)["configs"], strict=True):
        assert row.pop("config") == network["label"]
        assert row.pop("input") == "3x224x224"
        figures = {key: row[key] for key in row if key in network}
        assert figures == {key: "" if network[key] is None else str(network[key]) for key in figures}
    assert {*MEASURED, "parameters_ratio", "peak_bytes", "batch"} < set(rows[0])


HOSTILE = [
    "<script>alert(1)</script>",
    "=cmd()",
    "a|b *c* `d`",
    r"\input{x} & 50% #1 $x_y$",
    "parameters:A",
    'x,"y"',
]


@pytest.mark.parametrize("by", ["total", "block"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text_in_every_format(name: str, by: str) -> None:
    hostile = walk(from_dict({"name": name, "layers": [2], "classifier": []}))
    harmless = walk(from_dict({"name": "harmless", "layers": [2], "classifier": []}))
    comparison = Comparison((hostile, harmless), PLAIN, base=hostile, by=by)
    plain = Comparison((harmless, harmless), PLAIN, base=harmless, by=by)
    assert json.loads(render(comparison, "json"))["configs"][0]["label"] == name

    page = Cells(render(comparison, "page"))
    assert page.tags == Cells(render(plain, "page")).tags
    assert any(name in cell for row in page.rows for cell in row)

    for format_, delimiter in (("csv", ","), ("tsv", "\t")):
        rows = list(csv.reader(io.StringIO(render(comparison, format_)), delimiter=delimiter))
        assert len({len(row) for row in rows}) == 1
        assert len(set(rows[0])) == len(rows[0])
        assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row)

    cells = [line for line in render(comparison, "markdown").splitlines() if line.startswith("|")]
    assert len({line.replace(r"\|", "").count("|") for line in cells}) == 1
    cells = [line for line in render(comparison, "latex").splitlines() if line.endswith(r"\\")]
    assert len({line.replace(r"\&", "").count("&") for line in cells}) == 1
    latex = [line for line in render(comparison, "latex").splitlines() if not line.startswith("%")]
    assert not any(r"\input" in line for line in latex)
    assert name in render(comparison, "table")


def test_a_list_of_layers_heads_a_column_on_several_lines() -> None:
    layers = "64,64,M,128,128,M,256,256,256,M"
    text = printed("A", layers, "--by", "block")
    assert max(map(len, text.splitlines()[2:8])) < len("classifier") + 3 * 2 * (len("128,M,256,256,") + 2)
    for line in ("64,64,M,128,", "128,M,256,256,", "256,M"):
        assert text.partition("\n")[2].count(f" {line}") == len(PARTS)
