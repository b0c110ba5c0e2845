"""``vgg-profile diagnose``: what is printed where, exit codes, and the process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from diagnosing import BROKEN, HEAD, ROOT

from vgg_profile.cli import main


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["diagnose", *arguments])


def saved(folder: Path, source: str) -> str:
    path = folder / "model.py"
    path.write_text(HEAD + source)
    return f"{path}:model"


def test_the_command_prints_to_stdout_what_it_found_and_to_stderr_what_the_file_prints(tmp_path):
    subject = saved(
        tmp_path, "print('hello')\nmodel = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(64))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-m", "vgg_profile", "diagnose", subject, "--input", "32", "--format", "json"],
        capture_output=True,
        encoding="utf-8",
        cwd=ROOT,
        timeout=120,
    )
    assert (ended.returncode, ended.stderr) == (3, "hello\n")
    content = json.loads(ended.stdout)
    assert list(content) == [
        *("schema_version", "subject", "input", "images", "like", "runs_as_written", "refused", "stopped"),
        *("defects", "differences", "remarks", "layers", "fixed", "parameters", "source"),
    ]
    assert [each["fix"] for each in content["defects"]] == ["nn.BatchNorm2d(8)"]


def test_a_clean_model_exits_with_0(tmp_path):
    result = call(saved(tmp_path, "model = nn.Sequential(nn.Conv2d(1, 8, 3))\n"), "--input", "1x8x8")
    assert result.exit_code == 0, result.output
    assert "no defect" in result.stdout
    assert result.stdout.endswith("PyTorch runs it, in train and in eval mode.\n")


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("while True: pass", "took longer than 3 seconds"),
        ("import os; os._exit(5)", "ended the process with exit code 5"),
        ("import os; os.kill(os.getpid(), 9)", "ended the process by signal 9"),
        ("model = nn.Seuenital()", "Did you mean: 'Sequential'?"),
    ],
)
def test_whatever_the_file_does_ends_in_one_paragraph(source, complaint, tmp_path):
    timeout = "3" if "while" in source else "60"
    result = call(saved(tmp_path, source), "--timeout", timeout)
    assert (result.exit_code, result.stdout) == (2, "")
    assert complaint in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_input_of_other_channels_than_the_config_is_refused():
    result = call(f"{BROKEN}:vgg19", "--like", "E-BN", "--input", "1x32x32")
    assert result.exit_code == 2
    assert "The input has 1 channel" in result.stderr


def test_channels_last_are_refused_with_the_size_that_is_meant():
    result = call(f"{BROKEN}:vgg19", "--input", "224x224x3")
    assert result.exit_code == 2
    assert "channels come first. Try --input 3x224x224" in result.stderr


def test_a_config_of_other_classes_or_with_norms_can_be_named(tmp_path):
    source = "model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), "
    source += "nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(4 * 49, 16), nn.ReLU(), nn.Dropout(), "
    source += "nn.Linear(16, 10))\n"
    subject = saved(tmp_path, source)
    (tmp_path / "small.toml").write_text('layers = "4,M"\nclassifier = [16]\n')
    like = ("--like", f"{tmp_path / 'small.toml'}", "--input", "32")
    result = call(subject, *like)
    assert result.exit_code == 3
    assert "no defect, 1 difference" in result.stdout
    assert "nn.Linear(16, 1000)" in result.stdout
    assert call(subject, *like, "--classes", "10").exit_code == 0
    result = call(subject, *like, "--classes", "10", "--batch-norm")
    assert result.exit_code == 3
    assert "missing norm" in result.stdout


def test_classes_without_a_config_are_refused():
    result = call(f"{BROKEN}:vgg19", "--classes", "10")
    assert result.exit_code == 2
    assert "Name it, such as --like D" in result.stderr
