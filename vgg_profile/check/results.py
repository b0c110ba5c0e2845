"""What comes of comparing a prediction with a measurement: checks, boundaries, and the verdict on each.

A :class:`Check` passes if measured = predicted + named terms, to the last byte and FLOP. The rules by which
they are made are in ``crosscheck``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple

from vgg_profile.core.display import Displayed
from vgg_profile.core.step import Step
from vgg_profile.core.tree import Profile
from vgg_profile.core.version import SCHEMA_VERSION
from vgg_profile.measure.record import MeasuredMoment, Measurement

Value = int | list[int]


class Verdict(StrEnum):
    """What came of a check; what was not measured is never a PASS."""

    PASS = "PASS"
    FAIL = "FAIL"
    SKIP = "SKIP"


class Term(NamedTuple):
    """A named part of the difference; ``is_remainder`` if it was measured and not derived.

    Then ``most`` is what it may be, in bytes, where that is known: it is no larger.
    """

    name: str
    value: int
    is_remainder: bool = False
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One quantity, predicted and measured.

    >>> pool = Term("fvcore counts AdaptiveAvgPool2d", 25_088)
    >>> check = Check("fvcore_flops", "", "MAC", 15_470_264_320, 15_470_289_408, (pool,))
    >>> check.residual, check.verdict.value
    (0, 'PASS')
    """

    quantity: str
    layer: str
    unit: str
    predicted: Value
    measured: Value | None
    terms: tuple[Term, ...] = ()
    reason: str = ""
    is_at_least: bool = False
    """Whether more than was predicted is no difference: it is no PASS either, and ``reason`` says why."""

    @property
    def residual(self) -> int | None:
        """Measured less predicted less every term; ``None`` where there is nothing to subtract."""
        if isinstance(self.predicted, int) and isinstance(self.measured, int):
            return self.measured - self.predicted - sum(term.value for term in self.terms)
        return None

    @property
    def verdict(self) -> Verdict:
        if self.measured is None:
            return Verdict.SKIP if self.reason else Verdict.FAIL
        residual = self.residual
        if self.is_at_least and residual is not None:
            return Verdict.SKIP if residual >= 0 else Verdict.FAIL
        holds = self.measured == self.predicted if residual is None else residual == 0
        return Verdict.PASS if holds else Verdict.FAIL

    def to_dict(self) -> dict[str, Any]:
        return {
            "quantity": self.quantity,
            "layer": self.layer,
            "unit": self.unit,
            "predicted": self.predicted,
            "measured": self.measured,
            "terms": [term._asdict() for term in self.terms],
            "residual": self.residual,
            "verdict": self.verdict.value,
            "reason": self.reason,
        }


class Boundary(NamedTuple):
    """The end of one part of the step, predicted and measured: what is live there, the most within it.

    ``peak`` is predicted at most, and ``least`` is it without that of which only a most is known. ``beyond``
    is what was measured beyond the least, and ``operation`` what ran then. ``library`` names who may take
    more, of which nothing is known: on a card that ``is_shown`` as measured, elsewhere nothing is claimed.
    """

    phase: str
    layer: str
    live: int
    measured_live: int | None
    least: int
    peak: int
    measured_peak: int | None
    library: str
    operation: str
    is_shown: bool

    @property
    def residual(self) -> int | None:
        return None if self.measured_live is None else self.measured_live - self.live

    @property
    def beyond(self) -> int | None:
        return None if self.measured_peak is None else self.measured_peak - self.least

    @property
    def is_at_least(self) -> bool:
        """Whether no more is predicted than a least."""
        return bool(self.library) and not self.is_shown

    @property
    def scratch(self) -> Term | None:
        """What was measured beyond the least, by its name, where a most of it is known, or it is shown."""
        most = self.peak - self.least
        if not self.beyond or self.beyond < 0 or self.is_at_least or not (most or self.library):
            return None
        within = f" within {self.operation}" if self.operation else ""
        if self.library:
            return Term(f"scratch of {self.library}{within}", self.beyond, is_remainder=True)
        return Term(f"scratch{within}", min(self.beyond, most), is_remainder=True, most=most)

    @property
    def terms(self) -> tuple[Term, ...]:
        return (self.scratch,) if self.scratch else ()

    @property
    def holds(self) -> bool:
        """Whether it is as predicted, to the byte, or within what is known at most."""
        taken = self.scratch.value if self.scratch else 0
        return self.residual == 0 and self.beyond is not None and self.beyond == taken

    def to_dict(self) -> dict[str, Any]:
        return {
            "measured_live_bytes": self.measured_live,
            "residual": self.residual,
            "measured_peak_bytes": self.measured_peak,
            "is_at_least": self.is_at_least,
            "beyond_bytes": self.beyond,
            "operation": self.operation,
        }


@dataclass(frozen=True, repr=False)
class Overlay(Displayed):
    """The measured curve of a step laid over the predicted one."""

    step: Step
    measurement: Measurement
    boundaries: tuple[Boundary, ...]
    unpredicted: tuple[MeasuredMoment, ...] = ()
    """The measured parts that the prediction does not have."""

    @property
    def highest(self) -> Boundary | None:
        """The part after loading within which most was measured, the first of several; ``None`` if none."""
        read = [each for each in self.boundaries if each.phase != "load" and each.measured_peak is not None]
        return max(read, key=lambda each: each.measured_peak or 0, default=None)

    @property
    def verdict(self) -> Verdict:
        """PASS if the curves meet at every boundary, and within every part; SKIP if no rule says of some."""
        if self.unpredicted:
            return Verdict.FAIL
        if any(each.residual is None for each in self.boundaries):
            return Verdict.SKIP if self.measurement.why_missing("live_bytes") else Verdict.FAIL
        claimed = [each for each in self.boundaries if not each.is_at_least]
        others = [each for each in self.boundaries if each.is_at_least]
        if not all(each.holds for each in claimed) or any(
            each.residual or (each.beyond or 0) < 0 for each in others
        ):
            return Verdict.FAIL
        return Verdict.SKIP if others else Verdict.PASS

    def to_dict(self) -> dict[str, Any]:
        """The step as the ledger has it, each moment with what was measured there."""
        content = self.step.to_dict()
        for moment, boundary in zip(content["moments"], self.boundaries, strict=True):
            moment.update(boundary.to_dict())
        return {
            **content,
            "unpredicted": [moment._asdict() for moment in self.unpredicted],
            "verdict": self.verdict.value,
            "environment": self.measurement.environment,
        }


@dataclass(frozen=True, repr=False)
class Checks(Displayed):
    """Every check of one measurement, with the profile and the record that they compare."""

    profile: Profile
    measurement: Measurement
    checks: tuple[Check, ...]

    @cached_property
    def _counts(self) -> Counter[Verdict]:
        return Counter(check.verdict for check in self.checks)

    def count(self, verdict: Verdict) -> int:
        return self._counts[verdict]

    @property
    def verdict(self) -> Verdict:
        """FAIL if any check fails, SKIP if some could not be made, PASS if all hold."""
        for verdict in (Verdict.FAIL, Verdict.SKIP):
            if self.count(verdict):
                return verdict
        return Verdict.PASS if self.checks else Verdict.FAIL

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "subject": self.measurement.subject,
            "environment": self.measurement.environment,
            "verdict": self.verdict.value,
            "counts": {verdict.value: self.count(verdict) for verdict in Verdict},
            "checks": [check.to_dict() for check in self.checks],
        }
