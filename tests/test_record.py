"""Records: what is written is read back, and nothing else passes."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from recording import resigned, run

from vgg_profile.check.crosscheck import crosscheck
from vgg_profile.check.results import Verdict
from vgg_profile.check.subject import profile_for, setup_of
from vgg_profile.core.errors import InputError
from vgg_profile.core.setting import LATER
from vgg_profile.describe.tables import describe
from vgg_profile.measure.reading import load
from vgg_profile.measure.record import Measurement, dumps
from vgg_profile.predict.vgg.configs import from_dict

REPORTS = Path(__file__).parent.parent / "reports" / "measured"
RECORDS = sorted(REPORTS.glob("*.json"))


def test_the_committed_records_are_the_eight_classic_nets() -> None:
    names = {"A", "B", "D", "E", "A-BN", "B-BN", "D-BN", "E-BN"}
    assert names <= {path.stem.removesuffix("-cpu") for path in RECORDS}


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_every_check_of_a_committed_record_holds(path: Path) -> None:
    measurement = load(path)
    checks = crosscheck(profile_for(from_dict(measurement.subject["config"]), measurement), measurement)
    unmade = {check.quantity for check in checks.checks if check.verdict is Verdict.SKIP}
    if measurement.environment["fvcore"] == "not installed":  # on the H200, whose records say so
        assert unmade == {"fvcore_flops", "fvcore_activations"} <= measurement.skipped.keys()
    else:
        assert not unmade
    assert checks.verdict is (Verdict.SKIP if unmade else Verdict.PASS)
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
            with pytest.raises(InputError, match=r"changed after it was written|schema|damaged"):
                load(edited)


def _reads_as(path: Path, measurement: Measurement) -> bool:
    """Whether a record says the same: beyond a float's precision, another digit is the same number."""
    try:
        return load(path) == measurement
    except InputError:
        return False


def test_a_forger_who_signs_anew_still_fails_the_check(network: Path, saved: Path, tmp_path: Path) -> None:
    measurement = load(saved)
    timeline = tuple(
        moment._replace(live=moment.live + 4, peak=moment.peak + 4) for moment in measurement.timeline
    )
    forged = resigned(dataclasses.replace(measurement, timeline=timeline), tmp_path / "forged.json")
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
    result = run("check", network, resigned(other, tmp_path / "other.json"))
    assert result.exit_code in (2, 3), result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_a_subject_without_a_key_never_passes(network: Path, saved: Path, tmp_path: Path) -> None:
    """But for those that the first records do not have."""
    measurement = load(saved)
    for key in measurement.subject.keys() - set(LATER):
        rest = {k: v for k, v in measurement.subject.items() if k != key}
        other = resigned(dataclasses.replace(measurement, subject=rest), tmp_path / f"{key}.json")
        assert run("check", network, other).exit_code in (2, 3), key


def test_a_record_without_a_later_key_has_its_default_and_its_environment_tells_the_threads(
    network: Path, saved: Path, tmp_path: Path
) -> None:
    measurement = load(saved)
    rest = {key: value for key, value in measurement.subject.items() if key not in LATER}
    older = resigned(dataclasses.replace(measurement, subject=rest), tmp_path / "older.json")
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
    record_ = resigned(nameless, tmp_path / "module.json")
    places = {"NET": network, "RECORD": record_}
    filled = [places.get(each, each) for each in arguments]
    filled = [tmp_path / each if str(each).endswith(".svg") else each for each in filled]
    result = run(*filled)
    assert (result.exit_code, "does not say which network it is of" in result.stderr) == (2, True)
    assert not list(tmp_path.glob("*.svg"))
    mine = "D" if wants_d else str(network)
    assert crosscheck(profile_for(mine, nameless), nameless).verdict is Verdict.PASS
