"""How a layer could be written so that it takes what arrives; PyTorch says which of it runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import gcd, isqrt

from torch import Tensor

from vgg_profile.core import units
from vgg_profile.core.counts import Count, plain, product
from vgg_profile.core.sizes import Shape
from vgg_profile.diagnose.draft import Family, Kind, Written
from vgg_profile.diagnose.words import Call, Edit


def options(call: Call, x: Tensor, row: Shape) -> Iterator[Sequence[Edit]]:
    """The changes after which a layer may take ``x``, likeliest first; ``row`` is the map that a row was."""
    layer = call.fixed[0] if call.fixed else call.layer
    if layer is None:
        return
    if x.dim() == 2 and layer.takes_maps_only and (flatten := _flatten_before(call)):
        found = f"{flatten.layer}, and the layers after it take maps"
        fits = "a flatten before the linear layers"
        yield [Edit(flatten.site, "skip", Kind.MISPLACED, None, found, fits, "remove it")]
    match layer.family:
        case Family.LINEAR:
            yield from _linear(call, layer, x, row)
        case Family.CONV:
            yield from _convolution(call, layer, tuple(x.shape[1:]))
        case Family.NORM:
            yield from _norm(call, layer, x)
        case Family.POOL if x.dim() == 4:
            yield [Edit(call.site, "skip", Kind.NOTHING_LEFT, None, *_nothing_left(call, x), "remove it")]
    if x.dim() == 2 and layer.takes_maps_only:
        found = f"{layer}, and a row of {x.shape[1]:,} values arrives"
        yield [Edit(call.site, "skip", Kind.MISPLACED, None, found, "a map", "remove it")]


def write(call: Call, kind: Kind, layer: Written, found: str, fits: str) -> Edit:
    """A layer written otherwise at its call."""
    return Edit(call.site, "write", kind, layer, found, fits)


def fan_in(features: int, channels: int) -> Count:
    """A fan-in as the square map that it was probably worked out for.

    >>> fan_in(32768, 512).working, fan_in(1000, 512).working
    ('512*8*8', '1000')
    """
    side = isqrt(features // channels) if channels else 0
    return product(channels, side, side) if side > 1 and channels * side**2 == features else plain(features)


def worked(count: Count) -> str:
    """A count with its working, if it has any: ``512*7*7 = 25,088``."""
    return f"{count.value:,}" if count.is_plain else f"{count.working} = {count.value:,}"


def _linear(call: Call, layer: Written, x: Tensor, row: Shape) -> Iterator[Sequence[Edit]]:
    own = layer.size("in_features")
    if x.dim() != 4:
        values = product(*row) if x.dim() == 2 else plain(x.shape[-1])
        channels = row[0] if x.dim() == 2 else x.shape[-1]
        found = f"{layer}: {worked(fan_in(own, channels))}, and {worked(values)} arrive"
        fixed = layer.with_arguments(in_features=values)
        yield [write(call, Kind.FAN_IN, fixed, found, worked(values))]
        return
    shape = tuple(x.shape[1:])
    values = product(*shape)
    flat = Edit(
        call.site,
        "insert",
        Kind.NO_FLATTEN,
        Written("Flatten"),
        f"{layer} meets a map, {units.shape(shape)}",
        "one row of values",
    )
    found = f"{layer}: {worked(fan_in(own, shape[0]))}, and {worked(values)} arrive"
    yield [flat]
    fixed = layer.with_arguments(in_features=values)
    yield [flat, write(call, Kind.FAN_IN, fixed, found, worked(values))]


def _convolution(call: Call, layer: Written, shape: Shape) -> Iterator[Sequence[Edit]]:
    channels, own = shape[0], layer.size("in_channels")
    edits: list[Edit] = []
    if own != channels:
        found = f"{layer}, and {_arrive(channels)}"
        layer = _of_channels(layer, channels)
        edits = [write(call, Kind.IN_CHANNELS, layer, found, units.plural(channels, "channel"))]
        yield edits
    kernels, dilations = layer.pair("kernel_size", 1), layer.pair("dilation", 1)
    height, width = (d * (k - 1) // 2 for k, d in zip(kernels, dilations, strict=True))
    padded = layer.with_arguments(padding=height if height == width else [height, width])
    found = f"{layer}, and a map of {units.shape(shape[1:])} arrives"
    yield [*edits, write(call, Kind.NOTHING_LEFT, padded, found, "a larger map, or padding")]


def _of_channels(layer: Written, channels: int) -> Written:
    """A convolution of as many channels; one that took each by itself does so still."""
    fixed, groups = layer.with_arguments(in_channels=channels), layer.size("groups", 1)
    if groups > 1 and groups == layer.size("in_channels") and layer.size("out_channels") % channels == 0:
        return fixed.with_arguments(groups=channels)
    if channels % groups:
        return replace(fixed, arguments={key: it for key, it in fixed.arguments.items() if key != "groups"})
    return fixed


def _arrive(channels: int) -> str:
    return f"{units.plural(channels, 'channel')} arrive{'s' if channels == 1 else ''}"


def _norm(call: Call, layer: Written, x: Tensor) -> Iterator[Sequence[Edit]]:
    key, channels = layer.width_key, x.shape[1]
    if key is None:
        return
    fixed = layer.with_arguments(**{key: channels})
    if layer.name.startswith("BatchNorm"):
        fixed = replace(fixed, name={4: "BatchNorm2d", 5: "BatchNorm3d"}.get(x.dim(), "BatchNorm1d"))
    if "num_groups" in layer.arguments:
        fixed = fixed.with_arguments(num_groups=gcd(layer.size("num_groups"), channels))
    found, kind = f"{layer}, and {_arrive(channels)}", Kind.NORM_WIDTH
    if fixed.name != layer.name:
        what = (
            f"a map, {units.shape(tuple(x.shape[1:]))}," if x.dim() == 4 else f"a row of {channels:,} values"
        )
        found, kind = f"{layer}, and {what} arrives", Kind.MISPLACED
    yield [write(call, kind, fixed, found, f"a {fixed.name} of {units.plural(channels, 'channel')}")]


def _nothing_left(call: Call, x: Tensor) -> tuple[str, str]:
    found = f"{call.layer}, and a map of {units.shape(tuple(x.shape[2:]))} arrives"
    return found, "a larger map, or no such layer"


def _flatten_before(call: Call) -> Call | None:
    """The flatten that made the row which a call is given."""
    source = call.sources[0] if call.sources else None
    while source is not None and len(source.output) == 2:
        if source.layer and source.layer.family is Family.FLATTEN:
            return source
        source = source.sources[0] if source.sources else None
    return None
