"""Commands go on where a package that they do not need is missing or broken, and name one that they need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from calling import call

from vgg_profile.cli import COMMANDS
from vgg_profile.diagnose import asking

ROOT = Path(__file__).parent.parent
RECORD = "reports/measured/D-cpu.json"
SMALL = ("8,M,conv1-8,LRN,M", "--classes", "10", "--input", "3x32x48")
UNET = ("examples/my_net.py:UNet", "--input", "3x64x64")
HERE = ("--processor", "avx512", "--threads", "2")

FAULTS = {
    "missing": "raise ModuleNotFoundError(f'No module named {__name__!r}', name=__name__)",
    "half": "import a_package_that_nobody_has",
    "library": "raise ImportError('libcudart.so.13: cannot open shared object file')",
    "loader": "raise OSError('libomp.so: cannot open shared object file')",
    "version": "raise RuntimeError('compiled for another Python')",
    "attribute": "import sys; sys.a_name_of_tomorrow",
    "own": "class Strange(Exception): pass\nraise Strange('a\\nb \\x1b[31m')",
    "syntax": "def f(:",
    "leaves": "raise SystemExit(0)",
    "empty": "",
}
"""Kind of breakage → what the package's first file holds; of an empty one, nothing can be taken."""

FREE = (
    *((name, "--help") for name in COMMANDS),
    ("list",),
    *(("table", *SMALL, "--format", form) for form in ("table", "markdown", "csv", "json", "latex", "html")),
    ("compare", "A", "D", "--by", "block"),
    ("check", "D", RECORD),
    ("timeline", *SMALL, "--optimizer", "adam", "--measured", "RECORD"),
    ("fit", "D", "--memory", "rtx4090", "--optimizer", "adam"),
    ("fit", *SMALL, "--memory", "1GiB", "--what-if", *HERE),
    ("budget", "tests/data/budget.toml"),
    ("sweep", *SMALL[:3], "--batch", "1..4", "--input", "32..64:32"),
    ("notes", "--measured", RECORD),
    ("explain", "D", "conv3_2"),
    ("explain", "peak"),
)
"""What needs neither PyTorch nor pandas nor matplotlib nor fvcore."""

NEEDS = {
    "torch": (
        ("measure", *SMALL),
        ("timeline", *SMALL, "--measure"),
        ("notes", "--measure"),
        ("report", *SMALL, "--measure", "-o", "OUT/x.md"),
        ("fit", *SMALL, "--memory", "1GiB", "--calibrate"),
        ("fit", *SMALL, "--memory", "1GiB", "--probe"),
        ("trace", *UNET, "-o", "OUT/x.json"),
        *((name, *UNET) for name in ("table", "timeline")),
        ("fit", *UNET, "--memory", "8GiB"),
        ("sweep", *UNET),
        ("explain", *UNET),
        ("plot", UNET[0], "memory", *UNET[1:], "-o", "OUT/x.svg"),
    ),
    "matplotlib": (
        ("plot", "D", "memory", "-o", "OUT/x.svg"),
        ("report", *SMALL, "-o", "OUT/x.html"),
        ("table", *SMALL, "-o", "OUT/x.png"),
    ),
}
"""Package → what cannot be done without it."""

RUNNER = """
import importlib, json, sys
from pathlib import Path
from click.testing import CliRunner
from vgg_profile.cli import main

packages, faults, calls = json.loads(sys.stdin.read())
sys.dont_write_bytecode = True
for fault, code in faults.items():
    for package in packages:
        (Path(sys.argv[1]) / package / "__init__.py").write_text(code)
        sys.modules.pop(package, None)
    importlib.invalidate_caches()
    for words in calls:
        ended = CliRunner().invoke(main, words)
        strange = ended.exception if not isinstance(ended.exception, SystemExit) else None
        print(json.dumps([fault, words, ended.exit_code, ended.stdout, ended.stderr, repr(strange)]))
"""


def ended_with(
    packages: tuple[str, ...], calls: tuple[tuple[str, ...], ...], folder: Path, *faults: str
) -> list[Any]:
    """How commands end where packages of these names come first on ``PYTHONPATH`` and do not load."""
    for package in packages:
        (folder / "path" / package).mkdir(parents=True)
    (folder / "out").mkdir()
    ended = subprocess.run(
        [sys.executable, "-P", "-c", RUNNER, str(folder / "path")],
        input=json.dumps(
            (
                packages,
                {each: FAULTS[each] for each in faults or FAULTS},
                [[word.replace("OUT", str(folder / "out")) for word in words] for words in calls],
            )
        ),
        capture_output=True,
        encoding="utf-8",
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{folder / 'path'}{os.pathsep}{ROOT}"},
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr
    assert list((folder / "out").iterdir()) == [], "something was left behind"
    return [json.loads(line) for line in ended.stdout.splitlines()]


def test_what_needs_no_heavy_package_answers_the_same_where_all_of_them_are_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    answers = ended_with(("torch", "pandas", "matplotlib", "fvcore"), FREE, tmp_path, "own")
    assert [tuple(words) for _, words, *_ in answers] == list(FREE)
    for _, words, *ended, strange in answers:
        expected = call(*words)
        assert strange == "None", words
        assert ended == [expected.exit_code, expected.stdout, expected.stderr], words


@pytest.mark.parametrize("package", NEEDS)
def test_what_needs_a_broken_package_says_what_to_install(package: str, tmp_path: Path) -> None:
    answers = ended_with((package,), NEEDS[package], tmp_path)
    assert len(answers) == len(FAULTS) * len(NEEDS[package])
    for fault, words, *ended, strange in answers:
        assert strange == "None", (fault, words)
        assert said_badly(package, fault, *ended) == [], (fault, words, ended)


def said_badly(package: str, fault: str, code: int, stdout: str, stderr: str) -> list[str]:
    """What is wrong with how a command says that it lacks a package; empty where nothing is."""
    wanted = "a_package_that_nobody_has" if fault == "half" else package
    said = [line for line in stderr.splitlines() if line.startswith("Error: ")]
    is_missing = fault in ("missing", "half")
    install = f"`pip install {wanted}`" if is_missing else f"`pip install --force-reinstall {package}`"
    return [
        complaint
        for complaint, is_so in (
            ("the exit code", code != 1),
            ("a result", stdout != ""),
            ("not one sentence", len(said) != 1 or stderr.splitlines()[-1:] != said),
            ("a traceback", "Traceback" in stderr),
            ("a sign that is not printable", "\x1b" in stderr),
            ("no name", not any(wanted in line for line in said)),
            ("nothing to install", not any(install in line for line in said)),
        )
        if is_so
    ]


def test_what_is_said_badly_is_noticed() -> None:
    good = "Error: PyTorch (torch) is missing. `pip install torch` installs it.\n"
    assert said_badly("torch", "missing", 1, "", good) == []
    assert said_badly("torch", "missing", 2, "x", good) == ["the exit code", "a result"]
    assert "no name" in said_badly("matplotlib", "missing", 1, "", good)
    assert "a traceback" in said_badly(
        "torch", "missing", 1, "", f"Traceback (most recent call last):\n{good}"
    )
    assert "nothing to install" in said_badly("torch", "loader", 1, "", "Error: torch cannot be loaded: x.\n")
    assert "not one sentence" in said_badly("torch", "missing", 1, "", good + "and so on\n")


def test_the_doctor_says_what_does_not_load_and_diagnose_too(tmp_path: Path) -> None:
    doctor, diagnose = ended_with(
        ("torch",), (("doctor",), ("diagnose", "examples/broken_vgg19.py:vgg19")), tmp_path, "loader"
    )
    assert doctor[2] == 0
    assert "PyTorch (torch) cannot be loaded: OSError: libomp.so" in doctor[3]
    assert said_badly("torch", "loader", *diagnose[2:5]) == []


def test_diagnose_says_that_torch_is_missing_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its process ends before it comes to the file, as without torch; and there is none to be found."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(asking, "python", lambda module: [sys.executable, "-c", "raise SystemExit(1)"])
    words = ("diagnose", "examples/broken_vgg19.py:vgg19")
    assert "cannot be loaded" in call(*words).stderr
    monkeypatch.setattr(asking, "find_spec", lambda name: None)
    ended = call(*words)
    assert said_badly("torch", "missing", ended.exit_code, ended.stdout, ended.stderr) == []
    assert "cannot be loaded" not in ended.stderr


def test_a_measurement_goes_on_where_fvcore_does_not_load_and_says_why(tmp_path: Path) -> None:
    words = ("measure", "tests/data/one_block.toml", "--input", "8", "--repeats", "0", "--format", "json")
    for fault, _, code, stdout, stderr, strange in ended_with(("fvcore",), (words,), tmp_path, "own", "half"):
        assert (code, strange) == (3, "None"), (fault, stderr)
        why = json.loads(stdout)["skipped"]["fvcore_flops"]
        assert (
            why
            == {
                "own": r"fvcore cannot be loaded: Strange: a\nb \x1b[31m",
                "half": "a_package_that_nobody_has is not installed",
            }[fault]
        )
