"""Names that bite, in every field of every result, on the live page, and on stderr."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from biting import Tags, parsed
from click.testing import CliRunner

from vgg_profile.ask.budget import Budget, Limit
from vgg_profile.ask.cards import memory
from vgg_profile.ask.compare import Comparison
from vgg_profile.ask.difference import Difference, predicted
from vgg_profile.ask.fit import Fit
from vgg_profile.ask.fits import Fits
from vgg_profile.ask.question import Question
from vgg_profile.ask.report import Report
from vgg_profile.ask.sweep import sweep
from vgg_profile.ask.what_if import Advised, what_if
from vgg_profile.check.crosscheck import crosscheck, overlay
from vgg_profile.check.subject import profile_for
from vgg_profile.cli import main
from vgg_profile.core.counts import Count
from vgg_profile.core.display import Displayed
from vgg_profile.core.setting import Setup
from vgg_profile.describe.kinds import KINDS, compose_kind, describe_kind
from vgg_profile.describe.tables import describe
from vgg_profile.diagnose import Defect, Diagnosis, Draft, Hint, Kind, Remark, Written
from vgg_profile.diagnose.draft import Visit
from vgg_profile.measure.reading import load
from vgg_profile.predict.steps import ledger
from vgg_profile.predict.vgg.walk import walk
from vgg_profile.render import FORMATS, live_page, render
from vgg_profile.teach import layer as layers
from vgg_profile.teach import topics
from vgg_profile.teach.audit import audit
from vgg_profile.teach.own.audit import audit_sheet
from vgg_profile.teach.own.sheet import sheet_of

ROOT = Path(__file__).parent.parent
RECORD = ROOT / "reports" / "measured" / "A-cpu.json"


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
        "advised": Advised(Fit(step, memory("8GiB")), {"--amp bfloat16": 9}),
        "what if": what_if(Question(walk("8,M", input=64, classes=2), memory("1GiB"))),
        "fits": Fits.of(memory("8GiB"), [Fit(step, memory("8GiB"))]),
        "difference": Difference(
            predicted("old", profile, Setup(), None), predicted("new", walk("4,M", input=8), Setup(), None)
        ),
        "budget": Budget(
            "a budget", (Limit("net", "peak_bytes", "", 1, 2, is_least=False, setting=step.setting),)
        ),
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
        "own table": audit_sheet(sheet_of("layer,weights\nconv3-8,217\nconv3-8,224"), "a file", net="8,M"),
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
def test_no_field_of_any_result_bites_in_any_format(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the pictures in a page: ``test_hostile_names`` draws names, and a page holds what is drawn."""
    monkeypatch.setattr("vgg_profile.write.plots.to_bytes", lambda figure, suffix: b"<svg/>")
    monkeypatch.setattr("vgg_profile.write.plots.schemes.to_svg", lambda figure: "<svg/>")
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


@pytest.mark.slow
def test_no_path_and_no_command_bites_on_the_live_page() -> None:
    record = load(RECORD)
    for name in (EVIL, f"folder/{EVIL}.json"):
        report = Report(Comparison((profile_for("A", record),), Setup(), measured={name: record}), name)
        page, harmless = live_page(report), live_page(replace(report, command="x"))
        assert Tags(page).tags == Tags(harmless).tags
        assert all(line.isprintable() for line in page.split("\n"))


def test_the_page_may_send_nothing_and_has_no_other_base(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vgg_profile.write.plots.schemes.to_svg", lambda figure: "<svg/>")  # it takes long
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
        ["budget", "X"], ["compare", "D", "--against", "X"], ["compare", "X.toml", "--against", "X"],
        ["diagnose", "X"], ["diagnose", "X.py:y"], ["sweep", "D", "--batch", "X"],
        ["sweep", "D", "--dtype", "X"],
        ["table", "X.toml"], ["compare", "D", "--measured", "X"],
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
    filled = [word.replace("X", evil) for word in words]
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
        "measure/process.py": "numbers, from a process of ours to ours",
        "models/weights.py": "an address of ours",
        "predict/fake/probed.py": "a number, from a process of ours to ours",
    }
    assert found == {"cli/speech.py", *fixed}


def test_what_shows_itself_is_tried() -> None:
    assert all(isinstance(result, Displayed) for result in results().values() if result is not None)
    assert describe(results()["profile"]).title.isprintable()
