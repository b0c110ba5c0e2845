"""Records: what is written is read back, and nothing else passes."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from vgg_profile.check.crosscheck import crosscheck, overlay
from vgg_profile.check.results import Verdict
from vgg_profile.check.subject import profile_for, setup_of
from vgg_profile.cli import main
from vgg_profile.core.errors import InputError
from vgg_profile.core.setting import LATER
from vgg_profile.describe.figures import depict
from vgg_profile.describe.tables import describe
from vgg_profile.measure import record
from vgg_profile.measure.reading import load
from vgg_profile.measure.record import MeasuredMoment, Measurement, Reading, dumps
from vgg_profile.predict.vgg.configs import from_dict

REPORTS = Path(__file__).parent.parent / "reports" / "measured"
RECORDS = sorted(REPORTS.glob("*.json"))
TINY = {"name": "tiny", "layers": [4, "M"], "classifier": [], "classes": 3}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("net") / "tiny.json"
    path.write_text(json.dumps(TINY))
    return path


@pytest.fixture(scope="module")
def saved(network: Path) -> Path:
    """A record made by the real command."""
    path = network.parent / "record.json"
    result = run("measure", network, "--input", "8", "--optimizer", "sgd", "--repeats", "1", "-o", path)
    assert result.exit_code == 0, result.output
    assert "PASS" in result.stdout
    assert f"Wrote {path}" in result.stderr
    return path


def test_the_committed_records_are_the_eight_classic_nets() -> None:
    names = {"A", "B", "D", "E", "A-BN", "B-BN", "D-BN", "E-BN"}
    assert names <= {path.stem.removesuffix("-cpu") for path in RECORDS}


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_every_check_of_a_committed_record_holds(path: Path) -> None:
    measurement = load(path)
    checks = crosscheck(profile_for(from_dict(measurement.subject["config"]), measurement), measurement)
    assert checks.verdict is Verdict.PASS
    assert len(checks.checks) > 200
    assert all(re.fullmatch("[a-z_]+", each["quantity"]) for each in checks.to_dict()["checks"])
    words = {row[0] for row in describe(checks).rows}
    assert {"live after forward", "most within giving the input", "peak"} <= words
    assert not any("_" in str(word) for word in words)


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_committed_record_is_written_again_byte_for_byte(path: Path) -> None:
    assert dumps(load(path)) == path.read_text(encoding="utf-8")


def test_a_record_reads_back_as_it_was(saved: Path, tmp_path: Path) -> None:
    measurement = load(saved)
    again = tmp_path / "again.json"
    again.write_text(dumps(measurement))
    assert load(again) == measurement
    assert again.read_text() == saved.read_text()


def test_check_gives_the_verdicts_of_measure(network: Path, saved: Path) -> None:
    result = run("check", network, saved)
    assert result.exit_code == 0
    assert re.search(r"PASS: (\d+) of \1 checks hold", result.stdout)


def test_check_needs_no_torch(network: Path, saved: Path) -> None:
    code = (
        "import sys; from vgg_profile.cli import main\n"
        f"main(['check', {str(network)!r}, {str(saved)!r}], standalone_mode=False)\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'pandas', 'matplotlib', 'fvcore')))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_a_record_cut_off_at_any_byte_is_refused(network: Path, saved: Path, tmp_path: Path) -> None:
    whole = saved.read_bytes()
    cut = tmp_path / "cut.json"
    for length in [*range(0, len(whole), 211), *range(len(whole) - 40, len(whole))]:
        cut.write_bytes(whole[:length])
        with pytest.raises(InputError, match="damaged"):
            load(cut)
    assert run("check", network, cut).exit_code == 2


def test_a_record_with_any_digit_changed_is_refused(saved: Path, tmp_path: Path) -> None:
    text = saved.read_text()
    edited = tmp_path / "edited.json"
    digits = [match.start() for match in re.finditer(r"\d", text)]
    for place in digits[:: max(1, len(digits) // 150)]:
        edited.write_text(f"{text[:place]}{(int(text[place]) + 1) % 10}{text[place + 1 :]}")
        if not _reads_as(edited, load(saved)):
            with pytest.raises(InputError, match=r"changed after it was measured|schema|damaged"):
                load(edited)


def _reads_as(path: Path, measurement: Measurement) -> bool:
    """Whether a record says the same: beyond a float's precision, another digit is the same number."""
    try:
        return load(path) == measurement
    except InputError:
        return False


def _resigned(measurement: Measurement, path: Path) -> Path:
    path.write_text(dumps(measurement))
    return path


def test_a_forger_who_signs_anew_still_fails_the_check(network: Path, saved: Path, tmp_path: Path) -> None:
    measurement = load(saved)
    timeline = tuple(
        moment._replace(live=moment.live + 4, peak=moment.peak + 4) for moment in measurement.timeline
    )
    forged = _resigned(dataclasses.replace(measurement, timeline=timeline), tmp_path / "forged.json")
    result = run("check", network, forged)
    assert result.exit_code == 3
    assert "FAIL" in result.stdout


@pytest.mark.parametrize(
    ("key", "value"),
    [("batch", 2), ("batch", "1"), ("dtype", "float64"), ("dtype", 3), ("mode", "dream"), ("input", [3, 9]),
     ("input", None), ("device", "tpu"), ("optimizer", None), ("config", {}), ("config", 5)],
)  # fmt: skip
def test_a_record_of_another_setting_never_passes(
    network: Path, saved: Path, tmp_path: Path, key: str, value: object
) -> None:
    measurement = load(saved)
    other = dataclasses.replace(measurement, subject=measurement.subject | {key: value})
    result = run("check", network, _resigned(other, tmp_path / "other.json"))
    assert result.exit_code in (2, 3), result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_a_subject_without_a_key_never_passes(network: Path, saved: Path, tmp_path: Path) -> None:
    """But for those that the first records do not have."""
    measurement = load(saved)
    for key in measurement.subject.keys() - set(LATER):
        rest = {k: v for k, v in measurement.subject.items() if k != key}
        other = _resigned(dataclasses.replace(measurement, subject=rest), tmp_path / f"{key}.json")
        assert run("check", network, other).exit_code in (2, 3), key


def test_a_record_without_a_later_key_has_its_default_and_its_environment_tells_the_threads(
    network: Path, saved: Path, tmp_path: Path
) -> None:
    measurement = load(saved)
    rest = {key: value for key, value in measurement.subject.items() if key not in LATER}
    older = _resigned(dataclasses.replace(measurement, subject=rest), tmp_path / "older.json")
    assert run("check", network, older).exit_code == 0
    setup = replace(measurement.setting.setup, processor=None, threads=None)
    assert load(older).setting == replace(measurement.setting, setup=setup)
    assert setup_of(load(older)).threads == measurement.setting.setup.threads


def test_a_record_of_another_config_is_refused(saved: Path) -> None:
    result = run("check", "4,M", saved)
    assert result.exit_code == 2
    assert "another config: its name is 'tiny', and 4,M's is '4,M'" in result.stderr


def test_a_record_with_batch_norm_is_not_one_without(tmp_path: Path) -> None:
    result = run("check", "D", REPORTS / "D-BN-cpu.json")
    assert result.exit_code == 2
    assert "batch_norm is True, and D's is False" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "wants_d"),
    [
        (("check", "NET", "RECORD"), False),
        (("timeline", "NET", "--measured", "RECORD"), False),
        (("plot", "NET", "time", "--measured", "RECORD", "-o", "time.svg"), False),
        (("plot", "NET", "timeline", "--measured", "RECORD", "-o", "curve.svg"), False),
        (("fit", "NET", "--memory", "8GiB", "--measured", "RECORD"), False),
        (("notes", "--measured", "RECORD"), True),
    ],
    ids=lambda each: " ".join(each[:3]) if isinstance(each, tuple) else "",
)
def test_a_record_that_names_no_network_is_judged_by_no_command(
    network: Path, saved: Path, tmp_path: Path, arguments: tuple[str, ...], wants_d: bool
) -> None:
    """It fits any network of as many layers; from Python, the caller says which one it is."""
    measurement = load(REPORTS / "D-cpu.json" if wants_d else saved)
    nameless = dataclasses.replace(measurement, subject=measurement.subject | {"config": None})
    record_ = _resigned(nameless, tmp_path / "module.json")
    places = {"NET": network, "RECORD": record_}
    filled = [places.get(each, each) for each in arguments]
    filled = [tmp_path / each if str(each).endswith(".svg") else each for each in filled]
    result = run(*filled)
    assert (result.exit_code, "does not say which network it is of" in result.stderr) == (2, True)
    assert not list(tmp_path.glob("*.svg"))
    mine = "D" if wants_d else str(network)
    assert crosscheck(profile_for(mine, nameless), nameless).verdict is Verdict.PASS


EVIL = "\x1b[31mevil"


def _signed(content: dict[str, Any], path: Path) -> Path:
    """A record with a digest that fits, whatever it holds."""
    content.pop("sha256", None)
    path.write_text(json.dumps({**content, "sha256": record.digest(content)}))
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
    odd = _resigned(dataclasses.replace(measurement, readings=other), tmp_path / "odd.json")
    result = run("check", network, odd)
    assert (result.exit_code, "'parameters' is in 'kB', not in value" in result.stderr) == (2, True)
    twice = (*measurement.readings, measurement.readings[0]._replace(value=7))
    odd = _resigned(dataclasses.replace(measurement, readings=twice), tmp_path / "odd.json")
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
        newer = _resigned(measurement, tmp_path / "newer.json")
    with pytest.raises(InputError, match=f"schema {record.RECORD_SCHEMA + 1}"):
        load(newer)


def test_a_missing_record_and_a_directory_are_refused(network: Path, tmp_path: Path) -> None:
    assert run("check", network, tmp_path / "none.json").exit_code == 2
    assert run("check", network, tmp_path).exit_code == 2


def test_measure_leaves_no_file_when_it_is_interrupted(
    network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("vgg_profile.measure.run.measure", interrupt)
    result = run("measure", network, "-o", tmp_path / "r.json")
    assert result.exit_code == 130
    assert list(tmp_path.iterdir()) == []


def test_measure_says_what_would_fit_and_keeps_the_partial_record_when_memory_runs_out(
    network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")

    monkeypatch.setattr("torch.nn.functional.cross_entropy", refuse)
    result = run("measure", network, "--input", "8", "-o", tmp_path / "r.json")
    assert result.exit_code == 1
    assert re.search(
        r"9 bytes.*would hold (a batch of \d+|not even one image)", " ".join(result.stderr.split())
    )
    assert load(tmp_path / "r.json").get("parameters") is not None
    checked = run("check", network, tmp_path / "r.json")
    assert checked.exit_code == 3
    assert "SKIP: out of memory" in checked.stdout
    assert "FAIL:" not in checked.stdout


def test_measure_exits_with_3_when_a_check_fails(network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vgg_profile.predict.vgg.layers.INDEX_BYTES", 4)
    result = run("measure", network, "--input", "8", "--repeats", "0")
    assert result.exit_code == 3
    assert "FAIL: off by" in result.stdout


def test_measure_refuses_what_cannot_be_before_it_builds(network: Path, tmp_path: Path) -> None:
    for options in (
        ("--mode", "inference", "--optimizer", "adam"),
        ("--batch", "0"),
        ("--input", "1"),
        ("-o", tmp_path),
        ("-o", tmp_path / "r.unknown"),
    ):
        assert run("measure", network, *options).exit_code == 2, options


def test_one_image_of_one_pixel_cannot_train_a_batch_norm(network: Path) -> None:
    result = run("measure", network, "--batch-norm", "--input", "1x1", "--repeats", "0")
    assert result.exit_code == 2
    result = run("measure", "4,", "--batch-norm", "--input", "1x1", "--repeats", "0")
    assert result.exit_code == 2
    assert "bn1_1" in result.stderr


def test_measured_tables_come_in_every_format(network: Path, saved: Path) -> None:
    for format_ in ("table", "markdown", "csv", "tsv", "latex", "html", "json"):
        result = run("check", network, saved, "--format", format_, "--all-layers")
        assert result.exit_code == 0, (format_, result.output)
        assert "conv1_1" in result.stdout.replace("\\", "")


def test_a_part_too_many_is_another_step(network: Path, saved: Path, tmp_path: Path) -> None:
    """A record passes with neither a layer that the network has not, nor one that comes twice."""
    measurement = load(saved)
    mine = str(network)
    ghosts = (MeasuredMoment("forward", "ghost", 0, 0, ""), measurement.timeline[-1])
    for ghost in ghosts:
        more = dataclasses.replace(measurement, timeline=(*measurement.timeline, ghost))
        checks = crosscheck(profile_for(mine, more), more)
        failed = [check for check in checks.checks if check.verdict is Verdict.FAIL]
        assert [(each.quantity, each.layer, each.measured) for each in failed] == [
            ("unpredicted_parts", ghost.place, 1)
        ]
        curve = overlay(mine, more)
        assert (curve.unpredicted, curve.verdict) == ((ghost,), Verdict.FAIL)
        assert depict(curve, "check").title == "1 measured part of the step not predicted"
        assert f"Measured and not predicted: {ghost.place}." in describe(curve).footer
    path = _resigned(more, tmp_path / "ghost.json")
    result = run("check", network, path)
    assert (result.exit_code, "parts of the step that are not predicted" in result.stdout) == (3, True)
