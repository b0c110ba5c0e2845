"""Every format says what the profile says: to the digit, whatever the names, and in full."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path

import jinja2
import pandas as pd
import pytest
from click.testing import CliRunner
from conftest import Golden, check_golden
from pytest_regressions.file_regression import FileRegressionFixture

from vgg_profile import Profile, config, walk
from vgg_profile.ask.compare import Comparison
from vgg_profile.cli import main
from vgg_profile.core.forms import Code, Column, Heading, Items, Part, Table
from vgg_profile.core.units import mebibytes
from vgg_profile.describe.tables import describe
from vgg_profile.predict.vgg.configs import from_dict
from vgg_profile.render import FORMATS, render
from vgg_profile.write.delimited import defuse
from vgg_profile.write.frame import to_frame
from vgg_profile.write.html import _environment, part_to_html
from vgg_profile.write.markdown import escape

TINY = ("table", "8,M,conv1-8,LRN,M", "--classes", "10", "--input", "3x32x48")


def printed(*arguments: str) -> str:
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


def tiny() -> Profile:
    return walk(TINY[1], classes=10, input="3x32x48")


# Whole outputs

GOLDEN: dict[str, tuple[str, ...]] = {
    "table_D.txt": ("table", "D"),
    "table_D_notes.txt": ("table", "D", "--notes"),
    "table_D-BN_all-layers.txt": ("table", "D-BN", "--all-layers"),
    "table_A-LRN.txt": ("table", "A-LRN"),
    "list.txt": ("list",),
    "tiny.txt": TINY,
    "tiny.md": (*TINY, "--format", "markdown"),
    "tiny.csv": (*TINY, "--format", "csv"),
    "tiny.tsv": (*TINY, "--format", "tsv"),
    "tiny.json": (*TINY, "--format", "json"),
    "tiny.tex": (*TINY, "--format", "latex"),
    "tiny.html": (*TINY, "--format", "html"),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_the_whole_output_is_as_expected(name: str, golden: Golden) -> None:
    golden(name, printed(*GOLDEN[name]))


def test_every_format_has_a_golden_file() -> None:
    assert sum(arguments[: len(TINY)] == TINY for arguments in GOLDEN.values()) == len(FORMATS)


def test_one_changed_sign_fails_a_golden_comparison(
    file_regression: FileRegressionFixture, tmp_path: Path
) -> None:
    (tmp_path / "d.txt").write_bytes(b"1,728\n")
    check_golden(file_regression, tmp_path / "d.txt", "1,728\n")
    for other in ("1,729\n", "1,728", "1,728 \n", "1,728\r\n", ""):
        with pytest.raises(AssertionError):
            check_golden(file_regression, tmp_path / "d.txt", other)
    with pytest.raises(pytest.fail.Exception, match="not found"):
        check_golden(file_regression, tmp_path / "none.txt", "")


# Reading each format back


def text_grid(text: str) -> list[list[str]]:
    """The cells that hold something, of each line between the header's rule and the footnotes."""
    body = text.split("\n\n")[1].splitlines()
    rules = [place for place, line in enumerate(body) if set(line) == {"─"}]
    return [re.split(r" {2,}", line.strip()) for line in body[rules[0] + 1 :] if set(line) != {"─"}]


def markdown_grid(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[_plain_markdown(cell) for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def _plain_markdown(cell: str) -> str:
    return unescape_markdown(cell.strip().removeprefix("**").removesuffix("**").replace("`", ""))


def unescape_markdown(text: str) -> str:
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text)


def latex_grid(text: str) -> list[list[str]]:
    lines = [line.removesuffix(r"\\") for line in text.splitlines() if line.endswith(r"\\")]
    return [[unescape_latex(cell.strip()) for cell in re.split(r"(?<!\\)&", line)] for line in lines[1:]]


_LATEX_NAMES = {
    r"\textbackslash{}": "\\",
    r"\ensuremath{<}": "<",
    r"\ensuremath{>}": ">",
    r"\textbar{}": "|",
    r"\textquotesingle{}": "'",
    r"\textasciigrave{}": "`",
}


def unescape_latex(text: str) -> str:
    return re.sub(
        r"\\text(?:backslash|bar|quotesingle|asciigrave)\{\}|\\ensuremath\{[<>]\}|\\([&%$#_{}])|\\[~^]\{\}",
        lambda match: match[1] or _LATEX_NAMES.get(match[0], match[0][1]),
        text,
    )


class Page(HTMLParser):
    """Tags that occur, cells by row, and the text of each other element."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.rows: list[list[str]] = []
        self.texts: dict[str, str] = {}
        self._open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self._open):
            self.rows[-1][-1] += data
        elif self._open:
            self.texts[self._open[-1]] = self.texts.get(self._open[-1], "") + data


def html_grid(text: str) -> list[list[str]]:
    return Page(text).rows[1:]


GRIDS: dict[str, Callable[[str], list[list[str]]]] = {
    "table": text_grid,
    "markdown": markdown_grid,
    "latex": latex_grid,
    "html": html_grid,
    "page": html_grid,
}
PROFILES: dict[str, Callable[[], Profile]] = {
    "tiny": tiny,
    "D": lambda: walk("D"),
    "D-BN": lambda: walk("D-BN", batch=8, dtype="float16"),
    "A-LRN": lambda: walk("A-LRN", batch=100_000, input="4320x7680"),
    "no classifier": lambda: walk(
        from_dict({"name": "n", "layers": [4], "classifier": [], "in_channels": 1}), input=7
    ),
}


def number(cell: str) -> int | None:
    """The number at the end of a cell, ``None`` for a dash."""
    return None if cell == "–" else int(cell.rpartition("= ")[2].replace(",", ""))


@pytest.mark.parametrize("all_layers", [False, True], ids=["rows", "all layers"])
@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("format_", GRIDS)
def test_people_read_the_numbers_of_the_json(format_: str, name: str, all_layers: bool) -> None:
    profile = PROFILES[name]()
    data = json.loads(render(profile, "json", all_layers=all_layers))
    *rows, total = GRIDS[format_](render(profile, format_, all_layers=all_layers))
    assert len(rows) == len(data["rows"])
    for cells, row in zip(rows, data["rows"], strict=True):
        if format_ == "table" and not row["module"]:
            cells.insert(1, "")
        name_, module, kind, shape, values, *numbers = cells
        assert (name_, module, kind) == (row["name"], row["module"], row["kind"])
        assert [int(side) for side in shape.split("×")] == row["output_shape"]
        if row["note"]:
            assert values == row["note"]
            assert row["values"] == 0
        else:
            assert number(values) == row["values"]
            working = row["values_working"]
            assert values.rpartition(" = ")[0] == ("" if working.isdigit() else working)
        keys = ("memory_bytes", "saved_bytes", "weights", "biases", "macs", "receptive_field", "stride")
        assert [number(cell) for cell in numbers] == [row[key] for key in keys]
        working = row["weights_working"]
        assert numbers[2].rpartition(" = ")[0] == ("" if working.isdigit() else working)
    keys = ("values", "memory_bytes", "saved_bytes", "weights", "biases", "macs")
    assert [number(cell) for cell in total[1:] if cell] == [data["totals"][key] for key in keys]


@pytest.mark.parametrize("format_", GRIDS)
def test_a_changed_digit_is_read_back(format_: str) -> None:
    text = render(tiny(), format_)
    assert GRIDS[format_](text) != GRIDS[format_](text.replace("331,776", "331,777"))


@pytest.mark.parametrize("name", PROFILES)
def test_a_printed_total_is_the_sum_of_its_printed_column(name: str) -> None:
    *rows, total = html_grid(render(PROFILES[name](), "html"))
    summed = [place for place, cell in enumerate(total) if place and cell]
    assert len(summed) == 6
    for place in summed:
        assert number(total[place]) == sum(number(row[place]) or 0 for row in rows)


def test_the_notes_total_is_the_sum_of_the_weights_printed_above() -> None:
    text = render(walk("D"), "table", notes=True)
    weights = [number(cells[-1]) for cells in text_grid(text)[:-1]]
    assert sum(weight or 0 for weight in weights) == 138_344_128
    assert "exactly 138,344,128 weights" in text


@pytest.mark.parametrize("all_layers", [False, True], ids=["rows", "all layers"])
@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize(("format_", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_machines_read_the_numbers_of_the_json(
    format_: str, delimiter: str, name: str, all_layers: bool
) -> None:
    profile = PROFILES[name]()
    data = json.loads(render(profile, "json", all_layers=all_layers))
    text = render(profile, format_, all_layers=all_layers)
    rows = list(csv.DictReader(io.StringIO(text), delimiter=delimiter))
    assert len(rows) == len(data["rows"])
    for cells, row in zip(rows, data["rows"], strict=True):
        assert cells.pop("output_shape") == "x".join(map(str, row["output_shape"]))
        if row["note"]:
            row["values"], row["values_working"] = cells["values"], cells["values_working"]
        for key, cell in cells.items():
            assert cell == ("" if row[key] is None else str(row[key])), (row["name"], key)


# The rounded beside the exact


@pytest.mark.parametrize("batch", [1, 7, 64, 100_000])
@pytest.mark.parametrize("options", [{}, {"notes": True}, {"all_layers": True}])
def test_the_mib_beside_exact_bytes_are_right(batch: int, options: dict[str, bool]) -> None:
    text = render(walk("D", batch=batch), "table", **options)
    pairs = re.findall(r"([\d,]+) bytes = ([\d,.]+) MiB", text)
    assert len(pairs) >= 1
    for exact, rounded in pairs:
        assert _is_rounded(int(exact.replace(",", "")), rounded), (exact, rounded)


def _is_rounded(size: int, mib: str) -> bool:
    return abs(Fraction(mib.replace(",", "")) - Fraction(size, 2**20)) <= Fraction(1, 200)


def test_a_wrong_mib_is_seen() -> None:
    assert _is_rounded(60_950_432, mebibytes(60_950_432).removesuffix(" MiB"))
    assert not _is_rounded(60_950_432, "58.14")
    assert not _is_rounded(60_950_432, "60.95")


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
    coloured = render(walk("D"), "colour")
    assert "\x1b" in coloured
    assert re.sub(r"\x1b\[\d*m", "", coloured) == render(walk("D"), "table")


def test_a_result_of_another_kind_has_no_table() -> None:
    with pytest.raises(TypeError, match="int"):
        describe(3)


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
        assert len(head) == len(first) == len(second) == 9
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


# HTML from templates


@pytest.mark.parametrize(
    ("part", "html"),
    [
        ("a < b & c", "<p>a &lt; b &amp; c</p>\n"),
        (Heading("<i>", 3), "<h3>&lt;i&gt;</h3>\n"),
        (Code(("a<b", "  'c'")), "<pre>a&lt;b\n  &#39;c&#39;</pre>\n"),
        (Items(("<b>", "two")), "<ul>\n<li>&lt;b&gt;</li>\n<li>two</li>\n</ul>\n"),
        (
            Table("<t>", (Column("a", "<a>"),), (("<c>",),), footer=("<f>",)),
            "<table>\n<caption>&lt;t&gt;</caption>\n"
            '<thead><tr><th scope="col">&lt;a&gt;</th></tr></thead>\n'
            '<tbody>\n<tr><th scope="row">&lt;c&gt;</th></tr>\n</tbody>\n</table>\n<p>&lt;f&gt;</p>\n',
        ),
    ],
    ids=lambda each: type(each).__name__,
)
def test_a_part_is_filled_into_its_template_and_escaped(part: Part, html: str) -> None:
    assert part_to_html(part) == html


def test_a_name_that_a_template_misspells_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        _environment().from_string("{{ titel }}").render(title="t")


def loads_jinja2(*arguments: str) -> bool:
    """Whether a command has loaded the templates' library by its end, in a fresh interpreter."""
    code = (
        f"import sys\nfrom vgg_profile.cli import main\nmain({list(arguments)!r}, standalone_mode=False)\n"
        "print('jinja2' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stderr.endswith("True\n")


@pytest.mark.parametrize(
    "arguments",
    [("table", "D"), ("explain", "pool-indices"), ("notes", "--format", "markdown")],
    ids=" ".join,
)
def test_a_terminal_does_not_wait_for_templates(arguments: tuple[str, ...]) -> None:
    assert not loads_jinja2(*arguments)


def test_html_is_noticed_to_load_templates() -> None:
    assert loads_jinja2("table", "D", "--format", "html")
