"""Layers set against each other: a norm, an activation or a padding that their like have is missed.

A norm or an activation is missing where at least twice as many layers of the kind have one as lack one; a
bare majority gets a remark. A padding is missing where at least four times as many have it; ``walk`` leaves
it out again if a later layer counts on its absence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from vgg_profile.diagnose.draft import Family, Fault, Kind, Written, located
from vgg_profile.diagnose.plan import Plan, missing


def by_neighbours(written: Sequence[Written], *, pad: bool = True) -> tuple[list[Plan], list[str]]:
    """Norms, activations and paddings where their like have one; no flatten before maps are wanted again.

    Beside the plans stand remarks on what is too close to call.
    """
    before, *spans = _spans(written)
    inner = spans[:-1] if spans and _gives_logits(spans[-1]) else spans
    own = list(_distinct(inner))
    remarks: list[str] = []
    plans = [Plan(layer, layer) for layer in before]
    for place, span in enumerate(spans):
        first, *rest = span
        layers = [
            _padded(first, written) if pad else Plan(first, first),
            *(Plan(each, each) for each in rest),
        ]
        if place < len(inner):
            kin = [each for each in own if _are_kin(first, each[0])]
            _complete(layers, span, kin, written, remarks)
        plans += layers
    if len(spans) > 1 and not any(_has(span, Family.ACTIVATION) for span in spans):
        remarks.append(
            "No activation stands anywhere: without one, the layers together are a single linear map."
        )
    return [_unless_too_early(plan, plans[place:]) for place, plan in enumerate(plans)], remarks


def _complete(
    plans: list[Plan], span: _Span, kin: Sequence[_Span], written: Sequence[Written], remarks: list[str]
) -> None:
    """Insert the norm and the activation that a layer lacks and its kin have; the norm stands first."""
    first = span[0]
    convs = [each for each in kin if each[0].family is Family.CONV]
    if first.family is Family.CONV and _lacks(span, convs, Family.NORM, remarks):
        norm = _borrowed(written, Family.NORM)
        fitting = (
            norm.with_arguments(**{key: first.size("out_channels")}) if (key := norm.width_key) else norm
        )
        plans.insert(1, missing(fitting, _tally(convs, Family.NORM)))
    if _lacks(span, kin, Family.ACTIVATION, remarks):
        is_normed = len(plans) > 1 and plans[1].family is Family.NORM
        activation = _borrowed(written, Family.ACTIVATION)
        plans.insert(1 + is_normed, missing(activation, _tally(kin, Family.ACTIVATION)))


_Span = list[Written]
"""A convolution or linear layer, and all that follows it until the next."""


def _spans(written: Sequence[Written]) -> list[_Span]:
    """Cut before each layer with weights; the first piece is what stands before them all."""
    spans: list[_Span] = [[]]
    for layer in written:
        if layer.is_weighted:
            spans.append([])
        spans[-1].append(layer)
    return spans


def _gives_logits(span: _Span) -> bool:
    """Whether a model's last layer gives its result, which takes neither norm nor activation."""
    return span[0].family is Family.LINEAR or not _has(span, Family.POOL)


def _has(span: _Span, family: Family) -> bool:
    return any(layer.family is family for layer in span)


def _distinct(spans: Sequence[_Span]) -> Iterator[_Span]:
    """Each layer as one witness, however often it is called."""
    seen = set()
    for span in spans:
        if not span[0].is_registered or span[0].module not in seen:
            yield span
        seen.add(span[0].module)


def _are_kin(one: Written, other: Written) -> bool:
    """Whether two layers with weights are of one kind: 1×1 convolutions often do without what others have."""
    return _is_pointwise(one) == _is_pointwise(other)


def _is_pointwise(layer: Written) -> bool:
    return layer.family is Family.CONV and layer.pair("kernel_size", 1) == (1, 1)


def _lacks(span: _Span, kin: Sequence[_Span], family: Family, remarks: list[str]) -> bool:
    """Whether it lacks what at least twice as many of its kin have as lack; a bare majority gets a remark."""
    having = _count(kin, family)
    lacking = len(kin) - having
    if _has(span, family) or having <= lacking:
        return False
    if having >= 2 * lacking and having > 1:
        return True
    where = located(span[0].name, span[0].module, span[0].line)
    remarks.append(f"No {family} follows {where}; {_tally(kin, family)}.")
    return False


def _padded(layer: Written, written: Sequence[Written]) -> Plan:
    """A layer, padded if it is a convolution without padding among others of its window that have one."""
    if layer.family is not Family.CONV or layer.size("stride", 1) != 1 or layer.pair("padding", 0) != (0, 0):
        return Plan(layer, layer)
    kernel = layer.arguments.get("kernel_size")
    alike = [
        each
        for each in written
        if each.family is Family.CONV
        and each.arguments.get("kernel_size") == kernel
        and each.size("stride", 1) == 1
    ]
    padded = [each for each in alike if each.arguments.get("padding", 0)]
    paddings = {str(each.arguments.get("padding")) for each in padded}
    if len(paddings) != 1 or len(padded) < _MANY * (len(alike) - len(padded)):
        return Plan(layer, layer)
    fixed = layer.with_arguments(padding=padded[0].arguments["padding"])
    tally = f"{fixed}: {len(padded)} of {len(alike)} such layers are padded"
    return Plan(layer, fixed, (Fault(Kind.PADDING, str(layer), tally),))


_MANY = 4
"""How many padded convolutions make one without padding look like a slip."""


def _count(spans: Sequence[_Span], family: Family) -> int:
    return sum(_has(span, family) for span in spans)


def _tally(fellows: Sequence[_Span], family: Family) -> str:
    return f"{_count(fellows, family)} of {len(fellows)} such layers have one"


def _borrowed(written: Sequence[Written], family: Family) -> Written:
    found = next(layer for layer in written if layer.family is family)
    return replace(found, module="", line=None)


def _unless_too_early(plan: Plan, following: Sequence[Plan]) -> Plan:
    """A flatten goes if maps are wanted again before a row is."""
    if plan.fixed is None or plan.fixed.family is not Family.FLATTEN:
        return plan
    layers = [each.fixed for each in following if each.fixed]
    wanted = (layer for layer in layers if layer.takes_maps_only or layer.family is Family.LINEAR)
    if next(wanted, plan.fixed).takes_maps_only:
        found = f"{plan.fixed}, and the layers after it take maps"
        return Plan(plan.written, None, (Fault(Kind.MISPLACED, found, "a flatten before the linear layers"),))
    return plan
