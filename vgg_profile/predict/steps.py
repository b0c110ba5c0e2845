"""A training step of any network's profile: on paper for a VGG, as it was traced for any other."""

from __future__ import annotations

from dataclasses import replace

from vgg_profile.core.errors import InputError
from vgg_profile.core.setting import Setup
from vgg_profile.core.step import Step
from vgg_profile.core.tree import Profile
from vgg_profile.predict.vgg import step as paper

PLAIN = Setup()


def ledger(profile: Profile, setup: Setup = PLAIN) -> Step:
    """The step of a profile at its batch; raises ``InputError`` for one that PyTorch would refuse."""
    step = trace(profile, setup)
    step.check_batch(profile.batch)
    return step


def trace(profile: Profile, setup: Setup = PLAIN) -> Step:
    """The same for whatever batch will be asked about: a batch that cannot be is refused then.

    A traced step holds what the kernels of its own machine take: it is asked for no other's. Raises
    ``InputError`` for micro-batches of one.
    """
    if profile.run is not None and setup.accumulate > 1:
        raise InputError(
            "Micro-batches are predicted for a VGG alone.",
            "Leave --accumulate out, and keep room for one set of gradients more.",
        )
    if profile.run is not None:
        step: Step = profile.run(replace(setup.on(profile.device), processor=None, threads=None))
        step = replace(step, profile=replace(step.profile, run=profile.run, build=profile.build))
        return step.at(profile.batch)
    return paper.trace(profile, setup)
