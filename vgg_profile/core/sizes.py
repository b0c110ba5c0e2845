"""Bytes as a function of the batch, and the bytes of a value."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

Shape = tuple[int, ...]


class Bytes(NamedTuple):
    """A size in bytes as a function of the batch: ``fixed + per_image * batch``.

    >>> Bytes(4, 12).at(batch=8)
    100
    """

    fixed: int
    per_image: int

    def at(self, batch: int) -> int:
        return self.fixed + self.per_image * batch

    def plus(self, other: Bytes) -> Bytes:
        return Bytes(self.fixed + other.fixed, self.per_image + other.per_image)

    def times(self, count: int) -> Bytes:
        return Bytes(self.fixed * count, self.per_image * count)


NOTHING = Bytes(0, 0)


def added_up(sizes: Iterable[Bytes]) -> Bytes:
    """The sum of sizes.

    >>> added_up([Bytes(4, 12), Bytes(1, 0)])
    Bytes(fixed=5, per_image=12)
    """
    return Bytes(*map(sum, zip(NOTHING, *sizes, strict=True)))


FLOAT64 = 8
"""The bytes of a value that oneDNN does not convolve, and of a Python number that became a tensor."""

FLOAT32 = 4
"""The bytes of a value that autocast reads and leaves alone, or raises to."""

HALF = 2
"""The bytes of a value in bfloat16 and float16."""

ITEMSIZE = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}
"""Bytes a value, for each dtype that a network can have."""

TARGET_BYTES = 8
"""A class index is an int64."""
