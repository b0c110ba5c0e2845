"""A step that is carried away from its network: a book for each stretch of batches, and none beyond."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from any_nets import answer, run
from torch import nn

from vgg_profile.core.errors import InputError
from vgg_profile.predict.fake import trace as tracing
from vgg_profile.predict.fake.one_step import Target, Traced, run_on_fakes
from vgg_profile.predict.traced import load

TURNING = """
from torch import nn

class Turning(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(16, 64)
    def forward(self, x):
        x = self.fc(x)
        return x.exp() + x.sigmoid() if x.shape[0] >= 20 else x

class Alone(nn.Module):
    # one image goes another way than several
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(16, 64)
    def forward(self, x):
        x = self.fc(x)
        return x.exp() + x.sigmoid() if x.shape[0] == 1 else x
"""


def network(beside: Path, name: str = "Turning") -> tuple[str, ...]:
    return (f"{beside.with_name('turning.py')}:{name}", "--input", "16", "--no-probe")


@pytest.fixture(scope="module")
def two_books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that goes another way from 20 images on, carried for 1 to 32."""
    path = tmp_path_factory.mktemp("books") / "many.json"
    path.with_name("turning.py").write_text(TURNING)
    result = run("trace", *network(path), "-o", path)
    assert result.exit_code == 0
    assert "change with the batch: 2 books, for batches 1 to 32" in result.stderr
    return path


def test_carried_books_are_those_of_the_network(two_books: Path) -> None:
    spans = [book.span for book in load(two_books).books]
    assert spans == [(1, 19), (20, 32)]
    for batch in (1, 2, 19, 20, 32):
        asked = [
            answer("timeline", *words, "--batch", batch)["moments"]
            for words in (network(two_books), (two_books,))
        ]
        assert asked[0] == asked[1]


def test_where_one_image_goes_another_way_it_has_a_book_and_the_rest_one_without_an_end(
    two_books: Path,
) -> None:
    path, words = two_books.with_name("alone.json"), network(two_books, "Alone")
    result = run("trace", *words, "-o", path)
    assert "batches from 1 on" in result.stderr
    assert "change with the batch" not in result.stderr
    assert [book.span for book in load(path).books] == [(1, 1), (2, 0)]
    for batch in (1, 2, 500):
        assert answer("timeline", path, "--batch", batch) == answer("timeline", *words, "--batch", batch)
    assert (
        (answer("fit", path, "--memory", "2GiB")["largest_batch"])
        == (answer("fit", *words, "--memory", "2GiB")["largest_batch"])
    )
    points = [
        answer("sweep", source, "--batch", "1..5", *more)["points"] for source, *more in (words, (path,))
    ]
    assert points[0] == points[1]


def test_what_is_traced_without_a_batch_is_of_one_image_as_elsewhere(two_books: Path) -> None:
    assert answer("table", two_books)["batch"] == 1
    least = two_books.with_name("least.json")
    assert run("trace", *network(two_books), "--batch", 4, "-o", least).exit_code == 0
    assert answer("table", least)["batch"] == 4
    assert "--batch 1" in run("timeline", least, "--batch", 1).stderr


def test_among_carried_books_the_largest_batch_is_found(two_books: Path) -> None:
    step = load(two_books)
    for batch in (1, 2, 5, 18, 19, 20, 27, 31):
        peak = step.peak_bytes(batch)
        fits = max(each for each in range(1, 33) if step.peak_bytes(each) <= peak)
        assert step.largest_batch(peak) == fits == batch
    assert step.largest_batch(step.peak_bytes(20) - 1) == 19
    with pytest.raises(InputError, match=r"the last of them fits.* --up-to 128 "):
        step.largest_batch(step.peak_bytes(32))


def test_a_book_of_one_batch_alone_ends_the_search(two_books: Path) -> None:
    step = load(two_books)
    few, many = step.books
    alone = replace(step, carried=(replace(few, most=18), replace(few, only=19), many))
    for batch in (17, 18, 19, 20):
        assert alone.largest_batch(step.peak_bytes(batch)) == batch
    only = replace(step, book=replace(few, only=19), carried=(replace(few, only=19),))
    with pytest.raises(InputError, match="batch 19 alone"):
        only.largest_batch(step.peak_bytes(18))


def test_beyond_its_books_a_carried_step_names_the_trace_to_type(two_books: Path) -> None:
    for words in (("timeline", two_books, "--batch", 33), ("fit", two_books, "--memory", "2GiB")):
        refused = run(*words)
        assert refused.exit_code == 2
        assert "batches 1 to 32" in refused.stderr
        assert "--up-to" in refused.stderr


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The batches that a network was traced at."""
    batches: list[int] = []

    def run_and_note(target: Target, batch: int) -> Traced:
        batches.append(batch)
        return run_on_fakes(target, batch)

    monkeypatch.setattr(tracing, "run_on_fakes", run_and_note)
    return batches


def test_a_book_for_all_batches_is_proved_at_the_largest_and_at_no_fourth(traced: list[int]) -> None:
    step = tracing.trace(nn.Linear(4, 3), "4", batch=2, probe=False, up_to=32)
    assert [book.span for book in step.books] == [(2, 0)]
    assert traced == [2, 3, 32]


def test_the_batch_after_the_one_that_was_asked_about_is_not_joined_with_a_third(traced: list[int]) -> None:
    step = tracing.trace(nn.Linear(4, 3), "4", batch=2, probe=False, every_batch=False)
    books = [step.at(batch).book for batch in (8, 9, 6)]
    assert traced == [2, 8, 9, 6, 7]
    assert [book.peak_bytes(batch) for book, batch in zip(books, (8, 9, 6), strict=True)] == [
        tracing.trace(nn.Linear(4, 3), "4", batch=batch, probe=False, every_batch=False).peak_bytes(batch)
        for batch in (8, 9, 6)
    ]
