"""The same bytes in MB and in MiB."""

from __future__ import annotations

from collections.abc import Iterator

from vgg_profile.core import units
from vgg_profile.core.counts import Count
from vgg_profile.core.setting import Setup
from vgg_profile.teach.forms import Grid, Section, Working
from vgg_profile.teach.topic import RULES, profile_of, step_of, topic


@topic(
    "mib-vs-mb",
    "the same bytes under two names, and how far apart they drift",
    RULES,
    "vgg-profile explain optimizer-state",
    place=510,
    aliases=(
        "gib-vs-gb",
        "units",
    ),
)
def mib_vs_mb() -> Iterator[Section]:
    """Two units, and what mixing them costs."""
    profile = profile_of()
    size = profile.totals.parameters * profile.itemsize
    step = step_of(setup=Setup(optimizer="adam"))
    large, small = 16 * 2**30, 16 * 10**9
    yield Section(
        "Ten to the sixth, two to the twentieth",
        (
            "A MB is 10^6 bytes and a MiB is 2^20. The letter i is the whole difference:",
            Working("1 MB", Count(10**6, "10**6"), "bytes"),
            Working("1 MiB", Count(2**20, "2**20"), "bytes"),
            f"VGG-16's parameters in float32 are {size:,} bytes. That is {units.decimal(size)}, or "
            f"{units.mebibytes(size)}. torchvision publishes the second number, under the first name.",
            Grid(
                "The larger the unit, the larger the gap",
                ("binary", "decimal", "binary / decimal"),
                tuple(
                    (binary, decimal, units.ratio(1024**power, 1000**power))
                    for power, (binary, decimal) in enumerate(
                        (("KiB", "kB"), ("MiB", "MB"), ("GiB", "GB"), ("TiB", "TB")), start=1
                    )
                ),
            ),
        ),
    )
    yield Section(
        "Why it matters",
        (
            "A label seldom says which of the two it means. How many images fit, for D with Adam?",
            Grid(
                "The largest batch whose tensors fit",
                ("memory", "bytes", "largest batch"),
                (
                    ("16 GB", small, step.largest_batch(small)),
                    ("16 GiB", large, step.largest_batch(large)),
                ),
            ),
            Working("the gap", Count(large - small, "16*2**30-16*10**9"), "bytes"),
            "Here a rounded figure always has its exact bytes beside it.",
        ),
    )
