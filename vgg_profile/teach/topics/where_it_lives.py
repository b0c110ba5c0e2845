"""Memory, compute and parameters, block by block."""

from __future__ import annotations

from collections.abc import Iterator

from vgg_profile.core import units
from vgg_profile.core.counts import total
from vgg_profile.teach.forms import Grid, Section, Working
from vgg_profile.teach.topic import RECORD, by_block, profile_of, rows_of, topic


@topic(
    "where-it-lives",
    "memory, compute and parameters live in three different places",
    RECORD,
    "vgg-profile table D",
    place=250,
)
def where_it_lives() -> Iterator[Section]:
    """Memory, compute and parameters sit in three places."""
    profile = profile_of()
    totals = profile.totals
    parts = {part: rows for part, rows in by_block(profile).items() if part != "input"}
    sums = {part: profile.total(rows) for part, rows in parts.items()}
    first, last = sums["block 1"], sums["classifier"]
    widest = max(row.output_shape[0] for row in rows_of(profile, "conv"))
    most = max(sums[part].macs for part in parts)
    heaviest = [part for part in parts if sums[part].macs == most]
    yield Section(
        "Three columns, three winners",
        (
            Grid(
                "Config D, one image",
                ("part", "saved\n(bytes)", "share", "parameters", "share", "MACs", "share"),
                tuple(
                    (
                        part,
                        sums[part].saved_bytes,
                        units.percent(sums[part].saved_bytes, totals.saved_bytes),
                        sums[part].parameters,
                        units.percent(sums[part].parameters, totals.parameters),
                        sums[part].macs,
                        units.percent(sums[part].macs, totals.macs),
                    )
                    for part in parts
                ),
                ("total", totals.saved_bytes, None, totals.parameters, None, totals.macs, None),
            ),
            Working("block 1: saved", total(row.saved_bytes(1) for row in parts["block 1"]), "bytes"),
            Working(
                "classifier: learned", total(row.parameters for row in parts["classifier"]), "parameters"
            ),
            Working(f"{heaviest[0]}: computed", total(row.macs.value for row in parts[heaviest[0]]), "MACs"),
            f"Memory lives at the front: block 1 alone keeps "
            f"{units.percent(first.saved_bytes, totals.saved_bytes)} of the activations, because its maps "
            "are the largest. Parameters live at the end: the classifier has "
            f"{units.percent(last.parameters, totals.parameters)} of them. Compute lives in between, with "
            f"{units.percent(most, totals.macs)} in {' and as much in '.join(heaviest)}.",
            "A pool halves each side and so quarters a map. VGG then doubles the channels, until there are "
            f"{widest}: a block's maps are half as large as those of the block before, and its layers have "
            "four times the weights, for twice the channels in and twice the channels out.",
        ),
    )
