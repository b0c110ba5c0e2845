"""The README prints what the commands print."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from vgg_profile.cli import main

ROOT = Path(__file__).parent.parent
BLOCKS = re.findall(
    r"```console\n\$ vgg-profile (.*)\n((?:.*\n)*?)```", (ROOT / "README.md").read_text("utf-8")
)


def missing(shown: str, printed: str) -> list[str]:
    """Lines shown that were not printed, at least as the beginning of a line."""
    lines = printed.splitlines()
    return [
        line
        for line in shown.splitlines()
        if line != "…" and not any(one.startswith(line.rstrip()) for one in lines)
    ]


@pytest.mark.parametrize(("command", "shown"), BLOCKS, ids=[command for command, _ in BLOCKS])
def test_the_readme_shows_what_is_printed(command: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    result = CliRunner().invoke(main, shlex.split(command))
    assert result.exit_code == 0
    assert missing(shown, result.stdout) == []


def test_a_line_that_is_not_printed_is_noticed() -> None:
    assert len(BLOCKS) >= 3
    assert missing("total 15\n…\n", "total 16\n") == ["total 15"]


def test_the_two_commands_of_the_readme_are_those_that_ci_runs() -> None:
    ci = (ROOT / ".ci" / "run").read_text("utf-8")
    for command in (
        "pip install -c constraints.txt . && vgg-profile table D",
        "pip install -c constraints.txt '.[test]' && pytest",
    ):
        assert command in (ROOT / "README.md").read_text("utf-8")
        assert command in ci.replace("--quiet ", "")
