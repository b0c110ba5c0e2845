"""``measure`` and ``check`` as commands: what they write, refuse, and leave behind."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from recording import resigned, run

from vgg_profile.check.crosscheck import crosscheck, overlay
from vgg_profile.check.results import Verdict
from vgg_profile.check.subject import profile_for
from vgg_profile.describe.figures import depict
from vgg_profile.describe.tables import describe
from vgg_profile.measure.reading import load
from vgg_profile.measure.record import MeasuredMoment
from vgg_profile.predict.vgg import step as paper


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
    monkeypatch.setattr("vgg_profile.predict.vgg.layers.plain.INDEX_BYTES", 4)
    paper._template.cache_clear()
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
    path = resigned(more, tmp_path / "ghost.json")
    result = run("check", network, path)
    assert (result.exit_code, "parts of the step that are not predicted" in result.stdout) == (3, True)
