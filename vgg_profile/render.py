"""A result in a format: described by ``describe``, written by ``write``; nothing is printed here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vgg_profile.core.errors import InputError, excerpt
from vgg_profile.core.forms import Table
from vgg_profile.core.printable import json_printable
from vgg_profile.core.tree import Profile
from vgg_profile.describe.tables import describe
from vgg_profile.write.text import WHOLE, Screen
from vgg_profile.write.text import to_text as table_to_text

if TYPE_CHECKING:
    from vgg_profile.ask.report import Report

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
    ".pickle": "snapshot",
}


def render(
    result: Any,
    format: str,  # noqa: A002 - the option's name
    *,
    screen: Screen = WHOLE,
    columns: str = "",
    **options: bool,
) -> str:
    """A result as text in one of ``FORMATS``, or ``page`` for HTML that stands alone.

    A table is whole unless a ``screen`` says how much room there is; ``columns`` are those that were asked
    for, as ``columns_of`` reads them. ``options`` are those of the result's kind, such as ``all_layers`` of a
    profile. JSON holds everything that a result knows, whatever is shown of it; only a profile chooses
    between its two sets of rows.

    Raises ``InputError`` for columns that there are not.
    """
    if format == "json":
        import json

        rows = {"all_layers": options.get("all_layers", False)} if isinstance(result, Profile) else {}
        text = StringIO()  # json.dumps would keep every piece until the last
        json.dump(_content(result, **rows), text, indent=2, ensure_ascii=False)
        return json_printable(text.getvalue()) + "\n"
    if getattr(result, "is_document", False):
        from vgg_profile.describe.documents import compose
        from vgg_profile.write.documents import WRITERS, to_text

        if format in WRITERS:
            if columns:
                raise InputError(
                    "This is told in words, and has no columns to choose.", "Leave --columns out."
                )
            document = compose(result)
            return to_text(document, screen) if format == "table" else WRITERS[format](document)
    if format in ("csv", "tsv"):
        from vgg_profile.describe.data import data

        table = data(result, **options)
    else:
        table = describe(result, **options)
    if columns:
        from vgg_profile.write.columns import columns_of

        table = columns_of(table, columns)
    return table_to_text(table, screen) if format == "table" else _renderer(format)(table)


class Look(NamedTuple):
    """How a picture is drawn: its ``size``, on light or dark, and the unit of its axes of bytes."""

    size: str = "page"
    dark: bool = False
    unit: str | None = None


def picture(result: Any, format: str, look: Look = Look()) -> bytes:  # noqa: A002, B008 - it is frozen
    """The figure that a result shows unasked, in one of ``PICTURES``.

    Raises ``InputError`` for a result without any, and for a unit where no axis counts bytes.
    """
    from vgg_profile.describe.figures import depict
    from vgg_profile.write.plots import to_bytes

    return to_bytes(depict(result, unit=look.unit), format, look.size, dark=look.dark)


def _content(result: Any, **rows: bool) -> dict[str, Any]:
    """A result as JSON has it; a step on a card with what the allocator makes of it."""
    from vgg_profile.core.step import Step

    content: dict[str, Any] = result.to_dict(**rows)
    if isinstance(result, Step):
        from vgg_profile.describe.step import allocator_figures

        figures = allocator_figures(result)
        content |= {"allocator": figures} if figures else {}
    return content


def snapshot(result: Any) -> bytes:
    """A predicted step on a card as the memory snapshot that PyTorch's tools read.

    Raises ``InputError`` for a result that has no step, or one on the CPU.
    """
    from vgg_profile.describe.histories import recount
    from vgg_profile.write.snapshot import to_snapshot

    return to_snapshot(recount(result))


def _renderer(format: str) -> Callable[[Table], str]:  # noqa: A002
    """The function that writes a format, loaded when it is asked for: a terminal need not wait for HTML."""
    match format:
        case "markdown":
            from vgg_profile.write.markdown import to_markdown as write
        case "csv":
            from vgg_profile.write.delimited import to_csv as write
        case "tsv":
            from vgg_profile.write.delimited import to_tsv as write
        case "latex":
            from vgg_profile.write.latex import to_latex as write
        case "html":
            from vgg_profile.write.html import to_fragment

            return to_fragment
        case "page":
            from vgg_profile.write.html import to_page

            return to_page
        case _:
            raise ValueError(f"there is no format {format!r}")
    return write


def format_of(path: Path) -> str:
    """The format that a file's suffix names; raises ``InputError`` if it names none."""
    try:
        return _SUFFIXES[path.suffix.lower()]
    except KeyError:
        raise InputError(
            f"The suffix of {excerpt(str(path))} names no format.",
            f"Use one of {', '.join(_SUFFIXES)}, or say --format.",
        ) from None


Progress = Callable[[Any, int, str], Iterable[Any]]
"""Hands on items one by one, given their number and what is done with them."""


def live_page(report: Report, progress: Progress = lambda items, length, label: items) -> str:
    """The page of a report; of networks too large for live figures, the document alone.

    >>> from vgg_profile.ask.compare import Comparison
    >>> from vgg_profile.ask.report import Report
    >>> from vgg_profile.predict.vgg.walk import walk
    >>> page = live_page(Report(Comparison((walk("8,M", input=64),)), "vgg-profile report 8,M"))
    >>> page.count("<h1>What 8,M costs</h1>"), page.count("https://")
    (1, 0)
    """
    from vgg_profile.ask.page_data import page_data
    from vgg_profile.ask.page_look import looked
    from vgg_profile.ask.page_step import built, smallest, witness
    from vgg_profile.core.verified import UNVERIFIED
    from vgg_profile.describe.documents import compose
    from vgg_profile.describe.words import rules, where_verified
    from vgg_profile.write.page import draw, to_live_page

    document = compose(report)
    tables = tuple(describe(network.step.profile) for network in report.comparison.networks)
    drawn = draw(document, progress, live=tables)
    try:
        data = page_data(report.comparison)
    except InputError as error:
        return to_live_page(document.title, drawn, None, remark=error.problem)
    data |= {
        "rules": rules(report.comparison.networks[0].step.profile),
        "witnesses": [where_verified(each) for each in data["witnesses"]],
        "mark": UNVERIFIED,
    }
    of_a_network = () if "given" in data else (built, smallest, witness)
    return to_live_page(document.title, drawn, data, rules=(looked, *of_a_network))
