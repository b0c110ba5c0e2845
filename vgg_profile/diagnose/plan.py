"""What becomes of each layer before any shape is known: by the config it is like, or by its neighbours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vgg_profile.core.counts import Count
from vgg_profile.diagnose.defects import Fault, Kind, placed
from vgg_profile.diagnose.written import Family, Written, as_written
from vgg_profile.predict.vgg import network
from vgg_profile.predict.vgg.configs import Config

_MISSING = {
    Family.NORM: Kind.NO_NORM,
    Family.ACTIVATION: Kind.NO_ACTIVATION,
    Family.FLATTEN: Kind.NO_FLATTEN,
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What shall become of a layer before the shapes are known, and why."""

    written: Written | None
    mended: Written | None
    faults: tuple[Fault, ...] = ()

    @property
    def family(self) -> Family | None:
        """That of the layer which stands here once mended."""
        return self.mended.family if self.mended else None


def _missing(layer: Written, why: str) -> Plan:
    kind = _MISSING.get(layer.family, Kind.NO_LAYER)
    return Plan(None, layer, (Fault(kind, f"no {layer.family} here", why),))


# -- by the config


def by_config(written: Sequence[Written], config: Config) -> list[Plan]:
    """Set the layers against those of a config: what is missing, extra, or another."""
    wanted = [as_written(module.layer) for module in network.modules(config)]
    return [_compared(mine, theirs, config.label) for mine, theirs in _aligned(written, wanted)]


_Pair = tuple[Written | None, Written | None]

_GAP = 6
"""The price of a layer that only one side has: more than any difference between two of a family."""


def _aligned(mine: Sequence[Written], theirs: Sequence[Written]) -> Iterator[_Pair]:
    """Pair two lists up in order at the least price; of equal ways, the one that pairs early layers.

    ``price[i][j]`` is that of the ends from i and j on (Needleman and Wunsch 1970).
    """
    rows, columns = len(mine), len(theirs)
    price = [[_GAP * (rows - i + columns - j) for j in range(columns + 1)] for i in range(rows + 1)]
    for i in reversed(range(rows)):
        for j in reversed(range(columns)):
            paired = price[i + 1][j + 1] + _difference(mine[i], theirs[j])
            price[i][j] = min(paired, price[i + 1][j] + _GAP, price[i][j + 1] + _GAP)
    i = j = 0
    while i < rows and j < columns:
        if price[i][j] == price[i + 1][j + 1] + _difference(mine[i], theirs[j]):
            yield mine[i], theirs[j]
            i, j = i + 1, j + 1
        elif price[i][j] == price[i + 1][j] + _GAP:
            yield mine[i], None
            i += 1
        else:
            yield None, theirs[j]
            j += 1
    yield from ((layer, None) for layer in mine[i:])
    yield from ((None, layer) for layer in theirs[j:])


def _difference(mine: Written, theirs: Written) -> int:
    """How unlike two layers are; those of two families are never a pair."""
    if mine.family != theirs.family:
        return 2 * _GAP + 1
    if mine.name != theirs.name:
        return 3
    other = _other_arguments(mine, theirs)
    return 2 * bool(other & _OUT) + bool(other & _IN) + bool(other - _OUT - _IN)


_OUT = {"out_channels", "out_features"}
_IN = {"in_channels", "in_features", "num_features"}
_ALIKE = {"inplace", "row", "start_dim", "end_dim"}
"""What makes no other network, and what the walk looks at."""


def _other_arguments(mine: Written, theirs: Written) -> set[str]:
    keys = mine.arguments.keys() | theirs.arguments.keys()
    return {key for key in keys - _ALIKE if _raw(mine, key) != _raw(theirs, key)}


def _raw(layer: Written, key: str) -> Any:
    value = layer.arguments.get(key)
    return int(value) if isinstance(value, Count) else value


def _compared(mine: Written | None, theirs: Written | None, label: str) -> Plan:
    """One pair: the config's word stands, but for what must fit whatever arrives; the walk sees to that."""
    if mine is None:
        assert theirs is not None
        return _missing(theirs, f"{label} has one")
    if theirs is None:
        return Plan(mine, None, (Fault(Kind.EXTRA, str(mine), f"{label} has none here"),))
    fits = f"{theirs}, as in {label}"
    if mine.name != theirs.name:
        return Plan(mine, _in_place(theirs, mine), (Fault(Kind.SETTING, str(mine), fits),))
    other = _other_arguments(mine, theirs) - _IN
    if not other:
        return Plan(mine, mine)
    kind = Kind.WIDTH if other & _OUT else Kind.SETTING
    kept = {key: value for key, value in mine.arguments.items() if key in _IN | _ALIKE}
    return Plan(mine, _in_place(theirs.mended(**kept), mine), (Fault(kind, str(mine), fits),))


def _in_place(layer: Written, of: Written) -> Written:
    return replace(layer, module=of.module, line=of.line)


# -- by the neighbours


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
        first = span[0]
        layers = [
            _padded(first, written) if pad else Plan(first, first),
            *(Plan(layer, layer) for layer in span[1:]),
        ]
        if place < len(inner):
            kin = [each for each in own if _are_kin(first, each[0])]
            convs = [each for each in kin if each[0].family is Family.CONV]
            if first.family is Family.CONV and _lacks(span, convs, Family.NORM, remarks):
                norm = _borrowed(written, Family.NORM)
                key = norm.width_key
                fitting = norm.mended(**{key: first.size("out_channels")}) if key else norm
                layers.insert(1, _missing(fitting, _tally(convs, Family.NORM)))
            if _lacks(span, kin, Family.ACTIVATION, remarks):
                normed = len(layers) > 1 and layers[1].family is Family.NORM
                activation = _borrowed(written, Family.ACTIVATION)
                layers.insert(1 + normed, _missing(activation, _tally(kin, Family.ACTIVATION)))
        plans += layers
    if len(spans) > 1 and not any(_has(span, Family.ACTIVATION) for span in spans):
        remarks.append(
            "No activation stands anywhere: without one, the layers together are a single linear map."
        )
    return [_unless_too_early(plan, plans[place:]) for place, plan in enumerate(plans)], remarks


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
    """Whether it lacks what at least twice as many of its kin have as lack; a bare majority is told."""
    having = _count(kin, family)
    lacking = len(kin) - having
    if _has(span, family) or having <= lacking:
        return False
    if having >= 2 * lacking and having > 1:
        return True
    where = placed(span[0].name, span[0].module, span[0].line)
    remarks.append(f"No {family} follows {where}; {_tally(kin, family)}.")
    return False


def _padded(layer: Written, written: Sequence[Written]) -> Plan:
    """A convolution without padding, among others of its window that keep the size of the map."""
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
    mended = layer.mended(padding=padded[0].arguments["padding"])
    tally = f"{mended}: {len(padded)} of {len(alike)} such layers are padded"
    return Plan(layer, mended, (Fault(Kind.PADDING, str(layer), tally),))


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
    if plan.mended is None or plan.mended.family is not Family.FLATTEN:
        return plan
    layers = [each.mended for each in following if each.mended]
    wanted = (layer for layer in layers if layer.takes_maps_only or layer.family is Family.LINEAR)
    if next(wanted, plan.mended).takes_maps_only:
        found = f"{plan.mended}, and the layers after it take maps"
        return Plan(plan.written, None, (Fault(Kind.MISPLACED, found, "a flatten before the linear layers"),))
    return plan
