"""The notes audited: what agrees, what differs, and that an altered figure is found out."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from conftest import Golden
from facts import NOTES as TRANSCRIBED
from facts import PAPER, POOL_INDEX_BYTES, SAVED_FOR_BACKWARD

import vgg_profile.measure
from vgg_profile import InputError
from vgg_profile.check.crosscheck import crosscheck
from vgg_profile.check.results import Checks
from vgg_profile.check.subject import profile_for
from vgg_profile.cli import main
from vgg_profile.measure.reading import load
from vgg_profile.measure.record import MeasuredMoment, Measurement
from vgg_profile.render import FORMATS
from vgg_profile.teach.audit import audit
from vgg_profile.teach.lines import Finding
from vgg_profile.teach.notes import NOTES, Published, unrounded
from vgg_profile.teach.printed import evaluated

ROOT = Path(__file__).parent.parent
RECORD = ROOT / "reports" / "measured" / "D-cpu.json"


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def altered(place: int, **figures: str) -> Published:
    """The notes with one line printed otherwise."""
    lines = list(NOTES.lines)
    lines[place] = lines[place]._replace(**figures)
    return dataclasses.replace(NOTES, lines=tuple(lines))


# The lines


def test_the_figures_are_those_of_the_notes() -> None:
    """A second transcription, made for the tests, has the same figures."""
    assert len(NOTES.lines) == len(TRANSCRIBED) == 22
    for ours, theirs in zip(NOTES.lines, TRANSCRIBED, strict=True):
        working, _, weights = ours.weights.rpartition(" = ")
        assert (ours.label, ours.shape) == (theirs.label, theirs.shape)
        assert ours.memory.rpartition("=")[2] == theirs.memory
        assert (working, weights) == (theirs.weights_working, theirs.weights)


def test_every_line_of_the_notes_agrees_and_omits_its_biases() -> None:
    lines = audit().lines
    assert all(line.differing == () for line in lines)
    assert [line.biases for line in lines if line.row.kind in ("conv", "fc")] == [Finding.OMITTED] * 16
    assert [line.biases for line in lines if line.row.kind in ("input", "maxpool")] == [None] * 6
    assert sum(line.row.biases for line in lines) == PAPER["D"].biases


@pytest.mark.parametrize("figure", ["shape", "memory", "weights"])
def test_an_altered_figure_is_found_and_no_other(figure: str) -> None:
    """In whatever line its last digit or letter is another."""
    for place, line in enumerate(NOTES.lines):
        printed = getattr(line, figure)
        other = printed[:-1] + ("4" if printed[-1] != "4" else "6")
        lines = audit(published=altered(place, **{figure: other})).lines
        assert [each.differing for each in lines] == [
            (figure,) if number == place else () for number in range(len(lines))
        ]


@pytest.mark.parametrize(
    ("place", "figures", "differing"),
    [
        (1, {"memory": "224*224*64=3.3M"}, ("memory",)),  # the rounding
        (1, {"memory": "224*224*65=3.2M"}, ("memory",)),  # the working
        (2, {"weights": "(3*3*64)*64 = 36,865"}, ("weights",)),
        (2, {"weights": "(3*3*63)*64 = 36,864"}, ("weights",)),
        (0, {"weights": "1"}, ("weights",)),
        (3, {"memory": "800", "shape": "112x112x128"}, ("shape", "memory")),
        (21, {"shape": "1x1000"}, ("shape",)),
    ],
)
def test_a_figure_that_is_slightly_wrong_differs(
    place: int, figures: dict[str, str], differing: tuple[str, ...]
) -> None:
    assert audit(published=altered(place, **figures)).lines[place].differing == differing


def test_a_line_too_few_is_no_audit() -> None:
    with pytest.raises(ValueError, match="longer"):
        _ = audit(published=dataclasses.replace(NOTES, lines=NOTES.lines[:-1])).lines


def test_printed_arithmetic_is_evaluated() -> None:
    assert evaluated("7*7*512*4096") == 102_760_448
    assert [unrounded(figure) for figure in ("24M", "1.6M", "25K", "4096")] == [
        24_000_000,
        1_600_000,
        25_000,
        4096,
    ]


# The claims


def test_the_total_of_memory_differs_and_nobody_knows_why() -> None:
    found = audit().total_memory
    assert (found.printed, found.computed, found.finding) == ("24M", 15_237_608, "differs")
    # 150K + 2*3.2M + 800K + 2*1.6M + 400K + 3*800K + 200K + 3*400K + 100K + 3*100K + 25K + 4096 + 4096 + 1000
    assert "15,184,192" in found.remark
    assert found.remark.endswith("No explanation of 24M is known.")
    holds = audit(published=dataclasses.replace(NOTES, values="15M")).total_memory
    assert holds.finding == "agrees"
    assert "explanation" not in holds.remark


def test_the_printed_bytes_follow_from_nothing() -> None:
    audited = audit()
    product, rows = audited.printed_bytes, audited.counted_bytes
    assert (product.computed, product.finding) == (96_000_000, "differs")
    assert "96.00 MB = 91.55 MiB: 93 of neither" in product.remark
    assert (rows.computed, rows.finding) == (60_950_432, "differs")
    assert "60.95 MB = 58.13 MiB: 93 of neither" in rows.remark


@pytest.mark.parametrize(
    ("printed", "findings"),
    [
        ("96MB", ["agrees", "differs"]),
        ("92MB", ["agrees", "differs"]),
        ("91MB", ["differs", "differs"]),
        ("61MB", ["differs", "agrees"]),
        ("58MB", ["differs", "agrees"]),
    ],
)
def test_a_rounded_figure_of_bytes_agrees_as_mb_or_as_mib(printed: str, findings: list[str]) -> None:
    claims = audit(published=dataclasses.replace(NOTES, megabytes=printed)).claims
    assert [found.finding for found in claims if found.printed == printed] == findings


def test_the_parameters_hold_with_biases_and_without() -> None:
    found = audit().total_parameters
    assert (found.computed, found.finding) == (PAPER["D"].weights, "agrees")
    assert f"{PAPER['D'].parameters:,}, which rounds to 138M" in found.remark
    other = audit(published=dataclasses.replace(NOTES, parameters="139M")).total_parameters
    assert other.finding == "differs"


def test_the_biases_and_what_is_kept_are_omitted() -> None:
    audited = audit()
    biases, kept = audited.biases, audited.kept_for_backward
    assert (biases.computed, biases.finding) == (PAPER["D"].biases, "omitted")
    assert (kept.computed, kept.finding) == (SAVED_FOR_BACKWARD["D"], "omitted")
    assert f"{POOL_INDEX_BYTES:,} of them" in kept.remark


def test_the_backward_pass_does_not_double_it() -> None:
    audited = audit()
    found = audited.backward
    # By hand: when relu5_3's backward runs, what lay behind it is gone (the average pool's copy, the outputs
    # of fc6, drop6, fc7 and drop7, two masks, pool5's output and its indices); the loss and its gradient and
    # two gradients of conv5_3's map have come.
    gone = 100_352 + 4 * 16_384 + 2 * 16_384 + 100_352 + 200_704
    come = 4 + 4 + 2 * 512 * 14 * 14 * 4
    assert found.computed == SAVED_FOR_BACKWARD["D"] - gone + come
    assert found.finding == "differs"
    once = audit(published=dataclasses.replace(NOTES, backward_factor=1))
    assert once.backward.finding == "agrees"


# A real pass


def checks_of(measurement: Measurement) -> Checks:
    return crosscheck(profile_for("D", measurement), measurement)


def test_a_record_stands_behind_the_claim() -> None:
    *_, measured, held = audit(checks_of(load(RECORD))).remarks
    assert "72,757,152 bytes live after the forward pass" in measured
    assert "626,789,448" in measured
    assert "so the split above stands on a measurement" in held


def test_a_record_that_differs_takes_the_ground_away() -> None:
    measurement = load(RECORD)
    last = next(m for m in measurement.timeline if (m.phase, m.layer) == ("forward", "fc8"))
    wrong = tuple(m._replace(live=m.live + 1) if m is last else m for m in measurement.timeline)
    audited = audit(checks_of(dataclasses.replace(measurement, timeline=wrong)))
    assert "72,757,153 bytes live" in audited.remarks[-2]
    assert "the prediction does not hold there" in audited.remarks[-1]
    assert audited.to_dict()["measured"]["verdict"] == "FAIL"


def test_a_record_with_a_part_too_many_takes_it_away_too() -> None:
    """Every boundary meets, and the step is another."""
    measurement = load(RECORD)
    ghost = MeasuredMoment("forward", "ghost", 0, 0, "")
    audited = audit(checks_of(dataclasses.replace(measurement, timeline=(ghost, *measurement.timeline))))
    assert "72,757,152 bytes live" in audited.remarks[-2]
    assert "the prediction does not hold there" in audited.remarks[-1]
    assert audited.to_dict()["measured"]["verdict"] == "FAIL"


def test_a_record_without_memory_is_no_witness() -> None:
    measurement = dataclasses.replace(load(RECORD), timeline=(), skipped={"live_bytes": "no profiler"})
    assert "neither confirms nor denies" in audit(checks_of(measurement)).remarks[-1]


def test_a_record_without_a_backward_pass_is_refused() -> None:
    measurement = load(RECORD)
    subject = measurement.subject | {"mode": "inference"}
    checks = dataclasses.replace(
        checks_of(measurement), measurement=dataclasses.replace(measurement, subject=subject)
    )
    with pytest.raises(InputError, match="no backward pass"):
        audit(checks)


# The command


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("claims", [False, True], ids=["lines", "claims"])
def test_every_format_shows_the_audit(format_: str, claims: bool) -> None:
    result = call("notes", "--format", format_, *(["--claims"] if claims else []))
    assert (result.exit_code, result.stderr) == (0, "")
    plain = result.stdout.replace(",", "")
    assert "TOTAL memory" in plain if claims else "102760448" in plain
    assert ("15237608" in plain) == (claims or format_ not in ("csv", "tsv"))  # those have no totals
    if format_ == "json":
        content = json.loads(result.stdout)
        assert len(content["lines"]) == 22
        assert {line["memory"] for line in content["lines"]} == {"agrees"}
        assert content["measured"] is None


def test_machines_read_the_lines_and_the_claims() -> None:
    lines = list(csv.DictReader(io.StringIO(call("notes", "--format", "csv").stdout)))
    assert [line["finding"] for line in lines] == ["agrees"] * 22
    assert sum(int(line["memory_values"]) for line in lines) == 15_237_608
    assert sum(int(line["weights_computed"]) for line in lines) == PAPER["D"].weights
    claims = list(csv.DictReader(io.StringIO(call("notes", "--claims", "--format", "csv").stdout)))
    assert [row["finding"] for row in claims] == [found.finding for found in audit().claims]


def test_the_audit_is_printed_whole(golden: Golden) -> None:
    golden("notes.txt", call("notes").stdout)


def test_a_difference_is_printed_in_its_line() -> None:
    from vgg_profile.render import render

    text = render(audit(published=altered(5, weights="(3*3*128)*128 = 147,465")), "table")
    marked = [line for line in text.splitlines() if line.endswith("differs: weights")]
    assert [line.split()[:2] for line in marked] == [["CONV3-128", "conv2_2"]]


def test_the_command_reads_a_record() -> None:
    result = call("notes", "--measured", str(RECORD))
    assert result.exit_code == 0
    assert "Measured on" in result.stdout


def test_the_command_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vgg_profile.measure.run.measure", lambda network, **setting: load(RECORD))
    result = call("notes", "--measure", "--format", "json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["measured"]["kept_forward_bytes"] == SAVED_FOR_BACKWARD["D"]


def test_the_command_says_when_memory_does_not_suffice(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(network: str, **setting: object) -> Measurement:
        raise vgg_profile.measure.OutOfMemoryError("no room", load(RECORD), "forward", "fc6")

    monkeypatch.setattr("vgg_profile.measure.run.measure", fail)
    result = call("notes", "--measure")
    assert result.exit_code == 1
    assert "Out of memory: no room. It was at forward of fc6" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--measured", "nowhere.json"], "There is no record"),
        (["--measured", str(RECORD.with_name("D-BN-cpu.json"))], "another config"),
        (["--measured", str(RECORD), "--measure"], "Give one of them"),
        (["--format", "papyrus"], "papyrus"),
    ],
    ids=["missing", "another net", "both", "format"],
)
def test_a_mistake_is_refused(arguments: list[str], complaint: str) -> None:
    result = call("notes", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert complaint in result.stderr
    assert "Traceback" not in result.stderr
