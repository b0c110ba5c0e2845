"""One layer and what arrives there: whether it fits as it was written, and what it is once fixed.

Both processes ask this: the child, so that no clash of shapes ends its run; the parent, in its walk.
"""

from __future__ import annotations

from dataclasses import replace
from math import gcd, isqrt
from typing import NamedTuple

from vgg_profile.core import units
from vgg_profile.core.counts import Count, plain, product
from vgg_profile.core.errors import InputError, excerpt
from vgg_profile.core.sizes import Shape
from vgg_profile.diagnose.draft import KNOWN, Family, Fault, Kind, Written
from vgg_profile.diagnose.formulas import output_shape


class Arriving(NamedTuple):
    """What arrives at a layer: (C, H, W) or (N,), and how a message writes it.

    ``factors`` is the same shape or, of a row, the map that was flattened into it: a linear layer's fan-in is
    written 512*7*7, not 25088.
    """

    shape: Shape
    factors: Shape

    @property
    def is_map(self) -> bool:
        return len(self.shape) > 1

    @property
    def values(self) -> Count:
        """How many, with the working: 512*7*7."""
        return product(*self.factors)

    def flattened(self) -> Arriving:
        return Arriving((self.values.value,), self.factors)

    def after(self, layer: Written) -> Arriving:
        """What leaves a layer that fits. A norm or a dropout on a row leaves it the row of its map."""
        shape = output_shape(layer, self.shape)
        is_row_of_a_map = len(shape) == 1 and layer.family is not Family.LINEAR
        return Arriving(shape, self.factors if is_row_of_a_map else shape)


class Fitted(NamedTuple):
    """A layer that takes what arrives, ``None`` if it goes, and what was wrong with it as it was written."""

    layer: Written | None
    faults: tuple[Fault, ...] = ()


def check_known(layer: Written) -> None:
    """Refuse a layer whose shapes are not known here: raises ``InputError``."""
    if layer.name not in KNOWN:
        where = f" (line {layer.line})" if layer.line else ""
        raise InputError(
            f"{excerpt(layer.module)[1:-1]}{where} is a {excerpt(layer.name)[1:-1]}, "
            "whose shapes are not known here.",
            f"Known are {', '.join(KNOWN)}.",
        )


def output_once_fixed(layer: Written, shape: Shape) -> tuple[Shape, bool]:
    """What leaves a layer once fixed, by itself, and whether it fitted as it was written.

    >>> output_once_fixed(Written("Linear", {"in_features": 9, "out_features": 5}), (4, 2, 2))
    ((5,), False)
    """
    arriving, fits = Arriving(shape, shape), True
    if layer.family is Family.LINEAR and arriving.is_map:
        arriving, fits = arriving.flattened(), False
    fixed, faults = fitted(layer, layer, arriving)
    return arriving.after(fixed).shape if fixed else arriving.shape, fits and not faults


def fitted(layer: Written, written: Written, arriving: Arriving) -> Fitted:
    """A layer made to take what arrives; ``written`` is what the messages call it."""
    if not arriving.is_map and layer.takes_maps_only:
        row = f"a row of {arriving.shape[0]:,} values"
        return Fitted(None, (Fault(Kind.MISPLACED, f"{written}, and {row} arrives", "a map"),))
    match layer.family:
        case Family.CONV:
            return _with_something_left(*_conv(layer, written, arriving.shape[0]), written, arriving)
        case Family.POOL:
            return _with_something_left(layer, (), written, arriving)
        case Family.NORM:
            return _norm(layer, written, arriving)
        case Family.FLATTEN:
            return _flatten(layer, written, arriving)
        case Family.LINEAR:
            return _linear(layer, written, arriving)
    return Fitted(layer)


_Faults = tuple[Fault, ...]


def _conv(layer: Written, written: Written, channels: int) -> tuple[Written, _Faults]:
    if layer.size("in_channels") == channels:
        return layer, ()
    found = f"{written}, and {_arrive(channels)}"
    fault = Fault(Kind.IN_CHANNELS, found, units.plural(channels, "channel"))
    fixed = layer.with_arguments(in_channels=channels)
    groups, outputs = layer.size("groups", 1), layer.size("out_channels")
    if groups == layer.size("in_channels") and outputs % channels == 0 and groups > 1:
        fixed = fixed.with_arguments(groups=channels)  # each channel by itself, as before
    elif channels % groups:
        without = {key: value for key, value in fixed.arguments.items() if key != "groups"}
        fixed = replace(fixed, arguments=without)
    return fixed, (fault,)


def _arrive(channels: int) -> str:
    return f"{units.plural(channels, 'channel')} arrive{'s' if channels == 1 else ''}"


def _norm(layer: Written, written: Written, arriving: Arriving) -> Fitted:
    """A norm's width is the number of channels, and a batch norm's class tells maps from rows."""
    key, channels = layer.width_key, arriving.shape[0]
    if key is None:
        return Fitted(layer)
    fixed = layer
    if layer.name.startswith("BatchNorm"):
        fixed = replace(layer, name="BatchNorm2d" if arriving.is_map else "BatchNorm1d")
    if layer.size(key) != channels:
        fixed = fixed.with_arguments(**{key: channels})
    if "num_groups" in layer.arguments:
        fixed = fixed.with_arguments(num_groups=gcd(layer.size("num_groups"), channels))
    if fixed == layer:
        return Fitted(layer)
    found, kind = f"{written}, and {_arrive(channels)}", Kind.NORM_WIDTH
    if fixed.name != layer.name:
        what = (
            f"a map, {units.shape(arriving.shape)}," if arriving.is_map else f"a row of {channels:,} values"
        )
        found, kind = f"{written}, and {what} arrives", Kind.MISPLACED
    return Fitted(fixed, (Fault(kind, found, f"a {fixed.name} of {units.plural(channels, 'channel')}"),))


def _flatten(layer: Written, written: Written, arriving: Arriving) -> Fitted:
    """Everything but the images stands in one row, as long as what arrives."""
    fixed, a_row = replace(layer, arguments={}), "one row an image, whatever the batch"
    if "squeezed" in layer.arguments:
        found = f"{written}, which drops the batch as well where it is one image"
        return Fitted(fixed, (Fault(Kind.FLATTEN, found, a_row),))
    if "sizes" in layer.arguments:
        sizes = layer.arguments["sizes"]
        why = f"which fixes the batch at {sizes[0]}" if len(sizes) == 2 else "which gives no row an image"
        return Fitted(fixed, (Fault(Kind.FLATTEN, f"{written}, {why}", a_row),))
    if "row" in layer.arguments:
        if layer.size("row") == arriving.values.value:
            return Fitted(fixed)
        row = _as_map(layer.size("row"), arriving.factors[0])
        fault = Fault(Kind.FLATTEN, f"{written}: {_worked(row)}", _worked(arriving.values))
        return Fitted(fixed, (fault,))
    sides = len(arriving.shape) + 1
    first, last = layer.size("start_dim", 1), layer.size("end_dim", -1)
    if first % sides == 1 and last % sides == sides - 1:
        return Fitted(layer)
    found = f"{written}, which does not give one row an image"
    return Fitted(fixed, (Fault(Kind.FLATTEN, found, "dimension 1 to the last"),))


def _linear(layer: Written, written: Written, arriving: Arriving) -> Fitted:
    values, own = arriving.values, layer.size("in_features")
    if own == values.value:
        return Fitted(layer)
    found = f"{written}: {_worked(_as_map(own, arriving.factors[0]))}, and {_worked(values)} arrive"
    fault = Fault(Kind.FAN_IN, found, _worked(values))
    return Fitted(layer.with_arguments(in_features=values), (fault,))


def _as_map(features: int, channels: int) -> Count:
    """A fan-in as the square map that it was probably worked out for.

    >>> _as_map(32768, 512).working, _as_map(1000, 512).working
    ('512*8*8', '1000')
    """
    side = isqrt(features // channels)
    return product(channels, side, side) if side > 1 and channels * side**2 == features else plain(features)


def _worked(count: Count) -> str:
    return f"{count.value:,}" if count.is_plain else f"{count.working} = {count.value:,}"


def _with_something_left(layer: Written, faults: _Faults, written: Written, arriving: Arriving) -> Fitted:
    """A convolution that would leave nothing of the map is padded; a pool that would goes."""
    if min(output_shape(layer, arriving.shape)) > 0:
        return Fitted(layer, faults)
    found = f"{written}, and a map of {units.shape(arriving.shape[1:])} arrives"
    faults = (*faults, Fault(Kind.NOTHING_LEFT, found, "a larger map, or no such layer"))
    if layer.family is Family.CONV:
        kernels, dilations = layer.pair("kernel_size", 1), layer.pair("dilation", 1)
        height, width = (d * (k - 1) // 2 for k, d in zip(kernels, dilations, strict=True))
        padded = layer.with_arguments(padding=height if height == width else [height, width])
        if min(output_shape(padded, arriving.shape)) > 0:
            return Fitted(padded, faults)
    return Fitted(None, faults)
