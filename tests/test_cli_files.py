"""The files that the command line writes, and those that it leaves alone."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from calling import TINY, accepted, call, refusal

# Files that are written


SUFFIXES = {
    "txt": "table",
    "md": "markdown",
    "csv": "csv",
    "tsv": "tsv",
    "json": "json",
    "tex": "latex",
    "html": "html",
}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_suffix_chooses_the_format(suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"out.{suffix}"
    result = call(*TINY, "-o", str(file))
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"Wrote {file}\n")
    assert file.read_bytes().decode() == accepted(call(*TINY, "--format", SUFFIXES[suffix]))


def test_a_format_that_is_said_beats_the_suffix(tmp_path: Path) -> None:
    call(*TINY, "--format", "json", "-o", str(tmp_path / "out.md"))
    json.loads((tmp_path / "out.md").read_text())


def test_upper_case_suffixes_count(tmp_path: Path) -> None:
    assert call(*TINY, "-o", str(tmp_path / "OUT.JSON")).exit_code == 0


@pytest.mark.parametrize("name", ["out.docx", "out", ".md"])
def test_a_suffix_that_names_no_format_is_refused(name: str, tmp_path: Path) -> None:
    error = refusal(call(*TINY, "-o", str(tmp_path / name)))
    assert ".md" in error
    assert "--format" in error
    assert list(tmp_path.iterdir()) == []


def test_a_dash_is_stdout() -> None:
    assert accepted(call(*TINY, "-o", "-")) == accepted(call(*TINY))


def test_an_existing_file_stays_unless_forced(tmp_path: Path) -> None:
    file = tmp_path / "out.txt"
    file.write_text("old " * 10_000)
    assert "--force" in refusal(call(*TINY, "-o", str(file)))
    assert file.read_text() == "old " * 10_000
    assert call(*TINY, "-o", str(file), "--force").exit_code == 0
    assert file.read_text(encoding="utf-8") == accepted(call(*TINY))
    assert list(tmp_path.iterdir()) == [file]


def test_force_creates_a_file_that_was_not_there(tmp_path: Path) -> None:
    assert call(*TINY, "-o", str(tmp_path / "out.txt"), "--force").exit_code == 0


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_directory_is_no_output(force: list[str], tmp_path: Path) -> None:
    (tmp_path / "sub.md").mkdir()
    assert "is a directory" in refusal(call(*TINY, "-o", str(tmp_path / "sub.md"), *force))
    assert "no directory" in refusal(call(*TINY, "-o", str(tmp_path / "none" / "out.md"), *force))
    assert [file.name for file in tmp_path.iterdir()] == ["sub.md"]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="a directory in which even root writes nothing")
def test_a_place_where_nobody_writes_is_explained() -> None:
    assert "cannot be written" in refusal(call(*TINY, "-o", "/proc/out.md"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_where_one_may_not_write_is_explained(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o555)
    assert "cannot be written" in refusal(call(*TINY, "-o", str(tmp_path / "locked" / "out.md")))


def test_an_output_name_too_long_is_explained(tmp_path: Path) -> None:
    refusal(call(*TINY, "-o", str(tmp_path / f"{'n' * 300}.md")))


def test_a_bad_network_writes_no_file(tmp_path: Path) -> None:
    refusal(call("table", "D", "--input", "8", "-o", str(tmp_path / "out.md")))
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_while_writing_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    file = tmp_path / "out.txt"
    file.write_text("old")
    monkeypatch.setattr(Path, "replace", interrupted)
    result = call(*TINY, "-o", str(file), "--force")
    assert result.exit_code == 130
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]
