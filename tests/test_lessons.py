"""The lessons run, print what is committed, and state no number that they do not compute."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Iterator
from copy import deepcopy
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from examples import run_lessons
from examples.run_lessons import LESSONS, differing, run, run_all, texts
from vgg_profile.cli import main

ROOT = Path(__file__).parent.parent
INDEX = run_lessons.FOLDER / "README.md"
HEADINGS = (
    "Predict",
    "Compute",
    "Measure",
    "Explain the remainder",
    "Turn it",
    "Check yourself",
    "Exercise",
    "The command",
)
LONGEST_CELL = 12
MOST_OUTPUT = 200_000

NUMBER = re.compile(r"(?<![\w.,])(\d+(?:[,_]\d{3})*(?:\.\d+)*)(?:[ \N{NO-BREAK SPACE}]?(%)|([KM])B?(?!\w))?")
TRACES = re.compile(r"0x[0-9a-f]{6,}|(?<![\w.])/(?:home|root|tmp|usr|work|Users)/|[A-Z]:\\")

by_name = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


TURNED = f"""
assert (turn.slider is not None) == {find_spec("ipywidgets") is not None}
pictures = set()
for choice in turn.figures:
    if turn.slider is None:
        turn.to(choice)
    else:
        turn.slider.value = choice
        assert turn.image.value == turn.png()
    assert str(choice) in turn.sentence
    pictures.add(turn.png())
assert len(pictures) == len(turn.figures) > 2
assert len(check.hints) == 2
"""
"""What is run at the end of a lesson: its slider is set to every choice, each with a picture of its own."""


@pytest.fixture(scope="module")
def fresh() -> dict[Path, NotebookNode]:
    return run_all(LESSONS, TURNED)


# -- they run


@by_name
@pytest.mark.slow
def test_a_lesson_runs_and_prints_what_is_committed(path, fresh):
    assert differing(read(path), fresh[path]) == []


def test_what_a_lesson_prints_of_a_page_stands_there():
    """A page that was made again, on another machine, needs the lesson run again."""
    quoted = [
        (output.text, (path.parent / page).read_text("utf-8"))
        for path in LESSONS
        for cell in read(path).cells
        if cell.cell_type == "code"
        for page in re.findall(r'Path\("(\S+\.md)"\)', cell.source)
        for output in cell.outputs
    ]
    assert quoted
    assert [text for text, page in quoted if text not in page] == []


def test_another_text_is_found():
    committed = read(LESSONS[0])
    for change in ("15,237,609", ""):
        altered = deepcopy(committed)
        printing = next(cell for cell in altered.cells if cell.id == "totals")
        printing.outputs[0].text = printing.outputs[0].text.replace("15,237,608", change)
        assert differing(committed, altered) == ["totals"]
    assert differing(committed, committed) == []


def lesson_of(folder: Path, *sources: str) -> Path:
    path = folder / "1_made_up.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell(source) for source in sources]), path)
    return path


def test_a_wrong_number_stops_the_lesson(tmp_path):
    with pytest.raises(CellExecutionError, match="AssertionError"):
        run(lesson_of(tmp_path, "assert 224 * 224 * 64 == 3_211_265"))


def test_the_runner_writes_only_when_it_is_not_checking(tmp_path, monkeypatch, capsys):
    path = lesson_of(tmp_path, "print(6 * 7)")
    monkeypatch.setattr(run_lessons, "LESSONS", [path])
    before = path.read_bytes()
    assert run_lessons.main(["--check"]) == 1
    assert path.read_bytes() == before
    assert run_lessons.main(["1"]) == 0
    written = path.read_bytes()
    assert [text for _, text in texts(read(path))] == ["stdout: 42\n"]
    assert run_lessons.main(["--check", "1"]) == 0
    assert run_lessons.main([]) == 0
    assert path.read_bytes() == written
    assert "as committed" in capsys.readouterr().out


def test_a_lesson_that_there_is_not_is_refused(capsys):
    with pytest.raises(SystemExit) as refused:
        run_lessons.main(["10"])
    assert refused.value.code == 2
    assert "there is no lesson 10; there are 1 to 9" in capsys.readouterr().err


# -- their numbers


def numbers(text: str) -> Iterator[str]:
    """The numbers of a text without their commas, a percent sign or the notes' K and M at their ends."""
    for number, percent, scale in NUMBER.findall(text):
        yield number.replace(",", "").replace("_", "") + percent + scale


def needs_proof(number: str) -> bool:
    """Three digits or more, a decimal, a percentage, or a number that K or M rounds."""
    return not number.isdigit() or len(number) >= 3


def proofs(notebook: NotebookNode) -> set[str]:
    """Every number that the notebook prints or asserts."""
    found: set[str] = set()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            tree = ast.parse(cell.source)
            claims = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Assert)]
            printed = [output.get("text", "") for output in cell.outputs]
            shown = [output.get("data", {}).get("text/plain", "") for output in cell.outputs]
            found.update(*(numbers(text) for text in (*claims, *printed, *shown)))
    return found


def unproved(notebook: NotebookNode) -> list[str]:
    """The numbers in the prose that the notebook neither prints nor asserts."""
    prose = (cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    said = dict.fromkeys(number for text in prose for number in numbers(text) if needs_proof(number))
    known = proofs(notebook)
    return [number for number in said if number not in known]


@by_name
def test_every_number_in_the_prose_is_printed_or_asserted(path):
    assert unproved(read(path)) == []


@by_name
def test_a_forged_number_is_found(path):
    """Whatever number of the prose is changed, in whatever cell."""
    honest = read(path)
    forged = 0
    for place, cell in enumerate(honest.cells):
        if cell.cell_type != "markdown":
            continue
        for match in NUMBER.finditer(cell.source):
            if needs_proof(next(numbers(match[0]))):
                lie = deepcopy(honest)
                lie.cells[
                    place
                ].source = f"{cell.source[: match.start(1)]}987654321{cell.source[match.end(1) :]}"
                assert len(unproved(lie)) == 1
                forged += 1
    assert forged > 5


@pytest.mark.parametrize(
    ("prose", "found"),
    [
        ("It has 15,237,608 values.", []),
        ("It has 15,237,609 values.", ["15237609"]),
        ("That is 48.6 % of it, or 24M.", []),
        ("That is 48.7 % of it.", ["48.7%"]),
        ("That is 48.6 times as much.", ["48.6"]),
        ("It is 24 for conv1_2 of VGG-16.", []),
        ("They print 25M and 93MB.", ["25M", "93M"]),
    ],
)
def test_a_number_is_what_it_says(prose, found):
    code = new_code_cell("assert f(x) == 15_237_608\nassert '48.6%' and '24M'\ny = 48.7")
    assert unproved(new_notebook(cells=[new_markdown_cell(prose), code])) == found


# -- their form


def prose_of(notebook: NotebookNode) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def flaws(notebook: NotebookNode) -> list[str]:
    """What a notebook lacks to be a lesson."""
    prose = prose_of(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    sources = [cell.source for cell in code]
    outputs = [output for cell in code for output in cell.outputs]
    printed = [text for _, text in texts(notebook)]
    exercise = prose.partition("## Exercise")[2].partition("## The command")[0]
    answers = [cell for cell in code if "answer" in cell.metadata.get("tags", [])]
    requirements = {
        "headings": tuple(re.findall(r"^## (.*)$", prose, re.MULTILINE)) == HEADINGS,
        "a question": prose.count("**Question.**") == 1,
        "a time": re.search(r"^\*(1[5-9]|2\d|30) minutes\.", prose, re.MULTILINE) is not None,
        "a folded answer": exercise.count("<details>\n<summary>Answer</summary>\n\n") == 1
        and exercise.rstrip().endswith("</details>"),
        "an asserted answer": [" assert " in f" {cell.source} ".replace("\n", " ") for cell in answers]
        == [True],
        "one thing to turn": [each.endswith("\nturn") for each in sources if "Turn(" in each] == [True],
        "a question with hints": [each.endswith("check(None)") for each in sources if "Check(" in each]
        == [True],
        "one command": len(commands(notebook)) == 1,
        "short cells": all(len(cell.source.splitlines()) <= LONGEST_CELL for cell in code),
        "executed in order": [cell.execution_count for cell in code] == list(range(1, len(code) + 1)),
        "a picture": any("image/png" in output.get("data", {}) for output in outputs),
        "a version": re.search(r"[Mm]easured with PyTorch \d", prose) is not None,
        "small outputs": len(json.dumps(outputs)) < MOST_OUTPUT,
        "no warnings": not any(text.startswith("stderr") for text in printed),
        "no traces of a machine": not any(TRACES.search(text) for text in printed),
    }
    return [what for what, is_met in requirements.items() if not is_met]


def commands(notebook: NotebookNode) -> list[str]:
    """What the lesson tells to type at its end."""
    return re.findall(r"^vgg-profile (.*)$", prose_of(notebook).partition("## The command")[2], re.MULTILINE)


@by_name
def test_a_lesson_has_its_form(path):
    assert flaws(read(path)) == []


def rewritten(old: str, new: str):
    def change(notebook: NotebookNode) -> None:
        for cell in notebook.cells:
            cell.source = cell.source.replace(old, new)

    return change


def printing(kind: str, text: str):
    def change(notebook: NotebookNode) -> None:
        cell = next(cell for cell in notebook.cells if cell.cell_type == "code")
        cell.outputs.append(nbformat.v4.new_output("stream", name=kind, text=text))

    return change


def without_pictures(notebook: NotebookNode) -> None:
    for cell in notebook.cells:
        if "outputs" in cell:
            cell.outputs = [each for each in cell.outputs if "image/png" not in each.get("data", {})]


def unexecuted(notebook: NotebookNode) -> None:
    notebook.cells[-1].execution_count = None


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        (rewritten("## Measure", "## Guess"), "headings"),
        (rewritten("**Question.**", "Question:"), "a question"),
        (rewritten("*20 minutes.", "*90 minutes."), "a time"),
        (rewritten("</details>", ""), "a folded answer"),
        (rewritten("assert ", "print "), "an asserted answer"),
        (rewritten("Turn(", "Turned("), "one thing to turn"),
        (rewritten("check(None)", "check(42)"), "a question with hints"),
        (rewritten("vgg-profile notes", "something"), "one command"),
        (rewritten("import torch\n", "import torch\n" * 12), "short cells"),
        (rewritten("with PyTorch 2.13", "somewhere"), "a version"),
        (without_pictures, "a picture"),
        (unexecuted, "executed in order"),
        (printing("stdout", "x" * MOST_OUTPUT), "small outputs"),
        (printing("stderr", "a warning"), "no warnings"),
        (printing("stdout", "<object at 0x7f2a10c3b5d0>"), "no traces of a machine"),
        (printing("stdout", "see /home/somebody/notes"), "no traces of a machine"),
    ],
)
def test_a_flaw_is_found(change, flaw):
    lesson = read(LESSONS[0])
    change(lesson)
    assert flaws(lesson) == [flaw]


# -- their commands, and their index


def large(text: str) -> set[str]:
    return {number for number in numbers(text) if number.isdigit() and len(number) >= 5}


@by_name
def test_the_command_prints_what_the_lesson_says(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    notebook = read(path)
    result = CliRunner().invoke(main, shlex.split(commands(notebook)[0]))
    assert result.exit_code == 0
    assert len(large(result.stdout) & large(prose_of(notebook))) >= 2


def entries(index: str) -> dict[str, tuple[str, str]]:
    """Lesson → its question and its minutes, as an index has them."""
    rows = re.findall(r"^\| \d \| \[(.*?)\]\((.*?)\) \|.*\| (\d+) \|", index, re.MULTILINE)
    return {file: (question, minutes) for question, file, minutes in rows}


def test_the_index_names_every_lesson_and_its_time():
    expected = {}
    for path in LESSONS:
        title, minutes = re.search(
            r"^# \d · (.*?)$.*?^\*(\d+) min", prose_of(read(path)), re.M | re.S
        ).groups()
        expected[path.name] = (title, minutes)
    index = INDEX.read_text("utf-8")
    assert entries(index) == expected
    assert f"{sum(int(minutes) for _, minutes in expected.values())} minutes" in index
    assert entries(index.replace("| 20 |", "| 15 |")) != expected
