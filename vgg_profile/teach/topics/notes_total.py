"""The notes' total of memory, and what their own rows give."""

from __future__ import annotations

from collections.abc import Iterator

from vgg_profile.core.counts import Count, plain, product, total
from vgg_profile.teach.audit import audit
from vgg_profile.teach.forms import Section, Working
from vgg_profile.teach.topic import RECORD, by_block, row_of, rows_of, topic


@topic(
    "notes-total",
    "the notes' 24M * 4 bytes = 93MB, which their own rows do not give",
    RECORD,
    "vgg-profile notes",
    "vgg-profile table D --notes",
    place=520,
    aliases=("24m",),
)
def notes_total() -> Iterator[Section]:
    """The notes' total, added up."""
    audited = audit()
    profile, notes = audited.profile, audited.published
    totals = profile.totals
    claimed, counted = audited.printed_bytes, audited.counted_bytes
    yield Section(
        "Add up the rows",
        (
            "Every row of the notes' table is right. Add up the memory column, block by block:",
            *(
                Working(part, total(row.values for row in rows), "values")
                for part, rows in by_block(profile).items()
            ),
            Working("total", plain(totals.values), "values"),
            Working("in float32", product(totals.values, notes.value_bytes), "bytes"),
            f"Adding the figures as they are printed, rounded, gives {audited.rounded_sum:,}: rounding is "
            "not what makes the difference.",
        ),
    )
    yield Section(
        "What is printed",
        (
            f"The notes print {notes.values} values and {notes.megabytes}. Neither follows from the rows, "
            "and the one does not follow from the other:",
            f"{notes.values} * {notes.value_bytes}: {claimed.remark}",
            f"The rows: {counted.remark}",
            f"No explanation of {notes.values} is known. A sum that comes near can always be found, and "
            "would be a guess; so none stands here.",
        ),
    )
    indices = audited.pool_indices
    drops = sum(row.saved_bytes(1) for row in rows_of(profile, "dropout"))
    copy = row_of(profile, "avgpool").saved_bytes(1)
    images = profile.rows[0].memory_bytes(1, profile.itemsize)
    yield Section(
        "From the column to what PyTorch keeps",
        (
            "The column is not what a training step keeps, either, but the way from one to the other can be "
            "walked without a gap:",
            Working("the column in float32", plain(totals.memory_bytes), "bytes"),
            Working("less the image, which is given", Count(-images, f"-{images}"), "bytes"),
            Working("max pools' indices", plain(indices), "bytes"),
            Working("the average pool's copy", plain(copy), "bytes"),
            Working("dropout: outputs and masks", plain(drops), "bytes"),
            Working(
                "kept for backward",
                Count(
                    totals.memory_bytes - images + indices + copy + drops,
                    f"{totals.memory_bytes}-{images}+{indices}+{copy}+{drops}",
                ),
                "bytes",
            ),
        ),
    )
