"""The words of an operation: what its kernel takes and gives back, and the rules that say so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

Changes = tuple[int, ...]


class OperationMemory(NamedTuple):
    """An operation's changes, and the bytes of its new results where they are not what their shapes say."""

    changes: Changes
    results: tuple[int, ...] | None = None
    strides: tuple[tuple[int, ...], ...] = ()
    """How its new results lie, where that was seen: fake tensors may take them to lie otherwise."""
    is_least: bool = False
    """Whether the kernel takes more than that, and nobody knows how much."""
    is_probed: bool = False
    """Whether it was read off that operation, run alone on this machine."""


Rule = Callable[[Any, tuple[Any, ...], Sequence[int]], OperationMemory | None]
"""From an operation, its arguments and the bytes of its new results to its changes."""

RULES: dict[str, Rule] = {}
"""By the operation's name."""


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register what follows as the rule of these operations."""

    def register(rule: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, rule))
        return rule

    return register


def in_passing(taken: Sequence[int], results: Sequence[int] = ()) -> Changes:
    """What is taken before the results are there, and given back afterwards, the last first.

    >>> in_passing([8, 4], [400])
    (8, 4, 400, -4, -8)
    """
    return (*taken, *results, *(-size for size in reversed(taken)))


@cache
def name_of(func: Any) -> str:
    """ATen's name of an operation; of others, their library's, too."""
    return str(func._schema.name).removeprefix("aten::")


def names(words: str) -> frozenset[str]:
    """Operations by their names, in one text."""
    return frozenset(words.split())
