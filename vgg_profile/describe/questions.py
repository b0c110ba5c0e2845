"""What would help, and what fits of several networks or settings, described as tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vgg_profile.ask.fits import Fits
from vgg_profile.ask.what_if import Advised, WhatIf, flops_of
from vgg_profile.core import units
from vgg_profile.core.forms import Column, Table
from vgg_profile.core.verified import UNVERIFIED
from vgg_profile.describe.kinds import describe_kind
from vgg_profile.describe.plans import in_one_line
from vgg_profile.describe.words import whence


@describe_kind.register
def _advised(asked: Advised) -> Table:
    """The answer, with what to ask next as its last line."""
    table, fit = describe_kind(asked.fit), asked.fit
    now, about = fit.largest_batch * fit.step.setup.accumulate, "about " * (fit.run is not None)
    ways = [f"{typed} {about}{images:,} (+{images - now:,})" for typed, images in asked.would_help.items()]
    helps = f"What would help, in images a step: {', '.join(ways)}. --what-if ranks all."
    return replace(table, footer=(*table.footer, helps if ways else "What would help: --what-if ranks it."))


@describe_kind.register
def _what_if(asked: WhatIf) -> Table:
    """A line for each change that helps, the best first."""
    fit = asked.fit
    taken = "peak" if fit.run is None else "reserved"
    return Table(
        title=f"What would help, each change alone: {fit.step.profile.config.label}, {fit.step.setup.label}, "
        f"in {fit.memory.label}",
        columns=(
            Column("change", "change", is_text=True, rank=3),
            Column("options", "to type", is_text=True),
            Column("images", "images\na step"),
            Column("gained_images", "gained"),
            Column("batch", "batch", rank=2),
            Column("taken_bytes", taken, unit="bytes", rank=2),
            Column("saved_bytes", "saved", unit="bytes"),
            Column("flops_ratio", "FLOPs"),
        ),
        rows=(
            *tuple(
                (
                    each.what,
                    each.options,
                    each.images,
                    each.gained,
                    each.batch,
                    each.taken_bytes,
                    each.saved_bytes,
                    each.flops / flops_of(fit.step),
                )
                for each in asked.helpful
            ),
            *((each.what, each.options, *[None] * 6) for each in asked.refused),
        ),
        footer=tuple(_how_to_read(asked)),
        answer=f"{in_one_line(fit)}{_best(asked)}",
    )


def _best(asked: WhatIf) -> str:
    """What makes the batch fit that was asked about, or the largest fit."""
    fit = asked.fit
    if fit.asked is not None and not fit.fits:
        ways = [each.options for each in asked.helpful if each.fits]
        return f" It does with {units.listed(ways, 'or')}." if ways else " No single change makes it fit."
    if asked.helpful and asked.helpful[0].gained > 0:
        best = asked.helpful[0]
        return f" With {best.options}: {best.images:,} images a step."
    return ""


def _how_to_read(asked: WhatIf) -> Iterator[str]:
    fit = asked.fit
    images = fit.batch * fit.step.setup.accumulate
    yield (
        "Images a step: the largest batch that fits, times its micro-batches. Bytes are for "
        f"{units.plural(images, 'image')} a step: {units.exact(fit.taken_bytes)} as it is."
    )
    yield (
        "Each line is what `fit` says with that option typed; `measure` with it proves the peak of tensors"
        f"{' and kernels' if fit.run is None else ', on a card'}."
    )
    if least := [each.options for each in asked.changes if each.is_at_least]:
        how = "At most" if fit.run is None else "About"  # on a card, what fits without cuDNN's scratch
        yield f"{how} so many images, for no rule knows all that kernels take: {', '.join(least)}."
    if asked.idle:
        yield f"No help here: {', '.join(each.options for each in asked.idle)}."
    yield from whence(fit.memory)
    for each in asked.refused:
        yield f"Not answered here, {each.options}: {each.why}."


@describe_kind.register
def _fits(several: Fits) -> Table:
    """A row for each network or setting."""
    points = several.points
    on_a_card = any(point.setting.device != "cpu" for point in points)
    columns = [
        Column("network", "network", is_text=True),
        Column("input", "input", is_text=True),
        Column("dtype", "dtype", is_text=True, rank=1),
        Column("optimizer", "optimizer", is_text=True),
        Column("batch", "batch"),
        Column("fits", "fits", is_text=True),
        Column("largest_batch", "largest\nbatch"),
        *([Column("largest_batch_at_most", "at most")] if on_a_card else []),
        Column("taken_bytes", "reserved" if on_a_card else "peak", unit="bytes"),
        Column("spare_bytes", "left", unit="bytes"),
        Column("peak_phase", "peak\nphase", is_text=True, rank=2),
        Column("peak_layer", "peak\nlayer", is_text=True, rank=2),
    ]
    rows = tuple(
        (
            point.network,
            point.input,
            point.setting.dtype,
            point.setting.setup.optimizer,
            point.setting.batch,
            "yes" if point.fits else "no",
            point.largest_batch,
            *([point.largest_batch_at_most] if on_a_card else []),
            point.taken_bytes,
            point.spare_bytes,
            point.peak_phase,
            point.peak_layer,
        )
        for point in points
    )
    mark = f", {UNVERIFIED}" if on_a_card else ""
    return Table(
        title=f"What fits in {several.memory.label}{mark}",
        columns=tuple(columns),
        rows=rows,
        footer=("Each line is the answer of `fit`, which has the working.", *whence(several.memory)),
        answer=_in_one_line(several),
    )


def _in_one_line(several: Fits) -> str:
    short = [point for point in several.points if not point.fits]
    memory = several.memory.label
    if not short:
        return ""
    return f"{len(short):,} of {len(several.points):,} do not fit in {memory}."
