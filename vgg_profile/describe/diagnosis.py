"""A diagnosis: as a document, the layers with their defects marked, each defect in full, and the mended list.

Where a format knows tables alone (CSV, TSV, LaTeX), it is the table of the defects.
"""

from __future__ import annotations

from collections.abc import Iterator

from vgg_profile.core import units
from vgg_profile.core.forms import Cell, Code, Column, Document, Heading, Items, Part, Table
from vgg_profile.describe.kinds import compose_kind, describe_kind
from vgg_profile.diagnose import Defect, Diagnosis
from vgg_profile.diagnose.defects import placed


@compose_kind.register
def _document(diagnosis: Diagnosis) -> Document:
    parts: list[Part] = [_layers(diagnosis)]
    if diagnosis.remarks:
        parts.append(Items(diagnosis.remarks))
    for number, defect in enumerate(diagnosis.defects, start=1):
        found = (f"found  {defect.found}", f"fits   {defect.fits}", f"mend   {defect.mend}")
        parts += [Heading(f"{number}. {_where(defect)}: {defect.kind}", 3), Code(found)]
    if diagnosis.defects:
        parts += [
            Heading("The mended list"),
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
    return placed(defect.place, defect.module, defect.line)


def _clean(diagnosis: Diagnosis) -> str:
    """What there is to say where nothing is wrong: less, if something is to be looked at."""
    fits = "Every layer that is called fits." if diagnosis.draft.idle else "Every layer fits."
    if not diagnosis.remarks:
        return fits
    return f"{fits} See the {units.plural(len(diagnosis.remarks), 'remark')} above."


def _sum(diagnosis: Diagnosis) -> str:
    """What stands over the mended list: its parameters, those it should have, and whether it runs."""
    failing = units.listed(diagnosis.failing) if diagnosis.failing else ""
    runs = f" It does not run as it stands: the mend of {failing} is not known." if failing else ""
    own = f"It has {units.exact(diagnosis.parameters)} parameters"
    if diagnosis.wanted_parameters is None or diagnosis.like is None:
        return f"{own}.{runs}"
    return f"{own}; {diagnosis.like.label} has {units.exact(diagnosis.wanted_parameters)}.{runs}"


def _layers(diagnosis: Diagnosis) -> Table:
    """Every layer in its order, with what leaves it once mended, and the numbers of its defects."""
    return Table(
        title="Layer by layer, walked on as if mended",
        columns=(
            Column("defects", "defect", is_text=True),
            Column("name", "layer", is_text=True),
            Column("module", "module", is_text=True),
            Column("line", "line"),
            Column("written", "as written", is_text=True),
            Column("output_shape", "output"),
        ),
        rows=tuple(_layer_rows(diagnosis)),
        ends=frozenset(place for place, step in enumerate(diagnosis.steps) if step.name.startswith("pool")),
    )


def _layer_rows(diagnosis: Diagnosis) -> Iterator[tuple[Cell, ...]]:
    number = len(diagnosis.draft.defects)
    for step in diagnosis.steps:
        numbers = range(number + 1, number + 1 + len(step.faults))
        number += len(step.faults)
        mark = f"✗ {', '.join(map(str, numbers))}" if numbers else ""
        output = step.output if step.mended else "(goes)"
        if step.written is None:
            yield mark, step.name, "", "", "(missing)", output
        else:
            line = "" if step.written.line is None else step.written.line
            yield mark, step.name, step.written.module, line, str(step.written), output


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
            Column("mend", "mend", is_text=True),
        ),
        rows=tuple(
            (number, each.place, each.module, each.line, str(each.kind), each.found, each.fits, each.mend)
            for number, each in enumerate(diagnosis.defects, start=1)
        ),
    )
