"""What a change to a network costs, described as a table of a few lines: a comment on a pull request."""

from __future__ import annotations

from collections.abc import Iterator

from vgg_profile.ask.difference import Difference
from vgg_profile.core import units
from vgg_profile.core.forms import Column, Table
from vgg_profile.core.setting import Setting
from vgg_profile.describe.kinds import describe_kind

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
            Column("where", "largest part", is_text=True),
        ),
        rows=tuple(
            (
                _NAMES[each.figure] + (fits if each.figure == "largest_batch" else ""),
                _amount(each.figure, each.old),
                _amount(each.figure, each.new),
                _signed(each.figure, each.change),
                f"{each.layer}: {_signed(each.figure, each.layer_change)}" if each.layer else "",
            )
            for each in difference.changes
        ),
        footer=tuple(_settings(difference.old.setting, difference.new.setting)),
        answer=_in_one_line(difference),
    )


def _amount(figure: str, value: int) -> str:
    if figure.endswith("_bytes"):
        return units.binary(value)
    if figure.endswith("_us"):
        return f"{units.exact(value)} µs"
    return units.exact(value)


def _signed(figure: str, change: int) -> str:
    if not change:
        return "same"
    return f"{'+' if change > 0 else '−'}{_amount(figure, abs(change))}"


def _in_one_line(difference: Difference) -> str:
    """What became of the peak, or of the first figure that changed; the layer with the largest part."""
    changed = [each for each in difference.changes if each.change]
    if not changed:
        return "Nothing changes."
    first = changed[0]
    verb = "grows" if first.change > 0 else "shrinks"
    where = (
        f", {_amount(first.figure, abs(first.layer_change))} of it in {first.layer}" if first.layer else ""
    )
    return f"The {_NAMES[first.figure]} {verb} by {_amount(first.figure, abs(first.change))}{where}."


def _settings(old: Setting, new: Setting) -> Iterator[str]:
    """The setting of both, or in what they differ."""
    there, here = old.to_dict(), new.to_dict()
    differing = [f"{name} {there[name]} and {here[name]}" for name in there if there[name] != here[name]]
    yield (
        f"Input {units.shape(new.input)}, batch {new.batch:,}, {new.dtype}, {new.device}, {new.setup.label}."
    )
    if differing:
        yield f"Old and new differ in their setting: {', '.join(differing)}."
