"""Results described as documents: what is told in headings, sentences, code, tables and figures.

``compose(result)`` gives a :class:`Document`, and text, Markdown and HTML are written from that one
description. Formats that know tables alone (CSV, TSV, LaTeX) get the result's table instead.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from html import escape as escape_html
from textwrap import fill, indent
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from vgg_profile.core.forms import Code, Document, Heading, Items, Part, Picture, Table
from vgg_profile.write.html import bare_table, fragment, page
from vgg_profile.write.markdown import escape as escape_markdown
from vgg_profile.write.markdown import to_markdown as table_to_markdown
from vgg_profile.write.text import to_text as table_to_text

if TYPE_CHECKING:
    from vgg_profile.core.figures import Figure


WIDTH = 88
"""Columns of a wrapped paragraph; a table is as wide as it is."""

_MARGIN = " " * 4


def to_text(document: Document, *, colour: bool = False) -> str:
    """For a terminal: headings, wrapped paragraphs, code and tables; of a picture, what it shows."""
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
                blocks.append(escape_markdown(part))
            case Heading():
                blocks.append(f"{'#' * part.level} {escape_markdown(part.text)}")
            case Code():
                blocks.append(_fenced(part))
            case Items():
                blocks.append("\n".join(f"- {escape_markdown(item)}" for item in part.items))
            case Table():
                blocks.append(table_to_markdown(part).rstrip("\n"))
            case Picture():
                alt = escape_markdown(part.figure.alt)
                blocks.append(alt if folder is None else f"![{alt}]({quote(f'{folder}/{part.name}')}.svg)")
    return "\n\n".join(blocks) + "\n"


def _fenced(code: Code) -> str:
    """A code block, which nothing within it can close: its lines are indented if they try."""
    lines = (f"{_MARGIN * line.startswith('```')}{line}" for line in code.lines)
    return "\n".join([f"```{code.language}", *lines, "```"])


def to_html(document: Document) -> str:
    """The same, to stand within a page; figures lie in it as pictures."""
    return fragment(f"<h1>{escape_html(document.title)}</h1>\n{''.join(map(part_to_html, document.parts))}")


def part_to_html(part: Part) -> str:
    """One part of a document."""
    match part:
        case str():
            return f"<p>{escape_html(part)}</p>\n"
        case Heading():
            return f"<h{part.level}>{escape_html(part.text)}</h{part.level}>\n"
        case Code():
            return f"<pre>{escape_html(chr(10).join(part.lines))}</pre>\n"
        case Items():
            items = "".join(f"<li>{escape_html(item)}</li>\n" for item in part.items)
            return f"<ul>\n{items}</ul>\n"
        case Table():
            return bare_table(part)
        case Picture():
            alt = escape_html(part.figure.alt)
            return f"<figure><img alt=\"{alt}\" src='{_embedded(part.figure)}'></figure>\n"


_PLAIN_IN_SOURCES = ' !"$()*+,/:;<=>?@[]^`{|}'
"""What an address in single quotes may hold as it is: as little as possible is written longer."""


def _embedded(figure: Figure) -> str:
    """The picture as the address of an image, which can neither run nor fetch anything."""
    from vgg_profile.write.plots import to_bytes

    svg = " ".join(to_bytes(figure, "svg").decode().split())
    return f"data:image/svg+xml,{quote(svg, safe=_PLAIN_IN_SOURCES)}"


def to_page(document: Document) -> str:
    """A whole page."""
    return page(document.title, to_html(document))


WRITERS: dict[str, Callable[[Document], str]] = {
    "table": to_text,
    "colour": partial(to_text, colour=True),
    "markdown": to_markdown,
    "html": to_html,
    "page": to_page,
}
"""The formats that hold a document whole."""
