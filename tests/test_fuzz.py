"""A short run of what ``python -m tests.fuzz`` does at length."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.kinds import KINDS
from tests.fuzz.running import run_kind

SHARES = {
    "arguments": 0.01,
    "measured": 0.05,
    "configs": 0.04,
    "records": 0.005,
    "weights": 0.02,
    "diagnose": 0.05,
    "signals": 0.1,
}
SLOW = {"diagnose", "measured", "signals", "weights"}


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.slow) if kind in SLOW else kind for kind in KINDS]
)
def test_nothing_goes_wrong(kind: str, tmp_path: Path) -> None:
    row = run_kind(kind, SHARES[kind], seed=1, folder=tmp_path)
    assert row.tried >= KINDS[kind][0] * SHARES[kind] - 1
    assert row.problems == []


def test_what_goes_wrong_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An honest record that is called a lie passes, and that is a problem."""
    number, make = KINDS["records"]

    def honest(chance: object, folder: Path) -> object:
        case = make(chance, folder)  # type: ignore[arg-type]
        case.files = {"r.json": Path("reports/measured/A-cpu.json").read_bytes()}
        return case

    monkeypatch.setitem(KINDS, "records", (number, honest))  # type: ignore[arg-type]
    row = run_kind("records", 0.0001, seed=1, folder=tmp_path)
    assert [problem.partition(":")[0] for problem in row.problems] == ["a lie passes"] * 4
