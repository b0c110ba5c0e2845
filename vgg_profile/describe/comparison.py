"""Networks side by side described as a table: a row each, or a column each by block or by layer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from vgg_profile.ask.compare import PARTS, Comparison, Figures
from vgg_profile.core import units
from vgg_profile.core.forms import Cell, Column, Table
from vgg_profile.core.tree import Profile
from vgg_profile.describe.kinds import describe_kind
from vgg_profile.describe.times import number
from vgg_profile.describe.words import each_pool_words, marked, rules
from vgg_profile.measure.vocabulary import RATE

_HEADERS = {
    "parameters": "parameters",
    "batch_macs": "MACs\n(the batch)",
    "values": "the notes'\nmemory\n(values)",
    "saved_bytes": "saved for\nbackward",
    "peak_bytes": "peak",
    "receptive_field": "receptive\nfield\n(px)",
    "measured_live_bytes": "measured:\nlive after\nforward",
    "measured_peak_bytes": "measured:\npeak",
    "measured_forward_us": "measured:\nforward\n(µs)",
    "measured_backward_us": "measured:\nbackward\n(µs)",
}

_RANKS = {
    "saved_bytes": 1,
    "measured_peak_bytes": 2,
    "measured_live_bytes": 3,
    "measured_forward_us": 4,
    "measured_backward_us": 4,
    "values": 5,
    "receptive_field": 6,
}
"""Which figures go where room is short; a ratio goes with its own."""

_PARTS = {"parameters": "parameters", "batch_macs": "MACs", "saved_bytes": "saved"}


@describe_kind.register
def _comparison(comparison: Comparison) -> Table:
    if comparison.is_headline:
        return _headlines(comparison.profiles)
    return _totals(comparison) if comparison.by == "total" else _parts(comparison)


def _headlines(profiles: tuple[Profile, ...]) -> Table:
    return Table(
        title=f"VGG configs at {_setting(profiles)}{each_pool_words(profiles)}",
        columns=(
            Column("config", "config", is_text=True),
            Column("depth", "weight\nlayers"),
            Column("parameters", "parameters"),
            Column("parameters_bytes", "parameters", unit="bytes", rank=3),
            Column("macs", "MACs\n(per image)"),
            Column("values", "values\n(per image)", rank=1),
            Column("memory_bytes", "memory", unit="bytes"),
            Column("saved_bytes", "saved for\nbackward", unit="bytes"),
            Column("receptive_field", "receptive\nfield", rank=2),
        ),
        rows=tuple(
            (
                profile.config.label,
                profile.config.depth,
                profile.totals.parameters,
                profile.totals.parameters * profile.itemsize,
                profile.totals.macs,
                profile.totals.values,
                profile.totals.memory_bytes,
                profile.totals.saved_bytes,
                profile.receptive_field,
            )
            for profile in profiles
        ),
        footer=(
            "Parameters are weights and biases. 1 MAC = 2 FLOPs. Memory is the input and every output of "
            "convolutions, pools and fully-connected layers, once.",
            "Saved for backward: alive after a training forward pass, above weights and input, by the rules "
            f"of device {_each(map(rules, profiles))}.",
        ),
    )


def _setting(profiles: tuple[Profile, ...]) -> str:
    """What the networks have in common; where they differ, each of it."""
    return (
        f"input {_each(units.shape(profile.input) for profile in profiles)}, "
        f"batch {_each(units.exact(profile.batch) for profile in profiles)}, "
        f"{_each(profile.dtype for profile in profiles)}"
    )


def _each(texts: Iterable[str]) -> str:
    return " and ".join(dict.fromkeys(texts))


def _title(comparison: Comparison) -> str:
    setup = comparison.networks[0].setup
    kind = "VGG configs" if all(not profile.is_traced for profile in comparison.profiles) else "Networks"
    said = f"{kind} compared at {_setting(comparison.profiles)}, {setup.label}"
    title = marked(said, *(network.step.profile for network in comparison.networks))
    relative = f", relative to {comparison.origin.label}" if comparison.origin else ""
    return f"{title}{relative}{each_pool_words(network.profile for network in comparison.networks)}"


def _totals(comparison: Comparison) -> Table:
    """A row a network: what is predicted, then what was measured."""
    figures, ratio = comparison.figures, _ratio(comparison)
    return Table(
        title=_title(comparison),
        columns=(
            Column("config", "config", is_text=True),
            Column("depth", "weight\nlayers"),
            *(
                _column(key, _HEADERS.get(key, ratio), _RANKS.get(key.removesuffix("_ratio"), 0))
                for key in figures[0]
            ),
        ),
        rows=tuple(
            (network.label, network.profile.config.depth, *each.values())
            for network, each in zip(comparison.networks, figures, strict=True)
        ),
        footer=tuple(_footer(comparison)),
    )


def _parts(comparison: Comparison) -> Table:
    """A row a block or layer; for each figure a column a network, and its ratio beside it."""
    parts, networks = comparison.parts, comparison.networks
    blocks = [comparison.blocks.get(name) for name in parts]
    figures = [(key, f"{key}_ratio") if comparison.base else (key,) for key in PARTS]

    def cells(of_networks: tuple[Figures, ...]) -> Iterator[Cell]:
        return (each[key] for figure in figures for each in of_networks for key in figure)

    return Table(
        title=f"{_title(comparison)}, by {comparison.by}",
        columns=(
            Column(comparison.by, comparison.by, is_text=True),
            *(
                _column(
                    key,
                    f"{_wrapped(network.label)}\n{_PARTS[key]}" if key in _PARTS else _ratio(comparison),
                    rank=place,
                    of=network.label,
                )
                for place, figure in enumerate(figures)
                for network in networks
                for key in figure
            ),
        ),
        rows=tuple((name, *cells(of_networks)) for name, of_networks in parts.items()),
        total=("total", *cells(comparison.figures)),
        ends=frozenset(place for place, (one, after) in enumerate(pairwise(blocks)) if one != after),
        footer=tuple(_footer(comparison)),
    )


def _column(figure: str, header: str, rank: int, of: str = "") -> Column:
    key = f"{figure}:{of}" if of else figure
    return Column(key, header, unit="bytes" if figure.endswith("_bytes") else "", rank=rank)


def _ratio(comparison: Comparison) -> str:
    """What heads a column of ratios."""
    return f"÷ {_wrapped(comparison.origin.label)}" if comparison.origin else ""


def _wrapped(label: str) -> str:
    """A network named by its layers on several lines, since it heads a column.

    >>> _wrapped("64,64,M,128,128,M,256,M").splitlines()
    ['64,64,M,128,', '128,M,256,M']
    """
    return re.sub(r"(.{10}[^,]*,)(?=.)", r"\1\n", label)


def _footer(comparison: Comparison) -> Iterator[str]:
    """The conventions, and where measured figures come from."""
    profiles = comparison.profiles
    images = _each(units.plural(profile.batch, "image") for profile in profiles)
    yield (
        f"Parameters are weights and biases. 1 MAC = 2 FLOPs. MACs and bytes are for a batch of {images}, "
        f"by the rules of device {_each(profile.device for profile in profiles)}."
    )
    yield from _where_verified(comparison)
    yield "Saved for backward: alive after this step's forward pass, above what was there before it."
    if comparison.by == "total":
        scopes = "; or ".join(dict.fromkeys(network.step.scope for network in comparison.networks))
        yield f"Peak: the most that is live at once in the step, {scopes}."
        yield (
            "The notes' memory: the input and every output of convolutions, pools and fully-connected "
            "layers, once, for one image."
        )
        if comparison.measured:
            yield from _sources(comparison)


def _where_verified(comparison: Comparison) -> Iterator[str]:
    """Which networks' rules a card has confirmed, and which none has."""
    found: dict[str, list[str]] = {}
    for network in comparison.networks:
        if network.profile.device != "cpu":
            found.setdefault(rules(network.step.profile), []).append(network.label)
    for where, labels in found.items():
        yield f"Rules of {where}: {', '.join(labels)}."


def _sources(comparison: Comparison) -> Iterator[str]:
    """Which record each measured figure is from, by machine, and which networks have none."""
    machines: dict[str, list[str]] = {}
    for network in comparison.networks:
        if network.checks:
            of = network.checks.measurement.environment
            machine = f"{of.get('device', '?')} ({of.get('platform', '?')}), torch {of.get('torch', '?')}"
            machines.setdefault(machine, []).append(f"{network.label} ({network.record})")
    for machine, records in machines.items():
        yield f"Measured on {machine}: {', '.join(records)}; no check of these records fails."
    absent = [network.label for network in comparison.networks if not network.checks]
    if absent:
        yield f"No record at this setting: {', '.join(absent)}."
    yield (
        "Measured: live after forward is with weights and input, the peak with scratch; times are medians, "
        "and vary from run to run."
    )
    yield from _yardsticks(comparison)


def _yardsticks(comparison: Comparison) -> Iterator[str]:
    """How fast the machine was in the slowest and in the fastest of several runs, by the same work."""
    records = [
        (network.label, network.checks.measurement) for network in comparison.networks if network.checks
    ]
    found = [(number(rate), label) for label, of in records if (rate := of.get(RATE)) is not None]
    if len(found) > 1:
        (least, slow), (most, fast) = min(found), max(found)
        yield (
            f"Each network was timed in a run of its own: a plain matrix product reached {least / 1e9:.1f} "
            f"GFLOP/s in that of {slow} and {most / 1e9:.1f} in that of {fast}. A difference in time that is "
            "smaller than that one says nothing of the networks."
        )
