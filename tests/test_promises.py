"""The table of promises in CONTRIBUTING: each names a test that is there."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent


def test_every_promise_names_a_test_that_is_there() -> None:
    contributing = (TESTS.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\|.*\| (`test_.*)\|$", contributing, re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`(test_\w+\.py)`", row)]
    assert len(rows) >= 12
    assert [name for name in named if not (TESTS / name).is_file()] == []
