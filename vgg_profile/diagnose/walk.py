"""The walk: every layer meets what arrives, is mended where it does not fit, and the walk goes on.

It takes the layers as they were written and never stops. What comes after a defect meets the mended layer, so
one mistake is told once. Who is wrong where two layers disagree is decided by the config that the model is
like or, without one, by the neighbours:

* the width of a layer is what most of those say who meet at its output: itself, its norm, the next layer. If
  they are split, the other convolutions of the block have the vote, and then the layer itself. A layer has a
  second vote if its block has another of its width, which that one's norm or successor bears out;
* a norm or an activation is missing where at least twice as many layers of the kind have one as lack one;
  where it is a close thing, it is remarked upon and left. So is a padding that most have, if no layer further
  on counts on its absence;
* everything else takes what arrives: in-channels, a norm's width, a linear layer's fan-in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from math import gcd, isqrt, prod

from vgg_profile.core import units
from vgg_profile.core.counts import Count, plain, product
from vgg_profile.core.errors import InputError, excerpt
from vgg_profile.core.setting import LARGEST
from vgg_profile.core.sizes import Shape
from vgg_profile.diagnose.defects import Fault, Kind, placed
from vgg_profile.diagnose.draft import Draft
from vgg_profile.diagnose.findings import Diagnosis, Step
from vgg_profile.diagnose.plan import Plan, by_config, by_neighbours
from vgg_profile.diagnose.written import KNOWN, Family, Written
from vgg_profile.predict.vgg.configs import Config
from vgg_profile.predict.vgg.walk import walk


def diagnose(
    draft: Draft,
    input: Shape,  # noqa: A002 - the word that users know
    like: Config | None = None,
    subject: str = "the model",
) -> Diagnosis:
    """Walk a draft on an input (C, H, W) and mend what does not fit; ``like`` is the config it should be.

    Raises ``InputError`` for a layer that is not known here, and for an image too small for ``like``.

    >>> conv = Written("Conv2d", {"in_channels": 3, "out_channels": 8, "kernel_size": 3, "padding": 1})
    >>> norm = Written("BatchNorm2d", {"num_features": 64}, module="1", line=7)
    >>> found = diagnose(Draft((conv, norm, Written("ReLU"))), (3, 32, 32))
    >>> [(each.place, each.line, each.found, each.mend) for each in found.defects]
    [('bn1_1', 7, 'BatchNorm2d(64), and 8 channels arrive', 'nn.BatchNorm2d(8)')]
    """
    for layer in draft.layers:
        check_known(layer)
    remarks: list[str] = []
    if like is None:
        steps, remarks = _by_neighbours(draft, input)
        remarks += _hints(draft, input, steps)
    else:
        walk(like, input=input)  # refuses an image too small for it
        plans = by_config(draft.layers, like)
        steps = tuple(_walk(plans, input, by_vote=False))
        remarks += [*_other_classes(steps, like), *_without_idle_pool(plans, steps, like)]
    return Diagnosis(subject, input, draft, like, steps, (*draft.remarks, *remarks))


def _by_neighbours(draft: Draft, shape: Shape) -> tuple[tuple[Step, ...], list[str]]:
    """The walk without a config; what is without padding stays so, if a layer further on counts on it."""
    found = {}
    for pad in (True, False):
        plans, remarks = by_neighbours(draft.layers, pad=pad)
        steps = tuple(_walk(plans, shape, by_vote=True))
        found[pad] = steps, remarks
    others = [fault for step in found[True][0] for fault in step.faults if fault.kind is not Kind.PADDING]
    plain = [fault for step in found[False][0] for fault in step.faults]
    return found[len(others) <= len(plain)]


_SIDES = (28, 32, 48, 64, 96, 128, 160, 192, 224, 227, 256, 299)
"""Image sizes that models are made for."""

_OF_THE_INPUT = (Kind.IN_CHANNELS, Kind.FAN_IN, Kind.FLATTEN, Kind.NOTHING_LEFT)


def _hints(draft: Draft, shape: Shape, steps: Sequence[Step]) -> Iterator[str]:
    """Another input, if the model as it is written takes that and not this one."""
    if not any(_misfits(steps)):
        return
    convs = [layer for layer in draft.layers if layer.family is Family.CONV]
    channels = convs[0].size("in_channels") if convs else shape[0]
    for sides in (shape[1:], *((side, side) for side in _SIDES)):
        other = (channels, *sides)
        if other != shape and not any(_misfits(_by_neighbours(draft, other)[0])):
            yield (
                f"It takes images of {units.shape(other)} as it is written: "
                f"if those are meant, try --input {'x'.join(map(str, other))}."
            )
            return


def _misfits(steps: Iterable[Step]) -> Iterator[Fault]:
    return (fault for step in steps for fault in step.faults if fault.kind in _OF_THE_INPUT)


def _other_classes(steps: Sequence[Step], like: Config) -> Iterator[str]:
    """What to type, if the model tells other classes apart than the config."""
    linear = [step for step in steps if step.written and step.written.family is Family.LINEAR]
    own = linear[-1].written.size("out_features") if linear and linear[-1].written else like.classes
    if linear and linear[-1].mended and own != like.classes:
        yield f"If {own:,} classes are meant, and not {like.classes:,}, try --classes {own}."


def check_known(layer: Written) -> None:
    """Refuse a layer whose shapes are not known here."""
    if layer.name not in KNOWN:
        where = f" (line {layer.line})" if layer.line else ""
        raise InputError(
            f"{excerpt(layer.module)[1:-1]}{where} is a {excerpt(layer.name)[1:-1]}, "
            "whose shapes are not known here.",
            f"Known are {', '.join(KNOWN)}.",
        )


def gone_through(layer: Written, shape: Shape) -> tuple[Shape, bool]:
    """What leaves a layer once mended, by itself, and whether it fitted as it was written.

    >>> gone_through(Written("Linear", {"in_features": 9, "out_features": 5}), (4, 2, 2))
    ((5,), False)
    """
    fits = True
    if layer.family is Family.LINEAR and len(shape) > 1:
        shape, fits = (prod(shape),), False
    mended, faults = _fitted(layer, layer, shape, shape)
    return (mended.output_shape(shape) if mended else shape), fits and not faults


# -- the walk


def _walk(plans: Sequence[Plan], shape: Shape, *, by_vote: bool) -> Iterator[Step]:
    """Go on as if mended: each layer meets what the mended ones before it give."""
    after, factors = "the input", shape
    unique = _Unique()
    first: dict[str, Step] = {}  # the layers with weights, by module
    for place, (plan, name) in enumerate(zip(plans, _names(plans), strict=True)):
        written, layer, faults = plan.written, plan.mended, [*_seen(plan), *plan.faults]
        if _is_missing_pool(plan) and layer and layer.output_shape(shape) == shape:
            continue  # it would change nothing here; a remark tells
        name = unique(name) if layer else name
        own = placed(name, written.module, written.line) if written else name
        if len(shape) > 1:
            factors = shape  # a row's working, once the map is flattened
        if layer is not None and layer.family is Family.LINEAR and len(shape) > 1:
            shape = (prod(factors),)
            lacking = Fault(
                Kind.NO_FLATTEN, f"{own} meets a map, {units.shape(factors)}", "one row of values"
            )
            added = unique("flatten")
            yield Step(added, None, Written("Flatten"), shape, (lacking,), after)
            after = added
        earlier = first.get(written.module) if written and _has_weights(written) else None
        again: list[Fault] = []
        if earlier and earlier.mended and layer and layer == written:
            layer = replace(earlier.mended, call=layer.call)
        if layer is not None:
            layer, more = _fitted(layer, written or layer, shape, factors)
            again += more if written else []
        if layer is not None:
            if by_vote and layer.is_weighted and earlier is None:
                layer, more = _voted(layer, shape, plans, place)
                again += more
            shape = layer.output_shape(shape)
            factors = shape if layer.family is Family.LINEAR else factors
        shares = ""
        if earlier and layer is not None:
            if by_vote and not again:
                shares = earlier.name
            else:
                again = [_of_its_own(layer, earlier, fault) for fault in again or (None,)]
        step = Step(name, written, layer, shape, (*faults, *again), after, shares)
        yield step
        if written and _has_weights(written) and layer is not None:
            first.setdefault(written.module, step)
        after = after if layer is None else own


def _is_missing_pool(plan: Plan) -> bool:
    return plan.written is None and plan.family is Family.ADAPTIVE


def _without_idle_pool(plans: Sequence[Plan], steps: Sequence[Step], like: Config) -> Iterator[str]:
    """The paper's networks have no adaptive pool: it is torchvision's, and takes images of other sizes."""
    has_told = any(
        step.written is None and step.mended.family is Family.ADAPTIVE for step in steps if step.mended
    )
    if any(map(_is_missing_pool, plans)) and not has_told:
        yield (
            f"{like.label} has an adaptive pool before its classifier, as torchvision's networks have. At "
            "this image size it changes nothing, so it is not missed; images of another size need it."
        )


class _Unique:
    """Makes names unique: ``relu1_1``, ``relu1_1_2``."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()

    def __call__(self, name: str) -> str:
        self._taken[name] += 1
        return name if self._taken[name] == 1 else f"{name}_{self._taken[name]}"


def _seen(plan: Plan) -> tuple[Fault, ...]:
    """What was seen when a layer was called."""
    return plan.written.faults if plan.written else ()


def _has_weights(written: Written) -> bool:
    return written.is_registered and written.parameters > 0


def _of_its_own(layer: Written, earlier: Step, fault: Fault | None) -> Fault:
    """A call that cannot use an earlier one's weights, since it needs others, or since the config has two."""
    if fault is None:
        fault = Fault(Kind.REUSED, f"{layer.module} is the layer of {earlier.name} too", "a layer of its own")
    return replace(fault, mend=f"make a layer of its own for this call: nn.{layer}", line=layer.call)


_NORMS = {"GroupNorm": "gn", "InstanceNorm2d": "in"}


def _names(plans: Sequence[Plan]) -> Iterator[str]:
    """The paper's names, as ``network`` gives them: ``conv3_2``, ``bn3_2``, ``pool3``, ``fc6``, ``relu6``.

    A layer that goes has none; it is called by its class.
    """
    block, convs, norms, number = 1, 0, 0, 0
    of = "0"
    for plan in plans:
        if plan.mended is None:
            assert plan.written is not None
            yield plan.written.name.lower()
            continue
        match plan.mended.family:
            case Family.CONV:
                convs += 1
                of = f"{block}_{convs}"
                yield f"conv{of}"
            case Family.POOL:
                yield f"pool{block}"
                block, convs, norms = block + 1, 0, 0
            case Family.LINEAR:
                number = number + 1 if number else block + bool(convs or norms)
                of = str(number)
                yield f"fc{of}"
            case Family.NORM if plan.mended.name == "LocalResponseNorm":
                norms += 1
                yield f"lrn{block}_{norms}"
            case Family.NORM:
                yield f"{_NORMS.get(plan.mended.name, 'bn')}{of}"
            case Family.ACTIVATION:
                name = plan.mended.name.lower()
                yield f"{name}_{of}" if name[-1].isdigit() else f"{name}{of}"
            case Family.DROPOUT:
                yield f"drop{of}"
            case Family.ADAPTIVE:
                yield "avgpool" if plan.mended.name == "AdaptiveAvgPool2d" else "maxpool"
            case _:
                yield plan.mended.name.lower()


def _voted(layer: Written, shape: Shape, plans: Sequence[Plan], place: int) -> tuple[Written, list[Fault]]:
    """The layer with the width that most of those say who meet at its output."""
    key = "out_channels" if layer.family is Family.CONV else "out_features"
    own = layer.size(key)
    following = [plan.written for plan in plans[place + 1 :] if plan.written and plan.mended]
    groups = layer.size("groups", 1)
    said = Counter([own, *(width for width in _said(layer, shape, following) if width % groups == 0)])
    mates = Counter(_mates(plans, place))
    said[own] += own in _mates(plans, place, are_sure=True)
    width = max(said, key=lambda claim: (said[claim], mates[claim], claim == own))
    if width == own:
        return layer, []
    found = f"{plans[place].written}, and its neighbours are made for {width:,}"
    return layer.mended(**{key: width}), [Fault(Kind.WIDTH, found, f"a width of {width:,}")]


def _said(layer: Written, shape: Shape, following: Iterable[Written]) -> Iterator[int]:
    """The widths that a layer's norms and the next layer with weights are made for."""
    shape = layer.output_shape(shape)
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
                shape = each.output_shape(shape)
                if min(shape) < 1:
                    return


def _mates(plans: Sequence[Plan], place: int, *, are_sure: bool = False) -> Iterator[int]:
    """The widths of the other convolutions between the same two pools; those alone that another layer
    bears out, if ``are_sure``.
    """
    if plans[place].family is not Family.CONV:
        return
    for side in (reversed(range(place)), range(place + 1, len(plans))):
        for other in side:
            plan = plans[other]
            if plan.family is Family.POOL:
                break
            if plan.mended and plan.family is Family.CONV:
                width = plan.mended.size("out_channels")
                following = [each.written for each in plans[other + 1 :] if each.written and each.mended]
                if not are_sure or width in _said(plan.mended, (1, LARGEST, LARGEST), following):
                    yield width


_Fitted = tuple[Written | None, list[Fault]]


def _fitted(layer: Written, written: Written, shape: Shape, factors: Shape) -> _Fitted:
    """A layer made to take what arrives, and what was wrong with it as it was written."""
    if len(shape) == 1 and layer.takes_maps_only:
        return None, [Fault(Kind.MISPLACED, f"{written}, and a row of {shape[0]:,} values arrives", "a map")]
    match layer.family:
        case Family.CONV:
            return _with_something_left(*_conv(layer, written, shape[0]), written, shape)
        case Family.POOL:
            return _with_something_left(layer, [], written, shape)
        case Family.NORM:
            return _norm(layer, written, shape)
        case Family.FLATTEN:
            return _flatten(layer, written, shape, factors)
        case Family.LINEAR:
            return _linear(layer, written, factors)
    return layer, []


def _conv(layer: Written, written: Written, channels: int) -> tuple[Written, list[Fault]]:
    if layer.size("in_channels") == channels:
        return layer, []
    arriving = units.plural(channels, "channel")
    fault = Fault(Kind.IN_CHANNELS, f"{written}, and {_arrive(channels)}", arriving)
    mended = layer.mended(in_channels=channels)
    groups, outputs = layer.size("groups", 1), layer.size("out_channels")
    if groups == layer.size("in_channels") and outputs % channels == 0 and groups > 1:
        mended = mended.mended(groups=channels)  # each channel by itself, as before
    elif channels % groups:
        plain_ = {key: value for key, value in mended.arguments.items() if key != "groups"}
        mended = replace(mended, arguments=plain_)
    return mended, [fault]


def _arrive(channels: int) -> str:
    return f"{units.plural(channels, 'channel')} arrive{'s' if channels == 1 else ''}"


def _norm(layer: Written, written: Written, shape: Shape) -> _Fitted:
    """A norm's width is the number of channels, and a batch norm's class tells maps from rows."""
    key = layer.width_key
    if key is None:
        return layer, []
    mended = layer
    if layer.name.startswith("BatchNorm"):
        mended = replace(layer, name="BatchNorm2d" if len(shape) > 1 else "BatchNorm1d")
    if layer.size(key) != shape[0]:
        mended = mended.mended(**{key: shape[0]})
    if "num_groups" in layer.arguments:
        mended = mended.mended(num_groups=gcd(layer.size("num_groups"), shape[0]))
    if mended == layer:
        return layer, []
    found, kind = f"{written}, and {_arrive(shape[0])}", Kind.NORM_WIDTH
    if mended.name != layer.name:
        arriving = f"a map, {units.shape(shape)}," if len(shape) > 1 else f"a row of {shape[0]:,} values"
        found, kind = f"{written}, and {arriving} arrives", Kind.MISPLACED
    return mended, [Fault(kind, found, f"a {mended.name} of {units.plural(shape[0], 'channel')}")]


def _flatten(layer: Written, written: Written, shape: Shape, factors: Shape) -> _Fitted:
    """Everything but the images stands in one row, as long as what arrives."""
    arriving = product(*factors)
    mended = replace(layer, arguments={})
    if "squeezed" in layer.arguments:
        found = f"{written}, which drops the batch as well where it is one image"
        return mended, [Fault(Kind.FLATTEN, found, "one row an image, whatever the batch")]
    if "sizes" in layer.arguments:
        sizes = layer.arguments["sizes"]
        fixed = f"which fixes the batch at {sizes[0]}" if len(sizes) == 2 else "which gives no row an image"
        return mended, [Fault(Kind.FLATTEN, f"{written}, {fixed}", "one row an image, whatever the batch")]
    if "row" in layer.arguments:
        if layer.size("row") == arriving.value:
            return mended, []
        row = _as_map(layer.size("row"), factors[0])
        return mended, [Fault(Kind.FLATTEN, f"{written}: {_worked(row)}", _worked(arriving))]
    sides = len(shape) + 1
    first, last = layer.size("start_dim", 1), layer.size("end_dim", -1)
    if first % sides == 1 and last % sides == sides - 1:
        return layer, []
    found = f"{written}, which does not give one row an image"
    return replace(layer, arguments={}), [Fault(Kind.FLATTEN, found, "dimension 1 to the last")]


def _linear(layer: Written, written: Written, factors: Shape) -> _Fitted:
    arriving, own = product(*factors), layer.size("in_features")
    if own == arriving.value:
        return layer, []
    found = f"{written}: {_worked(_as_map(own, factors[0]))}, and {_worked(arriving)} arrive"
    return layer.mended(in_features=arriving), [Fault(Kind.FAN_IN, found, _worked(arriving))]


def _as_map(features: int, channels: int) -> Count:
    """A fan-in as the square map that it was probably worked out for.

    >>> _as_map(32768, 512).working, _as_map(1000, 512).working
    ('512*8*8', '1000')
    """
    side = isqrt(features // channels)
    return product(channels, side, side) if side > 1 and channels * side**2 == features else plain(features)


def _worked(count: Count) -> str:
    return f"{count.value:,}" if count.is_plain else f"{count.working} = {count.value:,}"


def _with_something_left(layer: Written, faults: list[Fault], written: Written, shape: Shape) -> _Fitted:
    """A convolution that would leave nothing of the map is padded; a pool that would goes."""
    if min(layer.output_shape(shape)) > 0:
        return layer, faults
    map_ = units.shape(shape[1:])
    fault = Fault(
        Kind.NOTHING_LEFT, f"{written}, and a map of {map_} arrives", "a larger map, or no such layer"
    )
    if layer.family is Family.CONV:
        kernels, dilations = layer.pair("kernel_size", 1), layer.pair("dilation", 1)
        height, width = (d * (k - 1) // 2 for k, d in zip(kernels, dilations, strict=True))
        padded = layer.mended(padding=height if height == width else [height, width])
        if min(padded.output_shape(shape)) > 0:
            return padded, [*faults, fault]
    return None, [*faults, fault]
