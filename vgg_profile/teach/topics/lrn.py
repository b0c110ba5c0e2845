"""What a local response norm keeps."""

from __future__ import annotations

from collections.abc import Iterator

from vgg_profile.core import units
from vgg_profile.core.counts import plain
from vgg_profile.teach.forms import Grid, Section, Working
from vgg_profile.teach.topic import TESTS, profile_of, rows_of, topic


@topic(
    "lrn",
    "one local response norm keeps more than the rest of the network",
    TESTS,
    "vgg-profile table A-LRN --saved",
    "vgg-profile explain A-LRN lrn1_1",
    place=350,
)
def lrn() -> Iterator[Section]:
    """Seven small operations, and all that they keep."""
    without, having = profile_of("A"), profile_of("A-LRN")
    row = next(iter(rows_of(having, "lrn")))
    more = having.totals.saved_bytes - without.totals.saved_bytes
    yield Section(
        "A layer without parameters",
        (
            "AlexNet's norm divides each value by a sum of squares over neighbouring channels. It has "
            "nothing to learn and counts no MACs, so a table of parameters and MACs cannot tell A from "
            "A-LRN:",
            Working("A", plain(without.totals.parameters), "parameters"),
            Working("A-LRN", plain(having.totals.parameters), "parameters"),
        ),
    )
    yield Section(
        "What PyTorch makes of it",
        (
            "PyTorch writes it as a chain of small operations: square, pad, average over channels, scale, "
            "shift, power, divide. Autograd keeps what each of them will read again:",
            Grid(
                f"What {row.name} leaves alive after the forward pass of one image",
                ("what", "bytes", "read again by"),
                tuple(
                    (storage.what, storage.size.at(1), ", ".join(dict.fromkeys(storage.readers)))
                    for storage in row.saved
                ),
                ("total", row.saved_bytes(1), None),
            ),
            f"One such layer adds {more:,} bytes to the {without.totals.saved_bytes:,} that A keeps in "
            f"all: {units.ratio(having.totals.saved_bytes, without.totals.saved_bytes)} as much. The VGG "
            "paper found that it does not help, and its deeper configs do without.",
        ),
    )
