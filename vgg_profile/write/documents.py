"""Documents as text, Markdown and HTML: headings, sentences, code, tables and figures.

Formats that know tables alone (CSV, TSV, LaTeX) get the result's table instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import quote

from vgg_profile.core.documents import Code, Document, Heading, Items, Picture
from vgg_profile.core.forms import Table
from vgg_profile.write.cells import wrap
from vgg_profile.write.markdown import escape as escape_markdown
from vgg_profile.write.markdown import opening
from vgg_profile.write.markdown import to_markdown as table_to_markdown
from vgg_profile.write.text import WHOLE, Screen
from vgg_profile.write.text import to_text as table_to_text

WIDTH = 88
"""Columns of a wrapped paragraph, where a screen has so many."""

_MARGIN = " " * 4


def to_text(document: Document, screen: Screen = WHOLE) -> str:
    """For a terminal: headings, wrapped paragraphs, code and tables; a picture is told in words.

    A program and a command are there to be copied: no line of them is broken.
    """
    width = min(WIDTH, screen.width or WIDTH)

    def heading(text: str) -> str:
        return "\n".join(screen.styled(line, bold=True) for line in wrap(text, width))

    blocks = [heading(document.title)]
    for part in document.parts:
        match part:
            case str():
                blocks.append("\n".join(wrap(part, width)))
            case Heading():
                blocks.append(heading(part.text))
            case Code():
                blocks.append("\n".join(_code(part, screen)))
            case Items():
                blocks.append(
                    "\n".join(line for item in part.items for line in wrap(f"- {item}", width, "  "))
                )
            case Table():
                blocks.append(table_to_text(part, screen).rstrip("\n"))
            case Picture():
                blocks.append("\n".join(wrap(part.figure.alt, width)))
    return "\n\n".join(blocks) + "\n"


def _code(code: Code, screen: Screen) -> Iterator[str]:
    """A program as it is, to be copied; commands and workings stand in, and workings fit the screen."""
    for line in code.lines:
        if code.language == "text" and screen.width:
            yield from (_MARGIN + part for part in wrap(line, screen.width - len(_MARGIN), _MARGIN))
        elif line and code.language != "python":
            yield _MARGIN + line
        else:
            yield line


def to_markdown(document: Document, folder: str | None = None) -> str:
    """For a code host; pictures lie in a folder beside the page, or else are told in words."""
    blocks = [f"# {escape_markdown(document.title)}"]
    for part in document.parts:
        match part:
            case str():
                blocks.append(opening(part))
            case Heading():
                blocks.append(f"{'#' * part.level} {escape_markdown(part.text)}")
            case Code():
                blocks.append(_fenced(part))
            case Items():
                blocks.append("\n".join(f"- {opening(item)}" for item in part.items))
            case Table():
                blocks.append(table_to_markdown(part).rstrip("\n"))
            case Picture():
                alt = escape_markdown(part.figure.alt)
                blocks.append(
                    opening(part.figure.alt)
                    if folder is None
                    else f"![{alt}]({quote(f'{folder}/{part.name}')}.svg)"
                )
    return "\n\n".join(blocks) + "\n"


def _fenced(code: Code) -> str:
    """A code block between fences that are longer than whatever stands within."""
    longest = max(map(len, re.findall("`+", "\n".join(code.lines))), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}{code.language}", *code.lines, fence])


def to_html(document: Document) -> str:
    """For a notebook, to stand within a page; figures lie in it as pictures."""
    from vgg_profile.write.html import to_fragment  # a terminal need not wait for jinja2

    return to_fragment(document)


def to_page(document: Document) -> str:
    """A whole page."""
    from vgg_profile.write.html import to_page as write

    return write(document)


WRITERS: dict[str, Callable[[Document], str]] = {
    "table": to_text,
    "markdown": to_markdown,
    "html": to_html,
    "page": to_page,
}
"""The formats that hold a document whole."""
