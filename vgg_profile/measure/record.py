"""What was measured: raw readings, each with its unit and method, and their record on disk.

A record is one JSON file. It closes with a digest of its content, a check against accidents: it has no key,
so that whoever forges a record writes one that fits. Nothing here needs torch, or anything else that is not
Python's own: a machine that measures can write a record. ``reading`` reads one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from vgg_profile.core.display import Displayed
from vgg_profile.core.printable import json_printable
from vgg_profile.core.setting import LATER, Setting
from vgg_profile.core.signed import sign

RECORD_SCHEMA = 2
KIND = "vgg-profile measurement"

SUBJECT = ("config", *(key for key in Setting(()).to_dict() if key not in LATER))
"""What every record says of its subject; ``config`` is ``None`` for a module that is not built from one."""

EVERYTHING_ELSE = "everything else"
"""In ``Measurement.skipped``: why whatever is missing is missing."""


class Reading(NamedTuple):
    """One raw value read during a real pass; ``layer`` is empty for the whole network.

    Where it is the median of several passes, ``spread`` is the least and the most of them.
    """

    quantity: str
    value: float | int | list[int]
    unit: str
    method: str
    layer: str = ""
    spread: tuple[float, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The reading as JSON has it: without a spread where it has none."""
        return {key: value for key, value in self._asdict().items() if value is not None}


class MeasuredMoment(NamedTuple):
    """Live bytes when one part of the step is over, the most within it, and the operation at that peak."""

    phase: str
    layer: str
    live: int
    peak: int
    op: str

    @property
    def place(self) -> str:
        """The phase, and the layer if it is of one."""
        return f"{self.phase}, {self.layer}" if self.layer else self.phase


@dataclass(frozen=True, repr=False)
class Measurement(Displayed):
    """Everything read from one real pass; ``subject`` says of what, ``environment`` on what."""

    subject: dict[str, Any]
    environment: dict[str, str]
    readings: tuple[Reading, ...] = ()
    timeline: tuple[MeasuredMoment, ...] = ()
    skipped: dict[str, str] = field(default_factory=dict)
    """Quantity → why it could not be measured."""

    @property
    def setting(self) -> Setting:
        """The setting that was measured; raises ``KeyError`` if the subject leaves some of it out."""
        return Setting.from_dict(self.subject)

    def get(self, quantity: str, layer: str = "") -> Reading | None:
        """The reading of a quantity, ``None`` if it was not taken."""
        return self._by_name.get((quantity, layer))

    @cached_property
    def _by_name(self) -> dict[tuple[str, str], Reading]:
        return {(reading.quantity, reading.layer): reading for reading in self.readings}

    def layers(self, quantity: str) -> dict[str, Reading]:
        """The readings of a quantity by layer."""
        return {r.layer: r for r in self.readings if r.quantity == quantity and r.layer}

    def why_missing(self, quantity: str) -> str:
        """Why a quantity was not measured; empty if nobody says so."""
        return self.skipped.get(quantity, self.skipped.get(EVERYTHING_ELSE, ""))

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON has it."""
        content = {
            "kind": KIND,
            "schema_version": RECORD_SCHEMA,
            "subject": self.subject,
            "environment": self.environment,
            "readings": [reading.to_dict() for reading in self.readings],
            "timeline": [moment._asdict() for moment in self.timeline],
            "skipped": self.skipped,
        }
        return sign(content)


def is_record(path: Path) -> bool:
    """Whether a file says of itself that it is a record, at its beginning."""
    try:
        if path.suffix != ".json" or not path.is_file():  # a pipe would wait for somebody to write
            return False
        with path.open(encoding="utf-8") as file:
            return KIND in file.read(100)
    except (OSError, ValueError):
        return False


def dumps(measurement: Measurement) -> str:
    """A measurement as JSON: a line for each reading, and no newline at the end, so that a record cut off
    at any byte is no longer JSON.
    """
    parts = []
    for key, value in measurement.to_dict().items():
        if isinstance(value, list):
            lines = ",\n".join(f"    {json.dumps(item, ensure_ascii=False)}" for item in value)
            parts.append(f"  {json.dumps(key)}: [\n{lines}\n  ]" if value else f"  {json.dumps(key)}: []")
        else:
            parts.append(f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}")
    return json_printable("{\n" + ",\n".join(parts) + "\n}")
