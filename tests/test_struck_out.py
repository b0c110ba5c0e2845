"""A prediction struck out in any one place fails: a PASS means that the number could have been wrong.

Each storage of a predicted step in turn is given no bytes, and the step is held against a real one's record.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from vgg_profile.check.crosscheck import lay_over
from vgg_profile.check.results import Verdict
from vgg_profile.check.subject import profile_for, setup_of
from vgg_profile.core.book import Book
from vgg_profile.core.events import Category, Storage
from vgg_profile.core.sizes import NOTHING
from vgg_profile.core.step import Step
from vgg_profile.measure.reading import load
from vgg_profile.predict.steps import ledger
from vgg_profile.predict.vgg.configs import from_dict

RECORDS = sorted((Path(__file__).parents[1] / "reports" / "measured").glob("*-cpu.json"))


@cache
def struck_out(path: Path) -> list[tuple[Storage, bool, bool]]:
    """Every storage, whether any figure of the step changes without it, and whether the record says so."""
    record = load(path)
    step = ledger(profile_for(from_dict(record.subject["config"]), record), setup_of(record))
    assert lay_over(step, record).verdict is Verdict.PASS
    found = []
    for storage in [storage for event in step.events for storage in event.allocated]:
        size, storage.size = storage.size, NOTHING
        without = Step(step.profile, Book(step.events, step.marks))
        changes = [m[2:5] for m in without.moments] != [m[2:5] for m in step.moments]
        found.append((storage, changes, lay_over(without, record).verdict is Verdict.FAIL))
        storage.size = size
    return found


COVERED = {
    **dict.fromkeys(
        (
            "weight in blocks",
            "input in blocks",
            "input gradient in blocks",
            "output gradient in blocks",
            "output gradient in blocks, again",
            "scratchpad",
        ),
        "beside larger blocks of the same kernel; test_kernels compares these in the allocator's order",
    ),
    "workspace": "dropout's rate as a tensor, before the output is there",
    **dict.fromkeys(("root", "denom", "correction"), "Adam's, of a parameter smaller than fc6's weight"),
    **dict.fromkeys(
        ("gradient of weight, cast", "gradient of bias, cast"), "gone before autocast's copies are made"
    ),
}
"""What may be struck out unnoticed somewhere, because other bytes are live at that part's most; and why."""


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_whatever_is_struck_out_fails_if_it_changes_any_figure(path: Path) -> None:
    found = struck_out(path)
    assert len(found) > 150
    for storage, changes, fails in found:
        assert changes == fails, f"{storage.what} of {storage.layer}"
    unnoticed = {storage.what for storage, _, fails in found if not fails}
    assert unnoticed <= COVERED.keys()
    kept = {Category.WEIGHTS, Category.ACTIVATIONS, Category.INDICES, Category.MASKS, Category.GRADIENTS}
    assert all(fails for storage, _, fails in found if storage.category in kept), "all that stays is noticed"


def test_what_is_listed_as_covered_is_struck_out_unnoticed_somewhere() -> None:
    unnoticed = {storage.what for path in RECORDS for storage, _, fails in struck_out(path) if not fails}
    assert unnoticed == COVERED.keys()


def test_every_kind_of_temporary_is_noticed_somewhere() -> None:
    """But two, which are live beside more wherever they are: a kernel's own test finds them."""
    found = [each for path in RECORDS for each in struck_out(path)]
    noticed = {storage.what for storage, _, fails in found if fails}
    assert {storage.what for storage, *_ in found} - noticed == {
        "input gradient in blocks",
        "output gradient in blocks",
    }


def test_with_every_temporary_struck_out_every_record_fails() -> None:
    """The hole that this closes: a surplus in a convolution passed, whatever it was."""
    for path in RECORDS:
        record = load(path)
        step = ledger(profile_for(from_dict(record.subject["config"]), record), setup_of(record))
        for event in step.events:
            for storage in event.allocated:
                if storage.category in (Category.TEMPORARY, Category.SCRATCH):
                    storage.size = NOTHING
        without = Step(step.profile, Book(step.events, step.marks))
        assert lay_over(without, record).verdict is Verdict.FAIL, path.stem
