"""The audit of the course notes' VGG-16 table, figure by figure.

What the notes print is data (:mod:`~vgg_profile.teach.notes`). Everything beside it is computed: from a walk
of config D, and, for the claim about the backward pass, from one training step on paper. A record of a real
pass comes in by way of its cross-check alone, so predicted and measured figures never mix.

What agrees, stated before anything is compared:

* A **memory** figure agrees if its working has the computed value, and that value, rounded as the notes
  round (two leading digits, whole millions from 10M on), reads as printed.
* A **weight** figure agrees to the last digit, its working too.
* A **rounded byte** figure agrees if the bytes round to it, as MB or as MiB.
* A **factor** agrees if the ratio rounds to it.

Where nobody knows how the notes came by a figure, the audit says that, and derives nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, NamedTuple

from vgg_profile.check.crosscheck import overlay
from vgg_profile.check.results import Checks
from vgg_profile.check.subject import setup_of
from vgg_profile.core import units
from vgg_profile.core.display import Displayed
from vgg_profile.core.errors import InputError
from vgg_profile.core.events import Category, Phase
from vgg_profile.core.jsonable import jsonable
from vgg_profile.core.step import Step
from vgg_profile.core.tree import Profile
from vgg_profile.core.version import SCHEMA_VERSION
from vgg_profile.measure.record import Measurement
from vgg_profile.predict.steps import ledger
from vgg_profile.predict.vgg.walk import walk
from vgg_profile.teach.lines import AuditedLine, Finding, finding
from vgg_profile.teach.notes import NOTES, Published, unrounded

RULE = (
    "A memory figure agrees if its working is right and the value, rounded as the notes round (two leading "
    "digits, whole millions from 10M on), reads as printed; weights agree to the last digit."
)


class Claim(NamedTuple):
    """A statement of the notes about the whole network; ``printed`` is empty where they say nothing."""

    about: str
    printed: str
    computed: int
    unit: str
    finding: Finding
    remark: str


@dataclass(frozen=True, repr=False)
class Audit(Displayed):
    """The notes' table and totals, each figure as printed, as computed, and what came of it.

    ``step`` is the training step that the claim about the backward pass is held against; ``checks``,
    if any, are those of a real one.
    """

    published: Published
    profile: Profile
    step: Step
    checks: Checks | None = None

    @cached_property
    def lines(self) -> tuple[AuditedLine, ...]:
        return tuple(
            AuditedLine(printed, row)
            for printed, row in zip(self.published.lines, self.profile.rows, strict=True)
        )

    @property
    def claims(self) -> tuple[Claim, ...]:
        """What the notes say of the whole network, and what they leave out."""
        return (
            self.total_memory,
            self.printed_bytes,
            self.counted_bytes,
            self.total_parameters,
            self.biases,
            self.kept_for_backward,
            self.backward,
        )

    @property
    def rounded_sum(self) -> int:
        """What the memory column adds up to as it is printed, roundings and all."""
        return sum(unrounded(line.memory.rpartition("=")[2]) for line in self.published.lines)

    @cached_property
    def total_memory(self) -> Claim:
        """The total of the memory column, in values."""
        printed, values = self.published.values, self.profile.totals.values
        agrees = printed == units.as_the_notes(values)
        return Claim(
            "TOTAL memory",
            printed,
            values,
            "values",
            finding(agrees),
            f"The {len(self.lines)} lines add up to {values:,} values; rounded as printed, to "
            f"{self.rounded_sum:,}." + ("" if agrees else f" No explanation of {printed} is known."),
        )

    @cached_property
    def printed_bytes(self) -> Claim:
        """The total in bytes, from the total in values as the notes print it."""
        notes = self.published
        return self._bytes_claim(f"{notes.values} * {notes.value_bytes} bytes", unrounded(notes.values))

    @cached_property
    def counted_bytes(self) -> Claim:
        """The same from the rows, added up."""
        about = f"the rows * {self.published.value_bytes} bytes"
        return self._bytes_claim(about, self.profile.totals.values)

    @cached_property
    def total_parameters(self) -> Claim:
        """The total of the weights."""
        printed, totals = self.published.parameters, self.profile.totals
        return Claim(
            "TOTAL params",
            printed,
            totals.weights,
            "weights",
            finding(printed == units.as_the_notes(totals.weights)),
            f"With the biases it is {totals.parameters:,}, which rounds to "
            f"{units.as_the_notes(totals.parameters)} too.",
        )

    @cached_property
    def biases(self) -> Claim:
        """The biases, which the notes leave out."""
        totals = self.profile.totals
        return Claim(
            "biases",
            "",
            totals.biases,
            "biases",
            Finding.OMITTED,
            f"One per output channel, {units.percent(totals.biases, totals.parameters)} of the parameters.",
        )

    @cached_property
    def kept_for_backward(self) -> Claim:
        """What is kept for the backward pass, which the notes do not print."""
        return Claim(
            "kept for the backward pass",
            "",
            self.kept_forward,
            "bytes",
            Finding.OMITTED,
            f"Live after a training forward pass beside weights and input; {self.pool_indices:,} of them are "
            "the max pools' indices.",
        )

    def _bytes_claim(self, about: str, values: int) -> Claim:
        notes = self.published
        size = values * notes.value_bytes
        printed = unrounded(notes.megabytes.removesuffix("B")) // 10**6
        agrees = printed in (round(Fraction(size, 10**6)), round(Fraction(size, 2**20)))
        return Claim(
            about,
            notes.megabytes,
            size,
            "bytes",
            finding(agrees),
            f"{values:,}*{notes.value_bytes} bytes = {units.decimal(size)} = {units.mebibytes(size)}"
            + ("." if agrees else f": {printed} of neither."),
        )

    @cached_property
    def backward(self) -> Claim:
        """The notes' factor for the backward pass."""
        kept, most = self.kept_forward, self.most_in_backward
        factor = self.published.backward_factor
        return Claim(
            "memory with the backward pass",
            f"~*{factor}",
            most,
            "bytes",
            finding(round(Fraction(most, kept)) == factor),
            f"At its most in the backward pass, weight gradients apart: {units.ratio(most, kept)} what is "
            "live after the forward pass. A gradient takes the place of an activation that is freed.",
        )

    @property
    def kept_forward(self) -> int:
        """Bytes live after the forward pass, beside weights and input."""
        return self.step.fixed_points[Phase.FORWARD] - self.step.fixed_points[Phase.INPUT]

    @property
    def pool_indices(self) -> int:
        """The bytes of ``kept_forward`` that only say where each maximum was."""
        profile = self.step.profile
        return sum(
            storage.size.at(profile.batch)
            for row in profile.rows
            for storage in row.saved
            if storage.category is Category.INDICES
        )

    @property
    def most_in_backward(self) -> int:
        """The most that is live in the backward pass beside parameters, their gradients and the input."""
        return max(
            sum(size for category, size in live.items() if category not in _LASTING)
            for event, live in self.step.contents()
            if event.phase in (Phase.BACKWARD, Phase.RECOMPUTE)
        )

    @property
    def remarks(self) -> tuple[str, ...]:
        """What must be known to read the claim about the backward pass: the whole step, and a real one."""
        whole = [
            f"Weights and their gradients counted in, the step of {_whole(self.step)}: every weight gets a "
            "gradient."
        ]
        if self.checks is not None:
            whole += _measured(self.checks)
        else:
            many = self.step.at(LARGER_BATCH)
            whole.append(f"The larger the batch, the less that counts: the step of {_whole(many)}.")
        return tuple(whole)

    def to_dict(self) -> dict[str, Any]:
        """Every figure as printed and as computed, with its finding."""
        return {
            "schema_version": SCHEMA_VERSION,
            "rule": RULE,
            "lines": jsonable(self.lines),
            "claims": [claim._asdict() for claim in self.claims],
            "rounded_sum_values": self.rounded_sum,
            "kept_forward_bytes": self.kept_forward,
            "most_in_backward_bytes": self.most_in_backward,
            "peak_bytes": self.step.peak.peak,
            "measured": None
            if self.checks is None
            else {
                "verdict": self.checks.verdict.value,
                "kept_forward_bytes": _kept(self.checks.measurement),
                "peak_bytes": _peak(self.checks.measurement),
                "environment": self.checks.measurement.environment,
            },
        }


def _whole(step: Step) -> str:
    after, most = step.fixed_points[Phase.FORWARD], step.peak.peak
    return (
        f"{units.plural(step.profile.batch, 'image')} has {after:,} bytes live after the forward pass and "
        f"{most:,} at its peak, {units.ratio(most, after)} as much"
    )


SETTING = {
    "input": [3, 224, 224],
    "batch": 1,
    "dtype": "float32",
    "mode": "train",
    "amp": "none",
    "checkpoint": "none",
}
"""What the notes speak of, as a record says it: a training pass of one image, with nothing left out."""

LARGER_BATCH = 64
"""Where images weigh more than weights."""

_LASTING = frozenset(
    {Category.WEIGHTS, Category.BUFFERS, Category.INPUT, Category.GRADIENTS, Category.OPTIMIZER}
)
"""What is there whatever the layers keep."""


def audit(checks: Checks | None = None, published: Published = NOTES) -> Audit:
    """Hold the notes against a walk of D, and against a real pass if its ``checks`` are given.

    Raises ``InputError`` for a real pass without a backward.

    >>> [claim.finding.value for claim in audit().claims]
    ['differs', 'differs', 'differs', 'agrees', 'omitted', 'omitted', 'differs']
    """
    profile = walk("D")
    if checks is None:
        return Audit(published, profile, ledger(profile))
    setup = setup_of(checks.measurement)
    if not setup.has_backward:
        raise InputError(
            "The record has no backward pass, and the notes' claim is about one.",
            "Measure with --mode train: `vgg-profile measure D -o record.json`.",
        )
    return Audit(published, profile, ledger(checks.profile, setup), checks)


def _measured(checks: Checks) -> Iterator[str]:
    """What the real pass says, and whether the prediction holds there."""
    measurement = checks.measurement
    environment = measurement.environment
    after, peak, kept = _live_after(measurement, Phase.FORWARD), _peak(measurement), _kept(measurement)
    where = f"{environment.get('device', '?')}, torch {environment.get('torch', '?')}"
    if after is None or peak is None or kept is None:
        yield f"Measured on {where}: the record holds no memory, so it neither confirms nor denies this."
        return
    yield (
        f"Measured on {where}: {kept:,} bytes live after the forward pass beside weights and input; with "
        f"them {after:,}, and {peak:,} at the peak, the backend's scratch included: "
        f"{units.ratio(peak, after)}."
    )
    curve = overlay(checks.profile.config, measurement)
    boundaries = curve.boundaries
    held = sum(each.residual == 0 for each in boundaries)
    yield (
        f"The live bytes predicted for that pass hold to the byte at {held} of {len(boundaries)} boundaries"
        + (
            ", so the split above stands on a measurement."
            if held == len(boundaries) and not curve.unpredicted
            else ": the prediction does not hold there, and nor does the split above."
        )
    )


def _live_after(measurement: Measurement, phase: Phase) -> int | None:
    """What was live at the end of a phase."""
    return next((moment.live for moment in reversed(measurement.timeline) if moment.phase == phase), None)


def _kept(measurement: Measurement) -> int | None:
    """What the forward pass left alive."""
    after, given = _live_after(measurement, Phase.FORWARD), _live_after(measurement, Phase.INPUT)
    return None if after is None or given is None else after - given


def _peak(measurement: Measurement) -> int | None:
    reading = measurement.get("peak_bytes")
    return reading.value if reading is not None and isinstance(reading.value, int) else None
