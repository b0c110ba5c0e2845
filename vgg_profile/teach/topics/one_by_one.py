"""What the 1×1 convolutions of config C cost, and what they do not."""

from __future__ import annotations

from collections.abc import Iterator

from vgg_profile.core import units
from vgg_profile.predict.vgg.configs import PAPER
from vgg_profile.teach.forms import Grid, Section, Working
from vgg_profile.teach.topic import RULES, profile_of, row_of, topic


@topic(
    "one-by-one",
    "what the 1×1 convolutions of config C cost, and what they do not",
    RULES,
    "vgg-profile table C",
    "vgg-profile explain C conv3_3",
    place=130,
    aliases=(
        "1x1",
        "1x1-convolutions",
    ),
)
def one_by_one() -> Iterator[Section]:
    """What a 1×1 convolution costs beside a 3×3."""
    small, large = row_of(profile_of("C"), "conv3_3"), row_of(profile_of("D"), "conv3_3")
    channels = small.output_shape[0]
    yield Section(
        "One pixel, all channels",
        (
            f"conv3_3 of config C has a 1×1 kernel. It makes each of its {channels} output channels from the "
            f"{channels} input channels of one pixel, and looks at no neighbour. In config D the same place "
            "has a 3×3 kernel:",
            Working("C: weights", small.weights, "weights"),
            Working("D: weights", large.weights, "weights"),
            Working("C: MACs", small.macs, "MACs"),
            Working("D: MACs", large.macs, "MACs"),
            "A ninth of both, for a ninth of the taps: D takes "
            f"{units.ratio(large.macs.value, small.macs.value)} the MACs there. The maps are equally "
            f"large, though: {small.values.value:,} values each. Memory for activations follows the number "
            "of outputs, not the size of the kernel.",
            Grid(
                "The nets around C",
                ("config", "weight layers", "parameters", "MACs", "saved (bytes)", "field (px)"),
                tuple(
                    (
                        name,
                        PAPER[name].depth,
                        profile_of(name).totals.parameters,
                        profile_of(name).totals.macs,
                        profile_of(name).totals.saved_bytes,
                        profile_of(name).receptive_field,
                    )
                    for name in ("B", "C", "D")
                ),
            ),
            "C is B with a 1×1 convolution more in each of the last three blocks: deeper by three layers and "
            "three ReLUs, with B's field of view.",
        ),
    )
