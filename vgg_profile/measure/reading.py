"""Reading a record: nothing but what a measurement writes passes, whatever its digest says.

The digest is unkeyed, a check against accidents: whoever forges a record writes a digest that fits. So every
field is held against its form, by msgspec, and the whole against what ``vocabulary`` lets a measurement say.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, defstruct

from vgg_profile.core.errors import InputError, excerpt
from vgg_profile.core.events import Phase
from vgg_profile.core.parsing import parse_json
from vgg_profile.core.setting import LARGEST, LATER, SWITCHES, Setup
from vgg_profile.core.signed import FileKind, unsigned
from vgg_profile.core.validate import MisfitError, Text, Texts, conform
from vgg_profile.measure.consistent import check_consistent
from vgg_profile.measure.record import KIND, RECORD_SCHEMA, MeasuredMoment, Measurement, Reading

LARGEST_FILE = 64 * 2**20
SMALL_FILE = 2**20
"""What is larger is held against its form while it is parsed, and so costs no more than a record may."""

Size = Annotated[int, Meta(ge=1, le=LARGEST)]
Whole = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Fraction = Annotated[float, Meta(ge=0, le=2**63)]
"""Seconds, or a rate; NaN is neither at least 0 nor at most anything."""


class _Reading(Struct, forbid_unknown_fields=True):
    quantity: Text
    value: Whole | Fraction | Annotated[list[Whole], Meta(max_length=8)]
    unit: Text
    method: Text
    layer: Text
    spread: tuple[Fraction, Fraction] | msgspec.UnsetType = msgspec.UNSET


class _Moment(Struct, forbid_unknown_fields=True):
    phase: Phase
    layer: Text
    live: Whole
    peak: Whole
    op: Text


_OF_SETUP: dict[str, Any] = dict.fromkeys(SWITCHES, bool) | {
    "accumulate": Size,
    "freeze": list[Text],
    "processor": Text | None,
    "threads": Size | None,
}
"""The types of a setup's fields; the others are words."""

_Plain = bool | int | str


class _Input(Struct, forbid_unknown_fields=True):
    shape: Annotated[list[Size], Meta(max_length=64)]
    dtype: Text | None
    below: Size
    name: Text
    batch_dim: Annotated[int, Meta(ge=0, le=64)]


_SETUP: list[Any] = [
    (each.name, _OF_SETUP.get(each.name, Text), *([each.default] * (each.name in LATER)))
    for each in sorted(fields(Setup), key=lambda each: each.name in LATER)
]

_Subject = defstruct(
    "_Subject",
    [
        ("config", dict[str, _Plain | Annotated[list[_Plain | _Input], Meta(max_length=10**6)]] | None),
        ("input", Annotated[list[Size], Meta(max_length=64)]),
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


class _File(_Record, forbid_unknown_fields=True):
    sha256: str


_AGAIN = "Measure again: `vgg-profile measure NET -o record.json`."
_RECORD = FileKind("record", KIND, RECORD_SCHEMA, _AGAIN)


def load(path: Path) -> Measurement:
    """Read a record; raises ``InputError`` if it is missing, damaged, altered, or of another schema."""
    name = excerpt(str(path), 200)
    content = unsigned(_parsed(path, name), _RECORD, name)
    try:
        conform(content, _Record)
        measurement = _measurement(content)
        measurement.setting.check()
        check_consistent(measurement)
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
        content = path.read_bytes()
        if len(content) > SMALL_FILE:
            msgspec.json.decode(content, type=_File, dec_hook=lambda kind, value: kind(value))
        return parse_json(content.decode())
    except InputError:
        raise
    except (OSError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        why = excerpt(str(error), 120).strip("'\"")
        raise InputError(f"The record {name} is damaged: {why}.", _AGAIN) from None


def _measurement(content: dict[str, Any]) -> Measurement:
    return Measurement(
        subject=content["subject"],
        environment=content["environment"],
        readings=tuple(
            Reading(**{**reading, "spread": tuple(reading["spread"])} if "spread" in reading else reading)
            for reading in content["readings"]
        ),
        timeline=tuple(MeasuredMoment(**moment) for moment in content["timeline"]),
        skipped=content["skipped"],
    )
