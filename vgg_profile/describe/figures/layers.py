"""What each layer or block costs, drawn: memory, parameters, MACs, shares, receptive field."""

from __future__ import annotations

from dataclasses import replace
from operator import attrgetter

from vgg_profile.core import units
from vgg_profile.core.errors import InputError
from vgg_profile.core.events import Category
from vgg_profile.core.figures import COMPUTE, INK, PALETTE, Figure, LimitLine, Panel, Series, Style, Unit
from vgg_profile.core.tree import Profile
from vgg_profile.describe.figures.drawing import (
    Share,
    after_pass,
    alt_text,
    bars,
    block_bands,
    by_block,
    by_category,
    byte_unit,
    count_unit,
    counted_briefly,
    leaders,
    most_of,
    row_names,
    saved_means,
    saved_words,
    stacked,
)
from vgg_profile.describe.kinds import figure_of
from vgg_profile.describe.words import marked, title


@figure_of("memory", Profile)
def _memory(profile: Profile) -> Figure:
    """What each layer saves for backward, by category, and its output alone beside it."""
    rows = profile.rows
    places = range(len(rows))
    outputs = [row.memory_bytes(profile.batch, profile.itemsize) for row in rows]
    saved = [row.saved_bytes(profile.batch) for row in rows]
    unit = byte_unit(max(*saved, *outputs))
    keeps = most_of(by_block(profile, lambda row: row.saved_bytes(profile.batch)), "keeps")
    finding = marked(f"{keeps} of the {units.binary(sum(saved))} {saved_words(profile)}", profile)
    alone = f"output alone, in {profile.dtype}, as the notes count"
    panel = Panel(
        saved_words(profile),
        unit,
        (
            *stacked(places, [by_category(row, profile.batch) for row in rows]),
            Series(alone, places, outputs, INK, Style.TICKS),
        ),
        names=row_names(rows),
        bands=block_bands(rows),
        ends=tuple(map(units.exact, saved)),
        sideways=True,
    )
    return Figure(
        title=finding,
        subtitle=after_pass(profile),
        panels=(panel,),
        alt=alt_text(f"Bars of the bytes that each layer keeps. {finding}", rows, saved),
        footer=f"{saved_means(profile)} At the bars, bytes: {sum(saved):,} in all.",
    )


@figure_of("parameters", Profile)
def _parameters(profile: Profile) -> Figure:
    """Learnable parameters, layer by layer."""
    rows = [row for row in profile.rows if row.parameters]
    counts = [row.parameters for row in rows]
    holds = most_of([Share(row.name, row.parameters) for row in rows], "holds")
    finding = f"{holds} of the {counted_briefly(sum(counts))} parameters"
    return Figure(
        title=finding,
        subtitle=title(profile),
        panels=(
            replace(
                bars(
                    "parameters", count_unit(max(counts)), counts, PALETTE[Category.WEIGHTS], row_names(rows)
                ),
                bands=block_bands(rows),
                ends=tuple(map(units.exact, counts)),
            ),
        ),
        alt=alt_text(f"Bars of parameters by layer. {finding}", rows, counts),
        footer=f"Weights and biases, {sum(counts):,} in all"
        + (
            "; a batch norm's stand with its convolution's." * bool(profile.config.heading.get("batch_norm"))
            or "."
        ),
    )


@figure_of("macs", Profile)
def _macs(profile: Profile) -> Figure:
    """Multiply-accumulates per image, layer by layer."""
    rows = [row for row in profile.rows if row.macs.value]
    counts = [row.macs.value for row in rows]
    takes = most_of(by_block(profile, lambda row: row.macs.value), "takes")
    finding = f"{takes} of the {counted_briefly(sum(counts))} MACs per image"
    return Figure(
        title=finding,
        subtitle=title(profile),
        panels=(
            replace(
                bars("MACs per image", count_unit(max(counts)), counts, COMPUTE, row_names(rows)),
                bands=block_bands(rows),
                ends=tuple(map(units.exact, counts)),
            ),
        ),
        alt=alt_text(f"Bars of MACs by layer. {finding}", rows, counts),
        footer=f"Forward, one image, {sum(counts):,} in all; 1 MAC = 2 FLOPs.",
    )


@figure_of("shares", Profile)
def _shares(profile: Profile) -> Figure:
    """Memory, MACs and parameters by block: the three sit in three different places."""
    shares = [
        (what, of, by_block(profile, value), colour)
        for what, of, value, colour in (
            (
                "memory",
                f"bytes {saved_words(profile)}",
                lambda row: row.saved_bytes(profile.batch),
                PALETTE[Category.ACTIVATIONS],
            ),
            ("MACs", "MACs per image", lambda row: row.macs.value, COMPUTE),
            ("parameters", "parameters", attrgetter("parameters"), PALETTE[Category.WEIGHTS]),
        )
    ]
    shares = [share for share in shares if any(block.size for block in share[2])]
    shares = [share for share in shares if any(block.size for block in share[2])]
    finding = "Where it sits: " + ", ".join(f"{what} in {leaders(blocks)}" for what, _, blocks, _ in shares)
    panels, said = [], []
    for _, of, blocks, colour in shares:
        sizes = [block.size for block in blocks]
        whole = sum(sizes)
        names = tuple((place, block.name) for place, block in enumerate(blocks))
        panels.append(
            replace(
                bars(f"share of {whole:,}\n{of}", Unit("%", whole / 100), sizes, colour, names),
                ends=tuple(units.percent(size, whole) for size in sizes),
                reach=whole,
            )
        )
        said.append(
            f"Of {whole:,} {of}: " + ", ".join(f"{block.name} {block.size:,}" for block in blocks) + "."
        )
    return Figure(
        title=finding,
        subtitle=after_pass(profile),
        panels=tuple(panels),
        columns=len(panels),
        alt=f"Three bar charts side by side, shares by block. {finding}. {' '.join(said)}",
        footer=saved_means(profile),
    )


@figure_of("receptive-field", Profile)
def _receptive_field(profile: Profile) -> Figure:
    """How much of the image one value sees, layer by layer."""
    rows = [row for row in profile.rows[1:] if row.receptive_field is not None]
    if not rows:
        raise InputError(
            f"There is no one figure for what a value of {profile.config.label} sees: it takes no images, or "
            "its paths see differently.",
            "Ask for memory, parameters or macs.",
        )
    fields = [row.receptive_field or 0 for row in rows]
    sides = sorted(set(profile.input[1:]))
    last, widest = rows[-1], fields[-1]
    sees = "pixels, more than" if widest > sides[-1] else "pixels of"
    image = units.shape(profile.input[1:])
    finding = f"One value of {last.name} sees {widest:,}×{widest:,} {sees} the image's {image}"
    return Figure(
        title=finding,
        subtitle=title(profile),
        panels=(
            replace(
                bars(
                    "receptive field, a side",
                    Unit("pixels"),
                    fields,
                    PALETTE[Category.ACTIVATIONS],
                    row_names(rows),
                ),
                bands=block_bands(rows),
                ends=tuple(map(units.exact, fields)),
                limits=tuple(LimitLine(f"the image, {units.plural(side, 'pixel')}", side) for side in sides),
            ),
        ),
        alt=f"Bars of the receptive field by layer, from {units.plural(fields[0], 'pixel')} a side at "
        f"{rows[0].name} to {widest:,} at {last.name}. {finding}.",
        footer="A kernel of k widens the field by (k - 1) strides, and a pool doubles the stride: "
        f"{units.plural(last.stride or 0, 'pixel')} at {last.name}.",
    )
