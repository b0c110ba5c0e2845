"""A table beside one network, figure by figure: whether it agrees, and if not, which mistakes give it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NamedTuple

from vgg_profile.core.counts import Count
from vgg_profile.core.sizes import Shape
from vgg_profile.core.tree import Profile
from vgg_profile.predict.vgg.layers import Conv2d, Linear
from vgg_profile.teach.lines import Finding
from vgg_profile.teach.own.figures import IN_BYTES, Place, Sought, TableLine
from vgg_profile.teach.own.matching import Match, channels_last, matched, shape_of
from vgg_profile.teach.own.mistakes import MISTAKES
from vgg_profile.teach.own.sheet import SHAPE, Cell, Sheet, WrittenLine
from vgg_profile.teach.printed import BYTES, ONE, Printed, Scale, shape_printed

FOLLOWS = "right for the shape that the line above prints"
CUT_OFF = "cut off, not rounded"
ADDED_UP = "the lines as printed, added up"


class Explanation(NamedTuple):
    """A mistake that gives exactly the printed figure, and how it comes to it."""

    words: str
    working: str


@dataclass(frozen=True, slots=True)
class Marked:
    """One figure of the table beside the one that was counted; or a line too many, or one that is missing.

    ``computed`` is exact, in bytes or one by one; ``should_be`` reads as the table prints it.
    """

    line: int | None
    label: str
    layer: str
    figure: str
    printed: str
    finding: Finding
    computed: Count | None = None
    should_be: str = ""
    mistakes: tuple[Explanation, ...] = ()

    @property
    def words(self) -> str:
        """What there is to say of it."""
        match self.finding:
            case Finding.DIFFERS if self.mistakes:
                return "; or ".join(f"{each.words}: {each.working}" for each in self.mistakes)
            case Finding.DIFFERS:
                return "no mistake that is known gives this"
            case Finding.MISSING:
                return "the table has no line for it"
            case Finding.EXTRA:
                return "the network has no such layer here"
            case Finding.UNREADABLE:
                return "this is no figure"
        return ""


class Comparing:
    """A table beside one network."""

    def __init__(self, sheet: Sheet, profile: Profile) -> None:
        self.sheet, self.profile = sheet, profile
        self.is_last = channels_last(sheet)
        self.matches = matched(sheet, profile, self._agreeing)

    def _agreeing(self, written: WrittenLine, place: Place) -> int:
        """How many figures of a line agree, if it is that of a layer."""
        return sum(_is_printed(cell, place) for cell in written.cells)

    @property
    def wrong(self) -> int:
        """How much does not agree."""
        return sum(mark.finding is not Finding.AGREES for mark in self.marks(explains=False))

    def marks(self, *, explains: bool = True) -> Iterator[Marked]:
        above: Shape | None = None
        for match in self.matches:
            written, place = match
            if written is None or place is None:
                yield _unmatched(match)
                above = None
                continue
            for cell in written.cells:
                mark = self._mark(written.number, written.label, place.line.name, cell, (place,))
                if explains and mark.finding is Finding.DIFFERS:
                    mark = replace(mark, mistakes=tuple(self._explained(cell, place, above)))
                yield mark
            above = self._printed_shape(match)
        yield from self._totals(explains=explains)

    def _totals(self, *, explains: bool) -> Iterator[Marked]:
        places = tuple(match.place for match in self.matches if match.place is not None)
        for written in self.sheet.totals:
            for cell in written.cells:
                if cell.named.quantity == SHAPE:
                    continue
                mark = self._mark(written.number, written.label, "", cell, places)
                if explains and mark.finding is Finding.DIFFERS:
                    mark = replace(mark, mistakes=tuple(self._explained_total(cell, places)))
                yield mark

    # -- one figure

    def _mark(self, line: int, label: str, layer: str, cell: Cell, places: tuple[Place, ...]) -> Marked:
        if cell.named.quantity == SHAPE:
            return _shape_mark(line, label, layer, cell, places[0].line, self.is_last)
        read = _read(cell, places)
        if read is None:
            return Marked(line, label, layer, cell.named.quantity, cell.text, Finding.UNREADABLE)
        printed, asked = read
        count = asked.count
        finding = Finding.AGREES if _fits(printed, asked) else Finding.DIFFERS
        should_be = printed.like(Fraction(count.value, asked.unit.size))
        return Marked(line, label, layer, asked.quantity, cell.text, finding, count, should_be)

    def _printed_shape(self, match: Match) -> Shape | None:
        """The shape that a line prints, if it is another than that of its layer."""
        shape = shape_of(match.written) if match.written else None
        if shape is None or match.place is None:
            return None
        as_ours = (shape[-1], *shape[:-1]) if self.is_last else shape
        return None if shape in set(_written(match.place.line)) else as_ours

    def _explained(self, cell: Cell, place: Place, above: Shape | None) -> Iterator[Explanation]:
        """The mistakes that give a figure; if none does, those that give it from the shape printed above."""
        found = list(_mistaken(cell, (place,), self.is_last))
        given = _given(place.line, above) if above is not None and not found else None
        if given is not None:
            follows = place._replace(line=given)
            if _is_printed(cell, follows):
                found = [Explanation(FOLLOWS, _working(cell, follows, self.is_last))]
            else:
                found = [
                    Explanation(f"{words}, from the shape that the line above prints", working)
                    for words, working in _mistaken(cell, (follows,), self.is_last)
                ]
        yield from found

    def _explained_total(self, cell: Cell, places: tuple[Place, ...]) -> Iterator[Explanation]:
        read = _read(cell, places)
        column = [
            each
            for match in self.matches
            if match.written
            for each in match.written.cells
            if each.named.quantity == cell.named.quantity
            and each.named.unit.is_bytes == cell.named.unit.is_bytes
        ]
        parts = [Printed.parse(each.text) for each in column]
        if read and parts and all(parts):
            total = sum(
                (
                    part.number * (part.unit or each.named.unit).size
                    for part, each in zip(parts, column, strict=True)
                    if part
                ),
                Fraction(0),
            )
            unit = read[1].unit
            if read[0].rounds(total / unit.size, is_scaled=unit.size > 1):
                yield Explanation(ADDED_UP, f"{float(total):,.10g}")
        yield from _mistaken(cell, places, self.is_last)


def _unmatched(match: Match) -> Marked:
    written, place = match
    if written is not None:
        return Marked(written.number, written.label, "", "", "", Finding.EXTRA)
    return Marked(None, "", place.line.name if place else "", "", "", Finding.MISSING)


def _read(cell: Cell, places: tuple[Place, ...]) -> tuple[Printed, Sought] | None:
    """A figure, and what is asked for: its quantity and unit, by the header and what stands beside it."""
    printed = Printed.parse(cell.text)
    if printed is None:
        return None
    quantity, unit = cell.named.quantity, cell.named.unit
    if printed.unit not in (None, ONE):
        unit = _with_bytes(printed.unit) if unit.is_bytes else printed.unit
    if unit.is_bytes:
        quantity = IN_BYTES.get(quantity, quantity)
        if not quantity.endswith("_bytes"):
            return None
    elif quantity.endswith("_bytes") and unit is ONE:
        unit = BYTES[0]
    return printed, Sought(quantity, places, unit)


def _with_bytes(unit: Scale) -> Scale:
    """The unit of a column of bytes, where a cell says K, M or G alone."""
    return next((each for each in BYTES if each.size == unit.size), unit)


def _fits(printed: Printed, asked: Sought) -> bool:
    """Whether a figure reads as printed, its working too."""
    count = asked.count
    is_worked_out = printed.working in (None, count.value)
    return is_worked_out and printed.rounds(
        Fraction(count.value, asked.unit.size), is_scaled=asked.unit.size > 1
    )


def _mistaken(cell: Cell, places: tuple[Place, ...], is_last: bool) -> Iterator[Explanation]:
    """Every mistake that gives exactly the printed figure."""
    if cell.named.quantity == SHAPE:
        yield from _mistaken_shape(cell, places[0], is_last)
        return
    read = _read(cell, places)
    if read is None:
        return
    printed, asked = read
    right = Fraction(asked.count.value, asked.unit.size)
    if printed.working is None and printed.cuts(right):
        yield Explanation(CUT_OFF, printed.like(right))
    for words, change in MISTAKES:
        other = change(asked)
        if (
            other is not None
            and Fraction(other.count.value, other.unit.size) != right
            and _fits(printed, other)
        ):
            count = other.count
            yield Explanation(
                words, count.working if count.is_plain else f"{count.working} = {count.value:,}"
            )
    if len(places) > 1:
        yield from _misses_a_line(printed, asked)


def _misses_a_line(printed: Printed, asked: Sought) -> Iterator[Explanation]:
    """The lines without which a total is the printed one."""
    counts = asked.counts
    whole = sum(count.value for count in counts)
    for place, count in zip(asked.places, counts, strict=True):
        rest = whole - count.value
        if count.value and printed.rounds(Fraction(rest, asked.unit.size), is_scaled=asked.unit.size > 1):
            yield Explanation(f"{place.line.name} left out", f"{rest:,}")


def _working(cell: Cell, place: Place, is_last: bool) -> str:
    if cell.named.quantity == SHAPE:
        return _shape_text(place.line.shape, is_last)
    read = _read(cell, (place,))
    return read[1].count.working if read else ""


def _is_printed(cell: Cell, place: Place) -> bool:
    """Whether a figure agrees with a line."""
    if cell.named.quantity == SHAPE:
        return shape_printed(cell.text) in set(_written(place.line))
    read = _read(cell, (place,))
    return read is not None and _fits(*read)


# -- shapes


def _written(line: TableLine) -> Iterator[Shape]:
    """The ways in which a shape may be printed: HxWxC, CxHxW, HxW; with the batch before it or not."""
    channels, *plane = line.shape
    forms = [(*(plane or (1, 1)), channels), (channels, *(plane or (1, 1)))]
    forms.append(tuple(plane) if plane else (channels,))
    for form in forms:
        yield form
        yield (line.batch, *form)


def _shape_text(shape: Shape, is_last: bool) -> str:
    channels, *plane = shape
    return "x".join(map(str, (*plane, channels) if is_last else shape))


def _shape_mark(line: int, label: str, layer: str, cell: Cell, of: TableLine, is_last: bool) -> Marked:
    shape = shape_printed(cell.text)
    if shape is None:
        return Marked(line, label, layer, SHAPE, cell.text, Finding.UNREADABLE)
    finding = Finding.AGREES if shape in set(_written(of)) else Finding.DIFFERS
    return Marked(line, label, layer, SHAPE, cell.text, finding, None, _shape_text(of.shape, is_last))


def _mistaken_shape(cell: Cell, place: Place, is_last: bool) -> Iterator[Explanation]:
    shape, asked = shape_printed(cell.text), Sought("values", (place,))
    for words, change in MISTAKES:
        other = change(asked)
        if other is None or other.shape == asked.shape:
            continue
        if shape in set(_written(other.places[0].line)):
            yield Explanation(words, _shape_text(other.shape, is_last))


def _given(line: TableLine, shape: Shape) -> TableLine | None:
    """A line whose layer is given a map of another shape, and takes all its channels."""
    match line.layer:
        case Conv2d() as conv if len(shape) == 3:
            line = line.having(replace(conv, in_channels=shape[0]))
        case Linear() as linear:
            line = line.having(replace(linear, fan_in=shape))
    return replace(line, given=shape) if len(shape) == len(line.given) else None
