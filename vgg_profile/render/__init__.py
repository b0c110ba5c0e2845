"""Results to text. Renderers take a table and return a string; they never print or measure."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from vgg_profile.errors import InputError, excerpt
from vgg_profile.render import checks as _checks  # noqa: F401 - it registers its descriptions
from vgg_profile.render.delimited import to_csv, to_tsv
from vgg_profile.render.html import to_fragment, to_page
from vgg_profile.render.latex import to_latex
from vgg_profile.render.markdown import to_markdown
from vgg_profile.render.tables import Table, describe
from vgg_profile.render.text import to_text
from vgg_profile.walker import Profile

_TABLE_FORMATS: dict[str, Callable[[Table], str]] = {
    "table": to_text,
    "colour": partial(to_text, colour=True),
    "markdown": to_markdown,
    "csv": to_csv,
    "tsv": to_tsv,
    "latex": to_latex,
    "html": to_fragment,
    "page": to_page,
}

FORMATS = ("table", "markdown", "csv", "tsv", "json", "latex", "html")
"""What ``--format`` takes."""

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
    return _TABLE_FORMATS[format](describe(result, **options))


def format_of(path: Path) -> str:
    """The format that a file's suffix names."""
    try:
        return _SUFFIXES[path.suffix.lower()]
    except KeyError:
        raise InputError(
            f"The suffix of {excerpt(str(path))} names no format.",
            f"Use one of {', '.join(_SUFFIXES)}, or say --format.",
        ) from None
