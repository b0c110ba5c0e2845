"""A whole step described as tables: predicted, and predicted beside measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from vgg_profile.check.results import Overlay
from vgg_profile.core import units
from vgg_profile.core.book import Moment
from vgg_profile.core.events import Category
from vgg_profile.core.forms import Column, Table
from vgg_profile.core.step import Step, in_words
from vgg_profile.core.verified import UNVERIFIED
from vgg_profile.describe.kinds import describe_kind
from vgg_profile.describe.words import marked, rules, scratch_counted, sized, title
from vgg_profile.predict.reserved import TrainingRun, workspaces


class _Part(NamedTuple):
    """A column of the timeline: what some categories take together, and its rank where room is short."""

    name: str
    header: str
    rank: int
    categories: tuple[Category, ...]


_IN_PASSING = (Category.IN_FLIGHT, Category.TEMPORARY, Category.SCRATCH)

_PARTS = (
    _Part("weights_and_buffers_bytes", "weights,\nbuffers", 6, (Category.WEIGHTS, Category.BUFFERS)),
    _Part("input_bytes", "input", 7, (Category.INPUT,)),
    _Part("activations_and_statistics_bytes", "activations", 1, (Category.ACTIVATIONS, Category.STATISTICS)),
    _Part("casts_bytes", "autocast\ncopies", 9, (Category.CASTS,)),
    _Part("indices_bytes", "pool\nindices", 4, (Category.INDICES,)),
    _Part("masks_bytes", "dropout\nmasks", 8, (Category.MASKS,)),
    _Part("in_flight_and_temporary_bytes", "gradients\nin flight", 3, _IN_PASSING),
    _Part("gradients_bytes", "gradients", 2, (Category.GRADIENTS,)),
    _Part("optimizer_bytes", "optimizer\nstate", 5, (Category.OPTIMIZER,)),
)
"""Together they are every category, so a line adds up to what is live."""


@describe_kind.register
def _ledger(step: Step) -> Table:
    """What is live when one part of the step is over, split by what it is for."""
    profile, moments, peak = step.profile, step.moments, step.peak
    parts = [part for part in _PARTS if part.name != "casts_bytes" or step.setup.amp != "none"]
    is_counted = profile.device == "cpu" and not profile.is_traced and not step.is_at_least
    return Table(
        title=f"Live bytes through one step: {title(profile)}, {step.setup.label}",
        columns=(
            Column("phase", "phase", is_text=True),
            Column("layer", "layer", is_text=True),
            Column("live_bytes", "live after", unit="bytes"),
            Column("peak_bytes", "most within", unit="bytes"),
            *(Column(part.name, part.header, unit="bytes", rank=part.rank) for part in parts),
        ),
        rows=tuple(
            (
                moment.phase.value,
                moment.layer,
                moment.live,
                moment.peak,
                *(sum(moment.categories[each] for each in part.categories) for part in parts),
            )
            for moment in moments
        ),
        ends=_ends(moments),
        footer=(
            marked(f"Peak: {sized(peak.peak)}, {in_words(*step.place)}", profile)
            + ("." if is_counted else f"; {step.scope}."),
            *([scratch_counted(step)] if is_counted else []),
            f"By the rules of device {rules(profile)}.",
            *_on_a_card(step),
            *remarks(step),
        ),
    )


def _on_a_card(step: Step) -> Iterator[str]:
    """What PyTorch's allocator makes of the step, beside what tensors ask for."""
    taken = allocator_figures(step)
    if taken is not None:
        yield (
            f"Without cuDNN's scratch, {UNVERIFIED}: with {sized(taken['workspace_bytes'])} of cuBLAS "
            f"workspace {taken['requested_bytes']:,} bytes are requested at most, "
            f"{taken['allocated_bytes']:,} allocated in blocks and {taken['reserved_bytes']:,} reserved in "
            "segments; `fit` holds that against a memory."
        )


def allocator_figures(step: Step) -> dict[str, int] | None:
    """What PyTorch's allocator is asked for in a step on a card, gives in blocks and reserves, at most.

    In bytes, the workspaces of an unknown card's libraries among them, without cuDNN's scratch; ``None`` on
    the CPU.
    """
    setting = step.setting
    if setting.device == "cpu":
        return None
    kept = workspaces(None, has_backward=setting.setup.has_backward)
    taken = TrainingRun(step, kept).taken(setting.batch)
    return {
        "workspace_bytes": sum(each.bytes for each in kept),
        "requested_bytes": taken.requested,
        "allocated_bytes": taken.allocated,
        "reserved_bytes": taken.reserved,
    }


@describe_kind.register
def _overlay(curve: Overlay) -> Table:
    """Predicted beside measured at every boundary: what is live there, and the most within the part."""
    step, moments = curve.step, curve.step.moments
    met = sum(each.residual == 0 for each in curve.boundaries)
    exact = sum(each.beyond == 0 for each in curve.boundaries)
    scratch = sorted({each.scratch.name for each in curve.boundaries if each.scratch})
    return Table(
        title=f"Predicted and measured through one step: {title(step.profile)}, {step.setup.label}",
        columns=(
            Column("phase", "phase", is_text=True),
            Column("layer", "layer", is_text=True),
            Column("live_bytes", "live after,\npredicted", unit="bytes"),
            Column("measured_live_bytes", "measured", unit="bytes"),
            Column("residual", "residual\n(bytes)"),
            Column("peak_bytes", "most within,\npredicted", unit="bytes"),
            Column("measured_peak_bytes", "measured", unit="bytes"),
            Column("beyond_bytes", "beyond it\n(bytes)"),
            Column("operation", "taken by", is_text=True, rank=1),
        ),
        rows=tuple(
            (
                each.phase,
                each.layer,
                each.live,
                each.measured_live,
                each.residual,
                each.peak,
                each.measured_peak,
                each.beyond,
                each.operation if each.beyond else "",
            )
            for each in curve.boundaries
        ),
        ends=_ends(moments),
        footer=(
            f"{curve.verdict.value}: the curves meet at {met} of {len(moments)} boundaries, to the byte.",
            *_unpredicted(curve),
            f"Within {exact} of {len(moments)} parts the most that is live is as predicted, too."
            + (f" The rest is {', and '.join(scratch)}." if scratch else ""),
            f"Predicted peak: {sized(step.peak.peak)}, {in_words(*step.place)}.",
            *_measured_peak(curve),
            *remarks(step),
        ),
    )


def _measured_peak(curve: Overlay) -> Iterator[str]:
    """The measured peak, and how it differs from the predicted one."""
    highest, peak = curve.highest, curve.step.peak
    if highest is None or highest.measured_peak is None:
        return
    more = highest.measured_peak - peak.peak
    differs = f"{abs(more):,} bytes {'more' if more > 0 else 'less'}" if more else "as predicted"
    yield (
        f"Measured peak: {sized(highest.measured_peak)}, {in_words(highest.phase, highest.layer)}: {differs}."
    )


def _unpredicted(curve: Overlay) -> Iterator[str]:
    if curve.unpredicted:
        places = "; ".join(moment.place for moment in curve.unpredicted)
        yield f"Measured and not predicted: {places}."


def _ends(moments: Sequence[Moment]) -> frozenset[int]:
    """The rows after which a phase is over."""
    return frozenset(n for n, (one, after) in enumerate(pairwise(moments)) if one.phase is not after.phase)


def remarks(step: Step) -> Iterator[str]:
    """What the setup does that a reader of the figures should know, and what is not sure."""
    setup = step.setup
    for doubt in step.doubts:
        yield f"~ {doubt}."
    if setup.optimizer != "none":
        yield (
            "The step is the first: the optimizer's state appears in it."
            if setup.first_step
            else "The step is a later one: the optimizer's state is there from the start; in the "
            "--first-step it appears."
        )
    if step.recomputed_flops:
        again = sum(step.recomputed_flops.values())
        plain = sum(step.flops.values())
        yield (
            f"Checkpointing runs {units.exact(again)} FLOPs a second time, "
            f"{100 * again / plain:.1f} % on top of {units.exact(plain)} forward and backward."
        )
    if setup.amp == "float16":
        yield "A GradScaler, which float16 wants, keeps a few scalars more; they are not counted."
