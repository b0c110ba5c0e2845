"""Reading a record: nothing but what a measurement writes passes, whoever signed it.

A digest says that nobody changed a record since it was signed, and not who signed it: so every field is
held against its form as well, by msgspec.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct, defstruct

from vgg_profile.core.errors import InputError, excerpt
from vgg_profile.core.setting import LARGEST, LATER, SWITCHES, Setup
from vgg_profile.core.validate import MisfitError, Text, Texts, conform
from vgg_profile.measure.record import KIND, RECORD_SCHEMA, MeasuredMoment, Measurement, Reading, digest

LARGEST_FILE = 64 * 2**20

Size = Annotated[int, Meta(ge=1, le=LARGEST)]
Whole = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Fraction = Annotated[float, Meta(ge=0, le=2**63)]
"""Seconds, or a rate; NaN is neither at least 0 nor at most anything."""


class _Reading(Struct, forbid_unknown_fields=True):
    quantity: Text
    value: Whole | Fraction | list[Whole]
    unit: Text
    method: Text
    layer: Text


class _Moment(Struct, forbid_unknown_fields=True):
    phase: Text
    layer: Text
    live: Whole
    peak: Whole
    op: Text


_OF_SETUP: dict[str, Any] = {"processor": Text | None, "threads": Size | None}
"""The types of a setup's fields; the others are switches or words."""

_SETUP: list[Any] = [
    (
        each.name,
        _OF_SETUP.get(each.name, bool if each.name in SWITCHES else Text),
        *([each.default] * (each.name in LATER)),
    )
    for each in sorted(fields(Setup), key=lambda each: each.name in LATER)
]

_Subject = defstruct(
    "_Subject",
    [
        ("config", dict[str, Any] | None),
        ("input", Annotated[list[Size], Meta(min_length=3, max_length=3)]),
        ("batch", Size),
        ("dtype", Text),
        ("device", Text),
        *_SETUP,
    ],
    forbid_unknown_fields=True,
)


class _Record(Struct, forbid_unknown_fields=True):
    kind: str
    schema_version: int
    subject: _Subject  # type: ignore[valid-type] # mypy cannot see a class made by a call
    environment: Texts
    readings: list[_Reading]
    timeline: list[_Moment]
    skipped: Texts


_TIMED = ("s", "FLOP/s")
_AGAIN = "Measure again: `vgg-profile measure D -o record.json`."


def load(path: Path) -> Measurement:
    """Read a record; raises ``InputError`` if it is missing, damaged, altered, or of another schema."""
    name = excerpt(str(path), 200)
    content = _parsed(path, name)
    _check_origin(content, name)
    try:
        conform(content, _Record)
        measurement = _measurement(content)
        measurement.setting.check()
    except MisfitError as error:
        raise InputError(f"The record {name} holds what no measurement writes: {error}.", _AGAIN) from None
    except InputError as error:
        raise InputError(
            f"The record {name} holds what no measurement writes. {error.problem}", _AGAIN
        ) from None
    return measurement


def _parsed(path: Path, name: str) -> Any:
    """The file as JSON, whatever that holds."""
    try:
        if path.is_dir():
            files = ", ".join(excerpt(file.name) for file in sorted(path.glob("*.json")))
            raise InputError(
                f"{name} is a folder, and a record is one file.",
                f"Name one of its: {files}." if files else _AGAIN,
            )
        if not path.is_file():
            raise InputError(f"There is no record {name}.", _AGAIN)
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"The record {name} is over {LARGEST_FILE // 2**20} MiB.", _AGAIN)
        return json.loads(path.read_text(encoding="utf-8"))
    except InputError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else excerpt(str(error), 120)
        raise InputError(f"The record {name} is damaged: {why}.", _AGAIN) from None


def _check_origin(content: Any, name: str) -> None:
    """Refuse what is no record, another schema, and a digest that does not fit; the digest is taken out."""
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise InputError(f"{name} is not a record of vgg-profile.", _AGAIN)
    if content.get("schema_version") != RECORD_SCHEMA:
        raise InputError(
            f"The record {name} has schema {excerpt(content.get('schema_version'))}, "
            f"and this version reads schema {RECORD_SCHEMA}.",
            _AGAIN,
        )
    signed = content.pop("sha256", None)
    try:
        is_genuine = signed == digest(content)
    except RecursionError:
        is_genuine = False
    if not is_genuine:
        raise InputError(
            f"The record {name} was changed after it was measured: its digest does not fit its content.",
            _AGAIN,
        )


def _measurement(content: dict[str, Any]) -> Measurement:
    """The measurement as it was written; raises :class:`MisfitError` if it reads one quantity twice.

    Raises it for a time or a rate below zero, too: as a whole number it is of no wrong form.
    """
    readings = tuple(Reading(**reading) for reading in content["readings"])
    for reading in readings:
        if reading.unit in _TIMED and isinstance(reading.value, int) and reading.value < 0:
            raise MisfitError(f"{excerpt(reading.quantity)} is {reading.value:,} {reading.unit}")
    names = Counter((reading.quantity, reading.layer) for reading in readings)
    for (quantity, layer), times in names.items():
        if times > 1:
            raise MisfitError(f"{excerpt(' of '.join(filter(None, (quantity, layer))))}, {times} times")
    return Measurement(
        subject=content["subject"],
        environment=content["environment"],
        readings=readings,
        timeline=tuple(MeasuredMoment(**moment) for moment in content["timeline"]),
        skipped=content["skipped"],
    )
