"""One training step of one network: its book, at a setting.

Of several micro-batches (``Setup.accumulate``) it is the last: each frees its activations before the next
begins, and adds its gradients in place to those that are there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from vgg_profile.core.book import Book, Line, Moment, answers_for
from vgg_profile.core.display import Displayed
from vgg_profile.core.errors import InputError
from vgg_profile.core.events import Category, Event, Mark, Phase, Provenance, Storage
from vgg_profile.core.network import KNOWN_OF_KERNELS, TracedNetwork
from vgg_profile.core.setting import LARGEST, Setting, Setup
from vgg_profile.core.sizes import Bytes
from vgg_profile.core.tree import Profile, heading

SEVERAL = 2
"""The batch at which a network is asked for a book of every batch: one image may go another way."""

NOT_ALONE = "Use --batch 2 or more, a larger --input, or --mode eval."
"""What to do where batch norm has one value a channel."""


@dataclass(frozen=True, repr=False)
class Step(Displayed):
    """A network's training step: the book of it, and what it costs at its setting's batch.

    ``profile`` has the network's layers, with what each keeps in this very step.
    """

    profile: Profile
    book: Book
    doubts: tuple[str, ...] = ()
    """Why the figures may differ from a real step, where something is not known for sure."""
    write: Callable[[int], Book] | None = field(default=None, compare=False)
    """Writes the book of another batch, where not each is read off this one: what kernels need is not affine
    in the batch, and a network may go another way."""
    write_on: Callable[[int], Book] | None = field(default=None, compare=False)
    """Writes a book of all batches from one on, as far as one book can be."""
    carried: tuple[Book, ...] = ()
    """The books to go by where nobody can write another: each for a stretch of batches, in order."""
    to_type: Callable[[str, str], str] | None = field(default=None, compare=False)
    """Names the command that traces it anew with an option and its value, where nobody can write another."""

    @property
    def scope(self) -> str:
        """What its figures count, in words: of a VGG's kernels what rules know."""
        profile = self.profile
        if profile.is_traced or profile.device != "cpu":
            return profile.config.scope
        if not self.is_at_least:
            return "tensors, and what kernels take in passing"
        return profile.config.scope if self.setup.processor is None else KNOWN_OF_KERNELS

    @property
    def setting(self) -> Setting:
        return self.profile.setting

    @property
    def setup(self) -> Setup:
        """How the step is run."""
        return self.setting.setup

    @property
    def events(self) -> Sequence[Event]:
        return self.book.events

    @property
    def marks(self) -> Sequence[Mark]:
        return self.book.marks

    def at(self, batch: int) -> Step:
        """The same step with another batch.

        Raises ``InputError`` for a batch that a traced book does not answer for, where its network is not at
        hand.
        """
        if batch == self.setting.batch:
            return self
        for book in self.books:
            if book.answers(batch):
                return self._with(book, batch)
        if self.write is None:
            option = "--batch" if batch < self.books[0].span[0] else "--up-to"
            raise InputError(
                f"The step was traced for {self.answers_for}: another may go another way.",
                self._again(option, batch),
            )
        return self.asked_again(batch)

    def asked_again(self, batch: int) -> Step:
        """The same step with another batch, for which its book is written anew, if it can be."""
        return self.at(batch) if self.write is None else self._with(self.write(batch), batch)

    def _with(self, book: Book, batch: int) -> Step:
        return replace(self, profile=self.profile.at(batch), book=book)

    @property
    def books(self) -> tuple[Book, ...]:
        """The book, or all of them that are there for one stretch of batches after the other."""
        return self.carried or (self.book,)

    @property
    def span(self) -> tuple[int, int]:
        """The least and the largest batch that it answers for; 0 for no largest."""
        return (1, 0) if self.write else (self.books[0].span[0], self.books[-1].span[1])

    @property
    def answers_for(self) -> str:
        """The batches that its books answer for, in words."""
        return answers_for(self.books)

    def for_any_batch(self) -> Step:
        """The same with bytes affine in the batch; raises ``InputError`` where no line joins the batches."""
        own = self.setting.batch
        batch = max(own, SEVERAL)
        if self.write_on is not None and self.book.only:
            book = self.write_on(batch)
        else:
            book = next((each for each in self.carried if each.answers(batch)), self.book)
        if book.only and self.write is None:
            raise InputError(
                f"This step's events change with the batch: it answers for {self.answers_for}.",
                "Ask about one batch, with --batch N.",
            )
        return self._with(book, own if book.answers(own) else batch)

    def check_batch(self, batch: int) -> None:
        """Refuse a batch that PyTorch would refuse: raises ``InputError`` where a norm has one value."""
        if batch == 1 and self.alone:
            raise InputError(self.alone, NOT_ALONE)

    @property
    def alone(self) -> str:
        """Why one image alone cannot be trained on; empty if it can."""
        if not self.book.refuses_one:
            return ""
        return (
            f"Batch norm cannot train at {self.book.refuses_one}: one image of 1×1 leaves it one value a "
            "channel, and a mean of one value says nothing."
        )

    # -- at the setting's batch ----------------------------------------------------------------

    @cached_property
    def moments(self) -> tuple[Moment, ...]:
        """Live and peak bytes of each part of the step, in order."""
        return self.book.moments(self.setting.batch)

    @property
    def least_peak(self) -> int:
        """The most that is live at once after loading, without that of which only a most is known."""
        return max(moment.least for moment in self.moments if moment.phase is not Phase.LOAD)

    @property
    def is_at_least(self) -> bool:
        """Whether something in it may take more than is known: then its peak is one at least."""
        return self.book.is_at_least

    def contents(self) -> Iterator[tuple[Event, dict[Category, int]]]:
        """Each event with the bytes that are live before it frees, by category."""
        return self.book.contents(self.setting.batch)

    @property
    def place(self) -> tuple[Phase, str]:
        """The phase and the layer of the event at which the peak is reached."""
        event = self.events[self.highest(self.setting.batch).event]
        return event.phase, event.layer

    @cached_property
    def provenance(self) -> dict[Provenance, int]:
        """The bytes of the peak by how they are known: by rule, by a probe, or at most (``BOUND``)."""
        batch = self.setting.batch
        return self.book.known_at(self.highest(batch).event, batch)

    @property
    def held_at_the_peak(self) -> dict[str, int]:
        """The bytes of the peak by the layer whose they are; together they are the peak."""
        batch = self.setting.batch
        return self.book.held_at(self.highest(batch).event, batch)

    @property
    def fixed_points(self) -> dict[Phase, int]:
        """Live bytes at the end of each phase; a recompute is part of the backward pass."""
        return {m.phase: m.live for m in self.moments if m.phase is not Phase.RECOMPUTE}

    @property
    def peak(self) -> Moment:
        """The part of the step, after loading, in which most is live at once; the first if several."""
        return max((m for m in self.moments if m.phase is not Phase.LOAD), key=lambda moment: moment.peak)

    @cached_property
    def flops(self) -> dict[str, int]:
        """FLOPs of the forward and the backward pass by layer; without a backward, of the forward.

        Forward 2 a MAC; backward as many for the input's gradient, and again for the weights'. The images
        want no gradient, nor does what comes of them before the first weights that are trained.
        """
        rows = self.profile.module_rows[1:]
        if any(row.backward_macs is not None for row in rows):
            back = {row.name: row.backward_macs.value if row.backward_macs else 0 for row in rows}
            return {row.name: 2 * (row.macs.value + back[row.name]) * self.profile.batch for row in rows}
        flops, wants_gradient = {}, False
        for row in rows:
            is_trained = self.setup.has_backward and not self.setup.is_frozen(row.module)
            passes = 1 + wants_gradient + is_trained
            flops[row.name] = 2 * row.macs.value * self.profile.batch * passes
            wants_gradient |= is_trained and row.parameters > 0
        return flops

    @cached_property
    def recomputed_flops(self) -> dict[str, int]:
        """The FLOPs that checkpointing runs a second time, 2 a MAC, by layer."""
        again = {mark.layer for mark in self.marks if mark.phase is Phase.RECOMPUTE}
        profile = self.profile
        return {
            row.name: 2 * row.macs.value * profile.batch
            for row in profile.module_rows
            if row.name in again and row.macs.value
        }

    # -- at any batch --------------------------------------------------------------------------

    @property
    def lines(self) -> tuple[Line, ...]:
        """Live bytes as functions of the batch: the upper envelope over the events after loading."""
        return self.book.lines

    def highest(self, batch: int) -> Line:
        """The line on which a batch has its peak: one of the book of that batch."""
        return self.at(batch).book.highest(batch)

    def peak_bytes(self, batch: int) -> int:
        """The most that is live at once after loading, for any batch."""
        return self.at(batch).book.peak_bytes(batch)

    def live_at(self, line: Line) -> dict[Category, Bytes]:
        """What is live at a line's event, by category."""
        return self.book.live_at(line.event)

    def largest_batch(self, limit: int) -> int:
        """The largest batch whose peak stays within ``limit`` bytes; 0 if not even one image fits."""
        return self.search(limit)[0]

    def search(self, limit: int) -> tuple[int, Mapping[int, Step]]:
        """The same, and the steps at batches close by that were written to find it.

        A book that holds for one batch is asked what it thinks, and the book of that batch is asked again,
        until a batch fits and one image more does not.
        """
        if self.write is None:
            return self._among_books(limit), {}
        guess, fits, fails = self.for_any_batch().book.guess(limit), 0, LARGEST + 1
        steps: dict[int, Step] = {}
        while fails - fits > 1:
            if guess == fits:
                guess += 1
            elif not fits < guess < fails:
                guess = (fits + fails) // 2
            for batch in [*steps][:-1]:  # of ten thousand layers each book is large
                del steps[batch]
            step = self.asked_again(guess)
            if step.book.peak_bytes(guess) <= limit:
                fits = guess
            else:
                fails = guess
            steps[guess] = step
            guess = step.book.guess(limit)
        return fits, steps

    def _among_books(self, limit: int) -> int:
        """The largest batch within ``limit`` bytes, of those that the books answer for."""
        fits = 0
        for book in self.books:
            first, last = book.span
            found = last * (book.peak_bytes(last) <= limit) if book.only else book.guess(limit)
            if fits and found < first:
                return fits
            if not book.only and not 0 < last <= found:
                return found
            if found < first:
                break
            fits = last
        again = self._again("--up-to", 4 * self.books[-1].span[1])
        raise InputError(
            f"This step's events change with the batch: it answers for {self.answers_for}"
            f"{', and the last of them fits' if fits else ''}.",
            f"Ask about one of them, with --batch N. {again}",
        )

    def _again(self, option: str, value: int) -> str:
        """What to do for a batch that its books do not answer for."""
        told = "" if self.to_type is None else f": {self.to_type(option, str(value))}"
        return f"Trace it again with {option} {value}{told}."

    def to_dict(self) -> dict[str, Any]:
        """The step as JSON has it: moments with their categories, and every event behind them."""
        batch = self.setting.batch
        phase, layer = self.place
        return {
            **heading(self.profile.config, self.setting.to_dict()),
            **self.profile.verification,
            "pooled": self.profile.pooled,
            "peak_bytes": self.peak.peak,
            "peak_phase": phase.value,
            "peak_layer": layer,
            "peak_bytes_by": {known.value: size for known, size in self.provenance.items()},
            "is_at_least": self.is_at_least,
            **({"doubts": list(self.doubts)} if self.doubts else {}),
            "recomputed_flops": sum(self.recomputed_flops.values()),
            "fixed_points": {phase.value: live for phase, live in self.fixed_points.items()},
            "moments": [
                {
                    "phase": moment.phase.value,
                    "layer": moment.layer,
                    "live_bytes": moment.live,
                    "peak_bytes": moment.peak,
                    "least_bytes": moment.least,
                    "scratch_of": moment.scratch,
                    "categories": {category.value: size for category, size in moment.categories.items()},
                }
                for moment in self.moments
            ],
            "events": [
                {
                    "phase": event.phase.value,
                    "layer": event.layer,
                    "op": event.op,
                    "allocated": [_storage(storage, batch) for storage in event.allocated],
                    "freed": [_storage(storage, batch) for storage in event.freed],
                }
                for event in self.events
            ],
        }


def in_words(phase: str, layer: str) -> str:
    """Where in a step something is.

    >>> in_words(Phase.BACKWARD, "conv1_1"), in_words(Phase.LOAD, "")
    ('in backward of conv1_1', 'in load')
    """
    return f"in {phase}{' of ' if layer else ''}{layer}"


def _storage(storage: Storage, batch: int) -> dict[str, Any]:
    return {
        "layer": storage.layer,
        "what": storage.what,
        "category": storage.category.value,
        "bytes": storage.size.at(batch),
    }


def as_traced(
    step: Step,
    retrace: Callable[[Setup], Step] | None = None,
    build: Callable[[], Any] | None = None,
) -> Profile:
    """The profile of a traced step, which runs as that step does.

    ``retrace`` traces it again with another setup, and ``build`` makes it for a real run, where the network
    is at hand; else the profile's ``run`` raises ``InputError`` for another setup.
    """
    network = step.profile.config
    assert isinstance(network, TracedNetwork)

    def run(setup: Setup) -> Step:
        if setup.threads == network.threads:
            setup = replace(setup, threads=None)
        if setup == step.setup:
            return step
        asked = replace(step.setting, setup=setup)
        as_many = replace(step.setup, accumulate=setup.accumulate)
        if as_many == setup and min(setup.accumulate, step.setup.accumulate) > 1:  # a third adds nothing
            return replace(step, profile=replace(step.profile, setting=asked))
        if retrace is not None:
            return retrace(setup)
        traced = step.setup if setup.threads is None else replace(step.setup, threads=network.threads)
        raise InputError(
            f"{network.label} was traced as {traced.label}, and {setup.label} is asked about.",
            f"Ask about what was traced, or trace it again: {network.to_trace(asked)}.",
        )

    return replace(step.profile, run=run, build=build)
