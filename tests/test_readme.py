"""The README prints what the commands print."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from vgg_profile.ask.fit import DEFAULT_RESERVE
from vgg_profile.cli import main

ROOT = Path(__file__).parent.parent
BLOCKS = re.findall(
    r"```console\n\$ vgg-profile (.*)\n((?:.*\n)*?)```", (ROOT / "README.md").read_text("utf-8")
)


def untrue(shown: str, printed: str) -> list[str]:
    """Lines shown that do not follow one another in what was printed, but for gaps marked with …

    A line that ends with … is the beginning of one. Blank lines and rules may be left out.
    """
    lines = [line for line in printed.splitlines() if line.strip(" ─")]
    found, place, has_gap = [], 0, False
    for line in shown.splitlines():
        if line == "…":
            has_gap = True
        elif line.strip(" ─"):
            start = line.removesuffix(" …")
            fits = [
                number
                for number, one in enumerate(lines[place:], start=place)
                if (one.startswith(start) if start != line else one == line)
            ]
            if not fits or (fits[0] != place and not has_gap):
                found.append(line)
            place, has_gap = (fits[0] + 1 if fits else place), False
    return found if has_gap or place == len(lines) else [*found, "an end that is not marked"]


@pytest.mark.parametrize(("command", "shown"), BLOCKS, ids=[command for command, _ in BLOCKS])
def test_the_readme_shows_what_is_printed(command: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    result = CliRunner().invoke(main, shlex.split(command))
    assert result.exit_code == 0
    assert untrue(shown, result.stdout) == []


def test_what_is_not_printed_is_noticed() -> None:
    assert len(BLOCKS) >= 3
    printed = "one 1\n───\ntwo 2\nthree 3\n\ntotal 6\n"
    assert untrue("one 1\ntwo 2\nthree 3\ntotal 6\n", printed) == []
    assert untrue("one …\n…\ntotal 6\n", printed) == []
    assert untrue("one 1\n…\ntotal 7\n…\n", printed) == ["total 7"]
    assert untrue("one 1\ntwo 2\ntotal 6\n", printed) == ["total 6"], "a row is left out, and no … says so"
    assert untrue("one 1\ntwo 2\n", printed) == ["an end that is not marked"]
    assert untrue("one\n…\n", printed) == ["one"], "half a line"


def test_the_reserve_is_what_was_measured() -> None:
    page = (ROOT / "reports" / "reserve.md").read_text("utf-8")
    beside = [float(figure) for figure in re.findall(r"\| ([0-9.]+) MiB \|$", page, re.MULTILINE)]
    assert len(beside) == 12
    said = f"took {min(beside):.0f} to {max(beside):.0f} MiB beside their tensors"
    assert said in " ".join((ROOT / "README.md").read_text("utf-8").split())
    assert max(beside) * 2**20 < DEFAULT_RESERVE["cpu"].bytes


def test_the_two_commands_of_the_readme_are_those_that_ci_runs() -> None:
    ci = (ROOT / ".ci" / "run").read_text("utf-8")
    for command in (
        "pip install -c constraints.txt . && vgg-profile table D",
        "pip install -c constraints.txt '.[test]' && pytest",
    ):
        assert command in (ROOT / "README.md").read_text("utf-8")
        assert command in ci.replace("--quiet ", "")


def test_ci_runs_the_long_proofs_that_the_readmes_command_leaves_out() -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["pytest"]["ini_options"]
    assert '-m "not slow"' in options["addopts"]
    assert re.search(r"^pytest -m slow$", (ROOT / ".ci" / "run").read_text("utf-8"), re.MULTILINE)
