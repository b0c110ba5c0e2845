"""``fit --calibrate``: what a process takes beside its tensors here, by real steps in one of its own."""

from __future__ import annotations

from dataclasses import replace

from vgg_profile.ask.fit import process
from vgg_profile.ask.machine import LastSeen, keep, settle
from vgg_profile.ask.question import calibrated_as
from vgg_profile.cli.program import lend_a_folder, undivided
from vgg_profile.cli.speech import Failure, say
from vgg_profile.core.errors import InputError
from vgg_profile.core.setting import Setup
from vgg_profile.core.tree import Profile
from vgg_profile.core.units import exact
from vgg_profile.predict.steps import trace

MOST = 3 * 2**30
"""The steps that are run take no more than so many bytes: it shall not take long.

Below that they are of the batch that fits: blocks of up to 32 MiB are malloc's to keep, larger ones are not,
so that a smaller batch may leave more behind, or less.
"""

SPARE = 32
"""So large a part of what was taken is kept free beside: the next batch leaves more behind, or less."""

ROUNDS = 3
"""Each round is of the batch that fits by what the one before it took."""


def calibrate(profile: Profile, setup: Setup, memory: int) -> None:
    """Take a few steps of the batch that fits, in a process, and keep what it took beside its tensors."""
    if profile.device != "cpu" or profile.run is not None:
        raise InputError(
            "What a process takes is measured for a VGG on the CPU.",
            "Leave --calibrate out, or give --reserve.",
        )
    lend_a_folder()
    with undivided():
        import vgg_profile.measure.run  # noqa: F401 - torch loads here, or that is said
        from vgg_profile.measure.process import steps_in_a_process
    beside, tried = sum(reserve.bytes for reserve in process(memory)), set[int]()
    most = 0
    for _ in range(ROUNDS):
        limit = min(memory - beside, MOST)
        step, _machine = settle(profile, setup, limit, None)
        batch = max(2, step.largest_batch(limit))
        if any(abs(batch - other) * 100 <= batch for other in tried):
            break  # to the percent it is the same batch
        tried.add(batch)
        say(f"{profile.config.label}: taking three steps of batch {exact(batch)} in a process …")
        try:
            took = steps_in_a_process(profile.config, replace(step.at(batch).setting, setup=setup))
        except RuntimeError as error:
            raise Failure(f"It could not be measured: {error}.") from None
        assert took.peak is not None
        there = trace(profile, replace(setup, processor=took.processor, threads=took.threads))
        beside = max(1, took.peak - there.peak_bytes(batch))
        beside += beside // SPARE
        most = max(most, beside)
        if keep(LastSeen(took.processor, took.threads, took.torch, {calibrated_as(there): most})) is None:
            raise Failure("What was measured cannot be kept: there is no place to write. Set XDG_CACHE_HOME.")
