"""Times that lie: all divided alike they are no longer a clock's, or no processor's; what is left is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_forged_records import NAMES, few, folder, fresh, signed, verdict

__all__ = ["folder"]  # a fixture, which pytest finds by its name here


def divided(name: str, by: float, *, to_the_nanosecond: bool = False, with_rate: bool = False) -> str:
    """A record whose times are all divided, signed anew."""
    content: dict[str, Any] = fresh(name)

    def of_time(value: float) -> float:
        return round(value / by * 1e9) / 1e9 if to_the_nanosecond else value / by

    for reading in content["readings"]:
        if reading["unit"] == "s":
            _change(reading, of_time)
        elif reading["unit"] == "FLOP/s" and with_rate:
            _change(reading, lambda value: value * by)
    return signed(content)


def _change(reading: dict[str, Any], change: Callable[[float], float]) -> None:
    """A figure, and the least and the most that it is a median of."""
    reading["value"] = change(reading["value"])
    if "spread" in reading:
        reading["spread"] = list(map(change, reading["spread"]))


@few
@given(by=st.integers(3, 10**6) | st.floats(1.001, 1e6))
@pytest.mark.parametrize("name", NAMES)
def test_times_divided_alike_are_no_clocks(name: str, by: float, folder: Path) -> None:
    assert verdict(divided(name, by), name, folder) == "REFUSED"


@few
@given(by=st.integers(1000, 10**6), with_rate=st.booleans())
@pytest.mark.parametrize("name", ["A-cpu", "D-checkpoint-cpu"])
def test_no_processor_is_a_thousand_times_as_fast(name: str, by: int, with_rate: bool, folder: Path) -> None:
    forged = divided(name, by, to_the_nanosecond=True, with_rate=with_rate)
    assert verdict(forged, name, folder) == "REFUSED"


@pytest.mark.parametrize("name", NAMES)
def test_what_a_record_cannot_prove_is_said(name: str, folder: Path) -> None:
    """Times of half the length, to the nanosecond, pass: no record proves its times, as is said."""
    forged = divided(name, 2, to_the_nanosecond=True, with_rate=True)
    assert verdict(forged, name, folder) == "PASS"
    claims = (Path(__file__).parents[1] / "docs" / "claims.md").read_text(encoding="utf-8")
    assert "no record proves its times" in " ".join(claims.split())
