"""Tables as a student would write them, from what is true or from what a mistake makes of it."""

from __future__ import annotations

import csv
import io
import random
from fractions import Fraction

from vgg_profile.core.tree import Profile
from vgg_profile.predict.vgg.configs import Config, Conv, Normalise, Pool, Token
from vgg_profile.predict.vgg.walk import walk
from vgg_profile.teach.own.figures import Place, Sought
from vgg_profile.teach.own.matching import places_of
from vgg_profile.teach.own.mistakes import Change
from vgg_profile.teach.printed import BYTES, COUNTS, ONE, Scale

MIB = next(unit for unit in BYTES if unit.name == "MiB")
MB = next(unit for unit in BYTES if unit.name == "MB")
K = COUNTS[0]

COLUMNS: dict[str, tuple[str, Scale]] = {
    "values": ("values", ONE),
    "values (K)": ("values", K),
    "memory (bytes)": ("memory_bytes", BYTES[0]),
    "memory (MB)": ("memory_bytes", MB),
    "memory forward and backward (MiB)": ("with_gradient_bytes", MIB),
    "saved for backward (bytes)": ("saved_bytes", BYTES[0]),
    "weights": ("weights", ONE),
    "biases": ("biases", ONE),
    "parameters": ("parameters", ONE),
    "weights (MB)": ("weight_bytes", MB),
    "parameters (MiB)": ("parameter_bytes", MIB),
    "MACs": ("macs", ONE),
    "FLOPs": ("flops", ONE),
    "FLOPs, forward and backward": ("training_flops", ONE),
}
"""Headers of every kind, and what they ask for."""

DECIMALS = 6
"""Of figures in a larger unit: so many that no two mistakes are rounded to one figure by chance."""

HEADS = {"input", "conv", "maxpool", "fc"}


def random_config(chance: random.Random) -> Config:
    """A small network of any form."""
    layers: list[Token] = []
    for _ in range(chance.randint(1, 3)):
        for _ in range(chance.randint(1, 2)):
            layers.append(Conv(chance.randint(3, 40), chance.choice((1, 3, 3, 5))))
        layers += [Normalise()] * (chance.random() < 0.1)
        layers.append(Pool())
    return Config(
        "own",
        tuple(layers),
        classifier=tuple(chance.randint(5, 50) for _ in range(chance.randint(0, 2))),
        classes=chance.randint(2, 30),
        in_channels=chance.choice((1, 3)),
        batch_norm=chance.random() < 0.3,
        pool=chance.choice((None, 1, 2, 7)),
    )


def random_profile(chance: random.Random) -> Profile:
    """One at any image, batch and dtype."""
    return walk(
        net := random_config(chance),
        input=(net.in_channels, chance.randint(12, 40), chance.randint(12, 40)),
        batch=chance.choice((1, 1, 2, 8)),
        dtype=chance.choice(("float32", "float32", "bfloat16", "float64")),
    )


def places(profile: Profile) -> tuple[Place, ...]:
    """The lines of a table without lines for the small layers."""
    return places_of(profile, HEADS)


def shape_of(place: Place) -> str:
    channels, *plane = place.line.shape
    return "x".join(map(str, (*(plane or (1, 1)), channels)))


def figure(asked: Sought) -> str:
    """A figure as it is written into a column of its unit: exact, or with many decimals."""
    value = Fraction(asked.count.value, asked.unit.size)
    if asked.unit.size == 1:
        return str(int(value))
    scaled = int(value * 10**DECIMALS + Fraction(1, 2))
    return f"{scaled // 10**DECIMALS}.{scaled % 10**DECIMALS:0{DECIMALS}}"


def true_table(profile: Profile, *, has_total: bool = False) -> list[list[str]]:
    """Every figure as it is: the header, a row a line, and at the end, if it is wanted, their totals."""
    rows = [["layer", "output", *COLUMNS]]
    lines = places(profile)
    for place in lines:
        rows.append(
            [
                place.line.name,
                shape_of(place),
                *(figure(Sought(about[0], (place,), about[1])) for about in asked_for()),
            ]
        )
    if has_total:
        rows.append(["TOTAL", "", *(figure(Sought(about[0], lines, about[1])) for about in asked_for())])
    return rows


def asked_for() -> list[tuple[str, Scale]]:
    return list(COLUMNS.values())


def as_csv(rows: list[list[str]], delimiter: str = ",") -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return out.getvalue()


def plantings(profile: Profile, change: Change) -> list[tuple[int, int, str]]:
    """Where a mistake shows: the row and column of a ``true_table``, and the figure that it makes."""
    found = []
    for row, place in enumerate(places(profile), start=1):
        for column in range(2, 2 + len(COLUMNS)):
            text = planted(place, column, change)
            if text:
                found.append((row, column, text))
    return found


def planted(place: Place, column: int, change: Change) -> str:
    """What a mistake makes of a figure; nothing where it makes no other: zero is zero in every unit."""
    quantity, unit = asked_for()[column - 2]
    asked = Sought(quantity, (place,), unit)
    wrong = change(asked)
    if wrong is None or asked.count.value == 0:
        return ""
    text = figure(wrong)
    return text if text != figure(asked) and float(text) > 0 else ""
