"""Names that would be more than text, in every format."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from rendering import Page, markdown_grid, printed, unescape_markdown

from vgg_profile import Profile, config, walk
from vgg_profile.ask.compare import Comparison
from vgg_profile.predict.vgg.configs import from_dict
from vgg_profile.render import FORMATS, render
from vgg_profile.write.delimited import defuse
from vgg_profile.write.markdown import escape

# Names that would be more than text


HOSTILE = [
    "<script>alert(1)</script>",
    "</title></caption></style><b>",
    "a|b|c",
    "*bold* **bolder**",
    "`code`",
    "``` fence",
    "=cmd()",
    "+1",
    "-1",
    "@SUM(A1)",
    r"\input{x}",
    r"\\ \end{tabular} %",
    "_x_ __y__",
    "50% & more # $x^2$ ~",
    "&lt; &amp; &#60;",
    "[link](javascript:x)",
    "![image](x)",
    "a,b;\"c\" 'd'",
    "back\\slash\\",
    "ünï×名",
]


def hostile(name: str) -> Profile:
    return walk(from_dict({"name": name, "layers": [2], "classifier": []}), input=2)


@pytest.fixture(params=HOSTILE)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def test_a_hostile_name_is_text_in_html(name: str) -> None:
    harmless = Page(render(hostile("harmless"), "page"))
    page = Page(render(hostile(name), "page"))
    title = f"VGG config {name}: 2 weight layers"
    assert page.tags == harmless.tags
    assert page.texts["title"].startswith(title)
    assert page.texts["caption"].startswith(title)
    assert Page(render(Comparison((hostile(name),)), "html")).rows[1][0] == name


def test_a_hostile_name_from_a_file_is_text_on_the_page(name: str, tmp_path: Path) -> None:
    file = tmp_path / "own.json"
    file.write_text(json.dumps({"name": name, "layers": [2], "classifier": []}))
    page = Page(printed("table", str(file), "--input", "2", "--format", "html"))
    assert page.texts["title"].startswith(f"VGG config {name}: ")
    assert not page.tags & {"script", "b"}


ACTIVE = re.compile(r"[\\`*<>|\[\]~#$]|&\w|&#|(?<!\w)_|_(?!\w)")


def test_a_hostile_name_is_text_in_markdown(name: str) -> None:
    heading = render(hostile(name), "markdown").splitlines()[0].removeprefix("### VGG config ")
    shown = heading[: heading.index(": 2 weight layers")]
    assert unescape_markdown(shown) == name
    assert not ACTIVE.search(re.sub(r"\\[!-/:-@\[-`{-~]", "", shown)), shown
    grid = markdown_grid(render(Comparison((hostile(name), hostile("x"))), "markdown"))
    assert len(grid) == 2
    assert {len(row) for row in grid} == {9}
    assert unescape_markdown(escape(name)) == name


def test_a_name_that_is_not_escaped_is_seen() -> None:
    assert all(ACTIVE.search(sign) for sign in ("a|b", "*a*", "`a`", "<b>", "$x$", "_x_", "&lt;", "\\"))
    assert not ACTIVE.search("conv1_1 (3×3), 50%")


def test_a_hostile_name_is_text_in_csv(name: str) -> None:
    for format_, delimiter in (("csv", ","), ("tsv", "\t")):
        text = render(Comparison((hostile(name), hostile("x"))), format_)
        head, first, second = csv.reader(io.StringIO(text), delimiter=delimiter)
        assert len(head) == len(first) == len(second) > 9
        assert first[0] in (name, f"'{name}")
        assert first[0][0] not in "=+-@\t\r"


def test_a_formula_is_defused_and_a_number_is_not() -> None:
    assert [defuse(cell) for cell in ("=a", "+a", "-a", "@a", "a=", -1, None, "")] == [
        *("'=a", "'+a", "'-a", "'@a", "a=", -1, None, "")
    ]


def test_a_hostile_name_is_text_in_latex(name: str) -> None:
    lines = render(Comparison((hostile(name), hostile("x"))), "latex").splitlines()
    rows = [line for line in lines if line.endswith(r"\\")]
    assert len(rows) == 3
    assert all(len(re.findall(r"(?<!\\)&", row)) == 8 for row in rows)
    assert not any(line.lstrip().startswith("[") for line in lines), (
        "that would be an option of the line before"
    )
    cell = re.split(r"(?<!\\)&", rows[1])[0].strip().removeprefix("{}")
    rest = re.sub(r"\\(text[a-z]+|ensuremath)\{[<>]?\}|\\[~^]\{\}|\\[&%$#_{}]", "", cell)
    assert not re.search(r"[\\&%$#_{}~^|'`]", rest), cell
    titled = render(hostile(name), "latex").splitlines()
    assert titled[0].startswith(f"% VGG config {name}: "), "the title is a comment"
    assert [line for line in titled if line.startswith("\\begin")] == [r"\begin{tabular}{lllrrrrrrrrr}"]


def test_a_hostile_name_changes_nothing_in_json_and_text(name: str) -> None:
    assert json.loads(render(hostile(name), "json"))["config"] == name
    assert render(hostile(name), "table").startswith(f"VGG config {name}: 2 weight layers")


def test_every_format_of_a_list_named_by_its_layers_is_whole() -> None:
    profile = walk(config("8,M,8,M"), input=8)
    for format_ in FORMATS:
        assert render(profile, format_).endswith("\n"), format_
