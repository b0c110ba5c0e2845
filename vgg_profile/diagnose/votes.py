"""Who is wrong where two layers disagree about a width, and no config decides: a vote.

The width of a layer is what most of those say who meet at its output: itself, its norm, the next layer with
weights. If they are split, the other convolutions of the block have the vote, and then the layer itself. A
layer has a second vote if its block has another of its width, which that one's norm or successor confirms.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from math import prod

from vgg_profile.core.setting import LARGEST
from vgg_profile.core.sizes import Shape
from vgg_profile.diagnose.draft import Family, Fault, Kind, Written
from vgg_profile.diagnose.fit import Fitted
from vgg_profile.diagnose.formulas import output_shape
from vgg_profile.diagnose.names import block_of
from vgg_profile.diagnose.plan import Plan


def voted(layer: Written, shape: Shape, plans: Sequence[Plan], place: int) -> Fitted:
    """The layer with weights at a place, with the width that the vote gives it; ``shape`` arrives there."""
    key = "out_channels" if layer.family is Family.CONV else "out_features"
    own, groups = layer.size(key), layer.size("groups", 1)
    said = Counter([own, *(width for width in _said(layer, shape, plans, place) if width % groups == 0)])
    others = _other_convolutions(plans, place)
    block = Counter(_width(plans[other]) for other in others)
    said[own] += any(_width(plans[other]) == own and _is_confirmed(plans, other) for other in others)
    width = max(said, key=lambda claim: (said[claim], block[claim], claim == own))
    if width == own:
        return Fitted(layer)
    found = f"{plans[place].written}, and its neighbours are made for {width:,}"
    return Fitted(layer.with_arguments(**{key: width}), (Fault(Kind.WIDTH, found, f"a width of {width:,}"),))


def _said(layer: Written, shape: Shape, plans: Sequence[Plan], place: int) -> Iterator[int]:
    """The widths that a layer's norms and the next layer with weights are made for."""
    following = (plan.written for plan in plans[place + 1 :] if plan.written and plan.fixed)
    return _widths_wanted(output_shape(layer, shape), following)


def _widths_wanted(shape: Shape, following: Iterable[Written]) -> Iterator[int]:
    for each in following:
        plane = prod(shape[1:])
        match each.family:
            case Family.CONV:
                yield each.size("in_channels")
                return
            case Family.LINEAR:
                if each.size("in_features") % plane == 0:
                    yield each.size("in_features") // plane
                return
            case Family.NORM if key := each.width_key:
                yield each.size(key)
            case Family.POOL | Family.ADAPTIVE if len(shape) > 1:
                shape = output_shape(each, shape)
                if min(shape) < 1:
                    return


def _other_convolutions(plans: Sequence[Plan], place: int) -> list[int]:
    """Where the other convolutions of a convolution's block stand."""
    if plans[place].family is not Family.CONV:
        return []
    blocks = block_of(plans)
    return [
        other
        for other, plan in enumerate(plans)
        if other != place and plan.family is Family.CONV and blocks[other] == blocks[place]
    ]


def _width(plan: Plan) -> int:
    return plan.fixed.size("out_channels") if plan.fixed else 0


def _is_confirmed(plans: Sequence[Plan], place: int) -> bool:
    """Whether a convolution's norm or successor is made for its width."""
    plan = plans[place]
    return plan.fixed is not None and _width(plan) in _said(plan.fixed, (1, LARGEST, LARGEST), plans, place)
