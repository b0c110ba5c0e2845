"""The walk: every layer meets what arrives, is fixed where it does not fit, and the walk goes on.

It takes the layers as they were written and never stops. What comes after a defect meets the fixed layer, so
one mistake is reported once. Who is wrong where two layers disagree is decided by the config that the model
should be (``against``) or, without one, by the layers around it (``neighbours``, ``votes``). Everything else
takes what arrives: in-channels, a norm's width, a linear layer's fan-in (``fit``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from vgg_profile.core import units
from vgg_profile.core.sizes import Shape
from vgg_profile.diagnose.against import by_config
from vgg_profile.diagnose.draft import Draft, Family, Fault, Kind, Written, located
from vgg_profile.diagnose.findings import Diagnosis, Visit
from vgg_profile.diagnose.fit import Arriving, Fitted, check_known, fitted
from vgg_profile.diagnose.formulas import output_shape, parameters
from vgg_profile.diagnose.names import Unique, block_of, paper_names
from vgg_profile.diagnose.neighbours import by_neighbours
from vgg_profile.diagnose.plan import Plan
from vgg_profile.diagnose.votes import voted
from vgg_profile.predict.vgg.configs import Config
from vgg_profile.predict.vgg.walk import walk


def diagnose(
    draft: Draft,
    input: Shape,  # noqa: A002 - the word that users know
    like: Config | None = None,
    subject: str = "the model",
) -> Diagnosis:
    """Walk a draft on an input (C, H, W) and fix what does not fit; ``like`` is the config it should be.

    Raises ``InputError`` for a layer that is not known here, and for an image too small for ``like``.

    >>> conv = Written("Conv2d", {"in_channels": 3, "out_channels": 8, "kernel_size": 3, "padding": 1})
    >>> norm = Written("BatchNorm2d", {"num_features": 64}, module="1", line=7)
    >>> found = diagnose(Draft((conv, norm, Written("ReLU"))), (3, 32, 32))
    >>> [(each.place, each.line, each.found, each.fix) for each in found.defects]
    [('bn1_1', 7, 'BatchNorm2d(64), and 8 channels arrive', 'nn.BatchNorm2d(8)')]
    """
    for layer in draft.layers:
        check_known(layer)
    if like is None:
        visits, close_calls = _by_neighbours(draft, input)
        remarks = [*close_calls, *_other_inputs(draft, input, visits)]
    else:
        walk(like, input=input)  # refuses an image too small for it
        plans = by_config(draft.layers, like)
        visits = _visits(plans, input, by_vote=False)
        remarks = [*_other_classes(visits, like), *_unneeded_pool(plans, visits, like)]
    return Diagnosis(subject, input, draft, like, visits, (*draft.remarks, *remarks))


_Visits = tuple[Visit, ...]


def _by_neighbours(draft: Draft, shape: Shape) -> tuple[_Visits, list[str]]:
    """The walk without a config; what is without padding stays so, if a layer further on counts on it."""
    padded, padded_remarks = by_neighbours(draft.layers, pad=True)
    as_it_is, remarks = by_neighbours(draft.layers, pad=False)
    with_padding = _visits(padded, shape, by_vote=True)
    without = _visits(as_it_is, shape, by_vote=True)
    others = [fault for fault in _faults(with_padding) if fault.kind is not Kind.PADDING]
    if len(others) <= len(list(_faults(without))):
        return with_padding, padded_remarks
    return without, remarks


def _faults(visits: Iterable[Visit]) -> Iterator[Fault]:
    return (fault for visit in visits for fault in visit.faults)


# -- the walk


def _visits(plans: Sequence[Plan], shape: Shape, *, by_vote: bool) -> _Visits:
    return tuple(_Walk(plans, shape, by_vote=by_vote).visits())


class _Walk:
    """Goes on as if fixed: each layer meets what the fixed ones before it give."""

    def __init__(self, plans: Sequence[Plan], shape: Shape, *, by_vote: bool) -> None:
        self.plans, self.by_vote = plans, by_vote
        self.arriving = Arriving(shape, shape)
        self.after = "the input"
        self.unique = Unique()
        self.first_calls: dict[str, Visit] = {}  # of the layers with weights, by module

    def visits(self) -> Iterator[Visit]:
        turns = zip(self.plans, paper_names(self.plans), block_of(self.plans), strict=True)
        for place, (plan, name, block) in enumerate(turns):
            if plan.fixed is None:
                yield Visit(
                    name, plan.written, None, self.arriving.shape, block, _known_before(plan), self.after
                )
            elif not self._is_unneeded(plan):
                yield from self._meet(place, plan, plan.fixed, name, block)

    def _is_unneeded(self, plan: Plan) -> bool:
        """A missing adaptive pool that would change nothing here; a remark says so."""
        if plan.fixed is None or not _is_missing_pool(plan) or not self.arriving.is_map:
            return False
        return output_shape(plan.fixed, self.arriving.shape) == self.arriving.shape

    def _meet(self, place: int, plan: Plan, planned: Written, name: str, block: int) -> Iterator[Visit]:
        """A layer meets what arrives; a flatten is inserted before a linear layer that meets a map."""
        written, name = plan.written, self.unique(name)
        own = located(name, written.module, written.line) if written else name
        if planned.family is Family.LINEAR and self.arriving.is_map:
            yield self._flatten(own, block)
        earlier = self.first_calls.get(written.module) if written else None
        if earlier and earlier.fixed and planned == written:
            planned = replace(earlier.fixed, call=planned.call)  # as it was fixed at its first call
        layer, faults = self._fitted(place, plan, planned, is_first=earlier is None)
        shares = ""
        if earlier and layer:
            if self.by_vote and not faults:
                shares = earlier.name
            else:
                faults = tuple(_of_its_own(layer, earlier, fault) for fault in faults or (None,))
        before = self.after
        if layer:
            self.arriving, self.after = self.arriving.after(layer), own
        output = self.arriving.shape
        visit = Visit(name, written, layer, output, block, (*_known_before(plan), *faults), before, shares)
        if layer and written and written.is_registered and parameters(written):
            self.first_calls.setdefault(written.module, visit)
        yield visit

    def _fitted(self, place: int, plan: Plan, planned: Written, *, is_first: bool) -> Fitted:
        """A layer that takes what arrives; at its first call the vote may change its width."""
        layer, faults = fitted(planned, plan.written or planned, self.arriving)
        if plan.written is None:
            faults = ()  # a missing layer is one defect, whatever arrives
        if layer and self.by_vote and layer.is_weighted and is_first:
            layer, more = voted(layer, self.arriving.shape, self.plans, place)
            faults = (*faults, *more)
        return Fitted(layer, faults)

    def _flatten(self, own: str, block: int) -> Visit:
        """The flatten that is missing before a linear layer."""
        found = f"{own} meets a map, {units.shape(self.arriving.factors)}"
        fault = Fault(Kind.NO_FLATTEN, found, "one row of values")
        name, before = self.unique("flatten"), self.after
        self.arriving, self.after = self.arriving.flattened(), name
        return Visit(name, None, Written("Flatten"), self.arriving.shape, block, (fault,), before)


def _known_before(plan: Plan) -> tuple[Fault, ...]:
    """What was seen when a layer was called, and what its plan says."""
    return (*(plan.written.faults if plan.written else ()), *plan.faults)


def _of_its_own(layer: Written, earlier: Visit, fault: Fault | None) -> Fault:
    """A call that cannot use an earlier one's weights, since it needs others, or since the config has two."""
    if fault is None:
        fault = Fault(Kind.REUSED, f"{layer.module} is the layer of {earlier.name} too", "a layer of its own")
    return replace(fault, fix=f"make a layer of its own for this call: nn.{layer}", line=layer.call)


# -- remarks


_SIDES = (28, 32, 48, 64, 96, 128, 160, 192, 224, 227, 256, 299)
"""Image sizes that models are made for."""

_OF_THE_INPUT = (Kind.IN_CHANNELS, Kind.FAN_IN, Kind.FLATTEN, Kind.NOTHING_LEFT)


def _other_inputs(draft: Draft, shape: Shape, visits: _Visits) -> Iterator[str]:
    """Another input, if the model as it is written takes that and not this one."""
    if not _misfits(visits):
        return
    convs = [layer for layer in draft.layers if layer.family is Family.CONV]
    channels = convs[0].size("in_channels") if convs else shape[0]
    for sides in (shape[1:], *((side, side) for side in _SIDES)):
        other = (channels, *sides)
        if other != shape and not _misfits(_by_neighbours(draft, other)[0]):
            yield (
                f"It takes images of {units.shape(other)} as it is written: "
                f"if those are meant, try --input {'x'.join(map(str, other))}."
            )
            return


def _misfits(visits: _Visits) -> bool:
    return any(fault.kind in _OF_THE_INPUT for fault in _faults(visits))


def _other_classes(visits: _Visits, like: Config) -> Iterator[str]:
    """What to type, if the model tells other classes apart than the config."""
    linear = [visit for visit in visits if visit.written and visit.written.family is Family.LINEAR]
    own = linear[-1].written.size("out_features") if linear and linear[-1].written else like.classes
    if linear and linear[-1].fixed and own != like.classes:
        yield f"If {own:,} classes are meant, and not {like.classes:,}, try --classes {own}."


def _is_missing_pool(plan: Plan) -> bool:
    return plan.written is None and plan.family is Family.ADAPTIVE


def _unneeded_pool(plans: Sequence[Plan], visits: _Visits, like: Config) -> Iterator[str]:
    """The paper's networks have no adaptive pool: it is torchvision's, and takes images of other sizes."""
    is_reported = any(
        visit.written is None and visit.fixed.family is Family.ADAPTIVE for visit in visits if visit.fixed
    )
    if any(map(_is_missing_pool, plans)) and not is_reported:
        yield (
            f"{like.label} has an adaptive pool before its classifier, as torchvision's networks have. At "
            "this image size it changes nothing, so it is not missed; images of another size need it."
        )
