"""A diagnosis: as a document, the layers with their defects marked, each defect in full, and the fixed model.

Where a format knows tables alone (CSV, TSV, LaTeX), it is the table of the defects.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from vgg_profile.core import units
from vgg_profile.core.documents import Code, Document, Heading, Items, Part
from vgg_profile.core.forms import Cell, Column, Table
from vgg_profile.describe.kinds import compose_kind, describe_kind
from vgg_profile.diagnose import Defect, Diagnosis
from vgg_profile.diagnose.draft import located


@compose_kind.register
def _document(diagnosis: Diagnosis) -> Document:
    parts: list[Part] = [_layers(diagnosis)] if diagnosis.visits else []
    for number, defect in enumerate(diagnosis.defects, start=1):
        parts += [Heading(f"{number}. {_where(defect)}: {defect.kind}", 3), Code(tuple(_lines(defect)))]
    if diagnosis.draft.stopped:
        parts.append(diagnosis.draft.stopped)
    if diagnosis.differences and diagnosis.like:
        parts.append(Heading(f"What differs from {diagnosis.like.label}"))
        first = len(diagnosis.defects) + 1
        for number, difference in enumerate(diagnosis.differences, start=first):
            title = f"{number}. {_where(difference)}: {difference.kind}"
            parts += [Heading(title, 3), Code(tuple(_lines(difference)))]
    if diagnosis.remarks:
        parts += [Heading("Remarks"), Items(tuple(map(str, diagnosis.remarks)))]
    if (diagnosis.defects or diagnosis.differences) and diagnosis.code:
        parts += [
            Heading("The fixed model"),
            _sum(diagnosis),
            Code(tuple(diagnosis.code.splitlines()), "python"),
        ]
    if not diagnosis.defects:
        parts.append("PyTorch runs it, in train and in eval mode.")
    return Document(_title(diagnosis), tuple(parts))


def _lines(defect: Defect) -> Iterator[str]:
    """What was found, where PyTorch would raise, what fits, the fix, and what is as good."""
    yield f"found  {defect.found}"
    if defect.raised or defect.raised_line:
        by = f" by {defect.raised}" if defect.raised else ""
        line = f" on line {defect.raised_line}" if defect.raised_line else ""
        yield f"raised{by}{line}"
    yield f"fits   {defect.fits}"
    yield f"fix    {defect.fix}"
    for other in defect.others:
        yield f"or     {other}"


def _title(diagnosis: Diagnosis) -> str:
    like = f", set against {diagnosis.like.label}" if diagnosis.like else ""
    counts = [
        units.plural(len(diagnosis.defects), "defect") if diagnosis.defects else "no defect",
        *([units.plural(len(diagnosis.differences), "difference")] if diagnosis.differences else []),
        *([units.plural(len(diagnosis.remarks), "remark")] if diagnosis.remarks else []),
    ]
    found = ", ".join(counts)
    images = diagnosis.draft.images
    given = "an image" if images == 1 else f"{images} images, each"
    return f"{diagnosis.subject} on {given} of {units.shape(diagnosis.input)}{like}: {found}"


def _where(defect: Defect) -> str:
    return located(defect.place, defect.module, defect.line)


def _sum(diagnosis: Diagnosis) -> str:
    """What stands over the fixed model: its parameters, those it should have, and whether it runs."""
    failing = units.listed(diagnosis.failing) if diagnosis.failing else ""
    runs = f" It does not run as it stands: the fix for {failing} is not known." if failing else ""
    own = f"It has {units.exact(diagnosis.parameters)} parameters"
    if diagnosis.wanted_parameters is None or diagnosis.like is None:
        return f"{own}.{runs}"
    return f"{own}; {diagnosis.like.label} has {units.exact(diagnosis.wanted_parameters)}.{runs}"


def _layers(diagnosis: Diagnosis) -> Table:
    """Every layer in its order, with what leaves it once fixed, and the numbers of its defects."""
    return Table(
        title="Layer by layer" + ", as if every defect before it were fixed" * bool(diagnosis.defects),
        columns=(
            Column("defects", "defect", is_text=True),
            Column("name", "layer", is_text=True),
            Column("module", "module", is_text=True),
            Column("line", "line"),
            Column("written", "as written", is_text=True),
            Column("output_shape", "output"),
        ),
        rows=tuple(_layer_rows(diagnosis)),
        ends=_block_ends(diagnosis),
    )


def _block_ends(diagnosis: Diagnosis) -> frozenset[int]:
    """The rows after which another block begins."""
    blocks = [visit.block for visit in diagnosis.visits]
    return frozenset(place for place, (own, following) in enumerate(pairwise(blocks)) if own != following)


def _layer_rows(diagnosis: Diagnosis) -> Iterator[tuple[Cell, ...]]:
    numbers: dict[str, list[int]] = {}
    for number, finding in enumerate((*diagnosis.defects, *diagnosis.differences), start=1):
        numbers.setdefault(finding.place, []).append(number)
    for visit in diagnosis.visits:
        own = numbers.get(visit.name, ())
        mark = f"✗ {', '.join(map(str, own))}" if own else ""
        output = visit.output if visit.fixed else "(removed)"
        if visit.written is None:
            yield mark, visit.name, "", "", "(missing)", output
        else:
            line = "" if visit.written.line is None else visit.written.line
            yield mark, visit.name, visit.written.module, line, str(visit.written), output


@describe_kind.register
def _defects(diagnosis: Diagnosis) -> Table:
    return Table(
        title=_title(diagnosis),
        columns=(
            Column("number", "defect"),
            Column("place", "layer", is_text=True),
            Column("module", "module", is_text=True),
            Column("line", "line"),
            Column("kind", "what is wrong", is_text=True),
            Column("found", "found", is_text=True),
            Column("fits", "fits", is_text=True),
            Column("fix", "fix", is_text=True),
        ),
        rows=tuple(
            (number, each.place, each.module, each.line, str(each.kind), each.found, each.fits, each.fix)
            for number, each in enumerate((*diagnosis.defects, *diagnosis.differences), start=1)
        ),
    )
