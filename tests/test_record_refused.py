"""What is no record, or none that a measurement writes, is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from recording import resigned, run

from vgg_profile.core.errors import InputError
from vgg_profile.core.signed import sign
from vgg_profile.core.validate import MisfitError
from vgg_profile.measure import record
from vgg_profile.measure.consistent import check_consistent
from vgg_profile.measure.reading import load
from vgg_profile.measure.record import MeasuredMoment, Reading

REPORTS = Path(__file__).parent.parent / "reports" / "measured"
EVIL = "\x1b[31mevil"


def _signed(content: dict[str, Any], path: Path) -> Path:
    """A record with a digest that fits, whatever it holds."""
    path.write_text(json.dumps(sign(content)))
    return path


ODD = (None, [], [None], {}, {"a": []}, -1, 10**400, float("nan"), float("inf"), True, EVIL, [EVIL], "")


@pytest.mark.parametrize(
    "place",
    [
        ("subject",),
        ("environment",),
        ("environment", "device"),
        ("skipped",),
        ("readings",),
        ("readings", 0),
        ("timeline",),
        ("timeline", 3),
        *(("subject", key) for key in record.SUBJECT),
        *(("readings", -1, key) for key in Reading._fields),
        *(("timeline", 3, key) for key in MeasuredMoment._fields),
    ],
    ids=lambda place: " ".join(map(str, place)),
)
def test_a_signed_record_with_any_field_of_the_wrong_form_breaks_nothing(
    network: Path, saved: Path, tmp_path: Path, place: tuple[str | int, ...]
) -> None:
    odd = tmp_path / "odd.json"
    setting = ("--measured", odd, "--input", 8)
    for value in ODD:
        content = json.loads(saved.read_text())
        holder: Any = content
        for key in place[:-1]:
            holder = holder[key]
        holder[place[-1]] = value
        _signed(content, odd)
        if not _reads(odd):
            continue
        for arguments in (
            ("check", network, odd),
            ("plot", network, "time", *setting, "--force", "-o", tmp_path / "time.svg"),
            ("compare", network, *setting, "--optimizer", "sgd"),
            ("fit", network, "--memory", "8GiB", *setting, "--optimizer", "sgd"),
        ):
            result = run(*arguments)
            assert result.exit_code in (0, 2, 3), (value, arguments, result.output)
            assert result.exception is None or isinstance(result.exception, SystemExit), (value, arguments)
            assert "\x1b" not in result.output


def _reads(path: Path) -> bool:
    """Whether there is a measurement in it; nothing but an ``InputError`` may say that there is none."""
    try:
        load(path)
    except InputError:
        return False
    return True


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("readings", -1, "value"), float("nan"), "Expected `float` >= 0.0 - at `$.readings["),
        (("readings", -1, "value"), float("inf"), "].value`"),
        (("readings", -1, "value"), -0.5, "Expected `float` >= 0.0"),
        (("readings", -1, "value"), -1, "is -1 "),
        (("readings", -1, "value"), 10**400, "Expected `int` <= 9223372036854775807"),
        (
            ("readings", 0, "value"),
            True,
            "Expected `int | float | array`, got `bool` - at `$.readings[0].value`",
        ),
        (("readings", 0, "value"), [4, True], "got `bool` - at `$.readings[0].value[1]`"),
        (("readings", -1, "method"), EVIL, r"Expected printable text, got '\x1b[31mevil' - at `$.readings["),
        (("readings", -1, "note"), "more", "unknown field `note` - at `$.readings["),
        (("timeline", 3, "live"), 1.5, "Expected `int`, got `float` - at `$.timeline[3].live`"),
        (("timeline", 3, "live"), 1.0, "Expected `int`, got `float` - at `$.timeline[3].live`"),
        (("timeline", 3, "live"), 2**63, "at `$.timeline[3].live`"),
        (("timeline", 3, "op"), None, "Expected printable text, got None - at `$.timeline[3].op`"),
        (("environment", EVIL), "1", "Expected printable text"),
        (("environment", "threads"), 2, "Expected printable text, got 2 - at `$.environment`"),
        (("skipped",), [], "Expected names with texts, got [] - at `$.skipped`"),
        (("subject", "onednn"), 1, "Expected `bool`, got `int` - at `$.subject.onednn`"),
        (("subject", "input"), [3, 0, 8], "Expected `int` >= 1 - at `$.subject.input[1]`"),
        (("subject", "input"), [3, 8], "its input has 2 sizes, and an image has 3"),
        (("subject", "input"), [3, 8, 8, 8], "its input has 4 sizes, and an image has 3"),
        (("subject", "device"), "tpu", "There is no device 'tpu' here."),
        (("subject", "mode"), "dream", "There is no mode 'dream' here."),
        (("subject", "mode"), "inference", "inference makes none"),
        (("subject", "colour"), "red", "unknown field `colour` - at `$.subject`"),
        ((EVIL,), "red", r"unknown field `\x1b[31mevil`"),
    ],
)
def test_what_no_measurement_writes_is_refused_by_its_place(
    network: Path, saved: Path, tmp_path: Path, place: tuple[str | int, ...], value: object, said: str
) -> None:
    content = json.loads(saved.read_text())
    holder: Any = content
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    result = run("check", network, _signed(content, tmp_path / "odd.json"))
    assert (result.exit_code, "holds what no measurement writes" in result.stderr) == (2, True)
    assert said in result.stderr


@pytest.mark.parametrize("place", [("readings", 0, "unit"), ("timeline", 0, "op"), ("skipped",)])
def test_what_is_missing_is_named(
    network: Path, saved: Path, tmp_path: Path, place: tuple[str | int, ...]
) -> None:
    content = json.loads(saved.read_text())
    holder: Any = content
    for key in place[:-1]:
        holder = holder[key]
    del holder[place[-1]]
    result = run("check", network, _signed(content, tmp_path / "odd.json"))
    assert (result.exit_code, f"missing required field `{place[-1]}`" in result.stderr) == (2, True)


def test_a_record_nested_without_end_or_too_large_is_refused(saved: Path, tmp_path: Path) -> None:
    content = json.loads(saved.read_text())
    nested = json.dumps(content["subject"]["config"])
    deep = tmp_path / "deep.json"
    deep.write_text(saved.read_text().replace(nested, "[" * 50_000 + "]" * 50_000))
    with pytest.raises(InputError, match="nested too deeply"):
        load(deep)
    large = tmp_path / "large.json"
    with large.open("wb") as file:
        file.truncate(2**40)  # a sparse terabyte
    with pytest.raises(InputError, match="over 64 MiB"):
        load(large)


def test_a_quantity_in_another_unit_or_twice_is_refused(network: Path, saved: Path, tmp_path: Path) -> None:
    measurement = load(saved)
    other = tuple(r._replace(unit="kB") if r.quantity == "parameters" else r for r in measurement.readings)
    odd = resigned(dataclasses.replace(measurement, readings=other), tmp_path / "odd.json")
    result = run("check", network, odd)
    assert (result.exit_code, "'parameters' is in 'kB', not in value" in result.stderr) == (2, True)
    twice = (*measurement.readings, measurement.readings[0]._replace(value=7))
    odd = resigned(dataclasses.replace(measurement, readings=twice), tmp_path / "odd.json")
    result = run("check", network, odd)
    assert (result.exit_code, "'parameters', 2 times" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "null",
        "5",
        "[" * 100_000,
        '{"kind": "vgg-profile measurement"}',
        "\x00",
        '{"kind": 1}',
    ],
)
def test_what_is_no_record_is_refused(network: Path, tmp_path: Path, text: str) -> None:
    path = tmp_path / "no.json"
    path.write_text(text)
    result = run("check", network, path)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_an_unknown_schema_is_refused_even_if_signed(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measurement = load(saved)
    with monkeypatch.context() as patch:
        patch.setattr(record, "RECORD_SCHEMA", record.RECORD_SCHEMA + 1)
        newer = resigned(measurement, tmp_path / "newer.json")
    with pytest.raises(InputError, match=f"schema {record.RECORD_SCHEMA + 1}"):
        load(newer)


def test_a_missing_record_and_a_directory_are_refused(network: Path, tmp_path: Path) -> None:
    assert run("check", network, tmp_path / "none.json").exit_code == 2
    assert run("check", network, tmp_path).exit_code == 2


def test_a_part_has_no_less_within_it_than_at_its_ends_and_a_layer_takes_no_longer_than_its_phase() -> None:
    honest = load(REPORTS / "A-cpu.json")
    check_consistent(honest)
    before, part = honest.timeline[9:11]
    times = [reading for reading in honest.readings if reading.quantity == "forward_time"]
    longer = next(reading for reading in times if reading.layer)
    (whole,) = (reading for reading in times if not reading.layer)
    above, below = part.peak + 1, before.live - 1
    for said, change in (
        ("are live at the end", {"timeline": _swapped(honest.timeline, part, part._replace(live=-1))}),
        (
            "are live at the end",
            {"timeline": _swapped(honest.timeline, part, part._replace(live=above))},
        ),
        ("begins with", {"timeline": _swapped(honest.timeline, part, part._replace(live=0, peak=below))}),
        (
            "is longer than all of forward_time",
            {"readings": _swapped(honest.readings, longer, longer._replace(value=2 * whole.value))},
        ),
    ):
        with pytest.raises(MisfitError, match=said):
            check_consistent(dataclasses.replace(honest, **change))


def _swapped(items: tuple[Any, ...], old: object, new: object) -> tuple[Any, ...]:
    return tuple(new if each is old else each for each in items)
