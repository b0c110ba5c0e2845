"""The meeting place: what was predicted beside what was measured, and every difference by its name.

Nowhere else are the two compared. A ``Check`` passes if measured = predicted + named terms, to the last
byte and FLOP. A term is derived from a documented convention of the measuring tool, or it is a measured
remainder, and is shown as such: on the CPU, scratch of which a most is known, up to that most. A byte more
fails. Where no rule says what a kernel takes, at least so much is predicted, and the check is no PASS.
On a card, what a convolution takes is such a remainder without a most.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from math import prod
from typing import TypeVar

from vgg_profile.check.results import Boundary, Check, Checks, Overlay, Term, Verdict
from vgg_profile.check.subject import check_setting, check_subject, profile_for, setup_of
from vgg_profile.core.errors import InputError
from vgg_profile.core.events import Phase
from vgg_profile.core.step import Step
from vgg_profile.core.tree import Profile, Row
from vgg_profile.measure.record import MeasuredMoment, Measurement, Reading
from vgg_profile.measure.vocabulary import NEVER_JUDGED
from vgg_profile.predict.steps import ledger
from vgg_profile.predict.vgg.configs import Source
from vgg_profile.predict.vgg.passing import Probe


def crosscheck(profile: Profile, measurement: Measurement, probe: Probe | None = None) -> Checks:
    """Compare a profile with a measurement of the same network at the same input, quantity by quantity.

    What no rule knows of a kernel is asked of the ``probe``, on the machine that was measured.
    Raises ``InputError`` if the record is of another network or another setting.
    """
    check_subject(profile, measurement)
    step = ledger(profile, setup_of(measurement), probe)
    checks = [*_tensors(profile)]
    if profile.is_traced:
        checks += _flops_of_any(profile, step)
    else:
        checks += [*_flops(profile, step), *_fvcore(profile, step.setup.mode)]
    paths = {row.name: row.module for row in _layers(profile)}
    read = [_read(check, measurement, paths) for check in checks]
    beside_readings = _beside_readings(checks, measurement, paths) if not profile.is_traced else ()
    boundaries, unpredicted = _meet(step, measurement)
    memory = (
        *_memory(boundaries, measurement),
        *_beside_parts(unpredicted),
        *_beside_tensors(measurement),
        _peak(step, boundaries, measurement),
    )
    return Checks(profile, measurement, (*read, *beside_readings, *memory))


def overlay(network: Source, measurement: Measurement) -> Overlay:
    """Lay the measured curve of a record over the predicted one of its network, boundary by boundary."""
    return lay_over(ledger(profile_for(network, measurement), setup_of(measurement)), measurement)


def lay_over(step: Step, measurement: Measurement) -> Overlay:
    """Lay the measured curve of a record over that of a predicted step, of whatever network.

    Raises ``InputError`` if the record is of another setting; a step may leave its processor open.
    """
    asked = step.setting.to_dict()
    check_setting(measurement, {key: asked[key] for key in asked if key not in ("processor", "threads")})
    return Overlay(step, measurement, *_meet(step, measurement))


def remainders(network: Source, measurement: Measurement) -> tuple[Term, ...]:
    """What a record's peak holds beside the predicted tensors: scratch.

    What a card's allocator holds beside them is no part of it: that is predicted (``predict.reserved``).
    Raises ``InputError`` if a check of it failed, or there was no peak to read.
    """
    checks = crosscheck(profile_for(network, measurement), measurement)
    if checks.count(Verdict.FAIL) or measurement.get("peak_bytes") is None:
        raise InputError(
            "The record does not hold: a check of it fails, or its peak was not measured.",
            "See which: `vgg-profile check NET RECORD`.",
        )
    of_the_step = (
        check for check in checks.checks if not check.layer and check.quantity not in _BESIDE_TENSORS
    )
    return tuple(term for check in of_the_step for term in check.terms if term.is_remainder)


def _tensors(profile: Profile) -> Iterator[Check]:
    totals = profile.totals
    yield Check("parameters", "", "value", totals.parameters, None)
    yield Check("buffers", "", "value", totals.buffers, None)
    for row in _layers(profile):
        if not profile.is_traced or (_is_leaf(profile, row) and row.output_shape):
            yield Check("output_shape", row.name, "values", list(row.output_shape), None)


def _layers(profile: Profile) -> Sequence[Row]:
    """Every module; the input is none."""
    return profile.module_rows[1:]


def _flops(profile: Profile, step: Step) -> Iterator[Check]:
    """FLOPs of the forward pass, and of both passes, as the ledger counts them."""
    forward = {row.name: 2 * row.macs.value * profile.batch for row in _layers(profile)}
    yield from _with_total("forward_flops", "FLOP", forward)
    if step.setup.has_backward:
        both = step.flops
        yield Check("forward_backward_flops", "", "FLOP", sum(both.values()), None)
        if step.setup.checkpoint != "none":
            again = sum(step.recomputed_flops.values())
            yield Check("checkpointed_flops", "", "FLOP", sum(both.values()) + again, None)
        backward_before = 0
        for row in _layers(profile):
            terms: tuple[Term, ...] = ()
            if row.kind == "dropout" and step.setup.mode == "eval":
                terms = (Term(_UNCLOSED, backward_before),)
            yield Check("forward_backward_flops", row.name, "FLOP", both[row.name], None, terms)
            backward_before += both[row.name] - forward[row.name]


def _is_leaf(profile: Profile, row: Row) -> bool:
    """Whether it is a module that ran and holds no others: those are measured one by one."""
    return bool(row.calls) and row.module not in profile.groups


def _flops_of_any(profile: Profile, step: Step) -> Iterator[Check]:
    """FLOPs of any network: forward, whole and in each layer; and of both passes, with what runs again."""
    rows = _layers(profile)

    def check(quantity: str, layer: str, macs: int, uncounted: int) -> Check:
        terms = (Term(_NO_FORMULA, -2 * uncounted * profile.batch),) if uncounted else ()
        return Check(quantity, layer, "FLOP", 2 * macs * profile.batch, None, terms)

    uncounted = sum(row.uncounted_macs for row in rows)
    yield check("forward_flops", "", sum(row.macs.value for row in rows), uncounted)
    for row in rows:
        if _is_leaf(profile, row):
            yield check("forward_flops", row.name, row.macs.value, row.uncounted_macs)
    if step.setup.has_backward and not step.recomputed_flops:
        both = sum(row.macs.value + (row.backward_macs.value if row.backward_macs else 0) for row in rows)
        uncounted += sum(row.uncounted_backward_macs for row in rows)
        yield check("forward_backward_flops", "", both, uncounted)


_NO_FORMULA = "FlopCounterMode has no formula for these operations (attention on the CPU, recurrent layers …)"

_UNCLOSED = (
    "FlopCounterMode does not see the backward of a module that returns its input end (dropout in eval), "
    "and counts the rest of the backward pass here too"
)


def _with_total(quantity: str, unit: str, by_layer: dict[str, int]) -> Iterator[Check]:
    yield Check(quantity, "", unit, sum(by_layer.values()), None)
    for name, value in by_layer.items():
        yield Check(quantity, name, unit, value, None)


def _fvcore(profile: Profile, mode: str) -> Iterator[Check]:
    """What fvcore counts: one a multiply-add, and beside that some operations that are none.

    Source: ``fvcore/nn/jit_handles.py`` and ``flop_count.py``, 0.1.5.
    """
    terms: dict[str, Term] = {}
    before = profile.module_rows[0]
    for row in _layers(profile):
        inputs = prod(before.output_shape) * profile.batch
        if row.kind == "avgpool":
            terms[row.name] = Term("fvcore counts AdaptiveAvgPool2d, 1 an input value", inputs)
        elif row.kind == "batchnorm":
            each = 5 if mode == "train" else 2
            terms[row.name] = Term(f"fvcore counts BatchNorm2d, {each} a value", each * inputs)
        before = row
    sums: dict[str, int] = {}
    for term in terms.values():
        sums[term.name] = sums.get(term.name, 0) + term.value
    yield Check(
        "fvcore_flops",
        "",
        "MAC",
        profile.totals.macs * profile.batch,
        None,
        tuple(Term(name, value) for name, value in sums.items()),
    )
    for row in _layers(profile):
        named = (terms[row.name],) if row.name in terms else ()
        yield Check("fvcore_flops", row.name, "MAC", row.macs.value * profile.batch, None, named)
    outputs = {
        row.name: row.values.value * profile.batch if row.macs.value else 0 for row in _layers(profile)
    }
    yield from _with_total("fvcore_activations", "value", outputs)


def _read(check: Check, measurement: Measurement, paths: dict[str, str]) -> Check:
    """The check with what was measured for it, under the layer's name or its module path, in its unit."""
    reading = _reading(check, measurement, paths)
    measured = None if reading is None or reading.unit != check.unit else reading.value
    if isinstance(measured, float):
        measured = int(measured) if measured.is_integer() else -1
    return Check(
        check.quantity,
        check.layer,
        check.unit,
        check.predicted,
        measured,
        check.terms,
        measurement.why_missing(check.quantity),
    )


def _reading(check: Check, measurement: Measurement, paths: dict[str, str]) -> Reading | None:
    reading = measurement.get(check.quantity, check.layer)
    if reading is None and check.layer:
        reading = measurement.get(check.quantity, paths[check.layer])
    return reading


def _beside_readings(
    checks: Iterable[Check], measurement: Measurement, paths: dict[str, str]
) -> Iterator[Check]:
    """A reading of what the network does not have is of another network: each fails."""
    found = filter(None, (_reading(check, measurement, paths) for check in checks))
    asked = {(reading.quantity, reading.layer) for reading in found}
    for reading in measurement.readings:
        is_judged = reading.quantity not in _JUDGED_APART and reading.unit not in NEVER_JUDGED
        if is_judged and (reading.quantity, reading.layer) not in asked:
            place = f"{reading.quantity}, {reading.layer}" if reading.layer else reading.quantity
            yield Check("unpredicted_readings", place, "reading", 0, 1)


_FIXED = {
    Phase.LOAD: "live_before_step",
    Phase.INPUT: "live_with_input",
    Phase.FORWARD: "live_after_forward",
    Phase.LOSS: "live_after_loss",
    Phase.BACKWARD: "live_after_backward",
    Phase.STEP: "live_after_step",
}


_MOST = {
    Phase.INPUT: "most_within_input",
    Phase.LOSS: "most_within_loss",
    Phase.STEP: "most_within_step",
}
"""The parts of a step that belong to no layer; while a network is loaded, nothing is let go, so that its most
is what is live at the end, and is told only if it is not.
"""


def _memory(boundaries: Sequence[Boundary], measurement: Measurement) -> Iterator[Check]:
    """Live bytes at the fixed points between the phases and at every boundary; the most within each part."""
    reason = measurement.why_missing("live_bytes")
    ends = {each.phase: each for each in boundaries if each.phase in _FIXED}
    for phase, end in ends.items():
        yield Check(_FIXED[Phase(phase)], "", "B", end.live, end.measured_live, (), reason)
    order = list(dict.fromkeys(each.phase for each in boundaries))
    of_layers = sorted((each for each in boundaries if each.layer), key=lambda each: order.index(each.phase))
    for each in of_layers:
        yield Check(f"live_bytes_{each.phase}", each.layer, "B", each.live, each.measured_live, (), reason)
    for each in of_layers:
        yield _most(f"peak_bytes_{each.phase}", each, reason)
    for each in boundaries:
        if each.phase == Phase.LOAD and each.beyond:
            yield Check("most_within_load", "", "B", each.peak, each.measured_peak, (), reason)
        if not each.layer and each.phase in _MOST:
            yield _most(_MOST[Phase(each.phase)], each, reason)


def _most(quantity: str, within: Boundary, reason: str) -> Check:
    """The most within a part; where no rule says what a kernel takes, at least so much, and no claim."""
    return Check(
        quantity,
        within.layer,
        "B",
        within.least,
        within.measured_peak,
        within.terms,
        reason or (_no_rule(within.library) if within.is_at_least else ""),
        within.is_at_least,
    )


def _no_rule(library: str) -> str:
    return f"no rule knows what {library} takes on this processor"


def _meet(step: Step, measurement: Measurement) -> tuple[tuple[Boundary, ...], tuple[MeasuredMoment, ...]]:
    """Each part of the predicted step with the measured one of its name; and the measured that are left.

    A measured part that comes after one that should follow it is left too.
    """
    names = {row.module: row.name for row in _layers(step.profile) if row.module}
    predicted = dict(_numbered((m.phase, m.layer, m) for m in step.moments))
    order = {place: number for number, place in enumerate(predicted)}
    met: dict[tuple[str, str, int], MeasuredMoment] = {}
    left, reached = [], -1
    for place, moment in _numbered((m.phase, names.get(m.layer, m.layer), m) for m in measurement.timeline):
        if order.get(place, -1) > reached:
            met[place], reached = moment, order[place]
        else:
            left.append(moment)
    boundaries = []
    for place, part in predicted.items():
        read = met.get(place)
        boundaries.append(
            Boundary(
                part.phase.value,
                part.layer,
                part.live,
                read and read.live,
                part.least,
                part.peak,
                read and read.peak,
                part.scratch,
                read.op if read else "",
                is_shown=step.profile.device != "cpu",
            )
        )
    return tuple(boundaries), tuple(left)


def _beside_parts(unpredicted: Sequence[MeasuredMoment]) -> Iterator[Check]:
    """A step with a part too many, or out of its order, is another step: each fails."""
    for place, times in Counter(moment.place for moment in unpredicted).items():
        yield Check("unpredicted_parts", place, "part", 0, times)


T = TypeVar("T")


def _numbered(parts: Iterable[tuple[str, str, T]]) -> Iterator[tuple[tuple[str, str, int], T]]:
    """Each part under its phase, its layer, and how often both came before."""
    seen: Counter[tuple[str, str]] = Counter()
    for phase, layer, part in parts:
        yield (str(phase), layer, seen[phase, layer]), part
        seen[phase, layer] += 1


_BESIDE_TENSORS = {
    "lasting_workspace_bytes": "a library's workspace (cuBLAS), taken once and kept",
    "allocator_rounding_bytes": "blocks rounded up to 512 bytes, and what is left of split ones",
}


_JUDGED_APART = {"peak_bytes", *_BESIDE_TENSORS}


def _beside_tensors(measurement: Measurement) -> Iterator[Check]:
    """What a CUDA allocator holds beside the tensors: no tensor is predicted there, so all is remainder."""
    for quantity, name in _BESIDE_TENSORS.items():
        reading = measurement.get(quantity)
        if reading is None and measurement.setting.device != "cuda":
            continue
        value = reading.value if reading is not None and isinstance(reading.value, int) else None
        terms = (Term(name, value, is_remainder=True),) if value and value > 0 else ()
        yield Check(quantity, "", "B", 0, value, terms, measurement.why_missing(quantity))


def _peak(step: Step, boundaries: Sequence[Boundary], measurement: Measurement) -> Check:
    """The peak: tensors as predicted, the rest scratch of the part in which it was measured."""
    reading = measurement.get("peak_bytes")
    predicted, most = step.least_peak, step.peak.peak
    if reading is None or not isinstance(reading.value, int):
        return Check("peak", "", "B", predicted, None, (), measurement.why_missing("live_bytes"))
    after_loading = [each for each in boundaries if each.phase != Phase.LOAD]
    highest = max(after_loading, key=lambda each: each.measured_peak or 0)
    if highest.measured_peak != reading.value:
        return Check("peak", "", "B", predicted, None)
    scratch = highest.scratch
    terms: tuple[Term, ...] = ()
    if scratch and reading.value > predicted:
        name = f"{scratch.name} ({highest.layer}, {highest.phase})"
        taken, bound = reading.value - predicted, most - predicted
        is_bounded = not highest.library
        terms = (
            Term(name, min(taken, bound), is_remainder=True, most=bound)
            if is_bounded
            else Term(name, taken, is_remainder=True),
        )
    unknown = next((each.library for each in boundaries if each.is_at_least), "")
    reason = _no_rule(unknown) if unknown else ""
    return Check("peak", "", "B", predicted, reading.value, terms, reason, bool(unknown))
