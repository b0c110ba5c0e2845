"""Results to text. Renderers take a table and return a string; they never print or measure."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from vgg_profile.errors import InputError, excerpt
from vgg_profile.render.tables import Table, describe
from vgg_profile.walker import Profile

FORMATS = ("table", "markdown", "csv", "tsv", "json", "latex", "html")
"""What ``--format`` takes."""

PICTURES = ("svg", "png", "pdf")
"""What a result with a figure can be drawn as; a file's suffix says so."""

_SUFFIXES = {
    ".txt": "table",
    ".md": "markdown",
    ".markdown": "markdown",
    ".csv": "csv",
    ".tsv": "tsv",
    ".json": "json",
    ".tex": "latex",
    ".latex": "latex",
    ".html": "html",
    ".htm": "html",
    **{f".{format_}": format_ for format_ in PICTURES},
}


def render(result: Any, format: str, **options: bool) -> str:  # noqa: A002 - the option's name
    """A result as text in one of ``FORMATS``, ``page`` for HTML that stands alone,
    or ``colour`` for a terminal.

    ``options`` are those of the result's kind, such as ``all_layers`` of a profile. JSON holds everything
    that a result knows, whatever is shown of it; only a profile chooses between its two sets of rows.
    """
    if format == "json":
        rows = {"all_layers": options.get("all_layers", False)} if isinstance(result, Profile) else {}
        return json.dumps(result.to_dict(**rows), indent=2, ensure_ascii=False) + "\n"
    if getattr(result, "is_document", False):
        from vgg_profile.render import documents

        if format in documents.WRITERS:
            return documents.WRITERS[format](documents.compose(result))
    return _renderer(format)(describe(result, **options))


def picture(result: Any, format: str, kind: str | None = None) -> bytes:  # noqa: A002
    """A figure of a result in one of ``PICTURES``: of a kind, or of the first that it has."""
    from vgg_profile.render.figures import depict
    from vgg_profile.render.plots import to_bytes

    return to_bytes(depict(result, kind), format)


def _renderer(format: str) -> Callable[[Table], str]:  # noqa: A002
    """The function that writes a format, loaded when it is asked for: a terminal need not wait for HTML."""
    match format:
        case "table" | "colour":
            from vgg_profile.render.text import to_text

            return partial(to_text, colour=format == "colour")
        case "markdown":
            from vgg_profile.render.markdown import to_markdown as write
        case "csv":
            from vgg_profile.render.delimited import to_csv as write
        case "tsv":
            from vgg_profile.render.delimited import to_tsv as write
        case "latex":
            from vgg_profile.render.latex import to_latex as write
        case "html":
            from vgg_profile.render.html import to_fragment as write
        case "page":
            from vgg_profile.render.html import to_page as write
        case _:
            raise ValueError(f"there is no format {format!r}")
    return write


def format_of(path: Path) -> str:
    """The format that a file's suffix names."""
    try:
        return _SUFFIXES[path.suffix.lower()]
    except KeyError:
        raise InputError(
            f"The suffix of {excerpt(str(path))} names no format.",
            f"Use one of {', '.join(_SUFFIXES)}, or say --format.",
        ) from None
