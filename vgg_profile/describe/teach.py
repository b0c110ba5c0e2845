"""Teaching material in its forms: lessons as documents; lessons and the audit as tables.

A lesson's lines of working are aligned, and its small tables are those of every other result. Where a
format knows tables alone (CSV, TSV, LaTeX), a lesson is the table of its workings.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, pairwise

from vgg_profile.core.documents import Code, Document, Heading, Part
from vgg_profile.core.forms import Cell, Column, Table
from vgg_profile.describe.kinds import compose_kind, describe_kind
from vgg_profile.teach.audit import RULE, Audit, Claim
from vgg_profile.teach.forms import Contents, Grid, Lesson, Section, Working
from vgg_profile.teach.lines import Finding

# -- lessons, whole


@compose_kind.register
def _lesson(lesson: Lesson) -> Document:
    """Sections of sentences, working and small tables; how it is known; what to type."""
    parts: list[Part] = []
    for section in lesson.sections:
        parts += [Heading(section.heading), *_blocks(section)]
    parts += [Heading("How we know"), lesson.evidence]
    if lesson.commands:
        parts += [Heading("See for yourself"), Code(lesson.commands, "sh")]
    return Document(_headline(lesson), tuple(parts))


def _blocks(section: Section) -> Iterator[str | Code | Table]:
    """A section's parts as they are drawn: paragraphs, blocks of aligned working, tables."""
    for _, group in groupby(section.parts, key=type):
        parts = list(group)
        lines = [part for part in parts if isinstance(part, Working)]
        if lines:
            yield Code(tuple(_aligned(lines)))
        for part in parts:
            if isinstance(part, str):
                yield part
            elif isinstance(part, Grid):
                yield _table(part.title, part.columns, part.rows, part.total)


def _aligned(lines: list[Working]) -> Iterator[str]:
    """Lines of working under each other: labels in a column, equals signs in another."""
    workings = ["" if line.count.is_plain else f"{line.count.working} =" for line in lines]
    values = [f"{line.count.value:,}" for line in lines]
    label, working, value = (max(map(len, texts)) for texts in ([x.label for x in lines], workings, values))
    for line, left, right in zip(lines, workings, values, strict=True):
        yield f"{line.label:<{label}}  {left:>{working}} {right:>{value}} {line.unit}"


def _headline(lesson: Lesson) -> str:
    return f"{lesson.name}: {lesson.title}"


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
            Column("value", "value", is_worked=True),
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
    totals, memory, weights = audit.profile.totals, audit.total_memory, audit.total_parameters
    wrong = tuple(
        what for what, claim in (("memory", memory), ("weights", weights)) if claim.finding is Finding.DIFFERS
    )
    return Table(
        title=_TITLE,
        columns=(
            Column("label", "line", is_text=True),
            Column("name", "layer", is_text=True, rank=3),
            Column("shape_printed", "output,\nas printed", is_text=True, rank=2),
            Column("memory_printed", "memory,\nas printed", is_text=True),
            Column("memory_values", "computed\n(values)"),
            Column("weights_printed", "weights,\nas printed", is_text=True),
            Column("weights_computed", "computed"),
            Column("biases_computed", "biases,\nomitted", rank=1),
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
            place
            for place, (line, after) in enumerate(pairwise(audit.lines))
            if line.row.block != after.row.block
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
