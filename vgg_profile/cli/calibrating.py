"""``fit --calibrate``: what a process takes beside its tensors here, by real steps in one of its own.

What malloc keeps of freed memory jumps by tens of MiB from one batch to the next, and a process that comes to
its limit makes do with less. So nothing is extrapolated: batches are tried in a memory of that size, and the
largest that runs says what is to be kept free.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from vgg_profile.ask.fit import process
from vgg_profile.ask.machine import Seen, keep
from vgg_profile.ask.question import calibrated_as
from vgg_profile.cli.program import lend_a_folder, undivided
from vgg_profile.cli.speech import Failure, say
from vgg_profile.core.errors import InputError
from vgg_profile.core.setting import Setup
from vgg_profile.core.step import SEVERAL, Step
from vgg_profile.core.tree import Profile
from vgg_profile.core.units import binary, exact
from vgg_profile.predict.steps import trace

MOST = 2 * 2**30
"""The steps that are run have no more than so many bytes: it shall not take long."""

CLOSE = 64
"""A batch is found as soon as one that is larger by such a part of it fails."""

SPARE = 100
"""So large a part of its images is left out: the next process may take a little more."""

TRIES = 20
"""So many batches are tried at most; five or six will mostly do."""


def calibrate(profile: Profile, setup: Setup, memory: int) -> None:
    """Find the largest batch that runs in the memory, or in ``MOST``, and keep what is no tensor there."""
    if profile.device != "cpu" or profile.run is not None:
        raise InputError(
            "What a process takes is measured for a VGG on the CPU.",
            "Leave --calibrate out, or give --reserve.",
        )
    lend_a_folder()
    with undivided():
        from vgg_profile.measure.process import steps_in_a_process
    net, room, setting = profile.config, min(memory, MOST), trace(profile, setup).setting

    def run(batch: int) -> int | None:
        say(f"{net.label}: three steps of batch {exact(batch)} in a process that has {binary(room)} …")
        try:
            return steps_in_a_process(net, replace(setting, batch=batch), limit=room).peak
        except RuntimeError as error:  # a library that does not say why it gives up
            say(f"It did not run: {error}.")
            return None

    try:
        took = steps_in_a_process(net, replace(setting, batch=SEVERAL))
    except RuntimeError as error:
        raise Failure(f"It could not be measured: {error}.") from None
    step = trace(profile, replace(setup, processor=took.processor, threads=took.threads))
    batch = largest_that_runs(step, room, run)
    beside = room - step.peak_bytes(batch - batch // SPARE)
    if keep(Seen(took.processor, took.threads, took.torch, {calibrated_as(step): beside})) is None:
        raise Failure("What was measured cannot be kept: there is no place to write. Set XDG_CACHE_HOME.")


def largest_that_runs(step: Step, room: int, run: Callable[[int], int | None]) -> int:
    """The largest batch that ran twice in so many bytes, where one of a fiftieth more did not run.

    ``run`` says what a batch took of them at most, or ``None`` if it did not run. Raises ``Failure`` if not
    even two images run.
    """
    batch = max(SEVERAL, step.largest_batch(room - sum(reserve.bytes for reserve in process(room))))
    ran, fails, step_down = 0, 0, 10
    for _ in range(TRIES):
        peak = run(batch)
        step_down = step_down if peak is None else CLOSE  # what ran once is near
        if peak is None:
            ran, fails = (0 if batch <= ran else ran), batch
        elif batch == ran:
            return batch
        else:
            ran = batch
        if peak is not None and not fails:
            more = step.largest_batch(room - (peak - step.peak_bytes(batch)))
            batch = max(more, batch + max(1, batch // CLOSE))
        elif not ran:
            batch = fails - max(1, fails // step_down)
        elif fails - ran > max(1, ran // CLOSE):
            batch = max((ran + fails) // 2, fails - max(1, fails // CLOSE))
        else:
            batch = ran
        if batch < SEVERAL:
            break
    raise Failure(f"It could not be measured: no batch ran twice in {binary(room)}.")
