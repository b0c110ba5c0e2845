"""Networks side by side at one setting: whole, by block or by layer, absolute and as ratios."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vgg_profile.core import units
from vgg_profile.core.display import Displayed
from vgg_profile.core.errors import InputError, excerpt
from vgg_profile.core.events import Phase
from vgg_profile.core.printable import command_line
from vgg_profile.core.setting import Setup
from vgg_profile.core.tree import Profile, heading
from vgg_profile.core.version import SCHEMA_VERSION

if TYPE_CHECKING:
    from vgg_profile.check.results import Checks
    from vgg_profile.core.step import Step
    from vgg_profile.measure.record import Measurement, Reading


BY = ("total", "block", "layer")

PARTS = ("parameters", "batch_macs", "saved_bytes")
"""The figures that each block or layer has."""

MEASURED = ("measured_live_bytes", "measured_peak_bytes", "measured_forward_us", "measured_backward_us")
"""The figures of a record: live after the forward pass, the peak, the median time of either pass."""

Figures = Mapping[str, int | float | None]
"""Quantity → value: integers, and floats for ratios; ``None`` where there is none."""


@dataclass(frozen=True)
class Compared:
    """One network of a comparison; ``checks`` are those of its record, if there is one."""

    label: str
    profile: Profile
    setup: Setup
    record: str | None = None
    checks: Checks | None = None

    @cached_property
    def step(self) -> Step:
        """Its training step, predicted."""
        from vgg_profile.predict.steps import ledger

        return ledger(self.profile, self.setup)

    @property
    def figures(self) -> Figures:
        """What is predicted of the whole: MACs and bytes for the batch, values for one image."""
        totals, live = self.profile.totals, self.step.fixed_points
        return {
            "parameters": totals.parameters,
            "batch_macs": totals.macs * self.profile.batch,
            "values": totals.values,
            "saved_bytes": live[Phase.FORWARD] - live[Phase.INPUT],
            "peak_bytes": self.step.peak.peak,
            "receptive_field": self.profile.receptive_field,
        }

    @property
    def measured(self) -> Figures:
        """What its record says."""
        if self.checks is None:
            return dict.fromkeys(MEASURED)
        whole = {check.quantity: check.measured for check in self.checks.checks if not check.layer}
        sizes = (whole["live_after_forward"], whole["peak"])
        times = (self.checks.measurement.get(name) for name in ("forward_time", "backward_time"))
        figures = (*(size if isinstance(size, int) else None for size in sizes), *map(_microseconds, times))
        return dict(zip(MEASURED, figures, strict=True))

    def parts(self, by: str) -> dict[str, Figures]:
        """What is predicted of each block or layer; together they are the whole."""
        saved = {row.name: row.saved_bytes(self.profile.batch) for row in self.step.profile.module_rows}
        parts: dict[str, Counter[str]] = {}
        for row in self.profile.module_rows[1:]:
            layer = row.name if row.head == "input" else row.head
            name = (row.block or layer) if by == "block" else layer
            figures = (row.parameters, row.macs.value * self.profile.batch, saved[row.name])
            parts.setdefault(name, Counter()).update(dict(zip(PARTS, figures, strict=True)))
        return {name: dict(figures) for name, figures in parts.items()}


@dataclass(frozen=True, repr=False)
class Comparison(Displayed):
    """Several profiles in the order given, a row each; or, ``by`` "block" or "layer", a column each.

    With profiles alone it holds their headline totals, and no step is run. ``base``, in the list or not, is
    what the others are compared with. ``measured`` has records by name; a network's is the first that is of
    it at this setting. Raises ``InputError`` where there are records and none is, or one does not hold.

    >>> from vgg_profile.predict.vgg.walk import walk
    >>> comparison = Comparison((walk("A"), walk("D")), Setup(), base=walk("A"))
    >>> [figures["peak_bytes"] for figures in comparison.figures]
    [1106232560, 1169566704]
    """

    profiles: tuple[Profile, ...]
    setup: Setup | None = None
    base: Profile | None = None
    by: str = "total"
    measured: Mapping[str, Measurement] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.profiles:
            raise InputError("There is nothing to compare.", "Name a config or more, such as A B D E.")
        if self.by not in BY:
            raise InputError(
                f"There is no comparison by {excerpt(self.by)}.", f"Choose from {', '.join(BY)}."
            )
        if self.measured and self.by != "total":
            raise InputError(
                f"By {self.by} there are no measured figures.", "Leave --measured out, or compare by total."
            )

    @property
    def is_headline(self) -> bool:
        """Whether nothing but the profiles was given."""
        return (self.setup, self.base, self.by, self.measured) == (None, None, "total", {})

    @property
    def networks(self) -> tuple[Compared, ...]:
        """Each network under a label that no other has."""
        return self._all[: len(self.profiles)]

    @property
    def origin(self) -> Compared | None:
        """The base, under its label."""
        return None if self.base is None else self._all[[*self.profiles, self.base].index(self.base)]

    @cached_property
    def _all(self) -> tuple[Compared, ...]:
        """The networks, and after them a base that is none of them."""
        profiles = list(self.profiles)
        if self.base is not None and self.base not in profiles:
            profiles.append(self.base)
        labels = distinct(profile.config.label for profile in profiles)
        networks = []
        for label, profile in zip(labels, profiles, strict=True):
            setup = (self.setup or Setup()).on(profile.device)
            networks.append(Compared(label, profile, setup, *_record(profile, setup, self.measured)))
        if self.measured and not any(network.checks for network in networks):
            setting = replace(profile.setting, setup=setup)
            typed = command_line(["vgg-profile", "measure", "NET", *setting.options(), "-o", "record.json"])
            raise InputError(
                f"Of {units.plural(len(self.measured), 'record')} none is of {' or '.join(labels)} at input "
                f"{units.shape(profile.input)}, batch {profile.batch:,}, {profile.dtype}, {profile.device}, "
                f"{setup.label}.",
                f"Ask about what was measured, or measure: `{typed}`.",
            )
        return tuple(networks)

    @property
    def figures(self) -> tuple[Figures, ...]:
        """Each network's figures, measured ones last, each with its ratio behind it if there is a base."""

        def of(network: Compared) -> Figures:
            return {**network.figures, **(network.measured if self.measured else {})}

        base = of(self.origin) if self.origin else None
        return tuple(_with_ratios(of(network), base) for network in self.networks)

    @property
    def parts(self) -> dict[str, tuple[Figures, ...]]:
        """Block or layer → its figures in each network, all ``None`` in one that has no such."""
        absent: Figures = dict.fromkeys(PARTS)
        found = [network.parts(self.by) for network in self.networks]
        base = self.origin.parts(self.by) if self.origin else None

        def of(parts: dict[str, Figures], name: str) -> Figures:
            return _with_ratios(parts.get(name, absent), None if base is None else base.get(name, absent))

        return {name: tuple(of(parts, name) for parts in found) for name in self._in_order(found)}

    @cached_property
    def blocks(self) -> dict[str, str]:
        """Layer → the block that it stands in; the last of them, where networks differ."""
        of_profiles = [[row for row in profile.module_rows if row.block] for profile in self.profiles]
        order = merged([row.block for row in rows] for rows in of_profiles)
        rows = [row for rows in of_profiles for row in rows]
        return {row.name: row.block for row in sorted(rows, key=lambda row: order.index(row.block))}

    def _in_order(self, found: Sequence[Iterable[str]]) -> Iterator[str]:
        """The parts of all networks as in one network: block by block, each block with its parts in order."""
        blocks = self.blocks
        grouped: list[dict[str, list[str]]] = []
        for names in found:
            groups: dict[str, list[str]] = {}
            for name in names:
                groups.setdefault(blocks.get(name, name), []).append(name)
            grouped.append(groups)
        for block in merged(grouped):
            yield from merged(groups.get(block, ()) for groups in grouped)

    def to_dict(self) -> dict[str, Any]:
        """One object a network: its label, depth, and the totals of its profile; then what was asked for."""
        content: dict[str, Any] = {"schema_version": SCHEMA_VERSION}
        configs = [_headline(profile) for profile in self.profiles]
        if self.is_headline:
            return {**content, "configs": configs}
        parts = {} if self.by == "total" else self.parts
        for place, (network, figures) in enumerate(zip(self.networks, self.figures, strict=True)):
            configs[place] |= {
                "label": network.label,
                **network.step.profile.verification,
                **figures,
                "record": network.record,
                "environment": network.checks and network.checks.measurement.environment,
                "parts": [{"name": name, **each[place]} for name, each in parts.items()],
            }
        return {
            **content,
            **self.networks[0].setup.to_dict(),
            "by": self.by,
            "relative_to": self.origin and self.origin.label,
            "configs": configs,
        }


def _headline(profile: Profile) -> dict[str, Any]:
    return {
        **heading(profile.config, profile.setting.tensors),
        **profile.verification,
        "pooled": profile.pooled,
        "depth": profile.config.depth,
        **profile.to_dict()["totals"],
        "receptive_field": profile.receptive_field,
    }


def _with_ratios(figures: Figures, base: Figures | None) -> Figures:
    """Each figure, and behind it how many times the base's it is; ``None`` where the base has none of it.

    >>> _with_ratios({"parameters": 3}, {"parameters": 2})
    {'parameters': 3, 'parameters_ratio': 1.5}
    """
    if base is None:
        return figures
    found: dict[str, int | float | None] = {}
    for key, value in figures.items():
        of = base[key]
        found |= {key: value, f"{key}_ratio": value / of if value is not None and of else None}
    return found


def distinct(names: Iterable[str]) -> list[str]:
    """Names that cannot be confused: one that was there before gets a number.

    >>> distinct(["D", "tiny", "D"])
    ['D', 'tiny', 'D (2)']
    """
    found: list[str] = []
    for name in names:
        label, number = name, 1
        while label in found:
            number += 1
            label = f"{name} ({number})"
        found.append(label)
    return found


def merged(orders: Iterable[Iterable[str]]) -> list[str]:
    """Names from several orders as one: what one order lacks comes behind what it stands behind in another.

    >>> merged([["conv1_1", "pool1"], ["conv1_1", "conv1_2", "pool1", "fc2"]])
    ['conv1_1', 'conv1_2', 'pool1', 'fc2']
    """
    after: dict[str | None, str | None] = {None: None}  # each name knows the next; None knows the first
    for names in orders:
        before: str | None = None
        for name in names:
            if name not in after:
                after[name], after[before] = after[before], name
            before = name
    found = []
    following = after[None]
    while following is not None:
        found.append(following)
        following = after[following]
    return found


def _record(
    profile: Profile, setup: Setup, records: Mapping[str, Measurement]
) -> tuple[str | None, Checks | None]:
    """The first record of a network at its setting and its checks; one that does not hold is refused."""
    from vgg_profile.check.crosscheck import crosscheck
    from vgg_profile.check.results import Verdict
    from vgg_profile.predict.vgg.configs import recorded

    setting, config = replace(profile.setting, setup=setup), profile.config.to_dict()
    for name, record in records.items():
        subject = record.subject["config"]
        plain = setup.measured_on(profile.device)
        here = replace(setting, setup=plain.on_the_machine_of(record.setting.setup))
        if record.setting == here and subject is not None and recorded(subject) == config:
            checks = crosscheck(profile, record)
            if checks.count(Verdict.FAIL):
                raise InputError(
                    f"The record {excerpt(name)} does not hold: "
                    f"{checks.count(Verdict.FAIL)} of its {len(checks.checks)} checks fail.",
                    f"See which: `{command_line(['vgg-profile', 'check', profile.config.label, name])}`.",
                )
            return name, checks
    return None, None


def _microseconds(reading: Reading | None) -> int | None:
    return round(reading.value * 1e6) if reading and isinstance(reading.value, float) else None


def read_records(path: Path) -> dict[str, Measurement]:
    """The record at a path, or every ``.json`` of a folder, by file; raises ``InputError`` if one is none."""
    from vgg_profile.measure.reading import load

    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise InputError(
            f"There is no record in {excerpt(str(path))}.",
            "Make one: `vgg-profile measure NET -o record.json`.",
        )
    return {str(file): load(file) for file in files}
