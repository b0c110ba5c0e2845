"""The peak over a grid: batches, image sizes, dtypes, optimizers.

A step is walked once for each image size, dtype and optimizer; every batch of it is then one
multiplication, since bytes are affine in the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from math import prod
from typing import Any, NamedTuple

from vgg_profile.core import units
from vgg_profile.core.display import Displayed
from vgg_profile.core.errors import InputError
from vgg_profile.core.setting import Setup, check_size, input_shape
from vgg_profile.core.sizes import Shape
from vgg_profile.core.step import Step
from vgg_profile.core.tree import Network, heading
from vgg_profile.predict.vgg.configs import Source
from vgg_profile.predict.vgg.configs import config as find_config
from vgg_profile.predict.vgg.step import trace
from vgg_profile.predict.vgg.walk import walk

MOST_POINTS = 1_000_000


class GridPoint(NamedTuple):
    """One setting and what it costs; MACs and bytes are for the whole batch."""

    channels: int
    height: int
    width: int
    dtype: str
    optimizer: str
    batch: int
    batch_macs: int
    loaded_bytes: int
    fixed_bytes: int
    bytes_per_image: int
    peak_bytes: int
    peak_phase: str
    peak_layer: str
    verified_on: str | None = None
    """The card that confirmed the rules at this point; ``None`` if none did, and on the CPU."""


@dataclass(frozen=True, repr=False)
class Sweep(Displayed):
    """Every point of a grid, in its order: image size, dtype, optimizer, batch."""

    config: Network
    device: str
    setup: Setup
    points: tuple[GridPoint, ...]
    pooled: Mapping[Shape, str] = field(default_factory=dict)
    """What the average pool before the classifier does at each image (C, H, W) where it changes the map."""

    @property
    def unverified(self) -> int:
        """How many points are by rules of a card that no card has confirmed."""
        return 0 if self.device == "cpu" else sum(point.verified_on is None for point in self.points)

    @property
    def fields(self) -> tuple[str, ...]:
        """What is said of a point; of the CPU not where it was verified: wherever the tests run."""
        return tuple(each for each in GridPoint._fields if each != "verified_on" or self.device != "cpu")

    def to_dict(self) -> dict[str, Any]:
        constant = {"device": self.device, **self.setup.to_dict()}
        del constant["optimizer"]
        return {
            **heading(self.config, constant),
            "points": [{each: getattr(point, each) for each in self.fields} for point in self.points],
            "pooled": {units.shape(shape): what for shape, what in self.pooled.items()},
        }


def sweep(
    network: Source,
    *,
    inputs: Sequence[str | int | Shape] = (224,),
    batches: Sequence[int] = (1,),
    dtypes: Sequence[str] = ("float32",),
    optimizers: Sequence[str] = ("none",),
    setup: Setup = Setup(),  # noqa: B008 - frozen
    device: str = "cpu",
    progress: Callable[[Iterator[Any], int], Iterator[Any]] = lambda steps, length: steps,
) -> Sweep:
    """The predicted peak of a training step at every point of a grid.

    ``setup`` says the rest of how the step is run. Raises ``InputError`` for an empty grid, one of more
    than a million points, and for any point that cannot be.

    >>> from vgg_profile.predict.vgg.configs import config
    >>> [point.peak_bytes for point in sweep(config("D"), batches=(1, 2)).points]
    [1169566704, 1239215000]
    """
    sizes = {
        "inputs": len(inputs),
        "batches": len(batches),
        "dtypes": len(dtypes),
        "optimizers": len(optimizers),
    }
    if not prod(sizes.values()):
        empty = next(what for what, size in sizes.items() if not size)
        raise InputError(f"The sweep is empty: it has no {empty}.", "Give at least one of each.")
    if prod(sizes.values()) > MOST_POINTS:
        raise InputError(
            f"The sweep has {prod(sizes.values()):,} points, and {MOST_POINTS:,} are the most.",
            "Take fewer, for example every 32nd: --input 64..512:32.",
        )
    config = find_config(network)
    settings = list(product(inputs, dtypes, optimizers))
    pooled: dict[Shape, str] = {}

    def steps() -> Iterator[list[GridPoint]]:
        for size, dtype, optimizer in settings:
            shape = input_shape(size, config.in_channels)
            profile = walk(config, input=shape, dtype=dtype, device=device)
            if profile.pooled:
                pooled[shape] = profile.pooled
            step = trace(profile, replace(setup, optimizer=optimizer))
            for batch in batches:
                check_size(batch, "batch", "--batch 1")
            step.check_batch(min(batches))
            yield list(_points(step, batches))

    points = tuple(point for part in progress(steps(), len(settings)) for point in part)
    return Sweep(config, device, setup.on(device), points, pooled)


def _points(step: Step, batches: Sequence[int]) -> Iterator[GridPoint]:
    setting, macs = step.setting, step.profile.totals.macs
    channels, height, width = setting.input
    loaded, verified = step.book.loaded_bytes, step.profile.verified
    for batch in batches:
        here = step.at(batch)
        line = here.highest(batch)
        event = here.events[line.event]
        yield GridPoint(
            channels,
            height,
            width,
            dtype=setting.dtype,
            optimizer=setting.setup.optimizer,
            batch=batch,
            batch_macs=macs * batch,
            loaded_bytes=loaded,
            fixed_bytes=line.fixed,
            bytes_per_image=line.per_image,
            peak_bytes=line.at(batch),
            peak_phase=event.phase.value,
            peak_layer=event.layer,
            verified_on=verified and verified.label,
        )
