"""What a figure of a table counts: each quantity a rule, evaluated on the layers of the paper's arithmetic.

A mistake is the same rule evaluated on something else, so a quantity says nothing of mistakes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from vgg_profile.core.counts import Count, plain, product, total
from vgg_profile.core.events import Storage
from vgg_profile.core.sizes import Shape
from vgg_profile.predict.vgg.layers import Layer
from vgg_profile.teach.printed import ONE, Scale


@dataclass(frozen=True, slots=True)
class TableLine:
    """What a line of a table stands for: a layer, the small ones counted into it, and what it is given.

    ``given`` is (C, H, W) or (N,), of one image. The image itself has no ``layers``. ``also`` makes new
    values beside the layer. ``passes`` is how many times its MACs a step takes, forward and backward.
    """

    name: str
    layers: tuple[Layer, ...]
    given: Shape
    saved: tuple[Storage, ...] = ()
    passes: int = 1
    batch: int = 1
    itemsize: int = 4
    images: int = 1
    also: tuple[Layer, ...] = ()

    @property
    def layer(self) -> Layer | None:
        """The layer whose line it is; ``None`` for the image."""
        return self.layers[0] if self.layers else None

    @property
    def shape(self) -> Shape:
        """What comes out."""
        return self.given if self.layer is None else self.layer.output_shape(self.given)

    def having(self, layer: Layer) -> TableLine:
        """The same with another layer in its place."""
        return replace(self, layers=(layer, *self.layers[1:]))


def _times(count: Count, *factors: int) -> Count:
    """A count times factors; those that are one leave no trace in the working."""
    factors = tuple(factor for factor in factors if factor != 1)
    return product(count, *factors) if count.value and factors else count


def values(line: TableLine) -> Count:
    """New values that the layer makes."""
    channels, *plane = line.given
    own = product(*plane, channels) if line.layer is None else line.layer.values(line.given)
    return _times(total([own, *(each.values(line.shape) for each in line.also)]), line.images)


def weights(line: TableLine) -> Count:
    """The learnable weights, biases apart."""
    return total(layer.weights for layer in line.layers)


def biases(line: TableLine) -> Count:
    """The learnable biases."""
    return plain(sum(layer.biases for layer in line.layers))


def parameters(line: TableLine) -> Count:
    """Weights and biases."""
    return total([weights(line), biases(line)])


def macs(line: TableLine) -> Count:
    """Multiply-accumulates, forward."""
    return _times(total(layer.macs(line.given) for layer in line.layers[:1]), line.images)


def memory(line: TableLine) -> Count:
    """Bytes of the values, for the batch."""
    return _times(values(line), line.itemsize, line.batch)


def saved(line: TableLine) -> Count:
    """Bytes that it leaves alive for the backward pass, for the batch."""
    return total(storage.size.at(line.batch) for storage in line.saved)


def flops(line: TableLine) -> Count:
    """FLOPs, forward: two a MAC."""
    return _times(macs(line), 2)


class Countable(NamedTuple):
    """What a column may hold: its words for people, and its rule."""

    words: str
    rule: Callable[[TableLine], Count]


QUANTITIES: Mapping[str, Countable] = {
    "values": Countable("values", values),
    "memory_bytes": Countable("memory", memory),
    "with_gradient_bytes": Countable("memory, forward and backward", lambda line: _times(memory(line), 2)),
    "saved_bytes": Countable("saved for backward", saved),
    "weights": Countable("weights", weights),
    "biases": Countable("biases", biases),
    "parameters": Countable("parameters", parameters),
    "weight_bytes": Countable("weights", lambda line: _times(weights(line), line.itemsize)),
    "parameter_bytes": Countable("parameters", lambda line: _times(parameters(line), line.itemsize)),
    "macs": Countable("MACs", macs),
    "flops": Countable("FLOPs", flops),
    "training_flops": Countable("FLOPs, forward and backward", lambda line: _times(flops(line), line.passes)),
}
"""Values, MACs and FLOPs are per image, bytes for the batch. A gradient takes as much as its tensor."""

IN_BYTES = {"values": "memory_bytes", "weights": "weight_bytes", "parameters": "parameter_bytes"}
"""What a column is of, where its unit is bytes."""


class Place(NamedTuple):
    """A line between its neighbours: a figure may be theirs."""

    line: TableLine
    above: TableLine | None = None
    below: TableLine | None = None


@dataclass(frozen=True, slots=True)
class Sought:
    """A figure that a table asks for: a quantity, of one line or of all added up, in a unit.

    >>> from vgg_profile.predict.vgg.layers import Conv2d
    >>> Sought("weights", (Place(TableLine("conv1_1", (Conv2d(3, 64),), (3, 224, 224))),)).count
    Count(value=1728, working='(3*3*3)*64')
    """

    quantity: str
    places: tuple[Place, ...]
    unit: Scale = ONE

    @property
    def counts(self) -> list[Count]:
        """The figure of each line."""
        rule = QUANTITIES[self.quantity].rule
        return [rule(place.line) for place in self.places]

    @property
    def count(self) -> Count:
        """The figure, before it is put into the unit."""
        first, *others = self.counts
        return plain(first.value + sum(each.value for each in others)) if others else first

    @property
    def shape(self) -> Shape:
        """The output's shape, where that is what is asked for."""
        return self.places[0].line.shape
