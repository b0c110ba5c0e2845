"""Functions that Python and the page's JavaScript must do alike, and the values that they are tried with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache, cached_property, lru_cache, partial
from itertools import accumulate, chain, groupby, pairwise
from math import prod
from typing import Any, ClassVar, NamedTuple

LIMIT = 5
PAIR, OTHER = 6, [7]


def reserved_names(new: list[int], void: int) -> Any:
    var = [void for void in new]  # noqa: C416
    return [var, void]


def constants(a: int) -> Any:
    return [LIMIT + a, PAIR, OTHER]


def _given(a: int, b: int = 2, *, c: int = 3, d: int = 4) -> list[int]:
    return [a, b, c, d]


def keywords(a: int) -> Any:
    return [_given(a), _given(a, d=1), _given(a, c=a, b=0)]


def _many(first: Any, *rest: Any) -> list[Any]:
    return [first, rest]


def any_number(a: list[int]) -> Any:
    return [_many(*a), _many(0, *a, 5)]


def what_is_true(a: list[int]) -> Any:
    return [a or [1], a and a[0], not a, 1 if a else 2, None if a else 0]


def lists(a: list[int]) -> Any:
    return [
        [0] * 3,
        [*a] + a,  # noqa: RUF005
        "ab" * 2,
        [a] * (len(a) > 1),
        tuple(a) == (1, 2),
        a != [1],
        a[::-1],
    ]


def dicts(a: int) -> Any:
    found = {"x": a, **{"y": 2}}  # noqa: PIE800
    found["z"] = found.pop("y")
    return [found, found.get("q", 7), "x" in found, list(found), found.setdefault("x", 3)]


def comprehensions(a: list[int]) -> Any:
    return [{k: v for k, v in enumerate(a, start=3) if v != 1}[3], sorted({2 * each for each in a})]


def sorting(a: list[int]) -> Any:
    return [sorted(a, key=lambda x: -x), max(a, key=lambda x: -x), max([], default=4), min(a), a[1:], a[-1]]


def _squares(n: int) -> Iterator[int]:
    yield from range(n)
    yield n * n


def generators(n: int) -> Any:
    first, *rest = _squares(n)
    return [first, rest, next(_squares(n)), any(x > 3 for x in _squares(n)), all(x > 3 for x in _squares(n))]


def aliases(a: list[int]) -> Any:
    b = c = a
    del b[1:]
    b.append(0)
    return [a, c]


def words(a: list[int]) -> Any:
    text = "-".join(str(x) for x in a)
    return [
        text.partition("-"),
        text.removeprefix("1-"),
        text.removeprefix("-"),
        text.startswith("1"),
        text.isdigit(),
        f"{a[0]:,} {a[0]:0{4}}",
    ]


def loops(a: list[int]) -> Any:
    pairs = [sum(x for _, _, x in [[1, 2, each]]) for _ in a for each in a]
    for x in a:
        if x == 2:
            continue
        if x > 3:
            break
    return [pairs, x, 0 < x <= 4, x is None, x is not None]


@dataclass(frozen=True)
class Plain:
    x: int
    y: list[int] = field(default_factory=list)
    kind: ClassVar[str] = "plain"

    @property
    def double(self) -> int:
        return 2 * self.x

    @cached_property
    def half(self) -> int:
        return self.x // 2

    def plus(self, other: Plain, *, more: int = 0) -> Plain:
        return replace(self, x=self.x + other.x + more)


@dataclass(frozen=True)
class Other(Plain):
    z: int = 5
    kind: ClassVar[str] = "other"

    @property
    def double(self) -> int:
        return self.z


@dataclass(eq=False)
class Itself:
    x: int


def dataclasses(n: int) -> Any:
    a = Plain(n)
    return [
        [a.double, a.half, a.half, a.plus(Plain(1), more=3).x, a.y, a.kind, Other(n).kind],
        [a == Plain(n), a == Plain(n + 1), Itself(1) == Itself(1), Other(n).double, Other(n, z=1).z],
        [isinstance(Other(1), Plain), isinstance(a, (Other, int)), isinstance(n, int), isinstance("", str)],
    ]


class Pair(NamedTuple):
    x: int
    y: int = 2

    def swapped(self) -> Pair:
        return Pair(self.y, self.x)


def named_tuples(n: int) -> Any:
    x, y = Pair(n).swapped()
    return [x, y, Pair(n) == (n, 2), [*Pair(y=1, x=n)], Pair(n)[1], Pair(n) != Pair(n, 3), bool(Pair(0, 0))]


class Number(StrEnum):
    ONE = "one"
    TWO = "two"


def enums(n: int) -> Any:
    return [Number.ONE, list(Number), f"{Number.TWO}!", Number.ONE is Number.TWO, Number.ONE == "one", n]


class Held:
    def __init__(self, n: int, *, more: int = 1) -> None:
        self.seen = [n, more]

    @contextmanager
    def held(self, x: int) -> Iterator[None]:
        self.seen.append(x)
        yield
        self.seen.append(-x)


def contexts(n: int) -> Any:
    held = Held(n, more=9)
    with held.held(2):
        held.seen.append(0)
    return held.seen


def _minus(a: int, b: int) -> int:
    return a - b


def libraries(a: list[int]) -> Any:
    return [
        [prod(a), [[key, list(of)] for key, of in groupby(a, key=lambda x: x // 2)], list(pairwise(a))],
        [list(accumulate(a, initial=5)), list(map(a.__getitem__, [0, -1]))],
        [list(chain(a, [9])), list(chain.from_iterable([a, a])), partial(_minus, 5)(2)],
        [list(map(_minus, a, a)), list(filter(None, a)), dict.fromkeys(a, 1)[2], list(reversed(a))],
    ]


def identities(n: int) -> Any:
    one, other = [n], [n]
    seen = {id(one): "one"}
    return [seen[id(one)], id(other) in seen, seen.get(id(other))]


def at_once(a: list[int]) -> Any:
    x, y = a[0], a[1]
    x, y = y, x + y
    held = Held(x)
    held.seen, x = [y, x], len(held.seen)
    return [x, y, held.seen]


def parts(a: list[int]) -> Any:
    found = [(x, y, z) for _, (x, y) in enumerate(zip(a, [*a[1:], 0], strict=True)) for z in (x, y) if z != 2]
    for place, (x, *rest) in enumerate([(1, 2, 3), a], start=1):
        found.append((place, x, rest))
    (x, y), z = Pair(a[0]), {k: v for k, v in [Pair(*a[:2])]}  # noqa: C416
    found.extend([(x, y), *z.items()])
    return found


@lru_cache(maxsize=1)
def _kept(pair: Pair, n: int = 1) -> list[int]:
    return [*pair, n]


@cache
def _once() -> list[int]:
    return [1]


def what_is_kept(n: int) -> Any:
    pair, other = Pair(n), Pair(n + 1)
    kept = [_kept(pair), _kept(pair), _kept(pair, 2), _kept(other, 2), _kept(other)]
    return [kept, kept[0] is kept[1], kept[1] is kept[2], kept[3] is kept[4], _once(), _once() is _once()]


VALUES: dict[str, list[list[Any]]] = {
    "reserved_names": [[[1, 2], 3]],
    "constants": [[1]],
    "keywords": [[9]],
    "any_number": [[[1, 2]], [[3]]],
    "what_is_true": [[[]], [[0]], [[4, 5]]],
    "lists": [[[1, 2]], [[1]]],
    "dicts": [[1]],
    "comprehensions": [[[0, 2, 1]]],
    "sorting": [[[3, 1, 2]]],
    "generators": [[2], [1]],
    "aliases": [[[5, 6, 7]]],
    "words": [[[1, 2, 3]], [[1234567]]],
    "loops": [[[1, 2, 5, 9]], [[2, 3]]],
    "dataclasses": [[4], [7]],
    "named_tuples": [[7]],
    "enums": [[1]],
    "contexts": [[1]],
    "libraries": [[[1, 2, 3, 4, 0]]],
    "identities": [[1]],
    "at_once": [[[1, 2]], [[5, 9]]],
    "parts": [[[1, 2, 3]], [[2, 2, 7, 1]]],
    "what_is_kept": [[3]],
}
