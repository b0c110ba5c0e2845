"""A training step of any network's profile: on paper for a VGG, as it was traced for any other."""

from __future__ import annotations

from dataclasses import replace

from vgg_profile.core.setting import Setup
from vgg_profile.core.step import Step
from vgg_profile.core.tree import Profile
from vgg_profile.predict.vgg import step as paper
from vgg_profile.predict.vgg.passing import Probe

PLAIN = Setup()


def ledger(profile: Profile, setup: Setup = PLAIN, probe: Probe | None = None) -> Step:
    """The step of a profile at its batch; raises ``InputError`` for one that PyTorch would refuse."""
    step = trace(profile, setup, probe)
    step.check_batch(profile.batch)
    return step


def trace(profile: Profile, setup: Setup = PLAIN, probe: Probe | None = None) -> Step:
    """The same for whatever batch will be asked about: a batch that cannot be is refused then.

    A traced step holds what the kernels of its own machine take: it is asked for no other's. Of a VGG's
    kernels, the ``probe`` is asked what no rule knows.
    """
    if profile.run is not None:
        step: Step = profile.run(replace(setup.on(profile.device), processor=None, threads=None))
        step = replace(step, profile=replace(step.profile, run=profile.run, build=profile.build))
        return step.at(profile.batch)
    return paper.trace(profile, setup, probe)
