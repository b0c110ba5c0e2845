"""The parameters that the notes leave out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from vgg_profile.core import units
from vgg_profile.core.counts import Count, plain, product, total
from vgg_profile.teach.forms import Section, Working
from vgg_profile.teach.topic import ARITHMETIC, profile_of, rows_of, topic


@topic(
    "biases",
    "the parameters that the notes leave out",
    ARITHMETIC,
    "vgg-profile notes",
    "vgg-profile table D",
    place=220,
)
def biases() -> Iterator[Section]:
    """How few the biases are."""
    profile = profile_of()
    totals = profile.totals
    layers = rows_of(profile, "conv", "fc")
    additions = sum(row.values.value for row in layers)
    yield Section(
        "One for each output channel",
        (
            "A convolution adds one bias to a whole output map, a fully-connected layer one to each output. "
            "So a layer has as many as it has output channels:",
            Working("biases of D", total(_grouped(row.biases for row in layers)), "biases"),
            Working("weights of D", plain(totals.weights), "weights"),
            Working("parameters", total((totals.weights, totals.biases)), "parameters"),
            f"They are {units.percent(totals.biases, totals.parameters)} of the parameters. The notes print "
            "weights alone, and their total is right to its three digits, with biases or without.",
        ),
    )
    yield Section(
        "What they cost",
        (
            "Adding a bias is one addition for every output value:",
            Working("additions, one image", plain(additions), "FLOPs"),
            Working("multiply-adds, two FLOPs each", product(2, totals.macs), "FLOPs"),
            f"That is {units.percent(additions, 2 * totals.macs)} on top. Here biases count as parameters "
            "and their additions not as MACs. A tool that counts one MAC for each of them prints "
            f"{totals.macs + additions:,} in place of {totals.macs:,} MACs.",
            "Under a batch norm the bias of a convolution does nothing: the norm subtracts each channel's "
            "mean, and the bias with it. torchvision's networks keep it all the same, and so do these:",
            Working(
                "biases of D-BN's convolutions",
                plain(sum(row.biases for row in rows_of(profile_of("D-BN"), "conv"))),
                "biases",
            ),
        ),
    )


def _grouped(numbers: Iterable[int]) -> Iterator[Count]:
    """Equal neighbours as products: 64, 64, 128 as 2*64 and 128."""
    for number, group in groupby(numbers):
        times = len(list(group))
        yield product(times, number) if times > 1 else plain(number)
