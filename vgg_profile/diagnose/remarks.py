"""What runs in PyTorch and is hardly meant: each remark says where, and why it matters.

All of it is read off the graph of one run. Whatever is not known to be linear counts as an activation, and a
way on which two tensors join is not judged: a clean model gets no remark.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from vgg_profile.core import units
from vgg_profile.diagnose import neighbours
from vgg_profile.diagnose.calls import class_name, is_layer
from vgg_profile.diagnose.clues import dropped_ends
from vgg_profile.diagnose.draft import Family, Hint, Remark
from vgg_profile.diagnose.graph import Graph, is_weighted, remark
from vgg_profile.diagnose.modules import Overwritten
from vgg_profile.diagnose.run import Run
from vgg_profile.diagnose.words import Call


def remarks(
    run: Run, eval_run: Run | None, name: Callable[[Call], str], lost: Sequence[Overwritten]
) -> list[Remark]:
    """Everything that is hardly meant, in the order of the calls."""
    graph = Graph(run, name)
    found = [
        *neighbours.without_activation(graph, lost),
        *_dropped(graph),
        *_on_the_logits(graph),
        *_softmaxes(graph),
        *(_dropout_in_eval(Graph(eval_run, name)) if eval_run else ()),
        *neighbours.windows(graph),
        *neighbours.activations(graph),
        *neighbours.norms(graph),
        *neighbours.hidden_pool(graph),
        *(_idle(graph, eval_run) if run.error is None else ()),
    ]
    return sorted(dict.fromkeys(found), key=lambda remark: remark.line or 0)


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
        weighted = [each for each in branch if is_weighted(each)]
        if not weighted:
            if (
                call.what not in ("__getitem__", "size")
                and call.layer
                and call.layer.family is not Family.OTHER
            ):
                yield remark(
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
        yield remark(graph, Hint.DROPPED, last, found, "Its weights are computed with and never trained.")


def _idle(graph: Graph, eval_run: Run | None) -> Iterator[Remark]:
    """Layers with weights that no call reaches."""
    run = graph.run
    reached = {id(call.module) for each in (run, eval_run) if each for call in each.calls}
    reached |= {id(inner) for call in run.calls if call.module is not None for inner in call.module.modules()}
    for path, module in run.subject.model.named_modules():
        own = any(True for _ in module.parameters(recurse=False))
        if own and is_layer(module) and id(module) not in reached:
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
    while call is not None and not is_weighted(call) and len(call.sources) == 1:
        tail.insert(0, call)
        call = call.sources[0]
    return tail if call is not None and is_weighted(call) and len(call.sources) == 1 else []


def _are_scores(number: int) -> bool:
    """Whether so many values look like classes: a power of two from 32 on is a feature vector's length."""
    return number > 1 and (number < 32 or number & (number - 1) != 0)


_RECTIFIERS = ("ReLU6", "LeakyReLU", "PReLU", "ELU", "CELU", "SELU", "GELU", "SiLU", "Mish", "Hardswish")
_ON_LOGITS = {
    "ReLU": "It cuts off every negative score.",
    **dict.fromkeys(_RECTIFIERS, "It presses every negative score towards 0."),
    "Dropout": "It sets scores to 0 at random in training.",
    "BatchNorm1d": "Each score then depends on the other images of the batch.",
}


def _on_the_logits(graph: Graph) -> Iterator[Remark]:
    for call in _tail(graph):
        name = call.layer.name if call.layer else ""
        if name in _ON_LOGITS and len(call.arriving) == 2:  # SqueezeNet has one on the maps before
            yield remark(
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
            yield remark(graph, Hint.SOFTMAX_BATCH, call, f"{graph.at(call)} has dim=0", why)
        if call in tail:
            why = "nn.CrossEntropyLoss applies a log-softmax itself; two in a row flatten the gradients."
            yield remark(graph, Hint.SOFTMAX, call, f"The model ends in a softmax, {graph.at(call)}", why)
            continue
        following = takers[id(call)]
        if len(following) == 1 and is_weighted(following[0]):
            why = "It squeezes what the next layer sees into shares that add up to 1; a ReLU is usual there."
            found = f"A softmax stands between two layers, {graph.at(call)}"
            yield remark(graph, Hint.SOFTMAX_INSIDE, call, found, why)


def _dropout_in_eval(graph: Graph) -> Iterator[Remark]:
    for call in graph.run.calls:
        if call.module is None and "dropout" in call.what and _drops(call):
            found = f"F.{call.what} on line {call.line} drops in eval mode, too"
            why = "Give it training=self.training: its default is True."
            yield remark(graph, Hint.DROPOUT, call, found, why)


def _drops(call: Call) -> bool:
    given = call.arguments
    positional = given.get("args", ())
    rate = given.get("p", positional[0] if positional else 0.5)
    training = given.get("training", positional[1] if len(positional) > 1 else True)
    return bool(training) and bool(rate)
