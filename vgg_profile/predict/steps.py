"""A training step of any network's profile: on paper for a VGG, as it was traced for any other."""

from __future__ import annotations

from dataclasses import replace

from vgg_profile.core.errors import InputError
from vgg_profile.core.setting import Setup
from vgg_profile.core.step import Step
from vgg_profile.core.tree import Profile
from vgg_profile.predict.vgg import step as paper
from vgg_profile.predict.vgg.passing import Probe

PLAIN = Setup()

OTHER_KERNELS = (
    "a processor that is named is a VGG's: this is what the kernels take of the machine that traced it"
)
"""The doubt of a traced step that is asked about with a processor."""


def ledger(profile: Profile, setup: Setup = PLAIN, probe: Probe | None = None) -> Step:
    """The step of a profile at its batch; raises ``InputError`` for one that PyTorch would refuse."""
    step = trace(profile, setup, probe)
    step.check_batch(profile.batch)
    return step


def trace(profile: Profile, setup: Setup = PLAIN, probe: Probe | None = None) -> Step:
    """The same for whatever batch will be asked about: a batch that cannot be is refused then.

    A traced step holds what the kernels of its own processor take: it is asked for no other's. Of a VGG's
    kernels, the ``probe`` is asked what no rule knows. Raises ``InputError`` for checkpointed blocks of a
    traced one.
    """
    if profile.run is not None:
        if setup.checkpoint != "none":
            raise InputError(
                f"--checkpoint knows the blocks of a VGG, and {profile.config.label} is none.",
                "Call torch.utils.checkpoint in its forward, which is followed, and leave --checkpoint out.",
            )
        step: Step = profile.run(replace(setup.on(profile.device), processor=None))
        step = replace(step, profile=replace(step.profile, run=profile.run, build=profile.build))
        if setup.processor is not None and profile.device == "cpu":
            step = replace(step, doubts=(*step.doubts, OTHER_KERNELS))
        return step.at(profile.batch)
    return paper.trace(profile, setup, probe)
