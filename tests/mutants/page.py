"""What came of every mutation, as the page ``reports/mutants.md``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tests.mutants.mutation import ROOT, Mutation

PAGE = ROOT / "reports" / "mutants.md"


class Outcome(NamedTuple):
    """What came of the tests: the first that failed, if any."""

    verdict: str
    seconds: float
    by: str = ""


def page(mutations: Sequence[Mutation], known: Mapping[str, Outcome]) -> str:
    """A line for each mutation: found, by which test; survived; or equivalent, and why.

    ``known`` are outcomes by key; raises ``KeyError`` where a mutation that is not equivalent has none.
    """
    tried = [known[each.key] for each in mutations if not each.equivalent]
    found = sum(outcome.verdict == "found" for outcome in tried)
    lines = [
        "# Mutants",
        "",
        "One line of the rules is changed, and the tests that must find it are run (`tests/mutants/*.toml`).",
        f"{found} of {len(tried)} were found, {100 * found / len(tried):.1f} %; "
        f"{len(mutations) - len(tried)} can be found by no test, since nothing that anyone sees changes.",
        "",
        "Made by `python -m tests.mutants`.",
        "",
        "| file | changed so that | found by |",
        "| --- | --- | --- |",
        *(f"| {each.file} | {each.name} | {_said(each, known)} |" for each in mutations),
    ]
    return "\n".join(lines) + "\n"


def _said(mutation: Mutation, known: Mapping[str, Outcome]) -> str:
    if mutation.equivalent:
        return f"equivalent: {mutation.equivalent}"
    outcome = known[mutation.key]
    return f"`{outcome.by.partition('[')[0]}`" if outcome.verdict == "found" else "**survived**"
