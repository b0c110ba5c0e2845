"""A printed figure: its number, how finely it is rounded, its unit, and the working beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from vgg_profile.core.sizes import Shape


class Scale(NamedTuple):
    """What a figure is counted in: so many bytes, or so many of what is counted."""

    name: str
    size: int
    is_bytes: bool = False


ONE = Scale("", 1)

BYTES = tuple(
    Scale(name, size, is_bytes=True)
    for name, size in (
        ("bytes", 1),
        ("kB", 10**3),
        ("MB", 10**6),
        ("GB", 10**9),
        ("KiB", 2**10),
        ("MiB", 2**20),
        ("GiB", 2**30),
    )
)
"""The units of memory: kB, MB and GB are decimal, KiB, MiB and GiB binary."""

COUNTS = tuple(Scale(name, size) for name, size in (("K", 10**3), ("M", 10**6), ("G", 10**9)))
"""How counts are shortened, as in 3.2M."""

_BY_NAME = {unit.name.lower(): unit for unit in (*BYTES, *COUNTS)} | {"b": BYTES[0], "byte": BYTES[0]}
_NOUNS = re.compile(
    r"([kmg]?)(flops?|macs?|params?|parameters?|weights?|values?|biases|madds?|mult-adds?|images?|)", re.I
)

LONGEST = 200
"""No figure is longer, its working included; what is, is no figure."""

_NUMBER = re.compile(
    r"[~≈\s]*(\d{1,3}(?:[,' _\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}]\d{3})+|\d+)(\.\d+)?"
    r"(?:[eE]\+?(\d{1,2}))?\s*([A-Za-z-]*)(?:\s+([A-Za-z-]+))?\s*(?:(?:/|per)\s*\w+)?[\s.;]*",
    re.ASCII,
)


def unit_named(word: str) -> Scale | None:
    """The unit that a word names, ``ONE`` for what is counted one by one; ``None`` for any other word.

    >>> unit_named("MiB").size, unit_named("GFLOPs").size, unit_named("weights").size, unit_named("apples")
    (1048576, 1000000000, 1, None)
    """
    unit = _BY_NAME.get(word.lower())
    if unit is not None:
        return unit
    found = _NOUNS.fullmatch(word)
    return None if found is None else _BY_NAME.get(found[1].lower(), ONE)


@dataclass(frozen=True, slots=True)
class Printed:
    """A figure as it is printed.

    ``places`` are its decimals (negative: zeros of a power of ten); ``unit`` is the one that stands beside
    it, if any; ``working`` the value of the arithmetic before its equals sign.
    """

    number: Fraction
    places: int
    unit: Scale | None = None
    working: int | None = None

    @classmethod
    def parse(cls, text: str) -> Printed | None:
        """Read ``1,728``, ``12.25 MiB`` or ``224*224*64=3.2M``; ``None`` for what is no figure.

        >>> Printed.parse("(3*3*3)*64 = 1,728")
        Printed(number=Fraction(1728, 1), places=0, unit=None, working=1728)
        >>> Printed.parse("=HYPERLINK(1)")
        """
        if len(text) > LONGEST:
            return None
        before, _, last = re.sub("[≈≅]|~=", "=", text).rpartition("=")
        found = _NUMBER.fullmatch(last)
        if found is None:
            value = evaluated(last)  # a working alone, without its result
            return None if value is None else cls(Fraction(value), 0, None, value)
        whole, decimals, power, word, noun = found.groups()
        unit = unit_named(word) if word else None
        if (word and unit is None) or (noun and unit_named(noun) is not ONE):
            return None
        number = Fraction(re.sub(r"\D", "", whole) + (decimals or "")) * 10 ** int(power or 0)
        places = len(decimals or ".") - 1 - int(power or 0)
        return cls(number, places, unit, evaluated(before))

    def rounds(self, value: Fraction, *, is_scaled: bool) -> bool:
        """Whether a value, in the figure's unit, reads as printed.

        The last digit counts; of a number that ``is_scaled`` (3.2M, 150 MB), zeros at its end may stand for
        digits that were left out, down to two leading ones, as in the course notes.

        >>> [Printed.parse(text).rounds(Fraction(150528, 1000), is_scaled=True) for text in ("150K", "149K")]
        [True, False]
        """
        return any(2 * abs(self.number - value) <= step for step in self._steps(is_scaled=is_scaled))

    def cuts(self, value: Fraction) -> bool:
        """Whether a value gives the figure where it is cut off, not rounded."""
        step = Fraction(10) ** -self.places
        return 0 <= value - self.number < step

    def _steps(self, *, is_scaled: bool) -> Iterator[Fraction]:
        yield Fraction(10) ** -self.places
        if is_scaled and self.places == 0:
            digits = str(int(self.number))
            zeros = len(digits) - len(digits.rstrip("0"))
            yield from (Fraction(10) ** power for power in range(1, min(zeros, len(digits) - 2) + 1))

    def like(self, value: Fraction) -> str:
        """A value as it would be printed in place of the figure.

        >>> Printed.parse("3.3M").like(Fraction(3211264, 10**6)), Printed.parse("1,729").like(Fraction(1728))
        ('3.2M', '1,728')
        """
        places = max(0, self.places)
        scaled = int(value * 10**places + Fraction(1, 2))
        whole, part = divmod(scaled, 10**places)
        text = f"{whole:,}" + (f".{part:0{places}}" if places else "")
        if self.unit is None or not self.unit.name:
            return text
        return text + (" " if self.unit.is_bytes else "") + self.unit.name


_TOKEN = re.compile(r"\s*(?:(\d{1,12})|([*x×·+()]))", re.ASCII)


def evaluated(working: str) -> int | None:
    """The value of printed arithmetic: products, sums and brackets; ``None`` for anything else.

    >>> evaluated("(3*3*64)*128"), evaluated("(3×3×3+1)*64"), evaluated("2 apples")
    (73728, 1792, None)
    """
    tokens: list[str] = []
    place = 0
    working = working.strip()
    while place < len(working):
        found = _TOKEN.match(working, place)
        if found is None or len(working) > LONGEST:
            return None
        tokens.append(found[1] or found[2])
        place = found.end()
    tokens.reverse()
    try:
        value = _sum(tokens)
    except (IndexError, ValueError):
        return None
    return None if tokens else value


def _sum(tokens: list[str]) -> int:
    value = _product(tokens)
    while tokens and tokens[-1] == "+":
        tokens.pop()
        value += _product(tokens)
    return value


def _product(tokens: list[str]) -> int:
    value = _factor(tokens)
    while tokens and tokens[-1] in "*x×·":
        tokens.pop()
        value *= _factor(tokens)
    return value


def _factor(tokens: list[str]) -> int:
    token = tokens.pop()
    if token != "(":
        return int(token)
    value = _sum(tokens)
    if tokens.pop() != ")":
        raise ValueError("a bracket that is not closed")
    return value


def shape_printed(text: str) -> Shape | None:
    """The sizes of a printed shape, in its order, without the batch's place if that is left open.

    >>> shape_printed("[224x224x64]"), shape_printed("(None, 64, 224, 224)"), shape_printed("wide")
    ((224, 224, 64), (64, 224, 224), None)
    """
    inner = text.strip().strip("[]()").strip()
    parts = re.split(r"\s*[x×*,]\s*|\s+", inner) if 0 < len(inner) <= LONGEST else []
    if len(parts) > 1 and parts[0] in ("N", "B", "None", "-1", "?"):
        parts = parts[1:]
    if not parts or not all(re.fullmatch(r"[0-9]{1,12}", part) for part in parts):
        return None
    return tuple(map(int, parts))
