"""The layer after the flatten, and the two other ways to see it."""

from __future__ import annotations

from collections.abc import Iterator

from vgg_profile.core import units
from vgg_profile.core.counts import plain, product
from vgg_profile.predict.vgg.configs import POOLED
from vgg_profile.predict.vgg.layers import Conv2d, Linear
from vgg_profile.teach.forms import Section, Working
from vgg_profile.teach.topic import ARITHMETIC, profile_of, row_of, topic


@topic(
    "fc6",
    "one layer after the flatten holds most of the weights",
    ARITHMETIC,
    "vgg-profile explain D fc6",
    "vgg-profile explain where-it-lives",
    place=210,
    aliases=(
        "flatten",
        "flatten-and-fc6",
    ),
)
def fc6() -> Iterator[Section]:
    """Where most of the weights are, and why."""
    profile = profile_of()
    row, totals = row_of(profile, "fc6"), profile.totals
    channels = row_of(profile, "pool5").output_shape[0]
    averaged = Linear((channels,), row.output_shape[0]).weights
    as_conv = Conv2d(channels, row.output_shape[0], POOLED).weights
    yield Section(
        "From maps to a row of values",
        (
            "Flatten lays the last maps out as one row. It is a view: it moves nothing and takes no memory.",
            Working("values in the row", product(POOLED, POOLED, channels), "values"),
            f"fc6 then joins every one of them to every one of its {row.output_shape[0]:,} outputs:",
            Working("weights", row.weights, "weights"),
            Working("biases", plain(row.biases), "biases"),
            Working("in float32", product(row.parameters, profile.itemsize), "bytes"),
            f"That is {units.percent(row.parameters, totals.parameters)} of D's {totals.parameters:,} "
            f"parameters, and {units.percent(row.macs.value, totals.macs)} of its MACs: each weight of fc6 "
            "is used once per image, a weight of conv1_1 once per pixel.",
        ),
    )
    yield Section(
        "Two other ways to see it",
        (
            f"fc6 is a {POOLED}×{POOLED} convolution without padding, whose output is a single pixel:",
            Working(f"a {POOLED}×{POOLED} convolution", as_conv, "weights"),
            "Had VGG averaged each map to one value first, as ResNet does:",
            Working("after a global average", averaged, "weights"),
            f"which is {units.percent(averaged.value, row.weights.value)} of what fc6 has.",
        ),
    )
