"""What is claimed of versions of PyTorch is what ``examples/run_versions.py`` found, no more."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from examples.run_versions import Row, page
from vgg_profile.core.units import listed
from vgg_profile.core.verified import EXACT_WITH, tried

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "reports" / "versions.md"
ROWS = [Row(**json.loads(line)) for line in PAGE.with_suffix(".jsonl").read_text("utf-8").splitlines()]

SAYING = ("README.md", "docs/claims.md", "reports/versions.md")


def claimed(text: str) -> list[str]:
    """The versions of every sentence that says so."""
    said = re.findall(r"No figure is off with (?:torch )?([\d., and]*\d)", re.sub(r"\s+", " ", text), re.I)
    return [each.strip(" ,") for each in said]


def test_the_page_is_what_the_rows_say() -> None:
    assert PAGE.read_text("utf-8") == "\n".join(page(ROWS)) + "\n"


def test_the_list_has_the_versions_of_which_no_figure_was_off() -> None:
    assert [row.version for row in ROWS if not (row.off or row.failed)] == list(EXACT_WITH)
    assert all(row.passed + row.unsure == 40 and row.checks for row in ROWS if row.version in EXACT_WITH)


@pytest.mark.parametrize("name", SAYING)
def test_no_page_claims_another_version(name: str) -> None:
    assert claimed((ROOT / name).read_text("utf-8")) == [listed(EXACT_WITH)]


def test_a_claim_of_another_version_is_seen() -> None:
    assert claimed("So no figure is\noff with torch 2.6 and 2.7: fine") == ["2.6 and 2.7"]


def test_the_least_version_that_is_installed_is_no_older_than_one_that_was_tried() -> None:
    needs = (ROOT / "pyproject.toml").read_text("utf-8")
    least = re.search(r'"torch>=([\d.]+)"', needs)
    assert least
    assert _parts(least[1]) >= _parts(EXACT_WITH[0])


def test_a_version_that_was_not_tried_is_said_to_be_so() -> None:
    for version in EXACT_WITH:
        assert tried(f"{version}+cu126") == f"no figure is off with torch {version}"
    assert tried("1.13.1").startswith("torch 1.13.1 was not tried")


def _parts(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
