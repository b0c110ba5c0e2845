"""``fit --calibrate``: which batch really runs in so much memory here, by real steps in processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from vgg_profile.ask.machine import GIVEN_BACK, THRESHOLD, LastSeen, gives_back, keep
from vgg_profile.ask.question import MOST_CALIBRATED, calibrated_as
from vgg_profile.cli.program import lend_a_folder, undivided
from vgg_profile.cli.speech import Failure, say
from vgg_profile.core.errors import InputError
from vgg_profile.core.setting import Setup
from vgg_profile.core.step import SEVERAL
from vgg_profile.core.tree import Profile
from vgg_profile.core.units import exact
from vgg_profile.predict.steps import trace

CLOSE = 0.03
"""The answer ran, and one no further beyond it did not."""

TIMES = 3
"""How often a batch has to run: each process has its heap elsewhere, and malloc keeps more or less of it."""

ARENA = 2**20
"""Python's objects lie in arenas of so many bytes (``pycore_obmalloc.h``): a process may have one more."""

TRIES = 16
"""What malloc keeps does not grow evenly with the batch; even so the search ends."""


def calibrate(profile: Profile, setup: Setup, memory: int) -> None:
    """Find the largest batch that runs, and keep what it leaves of the memory beside its tensors.

    A first process says what it takes beside the tensors of two images. Where malloc gives back what is
    freed, that hardly differs at the largest batch: a second process says what it is there, and an arena is
    kept free beside. Where it does not, the largest batch is tried in a process that may have so much memory
    and no more; then larger ones while they run, smaller ones while they do not, until one that ran and one
    that did not are ``CLOSE`` together.
    """
    if profile.device != "cpu" or profile.run is not None:
        raise InputError(
            "What a process takes is measured for a VGG on the CPU.",
            "Leave --calibrate out, or give --reserve.",
        )
    lend_a_folder()
    with undivided():
        import vgg_profile.measure.run  # noqa: F401 - torch loads here, or that is said
        from vgg_profile.measure.process import Took, steps_in_a_process
    limit = min(memory, MOST_CALIBRATED)
    setting = trace(profile, setup).setting

    def take(batch: int, within: int | None = None) -> Took:
        say(f"{profile.config.label}: taking three steps of batch {exact(batch)} in a process …")
        try:
            return steps_in_a_process(profile.config, replace(setting, batch=batch), limit=within)
        except RuntimeError as error:
            raise Failure(f"It could not be measured: {error}.") from None

    def beside_at(batch: int, took: Took) -> int:
        assert took.peak is not None
        return took.peak - step.asked_again(batch).peak_bytes(batch)

    first = take(SEVERAL)
    step = trace(profile, replace(setup, processor=first.processor, threads=first.threads))
    beside = beside_at(SEVERAL, first)
    if gives_back():
        beside = _settled(
            beside,
            lambda beside: max(SEVERAL, step.largest_batch(limit - beside)),
            lambda batch: beside_at(batch, take(batch)) + ARENA,
        )
    else:
        say(
            "Malloc keeps more or less of what was freed, from process to process: "
            f"with {THRESHOLD}={GIVEN_BACK} set, here and where it trains, it keeps nothing."
        )
        guess = max(SEVERAL, step.largest_batch(limit - beside))
        if ran := _largest(
            guess, lambda batch: all(take(batch, limit).peak is not None for _ in range(TIMES))
        ):
            beside = limit - step.asked_again(ran).peak_bytes(ran)
    kept = {calibrated_as(step, memory): max(1, beside)}
    seen = LastSeen(first.processor, first.threads, first.torch, kept)
    if keep(seen) is None:
        raise Failure("What was measured cannot be kept: there is no place to write. Set XDG_CACHE_HOME.")


def _settled(beside: int, largest: Callable[[int], int], measure: Callable[[int], int]) -> int:
    """What a process takes beside the tensors of its largest batch, in bytes, from what two images leave.

    The most that was measured at any batch that was the largest: each is no larger than the one before, once
    the two images are forgotten, so this ends.

    >>> _settled(100, largest=lambda beside: (1000 - beside) // 50, measure=lambda batch: 100 + batch)
    118
    """
    batch, most = SEVERAL, 0
    while (found := largest(beside)) != batch:
        batch = found
        beside = most = max(most, measure(batch))
    return beside


def _largest(guess: int, runs: Callable[[int], bool]) -> int:
    """The largest batch that runs, to ``CLOSE`` of one that does not; 0 where none of several images does.

    Ever longer strides from the guess, up while it runs or down while it does not, then halves.
    """
    ran, failed, batch = 0, 0, guess
    stride = max(1, int(guess * CLOSE))
    for _ in range(TRIES):
        if runs(batch):
            ran = batch
        else:
            failed = batch
        if failed and (failed == SEVERAL or failed <= _beyond(ran)):
            break
        if ran and failed:
            batch = (ran + failed) // 2
        else:
            batch = ran + stride if ran else max(SEVERAL, failed - stride)
            stride *= 2
    return ran


def _beyond(batch: int) -> int:
    """The batch that is no more than ``CLOSE`` larger, or the next."""
    return max(batch + 1, int(batch * (1 + CLOSE)))
