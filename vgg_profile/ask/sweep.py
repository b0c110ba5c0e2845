"""The peak over a grid: batches, image sizes, dtypes, optimizers.

A step is walked once for each image size, dtype and optimizer; every batch of it is then one
multiplication, since bytes are affine in the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from math import prod
from typing import Any, NamedTuple

from vgg_profile.core import units
from vgg_profile.core.display import Displayed
from vgg_profile.core.errors import InputError
from vgg_profile.core.network import KNOWN_OF_KERNELS, TracedNetwork
from vgg_profile.core.setting import Setup, check_size, input_shape
from vgg_profile.core.sizes import Shape
from vgg_profile.core.step import Step
from vgg_profile.core.tree import Network, Profile, heading
from vgg_profile.predict.steps import trace
from vgg_profile.predict.vgg.configs import Config, Source
from vgg_profile.predict.vgg.configs import config as find_config
from vgg_profile.predict.vgg.walk import walk

MOST_POINTS = 1_000_000


class GridPoint(NamedTuple):
    """One setting and what it costs; MACs and bytes are for the whole batch.

    A VGG's images have ``channels``, ``height`` and ``width``; any other network has its ``input``, in words.
    """

    channels: int | None
    height: int | None
    width: int | None
    input: str | None
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


_OF_IMAGES = ("channels", "height", "width")


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
    def scope(self) -> str:
        """What its peaks count, in words: kernels, too, of the processor that is named."""
        return self.config.scope if self.setup.processor is None else KNOWN_OF_KERNELS

    @cached_property
    def is_of_images(self) -> bool:
        """Whether its inputs are a VGG's images."""
        return all(point.input is None for point in self.points)

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """What is said of a point; of the CPU not where it was verified: wherever the tests run."""
        left_out = {"input"} if self.is_of_images else {*_OF_IMAGES}
        left_out |= {"verified_on"} if self.device == "cpu" else set()
        return tuple(each for each in GridPoint._fields if each not in left_out)

    def to_dict(self) -> dict[str, Any]:
        constant = {"device": self.device, **self.setup.to_dict()}
        del constant["optimizer"]
        return {
            **heading(self.config, constant),
            "points": [{each: getattr(point, each) for each in self.fields} for point in self.points],
            "pooled": {units.shape(shape): what for shape, what in self.pooled.items()},
        }


Look = Callable[[Any, str, Setup], Profile]
"""From one of the inputs, a dtype and a setup to the network there."""

Progress = Callable[[Iterator[Any], int], Iterator[Any]]


def sweep(
    network: Source,
    *,
    inputs: Sequence[str | int | Shape] = (224,),
    batches: Sequence[int] = (1,),
    dtypes: Sequence[str] = ("float32",),
    optimizers: Sequence[str] = ("none",),
    setup: Setup = Setup(),  # noqa: B008 - frozen
    device: str = "cpu",
    progress: Progress = lambda steps, length: steps,
) -> Sweep:
    """The predicted peak of a training step at every point of a grid.

    ``setup`` says the rest of how the step is run. Raises ``InputError`` for an empty grid, one of more
    than a million points, and for any point that cannot be.

    >>> from vgg_profile.predict.vgg.configs import config
    >>> [point.peak_bytes for point in sweep(config("D"), batches=(1, 2)).points]
    [1169566704, 1239215000]
    """
    return sweep_any(
        vgg_profiles(find_config(network), device),
        inputs=inputs,
        batches=batches,
        dtypes=dtypes,
        optimizers=optimizers,
        setup=setup,
        progress=progress,
    )


def vgg_profiles(config: Config, device: str) -> Look:
    """A VGG at images of some size, by a device's rules."""

    def look(size: str | int | Shape, dtype: str, setup: Setup) -> Profile:
        return walk(config, input=input_shape(size, config.in_channels), dtype=dtype, device=device)

    return look


def sweep_any(
    look: Look,
    *,
    inputs: Sequence[Any],
    batches: Sequence[int],
    dtypes: Sequence[str],
    optimizers: Sequence[str],
    setup: Setup,
    progress: Progress = lambda steps, length: steps,
) -> Sweep:
    """The same of any network, which ``look`` opens at each setting."""
    check_grid(inputs=len(inputs), batches=len(batches), dtypes=len(dtypes), optimizers=len(optimizers))
    settings = list(product(inputs, dtypes, optimizers))
    pooled: dict[Shape, str] = {}
    networks: dict[Network, str] = {}

    def steps() -> Iterator[list[GridPoint]]:
        for size, dtype, optimizer in settings:
            there = replace(setup, optimizer=optimizer)
            step = trace(look(size, dtype, there), there)
            profile = step.profile
            networks[profile.config] = profile.device
            if profile.pooled:
                pooled[profile.input] = profile.pooled
            for batch in batches:
                check_size(batch, "batch", "--batch 1")
            step.check_batch(min(batches))
            yield list(_points(step if len(batches) < FEW else step.for_any_batch(), batches))

    points = tuple(point for part in progress(steps(), len(settings)) for point in part)
    network, device = next(iter(networks.items()))
    if len(networks) > 1 and isinstance(network, TracedNetwork):  # one network, traced on several inputs
        network = replace(network, inputs=())
    return Sweep(network, device, setup.on(device), points, pooled)


FEW = 4
"""So many batches are asked about one by one; of more, a traced network's book is to answer for all."""


def check_grid(**sizes: int) -> None:
    """Refuse a grid without points, or with too many: raises ``InputError``."""
    if not prod(sizes.values()):
        empty = next(what for what, size in sizes.items() if not size)
        raise InputError(f"The sweep is empty: it has no {empty}.", "Give at least one of each.")
    if prod(sizes.values()) > MOST_POINTS:
        raise InputError(
            f"The sweep has {prod(sizes.values()):,} points, and {MOST_POINTS:,} are the most.",
            "Take fewer, for example every 32nd: --input 64..512:32.",
        )


def _points(step: Step, batches: Sequence[int]) -> Iterator[GridPoint]:
    setting, macs = step.setting, step.profile.totals.macs
    network = step.profile.config
    given = network.given if isinstance(network, TracedNetwork) else None
    channels, height, width = setting.input if given is None else (None, None, None)
    loaded, verified = step.book.loaded_bytes, step.profile.verified
    for batch in batches:
        here = step.asked_again(batch) if step.book.only else step.at(batch)
        line = here.highest(batch)
        event = here.events[line.event]
        yield GridPoint(
            channels,
            height,
            width,
            given,
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
