"""Every mutation of ``tests/mutants`` still applies; whether its tests find it, running them says."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest

from tests.mutants.mutation import ROOT, Mutation, mutations

ALL = mutations()


def source(mutation: Mutation) -> str:
    return (ROOT / "vgg_profile" / mutation.file).read_text(encoding="utf-8")


@pytest.mark.parametrize("mutation", ALL, ids=lambda each: f"{each.file}: {each.name}")
def test_its_text_is_found_once_and_its_tests_are_there(mutation: Mutation) -> None:
    assert mutation.applied(source(mutation)) != source(mutation)
    assert mutation.tests
    for test in mutation.tests:
        file, _, name = test.partition("::")
        assert f"def {name}" in (ROOT / "tests" / file).read_text(encoding="utf-8")


def test_none_is_there_twice() -> None:
    assert max(Counter(each.key for each in ALL).values()) == 1


@pytest.mark.parametrize("change", [("no such text", ""), ("import", "import")])
def test_a_text_that_is_gone_or_there_twice_is_refused(change: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match=f"times {change[0]!r}"):
        dataclasses.replace(ALL[0], changes=(change,)).applied(source(ALL[0]))
