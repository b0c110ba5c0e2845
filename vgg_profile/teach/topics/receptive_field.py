"""How many pixels of the image one value sees, and why VGG stacks small kernels."""

from __future__ import annotations

from collections.abc import Iterator

from vgg_profile.core import units
from vgg_profile.core.counts import Count, product
from vgg_profile.predict.vgg.configs import PAPER
from vgg_profile.predict.vgg.layers import Conv2d
from vgg_profile.predict.vgg.spelled_out import modules
from vgg_profile.teach.forms import Grid, Section, Working
from vgg_profile.teach.topic import ARITHMETIC, profile_of, rows_of, topic


@topic(
    "receptive-field",
    "how many pixels of the image one value sees",
    ARITHMETIC,
    "vgg-profile table D",
    "vgg-profile explain D conv3_2",
    place=110,
)
def receptive_field() -> Iterator[Section]:
    """How far one value sees into the image."""
    profile = profile_of()
    rows, after = [], profile.module_rows[0]
    for module, row in zip(modules(profile.config), profile.module_rows[1:], strict=True):
        before, after = after, row
        kernel = module.layer.kernel
        if kernel > 1 and before.receptive_field and row.receptive_field:
            field = Count(row.receptive_field, f"{before.receptive_field}+({kernel}-1)*{before.stride}")
            rows.append((row.name, kernel, before.stride, field, row.stride))
    image = profile.input[1]
    yield Section(
        "The rule",
        (
            "One value of a 3×3 convolution looks at 3 by 3 values of its input. Each of those looked at 3 "
            "by 3 values before it, and so on back to the image. So the field grows from layer to layer: the "
            "new field is the old one plus (kernel - 1) steps, and a step is as long as the stride so far. A "
            "pool of stride 2 doubles the stride, so whatever comes after it widens the field twice as fast.",
            Grid(
                "Config D, one side of the field, in pixels of the image",
                ("layer", "kernel", "stride before", "field", "stride after"),
                tuple(rows),
            ),
            f"One value of the last pool's map sees {profile.receptive_field} of the image's {image} "
            "pixels a side. Near the border part of that field lies on the padding.",
        ),
    )
    width = max(row.output_shape[0] for row in rows_of(profile, "conv"))
    stack = product(3, Conv2d(width, width).weights)
    single = Conv2d(width, width, 7).weights
    yield Section(
        "Why VGG stacks small kernels",
        (
            f"Without a pool between them, three 3×3 convolutions see 1+2+2+2 = {1 + 2 + 2 + 2} pixels a "
            f"side, as much as one 7×7 does. Count the weights at {width} channels in and out:",
            Working("three 3×3", stack, "weights"),
            Working("one 7×7", single, "weights"),
            f"The single large kernel takes {units.ratio(single.value, stack.value)} the weights, and the "
            "stack has three ReLUs where the large kernel has one.",
        ),
    )
    yield Section(
        "The paper's configs",
        (
            Grid(
                "At the last pool",
                ("config", "weight layers", "field (px)", "stride (px)"),
                tuple(
                    (
                        name,
                        net.depth,
                        profile_of(name).receptive_field,
                        rows_of(profile_of(name), "maxpool")[-1].stride,
                    )
                    for name, net in PAPER.items()
                ),
            ),
            "B and C see equally far, though C is three layers deeper: a 1×1 kernel adds (1 - 1) steps.",
        ),
    )
