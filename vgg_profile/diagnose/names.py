"""The paper's names for the layers of a hand-written model: ``conv3_2``, ``bn3_2``, ``pool3``, ``fc6``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from vgg_profile.diagnose.draft import Family, Written
from vgg_profile.diagnose.plan import Plan


def block_of(plans: Sequence[Plan]) -> list[int]:
    """The block that each layer stands in, from 1; a pool ends its block.

    >>> conv, pool = (Plan(layer, layer) for layer in (Written("Conv2d"), Written("MaxPool2d")))
    >>> block_of([conv, conv, pool, conv])
    [1, 1, 1, 2]
    """
    blocks, block = [], 1
    for plan in plans:
        blocks.append(block)
        block += plan.family is Family.POOL
    return blocks


def paper_names(plans: Sequence[Plan]) -> Iterator[str]:
    """A name for each layer, as ``predict.vgg.spelled_out`` gives them; one that goes is called by its class.

    Two layers may be given one name: :class:`Unique` tells them apart.
    """
    own: Counter[Family] = Counter()  # within the block
    last, before, number = "0", 1, 0  # of the last layer with weights; the block; the last linear layer
    for plan, block in zip(plans, block_of(plans), strict=True):
        if block != before:
            own, before = Counter(), block
        layer = plan.fixed
        if layer is None:
            assert plan.written is not None, "a layer neither written nor fixed"
            yield plan.written.name.lower()
            continue
        if layer.family is Family.LINEAR:
            number = number + 1 if number else block + bool(own)
            last = str(number)
        elif layer.family is Family.CONV or layer.name == "LocalResponseNorm":
            own[layer.family] += 1
            if layer.family is Family.CONV:
                last = f"{block}_{own[Family.CONV]}"
        yield _name(layer, block, last, own[Family.NORM])


_NORMS = {"GroupNorm": "gn", "InstanceNorm2d": "in"}


def _name(layer: Written, block: int, last: str, norms: int) -> str:
    """A layer's name: after the layer with weights that it follows, unless it has a number of its own."""
    match layer.family:
        case Family.CONV:
            return f"conv{last}"
        case Family.POOL:
            return f"pool{block}"
        case Family.LINEAR:
            return f"fc{last}"
        case Family.NORM if layer.name == "LocalResponseNorm":
            return f"lrn{block}_{norms}"
        case Family.NORM:
            return f"{_NORMS.get(layer.name, 'bn')}{last}"
        case Family.ACTIVATION:
            name = layer.name.lower()
            return f"{name}_{last}" if name[-1].isdigit() else f"{name}{last}"
        case Family.DROPOUT:
            return f"drop{last}"
        case Family.ADAPTIVE:
            return "avgpool" if layer.name == "AdaptiveAvgPool2d" else "maxpool"
    return layer.name.lower()


class Unique:
    """Makes names unique: ``relu1_1``, ``relu1_1_2``."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()

    def __call__(self, name: str) -> str:
        self._taken[name] += 1
        return name if self._taken[name] == 1 else f"{name}_{self._taken[name]}"
