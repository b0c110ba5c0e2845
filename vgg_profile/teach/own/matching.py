"""Which network a table is of, and which of its layers each line stands for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from vgg_profile.core.errors import InputError
from vgg_profile.core.sizes import Shape
from vgg_profile.core.tree import Profile, Row
from vgg_profile.predict.steps import ledger
from vgg_profile.predict.vgg.configs import PAPER, POOLED, Config, Conv, Normalise, Pool, Token
from vgg_profile.predict.vgg.spelled_out import modules
from vgg_profile.teach.own.figures import Place, TableLine
from vgg_profile.teach.own.sheet import SHAPE, Sheet, WrittenLine
from vgg_profile.teach.printed import shape_printed

NAME_IT = "Say which network it is of: --net D, or --net 64,64,M,128,M."

_KINDS = (
    ("input", r"input|image|data\b"),
    ("avgpool", r"avg|average|adaptive|\bgap\b"),
    ("maxpool", r"pool"),
    ("batchnorm", r"\bbn|batch.?norm"),
    ("lrn", r"\blrn|local.?response"),
    ("relu", r"relu"),
    ("dropout", r"drop"),
    ("flatten", r"flatten|view"),
    ("conv", r"conv|\bc\d"),
    ("fc", r"\bfc|linear|dense|fully|classifier"),
)
"""What a label says that a layer is, the first that fits."""

_WITH_A_LINE = ("conv", "maxpool", "fc")
"""The kinds that no table leaves out."""


def kind_of(label: str) -> str:
    """The kind of layer that a label names; empty for none.

    >>> [kind_of(label) for label in ("CONV3-64", "POOL2", "FC", "3x3 conv, 64", "bn1_1", "features.0")]
    ['conv', 'maxpool', 'fc', 'conv', 'batchnorm', '']
    """
    plain = re.sub(r"[^a-z0-9]+", " ", label.lower())
    return next((kind for kind, pattern in _KINDS if re.search(pattern, plain)), "")


class Match(NamedTuple):
    """A line of the table, and the place of its layer: of one that has no line, or a line of no layer."""

    written: WrittenLine | None
    place: Place | None


def places_of(profile: Profile, kinds: set[str]) -> tuple[Place, ...]:
    """The lines of a network that a table with such kinds of lines has, each between its neighbours.

    Where the small layers have no lines of their own they are counted into those before.
    """
    layers = {module.name: module.layer for module in modules(profile.config, profile.input)}
    folded = kinds <= {"", *(row.kind for row in profile.rows)}
    rows = profile.rows if folded else profile.module_rows
    members: dict[str, list[Row]] = {}
    for row in profile.module_rows:
        members.setdefault(row.head if folded else row.name, []).append(row)
    flops = ledger(profile).flops
    lines, given = [], {}
    shape = profile.input
    for row in profile.module_rows:
        given[row.name], shape = shape, row.output_shape
    for row in rows:
        single = 2 * row.macs.value * profile.batch
        lines.append(
            TableLine(
                row.name,
                tuple(layers[each.name] for each in members[row.name] if each.name in layers),
                given[row.name],
                tuple(row.saved),
                flops[row.name] // single if single else 1,
                profile.batch,
                profile.itemsize,
            )
        )
    wanted = [
        line for line, row in zip(lines, rows, strict=True) if row.kind in kinds or (row.kind in _WITH_A_LINE)
    ]
    around = [None, *wanted, None]
    return tuple(Place(line, around[n], around[n + 2]) for n, line in enumerate(wanted))


Agreeing = Callable[[WrittenLine, Place], int]
"""How many figures of a line agree, if it is that of a layer."""


def matched(sheet: Sheet, profile: Profile, agreeing: Agreeing) -> tuple[Match, ...]:
    """The lines of a table beside the layers that they stand for, in order.

    Lines in the network's order match one by one; else so that most figures agree.
    """
    lines = sheet.of_layers
    by_name = {row.name: row.kind for row in profile.module_rows}
    by_name |= {row.module: row.kind for row in profile.module_rows if row.module}
    kinds = [by_name.get(line.label, "") or kind_of(line.label) for line in lines]
    places = places_of(profile, set(kinds))
    there = [_kind(place.line) for place in places]
    if kinds == there:
        return tuple(map(Match, lines, places))
    return tuple(_aligned(lines, kinds, places, agreeing))


def _aligned(
    lines: Sequence[WrittenLine], kinds: Sequence[str], places: Sequence[Place], agreeing: Agreeing
) -> list[Match]:
    """The pairs of one kind, in order, in which most figures agree; what is left over stands alone.

    Only lines near their place in the network are tried: as far off as one of the two is longer, and a few.
    """
    slack = abs(len(lines) - len(places)) + _A_FEW
    if len(lines) * slack > _MOST_PAIRS:
        agreeing = _none_agree
    best: dict[tuple[int, int], tuple[int, int, int]] = {(0, 0): (0, 0, 0)}
    for i in range(len(lines) + 1):
        for j in range(max(0, i - slack), min(len(places), i + slack) + 1):
            ways = [
                (best[i - di, j - dj][0], di, dj) for di, dj in ((1, 0), (0, 1)) if (i - di, j - dj) in best
            ]
            if i and j and (i - 1, j - 1) in best and kinds[i - 1] == _kind(places[j - 1].line):
                more = 1 + agreeing(lines[i - 1], places[j - 1])
                ways.append((best[i - 1, j - 1][0] + more, 1, 1))
            if ways:
                best[i, j] = max(ways, key=lambda way: (way[0], way[1:] != (1, 1)))  # of equal ones the first
    i, j = len(lines), len(places)
    found: list[Match] = []
    while i or j:
        _, di, dj = best[i, j]
        found.append(Match(lines[i - 1] if di else None, places[j - 1] if dj else None))
        i, j = i - di, j - dj
    return found[::-1]


def _none_agree(line: WrittenLine, place: Place) -> int:
    return 0


_A_FEW = 3
_MOST_PAIRS = 10_000


def _kind(line: TableLine) -> str:
    return "input" if line.layer is None else line.layer.kind


def _width(line: WrittenLine, kind: str, *, is_last: bool) -> int | None:
    """The channels that a line says its layer gives: by its label, else by its shape."""
    named = re.search(r"conv\d{0,2}-(\d{1,9})|conv\D{1,4}(\d{1,9})$", line.label.lower())
    if named and kind == "conv":
        return int(named[1] or named[2])
    shape = shape_of(line)
    return None if shape is None else shape[-1 if is_last else 0]


def shape_of(line: WrittenLine) -> Shape | None:
    """The shape that a line prints, in its own order."""
    shapes = (shape_printed(cell.text) for cell in line.cells if cell.named.quantity == SHAPE)
    return next((shape for shape in shapes if shape), None)


def channels_last(sheet: Sheet) -> bool:
    """Whether shapes are printed as the notes print them, HxWxC, or as PyTorch does, CxHxW.

    An image tells, by its one or three channels; else a square map.
    """
    shapes = [shape for line in sheet.of_layers if (shape := shape_of(line)) and len(shape) == 3]
    for first, middle, last in shapes:
        if (last in (1, 3)) != (first in (1, 3)):
            return last in (1, 3)
        if (first == middle) != (middle == last):
            return first == middle
    return True


def planes(sheet: Sheet) -> Iterator[Shape]:
    """The sizes of the image that the table may be for: as its first lines print it."""
    for line in sheet.of_layers[:2]:
        shape = shape_of(line)
        if shape and len(shape) == 3:
            yield shape[:-1] if channels_last(sheet) else shape[1:]


def candidates(sheet: Sheet, classes: int | None, batch_norm: bool | None) -> Iterator[Config]:
    """The networks that the table may be of: those of the paper that have its layers, else its own.

    Raises ``InputError`` if its lines do not say which network that is.
    """
    lines, is_last = sheet.of_layers, channels_last(sheet)
    kinds = [kind_of(line.label) for line in lines]
    normed = "batchnorm" in kinds if batch_norm is None else batch_norm
    heads = [kind for kind in kinds if kind in _WITH_A_LINE]
    widths = [
        _width(line, "fc", is_last=is_last) for line, kind in zip(lines, kinds, strict=True) if kind == "fc"
    ]
    is_found = False
    for net in PAPER.values():
        members = modules(net)
        theirs = [module.layer.kind for module in members if module.layer.kind in _WITH_A_LINE]
        if theirs == heads and ("lrn" in kinds) == any(each.layer.kind == "lrn" for each in members):
            is_found = True
            yield replace(net, batch_norm=normed, classes=classes or widths[-1] or net.classes)
    if not is_found:
        own = _own(lines, kinds, classes, is_normed=normed, is_last=is_last)
        yield from (replace(own, pool=pool) for pool in (POOLED, None, 1))


def _own(
    lines: Sequence[WrittenLine], kinds: Sequence[str], classes: int | None, *, is_normed: bool, is_last: bool
) -> Config:
    """The network that the lines spell out themselves."""
    tokens: list[Token] = []
    hidden: list[int] = []
    for line, kind in zip(lines, kinds, strict=True):
        width = _width(line, kind, is_last=is_last)
        if kind == "conv" and width and not hidden:
            kernel = re.search(r"conv(\d)-|(\d)\s*[x×]\s*\d", line.label.lower())
            tokens.append(Conv(width, int(kernel[1] or kernel[2]) if kernel else 3))
        elif kind == "maxpool" and not hidden:
            tokens.append(Pool())
        elif kind == "lrn":
            tokens.append(Normalise())
        elif kind == "fc" and width:
            hidden.append(width)
        elif kind in ("conv", "fc", "maxpool"):
            raise InputError(f"Line {line.number} does not say how wide its layer is.", NAME_IT)
    if not any(isinstance(token, Conv) for token in tokens):
        raise InputError("No line names a convolution.", NAME_IT)
    names = ",".join(map(str, tokens))
    name = names if len(names) <= 40 else f"{names[:36].rpartition(',')[0]},…"
    return Config(
        name,
        tuple(tokens),
        classifier=tuple(hidden[:-1]) if hidden else (),
        classes=classes or (hidden[-1] if hidden else 1000),
        batch_norm=is_normed,
    )
