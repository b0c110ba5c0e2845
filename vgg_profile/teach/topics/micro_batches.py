"""Gradient accumulation: one set of gradients, and the peak of the second micro-batch."""

from __future__ import annotations

from collections.abc import Iterator

from vgg_profile.core import units
from vgg_profile.core.counts import Count, plain, product, total
from vgg_profile.core.events import Category
from vgg_profile.core.setting import Setup
from vgg_profile.core.step import Step
from vgg_profile.teach.forms import Section, Working
from vgg_profile.teach.topic import kept, step_of, topic


@topic(
    "micro-batches",
    "gradient accumulation: many images, the activations of few",
    "Measured with PyTorch 2.13 on the CPU by this project's tests, on a small network: the peaks of the "
    "first and of later micro-batches are as predicted, to the byte. The figures for D are predicted by "
    "the same rule.",
    "vgg-profile timeline D --batch 8",
    "vgg-profile timeline D --batch 8 --accumulate 8",
    place=440,
    aliases=("gradient-accumulation",),
)
def micro_batches() -> Iterator[Section]:
    """Why a second micro-batch needs more, and a third does not."""
    whole, part = 64, 8
    at_once, piece = step_of(batch=whole), step_of(batch=part)
    later = _later_peak(step_of(batch=part, setup=Setup(accumulate=whole // part)))
    gradients = product(piece.profile.totals.parameters, piece.profile.itemsize)
    yield Section(
        "One after the other",
        (
            f"{whole} images can be {whole // part} micro-batches of {part}: forward and backward for "
            "each, then one step of the optimizer. Each backward adds its gradients to those that are "
            "there, in place, so there is one set of gradients however many micro-batches there are. And "
            "each has freed its activations before the next begins:",
            Working(f"kept for backward, {whole} at once", plain(kept(at_once)), "bytes"),
            Working(f"kept for backward, {part} at a time", plain(kept(piece)), "bytes"),
        ),
    )
    yield Section(
        "The second is not the first",
        (
            "One thing is different from the second micro-batch on: the gradients of the first are there "
            "from its beginning, while its activations are at their height. And each new gradient exists "
            "for a moment beside the sum that it is added to.",
            Working("one set of gradients", gradients, "bytes"),
            Working(f"peak of the first, batch {part}", plain(piece.peak.peak), "bytes"),
            Working(f"peak of every later one, batch {part}", later, "bytes"),
            Working(f"peak of batch {whole} at once", plain(at_once.peak.peak), "bytes"),
            "(The last sum: what else is live at that moment, the set of gradients, and the new gradient.) "
            f"So the later ones take {units.ratio(later.value, piece.peak.peak)} the first one's peak; plan "
            f"with theirs. That is still only {units.percent(later.value, at_once.peak.peak)} of what all "
            f"{whole} take at once, and more micro-batches add nothing.",
            f"The gradients are added up, and the loss is a mean: divide each loss by {whole // part}, or "
            f"the step is {whole // part} times too large. With a batch norm the result still differs: each "
            "micro-batch is normalised by its own mean.",
        ),
    )


def _later_peak(step: Step) -> Count:
    """The peak of a later micro-batch: what else is live, the gradients that are there, and the new one."""
    batch = step.profile.batch
    line = step.highest(batch)
    gradients = step.live_at(line)[Category.GRADIENTS].at(batch)
    allocated = step.events[line.event].allocated
    new = sum(storage.size.at(batch) for storage in allocated if storage.of in _PARAMETERS)
    return total((line.at(batch) - gradients - new, gradients, new))


_PARAMETERS = ("weight", "bias")
