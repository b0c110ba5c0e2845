"""The command line called in this process and in another."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.fuzz.terminals import run_on_a_terminal
from vgg_profile.cli import main

ROOT = Path(__file__).parent.parent
TINY = ["table", "8,M,conv1-8,LRN,M", "--classes", "10", "--input", "3x32x48"]
ESCAPE = "\x1b"


def call(*arguments: str, **options: object) -> Result:
    return CliRunner().invoke(main, list(arguments), **options)  # type: ignore[arg-type]


def refusal(result: Result) -> str:
    """The error of a refused call: exit 2, one paragraph, no traceback, nothing on stdout."""
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit), "an exception got out"
    assert result.stdout == ""
    paragraph = result.stderr.partition("Error: ")[2]
    assert paragraph.endswith("\n")
    assert paragraph.count("\n") == 1, f"not one paragraph: {paragraph}"
    assert len(paragraph) < 1000, "longer than a paragraph"
    assert "Traceback" not in result.output
    return paragraph.strip()


def accepted(result: Result) -> str:
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return result.stdout


_OF_A_TERMINAL = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "LESS")


def plain_environment() -> dict[str, str]:
    """The environment without what it says of a terminal."""
    return {name: value for name, value in os.environ.items() if name not in _OF_A_TERMINAL}


def on_a_terminal(*words: str, lines: int = 60, columns: int = 80, **env: str) -> str:
    """What a real terminal of that size shows; its pager, where none is named, waits for no key."""
    pytest.importorskip("pty", reason="this system has no pseudo-terminals")
    code, shown = run_on_a_terminal(
        [sys.executable, "-m", "vgg_profile", *words],
        {**plain_environment(), "TERM": "xterm", "PAGER": "cat", **env},
        (lines, columns),
        ROOT,
    )
    assert code == 0
    return shown.decode().replace("\r\n", "\n")
