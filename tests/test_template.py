"""A network is run once on paper; what kernels take is filled in for each batch and machine."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from examples.prove import draw
from vgg_profile.ask import cards
from vgg_profile.ask.question import Question
from vgg_profile.core.book import Book
from vgg_profile.core.errors import InputError
from vgg_profile.core.setting import PROCESSORS, Setup
from vgg_profile.predict.vgg import step as paper
from vgg_profile.predict.vgg.step import trace
from vgg_profile.predict.vgg.walk import walk


@pytest.mark.parametrize("seed", range(12))
def test_an_outline_is_that_of_the_written_book(seed: int) -> None:
    """Peaks and guesses are the same whether a book is read or told, to the byte."""
    choose = random.Random(f"outline {seed}")
    compared = 0
    while compared < 5:
        drawn, setting = draw(choose)
        setup = replace(setting.setup, processor=choose.choice((None, *PROCESSORS)))
        try:
            step = trace(walk(drawn, **setting.tensors), setup)
        except InputError:
            continue
        told = step.asked_again(setting.batch).book
        read = replace(told, outline=None)
        assert told.is_at_least == read.is_at_least == any(event.scratch for event in told.events)
        for batch in (1, 2, setting.batch, 1000, 10**6):
            assert told.peak_bytes(batch) == read.peak_bytes(batch) == read.highest(batch).at(batch)
        for limit in (0, 10**5, 2**20, 2**24, 2**30):
            assert told.guess(limit) == read.guess(limit)
        compared += 1


def test_a_network_is_run_once_for_all_machines_and_written_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four families are asked, batch after batch; of one step alone the book is read."""
    runs, written = [], []
    run, write = paper._run, paper.Template._written
    monkeypatch.setattr(paper, "_run", lambda *given, **how: runs.append(given) or run(*given, **how))
    monkeypatch.setattr(
        paper.Template, "_written", lambda self, kernels: written.append(kernels) or write(self, kernels)
    )
    paper._template.cache_clear()
    fit = Question(walk("8,M", input=16, batch_norm=True), cards.memory("2GiB")).answer()
    assert fit.largest_batch > 1
    assert (len(runs), written) == (1, [])
    assert fit.binding.at(fit.batch) == fit.peak_bytes
    assert len(written) == 1


def test_books_of_two_batches_share_their_tensors() -> None:
    """Only what kernels take is each book's own."""
    step = trace(walk("8,M", input=16), Setup(processor="avx512", threads=2))
    one, other = (step.asked_again(batch).book for batch in (2, 3))

    def storages(book: Book) -> dict[int, str]:
        return {id(each): each.category.value for event in book.events for each in event.allocated}

    mine, theirs = storages(one), storages(other)
    assert {mine[each] for each in mine.keys() - theirs.keys()} == {"scratch"}
    assert mine.keys() & theirs.keys()
