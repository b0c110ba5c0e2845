"""Names that bite: whatever a name, a path or a command holds, in every format it is text like any other."""

from __future__ import annotations

import ast
import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from vgg_profile.ask.cards import memory
from vgg_profile.ask.compare import Comparison
from vgg_profile.ask.fit import Fit
from vgg_profile.ask.report import Report
from vgg_profile.ask.sweep import sweep
from vgg_profile.check.crosscheck import crosscheck, overlay
from vgg_profile.check.subject import profile_for
from vgg_profile.cli import main
from vgg_profile.core.counts import Count
from vgg_profile.core.display import Displayed
from vgg_profile.core.figures import INK, Figure, Panel, Series, Style, Unit
from vgg_profile.core.forms import Code, Column, Document, Heading, Items, Table
from vgg_profile.core.printable import command_line, json_printable, printable
from vgg_profile.core.setting import Setup
from vgg_profile.describe.kinds import KINDS, compose_kind, describe_kind
from vgg_profile.describe.tables import describe
from vgg_profile.diagnose import Defect, Diagnosis, Draft, Hint, Kind, Remark, Written
from vgg_profile.diagnose.draft import Visit
from vgg_profile.measure.reading import load
from vgg_profile.predict.vgg.step import ledger
from vgg_profile.predict.vgg.walk import walk
from vgg_profile.render import FORMATS, live_page, render
from vgg_profile.teach import layer as layers
from vgg_profile.teach import topics
from vgg_profile.teach.audit import audit
from vgg_profile.write import delimited, documents, html, latex, markdown, text

ROOT = Path(__file__).parent.parent
RECORD = ROOT / "reports" / "measured" / "A-cpu.json"

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


def parsed(page: str) -> tuple[list[str], str]:
    """Which blocks and spans a page of Markdown has, and its text."""
    kinds, words = [], []
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(page):
        kinds.append(token.type)
        kinds += [child.type for child in token.children or () if child.type not in ("text", "text_special")]
        words += [child.content for child in token.children or ()] or [token.content]
    return kinds, "".join(words)


@repeatable
@given(name=hostile)
def test_in_markdown_a_name_is_text(name: str) -> None:
    for write, form in ((markdown.to_markdown, table), (documents.to_markdown, document)):
        kinds, words = parsed(write(form(name)))  # type: ignore[operator]
        assert kinds == parsed(write(form("x")))[0], name  # type: ignore[operator]
        assert printable(name).strip() in words


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


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


# -- every field of every result


@cache
def results() -> dict[str, Any]:
    """One of each kind of result."""
    profile = walk("8,M", input=8, classes=2)
    record = load(RECORD)
    checked = profile_for("A", record)
    step = ledger(profile, Setup(optimizer="sgd"))
    checks = crosscheck(checked, record)
    conv = Written("Conv2d", {"in_channels": 3, "out_channels": 4, "kernel_size": 3, "padding": 1}, line=3)
    defect = Defect("conv1_1", "conv", 3, Kind.WIDTH, "4", "8", "write 8", "fc2", 5, ("or write 2",))
    draft = Draft(
        (Visit("conv1_1", conv, conv, (4, 8, 8), 1, parameters=112),),
        defects=(defect,),
        differences=(defect,),
        remarks=(Remark(Hint.NO_ACTIVATION, "conv1_1", 3, "no ReLU follows", "It is linear."),),
        refused="RuntimeError: no",
        stopped="What follows is not known.",
    )
    both = Comparison((profile, walk("4,M", input=8, classes=2)), Setup(), base=profile)
    return {
        "profile": profile,
        "headline": Comparison((profile,)),
        "comparison": both,
        "by layer": replace(both, by="layer"),
        "with a record": Comparison((checked,), Setup(), measured={"a record": record}),
        "step": step,
        "fit": Fit(step, memory("8GiB")),
        "sweep": sweep("8,M", inputs=(8,), batches=(1, 2), dtypes=("float32",), optimizers=("none",)),
        "checks": checks,
        "record": record,
        "curve": overlay("A", record),
        "diagnosis": Diagnosis("model.py:net", (3, 8, 8), draft),
        "topics": topics.contents(),
        "topic": topics.lesson("fc6"),
        "layers": layers.contents(profile),
        "layer": layers.lesson(profile, "conv1_1"),
        "audit": audit(None),
        "report": Report(
            Comparison((checked,), Setup(), measured={"a record": record}), "vgg-profile report A"
        ),
    }


def test_there_is_one_of_each_kind() -> None:
    kinds = {
        *describe_kind.registry,
        *compose_kind.registry,
        *(each for shown in KINDS.values() for each in shown),
    }
    assert {type(result) for result in results().values()} >= kinds - {object}


Path_ = tuple[str | int, ...]


def texts(value: Any, path: Path_ = (), depth: int = 0) -> Iterator[Path_]:
    """Where the texts of a result are: in each list those of the last, which stands for its like."""
    if isinstance(value, (Enum, Count)) or depth > 7:  # one of a few; arithmetic that nobody else makes
        return
    if isinstance(value, str):
        yield path
    elif hasattr(value, "_fields"):
        for name in value._fields:
            yield from texts(getattr(value, name), (*path, name), depth + 1)
    elif is_dataclass(value):
        for field in fields(value):
            if field.init:
                yield from texts(getattr(value, field.name), (*path, field.name), depth + 1)
    elif isinstance(value, dict):
        for name in value:
            yield from texts(value[name], (*path, name), depth + 1)
    elif isinstance(value, (tuple, list)) and value:
        yield from texts(value[-1], (*path, len(value) - 1), depth + 1)


def changed(value: Any, path: Path_, name: str) -> Any:
    """The same result with another text in one place."""
    if not path:
        return name
    first, *rest = path
    if hasattr(value, "_fields"):
        return value._replace(**{str(first): changed(getattr(value, str(first)), tuple(rest), name)})
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{str(first): changed(getattr(value, str(first)), tuple(rest), name)})
    if isinstance(value, dict):
        return {**value, first: changed(value[first], tuple(rest), name)}
    inner = [changed(each, tuple(rest), name) if at == first else each for at, each in enumerate(value)]
    return type(value)(inner)


MARK = "zz"
EVIL = "zz\x1b[31m\x9b\n\n```\n# x\n<b>\u202e\udcff\\input{zz}|＝1"

WRITERS: dict[str, Callable[[Any], str]] = {
    **{form: lambda result, form=form: render(result, form) for form in (*FORMATS, "page")},  # type: ignore[misc]
    "repr": repr,
}


def written(result: Any, form: str) -> str | None:
    """A result in a format; ``None`` if it cannot be, as with a word that is one of a few."""
    try:
        return WRITERS[form](result)
    except (KeyError, ValueError, TypeError, AttributeError, StopIteration, AssertionError):
        return None


@pytest.mark.parametrize("kind", results())
def test_no_field_of_any_result_bites_in_any_format(kind: str) -> None:
    result = results()[kind]
    heard = 0
    for path in texts(result):
        try:
            harmless, evil = changed(result, path, MARK), changed(result, path, EVIL)
        except (ValueError, TypeError, KeyError):  # it is one of a few, and no other text
            continue
        for form in WRITERS:
            plain = written(harmless, form)
            if plain is None or MARK not in plain:
                continue
            heard += 1
            bitten = written(evil, form)
            assert bitten is not None, (path, form)
            seams = "\n\t" if form == "tsv" else "\n"
            assert all(line.isprintable() for line in re.split(f"[{seams}]", bitten)), (path, form)
            assert "<b>" not in bitten or form not in ("html", "page"), (path, form)
            assert form != "markdown" or not any("html" in token for token in parsed(bitten)[0]), path
            if form == "latex":
                assert r"\input{zz}" not in re.sub("^%.*", "", bitten, flags=re.M), path
            if form == "json":
                json.loads(bitten)
    assert heard or kind in SILENT, "no text of it is told anywhere"


SILENT = {"layer"}
"""Results whose texts are all their own."""


def test_no_path_and_no_command_bites_on_the_live_page() -> None:
    record = load(RECORD)
    for name in (EVIL, f"folder/{EVIL}.json"):
        report = Report(Comparison((profile_for("A", record),), Setup(), measured={name: record}), name)
        page, harmless = live_page(report), live_page(replace(report, command="x"))
        assert Tags(page).tags == Tags(harmless).tags
        assert all(line.isprintable() for line in page.split("\n"))


def test_the_page_may_send_nothing_and_has_no_other_base() -> None:
    page = live_page(results()["report"])
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    rules = dict(each.split(" ", 1) for each in policy[1].split("; "))
    assert {rules[each] for each in ("default-src", "base-uri", "form-action")} == {"'none'"}


# -- stderr


@pytest.mark.parametrize(
    "words",
    [
        ["table", "X"], ["table", "D", "X"], ["X"], ["table", "D", "--X"], ["table", "D", "--batch", "X"],
        ["table", "D", "--dtype", "X"], ["table", "D", "--input", "X"], ["fit", "D", "--memory", "X"],
        ["check", "D", "X"], ["check", "D", "X.json"], ["explain", "X"], ["explain", "D", "X"],
        ["plot", "D", "X"],
        ["plot", "D", "memory", "-o", "X"], ["plot", "D", "memory", "-o", "X.svg"], ["table", "D", "-o", "X"],
        ["table", "D", "-o", "X/y.md"], ["table", "D", "-o", "X.md"], ["report", "D", "-o", "X"],
        ["diagnose", "X"], ["diagnose", "X.py:y"], ["sweep", "D", "--batch", "X"],
        ["sweep", "D", "--dtype", "X"],
        ["table", "X.toml"], ["compare", "D", "--measured", "X"], ["diagnose", "FILE:net"],
    ],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.parametrize("evil", ["\x1b[31m\x9bz\n\rz\u202e", "z\udcff\u2028z"])
def test_nothing_on_stderr_bites(
    words: list[str], evil: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / f"{evil}.py"
    file.write_text("import os\nos._exit(3)\n")
    filled = [word.replace("X", evil).replace("FILE", file.name) for word in words]
    result = CliRunner().invoke(main, filled)
    assert result.exit_code in (0, 1, 2)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.stderr
    assert all(line.isprintable() for line in result.stderr.split("\n"))


def test_nobody_else_writes_to_stdout_or_stderr() -> None:
    """One module speaks; a second would have to know again what bites."""
    package = ROOT / "vgg_profile"
    found = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "print", "click.echo", "click.secho", "sys.stdout.write", "sys.stderr.write",
            ):  # fmt: skip
                found.add(path.relative_to(package).as_posix())
    fixed = {
        "__main__.py": "one word, before there is a program",
        "models/weights.py": "an address of ours",
        "predict/fake/probed.py": "a number, from a process of ours to ours",
    }
    assert found == {"cli/speech.py", *fixed}


def test_what_shows_itself_is_tried() -> None:
    assert all(isinstance(result, Displayed) for result in results().values() if result is not None)
    assert describe(results()["profile"]).title.isprintable()
