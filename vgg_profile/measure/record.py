"""What was measured: raw readings, each with its unit and method, and their record on disk.

A record is one JSON file. It closes with a digest of its content, so that a figure changed by hand
is found out; a record of another schema is refused. Nothing here needs torch.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from vgg_profile.display import Displayed
from vgg_profile.errors import InputError, excerpt
from vgg_profile.training import Setup

SCHEMA_VERSION = 2
KIND = "vgg-profile measurement"
LARGEST_FILE = 64 * 2**20

SUBJECT = ("config", "input", "batch", "dtype", "device", *(each.name for each in fields(Setup)))
"""What a record says of its subject; ``config`` is ``None`` for a module that is not built from one."""


EVERYTHING_ELSE = "everything else"
"""In ``Measurement.skipped``: why whatever is missing is missing."""


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
        genuine = digest == _digest(content)
        measurement = _from_dict(content)
    except (AttributeError, TypeError, KeyError, ValueError, RecursionError):
        genuine = False
    if not genuine:
        raise InputError(
            f"The record {name} was changed after it was measured: its digest does not fit its content.",
            again,
        )
    return measurement


def _from_dict(content: dict[str, Any]) -> Measurement:
    for text in (*content["environment"].items(), *content["skipped"].items()):
        if not all(isinstance(part, str) and part.isprintable() for part in text):
            raise ValueError("a text that cannot be shown")
    for moment in content["timeline"]:
        if not all(type(moment[key]) is int for key in ("live", "peak")):
            raise ValueError("bytes that are no whole number")
    return Measurement(
        subject=content["subject"],
        environment=content["environment"],
        readings=tuple(Reading(**reading) for reading in content["readings"]),
        timeline=tuple(Moment(**moment) for moment in content["timeline"]),
        skipped=content["skipped"],
    )
