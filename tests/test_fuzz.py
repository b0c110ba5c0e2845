"""A short run of what ``python -m tests.fuzz`` does at length."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fuzz.addresses import Page
from tests.fuzz.kinds import KINDS
from tests.fuzz.page import PAGE, Rows, keep, page
from tests.fuzz.running import Row, run_kind

SHARES = {
    "arguments": 0.01,
    "measured": 0.05,
    "configs": 0.04,
    "records": 0.005,
    "weights": 0.02,
    "diagnose": 0.05,
    "signals": 0.1,
    "completed": 0.05,
    "terminals": 0.02,
    "addresses": 0.02,
    "budgets": 0.04,
    "own tables": 0.02,
    "traced": 0.02,
    "against": 0.05,
    "columns": 0.03,
    "kept": 0.03,
    "networks": 0.02,
}
SLOW = {"addresses", "diagnose", "measured", "networks", "signals", "traced", "weights"}


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.slow) if kind in SLOW else kind for kind in KINDS]
)
def test_nothing_goes_wrong(kind: str, tmp_path: Path) -> None:
    try:
        row = run_kind(kind, SHARES[kind], seed=1, folder=tmp_path)
    except (ImportError, FileNotFoundError) as error:
        pytest.skip(str(error))  # no playwright, no Chromium
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


@pytest.mark.slow
def test_an_address_that_becomes_part_of_the_page_is_seen(browser: Any, tmp_path: Path) -> None:
    page = Page(browser, tmp_path / "page.html")
    assert page.go_to("#net=<img>")["odd"] == ""
    page.page.evaluate("""addEventListener("hashchange", () =>
        document.body.insertAdjacentHTML("beforeend", decodeURI(location.hash)))""")
    assert page.go_to("#net=<img>")["odd"] == "the address became part of the page"


def test_a_page_adds_seeds_up_and_says_what_was_not_run(tmp_path: Path) -> None:
    rows: Rows = {}
    for seed, problems in ((1, []), (2, ["a lie passes: x"])):
        row = Row("records", 10, {2: 7, 0: 1, 3: 2}, memory=2**20 * seed, seconds=seed, problems=problems)
        rows = keep(tmp_path / "rows.json", row, seed)
    text = page(rows)
    assert "20 hostile inputs were run" in text
    assert "1 of them went wrong" in text
    assert "| records | 40,000 | 20 | 14 | 2 | 4 | 1 | 2 | 2.0 |" in text
    assert "Not run: arguments," in text


def test_the_page_that_is_kept_has_nothing_that_went_wrong() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert "; 0 of them went wrong." in text
    kinds = [line.split(" | ")[0].removeprefix("| ") for line in text.splitlines() if line.startswith("| ")]
    assert kinds[2:] == [name for name in KINDS if name in kinds[2:]]
