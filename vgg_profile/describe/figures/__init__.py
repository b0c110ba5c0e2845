"""Results described as figures: raw numbers, units, colours and the finding, for whoever draws them.

``depict(result, kind)`` gives a :class:`Figure`, and every picture format, and a page, draws that one
description. A new kind of figure is one function under ``@figure_of`` in a module of this package. Numbers
are raw (bytes, values, MACs, seconds); a :class:`Unit` says by what an axis divides them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vgg_profile.ask.compare import Comparison
from vgg_profile.ask.fit import Fit
from vgg_profile.ask.sweep import Sweep
from vgg_profile.check.results import Overlay
from vgg_profile.core import units
from vgg_profile.core.errors import InputError, did_you_mean, excerpt
from vgg_profile.core.figures import Figure
from vgg_profile.core.step import Step
from vgg_profile.core.tree import Profile
from vgg_profile.describe.figures.drawing import BINARY_UNITS, unit_convention
from vgg_profile.describe.kinds import KINDS
from vgg_profile.measure.record import Measurement

# Each module registers its kinds, so this order is that of every list of kinds; and the first kind that a
# result has is the one it shows unasked.
# isort: off
from vgg_profile.describe.figures import layers  # noqa: F401
from vgg_profile.describe.figures import step  # noqa: F401
from vgg_profile.describe.figures import peaks  # noqa: F401
from vgg_profile.describe.figures import networks  # noqa: F401
from vgg_profile.describe.figures import seconds  # noqa: F401
# isort: on


def depict(result: object, kind: str | None = None, unit: str | None = None, **options: Any) -> Figure:
    """The figure of a result: of a kind, or of the first that its type has; its bytes in a binary unit.

    ``options`` are the kind's own: ``memory``, a ``Memory``, draws a line across a sweep. Raises
    ``InputError`` for a kind that is unknown, or that this result does not have, and for a unit of bytes
    where no axis counts them.

    >>> from vgg_profile.predict.vgg.walk import walk
    >>> depict(walk("D"), "parameters").title
    'fc6 holds 74.3 % of the 138.4 million parameters'
    """
    has = {name: of[type(result)] for name, of in KINDS.items() if type(result) in of}
    if not has:
        raise InputError(
            f"There is no figure of this kind of result ({type(result).__name__}).",
            "Write it as text, Markdown or a page: -o FILE.md, -o FILE.html.",
        )
    name = next(iter(has)) if kind is None else check_kind(kind)
    if name not in has:
        others = [f"{_MADE[of]}.plot({name!r})" for of in KINDS[name] if of in _MADE]
        raise InputError(
            f"A {type(result).__name__} has no figure {name}.",
            f"It has {', '.join(has)}. For {name} use {units.listed(others, 'or')}.",
        )
    return _in_unit(has[name](result, **options), name, unit)


def _in_unit(figure: Figure, kind: str, unit: str | None) -> Figure:
    """A figure whose byte axes count in that unit, and whose footer says what the unit is."""
    chosen = next((each for each in BINARY_UNITS if each.name == unit), None)
    panels = [
        replace(panel, unit=chosen) if chosen and panel.unit in BINARY_UNITS else panel
        for panel in figure.panels
    ]
    counting = [each for each in BINARY_UNITS if any(panel.unit == each for panel in panels)]
    if chosen and chosen not in counting:
        raise InputError(f"The figure {kind} has no axis of binary units of bytes.", "Leave --unit out.")
    footer = " ".join([figure.footer, *map(unit_convention, counting)])
    return replace(figure, panels=tuple(panels), footer=footer)


_MADE = {
    Profile: "ledger(profile, setup).profile",
    Step: "ledger(profile)",
    Overlay: "overlay(config, record)",
    Fit: "Fit(ledger(profile), memory('8GiB'))",
    Comparison: "Comparison((profile, other), Setup())",
    Sweep: "sweep(config, batches=(1, 2, 4))",
    Measurement: "load(path)",
}
"""What to type for a result of each type."""


def check_kind(kind: str) -> str:
    """The kind itself; raises ``InputError``, with the nearest name, if there is none such."""
    if kind not in KINDS:
        raise InputError(
            f"There is no kind of figure {excerpt(kind)}.",
            did_you_mean(kind.lower(), KINDS.keys(), at_most=1, cutoff=0.6)
            + f"There are {', '.join(KINDS)}.",
        )
    return kind
