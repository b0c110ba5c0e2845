"""A student's table as it is written: CSV with a header, a Markdown table, or the layout of the course notes.

What a column holds, and in which unit, is read off its header; columns that are not read are named.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from vgg_profile.core.errors import InputError, excerpt
from vgg_profile.predict.vgg.limits import MOST_LAYERS
from vgg_profile.teach.printed import COUNTS, ONE, Scale, unit_named

LARGEST_FILE = 16 * 2**20
MOST_LINES = 5 * MOST_LAYERS
"""A layer, its norm, its activation, a line each, and some more."""
MOST_COLUMNS = 100

SHAPE = "shape"
"""The column that holds no quantity, but what comes out."""

EXAMPLE = (
    "A table is CSV with a header, such as `layer,output,weights,memory (MB)`, or lines as the notes have: "
    "`CONV3-64: [224x224x64]  memory: 224*224*64=3.2M  weights: (3*3*3)*64 = 1,728`."
)


class Named(NamedTuple):
    """What a column, or a figure within a line, is said to be: its header, the quantity, and the unit."""

    header: str
    quantity: str
    unit: Scale = ONE


class Cell(NamedTuple):
    """A figure as it stands in the table."""

    named: Named
    text: str


class WrittenLine(NamedTuple):
    """A line of the table: where it stands in the file, what it is called, its figures."""

    number: int
    label: str
    cells: tuple[Cell, ...]
    facts: Mapping[str, str] = {}
    """What else stands in it, by its header: the network and its setting, where the table says them."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table as it is written; ``unread`` are the headers of columns that hold no figure that is known."""

    lines: tuple[WrittenLine, ...]
    unread: tuple[str, ...] = ()

    @property
    def of_layers(self) -> tuple[WrittenLine, ...]:
        """The lines but for the totals."""
        return tuple(line for line in self.lines if not is_total(line.label))

    @property
    def totals(self) -> tuple[WrittenLine, ...]:
        return tuple(line for line in self.lines if is_total(line.label))


def is_total(label: str) -> bool:
    """Whether a line adds up the others."""
    return re.match(r"\W*(grand )?(total|sum)\b", label, re.IGNORECASE) is not None


# -- headers

_QUANTITY = (
    ("", r"working|ratio|share|percent|%"),
    ("training_flops", r"flops.*(backward|bwd|training|step)|(backward|bwd|training|step).*flops"),
    ("with_gradient_bytes", r"(forward|fwd).*(backward|bwd)"),
    ("saved_bytes", r"\b(saved?|kept|keeps?)\b"),
    ("flops", r"\b[kmg]?flops?\b"),
    ("macs", r"\b[kmg]?macs?\b|mult\w* adds?|madds"),
    ("biases", r"\bbias(es)?\b"),
    ("weights", r"\bweights?\b"),
    ("parameters", r"param"),
    (SHAPE, r"shape|dim(ension)?s?\b|^(output|out|output size|size of output)$"),
    ("values", r"memory|activation|values?\b|elements|feature map|neurons"),
)
"""What a header says, the first that fits: the words are those of the field."""

_LABEL = r"^(layer|name|line|label|module|type|operation|op|layer name|layer type)?$"

_FACTS = ("network", "config", "input", "batch", "dtype")
"""Columns that say of which network the table is, as our own CSV has them."""


def _plain(header: str) -> str:
    return re.sub(r"[^a-z0-9%]+", " ", header.lower()).strip()


def named(header: str) -> Named | None:
    """What a header says that its column holds; ``None`` for none of the quantities.

    >>> named("memory (MB)").quantity, named("memory (MB)").unit.name, named("Param #").quantity
    ('values', 'MB', 'parameters')
    >>> named("saved_bytes").unit.size, named("GFLOPs").unit.size, named("kind")
    (1, 1000000000, None)
    """
    plain = _plain(header)
    quantity = next((name for name, pattern in _QUANTITY if re.search(pattern, plain)), "")
    if not quantity:
        return None
    bracket = re.search(r"[(\[]\s*([A-Za-z]+)\s*[)\]]", header)
    last = re.search(r"(?:\bin|[_,]|\s)\s*([A-Za-z]+)\s*$", header)
    for found in (bracket, last):
        unit = unit_named(found[1]) if found else None
        if unit is not None and unit is not ONE:
            return Named(header, quantity, unit)
    prefix = re.search(r"\b([kmg])(flops?|macs?)\b", plain)
    scales = {unit.name.lower(): unit for unit in COUNTS}
    return Named(header, quantity, scales[prefix[1]] if prefix else ONE)


# -- the file


def read_sheet(path: Path) -> Sheet:
    """Read a table from a file; raises ``InputError`` for what is none."""
    name = excerpt(str(path), 200)
    try:
        if not path.is_file():
            why = "it is not a regular file" if path.exists() else "there is no such file"
            raise InputError(f"The table {name} cannot be read: {why}.", EXAMPLE)
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
        if len(raw) > LARGEST_FILE:
            raise InputError(
                f"The table {name} is over {LARGEST_FILE // 2**20} MiB.", "A network needs a line a layer."
            )
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"The table {name} is not UTF-8 text (byte {error.start}).", "Save it as CSV, in UTF-8."
        ) from None
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        why = getattr(error, "strerror", None) or excerpt(str(error), 120)
        raise InputError(f"The table {name} cannot be read: {why}.", EXAMPLE) from None
    try:
        return sheet_of(text)
    except InputError as error:
        raise InputError(f"The table {name}: {error.problem}", error.next_step) from None


def sheet_of(text: str) -> Sheet:
    """A table from its text; raises ``InputError`` for what is none.

    >>> sheet = sheet_of("layer,output,weights\\nconv3-64,224x224x64,1728\\nTOTAL,,1728")
    >>> [line.label for line in sheet.lines], [cell.named.quantity for cell in sheet.lines[0].cells]
    (['conv3-64', 'TOTAL'], ['shape', 'weights'])
    """
    lines = text.splitlines()
    sheet = _in_the_notes_layout(lines) or _delimited(lines)
    if len(sheet.of_layers) > MOST_LINES:
        raise InputError(f"It has {len(sheet.of_layers):,} lines; at most {MOST_LINES:,} are read.", EXAMPLE)
    if not any(line.cells for line in sheet.of_layers):
        raise InputError("It has no figure of a layer.", EXAMPLE)
    return sheet


_LINE = re.compile(r"\s*([^:\[\]]{1,60}?)\s*:\s*(\[[^\[\]]{1,80}\])(.*)")
_FIGURE = re.compile(r"([A-Za-z][A-Za-z ]{1,30})\s*:\s*([^:]*?)(?=\s+[A-Za-z][A-Za-z ]*:|\s*$)")
_TOTAL = re.compile(r"\s*(TOTAL|SUM)\s+([A-Za-z ]{1,30}):\s*([^:]*)", re.IGNORECASE)


def _in_the_notes_layout(lines: list[str]) -> Sheet | None:
    """Lines as the course notes print them, wherever they stand in a text; ``None`` if there are none."""
    written = []
    for number, line in enumerate(lines, start=1):
        found = _LINE.fullmatch(line) if len(line) < 1000 else None
        figures = list(_FIGURE.findall(found[3])) if found else []
        if found and figures:
            known = [(named(header), text) for header, text in figures]
            cells = [Cell(Named("output", SHAPE), found[2])]
            cells += [Cell(name, text) for name, text in known if name]
            written.append(WrittenLine(number, found[1], tuple(cells)))
        elif written and len(line) < 1000 and (total := _TOTAL.match(line)):
            written.append(WrittenLine(number, total[1], tuple(_of_total(total[2], total[3]))))
    return Sheet(tuple(written)) if written else None


def _of_total(header: str, text: str) -> Iterator[Cell]:
    """What a total says: ``24M * 4 bytes ~= 93MB / image`` is one of values and one of bytes."""
    name = named(header)
    if name:
        first, *others = re.split(r"\*|~=|≈|=|\(", text)
        yield Cell(name, first.strip())
        yield from (Cell(name, other.strip()) for other in others if re.match(r"\s*[\d.]+\s*[KMG]i?B", other))


def _delimited(lines: list[str]) -> Sheet:
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if not numbered:
        raise InputError("It is empty.", EXAMPLE)
    barred = [(n, line.strip().strip("|")) for n, line in numbered if line.lstrip().startswith("|")]
    if len(barred) > 1:  # a table in Markdown, and what stands around it
        numbered = [(n, line) for n, line in barred if not re.fullmatch(r"[|\s:-]+", line)]
        delimiter = "|"
    else:
        delimiter = max(",;\t", key=numbered[0][1].count)
    try:
        rows = [
            (number, [_bare(cell) for cell in next(csv.reader([line], delimiter=delimiter))])
            for number, line in numbered
        ]
    except csv.Error as error:
        raise InputError(f"It is no CSV: {error}.", EXAMPLE) from None
    (_, headers), *others = rows
    if len(headers) > MOST_COLUMNS:
        raise InputError(f"It has {len(headers):,} columns; at most {MOST_COLUMNS} are read.", EXAMPLE)
    label, names = _columns(headers)
    known = {place for place, name in enumerate(names) if name} | {label}
    facts = {place: _plain(header) for place, header in enumerate(headers) if _plain(header) in _FACTS}
    written = []
    for number, cells in others:
        if len(cells) > len(headers):
            raise InputError(
                f"Line {number} has {len(cells)} cells, and the header {len(headers)}.",
                'A number with commas needs quotes: "1,728".',
            )
        figures = [Cell(name, text) for name, text in zip(names, cells, strict=False) if name and text]
        about = {facts[place]: text for place, text in enumerate(cells) if place in facts}
        written.append(WrittenLine(number, cells[label] if label < len(cells) else "", tuple(figures), about))
    unread = [
        header for place, header in enumerate(headers) if header and place not in known and place not in facts
    ]
    return Sheet(tuple(written), tuple(unread))


def _bare(cell: str) -> str:
    """A cell without the marks that Markdown sets around code and what is bold."""
    return cell.replace("`", "").replace("**", "").replace("<br>", " ").strip()


def _columns(headers: list[str]) -> tuple[int, list[Named | None]]:
    """Which column names the layer, and what the others hold; raises ``InputError`` if none is known."""
    names: list[Named | None] = [None if re.match(_LABEL, _plain(each)) else named(each) for each in headers]
    labels = [place for place, each in enumerate(headers) if re.match(_LABEL, _plain(each))]
    label = labels[0] if labels else 0
    names[label] = None
    if not any(names):
        raise InputError(
            f"No column is one that is known: {excerpt(', '.join(headers), 120)}.",
            "Name them in the first line: layer, output, values, memory (MB), weights, biases, parameters, "
            "MACs, FLOPs, saved (MB).",
        )
    return label, names
