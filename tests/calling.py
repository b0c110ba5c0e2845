"""The command line called in this process and in another."""

from __future__ import annotations

from click.testing import CliRunner, Result

from vgg_profile.cli import main

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
