"""Numbers to text: the only formatter.

A **MiB** is 2^20 bytes, a **MB** 10^6. Rounded figures are for reading, and stand beside exact bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vgg_profile.core.digits import rounded, scaled

UNITS = {"bytes": (1, 0), "MiB": (2**20, 2), "GiB": (2**30, 3)}
"""Unit of memory → its bytes, and the decimals that it is written with."""

_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_DECIMAL = ("B", "kB", "MB", "GB", "TB", "PB")


def exact(number: int) -> str:
    """All digits, in groups of three.

    >>> exact(138357544)
    '138,357,544'
    """
    return scaled(number, 1, 0)


def mebibytes(size: int) -> str:
    """Bytes as MiB with two decimals, whatever their size.

    >>> mebibytes(60950432)
    '58.13 MiB'
    """
    return f"{scaled(size, *UNITS['MiB'])} MiB"


def unit_of(sizes: Iterable[int]) -> str:
    """The unit that sizes are read in side by side: bytes as long as they are few, else by the largest.

    >>> unit_of([9_999, 0]), unit_of([524_288]), unit_of([60_950_432, 4]), unit_of([2**37])
    ('bytes', 'KiB', 'MiB', 'GiB')
    """
    largest = max(map(abs, sizes), default=0)
    if largest < 10_000:
        return "bytes"
    return "KiB" if largest < 10 << 20 else "MiB" if largest < 100 << 30 else "GiB"


def in_unit(size: int, unit: str) -> str:
    """Bytes as a number of that unit; what is not 0 does not show as 0.

    >>> in_unit(60_950_432, "MiB"), in_unit(256, "MiB"), in_unit(0, "MiB"), in_unit(256, "bytes")
    ('58.13', '<0.01', '0', '256')
    """
    scale, places = {**UNITS, "KiB": (2**10, 2)}[unit]
    text = scaled(size, scale, min(places, 2))
    return ("<0.01" if size else "0") if text == "0.00" else text


def brief(number: int) -> str:
    """A count in few signs: from ten million on, in millions or billions with one decimal.

    >>> brief(9_437_184), brief(102_764_544), brief(15_470_264_320)
    ('9,437,184', '102.8 M', '15.5 G')
    """
    if abs(number) < 10**7:
        return exact(number)
    power = 9 if abs(number) >= 10**10 else 6
    return f"{scaled(number, 10**power, 1)} {'G' if power == 9 else 'M'}"


def gibibytes(size: int) -> str:
    """Bytes as GiB with three decimals: one of the last place is about a MiB.

    >>> gibibytes(4802019328)
    '4.472 GiB'
    """
    return f"{scaled(size, *UNITS['GiB'])} GiB"


def binary(size: int) -> str:
    """Bytes in the largest binary unit that leaves a whole part.

    >>> binary(60950432), binary(4000)
    ('58.13 MiB', '3.91 KiB')
    """
    return _in_the_largest(size, 1024, _BINARY)


def of_figure(figure: str, value: int) -> str:
    """A figure as people read it, by the unit that its name ends with.

    >>> of_figure("peak_bytes", 60950432), of_figure("forward_us", 1500), of_figure("parameters", 4096)
    ('58.13 MiB', '1,500 µs', '4,096')
    """
    if figure.endswith("_bytes"):
        return binary(value)
    return f"{exact(value)} µs" if figure.endswith("_us") else exact(value)


def as_the_notes(number: int) -> str:
    """The notes' rounding: two leading digits and a K or an M, whole millions from 10M on.

    Counts below 10,000 stay as they are.

    >>> [as_the_notes(n) for n in (150528, 3211264, 802816, 25088, 4096, 138344128)]
    ['150K', '3.2M', '800K', '25K', '4096', '138M']
    """
    if number < 10_000:
        return str(number)
    step: int = min(10 ** (len(str(number)) - 2), 10**6)
    rounded = (number + step // 2) // step * step
    if rounded < 10**6:
        return f"{rounded // 1000}K"
    whole, tenths = rounded // 10**6, rounded // 10**5 % 10
    return f"{whole}.{tenths}M" if tenths else f"{whole}M"


def shape(dimensions: tuple[int, ...]) -> str:
    """A shape as it is read aloud.

    >>> shape((64, 224, 224)), shape((1000,))
    ('64×224×224', '1000')
    """
    return "×".join(map(str, dimensions))


def plural(number: int, noun: str) -> str:
    """A number and its noun, in agreement.

    >>> plural(1, "image"), plural(8, "image"), plural(10, "class")
    ('1 image', '8 images', '10 classes')
    """
    ending = "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}" + ("" if number == 1 else ending)


def listed(words: Iterable[str], last_word: str = "and", most: int | None = None) -> str:
    """Words as a list in a sentence; of more than ``most``, the first and how many more there are.

    >>> listed(["A"]), listed(["A", "B", "D"]), listed(["A", "B"], "or")
    ('A', 'A, B and D', 'A or B')
    >>> listed(["A", "B", "C", "D"], most=2)
    'A, B and 2 more'
    """
    *others, last = words
    if most is not None and len(others) >= most:
        others, last = others[:most], f"{len(others) + 1 - most} more"
    return f"{', '.join(others)} {last_word} {last}" if others else last


def decimal(size: int) -> str:
    """Bytes in the largest decimal unit that leaves a whole part, as disks and networks are sold.

    >>> decimal(96000000), decimal(553430176)
    ('96.00 MB', '553.43 MB')
    """
    return _in_the_largest(size, 1000, _DECIMAL)


def _in_the_largest(size: int, base: int, names: Sequence[str]) -> str:
    """With two decimals, in the largest unit of which there is one or more; bytes are whole."""
    power = 0
    while rounded(abs(size), base**power, 100) >= 100 * base and power < len(names) - 1:
        power += 1
    return f"{scaled(size, base**power, 2 if power else 0)} {names[power]}"


def times(ratio: float) -> str:
    """A ratio with two decimals, or as many as it takes to tell it apart from 0 and 1.

    >>> times(1), times(126981024 / 72757152), times(73060264 / 72757152), times(0.0016)
    ('×1.00', '×1.75', '×1.004', '×0.002')
    """
    places = 2
    while round(ratio, places) in (0, 1) and ratio not in (0, 1) and places < 9:
        places += 1
    return f"×{ratio:,.{places}f}"


def ratio(number: int, base: int) -> str:
    """How many times one whole number is another, in words.

    >>> ratio(126981024, 72757152), ratio(73060264, 72757152), ratio(12, 6)
    ('1.75 times', '1.004 times', '2 times')
    """
    whole, rest = divmod(number, base)
    return f"{times(number / base)[1:] if rest else f'{whole:,}'} times"


def percent(part: int, whole: int) -> str:
    """A share with at least two leading digits. A part never shows as 100 %, nor a positive share as 0 %.

    >>> percent(102764544, 138357544), percent(13416, 138357544), percent(99998, 10**5), percent(1, 10**15)
    ('74.3 %', '0.0097 %', '>99.9 %', '<0.1 %')
    """
    share = 100 * part / whole
    if 99.95 <= share < 100:
        return ">99.9 %"
    if 0 < share < 1e-6:
        return "<0.1 %"
    places = 1
    while part and share < 10 ** (1 - places) and places < 9:
        places += 1
    return f"{share:,.{places}f} %"
