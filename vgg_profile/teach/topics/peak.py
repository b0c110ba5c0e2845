"""Where in a step most memory is live, for any batch."""

from __future__ import annotations

from collections.abc import Iterator

from vgg_profile.core import units
from vgg_profile.core.counts import Count, product, total
from vgg_profile.core.events import Category, Phase
from vgg_profile.core.forms import Cell
from vgg_profile.core.step import Step
from vgg_profile.teach.forms import Grid, Section, Working
from vgg_profile.teach.topic import by_block, step_of, topic, where


@topic(
    "peak",
    "where in a training step most memory is live, and why not at the end of the forward pass",
    "Measured with PyTorch 2.13 on the CPU: reports/measured/D-cpu.json is a real step of D with one image, "
    "and its live bytes are equal to the ones here. Larger batches are predicted by the same rules, affine "
    "in the batch. The peaks are of tensors alone; the CPU's convolutions take scratch memory beside them.",
    "vgg-profile timeline D",
    "vgg-profile timeline D --batch 64 --optimizer adam",
    place=410,
)
def peak() -> Iterator[Section]:
    """Where in a step most is live, by batch."""
    step = step_of()
    classifier = step.profile.total(by_block(step.profile)["classifier"])
    after, most = step.fixed_points[Phase.FORWARD], step.peak
    yield Section(
        "Activations go, gradients come",
        (
            "In the backward pass activations are freed one after the other, and gradients of weights "
            "appear in their place. The peak is where the sum of both is highest. It depends on the batch: "
            "activations grow with it, weights and their gradients do not.",
            Grid(
                "The peak of a step of D without optimizer, and what is live there",
                ("batch", "peak\n(bytes)", "where", "weights", "their\ngradients", "everything\nelse"),
                tuple(_at_the_peak(step, batch) for batch in _BATCHES),
            ),
            f"With one image, {after:,} bytes are live after the forward pass and {most.peak:,} at the "
            f"peak, in the {where(most.phase, most.layer)}. By then the classifier's gradients are there, "
            f"{units.binary(classifier.parameters * 4)}, and of the activations only those of the last, "
            "small maps have gone: the classifier is the end with the weights, "
            "block 1 the end with the maps.",
        ),
    )
    yield Section(
        "A straight line for any batch",
        (
            "At any one moment the live bytes are a fixed part and a part for each image. So the peak is the "
            "highest of a few straight lines, and these are the ones that are highest for the batches above:",
            *(Working(f"batch {batch}", _peak_line(step, batch), "bytes") for batch in _BATCHES),
            "That is how the largest batch for a given memory is found: no trial, one division per line.",
        ),
    )


_BATCHES = (1, 8, 64, 256)


def _peak_line(step: Step, batch: int) -> Count:
    line = step.highest(batch)
    return total((line.fixed, product(line.per_image, batch)))


def _at_the_peak(step: Step, batch: int) -> tuple[Cell, ...]:
    line = step.highest(batch)
    event, live = step.events[line.event], step.live_at(line)
    weights, gradients = (
        live[category].at(batch) if category in live else 0
        for category in (Category.WEIGHTS, Category.GRADIENTS)
    )
    whole = line.at(batch)
    return batch, whole, where(event.phase, event.layer), weights, gradients, whole - weights - gradients
