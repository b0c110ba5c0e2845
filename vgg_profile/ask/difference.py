"""What a change to a network costs: the old one, the new one, and the layers in which they differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from vgg_profile.ask.cards import Memory
from vgg_profile.ask.question import Question
from vgg_profile.core.display import Displayed
from vgg_profile.core.errors import InputError, excerpt
from vgg_profile.core.printable import command_line
from vgg_profile.core.setting import Setting, Setup
from vgg_profile.core.tree import Profile
from vgg_profile.core.version import SCHEMA_VERSION
from vgg_profile.measure.record import Measurement
from vgg_profile.predict.steps import ledger


class Total(NamedTuple):
    """One figure of one version: by layer it adds up to the whole, where that is known."""

    value: int
    by_layer: Mapping[str, int]


@dataclass(frozen=True)
class Version:
    """One of two versions: its name, where it was asked about, and its figures."""

    label: str
    setting: Setting
    figures: Mapping[str, Total]
    is_measured: bool = False
    is_unverified: bool = False
    """Whether it is by rules of a card that no card has confirmed."""


class Changed(NamedTuple):
    """One figure in both versions; most of its change is ``layer``'s, if any one's."""

    figure: str
    old: int
    new: int
    layer: str
    layer_change: int

    @property
    def change(self) -> int:
        return self.new - self.old


def predicted(label: str, profile: Profile, setup: Setup, memory: Memory | None) -> Version:
    """A version's figures: parameters and MACs per image, the peak of its step, the largest batch."""
    step = ledger(profile, setup)
    rows = profile.module_rows
    figures = {
        "peak_bytes": Total(step.peak.peak, step.held_at_the_peak),
        "parameters": Total(profile.totals.parameters, {row.name: row.parameters for row in rows}),
        "macs": Total(profile.totals.macs, {row.name: row.macs.value for row in rows}),
    }
    if memory is not None:
        figures["largest_batch"] = Total(Question(profile, memory, setup).answer().largest_batch, {})
    on_a_card = profile.device != "cpu"
    is_open = on_a_card and (memory is not None or step.profile.verified is None)
    return Version(label, step.setting, figures, is_unverified=is_open)


def measured(label: str, record: Measurement) -> Version:
    """The figures of a record: its peak, parameters, FLOPs, and the median times in microseconds."""
    found = {}
    for name, quantity, times in (
        ("peak_bytes", "peak_bytes", 1),
        ("parameters", "parameters", 1),
        ("flops", "forward_backward_flops", 1),
        ("forward_us", "forward_time", 10**6),
        ("backward_us", "backward_time", 10**6),
    ):
        whole = record.get(quantity)
        if whole is not None and not isinstance(whole.value, list):
            layers = record.layers(quantity) if times == 1 else {}
            by_layer = {name: int(each.value) for name, each in layers.items() if isinstance(each.value, int)}
            found[name] = Total(round(whole.value * times), by_layer)
    return Version(label, record.setting, found, is_measured=True)


@dataclass(frozen=True, repr=False)
class Difference(Displayed):
    """Two versions, old and new; ``memory`` is what the largest batch fits into.

    Raises ``InputError`` if one was measured, and the other is predicted.

    >>> from vgg_profile.predict.vgg.walk import walk
    >>> old, new = (predicted(name, walk(name), Setup(), None) for name in ("D", "E"))
    >>> [(each.figure, each.change, each.layer) for each in Difference(old, new).changes][1]
    ('parameters', 5309696, 'conv4_4')
    """

    old: Version
    new: Version
    memory: Memory | None = None

    def __post_init__(self) -> None:
        if self.old.is_measured != self.new.is_measured:
            record, network = sorted((self.old, self.new), key=lambda each: not each.is_measured)
            typed = command_line(["vgg-profile", "check", network.label, record.label])
            raise InputError(
                f"One is a record and one is not: {excerpt(self.old.label)} and {excerpt(self.new.label)}.",
                f"Compare two networks, or two records; `{typed}` holds one against the other.",
            )

    @property
    def changes(self) -> tuple[Changed, ...]:
        """The figures that both have, each with the layer in which most of the change is."""
        return tuple(
            _changed(name, figure, self.new.figures[name])
            for name, figure in self.old.figures.items()
            if name in self.new.figures  # a record may lack one
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "old": {"label": self.old.label, **self.old.setting.to_dict()},
            "new": {"label": self.new.label, **self.new.setting.to_dict()},
            "memory": self.memory and self.memory.label,
            "figures": [{**each._asdict(), "change": each.change} for each in self.changes],
        }


def _changed(name: str, old: Total, new: Total) -> Changed:
    sign = 1 if new.value > old.value else -1
    by_layer = {
        layer: new.by_layer.get(layer, 0) - old.by_layer.get(layer, 0)
        for layer in {**old.by_layer, **new.by_layer}
    }
    layer = max(by_layer, key=lambda layer: sign * by_layer[layer], default="")
    if new.value == old.value or not layer:
        return Changed(name, old.value, new.value, "", 0)
    return Changed(name, old.value, new.value, layer, by_layer[layer])
