"""What batch norm adds to the parameters, and what to the memory."""

from __future__ import annotations

from collections.abc import Iterator

from vgg_profile.core import units
from vgg_profile.core.counts import plain, product, total
from vgg_profile.core.events import Category, Phase
from vgg_profile.core.step import Step
from vgg_profile.teach.forms import Grid, Section, Working
from vgg_profile.teach.topic import kept, profile_of, rows_of, step_of, topic


@topic(
    "batch-norm",
    "few parameters, no MACs, and almost twice the activations",
    "Measured with PyTorch 2.13 on the CPU: reports/measured/D-cpu.json and D-BN-cpu.json are real steps of "
    "both networks, and every figure of a step that stands here is equal to them.",
    "vgg-profile table D-BN --saved",
    "vgg-profile list",
    place=340,
    aliases=("bn",),
)
def batch_norm() -> Iterator[Section]:
    """What a batch norm adds, and what of it is saved twice."""
    plain_, normed = profile_of("D"), profile_of("D-BN")
    norms = rows_of(normed, "batchnorm")
    channels = sum(row.output_shape[0] for row in norms)
    maps = sum(row.memory_bytes(1, normed.itemsize) for row in rows_of(normed, "conv"))
    before, after = _after_forward(step_of("D")), _after_forward(step_of("D-BN"))
    yield Section(
        "What it adds to the model",
        (
            f"Each of D's {len(norms)} convolutions gets a norm of as many channels, {channels:,} in all. A "
            "channel has a scale and a shift to learn, a running mean and a running variance to remember, "
            "and each norm counts its batches:",
            Working("scales and shifts", product(2, channels), "parameters"),
            Working("buffers", total((product(2, channels), len(norms))), "values"),
            f"That is {units.percent(2 * channels, normed.totals.parameters)} of the parameters, and no "
            "MACs.",
        ),
    )
    statistics = after[Category.STATISTICS]
    saved = normed.totals.saved_bytes - plain_.totals.saved_bytes
    yield Section(
        "What it adds to memory",
        (
            "Without a norm, ReLU overwrites the convolution's output, and one map per convolution is kept. "
            "With one, its backward reads its input, the convolution's output; ReLU's backward and the next "
            "layer read the normalised map. So two maps are kept for each convolution.",
            Grid(
                "Kept after the forward pass of one image",
                ("what", "D (bytes)", "D-BN (bytes)"),
                tuple(
                    (category.value, before[category], after[category])
                    for category in (
                        Category.ACTIVATIONS,
                        Category.STATISTICS,
                        Category.INDICES,
                        Category.MASKS,
                    )
                ),
                ("total", kept(step_of("D")), kept(step_of("D-BN"))),
            ),
            Working("every convolution's output once more", plain(maps), "bytes"),
            Working("batch mean and inverse deviation", product(2, channels, normed.itemsize), "bytes"),
            Working("the price of the norms", total((maps, statistics)), "bytes"),
            "So one image of D-BN keeps "
            f"{units.ratio(normed.totals.saved_bytes, plain_.totals.saved_bytes)} what D keeps: {saved:,} "
            "bytes more. It is not quite twice, since pools, indices and the classifier stay as they are.",
            "In eval mode with frozen statistics a norm is a scale and a shift, and can be folded into the "
            "weights of its convolution: then it costs nothing at all.",
        ),
    )


def _after_forward(step: Step) -> dict[Category, int]:
    """What is live by category when the forward pass is over."""
    return [moment for moment in step.moments if moment.phase is Phase.FORWARD][-1].categories
