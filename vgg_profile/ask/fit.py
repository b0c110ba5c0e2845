"""Will it fit? The largest batch that a memory holds, with the working line by line.

A batch fits if at each event of its step the live bytes, ``fixed + per image * batch``, stay within the
memory less a **reserve** for what is no tensor. Tensors are affine in the batch; what kernels take in passing
is so between a batch and its neighbour, and is asked for at the batch that was found.

On a card PyTorch's caching allocator stands between: what it reserves has to fit, so a run is replayed
through it. cuDNN's scratch is not predicted: the answer is without it, and ``at_most`` holds with it, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from vgg_profile.ask.cards import Memory
from vgg_profile.ask.machine import Machine
from vgg_profile.core.book import Line
from vgg_profile.core.display import Displayed
from vgg_profile.core.errors import InputError
from vgg_profile.core.events import Category, Phase, Provenance
from vgg_profile.core.fold import kept_free
from vgg_profile.core.sizes import NOTHING, Bytes
from vgg_profile.core.step import Step
from vgg_profile.core.tree import heading
from vgg_profile.predict.reserved import AllocatorPeak, TrainingRun, workspaces
from vgg_profile.predict.steps import trace
from vgg_profile.predict.vgg.passing import Probe


class Reserve(NamedTuple):
    """Bytes kept free for something that is no tensor, and where the figure comes from."""

    bytes: int
    what: str
    source: str


PROCESS = Reserve(
    320 * 2**20,
    "Python, PyTorch and its threads",
    "about 310 MiB were seen with torch 2.13 and 2 threads",
)

MALLOC = Reserve(
    400 * 2**20,
    "freed memory that malloc keeps",
    "from 1 to 394 MiB were seen on 8 setups, and more may be",
)
"""At most so much, and a fifth of what the process leaves: blocks of up to 32 MiB are kept in pieces."""


def process(memory: int) -> tuple[Reserve, Reserve]:
    """What a process on the CPU is taken to need beside its tensors, in a memory of so many bytes.

    >>> [reserve.bytes >> 20 for reserve in process(2**30)]
    [320, 140]
    """
    kept = kept_free(memory, PROCESS.bytes, MALLOC.bytes) - PROCESS.bytes
    return PROCESS, MALLOC._replace(bytes=kept)


DEFAULT_RESERVE = {
    "cpu": Reserve(PROCESS.bytes + MALLOC.bytes, "Python, PyTorch and malloc", "at most, unasked"),
    "cuda": Reserve(
        812_449_792,
        "CUDA context and kernels",
        "what an H200 took with torch 2.11, CUDA 13.0 and every kernel of VGG loaded, an H100 a little less; "
        "no other card was seen",
    ),
}


def beside_tensors(device: str) -> tuple[int, int]:
    """What a step on a device is taken to need beside its tensors: the two sizes that ``kept_free`` takes."""
    if device == "cpu":
        return PROCESS.bytes, MALLOC.bytes
    return DEFAULT_RESERVE[device].bytes + sum(workspace.bytes for workspace in workspaces(None)), 0


@dataclass(frozen=True, repr=False)
class Fit(Displayed):
    """A step in a memory. ``asked`` is the batch in question; ``None`` asks for the largest.

    Raises ``InputError`` for a batch that cannot be trained on, and a card's memory for a step by the rules
    of the CPU.

    The reserves ``given`` are kept free; without any, what the step's device needs beside tensors.
    ``expandable`` is PyTorch's ``expandable_segments:True``, for a card.

    >>> from vgg_profile.ask import cards
    >>> from vgg_profile import ledger, walk
    >>> fit = Fit(ledger(walk("D")), cards.memory("8GiB"))
    >>> fit.largest_batch, fit.fixed_bytes + fit.bytes_per_image * fit.largest_batch == fit.peak_bytes
    (91, True)
    """

    step: Step
    memory: Memory
    given: tuple[Reserve, ...] | None = None
    asked: int | None = None
    expandable: bool = False
    machine: Machine | None = None
    """On the CPU: whose kernels the step is asked about, and how that was settled."""
    probe: Probe | None = None
    """Who was asked what no rule knows, and is again for another step."""

    def __post_init__(self) -> None:
        device = self.step.profile.device
        if self.memory.device not in (None, device):
            raise InputError(
                f"The step is by the rules of the {device.upper()}, and {self.memory.label} is a card.",
                'Leave --device out, or take --device cuda; in Python, device="cuda".',
            )
        if self.expandable and self.run is None:
            raise InputError(
                "Expandable segments are a card's: on the CPU PyTorch has no caching allocator.",
                "Leave --expandable-segments out, or use --device cuda.",
            )
        try:
            self.step.check_batch(self.asked or 1)
        except InputError:
            if self.asked or self.largest_batch == 1:
                raise

    @property
    def reserves(self) -> tuple[Reserve, ...]:
        if self.given is not None:
            return self.given
        on_cpu = self.step.profile.device == "cpu"
        return process(self.memory.bytes) if on_cpu else (DEFAULT_RESERVE["cuda"],)

    @property
    def reserve_bytes(self) -> int:
        return sum(reserve.bytes for reserve in self.reserves)

    @property
    def available_bytes(self) -> int:
        """What is left for tensors."""
        return self.memory.bytes - self.reserve_bytes

    @cached_property
    def run(self) -> TrainingRun | None:
        """On a card: the run that PyTorch's allocator is replayed for."""
        setting = self.step.setting
        if setting.device == "cpu":
            return None
        kept = workspaces(self.memory.architecture, has_backward=setting.setup.has_backward)
        return TrainingRun(self.step, kept, self.expandable)

    @cached_property
    def largest_batch(self) -> int:
        """0 if not even one image fits. On a card it is without cuDNN's scratch: see ``at_most``."""
        return self.run.largest_batch(self.available_bytes) if self.run else self._found[0]

    @cached_property
    def _found(self) -> tuple[int, Mapping[int, Step]]:
        """On the CPU: the largest batch, and steps close by."""
        return self.step.search(self.available_bytes)

    def _at(self, batch: int) -> Step:
        known = {} if self.run else self._found[1]
        return known.get(batch) or self.step.asked_again(batch)

    @cached_property
    def at_most(self) -> int:
        """No larger batch fits, whatever is not predicted; on the CPU, the largest."""
        return self.run.at_most(self.available_bytes) if self.run else self.largest_batch

    @cached_property
    def with_adam(self) -> int | None:
        """The largest batch if Adam stepped, 0 if none fits; ``None`` where a step has, or wants, its own."""
        setup = self.step.setup
        if self.step.profile.is_traced or not setup.has_backward or setup.optimizer != "none":
            return None
        adam = replace(setup, optimizer="adam", foreach=None)
        try:
            return replace(self, step=trace(self.step.profile, adam, self.probe), asked=None).largest_batch
        except InputError:  # of one image alone, batch norm has nothing to train on
            return 0

    @property
    def batch(self) -> int:
        """The batch whose figures are given: the one asked for, or the largest, or one image."""
        return self.asked or self.largest_batch or 1

    @cached_property
    def here(self) -> Step:
        """The step at that batch."""
        return self._at(self.batch)

    @cached_property
    def beyond(self) -> Step:
        """The step at one image more than the largest batch."""
        return self._at(self.largest_batch + 1)

    @cached_property
    def fits(self) -> bool:
        if self.run:
            return self.run.fits(self.batch, self.available_bytes)
        return self.spare_bytes >= 0

    @cached_property
    def taken(self) -> AllocatorPeak | None:
        """On a card: what the batch takes within the memory; if it does not fit, without any limit."""
        if self.run is None:
            return None
        return self.run.taken(self.batch, self.available_bytes if self.fits else None)

    @property
    def taken_bytes(self) -> int:
        """What has to fit: the peak of tensors, or on a card what is reserved."""
        return self.taken.reserved if self.taken else self.peak_bytes

    @property
    def spare_bytes(self) -> int:
        """What is left beside the batch; negative if it does not fit."""
        return self.available_bytes - self.taken_bytes

    @property
    def next_short_bytes(self) -> int:
        """What is missing for one image more than the largest batch."""
        more = self.largest_batch + 1
        needed = self.run.taken(more).reserved if self.run else self.beyond.peak_bytes(more)
        return needed - self.available_bytes

    @property
    def binding(self) -> Line:
        """The event at which the batch has its peak."""
        return self.here.highest(self.batch)

    @property
    def limiting(self) -> Line:
        """The event that ends it: where one image more than the largest batch has its peak."""
        return self.beyond.highest(self.largest_batch + 1)

    @property
    def fixed_bytes(self) -> int:
        return self.binding.fixed

    @property
    def bytes_per_image(self) -> int:
        return self.binding.per_image

    @property
    def peak_bytes(self) -> int:
        """The predicted peak at ``batch``: of tensors, and of what kernels take where that is known."""
        return self.here.peak_bytes(self.batch)

    @property
    def place(self) -> tuple[Phase, str]:
        """The phase and the layer of the event at which the batch has its peak."""
        event = self.here.events[self.binding.event]
        return event.phase, event.layer

    def to_dict(self) -> dict[str, Any]:
        phase, layer = self.place
        return {
            **heading(self.step.profile.config, self.here.setting.to_dict()),
            **self._on_a_card(),
            "pooled": self.step.profile.pooled,
            **({} if self.machine is None else {"machine": self.machine._asdict()}),
            "memory": self.memory.label,
            "memory_bytes": self.memory.bytes,
            "reserve_bytes": self.reserve_bytes,
            "reserves": [reserve._asdict() for reserve in self.reserves],
            "fits": self.fits,
            "spare_bytes": self.spare_bytes,
            "largest_batch": self.largest_batch,
            "next_short_bytes": self.next_short_bytes,
            "largest_batch_with_adam": self.with_adam,
            "fixed_bytes": self.fixed_bytes,
            "bytes_per_image": self.bytes_per_image,
            "peak_bytes": self.peak_bytes,
            "tensor_bytes": self.peak_bytes - self.scratch.at(self.batch),
            "scratch_bytes": self.scratch.at(self.batch),
            "scratch_bytes_by": {known.value: size for known, size in self.scratch_by.items()},
            "peak_bytes_by": {known.value: size for known, size in self.here.provenance.items()},
            "is_at_least": self.here.is_at_least,
            "peak_phase": phase.value,
            "peak_layer": layer,
            "categories": {
                category.value: {
                    "fixed_bytes": size.fixed,
                    "bytes_per_image": size.per_image,
                    "bytes": size.at(self.batch),
                }
                for category, size in self.categories.items()
            },
        }

    def _on_a_card(self) -> dict[str, Any]:
        """What JSON says of a card beside: no record confirms what is reserved, but maybe the tensors."""
        if self.run is None or self.taken is None:
            return {}
        requested, allocated, reserved, retries, _ = self.taken
        return {
            "verified_on": None,
            "tensors_verified_on": self.step.profile.verification["verified_on"],
            "not_predicted": "scratch of cuDNN",
            "largest_batch_at_most": self.at_most,
            "expandable_segments": self.expandable,
            "requested_bytes": requested,
            "allocated_bytes": allocated,
            "reserved_bytes": reserved,
            "retries": retries,
            "workspaces": [workspace._asdict() for workspace in self.run.workspaces],
        }

    @property
    def categories(self) -> dict[Category, Bytes]:
        """What is live at the batch's peak, as bytes affine in the batch."""
        return self.here.live_at(self.binding)

    @property
    def scratch(self) -> Bytes:
        """What a kernel takes in passing at the batch's peak; at least so much if ``here.is_at_least``."""
        return self.categories.get(Category.SCRATCH, NOTHING)

    @property
    def scratch_by(self) -> dict[Provenance, int]:
        """The bytes of it by how they are known."""
        return self.here.book.known_at(self.binding.event, self.batch, Category.SCRATCH)
