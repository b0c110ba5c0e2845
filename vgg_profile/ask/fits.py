"""Several questions to one memory: networks, or a grid of settings, and what fits of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, NamedTuple

from vgg_profile.ask.cards import Memory
from vgg_profile.ask.fit import Fit
from vgg_profile.ask.question import Question
from vgg_profile.ask.sweep import Look, Progress, check_grid
from vgg_profile.core.display import Displayed
from vgg_profile.core.network import TracedNetwork
from vgg_profile.core.setting import Setting, Setup
from vgg_profile.core.version import SCHEMA_VERSION


class FitPoint(NamedTuple):
    """One answer: its setting's batch is the one asked about, or the largest, or 0 where not one image fits.

    ``input`` is that of the setting in words, for a network in Python as it was given. ``taken_bytes`` is the
    peak of its tensors and kernels, on a card what is reserved.
    """

    network: str
    input: str
    setting: Setting
    memory_bytes: int
    reserve_bytes: int
    fits: bool
    largest_batch: int
    largest_batch_at_most: int
    taken_bytes: int
    spare_bytes: int
    peak_phase: str
    peak_layer: str

    def to_dict(self) -> dict[str, Any]:
        """Everything in one flat object."""
        content = self._asdict()
        return {"network": self.network, **content.pop("setting").to_dict(), **content}


def point(fit: Fit) -> FitPoint:
    """An answer as one row, without the book that it was read off."""
    profile = fit.step.profile
    network = profile.config
    given = network.given if isinstance(network, TracedNetwork) else "x".join(map(str, profile.input))
    phase, layer = fit.place
    return FitPoint(
        network.label,
        given,
        replace(fit.step.setting, batch=fit.batch if fit.asked or fit.largest_batch else 0),
        fit.memory.bytes,
        fit.reserve_bytes,
        fit.fits,
        fit.largest_batch,
        fit.at_most,
        fit.taken_bytes,
        fit.spare_bytes,
        phase.value,
        layer,
    )


@dataclass(frozen=True, repr=False)
class Fits(Displayed):
    """What fits into one memory of each network, or at each setting, in the order asked."""

    memory: Memory
    points: tuple[FitPoint, ...]

    @classmethod
    def of(cls, memory: Memory, fits: Iterable[Fit]) -> Fits:
        """Each answer's figures; the answers are let go one by one."""
        return cls(memory, tuple(map(point, fits)))

    @property
    def fits(self) -> bool:
        """Whether every batch fits that was asked about, or of each at least one image."""
        return all(each.fits for each in self.points)

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "memory": self.memory.label,
            "fits": self.fits,
            "points": [each.to_dict() for each in self.points],
        }


def fits_of_grid(
    look: Look,
    memory: Memory,
    *,
    inputs: Sequence[Any],
    dtypes: Sequence[str],
    optimizers: Sequence[str],
    batches: Sequence[int] = (),
    setup: Setup,
    progress: Progress = lambda steps, length: steps,
) -> Fits:
    """What fits at every point of a grid: the largest batch, or each of the ``batches`` asked about.

    Raises ``InputError`` for an empty grid, one of more than a million points, and for any point that
    cannot be.
    """
    check_grid(inputs=len(inputs), dtypes=len(dtypes), optimizers=len(optimizers), batches=len(batches) or 1)
    settings = list(product(inputs, dtypes, optimizers))

    def answers() -> Iterator[Fit]:
        for size, dtype, optimizer in progress(iter(settings), len(settings)):
            there = replace(setup, optimizer=optimizer)
            question = Question(look(size, dtype, there), memory, there)
            largest = question.answer()
            yield from [question.about(batch, largest) for batch in batches] or [largest]

    return Fits.of(memory, answers())
