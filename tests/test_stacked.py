"""CSVs of two settings stack: the same columns, numbers alone in columns of numbers, the setting in them."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
from calling import call

from vgg_profile.cli import main
from vgg_profile.core.setting import Setting

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
    "measure": (
        ("measure", "tests/data/one_block.toml", "--input", "8", "--repeats", "1"),
        ("measure", "8,M", "--input", "16", "--optimizer", "adam", "--repeats", "1"),
    ),
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
SETTING = set(Setting(()).to_dict())
PARTLY = {"explain": set[str](), "doctor": set[str](), "diagnose": {"network", "like", "input"}}
"""A list of topics and a machine have no setting; a diagnosis runs no step: docs/commands.md says so."""


def frame(*words: str) -> pd.DataFrame:
    result = call(*words, "--format", "csv")
    assert result.exit_code in (0, 3, 4), result.output
    return pd.read_csv(io.StringIO(result.stdout))


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


def faults(one: pd.DataFrame, other: pd.DataFrame, setting: set[str] = SETTING) -> list[str]:
    """What keeps two tables of one command from standing in one: nothing, if they are data."""
    found = [f"{name} is in one alone" for name in sorted({*one} ^ {*other})]
    if not found and [*one] != [*other]:
        found.append("the columns have another order")
    stacked = pd.concat([one, other], ignore_index=True)
    found += [f"{name} has words among numbers" for name in mixed(stacked)]
    found += [
        f"{name} holds no numbers"
        for name in stacked
        if (name.endswith("_bytes") or name in NUMBERS)
        and stacked[name].notna().any()
        and not pd.api.types.is_numeric_dtype(stacked[name])
    ]
    found += [f"{name} is not said" for name in sorted(setting - {*stacked})]
    if setting and {"network", "config", "new_network"}.isdisjoint(stacked):
        found.append("the network is not said")
    return found


@pytest.mark.parametrize("name", PAIRS)
def test_two_settings_stack(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    one, other = (frame(*words) for words in PAIRS[name])
    assert len(one) > 0 < len(other)
    assert faults(one, other, PARTLY.get(name, SETTING)) == []


@pytest.mark.parametrize("name", ["fit", "notes", "explain NET LAYER", "budget"])
def test_the_setting_is_that_of_the_answer(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for words in PAIRS[name]:
        found = frame(*words)
        typed = dict(pairwise(words))
        assert set(found["input"]) == {typed.get("--input", "3x224x224")}
        if name == "budget":
            steps = set(zip(found["network"], found["optimizer"], strict=True))
            assert steps == {("D", "adam"), ("8,M,16,M", "none")}
        else:
            assert set(found["optimizer"]) == {typed.get("--optimizer", "none")}
            assert name == "fit" or set(found["batch"]) == {int(typed.get("--batch", "1"))}


def test_a_topic_has_the_columns_of_a_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert [*frame(*PAIRS["explain TOPIC"][0])] == [*frame(*PAIRS["explain NET LAYER"][0])]


def test_every_command_that_prints_a_table_stacks() -> None:
    assert {name.split()[0] for name in PAIRS} == set(main.commands) - {"plot", "report", "trace"}


def test_what_does_not_stack_is_noticed() -> None:
    words = pd.DataFrame({"a": ["1", "no new memory"], "b": ["x", "y"], "peak_bytes": ["1 MiB", "2 MiB"]})
    assert mixed(words) == ["a"]
    assert faults(words, words.drop(columns="b"), {"batch"}) == [
        "b is in one alone",
        "a has words among numbers",
        "peak_bytes holds no numbers",
        "batch is not said",
        "the network is not said",
    ]
    assert faults(words[["b"]], words[["b"]], set()) == []
    assert faults(words[["a", "b"]], words[["b", "a"]], set())[0] == "the columns have another order"
