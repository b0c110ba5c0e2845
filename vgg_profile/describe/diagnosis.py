"""A diagnosis: as a document, the layers with their defects marked, each defect in full, and the fixed model.

Where a format knows tables alone (CSV, TSV, LaTeX), it is the table of the defects.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from vgg_profile.core import units
from vgg_profile.core.forms import Cell, Code, Column, Document, Heading, Items, Part, Table
from vgg_profile.describe.kinds import compose_kind, describe_kind
from vgg_profile.diagnose import Defect, Diagnosis
from vgg_profile.diagnose.draft import located


@compose_kind.register
def _document(diagnosis: Diagnosis) -> Document:
    parts: list[Part] = [_layers(diagnosis)]
    if diagnosis.remarks:
        parts.append(Items(diagnosis.remarks))
    for number, defect in enumerate(diagnosis.defects, start=1):
        found = (f"found  {defect.found}", f"fits   {defect.fits}", f"fix    {defect.fix}")
        parts += [Heading(f"{number}. {_where(defect)}: {defect.kind}", 3), Code(found)]
    if diagnosis.defects:
        parts += [
            Heading("The fixed model"),
            _sum(diagnosis),
            Code(tuple(diagnosis.code.splitlines()), "python"),
        ]
    else:
        parts.append(_clean(diagnosis))
    return Document(_title(diagnosis), tuple(parts))


def _title(diagnosis: Diagnosis) -> str:
    like = f", set against {diagnosis.like.label}" if diagnosis.like else ""
    number = len(diagnosis.defects)
    found = units.plural(number, "defect") if number else "no defect"
    return f"{diagnosis.subject} on an image of {units.shape(diagnosis.input)}{like}: {found}"


def _where(defect: Defect) -> str:
    return located(defect.place, defect.module, defect.line)


def _clean(diagnosis: Diagnosis) -> str:
    """What there is to say where nothing is wrong: less, if something is to be looked at."""
    fits = "Every layer that is called fits." if diagnosis.draft.idle else "Every layer fits."
    if not diagnosis.remarks:
        return fits
    return f"{fits} See the {units.plural(len(diagnosis.remarks), 'remark')} above."


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
        title="Layer by layer, as if every defect before it were fixed",
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
    number = len(diagnosis.draft.defects)
    for visit in diagnosis.visits:
        numbers = range(number + 1, number + 1 + len(visit.faults))
        number += len(visit.faults)
        mark = f"✗ {', '.join(map(str, numbers))}" if numbers else ""
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
            for number, each in enumerate(diagnosis.defects, start=1)
        ),
    )
