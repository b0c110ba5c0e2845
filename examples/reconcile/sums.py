"""Our side, and the sums: ours, plus named terms, beside theirs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

from vgg_profile import ledger, walk
from vgg_profile.core.events import Category, Phase
from vgg_profile.core.step import Step
from vgg_profile.core.tree import Profile

from .rules import TOOLS
from .terms import Figure, Term, Tool

NETS = ("D", "D-BN")
INPUT = (3, 224, 224)
HIDDEN = (Category.TEMPORARY, Category.SCRATCH)


@dataclass(frozen=True)
class Net:
    """A network on our side: its figures, the counts that terms are made of, and what had to be measured.

    >>> Net("D", {}).counts["conv", "values out"]
    13547520
    """

    name: str
    measured: dict[str, int]

    @cached_property
    def profile(self) -> Profile:
        return walk(self.name, input=INPUT)

    @cached_property
    def step(self) -> Step:
        return ledger(self.profile)

    @cached_property
    def ours(self) -> dict[str, int]:
        totals, live = self.profile.totals, self.step.fixed_points
        return {
            "parameters": totals.parameters,
            "MACs": totals.macs,
            "FLOPs, 2 a MAC": 2 * totals.macs,
            "FLOPs, forward and backward": sum(self.step.flops.values()),
            "values of the notes' table": totals.values,
            "bytes of the notes' table": totals.memory_bytes,
            "bytes of parameters": totals.parameters * self.profile.itemsize,
            "weights and buffers": live[Phase.LOAD],
            "live, input given": live[Phase.INPUT],
            "saved for backward": totals.saved_bytes,
            "live after forward": live[Phase.FORWARD],
            "live after backward": live[Phase.BACKWARD],
            "peak of tensors": self.step.peak.peak,
        }

    @cached_property
    def counts(self) -> Counter[tuple[str, str]]:
        """Kind of module and what is counted → how many, over all modules of the kind, for one image."""
        rows = self.profile.module_rows
        counts = Counter({("input", "values out"): prod(rows[0].output_shape)})
        for before, row in pairwise(rows):
            counts[row.kind, "modules"] += 1
            counts[row.kind, "values in"] += prod(before.output_shape)
            counts[row.kind, "values out"] += prod(row.output_shape)
            counts[row.kind, "parameters"] += row.parameters
            counts[row.kind, "MACs"] += row.macs.value
        return counts

    def value(self, term: Term) -> int:
        if term.kinds:
            return term.each * sum(self.counts[kind, term.what] for kind in term.kinds)
        if term.what == "hidden peak":
            return self.peak_between_operations - self.step.peak.peak
        if term.what == "scratch":
            return self.measured["peak_bytes"] - self.step.peak.peak
        return self.measured[term.what]

    @property
    def peak_between_operations(self) -> int:
        """The most that is live if one does not see what a kernel takes for itself while it runs."""
        live = peak = 0
        for event in self.step.events:
            sizes = [(each.category, each.size.at(self.profile.batch)) for each in event.allocated]
            live += sum(size for _, size in sizes)
            hidden = sum(size for category, size in sizes if category in HIDDEN)
            peak = max(peak, live - hidden)
            live -= sum(each.size.at(self.profile.batch) for each in event.freed)
        return peak


class Sum(NamedTuple):
    """Theirs beside ours and the terms; ``remainder`` is in the tool's own unit and precision."""

    tool: Tool
    figure: Figure
    net: str
    ours: int
    values: tuple[int, ...]
    """Of the figure's terms."""
    theirs: int | str

    @property
    def remainder(self) -> Decimal:
        theirs = Decimal(self.theirs)
        return theirs - (Decimal(self.ours + sum(self.values)) / self.figure.unit).quantize(theirs)


Record = dict[str, Any]
"""What the tools said; ``reports/tools.json`` is one."""


def nets(record: Record) -> dict[str, Net]:
    return {name: Net(name, record["measured"][name]) for name in NETS}


def reconcile(record: Record) -> Iterator[Sum]:
    """The sum behind every figure in a record, of each network."""
    for name, net in nets(record).items():
        for tool in TOOLS:
            read = record["tools"].get(tool.name, {}).get("nets", {}).get(name)
            for figure in tool.figures if read else ():
                values = tuple(net.value(term) for term in figure.terms)
                yield Sum(tool, figure, name, net.ours[figure.ours], values, read["readings"][figure.name])
