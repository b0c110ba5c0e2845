"""Pairs of parameters: a few by turns in every run of the tests, all of them in the long proofs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def by_turns(ones: Iterable[Any], others: Iterable[Any]) -> list[Any]:
    """Every pair; ``slow`` are all but one of each of the ``ones``: the first with the first, and so on.

    Each of the ``others`` has its turn, if they are no more.
    """
    others = list(others)
    return [
        pytest.param(one, other, marks=() if turn == place % len(others) else pytest.mark.slow)
        for place, one in enumerate(ones)
        for turn, other in enumerate(others)
    ]
