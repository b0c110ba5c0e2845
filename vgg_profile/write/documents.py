"""Documents as text, Markdown and HTML: headings, sentences, code, tables and figures.

Formats that know tables alone (CSV, TSV, LaTeX) get the result's table instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from textwrap import fill, indent
from urllib.parse import quote

import click

from vgg_profile.core.documents import Code, Document, Heading, Items, Picture
from vgg_profile.core.forms import Table
from vgg_profile.write.markdown import escape as escape_markdown
from vgg_profile.write.markdown import opening
from vgg_profile.write.markdown import to_markdown as table_to_markdown
from vgg_profile.write.text import to_text as table_to_text

WIDTH = 88
"""Columns of a wrapped paragraph; a table is as wide as it is."""

_MARGIN = " " * 4


def to_text(document: Document, *, colour: bool = False) -> str:
    """For a terminal: headings, wrapped paragraphs, code and tables; a picture is told in words."""
    emphasise = partial(click.style, bold=True) if colour else str
    blocks = [emphasise(_wrapped(document.title))]
    for part in document.parts:
        match part:
            case str():
                blocks.append(_wrapped(part))
            case Heading():
                blocks.append(emphasise(_wrapped(part.text)))
            case Code():
                margin = "" if part.language == "python" else _MARGIN  # a program is there to be copied
                blocks.append(indent("\n".join(part.lines), margin))
            case Items():
                blocks.append("\n".join(_wrapped(item, "- ") for item in part.items))
            case Table():
                blocks.append(table_to_text(part, colour=colour).rstrip("\n"))
            case Picture():
                blocks.append(_wrapped(part.figure.alt))
    return "\n\n".join(blocks) + "\n"


def _wrapped(paragraph: str, bullet: str = "") -> str:
    return fill(
        paragraph,
        WIDTH,
        initial_indent=bullet,
        subsequent_indent=" " * len(bullet),
        break_on_hyphens=False,
    )


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
    "colour": partial(to_text, colour=True),
    "markdown": to_markdown,
    "html": to_html,
    "page": to_page,
}
"""The formats that hold a document whole."""
