"""What a pull request costs, described as tables of a few lines: what changed, and which limits hold."""

from __future__ import annotations

from collections.abc import Iterator

from vgg_profile.ask.budget import Budget, Limit
from vgg_profile.ask.difference import Difference
from vgg_profile.core import units
from vgg_profile.core.forms import Column, Said, Table
from vgg_profile.core.verified import UNVERIFIED
from vgg_profile.describe.kinds import describe_kind
from vgg_profile.describe.words import whence

_NAMES = {
    "peak_bytes": "peak of a step",
    "parameters": "parameters",
    "macs": "MACs per image",
    "flops": "FLOPs, forward + backward",
    "largest_batch": "largest batch",
    "forward_us": "forward pass",
    "backward_us": "backward pass",
}


@describe_kind.register
def _difference(difference: Difference) -> Table:
    """A row a figure, in people's units; JSON has the whole numbers."""
    fits = f" in {difference.memory.label}" if difference.memory else ""
    return Table(
        title=f"{difference.old.label} → {difference.new.label}",
        columns=(
            Column("figure", "", is_text=True),
            Column("old", "old"),
            Column("new", "new"),
            Column("change", "change"),
            Column("layer", "largest part", is_text=True),
            Column("layer_change", "of it"),
        ),
        rows=tuple(
            (
                _NAMES[each.figure] + (fits if each.figure == "largest_batch" else ""),
                Said(each.old, units.of_figure(each.figure, each.old)),
                Said(each.new, units.of_figure(each.figure, each.new)),
                Said(each.change, _signed(each.figure, each.change)),
                each.layer,
                Said(each.layer_change, _signed(each.figure, each.layer_change) if each.layer else ""),
            )
            for each in difference.changes
        ),
        footer=tuple(_settings(difference)),
        answer=_in_one_line(difference),
    )


def _signed(figure: str, change: int) -> str:
    if not change:
        return "same"
    return f"{'+' if change > 0 else ''}{units.of_figure(figure, change)}"


def _in_one_line(difference: Difference) -> str:
    """What became of the peak, or of the first figure that changed; the layer with the largest part."""
    changed = [each for each in difference.changes if each.change]
    if not changed:
        return "Nothing changes."
    first = changed[0]
    verb = "grows" if first.change > 0 else "shrinks"
    where = (
        f", {units.of_figure(first.figure, abs(first.layer_change))} of it in {first.layer}"
        if first.layer
        else ""
    )
    return f"The {_NAMES[first.figure]} {verb} by {units.of_figure(first.figure, abs(first.change))}{where}."


def _settings(difference: Difference) -> Iterator[str]:
    """The setting of both, or in what they differ; whether a card has confirmed them."""
    old, new = difference.old.setting, difference.new.setting
    there, here = old.to_dict(), new.to_dict()
    differing = [f"{name} {there[name]} and {here[name]}" for name in there if there[name] != here[name]]
    yield (
        f"Input {units.shape(new.input)}, batch {new.batch:,}, {new.dtype}, {new.device}, {new.setup.label}."
    )
    if differing:
        yield f"Old and new differ in their setting: {', '.join(differing)}."
    if difference.new.is_unverified:
        yield f"By a card's rules, {UNVERIFIED}."
    yield from whence(difference.memory)


@describe_kind.register
def _budget(budget: Budget) -> Table:
    """A row a limit, with what is left of it."""
    over = sum(not limit.holds for limit in budget.limits)
    every = units.plural(len(budget.limits), "limit")
    return Table(
        title=budget.title,
        columns=(
            Column("network", "network", is_text=True),
            Column("limit", "limit", is_text=True),
            Column("allowed", "allowed"),
            Column("found", "found"),
            Column("left", "left"),
            Column("holds", "", is_text=True),
        ),
        rows=tuple(
            (
                limit.network,
                f"{_NAMES[limit.figure]}{f' in {limit.memory}' if limit.memory else ''}",
                Said(limit.allowed, _allowed(limit)),
                Said(limit.found, units.of_figure(limit.figure, limit.found)),
                Said(limit.left, units.of_figure(limit.figure, limit.left)),
                "holds" if limit.holds else "EXCEEDED",
            )
            for limit in budget.limits
        ),
        footer=tuple(_by_whose_rules(budget)),
        answer=f"{over:,} of {every} {'is' if over == 1 else 'are'} exceeded." if over else f"{every} held.",
    )


def _by_whose_rules(budget: Budget) -> Iterator[str]:
    devices = {limit.setting.device for limit in budget.limits}
    if "cpu" in devices:
        yield (
            "On the CPU a peak is of tensors and PyTorch's own kernels; where the file names a processor, "
            "of every kernel."
        )
    if devices - {"cpu"}:
        yield f"A card's figures are without cuDNN's scratch, and {UNVERIFIED}."


def _allowed(limit: Limit) -> str:
    return f"{'≥' if limit.is_least else '≤'} {units.of_figure(limit.figure, limit.allowed)}"
