"""The two roads stay apart, and every check can fail."""

from __future__ import annotations

import dataclasses
import sys

import pytest
import torch
from measuring import SMALL, failures
from torch.autograd.profiler import profile

from vgg_profile import walk
from vgg_profile.check.crosscheck import crosscheck
from vgg_profile.check.results import Check, Checks, Term, Verdict
from vgg_profile.check.subject import profile_for
from vgg_profile.core.setting import Setup
from vgg_profile.measure import measure
from vgg_profile.measure.memory import CpuMemory, CudaMemory
from vgg_profile.measure.record import MeasuredMoment, Measurement, Reading
from vgg_profile.measure.vocabulary import NEVER_JUDGED
from vgg_profile.models import build
from vgg_profile.predict.vgg import step as paper
from vgg_profile.predict.vgg.layers import plain

# -- the two roads stay apart ----------------------------------------------------------------------


def test_a_dropped_bias_moves_the_measurement_and_not_the_prediction() -> None:
    model = build(SMALL)
    before = walk(SMALL, input=(3, 16, 16)).to_dict()
    model.features[0].bias = None
    measurement = measure(model, input=(3, 16, 16), repeats=0)
    checks = crosscheck(profile_for(SMALL, measurement), measurement)
    assert walk(SMALL, input=(3, 16, 16)).to_dict() == before
    failed = {c.quantity for c in checks.checks if c.verdict is Verdict.FAIL}
    assert {"parameters", "live_before_step", "live_after_backward"} <= failed


def test_a_wrong_formula_moves_the_prediction_and_not_the_measurement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = measure(SMALL, input=(3, 16, 16), repeats=0)
    monkeypatch.setattr(plain, "INDEX_BYTES", 4)
    paper._template.cache_clear()
    wrong = measure(SMALL, input=(3, 16, 16), repeats=0)
    assert wrong.timeline == right.timeline
    checks = crosscheck(profile_for(SMALL, wrong), wrong)
    assert "live_bytes_forward pool1" in failures(checks)


# -- every check can fail --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def honest() -> Measurement:
    return measure(
        dataclasses.replace(SMALL, batch_norm=True),
        input=(3, 16, 16),
        batch=2,
        setup=Setup(optimizer="adam"),
        repeats=1,
    )


def recheck(measurement: Measurement) -> Checks:
    net = dataclasses.replace(SMALL, batch_norm=True)
    return crosscheck(profile_for(net, measurement), measurement)


def test_the_honest_measurement_passes(honest: Measurement) -> None:
    assert recheck(honest).verdict is Verdict.PASS


def test_every_reading_that_is_off_by_one_fails_its_own_check(honest: Measurement) -> None:
    kinds = set()
    for place, reading in enumerate(honest.readings):
        if reading.unit in NEVER_JUDGED:
            continue
        value = reading.value
        off = [*value[:-1], value[-1] + 1] if isinstance(value, list) else value + 1
        if reading.quantity == "peak_bytes":
            off = 1
        readings = list(honest.readings)
        readings[place] = reading._replace(value=off)
        checks = recheck(dataclasses.replace(honest, readings=tuple(readings)))
        assert len(failures(checks)) == 1, reading
        kinds.add(reading.quantity)
    assert kinds == {
        "parameters",
        "buffers",
        "output_shape",
        "forward_flops",
        "forward_backward_flops",
        "fvcore_flops",
        "fvcore_activations",
        "peak_bytes",
    }


def test_every_boundary_that_is_off_by_a_byte_fails(honest: Measurement) -> None:
    for place, moment in enumerate(honest.timeline):
        timeline = list(honest.timeline)
        timeline[place] = moment._replace(live=moment.live + 1)
        assert failures(recheck(dataclasses.replace(honest, timeline=tuple(timeline)))), moment


def test_a_peak_below_the_prediction_is_never_a_remainder(honest: Measurement) -> None:
    low = recheck(honest).checks[-1].predicted
    assert isinstance(low, int)
    timeline = tuple(m._replace(peak=min(m.peak, low - 1)) for m in honest.timeline)
    readings = tuple(r._replace(value=low - 1) if r.quantity == "peak_bytes" else r for r in honest.readings)
    peak = recheck(dataclasses.replace(honest, timeline=timeline, readings=readings)).checks[-1]
    assert (peak.verdict, peak.terms) == (Verdict.FAIL, ())


def test_four_bytes_beyond_the_prediction_are_allowed_nowhere(honest: Measurement) -> None:
    """Of all the layers of a network with batch norm, trained in float32; at each, forward and backward, and
    in the parts that are no layer's.
    """
    allowed = set()
    for place, moment in enumerate(honest.timeline):
        check_ = (
            f"peak_bytes_{moment.phase} {moment.layer}" if moment.layer else f"most_within_{moment.phase}"
        )
        if check_ not in failures(recheck(with_peak(honest, place, moment.peak + 4))):
            allowed.add((moment.phase, moment.layer))
    assert allowed == set()


def with_peak(measurement: Measurement, place: int, peak: int) -> Measurement:
    timeline = list(measurement.timeline)
    timeline[place] = timeline[place]._replace(peak=peak)
    return dataclasses.replace(measurement, timeline=tuple(timeline))


def with_reading(measurement: Measurement, quantity: str, **change: object) -> Measurement:
    readings = tuple(r._replace(**change) if r.quantity == quantity else r for r in measurement.readings)
    return dataclasses.replace(measurement, readings=readings)


def test_the_peak_is_that_of_a_part_after_loading_to_the_byte(honest: Measurement) -> None:
    whole = honest.get("peak_bytes")
    assert whole is not None
    highest = next(place for place, moment in enumerate(honest.timeline) if moment.peak == whole.value)
    higher = honest.timeline[highest].peak + 4
    in_a_part, while_loading = with_peak(honest, highest, higher), with_peak(honest, 0, higher)

    def peak(measurement: Measurement) -> Verdict:
        return recheck(measurement).checks[-1].verdict

    assert peak(honest) is Verdict.PASS
    assert peak(in_a_part) is Verdict.FAIL, "no part has the peak that was read"
    assert peak(with_reading(in_a_part, "peak_bytes", value=higher)) is Verdict.FAIL, (
        "no scratch is taken there"
    )
    assert peak(while_loading) is Verdict.PASS, "a check of its own fails"
    assert peak(with_reading(while_loading, "peak_bytes", value=higher)) is Verdict.FAIL


def test_a_reading_in_another_unit_or_of_half_a_flop_is_none(honest: Measurement) -> None:
    flops = honest.get("forward_flops")
    assert flops is not None
    assert isinstance(flops.value, int)
    for change, is_found in (
        ({"value": float(flops.value)}, False),
        ({"value": flops.value + 0.5}, True),
        ({"unit": "MAC"}, True),
    ):
        readings = tuple(each._replace(**change) if each is flops else each for each in honest.readings)
        failed = failures(recheck(dataclasses.replace(honest, readings=readings)))
        assert ("forward_flops" in failed) is is_found


def test_what_an_allocator_holds_beside_tensors_has_a_row_and_is_never_negative(honest: Measurement) -> None:
    def verdict(value: int) -> Verdict:
        reading = Reading("lasting_workspace_bytes", value, "B", "memory_stats")
        checks = recheck(dataclasses.replace(honest, readings=(*honest.readings, reading))).checks
        return next(check.verdict for check in checks if check.quantity == "lasting_workspace_bytes")

    assert (verdict(8_519_680), verdict(0), verdict(-1)) == (Verdict.PASS, Verdict.PASS, Verdict.FAIL)


def test_what_was_not_measured_is_never_a_pass(honest: Measurement) -> None:
    empty = dataclasses.replace(honest, readings=(), timeline=())
    assert {c.verdict for c in recheck(empty).checks} == {Verdict.FAIL}
    check_ = Check("peak", "", "B", 1, None, reason="the device went away")
    assert check_.verdict is Verdict.SKIP
    assert Checks(walk("A"), honest, ()).verdict is Verdict.FAIL


def test_a_term_closes_a_difference_only_to_the_last_unit() -> None:
    assert Check("x", "", "B", 10, 12, (Term("two", 2),)).verdict is Verdict.PASS
    assert Check("x", "", "B", 10, 13, (Term("two", 2),)).verdict is Verdict.FAIL
    assert Check("x", "", "B", 10, 11, (Term("two", 2),)).verdict is Verdict.FAIL


def test_the_environment_names_versions_and_device(honest: Measurement) -> None:
    assert honest.environment["torch"] == torch.__version__
    assert honest.environment["python"] == ".".join(map(str, sys.version_info[:3]))


def test_every_reading_has_a_unit_and_a_method(honest: Measurement) -> None:
    assert all(reading.unit and reading.method for reading in honest.readings)
    assert all(isinstance(moment, MeasuredMoment) for moment in honest.timeline)


def test_times_are_read_for_every_layer_forward_and_backward(honest: Measurement) -> None:
    forward, backward = honest.layers("forward_time"), honest.layers("backward_time")
    assert set(forward) == {row.name for row in recheck(honest).profile.module_rows[1:]}
    assert set(backward) == set(forward) | {"loss"}
    rate = honest.get("matrix_product_rate")
    assert rate is not None
    assert rate.value > 0  # type: ignore[operator]


def test_a_cards_counters_are_read_at_marks_and_begin_anew_at_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a card that is played: 300 bytes are live before, of which the network takes 100."""
    now = {"requested_bytes.all": [300, 300], "allocated_bytes.all": [512, 512]}

    def take(size: int, block: int) -> None:
        for counter, change in zip(now.values(), (size, block), strict=True):
            counter[0] += change
            counter[1] = max(counter)

    def reset(device: object) -> None:
        for counter in now.values():
            counter[1] = counter[0]

    def stats(device: object) -> dict[str, int]:
        kinds = ("current", "peak")
        return {
            f"{of}.{kind}": counter[place] for of, counter in now.items() for place, kind in enumerate(kinds)
        }

    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    monkeypatch.setattr(torch.cuda, "memory_stats", stats)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", reset)
    with CudaMemory(torch.device("cuda"), start=100) as memory:
        memory.mark("input")
        take(1000, 1024)
        memory.mark("forward", "conv1_1")
        take(50, 512)
        take(-50, -512)
        take(-1000, -1024)
        memory.mark("forward", "unused", if_used=True)
        take(8, 512)
        memory.mark("backward", "conv1_1")
        take(4, 512)
    assert memory.moments == [
        MeasuredMoment("input", "", 1100, 1100, ""),
        MeasuredMoment("forward", "conv1_1", 108, 1150, ""),
        MeasuredMoment("backward", "conv1_1", 112, 112, ""),
    ]
    assert [reading.value for reading in memory.allocator_readings()] == [200, 1224]


def test_a_module_of_modules_is_a_part_only_where_something_is_allocated() -> None:
    with CpuMemory() as memory:
        memory.mark("forward", "net", if_used=True)
        memory.mark("forward", "fc")
        first = torch.ones(4)
        memory.mark("forward", "net", if_used=True)
        second = torch.ones(2)
        memory.mark("end")
    assert [(moment.layer, moment.live) for moment in memory.moments] == [("fc", 16), ("net", 24), ("", 24)]
    assert first.numel() + second.numel() == 6


def test_what_no_recording_saw_is_not_freed_in_one() -> None:
    """As the profiler reports a block that was freed behind its back, when another at its address is."""
    with profile(use_kineto=True, profile_memory=True):
        block = torch.ones(1 << 14)
    with CpuMemory(start=1 << 22) as memory:
        memory.mark("freed")
        del block
        memory.mark("end")
    assert memory.moments[0].live == 1 << 22


def test_a_block_of_an_earlier_recording_is_freed_in_the_next() -> None:
    blocks: dict[int, int] = {}
    with CpuMemory(0, blocks) as before:
        before.mark("made")
        block = torch.ones(1 << 14)
        before.mark("end")
    start = before.moments[0].live
    assert start == 4 << 14
    with CpuMemory(start, blocks) as memory:
        memory.mark("freed")
        del block
        memory.mark("end")
    assert memory.moments[0].live == 0
