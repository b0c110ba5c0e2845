"""A model set against the layers of a config: what is missing, extra, or another, each said once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from vgg_profile.core.counts import Count
from vgg_profile.diagnose.draft import Family, Kind, Written
from vgg_profile.diagnose.words import Call, Edit

_MISSING = {
    Family.NORM: Kind.NO_NORM,
    Family.ACTIVATION: Kind.NO_ACTIVATION,
    Family.FLATTEN: Kind.NO_FLATTEN,
}


@dataclass(frozen=True)
class Mismatch:
    """One difference: at a call, or before it where the config has a layer that the model lacks.

    ``edit`` takes it away, where a change of the model can.
    """

    call: Call | None
    kind: Kind
    layer: Written | None
    found: str
    fits: str
    edit: Edit | None = None


def compared(calls: Sequence[Call], wanted: Sequence[Written], label: str) -> list[Mismatch]:
    """Set the layers that are called against those of a config, in order."""
    pairs = [
        (call, layer) for call in calls for layer in call.layers or () if layer.family is not Family.OTHER
    ]
    pairs = [(call, layer) for call, layer in pairs if layer.family is not Family.IDENTITY]
    wanted, found = _of_one_order([layer for _, layer in pairs], list(wanted), label)
    body, head = _parted([layer for _, layer in pairs])
    their_body, their_head = _parted(wanted)
    last: list[Mismatch] = []
    if _linear(head) != _linear(their_head):
        calls_of_head = [call for call, _ in pairs[len(body) :]]
        last = [_head(calls_of_head, head, their_head, label)]
        pairs, wanted = pairs[: len(body)], their_body
    written = [layer for _, layer in pairs]
    place = 0
    for mine, theirs in _aligned(written, wanted):
        call = pairs[place][0] if place < len(pairs) else None
        difference = _difference_of(call, mine, theirs, label)
        place += mine is not None
        found += [difference] if difference else []
    return [*found, *last]


def _linear(layers: Sequence[Written]) -> int:
    return sum(layer.family is Family.LINEAR for layer in layers)


def _parted(layers: Sequence[Written]) -> tuple[list[Written], list[Written]]:
    """The convolutional part with its pools, and what comes after."""
    end = max(
        (
            place
            for place, layer in enumerate(layers, start=1)
            if layer.family in (Family.CONV, Family.POOL) and layer.arguments.get("kernel_size") != 1
        ),
        default=0,
    )
    while end < len(layers) and layers[end].family in (Family.NORM, Family.ACTIVATION):
        end += 1
    return list(layers[:end]), list(layers[end:])


def _head(calls: Sequence[Call], mine: Sequence[Written], theirs: Sequence[Written], label: str) -> Mismatch:
    return Mismatch(
        calls[0] if calls else None,
        Kind.HEAD,
        None,
        ", ".join(map(str, mine)) or "no layer after the last block",
        f"{', '.join(map(str, theirs))}, as in {label}",
    )


def _of_one_order(
    mine: Sequence[Written], theirs: list[Written], label: str
) -> tuple[list[Written], list[Mismatch]]:
    """The config's layers in the model's order, if that has its norms after its activations throughout."""
    ours = [(one.family, after.family) for one, after in pairwise(mine)]
    if (Family.ACTIVATION, Family.NORM) not in ours or (Family.NORM, Family.ACTIVATION) in ours:
        return theirs, []
    swapped, is_other = list(theirs), False
    for place, (one, after) in enumerate(pairwise(theirs)):
        if (one.family, after.family) == (Family.NORM, Family.ACTIVATION):
            swapped[place], swapped[place + 1] = after, one
            is_other = True
    if not is_other:
        return theirs, []
    found, fits = "each norm stands after its activation", f"before it, as in {label}"
    return swapped, [Mismatch(None, Kind.ORDER, None, found, fits)]


_Pair = tuple[Written | None, Written | None]

_GAP = 6
"""The price of a layer that only one side has: more than any difference between two of a family."""


def _aligned(mine: Sequence[Written], theirs: Sequence[Written]) -> Iterator[_Pair]:
    """Pair two lists up in order at the least price; of equal ways, the one that pairs early layers.

    A way that leaves ``n`` layers of the two lists without a pair costs ``n`` gaps at least. So ways that
    leave few are tried first, and the best of them is the best of all once its price is no more than the next
    would cost (Ukkonen 1985): the work is the length times the difference.
    """
    alone = abs(len(mine) - len(theirs)) + 2
    while True:
        price = _prices(mine, theirs, alone)
        if price[0][0] <= _GAP * (alone + 1) or alone > len(mine) + len(theirs):
            break
        alone *= 2
    i = j = 0
    while i < len(mine) and j < len(theirs):
        own = price[i][j]
        if own == price[i + 1].get(j + 1, _NEVER) + _difference(mine[i], theirs[j]):
            yield mine[i], theirs[j]
            i, j = i + 1, j + 1
        elif own == price[i + 1].get(j, _NEVER) + _GAP:
            yield mine[i], None
            i += 1
        else:
            yield None, theirs[j]
            j += 1
    yield from ((layer, None) for layer in mine[i:])
    yield from ((None, layer) for layer in theirs[j:])


_NEVER = 2**62
"""The price of a way that is not looked at."""


def _prices(mine: Sequence[Written], theirs: Sequence[Written], alone: int) -> list[dict[int, int]]:
    """``price[i][j]`` is that of the ends from i and j on, where at most so many layers are ``alone``.

    Needleman and Wunsch 1970, in the band that such ways stay in.
    """
    rows, columns = len(mine), len(theirs)
    price: list[dict[int, int]] = [{} for _ in range(rows + 1)]
    for i in range(rows, -1, -1):
        below = price[i + 1] if i < rows else {}
        row, right = price[i], _NEVER
        for j in range(min(columns, i + alone), max(0, i - alone) - 1, -1):
            if i == rows or j == columns:
                own = _GAP * (rows - i + columns - j)
            else:
                paired = below.get(j + 1, _NEVER) + _difference(mine[i], theirs[j])
                own = min(paired, below.get(j, _NEVER) + _GAP, right + _GAP)
            row[j] = right = own
    return price


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


def _difference_of(
    call: Call | None, mine: Written | None, theirs: Written | None, label: str
) -> Mismatch | None:
    """One pair: the config's word stands, but for what must fit whatever arrives."""
    if mine is None:
        assert theirs is not None
        kind = _MISSING.get(theirs.family, Kind.NO_LAYER)
        found, fits = f"no {theirs.family} here", f"{label} has one"
        edit = (
            Edit(call.site, "insert", kind, theirs, found, fits) if call and call.module is not None else None
        )
        return Mismatch(call, kind, theirs, found, fits, edit)
    assert call is not None
    is_module = call.module is not None
    if theirs is None:
        found, fits = str(mine), f"{label} has none here"
        edit = Edit(call.site, "skip", Kind.EXTRA, None, found, fits, "remove it")
        return Mismatch(call, Kind.EXTRA, None, found, fits, edit)
    fits = f"{theirs}, as in {label}"
    other = {"name"} if mine.name != theirs.name else _other_arguments(mine, theirs) - _IN
    if not other:
        return None
    kind = Kind.WIDTH if other & _OUT else Kind.SETTING
    kept = {key: value for key, value in mine.arguments.items() if key in _IN | _ALIKE}
    fixed = theirs if mine.name != theirs.name else theirs.with_arguments(**kept)
    fixed = replace(fixed, module=mine.module, line=mine.line, call=mine.call)
    edit = Edit(call.site, "write", kind, fixed, str(mine), fits) if is_module else None
    return Mismatch(call, kind, fixed, str(mine), fits, edit)
