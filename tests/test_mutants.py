"""Every mutation of ``tests/mutants`` still applies; whether its tests find it, running them says."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter

import pytest

from tests.mutants.mutation import ROOT, Mutation, mutations
from tests.mutants.page import PAGE, Outcome, page

ALL = mutations()
LINE = re.compile(r"\| (\S+) \| (.+) \| (?:`(test_\w+\.py)::(\w+)`|equivalent: .+|\*\*survived\*\*) \|")


def source(mutation: Mutation) -> str:
    return (ROOT / "vgg_profile" / mutation.file).read_text(encoding="utf-8")


@pytest.mark.parametrize("mutation", ALL, ids=lambda each: f"{each.file}: {each.name}")
def test_its_text_is_found_once_and_its_tests_are_there(mutation: Mutation) -> None:
    assert mutation.applied(source(mutation)) != source(mutation)
    assert mutation.tests
    for test in mutation.tests:
        file, _, name = test.partition("::")
        assert f"def {name}" in (ROOT / "tests" / file).read_text(encoding="utf-8")


def test_the_page_names_every_mutation_and_the_tests_are_there_that_found_them() -> None:
    """What came of each, at the last run of all: ``python -m tests.mutants`` writes it anew."""
    text = PAGE.read_text(encoding="utf-8")
    rows = [match.groups() for match in map(LINE.fullmatch, text.splitlines()) if match]
    assert [(file, name) for file, name, *_ in rows] == [(each.file, each.name) for each in ALL]
    by = [(file, test) for *_, file, test in rows if file]
    assert f"{len(by)} of {sum(not each.equivalent for each in ALL)} were found" in text
    for file, test in set(by):
        assert f"def {test}(" in (ROOT / "tests" / file).read_text(encoding="utf-8")


def test_a_page_tells_found_survived_and_equivalent_apart_and_leaves_none_out() -> None:
    first, second, third = (dataclasses.replace(ALL[0], name=name) for name in "abc")
    third = dataclasses.replace(third, equivalent="no answer changes")
    outcomes = {
        first.key: Outcome("found", 1.0, "test_fit.py::test_no_image_at_all[x]"),
        second.key: Outcome("SURVIVED", 1.0),
    }
    text = page((first, second, third), outcomes)
    assert [line.rpartition(" | ")[2] for line in text.splitlines()[-3:]] == [
        "`test_fit.py::test_no_image_at_all` |",
        "**survived** |",
        "equivalent: no answer changes |",
    ]
    assert "1 of 2 were found, 50.0 %; 1 can be found by no test" in text
    with pytest.raises(KeyError):
        page((first, second, third), {})


def test_none_is_there_twice() -> None:
    assert max(Counter(each.key for each in ALL).values()) == 1


@pytest.mark.parametrize("change", [("no such text", ""), ("import", "import")])
def test_a_text_that_is_gone_or_there_twice_is_refused(change: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match=f"times {change[0]!r}"):
        dataclasses.replace(ALL[0], changes=(change,)).applied(source(ALL[0]))
