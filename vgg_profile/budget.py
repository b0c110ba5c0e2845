"""A whole training step in memory: what is live when, and why.

A :class:`Ledger` is the tape of one step: weights loaded, images given, forward, loss, backward, and
the optimizer's step. Retained bytes, boundaries, fixed points, peak and the batch that fits are all
read off its events.

Micro-batches (gradient accumulation) need no setting of their own: each frees its activations before the
next begins, and adds its gradients in place to those that are there. So a hundredth adds nothing; but from
the second on, one set of gradients is there from the beginning (``topics.later_peak``).
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

from vgg_profile.display import Displayed
from vgg_profile.errors import InputError
from vgg_profile.tape import NOTHING, Bytes, Category, Event, Mark, Phase, Storage, Tape, Tensor, kept
from vgg_profile.training import AMP_ITEMSIZE, Setup
from vgg_profile.units import binary
from vgg_profile.walker import SCHEMA_VERSION, Profile, forward, load

PLAIN = Setup()

STEP_COUNT_BYTES = 4
"""Adam counts its steps in a float32 scalar beside each parameter, on the CPU whatever the device."""


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


@contextmanager
def _uncollected() -> Iterator[None]:
    """Hold off the garbage collector: it would walk the growing tape over and over, and find nothing."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@_uncollected()
def ledger(profile: Profile, setup: Setup = PLAIN) -> Ledger:
    """Run one training step of a profile on paper, as a :class:`Setup` has it.

    Raises ``InputError`` for a step that PyTorch would refuse.

    >>> from vgg_profile.walker import walk
    >>> ledger(walk("D")).fixed_points[Phase.FORWARD]  # weights, images and targets, saved activations
    626789448
    """
    check_setup(profile, setup)
    setup = setup.on(profile.device)
    tape = Tape(
        itemsize=profile.itemsize,
        device=profile.device,
        training=setup.mode == "train",
        grad=setup.has_backward,
        onednn=setup.onednn,
    )
    parameters = load(tape, profile.config)
    optimizer = None if setup.optimizer == "none" else Optimizer(tape, setup)
    if optimizer and not setup.first_step:
        optimizer.make_state()
    with tape.autocast(AMP_ITEMSIZE[setup.amp]):
        logits = forward(
            tape, profile.config, profile.input, parameters, checkpoint_blocks=setup.checkpoint == "blocks"
        )
        if setup.has_backward:
            tape.begin(Phase.LOSS)
            loss = _cross_entropy(tape, logits)
    if setup.has_backward:
        tape.backward(loss)
    if optimizer:
        tape.begin(Phase.STEP)
        optimizer.step()
    return Ledger(profile, setup, tuple(tape.events), tuple(tape.marks))


def check_setup(profile: Profile, setup: Setup) -> None:
    """Refuse a step that PyTorch would refuse as well."""
    if setup.mode == "train" and profile.batch == 1:
        for row in profile.module_rows:
            if row.kind == "batchnorm" and row.output_shape[1:] == (1, 1):
                raise InputError(
                    f"Batch norm cannot train at {row.name}: one image of 1×1 leaves it one value a channel, "
                    "and a mean of one value says nothing.",
                    "Use --batch 2 or more, a larger --input, or --mode eval.",
                )
    if setup.amp != "none" and profile.dtype != "float32":
        raise InputError(
            f"Autocast lowers float32 weights, and these are {profile.dtype}.",
            "Leave --dtype out, or leave --amp out.",
        )
    if not setup.onednn and profile.device != "cpu":
        raise InputError("oneDNN is a library of the CPU.", "Leave --no-onednn out, or use --device cpu.")


def out_of_memory(profile: Profile, setup: Setup, why: str, phase: str = "", layer: str = "") -> str:
    """What to say when a device had no memory left: what it lacked, what the step needs, what would fit."""
    step = ledger(profile, setup)
    peak = step.peak
    images = step.largest_batch(peak.peak // 2)
    fits = f"a batch of {images:,}" if images else "not even one image"
    return (
        f"Out of memory: {why}.{_live_at(step, phase, layer)} The step needs {peak.peak:,} bytes = "
        f"{binary(peak.peak)} of tensors at its peak, {in_words(*step.place)}, before any scratch; "
        f"{binary(step.fixed_points[Phase.LOAD])} of them are weights. Try a smaller --batch or --input: "
        f"half that memory would hold {fits}."
    )


def _live_at(step: Ledger, phase: str, layer: str) -> str:
    """What was live when a part of the step began, as far as tensors go."""
    for before, moment in pairwise(step.moments):
        if (moment.phase, moment.layer) == (phase, layer):
            return (
                f" It was at {phase} of {layer}, where {before.live:,} bytes = {binary(before.live)} "
                "of tensors are live, by the prediction."
            )
    return ""


def _cross_entropy(tape: Tape, logits: Tensor) -> Tensor:
    """Cross entropy against class indices: a log-softmax, then the mean of one logit an image.

    Under autocast the CPU casts the logits and computes all of it in float32; a function of its own, it holds
    the cast logits to its end. CUDA takes the log-softmax in the logits' dtype and casts that to float32
    for the mean (read off an H100 with torch 2.11: ``tests/data/cuda``).
    """
    tape.layer = "loss"
    on_cpu = tape.device == "cpu"
    logits, given = (tape.in_float32(logits) if on_cpu else logits), logits
    log_probabilities = tape.op(
        "log_softmax",
        (logits,),
        what="log-probabilities",
        node="LogSoftmaxBackward0",
        saves_output=True,
    )
    if not on_cpu:
        log_probabilities, lowered = tape.in_float32(log_probabilities), log_probabilities
        if log_probabilities is not lowered:
            tape.drop(lowered)
    loss = tape.scalar("loss", log_probabilities.itemsize)
    total_weight = Storage("loss", "total weight", Category.ACTIVATIONS, loss.size)
    tape.reduce("nll_loss", log_probabilities, loss, node="NllLossBackward0", beside=total_weight)
    tape.drop(log_probabilities)
    if logits is not given:
        tape.drop(logits)
    return loss


class Optimizer:
    """What ``torch.optim`` allocates: a state for every parameter, and temporaries in each step.

    Source: ``torch/optim/sgd.py`` and ``adam.py`` (AdamW is Adam there), single-tensor and foreach.
    """

    def __init__(self, tape: Tape, setup: Setup) -> None:
        self.tape = tape
        self.setup = setup
        self.weights = [
            storage
            for event in tape.events
            for storage in event.allocated
            if storage.category is Category.WEIGHTS
        ]
        """In the order of ``model.parameters()``."""

    def make_state(self) -> None:
        """One momentum a parameter, or Adam's two moments and its count of steps."""
        for weight in self.weights:
            if self.setup.optimizer == "momentum":
                self._make("clone", weight, "momentum", weight.size)
            elif self.setup.optimizer.startswith("adam"):
                if self.tape.device == "cpu":
                    self._make("zeros", weight, "step count", Bytes(STEP_COUNT_BYTES, 0))
                self._make("zeros_like", weight, "first moment", weight.size)
                self._make("zeros_like", weight, "second moment", weight.size)

    def _make(self, op: str, weight: Storage, what: str, size: Bytes) -> None:
        self.tape.layer = weight.layer
        self.tape.allocate(op, Storage(weight.layer, f"{what} of {weight.what}", Category.OPTIMIZER, size))

    def step(self) -> None:
        """SGD works in place. Adam's denominator is a tensor: ``sqrt(second moment) / correction + eps``."""
        if self.setup.first_step:
            self.make_state()
        elif self.setup.optimizer == "momentum":
            for weight in self.weights:
                self.tape.layer = weight.layer
                self.tape.work("mul_", self.tape.number(self.tape.itemsize))
        if self.setup.optimizer.startswith("adam"):
            (self._divide_together if self.setup.foreach else self._divide_one_by_one)()

    def _divide_one_by_one(self) -> None:
        """Two temporaries a parameter; Python keeps the last ``denom`` until the name is bound again."""
        previous: list[Storage] = []
        for weight in self.weights:
            self.tape.layer = weight.layer
            root, denominator = self._temporary(weight, "root"), self._temporary(weight, "denom")
            self.tape.allocate("sqrt", root)
            correction = self._correction()
            self.tape.allocate("div", denominator, *correction)
            self.tape.release("release", [root, *correction, *previous])
            previous = [denominator]
        self.tape.release("release", previous)

    def _divide_together(self) -> None:
        """The roots of all parameters at once, then divided in place: as much again as the weights."""
        roots = [self._temporary(weight, "root") for weight in self.weights]
        for root in roots:
            self.tape.layer = root.layer
            self.tape.allocate("_foreach_sqrt", root)
        correction = self._correction()
        self.tape.allocate("_foreach_div_", *correction)
        self.tape.release("release", [*correction, *roots])

    def _correction(self) -> list[Storage]:
        """The bias correction, a Python number, as the division reads it."""
        size = self.tape.number(self.tape.itemsize)
        return [Storage(self.tape.layer, "correction", Category.TEMPORARY, size)] if size != NOTHING else []

    def _temporary(self, weight: Storage, what: str) -> Storage:
        return Storage(weight.layer, what, Category.TEMPORARY, weight.size)
