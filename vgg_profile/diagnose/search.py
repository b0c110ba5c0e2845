"""The cause: which few changes make the rest of the model fit as it is written.

The model is run with every misfit mended where it shows: the layer takes what arrives. Then each misfit is
asked whether an earlier layer explains it, and more with it: a width typed wrong, a padding forgotten, a call
of the wrong layer. Every such candidate is *run*; the one that leaves the fewest changes in all is the cause,
and of two as good the one that makes a layer more like the others. What is as good is said beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from torch import nn

from vgg_profile.core import units
from vgg_profile.core.sizes import Shape
from vgg_profile.diagnose.calls import class_name, is_layer
from vgg_profile.diagnose.clues import (
    arriving_width,
    dropped_ends,
    lacks_padding,
    lost_pools,
    odd_ones,
    producer_of,
    wanted_width,
    with_padding,
    written_widths,
)
from vgg_profile.diagnose.draft import Family, Kind, Written
from vgg_profile.diagnose.options import options, write
from vgg_profile.diagnose.run import Run
from vgg_profile.diagnose.words import Again, Call, Edit, Site, Subject

MOST_CALLS = 20_000
"""How many calls the candidates of one diagnosis may run together; then each misfit is mended where it is."""

SIDES = (28, 32, 48, 64, 96, 112, 128, 160, 192, 224, 227, 256, 299)
"""Image sizes that models are made for."""

_SPATIAL = (Kind.FAN_IN, Kind.NOTHING_LEFT, Kind.DOES_NOT_RUN)
_WIDTHS = (Kind.FAN_IN, Kind.IN_CHANNELS, Kind.NORM_WIDTH)


@dataclass(eq=False)
class Cause:
    """What is wrong: the changes, the call at which PyTorch would refuse, and other changes as good."""

    edits: Sequence[Edit]
    symptom: Site
    others: list[Sequence[Edit]] = field(default_factory=list)
    input: Shape | None = None
    """Another image that the model takes as it is written."""


@dataclass(frozen=True)
class _Candidate:
    edits: Sequence[Edit]
    rank: tuple[int, int]
    """Lower is likelier: first what makes a layer like its like; then by how often a width is written."""


@dataclass(frozen=True)
class Repair:
    """The causes in order, and the run in which all of them are mended."""

    causes: list[Cause]
    run: Run


def search(subject: Subject, shape: Shape, given: Sequence[Edit] = ()) -> Repair:
    """Mend a model with the fewest changes beside those ``given``, which say what its layers should be."""
    return _Search(subject, shape, given).found()


def needed(subject: Subject, shape: Shape, given: Sequence[Edit], found: Repair) -> list[Edit]:
    """Those of the edits ``given`` without which PyTorch would refuse the mended model."""
    mended = [edit for cause in found.causes for edit in cause.edits]
    needs, left = [], MOST_CALLS
    for edit in given:
        if edit.do != "write" and edit.kind is not Kind.NO_FLATTEN:
            continue
        if left < 0:
            break
        others = _Search(subject, shape, [each for each in [*given, *mended] if each is not edit])
        run, again = others.run(())
        left -= len(run.calls)
        if run.error is not None or run.mends or again:
            needs.append(edit)
    return needs


def _one_by_one(cause: Cause) -> list[Cause]:
    """The changes of one layer, each a finding; what is as good goes with the last."""
    *others, last = cause.edits
    return [
        *(Cause([edit], cause.symptom) for edit in others),
        Cause([last], cause.symptom, cause.others, cause.input),
    ]


class _Search:
    def __init__(self, subject: Subject, shape: Shape, given: Sequence[Edit]) -> None:
        self.subject, self.shape = subject, shape
        self.edits: dict[Site, tuple[Edit, ...]] = {}
        self.left = MOST_CALLS
        self.widths = written_widths(subject.model)
        self.is_decided = bool(given)
        for edit in given:
            self._commit([edit])

    def found(self) -> Repair:
        causes: list[Cause] = []
        while True:
            run, again = self.run(())
            causes += [Cause((edit,), edit.site) for edit in again]
            self._commit(again)
            groups = [list(group) for _, group in groupby(run.mends, key=lambda edit: edit.site)]
            for place in range(len(groups)):
                cause, is_elsewhere = self._cause(run, groups[place:])
                causes += [cause] if is_elsewhere else _one_by_one(cause)
                self._commit(cause.edits)
                if is_elsewhere:
                    break
            else:
                return Repair(causes, run)

    def _commit(self, edits: Sequence[Edit]) -> None:
        for edit in edits:
            self.edits[edit.site] = (*self.edits.get(edit.site, ()), edit)

    def run(self, more: Sequence[Edit]) -> tuple[Run, list[Edit]]:
        """A mending run with more edits, and those that it found it needs at an earlier call."""
        again: list[Edit] = []
        while True:
            edits = dict(self.edits)
            for edit in (*more, *again):
                edits[edit.site] = (*edits.get(edit.site, ()), edit)
            try:
                run = Run(self.subject, edits, options).start(self.shape)
            except Again as mend:
                again.append(mend.edit)
                continue
            self.left -= len(run.calls)
            return run, again

    def _cause(self, run: Run, groups: Sequence[Sequence[Edit]]) -> tuple[Cause, bool]:
        """The likeliest explanation of the first group of mends, and whether it is elsewhere."""
        first = groups[0]
        call = next(call for call in run.calls if call.site == first[0].site and not call.is_inserted)
        others_of_it = self.widths[arriving_width(run, call)] - 1  # but the producer's own
        local = _Candidate(first, (1, -max(others_of_it, 0)))
        most = sum(map(len, groups))
        ranked = [((most, *local.rank), local)]
        for candidate in self._candidates(run, call, first):
            if self.left < len(run.calls):
                break
            cost = self._cost(candidate)
            if cost is not None and cost <= most:
                ranked.append(((cost, *candidate.rank), candidate))
        ranked.sort(key=lambda pair: pair[0])
        (score, best), *others = ranked
        as_good = [
            each.edits
            for other, each in others
            if (other == score or (each is local and other[0] == score[0])) and each.edits[0].do != "pass"
        ]
        cause = Cause(best.edits, call.site, as_good)
        if any(edit.kind is Kind.FAN_IN for edit in first):
            cause.others += self._followed(run, call)
            if best is local:
                cause.others += self._joint(run, call)
        if _is_spatial(call, first) or call.arriving[1:] == self.shape:
            cause.input = self._other_input(call)
        return cause, best is not local

    def _cost(self, candidate: _Candidate) -> int | None:
        """How many changes a candidate leaves in all, itself among them; ``None`` if it helps nothing."""
        run, again = self.run(candidate.edits)
        if run.error is not None:
            return None
        return 1 + len(again) + len(run.mends)

    def _other_input(self, call: Call) -> Shape | None:
        """Another image that the model takes as it is written so far."""
        first = next((each for each in self.subject.model.modules() if isinstance(each, nn.Conv2d)), None)
        channels = first.in_channels if first is not None else self.shape[0]
        for sides in (self.shape[1:], *((side, side) for side in SIDES)):
            other = (channels, *sides)
            if other != self.shape and self.left > 0:
                run = Run(self.subject, self.edits).start(other)
                self.left -= len(run.calls)
                if run.error is None:
                    return other
        return None

    def _joint(self, run: Run, call: Call) -> Iterator[Sequence[Edit]]:
        """A window and a width that explain a fan-in only together."""
        for window in self._other_windows([*run.leading_to(*call.sources), call]):
            if self.left < 2 * len(run.calls):
                return
            other, _ = self.run(window.edits)
            there = next(
                (each for each in other.calls if each.site == call.site and not each.is_inserted), None
            )
            for width in self._other_width(other, there) if there else ():
                both = [*window.edits, *width.edits]
                final, _ = self.run(both)
                if width.rank[1] < 0 and _fits(final, call.site):
                    yield both
                    return

    def _followed(self, run: Run, call: Call) -> Iterator[Sequence[Edit]]:
        """What would make a fan-in right if no result were dropped: a call follows, and all are padded."""
        dropped = dropped_ends(run)
        if not dropped or self.left < len(run.calls):
            return
        end, stale = dropped[-1]
        follow = Edit(stale.site, "follow", Kind.DROPPED, None, "", "", after=end.site)
        convs = [each for each in run.calls if each.layer and each.layer.family is Family.CONV]
        plain = [with_padding(each, "") for each in convs if lacks_padding(each)]
        for edits in ([follow], [follow, *plain]):
            other, again = self.run(edits)
            if not again and _fits(other, call.site):
                yield edits
                return

    # -- candidates

    def _candidates(self, run: Run, call: Call, mends: Sequence[Edit]) -> Iterator[_Candidate]:
        kinds = {edit.kind for edit in mends}
        before = run.leading_to(*call.sources)
        yield from self._other_module(run, call)
        if self.is_decided:  # what layers should be is said already
            return
        if kinds & {*_WIDTHS}:
            yield from self._other_width(run, call)
        yield from self._swapped(call, mends)
        yield from self._in_one_loop(run, call, mends)
        if _is_spatial(call, mends):
            yield from self._other_windows([*before, call])
            yield from self._lost_pool(before)

    def _other_module(self, run: Run, call: Call) -> Iterator[_Candidate]:
        """A layer that is never called, where another is called twice."""
        if call.module is None or call.layer is None:
            return
        again = [each for each in run.calls if each.module is call.module]
        called = {id(each.module) for each in run.calls}
        name = class_name(call.module)
        idle = (
            module
            for module in self.subject.model.modules()
            if is_layer(module) and id(module) not in called and class_name(module) == name
        )
        if len(again) < 2:
            return
        lines = list(dict.fromkeys(str(each.line) for each in again))
        times = "twice" if len(again) == 2 else f"{len(again)} times"
        where = f"(line{'s' * (len(lines) > 1)} {units.listed(lines)})"
        for module in idle:
            path = self.subject.paths.of(module)
            found = f"{call.place} is called {times} {where}, and {path} never"
            fix = f"call {path}" + (f" on line {call.line}" if call.line else "")
            fits = f"{path}, a {class_name(module)}"
            edit = Edit(call.site, "use", Kind.REUSED, None, found, fits, fix, module=module)
            yield _Candidate([edit], (0, 0))

    def _other_width(self, run: Run, call: Call) -> Iterator[_Candidate]:
        """The layer that made what arrives, of the width that this one was made for."""
        producer, width = producer_of(call), wanted_width(run, call)
        if producer is None or producer.layer is None or width in (0, self.shape[0]):
            return
        key = "out_channels" if producer.layer.family is Family.CONV else "out_features"
        if producer.layer.size("groups", 1) > 1 or producer.layer.size(key) == width:
            return
        layer = (producer.fixed or producer.layers or ())[0].with_arguments(**{key: width})
        found = f"{producer.layer}, and its neighbours are made for {width:,}"
        edit = write(producer, Kind.WIDTH, layer, found, f"a width of {width:,}")
        others_of_it = self.widths[width] - (call.layer is not None and call.layer.family is Family.NORM)
        yield _Candidate([edit], (1, -others_of_it))

    def _swapped(self, call: Call, mends: Sequence[Edit]) -> Iterator[_Candidate]:
        """The layer's own two widths, the other way round: channels grow on the way, values shrink."""
        layer, arrives = call.fixed[0] if call.fixed else call.layer, mends[0].layer
        keys = {Family.CONV: ("in_channels", "out_channels"), Family.LINEAR: ("in_features", "out_features")}
        names = keys.get(layer.family) if layer and mends[0].do == "write" else None
        written = call.layer
        if names is None or arrives is None or written is None or len(mends) > 1:
            return
        into, out = names
        shrinks = written.size(out) < written.size(into)
        if written.size(out) == arrives.size(into) and shrinks is (written.family is Family.CONV):
            turned = arrives.with_arguments(**{out: written.size(into)})
            found = f"{written}: its two widths are the wrong way round, {arrives.size(into):,} arrive"
            yield _Candidate([write(call, Kind.WIDTH, turned, found, str(turned))], (2, 0))

    def _in_one_loop(self, run: Run, call: Call, mends: Sequence[Edit]) -> Iterator[_Candidate]:
        """All that one line makes for the same channels, whatever arrives: a loop that forgets to go on."""
        if mends[0].kind is not Kind.IN_CHANNELS or call.layer is None or call.layer.line is None:
            return
        line, own = call.layer.line, call.layer.size("in_channels")
        by_site = {each.site: each.layer for each in run.calls if each.layer and not each.is_inserted}
        alike = [
            edit
            for edit in run.mends
            if edit.kind is Kind.IN_CHANNELS
            and (layer := by_site.get(edit.site)) is not None
            and (layer.line, layer.size("in_channels")) == (line, own)
        ]
        arriving = {edit.layer.size("in_channels") for edit in alike if edit.layer}
        if len(alike) > 1 and len(arriving) > 1:
            yield _Candidate(alike, (0, 1))

    def _other_windows(self, before: Sequence[Call]) -> Iterator[_Candidate]:
        """Paddings, strides and kernels like those of the other convolutions."""
        convs = [
            call for call in before if call.layer and call.layer.family is Family.CONV and not call.site.nth
        ]
        plain = [call for call in convs if lacks_padding(call)]
        padded = [call for call in convs if call.layer and call.layer.arguments.get("padding")]
        if plain and len(plain) > 1:
            tally = f"no convolution is padded: padding all {len(plain)} keeps each map's size"
            if padded:
                tally = f"{len(padded)} of {len(convs)} convolutions are padded, these {len(plain)} are not"
            yield _Candidate([with_padding(call, tally) for call in plain], (0, 0))
        if padded or len(plain) == 1:
            tally = f"{len(padded)} of {len(convs)} convolutions are padded" if padded else "its map shrinks"
            for call in plain:
                yield _Candidate([with_padding(call, tally)], (0, 0))
        for key, odd in odd_ones(convs):
            for call, value in odd:
                assert call.layer is not None
                layer = call.layer.with_arguments(**{key: value})
                if key == "kernel_size" and layer.arguments.get("padding"):
                    layer = layer.with_arguments(padding=value // 2)
                word = "kernel" if key == "kernel_size" else key
                fits = f"{layer}: the other convolutions have {word} {value}"
                yield _Candidate([write(call, Kind.UNLIKE, layer, str(call.layer), fits)], (0, 0))
        yield from self._other_pools(before)

    def _other_pools(self, before: Sequence[Call]) -> Iterator[_Candidate]:
        """A pool with the window of another, where as many pools have that one."""
        keys = ("kernel_size", "stride", "padding")
        pools = [(call, layer) for call in before if (layer := call.layer) and layer.family is Family.POOL]
        windows = {call.site: tuple(layer.arguments.get(key) for key in keys) for call, layer in pools}
        tally = Counter(windows.values())
        for call, layer in pools:
            for other, times in tally.items():
                own = windows[call.site]
                if other == own or times < tally[own]:
                    continue
                given = {key: value for key, value in zip(keys, other, strict=True) if value is not None}
                kept = {key: value for key, value in layer.arguments.items() if key not in keys}
                fixed = replace(layer, arguments={**given, **kept})
                fits = f"{fixed}, as {times} of the {len(pools)} pools"
                yield _Candidate([write(call, Kind.UNLIKE, fixed, str(layer), fits)], (0, 0))

    def _lost_pool(self, before: Sequence[Call]) -> Iterator[_Candidate]:
        """A pool at the one place where the width grows without one."""
        pools = [call for call in before if call.layer and call.layer.family is Family.POOL]
        if len(pools) < 1 or pools[0].layer is None:
            return
        layer = pools[0].layer
        for call in lost_pools(before)[:4]:
            pool = Written(layer.name, layer.arguments)
            found = f"no pool before {call.layer}: the width grows there, and the other blocks end in one"
            edit = Edit(call.site, "insert", Kind.NO_LAYER, pool, found, "a pool at the end of the block")
            yield _Candidate([edit], (0, 0))


def _is_spatial(call: Call, mends: Sequence[Edit]) -> bool:
    """Whether the size of a map may be what is wrong: where a row counts on it, or two maps are joined."""
    is_row = call.layer is not None and "row" in call.layer.arguments
    return is_row or any(edit.kind in _SPATIAL for edit in mends)


def _fits(run: Run, site: Site) -> bool:
    """Whether a run went to its end, and the fan-in at a call was right."""
    return run.error is None and (site, Kind.FAN_IN) not in {(edit.site, edit.kind) for edit in run.mends}
