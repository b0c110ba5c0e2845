"""A number that carries its own working: 1,728 and ``(3*3*3)*64`` are one object.

The notes print each figure beside its arithmetic. Here the text and the number are built by the
same call, so they cannot disagree: whoever evaluates ``working`` gets ``value``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Count:
    """An exact count and the arithmetic that gives it.

    >>> product(product(3, 3, 64), 128)
    Count(value=73728, working='(3*3*64)*128')
    """

    value: int
    working: str

    def __int__(self) -> int:
        return self.value

    @property
    def is_plain(self) -> bool:
        """Whether the working is the bare number, with nothing to show beside it."""
        return self.working == str(self.value)


def plain(value: int) -> Count:
    """A count that needs no working: ``plain(4096)`` is 4096, as ``4096``."""
    return Count(value, str(value))


ZERO = plain(0)


@lru_cache(4096)  # of thousands of layers most are alike
def product(*factors: int | Count) -> Count:
    """Multiply, in the order given; a factor that has a working of its own stands in brackets.

    >>> product(224, 224, 64)
    Count(value=3211264, working='224*224*64')
    """
    if len(factors) < 2:
        return _as_count(factors[0]) if factors else plain(1)
    value, workings = 1, []
    for factor in factors:
        if isinstance(factor, int):
            value *= factor
            workings.append(str(factor))
        else:
            value *= factor.value
            workings.append(factor.working if factor.working.isdigit() else f"({factor.working})")
    return Count(value, "*".join(workings))


def total(terms: Iterable[int | Count]) -> Count:
    """Add up; terms that are zero leave no trace in the working.

    >>> total([product(product(3, 3, 3), 64), 64])
    Count(value=1792, working='(3*3*3)*64+64')
    """
    counts = [count for count in map(_as_count, terms) if count.value]
    if not counts:
        return ZERO
    return Count(sum(count.value for count in counts), "+".join(count.working for count in counts))


def _as_count(number: int | Count) -> Count:
    return number if isinstance(number, Count) else plain(number)
