"""What was measured: raw readings, each with its unit and method, and their record on disk.

A record is one JSON file. It closes with a digest of its content, so that a figure changed by hand
is found out; a record of another schema is refused. Nothing here needs torch.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from vgg_profile.core.display import Displayed
from vgg_profile.core.errors import InputError, excerpt
from vgg_profile.core.setting import SWITCHES, Setup

SCHEMA_VERSION = 2
KIND = "vgg-profile measurement"
LARGEST_FILE = 64 * 2**20
LARGEST_NUMBER = 2**63

SUBJECT = ("config", "input", "batch", "dtype", "device", *(each.name for each in fields(Setup)))
"""What a record says of its subject; ``config`` is ``None`` for a module that is not built from one."""


EVERYTHING_ELSE = "everything else"
"""In ``Measurement.skipped``: why whatever is missing is missing."""


Named = TypeVar("Named", bound=tuple[Any, ...])


class Reading(NamedTuple):
    """One raw value read during a real pass; ``layer`` is empty for the whole network."""

    quantity: str
    value: float | int | list[int]
    unit: str
    method: str
    layer: str = ""


class Moment(NamedTuple):
    """Live bytes when one part of the step is over, the most within it, and the operation at that peak."""

    phase: str
    layer: str
    live: int
    peak: int
    op: str


@dataclass(frozen=True, repr=False)
class Measurement(Displayed):
    """Everything read from one real pass; ``subject`` says of what, ``environment`` on what."""

    subject: dict[str, Any]
    environment: dict[str, str]
    readings: tuple[Reading, ...] = ()
    timeline: tuple[Moment, ...] = ()
    skipped: dict[str, str] = field(default_factory=dict)
    """Quantity → why it could not be measured."""

    def get(self, quantity: str, layer: str = "") -> Reading | None:
        """The reading of a quantity, ``None`` if it was not taken."""
        return self._by_name.get((quantity, layer))

    @cached_property
    def _by_name(self) -> dict[tuple[str, str], Reading]:
        return {(reading.quantity, reading.layer): reading for reading in self.readings}

    def layers(self, quantity: str) -> dict[str, Reading]:
        """The readings of a quantity by layer."""
        return {r.layer: r for r in self.readings if r.quantity == quantity and r.layer}

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON has it."""
        content = {
            "kind": KIND,
            "schema_version": SCHEMA_VERSION,
            "subject": self.subject,
            "environment": self.environment,
            "readings": [reading._asdict() for reading in self.readings],
            "timeline": [moment._asdict() for moment in self.timeline],
            "skipped": self.skipped,
        }
        return {**content, "sha256": _digest(content)}


def _digest(content: dict[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def dumps(measurement: Measurement) -> str:
    """A measurement as JSON: a line for each reading, and no newline at the end, so that a record cut off
    at any byte is no longer JSON.
    """
    content = measurement.to_dict()
    parts = []
    for key, value in content.items():
        if isinstance(value, list):
            lines = ",\n".join(f"    {json.dumps(item, ensure_ascii=False)}" for item in value)
            parts.append(f"  {json.dumps(key)}: [\n{lines}\n  ]" if value else f"  {json.dumps(key)}: []")
        else:
            parts.append(f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}")
    return "{\n" + ",\n".join(parts) + "\n}"


def load(path: Path) -> Measurement:
    """Read a record; raises ``InputError`` if it is missing, damaged, altered, or of another schema."""
    name = excerpt(str(path), 200)
    again = "Measure again: `vgg-profile measure D -o record.json`."
    try:
        if path.is_dir():
            files = ", ".join(excerpt(file.name) for file in sorted(path.glob("*.json")))
            raise InputError(
                f"{name} is a folder, and a record is one file.",
                f"Name one of its: {files}." if files else again,
            )
        if not path.is_file():
            raise InputError(f"There is no record {name}.", again)
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"The record {name} is over {LARGEST_FILE // 2**20} MiB.", again)
        content = json.loads(path.read_text(encoding="utf-8"))
    except InputError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else excerpt(str(error), 120)
        raise InputError(f"The record {name} is damaged: {why}.", again) from None
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise InputError(f"{name} is not a record of vgg-profile.", again)
    if content.get("schema_version") != SCHEMA_VERSION:
        raise InputError(
            f"The record {name} has schema {excerpt(content.get('schema_version'))}, "
            f"and this version reads schema {SCHEMA_VERSION}.",
            again,
        )
    digest = content.pop("sha256", None)
    try:
        is_genuine = digest == _digest(content)
    except RecursionError:
        is_genuine = False
    if not is_genuine:
        raise InputError(
            f"The record {name} was changed after it was measured: its digest does not fit its content.",
            again,
        )
    try:
        return _from_dict(content)
    except _NotMeasuredError as error:
        raise InputError(f"The record {name} holds what no measurement writes: {error}.", again) from None


class _NotMeasuredError(ValueError):
    """A field that no measurement writes, whoever signed it."""


def _from_dict(content: dict[str, Any]) -> Measurement:
    """The measurement, every field checked: a digest only says that nobody changed it since."""
    for part, form in _PARTS.items():
        _check(part, content.get(part), form)
    for key, value in content["subject"].items():
        _check(key, value, _SUBJECT_FORMS.get(key, _is_anything))
    readings = tuple(_tuples("readings", content["readings"], Reading, _READING_FORMS))
    names = Counter((reading.quantity, reading.layer) for reading in readings)
    for (quantity, layer), times in names.items():
        if times > 1:
            raise _NotMeasuredError(f"{excerpt(' of '.join(filter(None, (quantity, layer))))}, {times} times")
    return Measurement(
        subject=content["subject"],
        environment=content["environment"],
        readings=readings,
        timeline=tuple(_tuples("timeline", content["timeline"], Moment, _MOMENT_FORMS)),
        skipped=content["skipped"],
    )


Form = Callable[[Any], bool]


def _check(what: str, value: object, form: Form) -> None:
    if not form(value):
        raise _NotMeasuredError(f"as {what}, {excerpt(value)}")


def _tuples(
    part: str, items: list[object], kind: Callable[..., Named], forms: dict[str, Form]
) -> Iterator[Named]:
    """The items of a list as what they were written from, none with a field too many or too few."""
    for item in items:
        if not isinstance(item, dict) or item.keys() != forms.keys():
            raise _NotMeasuredError(f"among the {part}, {excerpt(item)}")
        for key, form in forms.items():
            _check(key, item[key], form)
        yield kind(**item)


def _is_anything(value: object) -> bool:
    return True


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.isprintable()


def _is_whole(value: object) -> bool:
    return type(value) is int and abs(value) <= LARGEST_NUMBER


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


def _is_whole_list(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_whole, value))


def _is_number(value: object) -> bool:
    return _is_whole(value) or (isinstance(value, float) and 0 <= value <= LARGEST_NUMBER)


def _is_texts(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_text, (*value.keys(), *value.values())))


_PARTS: dict[str, Form] = {
    "subject": lambda value: isinstance(value, dict),
    "environment": _is_texts,
    "skipped": _is_texts,
    "readings": lambda value: isinstance(value, list),
    "timeline": lambda value: isinstance(value, list),
}

_SUBJECT_FORMS: dict[str, Form] = {
    "config": lambda value: value is None or isinstance(value, dict),
    "input": _is_whole_list,
    "batch": _is_whole,
    **{each.name: _is_bool if each.name in SWITCHES else _is_text for each in fields(Setup)},
    "dtype": _is_text,
    "device": _is_text,
}

_READING_FORMS: dict[str, Form] = {
    "quantity": _is_text,
    "value": lambda value: _is_number(value) or _is_whole_list(value),
    "unit": _is_text,
    "method": _is_text,
    "layer": _is_text,
}

_MOMENT_FORMS: dict[str, Form] = {
    "phase": _is_text,
    "layer": _is_text,
    "live": _is_whole,
    "peak": _is_whole,
    "op": _is_text,
}
