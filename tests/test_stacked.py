"""CSVs of two settings stack: the same columns, numbers alone in columns of numbers, the setting in them."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pytest
from calling import call

from vgg_profile.cli import main

ROOT = Path(__file__).parent.parent
UNET = ("examples/my_net.py:UNet", "--input", "3x64x64")
TINY = ("8,M,conv1-8,LRN,M", "--classes", "10", "--input", "3x32x48")

PAIRS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "table": (("table", "D"), ("table", *UNET, "--batch", "2")),
    "table --all-layers": (
        ("table", "D", "--all-layers"),
        ("table", "A-LRN", "--all-layers", "--freeze", "features.0"),
    ),
    "table --saved": (("table", "D", "--saved"), ("table", *UNET, "--saved")),
    "table --notes": (("table", "D", "--notes"), ("table", *TINY, "--notes")),
    "list": (("list",), ("list",)),
    "compare": (("compare", "A", "D"), ("compare", *UNET[:1], *UNET, "--optimizer", "adam")),
    "compare --by layer": (("compare", "A", "D", "--by", "layer"), ("compare", "E", "D-BN", "--by", "layer")),
    "compare --by block": (
        ("compare", "A", "D", "--by", "block", "--relative-to", "A"),
        ("compare", "E", "--by", "block", "--relative-to", "B"),
    ),
    "timeline": (("timeline", *TINY), ("timeline", *UNET, "--amp", "bfloat16", "--optimizer", "adam")),
    "timeline --measured": (
        ("timeline", "D", "--measured", "reports/measured/D-cpu.json"),
        ("timeline", "A", "--measured", "reports/measured/A-cpu.json"),
    ),
    "fit": (("fit", "D", "--memory", "8GiB"), ("fit", "A", "--memory", "h100", "--optimizer", "adam")),
    "sweep": (
        ("sweep", "D", "--batch", "1..3"),
        ("sweep", *UNET, "--batch", "2", "--optimizer", "adam"),
    ),
    "fit A D": (
        ("fit", "A", "D", "--memory", "8GiB"),
        ("sweep", "E", "--memory", "h100", "--optimizer", "sgd,adam"),
    ),
    "fit --what-if": (
        ("fit", "8,M", "--input", "32", "--memory", "1GiB", "--what-if"),
        ("fit", "A", "--memory", "8GiB", "--what-if", "--optimizer", "adam"),
    ),
    "measure": (("measure", *TINY), ("measure", "8,M", "--input", "16", "--optimizer", "adam")),
    "check": (
        ("check", "D", "reports/measured/D-cpu.json"),
        ("check", "D-BN", "reports/measured/D-BN-amp-cuda.json"),
    ),
    "notes": (("notes",), ("notes",)),
    "notes --claims": (("notes", "--claims"), ("notes", "--claims")),
    "notes FILE": (
        ("notes", "examples/my_table.csv"),
        ("notes", "examples/my_table.csv", "--net", "D-BN", "--batch", "2"),
    ),
    "explain": (("explain",), ("explain",)),
    "explain NET": (("explain", "D"), ("explain", *UNET)),
    "explain TOPIC": (("explain", "fc6"), ("explain", "peak")),
    "explain NET LAYER": (
        ("explain", "D", "conv3_2", "--batch", "8"),
        ("explain", UNET[0], "down.0", *UNET[1:]),
    ),
    "diagnose": (
        ("diagnose", "tests/data/diagnose/slips.py:SiameseBroken", "--input", "3x32x32"),
        ("diagnose", "tests/data/diagnose/causes.py:Pool3", "--input", "3x32x32"),
    ),
    "budget": (("budget", "tests/data/budget.toml"),) * 2,
    "compare --short": (
        ("compare", "D", "E", "--short"),
        ("compare", "A", "B", "--short", "--memory", "8GiB"),
    ),
    "doctor": (("doctor",), ("doctor",)),
}

NUMBERS = {"values", "weights", "macs", "parameters", "residual", "value", "predicted", "measured"}
SETTING = ["input", "batch", "dtype", "device", "mode", "optimizer", "amp", "checkpoint"]
WITHOUT_SETTING = (
    "list",
    "notes",
    "notes --claims",
    "explain",
    "explain NET",
    "explain TOPIC",
    "budget",
    "diagnose",
    "doctor",
)


def frames(*commands: tuple[str, ...]) -> list[pd.DataFrame]:
    found = []
    for words in commands:
        result = call(*words, "--format", "csv")
        assert result.exit_code in (0, 3, 4), result.output
        found.append(pd.read_csv(io.StringIO(result.stdout)))
    return found


def mixed(stacked: pd.DataFrame) -> list[str]:
    """Columns in which numbers stand among words; workings, shapes and what is printed are words."""
    words = [
        name
        for name in stacked
        if not pd.api.types.is_numeric_dtype(stacked[name])
        and not name.endswith(("_working", "_printed", "shape", "output"))
    ]
    return [
        name
        for name in words
        if pd.to_numeric(stacked[name].dropna().map(str), errors="coerce").notna().any()
        and not stacked[name].dropna().map(lambda cell: isinstance(cell, bool)).all()
    ]


@pytest.mark.parametrize("name", PAIRS)
def test_two_settings_stack(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    one, other = frames(*PAIRS[name])
    assert sorted(one) == sorted(other)
    stacked = pd.concat([one, other], ignore_index=True)
    assert len(stacked) == len(one) + len(other) > 0
    assert mixed(stacked) == []
    for each in stacked:
        if each.endswith("_bytes") or each in NUMBERS:
            assert pd.api.types.is_numeric_dtype(stacked[each]), each
    if name not in WITHOUT_SETTING:
        assert set(SETTING) <= set(stacked)
        assert not {"network", "config", "new_network"}.isdisjoint(stacked)


def test_every_command_that_prints_a_table_stacks() -> None:
    assert {name.split()[0] for name in PAIRS} == set(main.commands) - {"plot", "report", "trace"}


def test_a_word_among_numbers_is_noticed() -> None:
    assert mixed(pd.DataFrame({"a": ["1", "no new memory"], "b": ["x", "y"], "c": [1, 2]})) == ["a"]
