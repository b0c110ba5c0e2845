"""The command line called in this process and in another."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

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
    pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")
    import fcntl
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    run = subprocess.Popen(
        [sys.executable, "-m", "vgg_profile", *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**plain_environment(), "TERM": "xterm", "PAGER": "cat", **env},
        cwd=ROOT,
    )
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 4096):
            shown += piece
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(ours)
    assert run.wait(60) == 0
    return shown.decode().replace("\r\n", "\n")
