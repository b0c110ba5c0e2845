"""Teaching material in its forms: lessons as text, Markdown and HTML; lessons and the audit as tables.

A lesson's sentences are wrapped, its lines of working aligned, and its small tables are drawn by the
renderers of every other table. Where a format knows tables alone (CSV, TSV, LaTeX), a lesson is the
table of its workings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from html import escape as escape_html
from itertools import groupby
from textwrap import fill, indent

import click

from vgg_profile.lesson import Cell, Contents, Grid, Lesson, Line, Section
from vgg_profile.notes import RULE, Audit, Claim, Finding
from vgg_profile.render.html import bare_table, fragment, page
from vgg_profile.render.markdown import escape as escape_markdown
from vgg_profile.render.markdown import to_markdown
from vgg_profile.render.tables import Column, Table, describe_kind
from vgg_profile.render.text import to_text

WIDTH = 88
"""Columns of a wrapped paragraph; a table is as wide as it is."""

_MARGIN = " " * 4

# -- lessons, whole


def _blocks(section: Section) -> Iterator[str | list[str] | Table]:
    """A section's parts as they are drawn: paragraphs, blocks of aligned working, tables."""
    for _, group in groupby(section.parts, key=type):
        parts = list(group)
        lines = [part for part in parts if isinstance(part, Line)]
        if lines:
            yield list(_aligned(lines))
        for part in parts:
            if isinstance(part, str):
                yield part
            elif isinstance(part, Grid):
                yield _table(part.title, part.columns, part.rows, part.total)


def _aligned(lines: list[Line]) -> Iterator[str]:
    """Lines of working under each other: labels in a column, equals signs in another."""
    workings = ["" if line.count.is_plain else f"{line.count.working} =" for line in lines]
    values = [f"{line.count.value:,}" for line in lines]
    label, working, value = (max(map(len, texts)) for texts in ([x.label for x in lines], workings, values))
    for line, left, right in zip(lines, workings, values, strict=True):
        yield f"{line.label:<{label}}  {left:>{working}} {right:>{value}} {line.unit}"


def _text(lesson: Lesson, *, colour: bool = False) -> str:
    """For a terminal: headings, wrapped paragraphs, working, tables."""
    emphasise = partial(click.style, bold=True) if colour else str
    blocks = [emphasise(_wrapped(_headline(lesson)))]
    for section in lesson.sections:
        blocks.append(emphasise(section.heading))
        for block in _blocks(section):
            if isinstance(block, str):
                blocks.append(_wrapped(block))
            elif isinstance(block, list):
                blocks.append(indent("\n".join(block), _MARGIN))
            else:
                blocks.append(indent(to_text(block, colour=colour).rstrip("\n"), _MARGIN))
    blocks += [emphasise("How we know"), _wrapped(lesson.evidence)]
    if lesson.commands:
        blocks += [emphasise("See for yourself"), indent("\n".join(lesson.commands), _MARGIN)]
    return "\n\n".join(blocks) + "\n"


def _wrapped(paragraph: str) -> str:
    return fill(paragraph, WIDTH, break_on_hyphens=False)


def _markdown(lesson: Lesson) -> str:
    """For a page of notes: headings, paragraphs, working in code blocks, tables."""
    blocks = [f"# {escape_markdown(_headline(lesson))}"]
    for section in lesson.sections:
        blocks.append(f"## {escape_markdown(section.heading)}")
        for block in _blocks(section):
            if isinstance(block, str):
                blocks.append(escape_markdown(block))
            elif isinstance(block, list):
                blocks.append(_code("text", block))
            else:
                blocks.append(to_markdown(block).rstrip("\n"))
    blocks += ["## How we know", escape_markdown(lesson.evidence)]
    if lesson.commands:
        blocks += ["## See for yourself", _code("sh", lesson.commands)]
    return "\n\n".join(blocks) + "\n"


def _code(language: str, lines: Iterable[str]) -> str:
    """A code block, which nothing within it can close: its lines are indented if they try."""
    return "\n".join(
        [f"```{language}", *(f"{_MARGIN * line.startswith('```')}{line}" for line in lines), "```"]
    )


def _html(lesson: Lesson) -> str:
    """For a notebook: the same, to stand within a page."""
    parts = [f"<h1>{escape_html(_headline(lesson))}</h1>\n"]
    for section in lesson.sections:
        parts.append(f"<h2>{escape_html(section.heading)}</h2>\n")
        for block in _blocks(section):
            if isinstance(block, str):
                parts.append(f"<p>{escape_html(block)}</p>\n")
            elif isinstance(block, list):
                parts.append(_preformatted(block))
            else:
                parts.append(bare_table(block))
    parts.append(f"<h2>How we know</h2>\n<p>{escape_html(lesson.evidence)}</p>\n")
    if lesson.commands:
        parts.append(f"<h2>See for yourself</h2>\n{_preformatted(lesson.commands)}")
    return fragment("".join(parts))


def _preformatted(lines: Iterable[str]) -> str:
    content = escape_html("\n".join(lines))
    return f"<pre>{content}</pre>\n"


def _page(lesson: Lesson) -> str:
    return page(_headline(lesson), _html(lesson))


def _headline(lesson: Lesson) -> str:
    return f"{lesson.name}: {lesson.title}"


WRITERS: dict[str, Callable[[Lesson], str]] = {
    "table": _text,
    "colour": partial(_text, colour=True),
    "markdown": _markdown,
    "html": _html,
    "page": _page,
}
"""The formats that hold a lesson whole; the others get the table of its workings."""

# -- as tables


def _table(
    title: str,
    headers: tuple[str, ...],
    rows: tuple[tuple[Cell, ...], ...],
    total: tuple[Cell, ...] | None = None,
    footer: tuple[str, ...] = (),
) -> Table:
    """Headers and rows as a table; a column of words is one that holds a word."""
    columns = tuple(
        Column(header, header, is_text=any(isinstance(row[place], str) for row in rows))
        for place, header in enumerate(headers)
    )
    return Table(title=title, columns=columns, rows=rows, total=total, footer=footer)


@describe_kind.register
def _workings(lesson: Lesson) -> Table:
    """Every line of working, under its section's heading."""
    return Table(
        title=_headline(lesson),
        columns=(
            Column("section", "section", is_text=True),
            Column("what", "what", is_text=True),
            Column("value", "value"),
            Column("unit", "unit", is_text=True),
        ),
        rows=tuple((heading, line.label, line.count, line.unit) for heading, line in lesson.lines),
        footer=(lesson.evidence,),
    )


@describe_kind.register
def _contents(contents: Contents) -> Table:
    return _table(contents.title, contents.columns, contents.rows, footer=(contents.hint,))


@describe_kind.register
def _audit(audit: Audit, *, claims: bool = False) -> Table:
    return _claims_table(audit) if claims else _lines_table(audit)


_TITLE = "The notes' VGG-16 table, audited"


def _lines_table(audit: Audit) -> Table:
    """The notes' lines; what they claim of the whole stands beneath, in words."""
    totals, claims = audit.profile.totals, {claim.about: claim for claim in audit.claims}
    memory, weights = claims["TOTAL memory"], claims["TOTAL params"]
    wrong = tuple(
        what for what, claim in (("memory", memory), ("weights", weights)) if claim.finding is Finding.DIFFERS
    )
    return Table(
        title=_TITLE,
        columns=(
            Column("label", "line", is_text=True),
            Column("name", "layer", is_text=True),
            Column("shape_printed", "output,\nas printed", is_text=True),
            Column("memory_printed", "memory,\nas printed", is_text=True),
            Column("memory_values", "computed\n(values)"),
            Column("weights_printed", "weights,\nas printed", is_text=True),
            Column("weights_computed", "computed"),
            Column("biases_computed", "biases,\nomitted"),
            Column("finding", "finding", is_text=True),
        ),
        rows=tuple(
            (
                line.printed.label,
                line.row.name,
                line.printed.shape,
                line.printed.memory,
                line.row.values.value,
                line.printed.weights,
                line.row.weights.value,
                line.row.biases,
                _verdict(line.differing),
            )
            for line in audit.lines
        ),
        total=(
            "TOTAL",
            "",
            "",
            memory.printed,
            totals.values,
            weights.printed,
            totals.weights,
            totals.biases,
            _verdict(wrong),
        ),
        ends=frozenset(
            place for place, line in enumerate(audit.lines) if line.row.kind in ("input", "maxpool")
        ),
        footer=(RULE, *map(_in_words, audit.claims), *audit.remarks),
    )


def _verdict(wrong: tuple[str, ...]) -> str:
    return f"{Finding.DIFFERS}: {', '.join(wrong)}" if wrong else str(Finding.AGREES)


def _in_words(claim: Claim) -> str:
    printed = f"printed {claim.printed}" if claim.printed else "not printed"
    return (
        f"{claim.about}: {printed}, computed {claim.computed:,} {claim.unit}: {claim.finding}. {claim.remark}"
    )


def _claims_table(audit: Audit) -> Table:
    return Table(
        title=f"{_TITLE}: what they say of the whole network",
        columns=(
            Column("about", "about", is_text=True),
            Column("printed", "as printed", is_text=True),
            Column("computed", "computed"),
            Column("unit", "unit", is_text=True),
            Column("finding", "finding", is_text=True),
            Column("remark", "remark", is_text=True),
        ),
        rows=tuple(
            (claim.about, claim.printed, claim.computed, claim.unit, claim.finding.value, claim.remark)
            for claim in audit.claims
        ),
        footer=audit.remarks,
    )
