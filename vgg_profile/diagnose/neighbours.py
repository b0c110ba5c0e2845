"""Layers unlike their neighbours: without an activation, of another window, without a norm or a pool."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from vgg_profile.core import units
from vgg_profile.diagnose.clues import lost_pools
from vgg_profile.diagnose.draft import Family, Hint, Remark, Written
from vgg_profile.diagnose.graph import Graph, is_linear, is_weighted, remark
from vgg_profile.diagnose.modules import Overwritten
from vgg_profile.diagnose.words import Call

_MANY = 4
"""How many layers must agree before one that differs looks like a slip."""


# -- activations


def without_activation(graph: Graph, lost: Sequence[Overwritten]) -> Iterator[Remark]:
    """Layers with weights that run into the next without an activation; into a pool, if others have one."""
    takers = graph.takers()
    straight: dict[Call, Call] = {}
    into_pool: dict[Call, Call] = {}
    having: list[Call] = []
    ends = {id(end) for end in graph.ends}
    for call in graph.run.calls:
        if not is_weighted(call):
            continue
        way, through_pool, through_norm = call, False, False
        if call.module is not None and call.module._forward_hooks:
            having.append(call)  # what a hook makes of it is not looked into
            continue
        while True:
            following = takers[id(way)]
            if len(following) != 1 or len(following[0].sources) != 1 or (id(way) in ends and way is not call):
                break
            way = following[0]
            if is_weighted(way):
                _sort_out(call, way, through_pool or through_norm, straight, into_pool)
                break
            layer = way.layer
            if layer is not None and (layer.family is Family.POOL or "MaxPool" in layer.name):
                through_pool = True
            elif layer is not None and layer.name in ("GroupNorm", "InstanceNorm2d", "LocalResponseNorm"):
                through_norm = True
            elif not is_linear(way):
                having.append(call)
                break
    kinds = {
        family: [call for call in having if _family(call) is family]
        for family in (Family.CONV, Family.LINEAR)
    }
    pooled = {call: way for call, way in into_pool.items() if len(kinds[_family(call)]) >= 2}
    unique = list({call.site.key: call for call in [*straight, *pooled]}.values())
    for family in (Family.CONV, Family.LINEAR):
        lacking = [call for call in unique if _family(call) is family]
        if lacking:
            yield _lacking(graph, family, lacking, kinds[family], [*straight], lost)


def _family(call: Call) -> Family:
    return Family.LINEAR if call.layer and "Linear" in call.layer.name else Family.CONV


def _sort_out(
    call: Call, way: Call, is_interrupted: bool, straight: dict[Call, Call], pooled: dict[Call, Call]
) -> None:
    """Whether that a layer runs into the next looks like a slip."""
    one, after = call.layer, way.layer
    assert one is not None
    assert after is not None
    both_convolve = _family(call) is _family(way) is Family.CONV
    if both_convolve and (
        _is_pointwise(one) or _is_pointwise(after) or one.size("groups", 1) > 1 or after.size("groups", 1) > 1
    ):
        return  # a projection, or a convolution in two factors
    if both_convolve and _is_narrow(one) and _is_narrow(after):
        return
    (pooled if is_interrupted else straight)[call] = way


def _is_pointwise(layer: Written) -> bool:
    return "Conv" in layer.name and layer.arguments.get("kernel_size") in (1, [1, 1])


def _is_narrow(layer: Written) -> bool:
    kernel = layer.arguments.get("kernel_size")
    return isinstance(kernel, list) and 1 in kernel


MOST_NAMED = 20
"""Of more layers than so many, a remark names the first and counts the others."""


def _lacking(
    graph: Graph,
    family: Family,
    lacking: Sequence[Call],
    having: Sequence[Call],
    straight: Sequence[Call],
    lost: Sequence[Overwritten],
) -> Remark:
    keys = {call.site.key for call in having}
    of = len(keys | {call.site.key for call in lacking}) + len(_last_of(graph, family, [*lacking, *having]))
    noun = "convolution" if family is Family.CONV else "linear layer"
    next_one = [call for call in lacking if call in straight]
    pool = [call for call in lacking if call not in straight]
    ways = [
        f"{units.listed(map(graph.at, calls), most=MOST_NAMED)} {'run' if len(calls) > 1 else 'runs'} {where}"
        for calls, where in ((next_one, "straight into the next layer"), (pool, "into a pool"))
        if calls
    ]
    cause = "".join(
        f" (the name {each.name!r} is overwritten in the loop on line {each.line})"
        for each in lost
        if not each.has_parameters
    )
    if len(lacking) == 1:
        found = f"{graph.at(lacking[0])} has no activation after it and runs "
        found += "straight into the next layer" if next_one else "into a pool"
    else:
        found = f"{len(lacking)} of {of} {noun}s have no activation: {', '.join(ways)}"
        found = f"{found}{cause}"
    why = (
        "Two layers without an activation between them compute what one could."
        if next_one
        else f"{len(keys)} of the {noun}s have one."
    )
    return remark(graph, Hint.NO_ACTIVATION, lacking[0], found, why)


def _last_of(graph: Graph, family: Family, known: Sequence[Call]) -> set[int | str]:
    keys = {call.site.key for call in known}
    return {
        call.site.key
        for call in graph.run.calls
        if is_weighted(call) and _family(call) is family and call.site.key not in keys
    }


# -- unlike its neighbours


def _convolutions(graph: Graph) -> list[Call]:
    return [
        call for call in graph.run.calls if call.layer and call.layer.name == "Conv2d" and not call.site.nth
    ]


def windows(graph: Graph) -> Iterator[Remark]:
    """Padded 1×1 convolutions; and one kernel, stride or padding unlike the others."""
    convs = _convolutions(graph)
    for call in convs:
        layer = call.layer
        assert layer is not None
        if layer.pair("kernel_size", 1) == (1, 1) and layer.arguments.get("padding"):
            why = "It frames the map with the bias alone; a 1×1 convolution keeps the size unpadded."
            found = f"{graph.at(call)} is 1×1 and padded: {layer}"
            yield remark(graph, Hint.PADDED_1X1, call, found, why)
    wide = [call for call in convs if call.layer and call.layer.pair("kernel_size", 1) != (1, 1)]
    pools = any(call.layer and call.layer.family is Family.POOL for call in graph.run.calls)
    yield from _one_unlike(graph, wide, "kernel_size", "kernel", lambda call: _shrinks_to(wide, call))
    yield from _one_unlike(graph, wide, "stride", "stride", lambda call: not pools)
    yield from _one_unlike(
        graph, wide, "padding", "padding", lambda call: _is_same(call) or _fits_a_head(graph, call)
    )


def _one_unlike(
    graph: Graph, convs: Sequence[Call], key: str, word: str, is_meant: Callable[[Call], bool]
) -> Iterator[Remark]:
    """One convolution, not the first, that differs where at least four others agree."""
    values = [
        str(call.layer.arguments.get(key, {"stride": 1, "padding": 0}.get(key)))
        for call in convs
        if call.layer
    ]
    tally = Counter(values).most_common()
    if len(tally) != 2 or tally[1][1] != 1 or tally[0][1] < _MANY:
        return
    (usual, times), (odd, _) = tally
    place = values.index(odd)
    if place == 0 or is_meant(convs[place]):
        return
    if key == "padding" and _differs(convs, place, "kernel_size"):
        return  # said of the kernel already
    others = f"the other {times} convolutions {usual}"
    found = f"{graph.at(convs[place])} has {word} {odd}, and {others}: {convs[place].layer}"
    yield remark(
        graph, Hint.UNLIKE, convs[place], found, "If that is a slip, every map after it has another size."
    )


def _differs(convs: Sequence[Call], place: int, key: str) -> bool:
    values = [str(call.layer.arguments.get(key)) for call in convs if call.layer]
    return values.count(values[place]) == 1


def _shrinks_to(convs: Sequence[Call], call: Call) -> bool:
    """Whether kernels only ever grow smaller up to here, as AlexNet's do."""
    sizes = [max(each.layer.pair("kernel_size", 1)) for each in convs[: convs.index(call) + 1] if each.layer]
    return all(one >= after for one, after in pairwise(sizes))


def _is_same(call: Call) -> bool:
    """Whether a convolution keeps the map's size, whatever its padding."""
    return call.output[2:] == call.arriving[2:]


def _fits_a_head(graph: Graph, call: Call) -> bool:
    """Whether a flatten counts on the size that it leaves: no pool to one size stands between."""
    takers, way = graph.takers(), call
    while len(takers[id(way)]) == 1:
        way = takers[id(way)][0]
        layer = way.layer
        if way.what in ("mean", "amax") or (layer and layer.family is Family.ADAPTIVE):
            return False
        if layer and layer.family is Family.LINEAR:
            return not way.edits
    return False


def activations(graph: Graph) -> Iterator[Remark]:
    """One activation of another class than all the others."""
    takers = graph.takers()
    ends = {id(end) for end in graph.ends}
    calls = [call for call in graph.run.calls if call.layer and call.layer.family is Family.ACTIVATION]
    names = [call.layer.name for call in calls if call.layer]
    tally = Counter(names).most_common()
    if len(tally) != 2 or tally[1][1] != 1 or tally[0][1] < _MANY:
        return
    call = calls[names.index(tally[1][0])]
    is_gate = any(
        len(each.sources) > 1 or each.what in ("mul", "__mul__", "view", "reshape")
        for each in takers[id(call)]
    )
    if id(call) in ends or is_gate:
        return
    found = f"{graph.at(call)} is a {tally[1][0]}, and the other {tally[0][1]} activations are {tally[0][0]}"
    yield remark(
        graph, Hint.UNLIKE, call, found, "If that is a slip, gradients shrink or values grow there alone."
    )


def norms(graph: Graph) -> Iterator[Remark]:
    """One convolution without the norm that at least four others have."""
    takers = graph.takers()
    convs = [
        call for call in _convolutions(graph) if call.layer and call.layer.pair("kernel_size", 1) != (1, 1)
    ]
    bare = [
        call
        for call in convs
        if not any(each.layer and each.layer.family is Family.NORM for each in takers[id(call)])
    ]
    if len(bare) == 1 and len(convs) > _MANY and bare[0] is not convs[0] and takers[id(bare[0])]:
        found = (
            f"No norm follows {graph.at(bare[0])}, and one follows the other {len(convs) - 1} convolutions"
        )
        yield remark(graph, Hint.NO_NORM, bare[0], found, "Its values are scaled otherwise than all others.")


def hidden_pool(graph: Graph) -> Iterator[Remark]:
    """A block without its pool, and an adaptive pool that halves the map instead."""
    calls = graph.run.calls
    hiding = [
        call
        for call in calls
        if call.layer
        and call.layer.family is Family.ADAPTIVE
        and len(call.output) == 4
        and min(call.output[2:]) > 1
        and all(had == 2 * made for had, made in zip(call.arriving[2:], call.output[2:], strict=True))
    ]
    if len(hiding) != 1:
        return
    lost = lost_pools(graph.run.leading_to(hiding[0]))
    if len(lost) == 1:
        was, now = units.shape(hiding[0].arriving[2:]), units.shape(hiding[0].output[2:])
        found = (
            f"No pool stands before {graph.at(lost[0])}, where the width grows, and one where else it does; "
            f"{graph.name(hiding[0])} hides it: {was} → {now}"
        )
        why = "Every layer after it works on maps of four times the size."
        yield remark(graph, Hint.HIDDEN_POOL, lost[0], found, why)
