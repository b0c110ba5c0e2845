"""A whole training step in memory: what is live when, and why.

A :class:`Ledger` is the tape of one step: weights loaded, images given, forward, loss, backward, and
the optimizer's step. Retained bytes, boundaries, fixed points, peak and the batch that fits are all
read off its events.

Micro-batches (gradient accumulation) need no setting of their own: each frees its activations before the
next begins, and adds its gradients in place to those that are there. So a hundredth adds nothing; but from
the second on, one set of gradients is there from the beginning (``topics.later_peak``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

from vgg_profile.core.display import Displayed
from vgg_profile.core.events import Category, Event, Mark, Phase, Storage, kept
from vgg_profile.core.setting import Setup
from vgg_profile.core.sizes import NOTHING, Bytes
from vgg_profile.core.tree import Profile
from vgg_profile.core.version import SCHEMA_VERSION


class Moment(NamedTuple):
    """One part of the step: a layer's forward, a layer's backward, or a phase without layers.

    ``live`` is what is allocated when it is over, ``peak`` the most that was allocated within it.
    ``scratch`` names who may take more within it, unpredicted; empty, and nobody does.
    """

    phase: Phase
    layer: str
    live: int
    peak: int
    categories: dict[Category, int]
    scratch: str


class Line(NamedTuple):
    """Live bytes at one event, affine in the batch; ``event`` is its number in the ledger's list."""

    fixed: int
    per_image: int
    event: int

    def at(self, batch: int) -> int:
        return self.fixed + self.per_image * batch


@dataclass(frozen=True, repr=False)
class Ledger(Displayed):
    """The events of one training step, and what can be read off them."""

    profile: Profile
    setup: Setup
    events: tuple[Event, ...]
    marks: tuple[Mark, ...]

    def at(self, batch: int) -> Ledger:
        """The same step with another batch: the events are the same, their bytes are affine in it."""
        return replace(self, profile=replace(self.profile, batch=batch))

    @cached_property
    def moments(self) -> tuple[Moment, ...]:
        """Live and peak bytes of each part of the step, in order, for the profile's batch."""
        return tuple(self._moments(self.profile.batch))

    def _moments(self, batch: int) -> Iterator[Moment]:
        live = 0
        categories = dict.fromkeys(Category, 0)
        ends = [*self.marks, Mark(Phase.STEP, "", len(self.events))]
        for mark, after in pairwise(ends):
            peak, scratch = live, ""
            for event in self.events[mark.event : after.event]:
                scratch = scratch or event.scratch
                for storage in event.allocated:
                    size = storage.size.at(batch)
                    live += size
                    categories[storage.category] += size
                peak = max(peak, live)
                for storage in event.freed:
                    size = storage.size.at(batch)
                    live -= size
                    categories[storage.category] -= size
            yield Moment(mark.phase, mark.layer, live, peak, dict(categories), scratch)

    def contents(self) -> Iterator[tuple[Event, dict[Category, int]]]:
        """Each event with the bytes that are live before it frees, by category."""
        batch = self.profile.batch
        live = dict.fromkeys(Category, 0)
        for event in self.events:
            for storage in event.allocated:
                live[storage.category] += storage.size.at(batch)
            yield event, dict(live)
            for storage in event.freed:
                live[storage.category] -= storage.size.at(batch)

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """Live bytes at each event after loading, before it frees, as a function of the batch.

        Only the lines that are highest for some batch are kept, by their slope: the upper envelope. The
        peak of any batch, and the largest batch within any limit, can be read off these few.
        """
        fixed = per_image = 0
        steepest: dict[int, Line] = {}
        for number, event in enumerate(self.events):
            for storage in event.allocated:
                fixed += storage.size.fixed
                per_image += storage.size.per_image
            if number >= self.marks[1].event:
                known = steepest.get(per_image)
                if known is None or fixed > known.fixed:
                    steepest[per_image] = Line(fixed, per_image, number)
            for storage in event.freed:
                fixed -= storage.size.fixed
                per_image -= storage.size.per_image
        envelope: list[Line] = []
        for _, line in sorted(steepest.items()):
            while envelope and (
                line.fixed >= envelope[-1].fixed
                or (len(envelope) > 1 and _is_under(envelope[-2], envelope[-1], line))
            ):
                envelope.pop()
            envelope.append(line)
        return tuple(envelope)

    def highest(self, batch: int) -> Line:
        """The line on which a batch has its peak."""
        return max(self.lines, key=lambda line: line.at(batch))

    def peak_bytes(self, batch: int) -> int:
        """The most that is live at once after loading, for any batch."""
        return self.highest(batch).at(batch)

    def live_at(self, line: Line) -> dict[Category, Bytes]:
        """What is live at a line's event, by category."""
        sizes = dict.fromkeys(Category, NOTHING)
        for event in self.events[: line.event + 1]:
            for storage in event.allocated:
                sizes[storage.category] = sizes[storage.category].plus(storage.size)
            if event is not self.events[line.event]:
                for storage in event.freed:
                    sizes[storage.category] = sizes[storage.category].plus(storage.size.times(-1))
        return {category: size for category, size in sizes.items() if size != NOTHING}

    def largest_batch(self, limit: int) -> int:
        """The largest batch whose peak stays within ``limit`` bytes; 0 if not even one image fits.

        Each line allows ``(limit - fixed) // per_image`` images, and the least of them is the answer.
        """
        if any(line.fixed > limit for line in self.lines):
            return 0
        return min((limit - line.fixed) // line.per_image for line in self.lines if line.per_image)

    @cached_property
    def seen(self) -> Profile:
        """The profile with what each layer keeps in this very step, whatever its mode and precision."""
        saved = kept(self.events)
        rows = tuple(replace(row, saved=saved.get(row.name, ())) for row in self.profile.module_rows)
        return replace(self.profile, module_rows=rows, forward_pass=self.setup.forward_pass)

    @property
    def place(self) -> tuple[Phase, str]:
        """The phase and the layer of the event at which the peak is reached."""
        event = self.events[self.highest(self.profile.batch).event]
        return event.phase, event.layer

    @property
    def fixed_points(self) -> dict[Phase, int]:
        """Live bytes at the end of each phase; a recompute is part of the backward pass."""
        return {m.phase: m.live for m in self.moments if m.phase is not Phase.RECOMPUTE}

    @property
    def peak(self) -> Moment:
        """The part of the step, after loading, in which most is live at once; the first if several."""
        return max((m for m in self.moments if m.phase is not Phase.LOAD), key=lambda moment: moment.peak)

    @cached_property
    def flops(self) -> dict[str, int]:
        """FLOPs of the forward and the backward pass by layer; without a backward, of the forward.

        Forward 2 a MAC; backward as many for the input's gradient, and again for the weights'. The first
        layer with weights sees images, which want no gradient, so its share is less.
        """
        rows = self.profile.module_rows[1:]
        first = next(row.name for row in rows if row.macs.value)
        passes = {row.name: (2 if row.name == first else 3) if self.setup.has_backward else 1 for row in rows}
        return {row.name: 2 * row.macs.value * self.profile.batch * passes[row.name] for row in rows}

    @cached_property
    def recomputed_flops(self) -> dict[str, int]:
        """The FLOPs that checkpointing runs a second time, 2 a MAC, by layer."""
        again = {mark.layer for mark in self.marks if mark.phase is Phase.RECOMPUTE}
        profile = self.profile
        return {
            row.name: 2 * row.macs.value * profile.batch
            for row in profile.module_rows
            if row.name in again and row.macs.value
        }

    def to_dict(self) -> dict[str, Any]:
        """The step as JSON has it: moments with their categories, and every event behind them."""
        profile, batch = self.profile, self.profile.batch
        phase, layer = self.place
        return {
            "schema_version": SCHEMA_VERSION,
            "config": profile.config.name,
            "batch_norm": profile.config.batch_norm,
            "input": list(profile.input),
            "batch": batch,
            "dtype": profile.dtype,
            "device": profile.device,
            **self.setup.to_dict(),
            "peak_bytes": self.peak.peak,
            "peak_phase": phase.value,
            "peak_layer": layer,
            "recomputed_flops": sum(self.recomputed_flops.values()),
            "fixed_points": {phase.value: live for phase, live in self.fixed_points.items()},
            "moments": [
                {
                    "phase": moment.phase.value,
                    "layer": moment.layer,
                    "live_bytes": moment.live,
                    "peak_bytes": moment.peak,
                    "scratch_of": moment.scratch,
                    "categories": {category.value: size for category, size in moment.categories.items()},
                }
                for moment in self.moments
            ],
            "events": [
                {
                    "phase": event.phase.value,
                    "layer": event.layer,
                    "op": event.op,
                    "allocated": [_storage(storage, batch) for storage in event.allocated],
                    "freed": [_storage(storage, batch) for storage in event.freed],
                }
                for event in self.events
            ],
        }


def in_words(phase: str, layer: str) -> str:
    """Where in a step something is.

    >>> in_words(Phase.BACKWARD, "conv1_1"), in_words(Phase.LOAD, "")
    ('in backward of conv1_1', 'in load')
    """
    return f"in {phase}{' of ' if layer else ''}{layer}"


def _storage(storage: Storage, batch: int) -> dict[str, Any]:
    return {
        "layer": storage.layer,
        "what": storage.what,
        "category": storage.category.value,
        "bytes": storage.size.at(batch),
    }


def _is_under(left: Line, middle: Line, right: Line) -> bool:
    """Whether, of three lines of rising slope, the middle one is nowhere the highest alone."""
    return (left.fixed - right.fixed) * (middle.per_image - left.per_image) <= (left.fixed - middle.fixed) * (
        right.per_image - left.per_image
    )
