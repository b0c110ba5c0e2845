"""What is worked out when somebody first looks at it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TypeVar, overload

T = TypeVar("T")


class Lazy(Sequence[T]):
    """A sequence as ``work`` gives it, asked once, and not before anything of it is needed.

    >>> squares = Lazy(lambda: [each * each for each in range(4)])
    >>> squares[-1], len(squares), list(squares) == squares[:]
    (9, 4, True)
    """

    def __init__(self, work: Callable[[], Sequence[T]]) -> None:
        self._work = work

    @cached_property
    def _found(self) -> Sequence[T]:
        return self._work()

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[T]: ...
    def __getitem__(self, place: int | slice) -> T | Sequence[T]:
        return self._found[place]

    def __len__(self) -> int:
        return len(self._found)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))
