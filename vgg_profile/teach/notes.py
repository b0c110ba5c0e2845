"""The course notes' VGG-16 table as data, and its audit, figure by figure.

What the notes print stands here once, as they print it. Everything beside it is computed: from a walk of
config D, and, for the claim about the backward pass, from the ledger of one training step. A record of
a real pass comes in by way of its cross-check alone, so predicted and measured figures never mix.

What agrees, stated before anything is compared:

* A **memory** figure agrees if its working has the computed value, and that value, rounded as the notes
  round (two leading digits, whole millions from 10M on), reads as printed.
* A **weight** figure agrees to the last digit, its working too.
* A **rounded byte** figure agrees if the bytes round to it, as MB or as MiB.
* A **factor** agrees if the ratio rounds to it.

Where nobody knows how the notes came by a figure, the audit says that, and derives nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from math import prod
from typing import Any, NamedTuple

from vgg_profile.check.crosscheck import setup_of
from vgg_profile.check.results import Checks, Verdict
from vgg_profile.core import units
from vgg_profile.core.display import Displayed
from vgg_profile.core.errors import InputError
from vgg_profile.core.events import Category, Phase
from vgg_profile.core.step import Ledger
from vgg_profile.core.tree import Profile, Row
from vgg_profile.core.version import SCHEMA_VERSION
from vgg_profile.predict.vgg.step import ledger
from vgg_profile.predict.vgg.walk import walk

RULE = (
    "A memory figure agrees if its working is right and the value, rounded as the notes round (two leading "
    "digits, whole millions from 10M on), reads as printed; weights agree to the last digit."
)


class PrintedLine(NamedTuple):
    """One line of the table: the layer, its output as HxWxC, memory in values, weights."""

    label: str
    shape: str
    memory: str
    weights: str


@dataclass(frozen=True, slots=True)
class Published:
    """Everything the notes print of VGG-16; the totals are the words of their two last lines."""

    lines: tuple[PrintedLine, ...]
    values: str
    value_bytes: int
    megabytes: str
    backward_factor: int
    parameters: str


NOTES = Published(
    lines=(
        PrintedLine("INPUT", "224x224x3", "224*224*3=150K", "0"),
        PrintedLine("CONV3-64", "224x224x64", "224*224*64=3.2M", "(3*3*3)*64 = 1,728"),
        PrintedLine("CONV3-64", "224x224x64", "224*224*64=3.2M", "(3*3*64)*64 = 36,864"),
        PrintedLine("POOL2", "112x112x64", "112*112*64=800K", "0"),
        PrintedLine("CONV3-128", "112x112x128", "112*112*128=1.6M", "(3*3*64)*128 = 73,728"),
        PrintedLine("CONV3-128", "112x112x128", "112*112*128=1.6M", "(3*3*128)*128 = 147,456"),
        PrintedLine("POOL2", "56x56x128", "56*56*128=400K", "0"),
        PrintedLine("CONV3-256", "56x56x256", "56*56*256=800K", "(3*3*128)*256 = 294,912"),
        PrintedLine("CONV3-256", "56x56x256", "56*56*256=800K", "(3*3*256)*256 = 589,824"),
        PrintedLine("CONV3-256", "56x56x256", "56*56*256=800K", "(3*3*256)*256 = 589,824"),
        PrintedLine("POOL2", "28x28x256", "28*28*256=200K", "0"),
        PrintedLine("CONV3-512", "28x28x512", "28*28*512=400K", "(3*3*256)*512 = 1,179,648"),
        PrintedLine("CONV3-512", "28x28x512", "28*28*512=400K", "(3*3*512)*512 = 2,359,296"),
        PrintedLine("CONV3-512", "28x28x512", "28*28*512=400K", "(3*3*512)*512 = 2,359,296"),
        PrintedLine("POOL2", "14x14x512", "14*14*512=100K", "0"),
        PrintedLine("CONV3-512", "14x14x512", "14*14*512=100K", "(3*3*512)*512 = 2,359,296"),
        PrintedLine("CONV3-512", "14x14x512", "14*14*512=100K", "(3*3*512)*512 = 2,359,296"),
        PrintedLine("CONV3-512", "14x14x512", "14*14*512=100K", "(3*3*512)*512 = 2,359,296"),
        PrintedLine("POOL2", "7x7x512", "7*7*512=25K", "0"),
        PrintedLine("FC", "1x1x4096", "4096", "7*7*512*4096 = 102,760,448"),
        PrintedLine("FC", "1x1x4096", "4096", "4096*4096 = 16,777,216"),
        PrintedLine("FC", "1x1x1000", "1000", "4096*1000 = 4,096,000"),
    ),
    values="24M",
    value_bytes=4,
    megabytes="93MB",
    backward_factor=2,
    parameters="138M",
)
"""The notes after Stanford's CS231n, line by line."""


class Finding(StrEnum):
    """What came of comparing a printed figure with the computed one."""

    AGREES = "agrees"
    DIFFERS = "differs"
    OMITTED = "omitted"


def _finding(holds: bool) -> Finding:
    return Finding.AGREES if holds else Finding.DIFFERS


@dataclass(frozen=True, slots=True)
class Line:
    """One printed line beside the row that was computed for it."""

    printed: PrintedLine
    row: Row

    @property
    def shape(self) -> Finding:
        channels, *plane = self.row.output_shape
        sides = (int(side) for side in self.printed.shape.split("x"))
        return _finding(tuple(sides) == (*(plane or (1, 1)), channels))

    @property
    def memory(self) -> Finding:
        working, _, result = self.printed.memory.rpartition("=")
        value = self.row.values.value
        is_worked_out = not working or evaluated(working) == value
        return _finding(is_worked_out and result == units.as_the_notes(value))

    @property
    def weights(self) -> Finding:
        working, _, result = self.printed.weights.rpartition(" = ")
        value = self.row.weights.value
        is_worked_out = not working or evaluated(working) == value
        return _finding(is_worked_out and result.replace(",", "") == str(value))

    @property
    def biases(self) -> Finding | None:
        """The notes print none; ``None`` where there are none."""
        return Finding.OMITTED if self.row.biases else None

    @property
    def differing(self) -> tuple[str, ...]:
        """The names of the figures that differ."""
        return tuple(
            name for name in ("shape", "memory", "weights") if getattr(self, name) is Finding.DIFFERS
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "label": self.printed.label,
            "name": self.row.name,
            "shape_printed": self.printed.shape,
            "shape": self.shape.value,
            "memory_printed": self.printed.memory,
            "memory_values": self.row.values.value,
            "memory": self.memory.value,
            "weights_printed": self.printed.weights,
            "weights_computed": self.row.weights.value,
            "weights": self.weights.value,
            "biases_computed": self.row.biases,
            "biases": self.biases.value if self.biases else None,
        }


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
    step: Ledger
    checks: Checks | None = None

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        return tuple(
            Line(printed, row) for printed, row in zip(self.published.lines, self.profile.rows, strict=True)
        )

    @cached_property
    def claims(self) -> tuple[Claim, ...]:
        return tuple(self._claims())

    @property
    def rounded_sum(self) -> int:
        """What the memory column adds up to as it is printed, roundings and all."""
        return sum(unrounded(line.memory.rpartition("=")[2]) for line in self.published.lines)

    def _claims(self) -> Iterator[Claim]:
        notes, totals = self.published, self.profile.totals
        agrees = notes.values == units.as_the_notes(totals.values)
        yield Claim(
            "TOTAL memory",
            notes.values,
            totals.values,
            "values",
            _finding(agrees),
            f"The {len(self.lines)} lines add up to {totals.values:,} values; rounded as printed, to "
            f"{self.rounded_sum:,}." + ("" if agrees else f" No explanation of {notes.values} is known."),
        )
        yield self._bytes_claim(f"{notes.values} * {notes.value_bytes} bytes", unrounded(notes.values))
        yield self._bytes_claim(f"the rows * {notes.value_bytes} bytes", totals.values)
        with_biases = totals.weights + totals.biases
        yield Claim(
            "TOTAL params",
            notes.parameters,
            totals.weights,
            "weights",
            _finding(notes.parameters == units.as_the_notes(totals.weights)),
            f"With the biases it is {with_biases:,}, which rounds to {units.as_the_notes(with_biases)} too.",
        )
        yield Claim(
            "biases",
            "",
            totals.biases,
            "biases",
            Finding.OMITTED,
            f"One an output channel, {units.percent(totals.biases, with_biases)} of the parameters.",
        )
        yield Claim(
            "kept for the backward pass",
            "",
            self.kept_forward,
            "bytes",
            Finding.OMITTED,
            f"Live after a training forward pass beside weights and input; {self.pool_indices:,} of them are "
            "the max pools' indices.",
        )
        yield self._backward_claim()

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
            _finding(agrees),
            f"{values:,}*{notes.value_bytes} bytes = {units.decimal(size)} = {units.mebibytes(size)}"
            + ("." if agrees else f": {printed} of neither."),
        )

    def _backward_claim(self) -> Claim:
        kept, most = self.kept_forward, self.most_in_backward
        factor = self.published.backward_factor
        return Claim(
            "memory with the backward pass",
            f"~*{factor}",
            most,
            "bytes",
            _finding(round(Fraction(most, kept)) == factor),
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
            many = ledger(self.step.profile.at(LARGER_BATCH))
            whole.append(f"The larger the batch, the less that counts: the step of {_whole(many)}.")
        return tuple(whole)

    def to_dict(self) -> dict[str, Any]:
        """Every figure as printed and as computed, with its finding."""
        return {
            "schema_version": SCHEMA_VERSION,
            "rule": RULE,
            "lines": [line.to_dict() for line in self.lines],
            "claims": [claim._asdict() for claim in self.claims],
            "rounded_sum_values": self.rounded_sum,
            "kept_forward_bytes": self.kept_forward,
            "most_in_backward_bytes": self.most_in_backward,
            "peak_bytes": self.step.peak.peak,
            "measured": None
            if self.checks is None
            else {
                "verdict": self.checks.verdict.value,
                "kept_forward_bytes": _kept(self.checks),
                "peak_bytes": _reading(self.checks, "peak"),
                "environment": self.checks.measurement.environment,
            },
        }


def _whole(step: Ledger) -> str:
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


def evaluated(working: str) -> int:
    """The value of a printed product.

    >>> evaluated("(3*3*64)*128")
    73728
    """
    return prod(int(factor) for factor in re.findall(r"\d+", working))


def unrounded(printed: str) -> int:
    """The number that a rounded figure writes out.

    >>> unrounded("3.2M"), unrounded("150K"), unrounded("4096")
    (3200000, 150000, 4096)
    """
    scale = {"K": 10**3, "M": 10**6}.get(printed[-1], 1)
    return int(Fraction(printed.rstrip("KM")) * scale)


def _measured(checks: Checks) -> Iterator[str]:
    """What the real pass says, from its cross-check."""
    environment = checks.measurement.environment
    after, peak, kept = _reading(checks, "live_after_forward"), _reading(checks, "peak"), _kept(checks)
    where = f"{environment.get('device', '?')}, torch {environment.get('torch', '?')}"
    if after is None or peak is None or kept is None:
        yield f"Measured on {where}: the record holds no memory, so it neither confirms nor denies this."
        return
    yield (
        f"Measured on {where}: {kept:,} bytes live after the forward pass beside weights and input; with "
        f"them {after:,}, and {peak:,} at the peak, the backend's scratch included: "
        f"{units.ratio(peak, after)}."
    )
    live = [check for check in checks.checks if check.quantity.startswith("live")]
    held = sum(check.verdict is Verdict.PASS for check in live)
    yield f"Of the live bytes predicted for that pass, {held} of {len(live)} figures hold to the byte" + (
        ", so the split above stands on a measurement."
        if held == len(live)
        else ": the prediction does not hold there, and nor does the split above."
    )


def _reading(checks: Checks, quantity: str) -> int | None:
    """What was measured for a quantity of the whole network."""
    for check in checks.checks:
        if check.quantity == quantity and not check.layer and isinstance(check.measured, int):
            return check.measured
    return None


def _kept(checks: Checks) -> int | None:
    after, given = _reading(checks, "live_after_forward"), _reading(checks, "live_with_input")
    return None if after is None or given is None else after - given
