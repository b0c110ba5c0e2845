"""What a shell offers for the word that is being typed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from vgg_profile.ask.cards import CARDS, card
from vgg_profile.cli import main
from vgg_profile.predict.vgg.configs import config
from vgg_profile.teach.topics import TOPICS

DOCS = (Path(__file__).parent.parent / "docs" / "commands.md").read_text("utf-8")


def offered(*words: str, kind: str = "plain") -> list[str]:
    """What the shell is offered for the last of these words."""
    completion = ShellComplete(main, {}, "vgg-profile", "_VGG_PROFILE_COMPLETE")
    found = completion.get_completions(list(words[:-1]), words[-1])
    return [each.value for each in found if each.type == kind]


@pytest.mark.parametrize(
    "words",
    [
        *((name, "") for name in ("table", "fit", "measure", "timeline", "check", "trace", "report")),
        ("sweep", ""),
        ("explain", ""),
        ("plot", ""),
        ("plot", "A", ""),
        ("compare", "A", ""),
        ("compare", "A", "D", "--relative-to", ""),
        ("diagnose", "model.py:VGG", "--like", ""),
    ],
    ids=" ".join,
)
def test_networks_are_offered_and_each_is_one(words: tuple[str, ...]) -> None:
    names = offered(*words)
    assert {"A", "A-LRN", "B", "C", "D", "E", "D-BN", "vgg16", "vgg19_bn"} <= set(names)
    if words[0] not in ("explain", "plot"):
        assert all(config(name) for name in names)


def test_only_what_begins_so_is_offered_in_any_case() -> None:
    assert offered("table", "d") == ["D", "D-BN"]
    assert offered("table", "VGG16") == ["vgg16", "vgg16_bn"]


def test_where_no_network_begins_so_the_shell_looks_for_files() -> None:
    assert offered("table", "my/", kind="file") == ["my/"]
    assert offered("table", "my/") == []


def test_a_command_of_one_network_is_offered_no_second() -> None:
    assert offered("table", "D", "") == []


@pytest.mark.parametrize(
    "words", [("fit", "D"), ("sweep", "D"), ("compare", "A", "D"), ("plot", "D", "batch")], ids=" ".join
)
def test_cards_are_offered_and_each_is_itself(words: tuple[str, ...]) -> None:
    names = offered(*words, "--memory", "")
    assert [card(name) for name in names] == list(CARDS)
    assert offered(*words, "--memory", "h") == ["h100-80gb", "h200"]


def test_the_kinds_of_figure_are_offered_after_a_network() -> None:
    documented = re.search(r"^\| `vgg-profile plot .*finding: (.*) \|$", DOCS, re.MULTILINE)
    assert documented is not None
    kinds = documented[1].split(", ")
    assert set(kinds) <= set(offered("plot", "D", ""))
    assert not set(kinds) & set(offered("plot", ""))
    assert offered("plot", "D", "memory", "") == []
    assert offered("plot", "A", "D", "comp") == ["compare"]


def test_topics_are_offered() -> None:
    assert set(TOPICS) < set(offered("explain", ""))
    assert offered("explain", "pool") == ["pool-indices"]


def test_values_of_options_are_offered() -> None:
    assert offered("fit", "D", "--optimizer", "ad") == ["adam", "adamw"]
    assert "--what-if" in offered("fit", "D", "--what")


@pytest.mark.parametrize(
    ("shell", "script"), re.findall(r"_VGG_PROFILE_COMPLETE=(\w+)_source (\S+?)[)\s]", DOCS)
)
def test_the_documented_line_gives_the_shell_its_script(shell: str, script: str) -> None:
    assert script == "vgg-profile"
    ended = completed(f"{shell}_source")
    assert ended.returncode == 0
    assert f"_VGG_PROFILE_COMPLETE={shell}_complete" in ended.stdout


def test_bash_zsh_and_fish_are_documented() -> None:
    assert set(re.findall(r"COMPLETE=(\w+)_source", DOCS)) == {"bash", "zsh", "fish"}


def test_a_shell_asks_and_nothing_heavy_is_loaded() -> None:
    for words, place, answer in (
        ("vgg-profile fit D --memory rtx409", 4, "plain,rtx4090\n"),
        ("vgg-profile explain fc", 2, "plain,fc6\n"),
        ("vgg-profile plot D sha", 3, "plain,shares\n"),
    ):
        ended = completed("bash_complete", COMP_WORDS=words, COMP_CWORD=str(place))
        shown, _, loaded = ended.stdout.partition("loaded: ")
        assert shown == answer, ended.stderr
        assert {"click", "vgg_profile.cli.completion"} <= set(loaded.split())
        assert not {"torch", "numpy", "pandas", "matplotlib", "msgspec", "jinja2"} & set(loaded.split())


def completed(what: str, **env: str) -> subprocess.CompletedProcess[str]:
    code = (
        "import atexit, sys; atexit.register(lambda: print('loaded:', *sys.modules));"
        "sys.argv[0] = 'vgg-profile'; from vgg_profile.__main__ import run; run()"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, **env, "_VGG_PROFILE_COMPLETE": what},
        timeout=60,
    )
