"""Names that bite."""

from __future__ import annotations

from html.parser import HTMLParser

from markdown_it import MarkdownIt


def parsed(page: str) -> tuple[list[str], str]:
    """Which blocks and spans a page of Markdown has, and its text."""
    kinds, words = [], []
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(page):
        kinds.append(token.type)
        kinds += [child.type for child in token.children or () if child.type not in ("text", "text_special")]
        words += [child.content for child in token.children or ()] or [token.content]
    return kinds, "".join(words)


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data
