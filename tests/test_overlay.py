"""The measured curve over the predicted one: every boundary to the byte, and a difference is found."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from vgg_profile.check.crosscheck import crosscheck, overlay
from vgg_profile.check.results import Boundary, Check, Overlay, Verdict
from vgg_profile.check.subject import profile_for, setup_of
from vgg_profile.cli import main
from vgg_profile.measure.reading import load
from vgg_profile.measure.record import EVERYTHING_ELSE, MeasuredMoment, Measurement, dumps
from vgg_profile.predict.vgg.configs import from_dict

REPORTS = Path(__file__).parent.parent / "reports" / "measured"
RECORDS = sorted(REPORTS.glob("*.json"))
D = REPORTS / "D-cpu.json"
ADAM = REPORTS / "D-adam-cpu.json"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def laid(measurement: Measurement) -> Overlay:
    return overlay(from_dict(measurement.subject["config"]), measurement)


def forged(measurement: Measurement, place: int, **change: int) -> Measurement:
    timeline = list(measurement.timeline)
    timeline[place] = timeline[place]._replace(**change)
    return dataclasses.replace(measurement, timeline=tuple(timeline))


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_the_curves_meet_at_every_boundary(path: Path) -> None:
    curve = laid(load(path))
    assert curve.verdict is Verdict.PASS
    assert [each.residual for each in curve.boundaries] == [0] * len(curve.step.moments)


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_scratch_is_never_negative_and_nothing_but_convolutions_takes_any(path: Path) -> None:
    """And, in two bytes a value, matrix products; on the CPU all but theirs is predicted."""
    measurement = load(path)
    takers = ("conv",) if measurement.subject["amp"] == "none" else ("conv", "fc")
    if measurement.subject["device"] == "cpu":
        takers = takers[1:]
    for each in laid(measurement).boundaries:
        assert each.holds
        assert each.beyond is not None
        assert each.beyond >= 0
        assert each.beyond == 0 or each.layer.startswith(takers or "none")
        assert sum(term.value for term in each.terms) == each.beyond


def test_a_byte_beyond_the_prediction_fails_within_every_part() -> None:
    measurement = load(ADAM)
    for place, moment in enumerate(measurement.timeline[1:], start=1):
        for change in (1, -1):
            assert laid(forged(measurement, place, peak=moment.peak + change)).verdict is Verdict.FAIL


def test_where_a_most_is_known_a_byte_beyond_it_fails() -> None:
    """Products in bfloat16: what was measured may be anything from the least to the most."""
    measurement = load(REPORTS / "D-amp-cpu.json")
    bounded = [place for place, each in enumerate(laid(measurement).boundaries) if each.peak > each.least]
    assert len(bounded) == 3
    for place in bounded:
        least, most = laid(measurement).boundaries[place][4:6]
        for peak, verdict in ((least - 1, "FAIL"), (least, "PASS"), (most, "PASS"), (most + 1, "FAIL")):
            assert laid(forged(measurement, place, peak=peak)).verdict == verdict


def test_a_peak_beyond_the_most_of_its_part_fails() -> None:
    measurement = load(REPORTS / "D-amp-cpu.json")
    curve = laid(measurement)
    profile = profile_for(from_dict(measurement.subject["config"]), measurement)
    for place, each in enumerate(curve.boundaries):
        if each.peak > each.least:
            higher = curve.step.peak.peak + 1
            readings = tuple(
                r._replace(value=higher) if r.quantity == "peak_bytes" else r for r in measurement.readings
            )
            beyond = dataclasses.replace(forged(measurement, place, peak=higher), readings=readings)
            assert crosscheck(profile, beyond).checks[-1].verdict is Verdict.FAIL


def test_on_a_processor_that_no_rule_knows_nothing_passes() -> None:
    measurement = load(ADAM)
    strange = dataclasses.replace(
        measurement, environment={**measurement.environment, "cpu_capability": "DEFAULT"}
    )
    curve = laid(strange)
    assert curve.verdict is Verdict.SKIP
    assert {each.layer[:4] for each in curve.boundaries if each.is_at_least} == {"conv"}
    place = next(place for place, each in enumerate(curve.boundaries) if each.is_at_least)
    less = forged(strange, place, peak=curve.boundaries[place].least - 1)
    assert laid(less).verdict is Verdict.FAIL
    checks = crosscheck(profile_for(from_dict(strange.subject["config"]), strange), strange)
    assert checks.verdict is Verdict.SKIP
    assert checks.count(Verdict.FAIL) == 0
    reasons = {check.reason for check in checks.checks if check.verdict is Verdict.SKIP}
    assert reasons == {"no rule knows what the convolution takes on this processor"}


def test_the_first_records_tell_their_processor_by_their_environment() -> None:
    measurement = load(ADAM)
    assert "processor" not in measurement.subject
    for capability, device, family in (
        ("AVX2", "AMD EPYC", "avx2"),
        ("AVX512", "AMD EPYC", "avx512_bf16"),
        ("AVX512", "Intel Xeon", "avx512"),
        ("DEFAULT", "AMD EPYC", None),
    ):
        environment = {**measurement.environment, "cpu_capability": capability, "device": device}
        assert setup_of(dataclasses.replace(measurement, environment=environment)).processor == family


def test_a_record_is_judged_by_the_rule_of_the_processor_that_it_names() -> None:
    measurement = load(D)
    for processor, verdict in (("avx512", "PASS"), ("avx512_bf16", "PASS"), ("avx2", "FAIL")):
        subject = {**measurement.subject, "processor": processor, "threads": 2}
        assert laid(dataclasses.replace(measurement, subject=subject)).verdict == verdict
    other_threads = {**measurement.subject, "processor": "avx512", "threads": 1}
    assert laid(dataclasses.replace(measurement, subject=other_threads)).verdict is Verdict.FAIL


def test_a_batch_norm_and_a_linear_layer_take_no_scratch_on_the_cpu() -> None:
    """Nowhere in D-BN, but on maps of one pixel, which it has not: neither is given a byte there."""
    measurement = load(REPORTS / "D-BN-cpu.json")
    kinds = set()
    for place, moment in enumerate(measurement.timeline):
        if moment.layer.startswith(("bn", "fc")):
            kinds.add((moment.phase, moment.layer[:2]))
            curve = laid(forged(measurement, place, peak=moment.peak + 4))
            assert curve.verdict is Verdict.FAIL, moment
            assert [each for each in curve.boundaries if not each.holds] == [curve.boundaries[place]]
            assert curve.boundaries[place].terms == ()
    assert len(kinds) == 4


def test_a_boundary_holds_by_what_is_live_and_by_the_most_within() -> None:
    met = Boundary("forward", "relu1_1", 100, 100, 120, 120, 120, "", "aten::relu_", is_shown=False)
    assert met.holds
    assert not met._replace(measured_live=101).holds
    assert not met._replace(measured_peak=119).holds
    assert not met._replace(measured_peak=121).holds
    assert not met._replace(measured_peak=None).holds
    bounded = met._replace(least=110)
    assert bounded._replace(measured_peak=110).holds
    assert not bounded._replace(measured_peak=109).holds
    assert not bounded._replace(measured_peak=121).holds
    declared = met._replace(library="the convolution", is_shown=True)
    assert declared._replace(measured_peak=121).holds
    assert not declared._replace(measured_peak=119).holds
    assert not declared._replace(measured_live=99, measured_peak=121).holds


@pytest.mark.parametrize("place", [1, 30, -1])
def test_one_byte_off_is_found(place: int) -> None:
    measurement = load(D)
    live = measurement.timeline[place].live
    assert laid(forged(measurement, place, live=live + 1)).verdict is Verdict.FAIL


def test_a_measured_peak_below_the_predicted_one_is_found() -> None:
    measurement = load(D)
    assert laid(forged(measurement, 30, peak=measurement.timeline[30].peak // 2)).verdict is Verdict.FAIL


def test_a_part_that_nobody_predicted_fails() -> None:
    measurement = load(D)
    another = MeasuredMoment("forward", "conv9_9", *measurement.timeline[-1][2:])
    assert laid(dataclasses.replace(measurement, timeline=(*measurement.timeline, another))).verdict is (
        Verdict.FAIL
    )


def test_less_than_what_is_predicted_at_least_fails() -> None:
    """Where no rule knows a kernel, more is no difference, and a byte less is one."""
    at_least = Check("peak", "", "B", 100, 100, reason="no rule", is_at_least=True)
    measured = {at: dataclasses.replace(at_least, measured=at).verdict for at in (99, 100, 101)}
    assert measured == {99: Verdict.FAIL, 100: Verdict.SKIP, 101: Verdict.SKIP}


def test_what_was_not_measured_is_no_pass() -> None:
    measurement = load(D)
    cut = dataclasses.replace(measurement, timeline=measurement.timeline[:10])
    assert laid(cut).verdict is Verdict.FAIL
    said = dataclasses.replace(cut, skipped={EVERYTHING_ELSE: "memory ran out"})
    assert laid(said).verdict is Verdict.SKIP


def test_the_command_prints_both_curves() -> None:
    result = run("timeline", "D", "--measured", D)
    assert result.exit_code == 0
    assert "PASS: the curves meet at 84 of 84 boundaries" in result.stdout


def test_json_is_the_ledger_with_the_measured_curve() -> None:
    content = json.loads(run("timeline", "D", "--measured", ADAM, "--format", "json").stdout)
    assert (content["optimizer"], content["batch"], content["verdict"]) == ("adam", 4, "PASS")
    assert all(moment["live_bytes"] == moment["measured_live_bytes"] for moment in content["moments"])
    assert {"events", "peak_bytes"} <= content.keys()


@pytest.mark.parametrize("measured", [(), ("--measured", ADAM)], ids=["predicted", "measured"])
def test_csv_has_the_figures_of_the_json(measured: tuple[object, ...]) -> None:
    arguments = ("timeline", "D", "--batch", 4, "--optimizer", "adam", *measured)
    moments = json.loads(run(*arguments, "--format", "json").stdout)["moments"]
    rows = list(csv.DictReader(io.StringIO(run(*arguments, "--format", "csv").stdout)))
    keys = [key for key in rows[0] if key in moments[0]]
    assert {"phase", "layer", "live_bytes", "peak_bytes"} <= set(keys)
    assert len(keys) == (9 if measured else 4)
    for row, moment in zip(rows, moments, strict=True):
        assert [row[key] for key in keys if key != "operation"] == [
            str(moment[key]) for key in keys if key != "operation"
        ]


def test_a_difference_ends_with_exit_code_3(tmp_path: Path) -> None:
    path = tmp_path / "forged.json"
    measurement = load(D)
    moment = measurement.timeline[40]
    path.write_text(dumps(forged(measurement, 40, live=moment.live + 4, peak=moment.peak + 4)))
    result = run("timeline", "D", "--measured", path)
    assert (result.exit_code, "FAIL" in result.stdout) == (3, True)


def test_a_real_step_can_be_run_at_once(tmp_path: Path) -> None:
    net = tmp_path / "tiny.json"
    net.write_text(json.dumps({"name": "tiny", "layers": [4, "M"], "classifier": [], "classes": 3}))
    result = run("timeline", net, "--input", 8, "--optimizer", "adam", "--measure")
    assert result.exit_code == 0, result.output
    assert "PASS" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("A", "--measured", D), "another config"),
        (("D", "--measured", D, "--batch", 8), "another batch: 1"),
        (("D", "--measured", D, "--optimizer", "adam"), "another optimizer"),
        (("D", "--measured", D, "--input", "64"), "another input"),
        (("D", "--measured", "nowhere.json"), "no record"),
        (("D", "--measured", D, "--measure"), "two sources"),
    ],
)
def test_a_record_that_does_not_belong_is_refused(arguments: tuple[object, ...], said: str) -> None:
    result = run("timeline", *arguments)
    assert (result.exit_code, said in result.stderr) == (2, True)


def test_asking_for_what_was_measured_is_no_contradiction() -> None:
    same = ("--batch", 4, "--optimizer", "adam", "--input", "224", "--dtype", "float32")
    assert run("timeline", "D", "--measured", ADAM, *same).exit_code == 0


def test_a_boundary_is_named_by_its_moment() -> None:
    curve = laid(load(D))
    moments = [(moment.phase.value, moment.layer) for moment in curve.step.moments]
    assert [(each.phase, each.layer) for each in curve.boundaries] == moments
    assert isinstance(curve.measurement.timeline[0], MeasuredMoment)
