"""What runs in PyTorch and is hardly meant: each remark says where, and why it matters.

All of it is read off the graph of one run. Whatever is not known to be linear counts as an activation, and a
way on which two tensors join is not judged: a clean model gets no remark.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from vgg_profile.core import units
from vgg_profile.diagnose.calls import IDLE, class_name, is_layer
from vgg_profile.diagnose.draft import Family, Hint, Remark, Written
from vgg_profile.diagnose.modules import Overwritten
from vgg_profile.diagnose.run import Call, Run
from vgg_profile.diagnose.search import dropped_ends, lost_pools

_MANY = 4
"""How many layers must agree before one that differs looks like a slip."""

_LINEAR_FUNCTIONS = frozenset(
    [
        "view",
        "reshape",
        "flatten",
        "unflatten",
        "permute",
        "transpose",
        "t",
        "swapaxes",
        "moveaxis",
        "movedim",
        "contiguous",
        "squeeze",
        "unsqueeze",
        "pad",
        "dropout",
        "dropout1d",
        "dropout2d",
        "dropout3d",
        "feature_dropout",
        "mean",
        "sum",
        "avg_pool1d",
        "avg_pool2d",
        "avg_pool3d",
        "adaptive_avg_pool1d",
        "adaptive_avg_pool2d",
        "adaptive_avg_pool3d",
        "interpolate",
        "upsample",
        "__getitem__",
        "chunk",
        "split",
        "narrow",
        "expand",
        "expand_as",
        "repeat",
        "unfold",
        "fold",
        "pixel_shuffle",
        "add",
        "sub",
        "mul",
        "div",
        "__add__",
        "__sub__",
        "__mul__",
        "__truediv__",
        "neg",
        "batch_norm",
    ]
) | {*IDLE}
_LINEAR_MODULES = (
    "Identity",
    "Flatten",
    "Unflatten",
    "Pad",
    "AvgPool",
    "Upsampl",
    "PixelShuffle",
    "BatchNorm",
)
_TRAINS_ALONE = (Family.DROPOUT,)


@dataclass(frozen=True)
class Graph:
    """A run read forwards: who takes whose result, and what the layers are called."""

    run: Run
    name: Callable[[Call], str]

    @property
    def ends(self) -> list[Call]:
        return [call for result in self.run.results if (call := self.run.call_of(result))]

    def takers(self) -> dict[int, list[Call]]:
        found: defaultdict[int, list[Call]] = defaultdict(list)
        for call in self.run.calls:
            for source in call.sources:
                if source:
                    found[id(source)].append(call)
        return found

    def at(self, call: Call) -> str:
        line = call.made_at
        return f"{self.name(call)}{f' (line {line})' if line else ''}"


def remarks(
    run: Run, eval_run: Run | None, name: Callable[[Call], str], lost: Sequence[Overwritten]
) -> list[Remark]:
    """Everything that is hardly meant, in the order of the calls."""
    graph = Graph(run, name)
    found = [
        *_without_activation(graph, lost),
        *_dropped(graph),
        *_on_the_logits(graph),
        *_softmaxes(graph),
        *(_dropout_in_eval(Graph(eval_run, name)) if eval_run else ()),
        *_windows(graph),
        *_activations(graph),
        *_norms(graph),
        *_hidden_pool(graph),
        *_idle(graph, eval_run),
    ]
    return sorted(dict.fromkeys(found), key=lambda remark: remark.line or 0)


def _remark(graph: Graph, kind: Hint, call: Call, found: str, why: str) -> Remark:
    return Remark(kind, graph.name(call), call.made_at, found, why)


def _is_weighted(call: Call) -> bool:
    layer = call.layer
    return layer is not None and (
        layer.is_weighted or layer.name.startswith(("Conv", "LazyConv", "LazyLinear"))
    )


def _is_linear(call: Call) -> bool:
    """Whether what a call does is known to be no activation."""
    layer = call.layer
    if layer is None or call.place == "forward":
        is_product = call.operands > 1 and call.what.strip("_") in ("mul", "div", "truediv")
        return call.what in _LINEAR_FUNCTIONS and not is_product
    return layer.family in (Family.DROPOUT, Family.FLATTEN) or any(
        word in layer.name for word in _LINEAR_MODULES
    )


# -- activations


def _without_activation(graph: Graph, lost: Sequence[Overwritten]) -> Iterator[Remark]:
    """Layers with weights that run into the next without an activation; those into a pool, if others have one."""
    takers = graph.takers()
    straight: dict[Call, Call] = {}
    into_pool: dict[Call, Call] = {}
    having: list[Call] = []
    ends = {id(end) for end in graph.ends}
    for call in graph.run.calls:
        if not _is_weighted(call):
            continue
        way, through_pool, through_norm = call, False, False
        while True:
            following = takers[id(way)]
            if len(following) != 1 or len(following[0].sources) != 1 or (id(way) in ends and way is not call):
                break
            way = following[0]
            if _is_weighted(way):
                _sort_out(call, way, through_pool or through_norm, straight, into_pool)
                break
            layer = way.layer
            if layer is not None and (layer.family is Family.POOL or "MaxPool" in layer.name):
                through_pool = True
            elif layer is not None and layer.name in ("GroupNorm", "InstanceNorm2d", "LocalResponseNorm"):
                through_norm = True
            elif not _is_linear(way):
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
        f"{units.listed([graph.at(each) for each in calls])} {'run' if len(calls) > 1 else 'runs'} {where}"
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
    return _remark(graph, Hint.NO_ACTIVATION, lacking[0], found, why)


def _last_of(graph: Graph, family: Family, known: Sequence[Call]) -> set[int | str]:
    keys = {call.site.key for call in known}
    return {
        call.site.key
        for call in graph.run.calls
        if _is_weighted(call) and _family(call) is family and call.site.key not in keys
    }


# -- what is made and not used


def _dropped(graph: Graph) -> Iterator[Remark]:
    """A layer with weights whose result nobody uses, and the call that went back behind it."""
    run, takers = graph.run, graph.takers()
    used = {id(call) for call in run.leading_to(*graph.ends)}
    stale_calls = {id(end): stale for end, stale in dropped_ends(run)}
    if not used:
        return
    for call in run.calls:
        if id(call) in used or takers[id(call)] or call.is_inserted:
            continue
        branch = [each for each in run.leading_to(call) if id(each) not in used]
        weighted = [each for each in branch if _is_weighted(each)]
        if not weighted:
            if (
                call.what not in ("__getitem__", "size")
                and call.layer
                and call.layer.family is not Family.OTHER
            ):
                yield _remark(
                    graph,
                    Hint.DROPPED,
                    call,
                    f"The result of {graph.at(call)} is dropped",
                    "It does nothing.",
                )
            continue
        *others, last = weighted
        found = f"The result of {graph.at(last)} is dropped"
        if others:
            found += f", and with it what {units.listed([graph.name(each) for each in others])} made"
        if stale := stale_calls.get(id(call)):
            given = "the image" if stale.sources == (None,) else "an earlier result"
            found += (
                f": {graph.name(stale)} is called on {given}{f' on line {stale.line}' if stale.line else ''}"
            )
        yield _remark(graph, Hint.DROPPED, last, found, "Its weights are computed with and never trained.")


def _idle(graph: Graph, eval_run: Run | None) -> Iterator[Remark]:
    """Layers with weights that no call reaches."""
    run = graph.run
    called = {id(call.module) for each in (run, eval_run) if each for call in each.calls}
    parts = {id(inner) for call in run.calls if call.module is not None for inner in call.module.modules()}
    for path, module in run.subject.model.named_modules():
        own = any(True for _ in module.parameters(recurse=False))
        if own and is_layer(module) and id(module) not in called | parts:
            line = run.subject.births.line(module)
            what = f"{path}, a {class_name(module)}{f' (line {line})' if line else ''}"
            again = Counter(
                call.place
                for call in run.calls
                if call.module is not None and call.what == class_name(module)
            )
            twice = [place for place, times in again.items() if times > 1]
            beside = f", and {twice[0]} is called twice" if twice else ""
            yield Remark(
                Hint.IDLE, path, line, f"{what}, is never called{beside}", "Its weights are never trained."
            )


# -- the end


def _tail(graph: Graph) -> list[Call]:
    """What comes after the last layer with weights, if the result is one row of scores an image."""
    if len(graph.ends) != 1 or len(graph.ends[0].output) != 2 or not _are_scores(graph.ends[0].output[1]):
        return []
    tail: list[Call] = []
    call: Call | None = graph.ends[0]
    while call is not None and not _is_weighted(call) and len(call.sources) == 1:
        tail.insert(0, call)
        call = call.sources[0]
    return tail if call is not None and _is_weighted(call) and len(call.sources) == 1 else []


def _are_scores(number: int) -> bool:
    """Whether so many values look like classes: a power of two from 32 on is a feature vector's length."""
    return number > 1 and (number < 32 or number & (number - 1) != 0)


_ON_LOGITS = {
    "ReLU": "It cuts off every negative score.",
    "Dropout": "It sets scores to 0 at random in training.",
    "BatchNorm1d": "Each score then depends on the other images of the batch.",
}


def _on_the_logits(graph: Graph) -> Iterator[Remark]:
    for call in _tail(graph):
        name = call.layer.name if call.layer else ""
        if name in _ON_LOGITS:
            yield _remark(
                graph, Hint.LOGITS, call, f"A {name} stands on the logits: {graph.at(call)}", _ON_LOGITS[name]
            )


def _softmaxes(graph: Graph) -> Iterator[Remark]:
    tail = _tail(graph)
    takers = graph.takers()
    for call in graph.run.calls:
        layer = call.layer
        if layer is None or layer.name != "Softmax":
            continue
        if layer.arguments.get("dim") == 0 and call.arriving[0] == graph.run.images:
            why = "It mixes the images of the batch: each column adds up to 1, not each row."
            yield _remark(graph, Hint.SOFTMAX_BATCH, call, f"{graph.at(call)} has dim=0", why)
        if call in tail:
            why = "nn.CrossEntropyLoss applies a log-softmax itself; two in a row flatten the gradients."
            yield _remark(graph, Hint.SOFTMAX, call, f"The model ends in a softmax, {graph.at(call)}", why)
            continue
        following = takers[id(call)]
        if len(following) == 1 and _is_weighted(following[0]):
            why = "It squeezes what the next layer sees into shares that add up to 1; a ReLU is usual there."
            found = f"A softmax stands between two layers, {graph.at(call)}"
            yield _remark(graph, Hint.SOFTMAX_INSIDE, call, found, why)


def _dropout_in_eval(graph: Graph) -> Iterator[Remark]:
    for call in graph.run.calls:
        if call.module is None and "dropout" in call.what and _drops(call):
            found = f"F.{call.what} on line {call.line} drops in eval mode, too"
            why = "Give it training=self.training: its default is True."
            yield _remark(graph, Hint.DROPOUT, call, found, why)


def _drops(call: Call) -> bool:
    given = call.arguments
    positional = given.get("args", ())
    rate = given.get("p", positional[0] if positional else 0.5)
    training = given.get("training", positional[1] if len(positional) > 1 else True)
    return bool(training) and bool(rate)


# -- unlike its neighbours


def _convolutions(graph: Graph) -> list[Call]:
    return [
        call for call in graph.run.calls if call.layer and call.layer.name == "Conv2d" and not call.site.nth
    ]


def _windows(graph: Graph) -> Iterator[Remark]:
    convs = _convolutions(graph)
    for call in convs:
        layer = call.layer
        assert layer is not None
        if layer.pair("kernel_size", 1) == (1, 1) and layer.arguments.get("padding"):
            why = "It frames the map with values that are the bias alone; a 1×1 convolution keeps the size unpadded."
            found = f"{graph.at(call)} is 1×1 and padded: {layer}"
            yield _remark(graph, Hint.PADDED_1X1, call, found, why)
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
    found = f"{graph.at(convs[place])} has {word} {odd}, and the other {times} convolutions {usual}: {convs[place].layer}"
    yield _remark(
        graph, Hint.UNLIKE, convs[place], found, "If that is a slip, every map after it has another size."
    )


def _differs(convs: Sequence[Call], place: int, key: str) -> bool:
    values = [str(call.layer.arguments.get(key)) for call in convs if call.layer]
    return values.count(values[place]) == 1


def _shrinks_to(convs: Sequence[Call], call: Call) -> bool:
    """Whether kernels only ever grow smaller up to here, as AlexNet's do."""
    sizes = [max(each.layer.pair("kernel_size", 1)) for each in convs[: convs.index(call) + 1] if each.layer]
    return all(one >= after for one, after in zip(sizes, sizes[1:], strict=False))


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
            return True
    return False


def _activations(graph: Graph) -> Iterator[Remark]:
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
    yield _remark(
        graph, Hint.UNLIKE, call, found, "If that is a slip, gradients shrink or values grow there alone."
    )


def _norms(graph: Graph) -> Iterator[Remark]:
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
    if len(bare) == 1 and len(convs) > _MANY and bare[0] is not convs[-1] and bare[0] is not convs[0]:
        found = (
            f"No norm follows {graph.at(bare[0])}, and one follows the other {len(convs) - 1} convolutions"
        )
        yield _remark(graph, Hint.NO_NORM, bare[0], found, "Its values are scaled otherwise than all others.")


def _hidden_pool(graph: Graph) -> Iterator[Remark]:
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
            f"No pool stands before {graph.at(lost[0])}, where the width grows, and one where it grows elsewhere; "
            f"{graph.name(hiding[0])} hides it: {was} → {now}"
        )
        why = "Every layer after it works on maps of four times the size."
        yield _remark(graph, Hint.HIDDEN_POOL, lost[0], found, why)
