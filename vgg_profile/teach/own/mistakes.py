"""The mistakes that are made in such tables: each a changed rule, evaluated as the right one is.

A mistake takes the figure that is asked for and gives the one that is worked out in its place; ``None`` where
it cannot be made. To know another one is to write one function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial
from math import prod
from typing import Any, NamedTuple, TypeVar

from vgg_profile.core.counts import Count, product
from vgg_profile.core.events import Category
from vgg_profile.core.sizes import ITEMSIZE, Shape
from vgg_profile.predict.vgg.layers import Conv2d, Layer, Linear, MaxPool2d, ReLU
from vgg_profile.teach.own.figures import Place, Sought, TableLine
from vgg_profile.teach.printed import BYTES, COUNTS

Change = Callable[[Sought], Sought | None]
OfALine = Callable[[Place], TableLine | None]


class Mistake(NamedTuple):
    """What somebody did, in words, and what it makes of the figure."""

    words: str
    change: Change


MISTAKES: list[Mistake] = []


def _made(words: str, change: Change) -> None:
    MISTAKES.append(Mistake(words, change))


def _in_lines(words: str, change: OfALine) -> None:
    """A mistake that is made line by line, and in every line of a total."""

    def in_all(asked: Sought) -> Sought | None:
        lines = [change(place) for place in asked.places]
        if not any(lines):
            return None
        places = (
            place._replace(line=line or place.line) for place, line in zip(asked.places, lines, strict=True)
        )
        return replace(asked, places=tuple(places))

    _made(words, in_all)


def in_lines(words: str) -> Callable[[OfALine], OfALine]:
    """Registers a change of a line as a mistake, by its words."""

    def register(change: OfALine) -> OfALine:
        _in_lines(words, change)
        return change

    return register


# -- what is counted

_COUNTED = (
    ("biases counted", {"weights": "parameters", "weight_bytes": "parameter_bytes"}),
    ("biases left out", {"parameters": "weights", "parameter_bytes": "weight_bytes"}),
    ("a MAC taken for one FLOP, not for two", {"flops": "macs"}),
    ("FLOPs counted, two a MAC", {"macs": "flops"}),
    ("forward alone", {"training_flops": "flops", "with_gradient_bytes": "memory_bytes"}),
    ("doubled for the backward pass", {"memory_bytes": "with_gradient_bytes"}),
    ("values, not bytes", {"memory_bytes": "values", "parameter_bytes": "parameters"}),
    ("bytes, not values", {"values": "memory_bytes", "parameters": "parameter_bytes"}),
    ("bytes of the output, not what is kept", {"saved_bytes": "memory_bytes"}),
    ("what is kept, not the output", {"memory_bytes": "saved_bytes"}),
    ("each weight used once, not at every place of the map", {"macs": "weights"}),
)


def _of_another(quantities: dict[str, str], asked: Sought) -> Sought | None:
    other = quantities.get(asked.quantity)
    return None if other is None else replace(asked, quantity=other)


for _words, _quantities in _COUNTED:
    _made(_words, partial(_of_another, _quantities))


def _without(category: Category, place: Place) -> TableLine | None:
    return replace(place.line, saved=tuple(s for s in place.line.saved if s.category is not category))


for _category in (Category.INDICES, Category.MASKS, Category.STATISTICS, Category.ACTIVATIONS):
    _in_lines(f"{_category.value} left out", partial(_without, _category))


@in_lines("the ReLU's output counted beside")
def _with_relu(place: Place) -> TableLine | None:
    has_one = any(isinstance(layer, ReLU) for layer in place.line.layers)
    return replace(place.line, also=(ReLU(in_place=False),)) if has_one else None


# -- units and the batch


def _in_unit(name: str, asked: Sought) -> Sought | None:
    units = {unit.name: unit for unit in BYTES}
    return replace(asked, unit=units[name]) if asked.unit.is_bytes and asked.unit.name != name else None


for _unit in BYTES:
    _made(f"given in {_unit.name}", partial(_in_unit, _unit.name))


def _binary(asked: Sought) -> Sought | None:
    powers = {unit.name: 1024**power for power, unit in enumerate(COUNTS, start=1)}
    size = powers.get(asked.unit.name)
    return None if size is None else replace(asked, unit=asked.unit._replace(size=size))


_made("K, M and G taken for powers of 1,024", _binary)


@in_lines("batch forgotten")
def _one_image(place: Place) -> TableLine | None:
    return replace(place.line, batch=1) if place.line.batch > 1 else None


@in_lines("counted for the batch, not for one image")
def _whole_batch(place: Place) -> TableLine | None:
    line = place.line
    return replace(line, images=line.batch, batch=1) if line.batch > 1 else None


def _at_itemsize(itemsize: int, place: Place) -> TableLine | None:
    return replace(place.line, itemsize=itemsize) if place.line.itemsize != itemsize else None


for _itemsize in sorted({1, *ITEMSIZE.values()}):
    _in_lines(f"{_itemsize} byte{'s' * (_itemsize > 1)} a value", partial(_at_itemsize, _itemsize))


# -- kernels and channels

L = TypeVar("L", bound=Layer)


def _as(kind: type[L], layer: Layer) -> L:
    """A layer as one of a mistaken kind."""
    values: dict[str, Any] = {each.name: getattr(layer, each.name) for each in fields(layer)}
    return kind(**values)


def _conv(place: Place) -> Conv2d | None:
    layer = place.line.layer
    return layer if isinstance(layer, Conv2d) else None


@dataclass(frozen=True)
class _Unsquared(Conv2d):
    """A kernel that has one side."""

    @property
    def weights(self) -> Count:
        return product(product(self.kernel_size, self.in_channels), self.out_channels)


@in_lines("kernel not squared")
def _unsquared(place: Place) -> TableLine | None:
    conv = _conv(place)
    return place.line.having(_as(_Unsquared, conv)) if conv and conv.kernel_size > 1 else None


def _of_kernel(size: int, place: Place) -> TableLine | None:
    conv = _conv(place)
    is_other = conv is not None and conv.kernel_size != size
    return place.line.having(replace(conv, kernel_size=size)) if conv and is_other else None


for _size in (1, 3, 5, 7):
    _in_lines(f"a {_size}×{_size} kernel", partial(_of_kernel, _size))


@in_lines("its own channels for those of the layer before")
def _own_channels(place: Place) -> TableLine | None:
    match place.line.layer:
        case Conv2d() as conv:
            return place.line.having(replace(conv, in_channels=conv.out_channels))
        case Linear() as linear:
            return place.line.having(replace(linear, fan_in=(linear.out_features,)))
    return None


@in_lines("channels of the layer before for its own")
def _channels_before(place: Place) -> TableLine | None:
    match place.line.layer:
        case Conv2d() as conv:
            return place.line.having(replace(conv, out_channels=conv.in_channels))
        case Linear() as linear:
            return place.line.having(replace(linear, out_features=linear.in_features))
    return None


@in_lines("channels that come in forgotten")
def _one_channel(place: Place) -> TableLine | None:
    conv = _conv(place)
    return place.line.having(replace(conv, in_channels=1)) if conv else None


# -- maps


@dataclass(frozen=True)
class _Unpadded(Conv2d):
    """A convolution that takes its kernel's width off the map."""

    def output_shape(self, shape: Shape) -> Shape:
        return (self.out_channels, *(max(0, side - self.kernel_size + 1) for side in shape[1:]))

    def macs(self, shape: Shape) -> Count:
        return Conv2d.macs(self, self.output_shape(shape))


@in_lines("padding forgotten")
def _unpadded(place: Place) -> TableLine | None:
    conv = _conv(place)
    return place.line.having(_as(_Unpadded, conv)) if conv and conv.kernel_size > 1 else None


@dataclass(frozen=True)
class _Unpooled(MaxPool2d):
    """A pool that leaves the map as it is."""

    def output_shape(self, shape: Shape) -> Shape:
        return shape


@dataclass(frozen=True)
class _HalfPooled(MaxPool2d):
    """A pool that halves one side."""

    def output_shape(self, shape: Shape) -> Shape:
        channels, height, width = shape
        return (channels, height // self.stride, width)


@dataclass(frozen=True)
class _RoundedUp(MaxPool2d):
    """A pool that keeps an odd last row or column."""

    def output_shape(self, shape: Shape) -> Shape:
        return (shape[0], *(-(-side // self.stride) for side in shape[1:]))


def _pooled(kind: type[MaxPool2d], place: Place) -> TableLine | None:
    layer = place.line.layer
    return place.line.having(kind()) if isinstance(layer, MaxPool2d) else None


_in_lines("the map before the pool", partial(_pooled, _Unpooled))
_in_lines("one side halved, not both", partial(_pooled, _HalfPooled))
_in_lines("an odd side rounded up", partial(_pooled, _RoundedUp))


@in_lines("one side of the map, not both")
def _one_side(place: Place) -> TableLine | None:
    line = place.line
    stride = 1 if line.layer is None else line.layer.stride
    return replace(line, given=(*line.given[:2], stride)) if len(line.given) == 3 else None


# -- the classifier


def _first_linear(place: Place) -> Linear | None:
    """The fully-connected layer that is given a map."""
    layer = place.line.layer
    return layer if isinstance(layer, Linear) and len(layer.fan_in) > 1 else None


@in_lines("map not flattened: its channels alone")
def _not_flattened(place: Place) -> TableLine | None:
    linear = _first_linear(place)
    return place.line.having(replace(linear, fan_in=linear.fan_in[:1])) if linear else None


@in_lines("map flattened before the last pool")
def _before_the_pool(place: Place) -> TableLine | None:
    linear, above = _first_linear(place), place.above
    if linear is None or above is None or not isinstance(above.layer, MaxPool2d):
        return None
    return place.line.having(replace(linear, fan_in=above.given))


@in_lines("average pool before the classifier left out")
def _not_averaged(place: Place) -> TableLine | None:
    linear, above = _first_linear(place), place.above
    if linear is None or above is None or prod(above.shape) == linear.in_features:
        return None
    return place.line.having(replace(linear, fan_in=above.shape))


# -- other lines


def _of_neighbour(which: str, asked: Sought) -> Sought | None:
    line: TableLine | None = getattr(asked.places[0], which) if len(asked.places) == 1 else None
    return None if line is None else replace(asked, places=(Place(line),))


_made("off by a row: the figure of the line above", partial(_of_neighbour, "above"))
_made("off by a row: the figure of the line below", partial(_of_neighbour, "below"))
