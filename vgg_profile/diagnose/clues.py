"""Clues in a run: results that nobody uses, pools that are missing, layers unlike their like, widths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import nn

from vgg_profile.diagnose.draft import Family, Kind
from vgg_profile.diagnose.options import write
from vgg_profile.diagnose.run import Run
from vgg_profile.diagnose.words import Call, Edit


def dropped_ends(run: Run) -> list[tuple[Call, Call]]:
    """Results that nobody uses, each with the later call that was given what came before instead."""
    used = {id(call) for call in run.leading_to(*(run.call_of(result) for result in run.results))}
    taken = {id(source) for call in run.calls for source in call.sources}
    ends = []
    for place, call in enumerate(run.calls):
        if id(call) in used or id(call) in taken or call.is_inserted:
            continue
        branch = [each for each in run.leading_to(call) if id(each) not in used]
        later = (each for each in run.calls[place:] if id(each) in used and each.layer)
        stale = next((each for each in later if each.sources == branch[0].sources), None)
        if stale is not None:
            ends.append((call, stale))
    return ends


def lost_pools(calls: Sequence[Call]) -> list[Call]:
    """The convolutions wider than the one before, on a map as large, where others come after a pool."""
    convs = [call for call in calls if call.layer and call.layer.family is Family.CONV]
    grown, lost = 0, []
    for one, after in pairwise(convs):
        if one.layer and after.layer and after.layer.size("out_channels") > one.layer.size("out_channels"):
            if len(one.output) == 4 and after.arriving[2:] == one.output[2:]:
                lost.append(after)
            else:
                grown += 1
    return lost if grown >= len(lost) else []


def with_padding(call: Call, tally: str) -> Edit:
    """The convolution at a call, padded so that its map keeps its size; ``tally`` says why it should be."""
    layer = call.fixed[0] if call.fixed else call.layer
    assert layer is not None
    kernels, dilations = layer.pair("kernel_size", 1), layer.pair("dilation", 1)
    height, width = (d * (k - 1) // 2 for k, d in zip(kernels, dilations, strict=True))
    fixed = layer.with_arguments(padding=height if height == width else [height, width])
    return write(call, Kind.PADDING, fixed, str(layer), f"{fixed}: {tally}")


def lacks_padding(call: Call) -> bool:
    """Whether a call is a convolution without a stride whose map shrinks, and nothing is padded before it."""
    layer, source = call.layer, call.sources[0] if call.sources else None
    is_padded_before = source is not None and "pad" in source.what.lower()
    return (
        layer is not None
        and layer.pair("kernel_size", 1) != (1, 1)
        and layer.pair("stride", 1) == (1, 1)
        and not layer.arguments.get("padding")
        and not is_padded_before
    )


def odd_ones(convs: Sequence[Call]) -> Iterator[tuple[str, list[tuple[Call, int]]]]:
    """The convolutions of another stride, kernel or padding than most, with what most have."""
    for key, default in (("stride", 1), ("kernel_size", 1), ("padding", 0)):
        values = {
            call.site: call.layer.arguments.get(key, default)
            for call in convs
            if call.layer and (key != "kernel_size" or call.layer.pair(key, 1) != (1, 1))
        }
        tally = Counter(value for value in values.values() if isinstance(value, int))
        if len(tally) > 1:
            (usual, times), *_ = tally.most_common()
            odd = [call for call in convs if values.get(call.site, usual) != usual]
            if times > len(odd) and len(odd) <= 3:
                yield key, [(call, usual) for call in odd if not (key == "padding" and lacks_padding(call))]


def producer_of(call: Call) -> Call | None:
    """The layer with weights whose channels, or values, a call is given."""
    source = call.sources[0] if len(call.sources) == 1 else None
    while source is not None:
        if source.layer and source.layer.is_weighted:
            return source
        source = source.sources[0] if len(source.sources) == 1 else None
    return None


def wanted_width(run: Run, call: Call) -> int:
    """How many channels, or values, the layer at a call was made for; 0 if that is no whole number."""
    layer = call.layer
    if layer is None:
        return 0
    if layer.family is Family.CONV:
        return layer.size("in_channels")
    if layer.family is Family.NORM and layer.width_key:
        return layer.size(layer.width_key)
    row = run.row_of(call.sources[0] if call.sources else None) or call.arriving[1:]
    plane = 1
    for side in row[1:]:
        plane *= side
    own = layer.size("in_features")
    return own // plane if plane and own % plane == 0 else 0


def arriving_width(run: Run, call: Call) -> int:
    """How many channels, or values, a call is given; 0 where that is not known."""
    row = (
        run.row_of(call.sources[0] if call.sources else None)
        if len(call.arriving) == 2
        else call.arriving[1:]
    )
    return row[0] if row else 0


def written_widths(model: nn.Module) -> Counter[int]:
    """How often each width is written: what layers give, and what norms are of."""
    keys = ("out_channels", "out_features", "num_features", "num_channels")
    return Counter(
        width
        for module in model.modules()
        for key in keys
        if isinstance(width := getattr(module, key, 0), int)
    )
