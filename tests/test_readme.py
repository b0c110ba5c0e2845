"""README and the pages in docs show what the commands print."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from vgg_profile.ask.fit import MALLOC, PROCESS
from vgg_profile.cli import main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
PAGES = {path.name: path.read_text("utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
BLOCKS = [
    block
    for page in (README, *PAGES.values())
    for block in re.findall(r"```console\n\$ vgg-profile (.*)\n((?:.*\n)*?)```", page)
]


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
def test_a_page_shows_what_is_printed(command: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_what_is_said_of_batches_under_a_hard_limit_is_on_the_page() -> None:
    page = (ROOT / "reports" / "reserve.md").read_text("utf-8")
    (header,) = (line.split(" | ") for line in page.splitlines() if line.startswith("| | question"))
    (runs,) = (place for place, name in enumerate(header) if name.startswith("runs"))
    rows = [line.split(" | ") for line in page.splitlines() if line.endswith(("| true |", "** |"))]
    ran = sum(row[runs] == "yes, yes" for row in rows)
    failed_beyond = sum(row[-1] == "true |" for row in rows)
    assert len(rows) >= 9
    said = " ".join(PAGES["memory.md"].split())
    assert ran == len(rows)
    assert f"all {ran} answers of [reports/reserve.md](../reports/reserve.md) ran twice in a row" in said
    assert f"of {failed_beyond} a batch within 3 % of it, or the next, failed" in said
    assert f"{PROCESS.bytes >> 20} MiB for Python" in said
    (apart,) = (line.split(" | ") for line in page.splitlines() if line.startswith("| convolutions | 82"))
    (least, most) = (cell.removesuffix(" GiB") for cell in apart[3:5])
    assert f"In ten processes one batch took {least} to {most} GiB" in said
    assert f"up to {MALLOC.bytes >> 20} MiB more" in said


def test_readme_is_one_page() -> None:
    assert len(README.split()) < 1_000


@pytest.mark.parametrize("folder", [ROOT, ROOT / "docs"], ids=["README", "docs"])
def test_every_link_leads_to_a_file(folder: Path) -> None:
    pages = [README] if folder == ROOT else list(PAGES.values())
    links = [link for page in pages for link in re.findall(r"\]\((?!https?:)([^)#]+)", page)]
    assert links
    assert [link for link in links if not (folder / link).exists()] == []


def test_every_page_is_linked_from_readme() -> None:
    assert [name for name in PAGES if f"](docs/{name})" not in README] == []


def test_the_two_commands_of_the_readme_are_those_that_ci_runs() -> None:
    ci = (ROOT / ".ci" / "run").read_text("utf-8")
    for command in (
        "pip install -c constraints.txt . && vgg-profile table D",
        "pip install -c constraints.txt '.[test]' && pytest",
    ):
        assert command in README
        assert command in ci.replace("--quiet ", "")


def test_ci_runs_the_long_proofs_that_the_readmes_command_leaves_out() -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["pytest"]["ini_options"]
    assert '-m "not slow"' in options["addopts"]
    assert re.search(r"^pytest -m slow$", (ROOT / ".ci" / "run").read_text("utf-8"), re.MULTILINE)
