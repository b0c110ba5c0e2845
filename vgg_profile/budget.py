"""A whole training step in memory: what is live when, and why.

A :class:`Ledger` is the tape of one step: weights loaded, images given, forward, loss, backward, and
the optimizer's first step. Retained bytes, boundaries, fixed points and peak are read off its events.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

from vgg_profile.display import Displayed
from vgg_profile.errors import InputError, excerpt
from vgg_profile.tape import Bytes, Category, Event, Mark, Phase, Storage, Tape, Tensor
from vgg_profile.units import binary
from vgg_profile.walker import MODES, OPTIMIZERS, SCHEMA_VERSION, Profile, forward

STEP_COUNT_BYTES = 4
"""Adam counts its steps in a float32 scalar beside each parameter, on the CPU whatever the device."""


class Moment(NamedTuple):
    """One part of the step: a layer's forward, a layer's backward, or a phase without layers.

    ``live`` is what is allocated when it is over, ``peak`` the most that was allocated within it.
    """

    phase: Phase
    layer: str
    live: int
    peak: int
    categories: dict[Category, int]


@dataclass(frozen=True, repr=False)
class Ledger(Displayed):
    """The events of one training step, and what can be read off them.

    It is the *first* step: the optimizer's state appears in it. A later step holds that state from the start.
    """

    profile: Profile
    mode: str
    optimizer: str
    events: tuple[Event, ...]
    marks: tuple[Mark, ...]

    @cached_property
    def moments(self) -> tuple[Moment, ...]:
        """Live and peak bytes of each part of the step, in order, for the profile's batch."""
        return tuple(self._moments(self.profile.batch))

    def _moments(self, batch: int) -> Iterator[Moment]:
        live = 0
        categories = dict.fromkeys(Category, 0)
        ends = [*self.marks, Mark(Phase.STEP, "", len(self.events))]
        for mark, after in pairwise(ends):
            peak = live
            for event in self.events[mark.event : after.event]:
                for storage in event.allocated:
                    size = storage.size.at(batch)
                    live += size
                    categories[storage.category] += size
                peak = max(peak, live)
                for storage in event.freed:
                    size = storage.size.at(batch)
                    live -= size
                    categories[storage.category] -= size
            yield Moment(mark.phase, mark.layer, live, peak, dict(categories))

    def largest_batch(self, limit: int) -> int:
        """The largest batch whose peak stays within ``limit`` bytes; 0 if not even one image fits.

        Live bytes are affine in the batch at every event, so each event allows
        ``(limit - fixed) // per_image`` images, and the least of them is the answer.
        """
        fixed = per_image = 0
        largest: int | None = None
        for number, event in enumerate(self.events):
            fixed += sum(storage.size.fixed for storage in event.allocated)
            per_image += sum(storage.size.per_image for storage in event.allocated)
            if per_image and number >= self.marks[1].event:
                allowed = max(0, (limit - fixed) // per_image)
                largest = allowed if largest is None else min(largest, allowed)
            fixed -= sum(storage.size.fixed for storage in event.freed)
            per_image -= sum(storage.size.per_image for storage in event.freed)
        return largest or 0

    @property
    def fixed_points(self) -> dict[Phase, int]:
        """Live bytes at the end of each phase."""
        return {moment.phase: moment.live for moment in self.moments}

    @property
    def peak(self) -> Moment:
        """The part of the step, after loading, in which most is live at once; the first if several."""
        return max((m for m in self.moments if m.phase is not Phase.LOAD), key=lambda moment: moment.peak)

    def to_dict(self) -> dict[str, Any]:
        """The step as JSON has it: moments with their categories, and every event behind them."""
        profile, batch = self.profile, self.profile.batch
        return {
            "schema_version": SCHEMA_VERSION,
            "config": profile.config.name,
            "batch_norm": profile.config.batch_norm,
            "input": list(profile.input),
            "batch": batch,
            "dtype": profile.dtype,
            "device": profile.device,
            "mode": self.mode,
            "optimizer": self.optimizer,
            "peak_bytes": self.peak.peak,
            "peak_phase": self.peak.phase.value,
            "peak_layer": self.peak.layer,
            "fixed_points": {phase.value: live for phase, live in self.fixed_points.items()},
            "moments": [
                {
                    "phase": moment.phase.value,
                    "layer": moment.layer,
                    "live_bytes": moment.live,
                    "peak_bytes": moment.peak,
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


def _storage(storage: Storage, batch: int) -> dict[str, Any]:
    return {
        "layer": storage.layer,
        "what": storage.what,
        "category": storage.category.value,
        "bytes": storage.size.at(batch),
    }


def ledger(profile: Profile, *, mode: str = "train", optimizer: str = "none") -> Ledger:
    """Run one training step of a profile on paper.

    ``mode`` is train, eval or inference; an ``optimizer`` (sgd, momentum, adam, adamw) takes its first
    step, in which it allocates its state. Raises ``InputError`` for what cannot be.

    >>> from vgg_profile.walker import walk
    >>> ledger(walk("D")).fixed_points[Phase.FORWARD]  # weights, images and targets, saved activations
    626789448
    """
    check_setup(profile, mode, optimizer)
    tape = Tape(
        itemsize=profile.itemsize,
        device=profile.device,
        training=mode == "train",
        grad=mode != "inference",
    )
    logits = forward(tape, profile.config, profile.input)
    if mode != "inference":
        tape.begin(Phase.LOSS)
        tape.backward(_cross_entropy(tape, logits))
    if optimizer != "none":
        tape.begin(Phase.STEP)
        _OPTIMIZER_STEPS[optimizer](tape)
    return Ledger(profile, mode, optimizer, tuple(tape.events), tuple(tape.marks))


def check_setup(profile: Profile, mode: str, optimizer: str) -> None:
    """Refuse a step that PyTorch would refuse as well."""
    if mode not in MODES:
        raise InputError(f"There is no mode {excerpt(mode)}.", f"Choose from {', '.join(MODES)}.")
    if optimizer not in OPTIMIZERS:
        raise InputError(
            f"There is no optimizer {excerpt(optimizer)} here.", f"Choose from {', '.join(OPTIMIZERS)}."
        )
    if optimizer != "none" and mode == "inference":
        raise InputError(
            "An optimizer has nothing to step on without gradients, and inference makes none.",
            "Choose --mode train or eval, or --optimizer none.",
        )
    if mode == "train" and profile.batch == 1:
        for row in profile.module_rows:
            if row.kind == "batchnorm" and row.output_shape[1:] == (1, 1):
                raise InputError(
                    f"Batch norm cannot train at {row.name}: one image of 1×1 leaves it one value a channel, "
                    "and a mean of one value says nothing.",
                    "Use --batch 2 or more, a larger --input, or --mode eval.",
                )


def out_of_memory(
    profile: Profile, mode: str, optimizer: str, why: str, phase: str = "", layer: str = ""
) -> str:
    """What to say when a device had no memory left: what it lacked, what the step needs, what would fit."""
    step = ledger(profile, mode=mode, optimizer=optimizer)
    peak = step.peak
    images = step.largest_batch(peak.peak // 2)
    fits = f"a batch of {images:,}" if images else "not even one image"
    where = f"{peak.phase} of {peak.layer}" if peak.layer else str(peak.phase)
    return (
        f"Out of memory: {why}.{_live_at(step, phase, layer)} The step needs {peak.peak:,} bytes = "
        f"{binary(peak.peak)} of tensors at its peak ({where}), before any scratch; "
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
    """Cross entropy against class indices: a log-softmax, then the mean of one logit an image."""
    tape.layer = "loss"
    log_probabilities = tape.op(
        "log_softmax",
        (logits,),
        what="log-probabilities",
        node="LogSoftmaxBackward0",
        saves_output=True,
    )
    loss = tape.scalar("loss", logits.itemsize)
    total_weight = Storage("loss", "total weight", Category.ACTIVATIONS, Bytes(logits.itemsize, 0))
    tape.reduce("nll_loss", log_probabilities, loss, node="NllLossBackward0", beside=total_weight)
    tape.drop(log_probabilities)
    return loss


# -- optimizers: what the first step allocates, as torch.optim's single-tensor code does ----------


def _gradients(tape: Tape) -> list[Storage]:
    """The gradient of each parameter, in the order of ``model.parameters()``."""
    made = {
        storage.parameter: storage
        for event in tape.events
        for storage in event.allocated
        if storage.category is Category.GRADIENTS
    }
    return [made[s] for event in tape.events for s in event.allocated if s.category is Category.WEIGHTS]


def _state(gradient: Storage, what: str) -> Storage:
    return Storage(gradient.layer, f"{what} of {gradient.what}", Category.OPTIMIZER, gradient.size)


def _sgd(tape: Tape) -> None:
    """``p.add_(grad, alpha=-lr)``: in place, nothing allocated."""


def _momentum(tape: Tape) -> None:
    """The first momentum buffer is a clone of the gradient."""
    for gradient in _gradients(tape):
        tape.layer = gradient.layer
        tape.allocate("clone", _state(gradient, "momentum"))


def _adam(tape: Tape) -> None:
    """Two moments a parameter, made for all parameters first; then the updates, one by one.

    Each update takes two temporaries, ``sqrt(second moment)`` and ``denom``; Python keeps the last
    parameter's ``denom`` until the name is bound again.
    """
    gradients = _gradients(tape)
    for gradient in gradients:
        tape.layer = gradient.layer
        if tape.device == "cpu":
            tape.allocate(
                "zeros", Storage(gradient.layer, "step count", Category.OPTIMIZER, Bytes(STEP_COUNT_BYTES, 0))
            )
        tape.allocate("zeros_like", _state(gradient, "first moment"))
        tape.allocate("zeros_like", _state(gradient, "second moment"))
    previous: list[Storage] = []
    for gradient in gradients:
        tape.layer = gradient.layer
        root, denominator = (
            Storage(gradient.layer, what, Category.TEMPORARY, gradient.size) for what in ("root", "denom")
        )
        tape.allocate("sqrt", root)
        tape.allocate("div", denominator)
        tape.release("release", [root, *previous])
        previous = [denominator]
    tape.release("release", previous)


_OPTIMIZER_STEPS = {"sgd": _sgd, "momentum": _momentum, "adam": _adam, "adamw": _adam}
