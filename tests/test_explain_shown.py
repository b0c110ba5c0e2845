"""Lessons in every format, and the way to each."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from pathlib import Path

import pytest
from conftest import Golden
from explaining import ROOT, call

from vgg_profile import InputError, config, walk
from vgg_profile.cli import main
from vgg_profile.render import FORMATS, render
from vgg_profile.teach import topics
from vgg_profile.teach.forms import Section
from vgg_profile.teach.topics import ALIASES, TOPICS
from vgg_profile.write.text import Screen


def refusal(*arguments: str) -> str:
    result = call(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Traceback" not in result.output
    return result.stderr


# Every format


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("name", ["notes-total", "peak"])
def test_a_topic_is_shown_in_every_format(name: str, format_: str) -> None:
    result = call("explain", name, "--format", format_)
    assert (result.exit_code, result.stderr) == (0, "")
    lesson = TOPICS[name].lesson
    workings = [line for _, line in lesson.lines]
    if format_ == "json":
        content = json.loads(result.stdout)
        assert content == lesson.to_dict()
        assert content["schema_version"] == 1
    elif format_ in ("csv", "tsv"):
        rows = csv.DictReader(io.StringIO(result.stdout), delimiter="," if format_ == "csv" else "\t")
        assert [int(row["value"]) for row in rows] == [line.count.value for line in workings]
    else:
        assert all(f"{line.count.value:,}" in result.stdout for line in workings)
    if format_ in ("table", "markdown", "html"):
        shown = re.sub(r"\\(?=[^\w\s])", "", result.stdout)
        assert all(section.heading in shown for section in lesson.sections)


@pytest.mark.parametrize("arguments", [("pool-indices",), ("D", "conv3_2"), ("D",), ()], ids=" ".join)
def test_whole_lessons_are_as_expected(arguments: tuple[str, ...], golden: Golden) -> None:
    name = "_".join(("explain", *arguments))
    golden(f"{name}.txt", call("explain", *arguments).stdout)


def test_a_lesson_as_markdown_and_as_a_page_is_as_expected(golden: Golden) -> None:
    golden("explain_pool-indices.md", call("explain", "pool-indices", "--format", "markdown").stdout)
    golden("explain_pool-indices.html", call("explain", "pool-indices", "--format", "html").stdout)


@pytest.mark.parametrize("layer", ["relu1_1", "flatten"])
def test_a_lesson_without_any_working_is_a_table_without_rows(layer: str) -> None:
    [head] = call("explain", "D", layer, "--format", "csv").stdout.splitlines()
    assert head.startswith("section,what,value,value_working,unit,lesson,network,input,batch,")


def test_a_lesson_shows_itself() -> None:
    lesson = TOPICS["fc6"].lesson
    assert repr(lesson) == render(lesson, "table")
    assert lesson._repr_html_() == render(lesson, "html")
    assert "102760448" in str(lesson.to_frame()["value"].to_list())
    assert "\x1b[1m" in render(lesson, "table", screen=Screen(is_colourful=True))


def test_what_a_lesson_says_to_type_can_be_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    failing = []
    for command in sorted({command for topic in TOPICS.values() for command in topic.commands}):
        program, *arguments = shlex.split(command)
        assert program == "vgg-profile"
        if arguments[0] == "measure":  # a real pass, made elsewhere
            assert "measure" in main.commands
        elif call(*arguments).exit_code:
            failing.append(command)
    assert failing == []


def test_every_topic_says_how_it_is_known_and_what_to_type() -> None:
    for topic in TOPICS.values():
        assert topic.commands
        assert topic.evidence.startswith(("By arithmetic", "Measured with PyTorch 2.13 on the CPU"))
        says_cuda = any("CUDA" in str(part) for part in topic.lesson.sections)
        assert not says_cuda or "-cuda.json" in topic.evidence


# Finding one's way


def test_the_topics_are_listed_with_a_line_each() -> None:
    shown = call("explain").stdout
    assert all(f"{topic.name} " in shown and topic.title in shown for topic in TOPICS.values())
    content = json.loads(call("explain", "--format", "json").stdout)
    assert [entry["topic"] for entry in content["entries"]] == list(TOPICS)


def test_the_layers_of_a_network_are_listed() -> None:
    content = json.loads(call("explain", "vgg16_bn", "--input", "64", "--format", "json").stdout)
    rows = walk("D-BN", input=64).module_rows[1:]
    assert [(e["layer"], e["module"], e["output"]) for e in content["entries"]] == [
        (row.name, row.module, list(row.output_shape)) for row in rows
    ]


def test_other_words_lead_to_the_same_topic() -> None:
    assert sum(len(topic.aliases) for topic in TOPICS.values()) == len(ALIASES)
    for word, name in {**ALIASES, "Pool_Indices": "pool-indices", " PEAK ": "peak"}.items():
        found = topics.lesson(word)
        assert found is not None
        assert found.name == name
    assert topics.lesson("pool") is None


def test_no_topic_hides_a_config() -> None:
    for word in (*TOPICS, *ALIASES):
        with pytest.raises(InputError, match="no config named"):
            config(word)


def test_a_new_topic_is_a_new_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    course = tmp_path / "course"
    course.mkdir()
    for name, place in {"a_last": 900, "b_first": 100}.items():
        (course / f"{name}.py").write_text(
            "from vgg_profile.teach.forms import Section\n"
            "from vgg_profile.teach.topic import ARITHMETIC, topic\n"
            f"@topic('{name}', 'a line', ARITHMETIC, place={place})\n"
            f"def {name}():\n    yield Section('Why', ('Because.',))\n"
        )
    monkeypatch.syspath_prepend(tmp_path)
    first, last = topics.found_in([str(course)], "course")
    assert (first.name, last.name) == ("b_first", "a_last")
    assert last.lesson.sections == (Section("Why", ("Because.",)),)


def test_every_topic_stands_in_a_file_and_at_a_place_of_its_own() -> None:
    files = {path.stem for path in Path(topics.__path__[0]).glob("[a-z]*.py")}
    assert {topic.sections.__module__.rpartition(".")[2] for topic in TOPICS.values()} == files
    assert len({topic.place for topic in TOPICS.values()}) == len(TOPICS)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("pool-indicies",), "Did you mean pool-indices?"),
        (("recptive-field",), "Did you mean receptive-field?"),
        (("adm",), "Did you mean optimizer-state?"),
        (("xyzzy",), "`vgg-profile explain` lists the topics"),
        (("D", "conv33_2"), "Did you mean conv3_2"),
        (("D", "feature.12"), "Did you mean features.12"),
        (("A", "conv1_2"), "A has no layer 'conv1_2'"),
        (("64,MM",), "is not a layer"),
        (("missing.toml",), "there is no such file"),
        (("peak", "conv1_1"), "A topic has no layers"),
        (("peak", "--batch", "3"), "takes no --batch: it speaks"),
        (("--input", "64"), "takes no --input: it speaks"),
        (("D", "conv1_1", "--batch", "0"), "The batch is 0"),
        (("D", "conv1_1", "--input", "8"), "too small"),
        (("8,M", "bn1_1", "--batch-norm", "--input", "1"), "too small"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_mistake_is_refused_with_a_hint(arguments: tuple[str, ...], hint: str) -> None:
    assert hint in refusal("explain", *arguments)


def test_a_lesson_is_written_to_a_file(tmp_path: Path) -> None:
    result = call("explain", "fc6", "-o", str(tmp_path / "fc6.md"))
    assert (result.exit_code, result.stdout) == (0, "")
    assert (tmp_path / "fc6.md").read_text().startswith("# fc6: ")
