"""Layers set against those of a config: what is missing, extra, or another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from vgg_profile.core.counts import Count, product
from vgg_profile.diagnose.draft import Fault, Kind, Written
from vgg_profile.diagnose.plan import Plan, missing
from vgg_profile.predict.vgg import layers, spelled_out
from vgg_profile.predict.vgg.configs import Config


def by_config(written: Sequence[Written], config: Config) -> list[Plan]:
    """Set the layers against those of a config: what is missing, extra, or another."""
    wanted = [as_written(module.layer) for module in spelled_out.modules(config)]
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
        return missing(theirs, f"{label} has one")
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
    return Plan(mine, _in_place(theirs.with_arguments(**kept), mine), (Fault(kind, str(mine), fits),))


def _in_place(layer: Written, of: Written) -> Written:
    return replace(layer, module=of.module, line=of.line)


def as_written(layer: layers.Layer) -> Written:
    """A layer of a config as one would write it for PyTorch.

    >>> print(as_written(layers.Conv2d(3, 64)))
    Conv2d(3, 64, 3, padding=1)
    """
    match layer:
        case layers.Conv2d(inputs, outputs, kernel):
            sizes = {"in_channels": inputs, "out_channels": outputs, "kernel_size": kernel}
            return Written("Conv2d", sizes | ({"padding": kernel // 2} if kernel > 1 else {}))
        case layers.BatchNorm2d(channels):
            return Written("BatchNorm2d", {"num_features": channels})
        case layers.ReLU(in_place):
            return Written("ReLU", {"inplace": True} if in_place else {})
        case layers.LocalResponseNorm(size, alpha, _, k):
            return Written("LocalResponseNorm", {"size": size, "alpha": alpha * size, "k": k})
        case layers.MaxPool2d():
            return Written("MaxPool2d", {"kernel_size": layer.kernel, "stride": layer.stride})
        case layers.AdaptiveAvgPool2d(size):
            return Written("AdaptiveAvgPool2d", {"output_size": size})
        case layers.Linear():
            fan_in = product(*layer.fan_in)
            return Written("Linear", {"in_features": fan_in, "out_features": layer.out_features})
        case layers.Dropout():
            return Written("Dropout")
    return Written("Flatten")
