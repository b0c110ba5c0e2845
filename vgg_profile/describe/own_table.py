"""A student's table, audited: a row a figure; for people, of lines in which all agrees one row each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

from vgg_profile.core import units
from vgg_profile.core.forms import Cell, Column, Table
from vgg_profile.describe.kinds import describe_kind
from vgg_profile.describe.words import title
from vgg_profile.teach.lines import Finding
from vgg_profile.teach.own.audit import TableAudit
from vgg_profile.teach.own.comparing import Marked
from vgg_profile.teach.own.figures import QUANTITIES


@describe_kind.register
def _audited(audit: TableAudit) -> Table:
    """What people read: each wrong figure, what it should be, and the mistakes that give exactly it."""
    found = "; found from its lines" if audit.is_found else ""
    rows = list(_rows(audit.marks))
    blocks = {row.name: row.block for row in audit.profile.module_rows}
    return Table(
        title=f"{audit.source} as a table of {title(audit.profile)}{found}",
        columns=(
            Column("line", "line", rank=1),
            Column("label", "as called", is_text=True),
            Column("layer", "layer", is_text=True, rank=2),
            Column("figure", "figure", is_text=True),
            Column("printed", "as printed", is_text=True),
            Column("should_be", "should be", is_text=True),
            Column("mistake", "which mistake gives it", is_text=True),
        ),
        rows=tuple(rows),
        ends=frozenset(
            place
            for place, (row, after) in enumerate(pairwise(rows))
            if blocks.get(str(row[2])) != blocks.get(str(after[2]))
        ),
        answer=_answer(audit),
        footer=tuple(_notes(audit)),
    )


def _answer(audit: TableAudit) -> str:
    """What came of it, in a sentence."""
    figures = [mark for mark in audit.marks if mark.figure]
    wrong = [mark for mark in audit.wrong if mark.figure]
    lines = sorted({mark.line for mark in wrong if mark.line})
    missing = [mark for mark in audit.marks if mark.finding is Finding.MISSING]
    extra = [mark for mark in audit.marks if mark.finding is Finding.EXTRA]
    said = (
        f"{len(wrong):,} of {units.plural(len(figures), 'figure')} "
        f"{'is' if len(wrong) == 1 else 'are'} wrong, in {units.plural(len(lines), 'line')}."
        if wrong
        else f"All {len(figures):,} figures agree."
        if len(figures) > 1
        else "The only figure agrees."
    )
    if missing:
        said += f" Missing: {units.listed([mark.layer for mark in missing])}."
    if extra:
        said += f" {units.plural(len(extra), 'line')} too many."
    return said


def _rows(marks: Sequence[Marked]) -> Iterator[tuple[Cell, ...]]:
    for (line, label, layer), group in groupby(marks, key=lambda mark: (mark.line, mark.label, mark.layer)):
        of_line = list(group)
        wrong = [mark for mark in of_line if mark.finding is not Finding.AGREES]
        if not wrong:
            agrees = units.plural(len(of_line), "figure")
            yield (line, label, layer, "", "", "", f"agrees: {agrees}")
        for mark in wrong:
            yield (line, label, layer, _figure(mark), mark.printed, mark.should_be, mark.words)


def _figure(mark: Marked) -> str:
    return QUANTITIES[mark.figure].words if mark.figure in QUANTITIES else mark.figure


def _notes(audit: TableAudit) -> Iterator[str]:
    for words, count in audit.repeated.items():
        yield f"{words}: it would explain {units.plural(count, 'figure')}."
    if audit.unread:
        yield f"Not read, for no header says what is known: {units.listed(audit.unread, most=6)}."
    yield (
        "A figure agrees if what is counted reads as printed, its working too. Values, MACs and FLOPs are "
        "per image, bytes for the batch; MB = 10^6, MiB = 2^20 bytes; memory without a unit is in values."
    )


def figures(audit: TableAudit) -> Table:
    """What machines read: every figure, one a row."""
    return Table(
        title="",
        columns=tuple(
            Column(key, key)
            for key in (
                "source",
                "line",
                "label",
                "layer",
                "figure",
                "value_printed",
                "should_be_printed",
                "value_computed",
                "finding",
                "mistakes",
            )
        ),
        rows=tuple(
            (
                audit.source,
                mark.line,
                mark.label,
                mark.layer,
                mark.figure,
                mark.printed,
                mark.should_be,
                None if mark.computed is None else mark.computed.value,
                mark.finding.value,
                "; ".join(each.words for each in mark.mistakes),
            )
            for mark in audit.marks
        ),
    )
