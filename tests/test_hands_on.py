"""What a lesson has to turn and to ask, its words, and the page for whoever teaches it."""

from __future__ import annotations

import re
from base64 import b64decode
from pathlib import Path

import nbformat
import pytest

from examples.lessons import hands_on
from examples.lessons.hands_on import Check, Turn
from examples.run_lessons import FOLDER, LESSONS, WIDGET, as_slides, without_chance

ROOT = Path(__file__).parent.parent
GLOSSARY = (FOLDER / "glossary.md").read_text("utf-8")
TEACHERS = (FOLDER / "teachers.md").read_text("utf-8")


def squares() -> Turn:
    return Turn("side", (1, 2, 3), lambda side: {"places": side**2, "of nine": side**2 / 9}, start=2)


def test_a_turn_draws_every_choice_and_says_its_figures() -> None:
    turn = squares()
    pictures = {}
    for choice in turn.figures:
        turn.to(choice)
        pictures[turn.sentence] = turn.png()
    assert list(pictures) == [
        "side 1: 1 places, 0.11 of nine",
        "side 2: 4 places, 0.44 of nine",
        "side 3: 9 places, 1.00 of nine",
    ]
    assert len(set(pictures.values())) == 3
    assert all(png.startswith(b"\x89PNG") for png in pictures.values())


def test_without_widgets_there_is_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hands_on, "ipywidgets", None)
    shown = squares()._repr_mimebundle_()
    assert b64decode(shown.pop("image/png")) == squares().png()
    assert shown == {"text/plain": "side 2: 4 places, 0.44 of nine"}


def test_the_slider_turns_the_picture() -> None:
    pytest.importorskip("ipywidgets", reason="the slider is an extra: pip install '.[lessons]'")
    turn = squares()
    before = turn.image.value
    assert turn.slider.style.description_width == "initial"  # its name is not cut off
    turn.slider.value = 3
    assert (turn.choice, turn.sentence) == (3, "side 3: 9 places, 1.00 of nine")
    assert before != turn.image.value == turn.png()
    turn.to(1)
    assert turn.slider.value == 1
    assert turn.image.value == turn.png() != before
    assert {WIDGET, "image/png", "text/plain"} <= set(turn._repr_mimebundle_())


def test_what_is_committed_has_the_picture_and_no_widget() -> None:
    data = {WIDGET: {"model_id": "1"}, "image/png": "", "text/plain": "x"}
    output = nbformat.v4.new_output("display_data", data)
    cell = nbformat.v4.new_code_cell("turn", outputs=[output])
    kept = without_chance(nbformat.v4.new_notebook(cells=[cell])).cells[0].outputs[0].data
    assert list(kept) == ["image/png"]
    for path in LESSONS:
        assert WIDGET not in path.read_text("utf-8")


def test_a_hint_comes_before_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    Check.tries.clear()
    for mine in (None, 1, 2, 3, 4321):
        Check("How many?", 4321, "More.", "Four digits.")(mine)  # the cell is run again each time
    assert capsys.readouterr().out.splitlines() == [
        "How many?",
        "Not yet. Hint: More.",
        "Not yet. Hint: Four digits.",
        "It is 4,321.",
        "Right: 4,321.",
    ]


def prose(number: str) -> str:
    path = next(path for path in LESSONS if path.name.startswith(number))
    cells = nbformat.read(path, as_version=4).cells
    return " ".join(cell.source for cell in cells if cell.cell_type == "markdown").lower()


def met_too_early(glossary: str) -> list[str]:
    """The words of a glossary that the lesson which it names does not use."""
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \| \[(\d)\]\((\S+)\) \|$", glossary, re.MULTILINE)
    assert len(rows) == glossary.count("\n| ") - 2
    assert {link for _, _, link in rows} <= {path.name for path in LESSONS}
    assert all(link.startswith(number) for _, number, link in rows)
    return [word for word, number, _ in rows if word.lower() not in prose(number)]


def test_every_word_of_the_glossary_is_met_in_its_lesson() -> None:
    assert met_too_early(GLOSSARY) == []
    assert met_too_early(GLOSSARY.replace("| skip |", "| transformer |")) == ["transformer"]


def test_the_teachers_page_has_every_lesson_and_its_minutes() -> None:
    rows = re.findall(r"^\| (\d) \| .+ \| (\d+) \| .+ \|$", TEACHERS, re.MULTILINE)
    said = {path.name[0]: re.search(r"^\*(\d+) min", prose(path.name[0]), re.MULTILINE) for path in LESSONS}
    assert dict(rows) == {number: found[1] for number, found in said.items() if found}


def test_what_is_committed_is_cut_into_slides() -> None:
    for path in LESSONS:
        notebook = nbformat.read(path, as_version=4)
        assert as_slides(nbformat.read(path, as_version=4)).cells == notebook.cells
