"""What figures share: bars and stacks, units of an axis, blocks, findings in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple, TypeVar

from vgg_profile.core import units
from vgg_profile.core.events import Category
from vgg_profile.core.figures import PALETTE, Band, Panel, Series, Style, Unit
from vgg_profile.core.tree import CLASSIFIER, Profile, Row, block_labels
from vgg_profile.describe.words import rules, title
from vgg_profile.measure.record import Measurement

Key = TypeVar("Key")


def bars(
    label: str, unit: Unit, values: Sequence[float], colour: str, names: tuple[tuple[float, str], ...]
) -> Panel:
    """One bar a name, running to the right."""
    series = Series(label.replace("\n", " "), range(len(values)), values, colour, Style.BARS)
    return Panel(label, unit, (series,), names=names, sideways=True)


def shortened(name: str, longest: int = 20) -> str:
    """A name that leaves room for bars beside it."""
    return name if len(name) <= longest else f"{name[: longest - 8]}…{name[-7:]}"


def stacked(
    places: Sequence[float], stacks: Sequence[Mapping[Category, int]], style: Style = Style.BARS
) -> Iterator[Series]:
    """A series for each category that there is anything of, in the palette's order."""
    for category, colour in PALETTE.items():
        sizes = [stack.get(category, 0) for stack in stacks]
        if any(sizes):
            yield Series(category.value, places, sizes, colour, style)


def by_category(row: Row, batch: int) -> Mapping[Category, int]:
    """What a row saves, by category."""
    sizes: Counter[Category] = Counter()
    for storage in row.saved:
        sizes[storage.category] += storage.size.at(batch)
    return sizes


def row_names(rows: Sequence[Row]) -> tuple[tuple[float, str], ...]:
    """Each row's place on an axis, and its name."""
    return tuple((place, row.name) for place, row in enumerate(rows))


BINARY_UNITS = (Unit("GiB", 2**30), Unit("MiB", 2**20), Unit("KiB", 2**10))


def byte_unit(largest: int) -> Unit:
    """The binary unit for an axis; the notes' MiB up to ten thousand."""
    if 2**30 <= largest < 10 * 2**30:
        return Unit("MiB", 2**20)
    return next((unit for unit in BINARY_UNITS if largest >= unit.scale), Unit("bytes"))


def in_unit(size: int, unit: Unit) -> str:
    """Bytes as a text beside an axis in that unit."""
    return units.mebibytes(size) if unit.name == "MiB" else units.binary(size)


def unit_convention(unit: Unit) -> str:
    """What the unit of an axis is."""
    return f"{unit.name} = {int(unit.scale):,} bytes." if unit.scale > 1 else ""


def count_unit(largest: int) -> Unit:
    """Thousands, millions or billions, so that the largest has a whole part."""
    scales = (Unit("billions", 10**9), Unit("millions", 10**6), Unit("thousands", 10**3))
    return next((unit for unit in scales if largest >= unit.scale), Unit(""))


def counted_briefly(number: int) -> str:
    """A count as a title says it: ``138.4 million``; one below a million as it is."""
    unit = count_unit(number)
    return units.exact(number) if unit.scale < 10**6 else f"{number / unit.scale:,.1f} {unit.name[:-1]}"


def second_unit(longest: float) -> Unit:
    """Milliseconds, or microseconds where the longest is shorter than one."""
    return Unit("ms", 1e-3) if longest >= 1e-3 else Unit("µs", 1e-6)


def took(seconds: float, unit: Unit) -> str:
    """A time as a text; what took any is never 0."""
    time = seconds / unit.scale
    return f"<0.1 {unit.name}" if 0 < time < 0.05 else f"{time:,.{int(time < 1000)}f} {unit.name}"


class Share(NamedTuple):
    """A layer, or a group of layers, and its part of some whole.

    ``number`` is a block's, as a sentence says it, or its name again; empty for a group without one, and
    ``None`` for a layer.
    """

    name: str
    size: int
    number: str | None = None

    @property
    def is_numbered(self) -> bool:
        """Whether it is one of the paper's blocks, and not a module under its own name."""
        return self.number not in (None, "", self.name)


def by_block(profile: Profile, value: Callable[[Row], int]) -> list[Share]:
    """Sums of the modules' values by block; the input is of none."""
    rows = profile.module_rows[1:]
    numbers = block_labels(rows) | {CLASSIFIER: ""}
    sizes = dict.fromkeys((row.block for row in rows), 0)
    for row in rows:
        sizes[row.block] += value(row)
    return [Share(block, size, numbers[block]) for block, size in sizes.items()]


def block_bands(rows: Sequence[Row]) -> tuple[Band, ...]:
    """Every other block shaded, behind the bars of some of a profile's rows; the input joins the first."""
    first = next(row.block for row in rows if row.block)
    edges = [place - 0.5 for place in range(len(rows) + 1)]
    found = enumerate(stretches([row.block or first for row in rows], edges))
    return tuple(Band(start, stop, is_shaded=number % 2 == 1) for number, (start, stop, _) in found)


MOST_NAMED = 4
"""More equals than so many are counted, not named."""


def _leading(shares: Sequence[Share]) -> list[Share]:
    """Those who have most."""
    most = max(share.size for share in shares)
    return [share for share in shares if share.size == most]


def _named(leading: Sequence[Share]) -> str:
    """Those who have most, as a sentence names them: ``blocks 2, 3 and 4``."""
    are_blocks = all(share.is_numbered for share in leading)
    if len(leading) > MOST_NAMED:
        groups = "blocks" if are_blocks else "parts"
        return f"{len(leading)} {'layers' if leading[0].number is None else groups}"
    if are_blocks and len(leading) > 1:
        return f"blocks {units.listed(share.number or '' for share in leading)}"
    return units.listed(f"the {each.name}" if each.number == "" else each.name for each in leading)


def _percent(shares: Sequence[Share]) -> str:
    return units.percent(max(share.size for share in shares), sum(share.size for share in shares))


def leaders(shares: Sequence[Share]) -> str:
    """Who has most, and how much: ``blocks 3 and 4 (29.9 % each)``."""
    leading = _leading(shares)
    return f"{_named(leading)} ({_percent(shares)}{' each' * (len(leading) > 1)})"


def most_of(shares: Sequence[Share], verb: str) -> str:
    """Who has most, and how much, as the beginning of a sentence: ``Block 1 keeps 48.6 %``."""
    leading = _leading(shares)
    who = _named(leading)
    if leading[0].is_numbered or leading[0].number == "":  # a layer's or a module's stays as it is written
        who = who[0].upper() + who[1:]
    return f"{who} {f'each {verb[:-1]}' if len(leading) > 1 else verb} {_percent(shares)}"


def saved_words(profile: Profile) -> str:
    """What the saved bytes are: inference leaves some, and there is no backward pass to save them for."""
    return "saved for backward" if profile.setting.setup.has_backward else "left by inference"


def saved_means(profile: Profile) -> str:
    """What the saved bytes are, and whose rules say so, as a footnote."""
    what = saved_words(profile)
    return (
        f"{what[0].upper()}{what[1:]}: alive after {profile.forward_pass}, above weights and input, by the "
        f"rules of device {rules(profile)}."
    )


def after_pass(profile: Profile) -> str:
    """The network and the setting, and the forward pass unless it is a plain training one."""
    is_plain = profile.setting.setup.is_plain_forward
    return title(profile) + ("" if is_plain else f"; {profile.forward_pass}")


def alt_text(said: str, rows: Sequence[Row], values: Sequence[int]) -> str:
    """What is said, the three largest, and how many there are."""
    largest = sorted(zip(rows, values, strict=True), key=lambda pair: -pair[1])[:3]
    named = ", ".join(f"{row.name} {value:,}" for row, value in largest)
    return f"{said}. Of {units.plural(len(rows), 'layer')} the largest: {named}."


def stretches(keys: Sequence[Key], edges: Sequence[float]) -> Iterator[tuple[float, float, Key]]:
    """Where equal keys start and stop; key ``n`` stands between the edges ``n`` and ``n + 1``."""
    for key, members in groupby(range(len(keys)), key=keys.__getitem__):
        places = list(members)
        yield edges[places[0]], edges[places[-1] + 1], key


def measured_on(measurement: Measurement) -> str:
    """Where a record was made, as a footer says it."""
    device, torch, threads = (measurement.environment.get(key, "?") for key in ("device", "torch", "threads"))
    return f"Measured on {device}, torch {torch}, {threads} threads."
