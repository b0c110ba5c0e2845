"""Results as data that stack: the same columns whatever the setting, which stands in columns of its own.

What a person reads leaves out what is usual and gathers what is alike; data leave nothing out, and have one
thing a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from vgg_profile.ask.compare import PARTS, Comparison
from vgg_profile.ask.difference import Difference
from vgg_profile.ask.fit import Fit
from vgg_profile.ask.fits import Fits
from vgg_profile.ask.sweep import GridPoint, Sweep
from vgg_profile.ask.what_if import WhatIf
from vgg_profile.check.results import Checks, Overlay
from vgg_profile.check.subject import setup_of
from vgg_profile.core.forms import Cell, Column, Table
from vgg_profile.core.setting import Setting
from vgg_profile.core.step import Step
from vgg_profile.core.tree import Network, Profile
from vgg_profile.describe.tables import describe
from vgg_profile.measure.record import Measurement
from vgg_profile.teach.forms import Contents, Lesson

Facts = Mapping[str, Cell]


def data(result: object, **options: bool) -> Table:
    """The table of a result, with what each row is of in its last columns.

    >>> from vgg_profile.predict.vgg.walk import walk
    >>> [column.key for column in data(walk("D")).columns][-3:]
    ['freeze', 'processor', 'threads']
    """
    match result:
        case Profile():
            is_of_layers = not (options.get("notes") or options.get("saved"))
            usual: dict[str, Cell] = {"more_outputs": "", "calls": 1, "frozen": 0} if is_of_layers else {}
            return _beside(describe(result, **options), {**usual, **_of(result.config, result.setting)})
        case Step():
            facts = {"casts_bytes": 0, **_of(result.profile.config, result.setting)}
            return _beside(describe(result), facts)
        case Overlay():
            return _beside(describe(result), _of(result.step.profile.config, result.step.setting))
        case Fit():
            step = result.step.at(result.batch)
            facts = {"memory_bytes": result.memory.bytes, "largest_batch": result.largest_batch}
            return _beside(describe(result), {**facts, **_of(step.profile.config, step.setting)})
        case WhatIf():
            step = result.fit.step
            facts = {"memory_bytes": result.fit.memory.bytes, **_of(step.profile.config, step.setting)}
            return _beside(describe(result), facts)
        case Fits():
            return _answers(result)
        case Difference():
            names = ("figure", "old", "new", "change", "layer", "layer_change")
            rows = tuple(tuple(getattr(each, name) for name in names) for each in result.changes)
            table = Table("", tuple(Column(name, name) for name in names), rows)
            versions = {"old_network": result.old.label, "new_network": result.new.label}
            return _beside(table, {**versions, **_flat(result.new.setting)})
        case Sweep():
            setting = Setting((), device=result.device, setup=result.setup)
            return _beside(_points(result), _of(result.config, setting))
        case Comparison():
            return _compared(result)
        case Checks():
            return _beside(_checked(result), _measured(result.measurement, result.profile.config.label))
        case Measurement():
            return _beside(describe(result), _measured(result, str(_name(result))))
        case Lesson():  # a topic compares settings, and each line says its own in words
            return _beside(describe(result), {"lesson": result.name, **_of_profile(result.profile)})
        case Contents() if result.profile is not None:
            return _beside(describe(result), _of_profile(result.profile))
    return _named(result, **options)


def _named(result: Any, **options: bool) -> Table:
    """The same for kinds that are told by their names: what makes one is loaded by no other result."""
    match type(result).__name__:
        case "Budget":
            facts = [
                {"figure": each.figure, "memory": each.memory, **_flat(each.setting)}
                for each in result.limits
            ]
            return _beside(describe(result), facts)
        case "Audit":
            return _beside(describe(result, **options), _of(result.profile.config, result.step.setting))
        case "TableAudit":
            from vgg_profile.describe.own_table import figures

            return _beside(figures(result), _of(result.profile.config, result.profile.setting))
        case "Diagnosis":  # no step is run: of a setting it has the input alone
            like = result.like.label if result.like else ""
            return _beside(describe(result), {"network": result.subject, "like": like, "input": result.input})
    return describe(result, **options)


def _beside(table: Table, facts: Facts | Iterable[Facts]) -> Table:
    """A table with facts as its last columns: the same in each row, or a set of them a row.

    A column that the table has itself keeps its cells, and stands there, too: some tables have it, some not.
    """
    each = [facts] * len(table.rows) if isinstance(facts, Mapping) else list(facts)
    names = facts if isinstance(facts, Mapping) else next(iter(each), {})
    own = {column.key: place for place, column in enumerate(table.columns)}
    left = [place for key, place in own.items() if key not in names]
    return replace(
        table,
        columns=(
            *(table.columns[place] for place in left),
            *(table.columns[own[name]] if name in own else Column(name, name) for name in names),
        ),
        rows=tuple(
            (
                *(row[place] for place in left),
                *(row[own[name]] if name in own else of[name] for name in names),
            )
            for row, of in zip(table.rows, each, strict=True)
        ),
        total=None,
    )


def _of(network: Network, setting: Setting) -> dict[str, Cell]:
    """A network and its setting, one value each."""
    return {"network": network.label, **_flat(setting)}


def _of_profile(profile: Profile | None) -> dict[str, Cell]:
    """A network and its setting; the same columns, and nothing in them, where there is none."""
    if profile is None:
        return dict.fromkeys(("network", *_flat(Setting(()))))
    return _of(profile.config, profile.setting)


def _flat(setting: Setting) -> dict[str, Cell]:
    content = setting.to_dict()
    return {**content, "input": setting.input, "freeze": " ".join(setting.setup.freeze)}


def _printed(content: dict[str, Any]) -> dict[str, Cell]:
    """A flat object whose lists are written as words."""
    return {name: " ".join(each) if isinstance(each, list) else each for name, each in content.items()}


def _points(grid: Sweep) -> Table:
    """Every point of a grid with all its fields, whatever its network."""
    rows = (
        point._replace(input=point.input or f"{point.channels}x{point.height}x{point.width}")
        for point in grid.points
    )
    return Table("", tuple(Column(name, name) for name in GridPoint._fields), tuple(rows))


def _answers(several: Fits) -> Table:
    """Every answer with its whole setting."""
    rows = tuple(_printed(point.to_dict()) for point in several.points)
    columns = tuple(Column(name, name) for name in rows[0])
    return Table("", columns, tuple(tuple(row.values()) for row in rows))


def _measured(measurement: Measurement, network: str) -> dict[str, Cell]:
    setting = replace(measurement.setting, setup=setup_of(measurement))
    return {"network": network, **_flat(setting)}


def _name(measurement: Measurement) -> object:
    config = measurement.subject.get("config")
    return config.get("name", "") if isinstance(config, dict) else ""


def _compared(comparison: Comparison) -> Table:
    """A row a network, or a row for each part of each network."""
    facts = [_flat(network.step.setting) for network in comparison.networks]
    if comparison.is_headline:
        return _beside(describe(comparison), [_flat(profile.setting) for profile in comparison.profiles])
    if comparison.by == "total":
        return _beside(describe(comparison), facts)
    keys = [key for name in PARTS for key in (name, *([f"{name}_ratio"] if comparison.base else []))]
    rows = [
        ((part, network.label, *(each[key] for key in keys)), of)
        for part, figures in comparison.parts.items()
        for network, each, of in zip(comparison.networks, figures, facts, strict=True)
    ]
    columns = (Column(comparison.by, comparison.by), Column("config", "config"))
    table = Table("", (*columns, *(Column(key, key) for key in keys)), tuple(row for row, _ in rows))
    return _beside(table, [of for _, of in rows])


def _checked(checks: Checks) -> Table:
    """Every check for itself; a shape stands apart from numbers."""
    table = describe(checks, all_layers=True)
    shapes = (Column("predicted_shape", ""), Column("measured_shape", ""))
    rows = []
    for check, row in zip(checks.checks, table.rows, strict=True):
        numbers, of_shape = list(row), [check.predicted, check.measured]
        for place, value in enumerate(of_shape, start=3):
            numbers[place] = None if isinstance(value, list) else value
        rows.append((*numbers, *(tuple(each) if isinstance(each, list) else None for each in of_shape)))
    return replace(table, columns=(*table.columns, *shapes), rows=tuple(rows))
