"""Names that bite: whatever a name, a path or a command holds, in every format it is text like any other."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any
from xml.etree import ElementTree

from biting import Tags, parsed
from hypothesis import given, settings
from hypothesis import strategies as st

from vgg_profile.core.documents import Code, Document, Heading, Items
from vgg_profile.core.figures import INK, Figure, Panel, Series, Style, Unit
from vgg_profile.core.forms import Column, Table
from vgg_profile.core.printable import command_line, json_printable, printable
from vgg_profile.write import delimited, documents, html, latex, markdown, text

BITES = (
    "\x1b[31m", "\x9b31m", "\r", "\n", "\n\n# ", "\n```\n", "\u2028", "\x85", "\x0b", "\u202e", "\u200f",
    "\udcff", "\x00", "\x7f", "\t", "```", "~~~", "<b>", "</style><script>", "&lt;", "]]>", "--", "\"", "'",
    "|", "\\", "`x`", "\\input{x}", "\\end{tabular}", "%", "^^M", "$x$", "#", "_x_", "**x**", "[x](y)",
    "![x](y)", "- x", "1. x", "+ x", "    x", "=1+1", "＝1+1", "﹢1", "－1", "＠x", "@x", ",", ";",
    "$policy", "${x}", "{{ x }}", "{% x %}", "网络", "🦆",
)  # fmt: skip


hostile = (
    st.lists(st.sampled_from(BITES) | st.text(max_size=3), min_size=1, max_size=4)
    .map("".join)
    .filter(str.strip)
)


repeatable = settings(derandomize=True, database=None, deadline=None, max_examples=80)


# -- every form, into every format


def table(name: str) -> Table:
    header = name.replace("\n", "")  # where a line may end, but for that of a name
    columns = (Column(name, f"{header}\nx", is_text=True), Column("n", f"{header}\n(bytes)"))
    rows: Any = ((name, 1), (f"{name} x", 2))
    return Table(name, columns, rows, total=(name, 3), footer=(name, f"of {name}"))


def document(name: str) -> Document:
    parts = (name, Heading(name), Code((name, "x"), "sh"), Items((name, f"x {name}")), table(name), name)
    return Document(name, parts)


def figure(name: str) -> Figure:
    series = (Series(name, (0, 1), (1, 2), INK, Style.BARS),)
    panel = Panel(name, Unit(name), series, place_label=name, names=((0, name), (1, name)), ends=(name, "x"))
    return Figure(name, name, (panel,), alt=name, footer=name)


def check_lines(written: str, harmless: str) -> None:
    """Nothing but printable lines, and as many as a harmless name has."""
    assert all(line.isprintable() for line in written.split("\n"))
    assert written.count("\n") == harmless.count("\n")


@repeatable
@given(name=hostile)
def test_in_a_terminal_a_name_is_text(name: str) -> None:
    check_lines(text.to_text(table(name)), text.to_text(table("x")))
    assert all(line.isprintable() for line in documents.to_text(document(name)).split("\n"))
    assert printable(name) in text.to_text(table(name))


@repeatable
@given(name=hostile)
def test_in_markdown_a_name_is_text(name: str) -> None:
    for write, form in ((markdown.to_markdown, table), (documents.to_markdown, document)):
        kinds, words = parsed(write(form(name)))  # type: ignore[operator]
        assert kinds == parsed(write(form("x")))[0], name  # type: ignore[operator]
        assert printable(name).strip() in words


@repeatable
@given(name=hostile)
def test_in_html_a_name_is_text(name: str) -> None:
    for write in (html.to_fragment, html.to_page):
        for form in (table, document):
            page, harmless = Tags(write(form(name))), Tags(write(form("x")))
            assert page.tags == harmless.tags
            assert printable(name) in page.words


@repeatable
@given(name=hostile)
def test_in_csv_a_name_is_a_cell_and_no_formula(name: str) -> None:
    for write, delimiter in ((delimited.to_csv, ","), (delimited.to_tsv, "\t")):
        lines = list(csv.reader(io.StringIO(write(table(name))), delimiter=delimiter))
        assert [len(line) for line in lines] == [2, 2, 2]
        first = lines[1][0]
        assert first.removeprefix("'") == printable(name).removeprefix("'")
        assert not re.match(r"[\s]*[=+\-@\u2212＝＋－＠﹢﹣﹦﹫⁺₊⁻₋⁼₌]", first)


_TEX = re.compile(r"\\(?:text[a-z]+|ensuremath|textasciitilde)\{[<>]?\}|\\[~^]\{\}|\\[&%$#_{}]")


@repeatable
@given(name=hostile)
def test_in_latex_a_name_is_text(name: str) -> None:
    written, harmless = latex.to_latex(table(name)), latex.to_latex(table("x"))
    check_lines(written, harmless)
    for line, plain in zip(written.splitlines(), harmless.splitlines(), strict=True):
        assert line.startswith("%") == plain.startswith("%")
        if not line.startswith("%") and line.rstrip().endswith(r"\\"):
            cells = line.rstrip()[:-2]
            assert len(re.findall(r"(?<!\\)&", cells)) == 1
            rest = re.sub(r"(?<!\\)&", "", _TEX.sub("", cells)).replace("{}", "").replace(r"\textbf", "")
            assert not re.search(r"[\\%$#_{}~^|'`]", rest), cells


@settings(repeatable, max_examples=6)
@given(name=hostile)
def test_in_a_picture_a_name_is_text(name: str) -> None:
    from vgg_profile.write.plots import to_bytes

    svg = to_bytes(figure(name), "svg").decode()
    ElementTree.fromstring(svg)
    assert "<script" not in svg
    assert to_bytes(figure(name), "png").startswith(b"\x89PNG")


@repeatable
@given(name=hostile)
def test_json_says_the_same_in_signs_that_print(name: str) -> None:
    plain = json.dumps({"name": name}, indent=2, ensure_ascii=False)
    assert json.loads(json_printable(plain)) == {"name": name}
    assert json_printable(plain).replace("\n", "").isprintable()


@settings(repeatable, max_examples=20)
@given(words=st.lists(hostile.filter(lambda word: "\x00" not in word), min_size=1, max_size=3))
def test_a_command_is_one_line_and_means_the_same_to_a_shell(words: list[str]) -> None:
    import subprocess

    words = [word.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape") for word in words]
    line = command_line(words)
    assert line.isprintable()
    said = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True).stdout
    assert said.split(b"\x00")[:-1] == [word.encode("utf-8", "surrogateescape") for word in words]
