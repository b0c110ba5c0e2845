"""A hint is a whole command: it can be typed as it stands, and is about what was asked."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import click
import pytest
from any_nets import answer, run
from calling import ROOT, refusal

from vgg_profile.cli import COMMANDS, main

UNET = ("examples/my_net.py:UNet", "--input", "3x32x32", "--no-probe")
RECORD = "reports/measured/D-cpu.json"

NETS = """
from torch import nn

class Wide(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.fc = nn.Linear(16, width)
    def forward(self, x):
        return self.fc(x)

def squared(output):
    return output.square().mean()
"""


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("my nets") / "wide.py"
    path.write_text(NETS)
    return path


@pytest.fixture(scope="module")
def book(net: Path) -> Path:
    """A trace that takes all that can be said of a network."""
    path = net.with_name("wide.json")
    named = (f"{net}:Wide", "--input", "16", "--with", "width=6", "--loss", f"{net}:squared", "--no-probe")
    done = run("trace", *named, "--batch", 4, "--optimizer", "adam", "--dtype", "bf16", "-o", path)
    assert done.exit_code == 0, done.stderr
    return path


def hints(text: str) -> list[list[str]]:
    """The commands of ours that a text tells to type, in words."""
    return [shlex.split(each) for each in re.findall(r"`(vgg-profile [^`]*)`", text)]


def assert_can_be_typed(words: list[str]) -> None:
    """Click takes the command, and it says nothing that somebody has yet to fill in."""
    _, name, *options = words
    unfilled = {word for word in words if "…" in word} | {"NET", "RECORD", "FILE", "SIZE", "N"}.intersection(
        words
    )
    assert not unfilled, words
    with suppress(click.exceptions.Exit):  # of --help
        COMMANDS[name].make_context(name, options, parent=main.make_context("vgg-profile", [name]))


def test_a_hint_that_cannot_be_typed_is_found_out() -> None:
    for hint in ("trace a.py:N … -o n.json", "check NET r.json"):
        with pytest.raises(AssertionError):
            assert_can_be_typed(["vgg-profile", *hint.split()])
    with pytest.raises(click.UsageError):
        assert_can_be_typed(["vgg-profile", "fit", "D", "--memroy", "8GiB"])


def texts(tree: ast.AST) -> Iterator[str]:
    """Every text in a file, those with values in them whole."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(each.value for each in node.values if isinstance(each, ast.Constant))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_no_text_of_ours_leaves_a_gap_in_a_command() -> None:
    gaps = [
        (file.name, text)
        for file in sorted((ROOT / "vgg_profile").rglob("*.py"))
        for text in texts(ast.parse(file.read_text(encoding="utf-8")))
        for command in re.findall(r"`(?:vgg-profile|\S*python|pip)[^`]*`?", text)
        if "…" in command
    ]
    assert gaps == []


MISTAKES = {
    "no memory": ("fit", "D"),
    "no memory, several options": ("fit", "D", "--input", "64x96", "--optimizer", "adam"),
    "a list of layers": ("fit", "64,M GAP"),
    "no record": ("check", "D"),
    "no file to write": ("report", "D-BN", "--batch", "2"),
    "no file for the trace": ("trace", "my/net.py:Net"),
    "no kind": ("plot", "my nets/net.py:Net"),
    "the kind first": ("plot", "shares", "D"),
    "a range of its own": ("plot", "D", "sweep", "--batch", "8", "-o", "x.svg"),
    "no such layer": ("explain", "D-BN", "conv7", "--input", "64", "--batch-norm", "--classes", "10"),
    "no such module": ("explain", *UNET, "down.7"),
    "a topic's layer": ("explain", "pool-indices", "conv1_1"),
    "no such topic": ("explain", "pool-indicse"),
    "a layer alone": ("explain", "conv3_2"),
    "a setting of a topic": ("explain", "pool-indices", "--batch", "8"),
    "a setting without a file": ("notes", "--batch", "8"),
    "a snapshot of a table": ("table", "D", "--input", "64", "-o", "my step.pickle"),
    "a snapshot of a sweep": (
        "sweep",
        *UNET[:2],
        "3x32x32,3x64x64",
        "--dtype",
        "float32,bfloat16",
        "-o",
        "x.pickle",
    ),
    "a snapshot of several": ("compare", "A", "D", "--batch-norm", "-o", "x.pickle"),
    "three of two": ("compare", "A", "B", "D", "--memory", "rtx4090", "--input", "64"),
    "a record and a network": ("compare", "D", RECORD, "--short"),
    "a record at another setting": (
        "compare",
        "D",
        "--batch",
        "3",
        "--optimizer",
        "adam",
        "--measured",
        RECORD,
    ),
    "no records": ("compare", "D", "--measured", "examples"),
    "no such record": ("check", "E-BN", "no such.json"),
    "a record of no record": ("check", "E-BN", "pyproject.toml"),
    "a figure without seconds": ("plot", "D", "check"),
    "no such config": ("table", "vgg61"),
    "no such config file": ("table", "no_such.toml"),
    "a trace that is none": ("fit", "tests/data/none.json", "--memory", "8GiB"),
    **{
        f"{name} alone": (name,)
        for name in COMMANDS
        if name not in ("plot", "explain", "notes", "list", "doctor")
    },
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_answered_with_a_command_that_can_be_typed(
    mistake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    done = run(*MISTAKES[mistake])
    assert done.exit_code == 2, done.output
    for words in hints(done.stderr):
        assert_can_be_typed(words)


@pytest.mark.parametrize(
    ("mistake", "hint"),
    [
        ("no memory, several options", "fit D --input 64x96 --optimizer adam --memory 8GiB"),
        ("a list of layers", "fit '64,M GAP' --memory 8GiB"),
        ("no file for the trace", "trace my/net.py:Net -o resnet50.json"),
        ("no kind", "plot 'my nets/net.py:Net' memory -o memory.svg"),
        ("no such layer", "explain D-BN --input 64 --batch-norm --classes 10"),
        ("no such module", f"explain {' '.join(UNET)}"),
        ("a snapshot of a table", "timeline D --input 64 --device cuda -o 'my step.pickle'"),
        ("three of two", "fit A B D --input 64 --memory rtx4090"),
        ("a record and a network", f"check D {RECORD}"),
        ("a record at another setting", "measure D --batch 3 --optimizer adam -o record.json"),
        ("no such record", "measure E-BN -o record.json"),
    ],
)
def test_a_hint_is_in_the_words_that_were_typed(
    mistake: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert f"`vgg-profile {hint}`" in run(*MISTAKES[mistake]).stderr


def test_what_is_missing_is_said_with_what_it_is_for() -> None:
    said = run("fit", "D").stderr
    assert "'--memory'. What it must fit: 8GiB," in said


def test_a_list_of_ten_thousand_layers_does_not_stand_in_a_hint() -> None:
    assert "explain NET" in refusal(run("explain", ",".join(["8"] * 10_000), "conv9_9", "--input", "32"))


@pytest.mark.parametrize(
    "asked",
    [
        ("fit", "--memory", "1GiB", "--optimizer", "sgd"),
        ("timeline", "--device", "cuda"),
        ("timeline", "--dtype", "float32"),
        ("timeline", "--batch", "2"),
        ("timeline", "--optimizer", "adam", "--accumulate", "2"),
    ],
    ids=" ".join,
)
def test_a_trace_that_does_not_answer_names_the_one_that_does(
    asked: tuple[str, ...], book: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    command, *options = asked
    done = run(command, book, *options)
    assert done.exit_code == 2
    (words,) = hints(done.stderr)
    assert_can_be_typed(words)
    again = run(*words[1:])
    assert again.exit_code == 0, again.output
    assert answer(command, words[-1], *options)["network"] == "Wide"
    assert answer("table", words[-1])["loss"] == "squared"
    assert answer("table", words[-1])["totals"]["weights"] == 16 * 6


def test_a_trace_with_another_input_names_the_trace_with_it(book: Path) -> None:
    (words,) = hints(run("table", book, "--input", "8x16").stderr)
    assert words[words.index("--input") + 1] == "8x16"
    assert words.count("--input") == 1


def test_a_trace_has_no_weights_and_names_the_measurement_of_its_network(
    book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (words,) = hints(run("measure", book, "--batch", "4").stderr)
    assert_can_be_typed(words)
    file = str(book.with_name("wide.py"))
    named = [f"{file}:Wide", "--input", "16", "--loss", f"{file}:squared", "--with", "width=6"]
    setting = ["--batch", "4", "--optimizer", "adam"]
    assert words[2:] == [*named, "--dtype", "bfloat16", "--no-probe", *setting]
    assert run(*words[1:], "--repeats", "0").exit_code in (0, 3)


def test_a_package_that_is_missing_is_named_as_it_would_be_installed(net: Path) -> None:
    net.with_name("lacks.py").write_text("import no_such_package_here.deep")
    assert "-m pip install no_such_package_here`" in run("table", f"{net.with_name('lacks.py')}:N").stderr
