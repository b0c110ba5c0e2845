"""Profiles to print, and how each format is read back."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from click.testing import CliRunner

from vgg_profile import Profile, walk
from vgg_profile.cli import main

TINY = ("table", "8,M,conv1-8,LRN,M", "--classes", "10", "--input", "3x32x48")


def printed(*arguments: str) -> str:
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


def tiny() -> Profile:
    return walk(TINY[1], classes=10, input="3x32x48")


def markdown_grid(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[_plain_markdown(cell) for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def _plain_markdown(cell: str) -> str:
    return unescape_markdown(cell.strip().removeprefix("**").removesuffix("**").replace("`", ""))


def unescape_markdown(text: str) -> str:
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text)


class Page(HTMLParser):
    """Tags that occur, cells by row, and the text of each other element."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.rows: list[list[str]] = []
        self.texts: dict[str, str] = {}
        self._open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self._open):
            self.rows[-1][-1] += data
        elif self._open:
            self.texts[self._open[-1]] = self.texts.get(self._open[-1], "") + data
