"""The digits of a number in a unit, by integer arithmetic alone, so that each of them is right.

``units`` writes them in Python, and a live page in JavaScript: ``write.javascript`` translates this file, so
an operation that it does not know cannot be used here. Intermediate results stay below 2^53, from where a
script's numbers skip integers, as long as the number does.
"""

from __future__ import annotations


def rounded(number: int, scale: int, parts: int) -> int:
    """``number / scale`` in parts of one, to the nearest; halfway between two, to the even one.

    >>> rounded(60950432, 2**20, 100), rounded(5, 2, 1), rounded(7, 2, 1)
    (5813, 2, 4)
    """
    rest = number % scale * parts
    count = number // scale * parts + rest // scale
    twice = 2 * (rest % scale)
    if twice > scale or (twice == scale and count % 2 == 1):
        count += 1
    return count


def decimals(count: int, places: int) -> str:
    """A number of parts as text: a whole number in groups of three, and so many decimals.

    >>> decimals(823456, 2), decimals(1234, 0)
    ('8,234.56', '1,234')
    """
    parts = 10**places
    whole = f"{count // parts:,}"
    return whole if places == 0 else f"{whole}.{count % parts:0{places}}"


def scaled(number: int, scale: int, places: int) -> str:
    """``number / scale`` with so many decimals, rounded half to even, as Python writes an exact quotient.

    >>> scaled(60950432, 2**20, 2), scaled(-4802019328, 2**30, 3)
    ('58.13', '-4.472')
    """
    sign = "-" if number < 0 else ""
    return f"{sign}{decimals(rounded(abs(number), scale, 10**places), places)}"


def trimmed(count: int, places: int) -> str:
    """A number of parts as text, with the decimals that it needs.

    >>> trimmed(1500, 3), trimmed(2000, 3)
    ('1.5', '2')
    """
    while places > 0 and count % 10 == 0:
        count //= 10
        places -= 1
    return decimals(count, places)


def from_thousandths(count: int, scale: int) -> int:
    """So many thousandths of a unit, rounded down to whole ones: the bytes of 23.52 GiB.

    >>> from_thousandths(23520, 2**30) == int(23.52 * 2**30)
    True
    """
    return count // 1000 * scale + count % 1000 * scale // 1000


def ticks(most: int, scale: int, parts: int) -> list[int]:
    """Round numbers along an axis from 0 to ``most / scale``, some five of them, in parts of one.

    >>> ticks(7 * 2**30, 2**30, 1000), ticks(1500, 1, 1)
    ([0, 2000, 4000, 6000], [0, 500, 1000, 1500])
    """
    length = most // scale * parts + most % scale * parts // scale
    power = 1
    while 50 * power < length:
        power *= 10
    step = min([each * power for each in [1, 2, 5, 10] if 5 * each * power >= length])
    return [step * number for number in range(length // step + 1)]
