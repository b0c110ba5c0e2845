"""The command line's JSON keeps its contract, and commands that say the same thing say the same number."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from calling import accepted, call

from vgg_profile.cli import COMMANDS

# The contract for machines


TOP = {"schema_version", "config", "batch_norm", "input", "batch", "dtype", "classes", "rows", "totals"}
ROW = {
    "name", "module", "kind", "output_shape", "values", "values_working", "memory_bytes", "weights",
    "weights_working", "biases", "macs", "receptive_field", "stride", "saved_bytes",
}  # fmt: skip


TOTALS = {
    "values", "memory_bytes", "weights", "biases", "parameters", "buffers", "macs", "saved_bytes"
}  # fmt: skip


ITEMSIZE = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}


def breaches(data: dict) -> list[str]:  # type: ignore[type-arg]
    """Where a profile as JSON breaks issue 2's contract; empty for a good one."""
    found = [f"no {key}" for key in sorted(TOP - set(data))]
    found += [f"row {n}: no {key}" for n, row in enumerate(data["rows"]) for key in sorted(ROW - set(row))]
    found += [f"totals: no {key}" for key in sorted(TOTALS - set(data["totals"]))]
    if found:
        return found
    first = data["rows"][0]
    if (first["kind"], first["output_shape"]) != ("input", data["input"]):
        found.append("the input is not first")
    size = data["batch"] * ITEMSIZE[data["dtype"]]
    for row in data["rows"]:
        name, values = row["name"], 1
        for side in row["output_shape"]:
            values *= side
        counts = ("values", "memory_bytes", "weights", "biases", "macs", "saved_bytes")
        found += [f"{name}: {key} is no integer" for key in counts if type(row[key]) is not int]
        found += [
            f"{name}: {key} is neither an integer nor unknown"
            for key in ("receptive_field", "stride")
            if row[key] is not None and type(row[key]) is not int
        ]
        if len(row["output_shape"]) not in (1, 3):
            found.append(f"{name}: output_shape has {len(row['output_shape'])} sides")
        if row["values"] not in ({values, 0} if row.get("note") else {values}):
            found.append(f"{name}: values are not those of the shape")
        if row["memory_bytes"] != row["values"] * size:
            found.append(f"{name}: memory is not values x batch x itemsize")
        for key in ("values", "weights"):
            working = row[f"{key}_working"]
            if not re.fullmatch(r"[0-9*+() ]+", working) or eval(working) != row[key]:
                found.append(f"{name}: {key} is not its working")
    for key in ("values", "memory_bytes", "weights", "biases", "macs", "saved_bytes"):
        if data["totals"][key] != sum(row[key] for row in data["rows"]):
            found.append(f"totals: {key} is not the sum of its rows")
    if data["totals"]["parameters"] != data["totals"]["weights"] + data["totals"]["biases"]:
        found.append("totals: parameters are not weights and biases")
    return found


OWN = (
    '{"name": "own", "layers": [8, "M", "conv1-8", "LRN"], "classifier": [], "classes": 7, "in_channels": 1}'
)


@pytest.mark.parametrize("options", [[], ["--all-layers"], ["--batch", "5", "--dtype", "bfloat16"]])
@pytest.mark.parametrize(
    "config", ["A", "A-LRN", "C", "D", "vgg19_bn", "64,64,M,conv1-128,LRN,M", "own.toml", "own.json"]
)
def test_the_json_of_a_profile_keeps_the_contract(config: str, options: list[str], tmp_path: Path) -> None:
    (tmp_path / "own.json").write_text(OWN)
    toml = [f"{key} = {json.dumps(value)}\n" for key, value in json.loads(OWN).items()]
    (tmp_path / "own.toml").write_text("".join(toml))
    source = str(tmp_path / config) if config.startswith("own") else config
    data = json.loads(accepted(call("table", source, *options, "--format", "json", "--input", "64x96")))
    assert breaches(data) == []
    assert data["schema_version"] == 1
    assert data["input"][1:] == [64, 96]
    assert data["batch_norm"] is ("bn" in config)
    assert (data["batch"], data["dtype"]) == ((5, "bfloat16") if "--batch" in options else (1, "float32"))
    if config.startswith("own"):
        assert (data["config"], data["classes"], data["input"]) == ("own", 7, [1, 64, 96])
        assert data["rows"][-1]["output_shape"] == [7]


@pytest.mark.parametrize(
    ("place", "key", "value"),
    [
        ("top", "dtype", "float64"),
        ("top", "batch", 2),
        ("top", "input", [3, 1, 1]),
        *(("row", key, 1.0) for key in ("values", "memory_bytes", "weights", "biases", "macs", "stride")),
        *(("row", key, "1") for key in ("values_working", "weights_working")),
        ("row", "output_shape", [1, 2, 3]),
        *(("totals", key, 1) for key in sorted(TOTALS - {"buffers"})),
        *(("top", key, None) for key in sorted(TOP)),
        *(("row", key, None) for key in sorted(ROW)),
        *(("totals", key, None) for key in sorted(TOTALS)),
    ],
)
def test_a_broken_contract_is_seen(place: str, key: str, value: object) -> None:
    data = json.loads(accepted(call("table", "A", "--format", "json")))
    where = {"top": data, "row": data["rows"][1], "totals": data["totals"]}[place]
    if value is None:
        if key in ("rows", "totals"):
            where[key] = {"rows": [{}], "totals": {}}[key]
        else:
            del where[key]
    else:
        where[key] = value
    assert breaches(data) != []


def test_all_layers_adds_modules_and_changes_no_parameter() -> None:
    short, long = (
        json.loads(accepted(call("table", "D-BN", "--format", "json", *options)))
        for options in ([], ["--all-layers"])
    )
    assert {row["kind"] for row in short["rows"]} == {"input", "conv", "maxpool", "fc"}
    assert {row["kind"] for row in long["rows"]} > {"input", "conv", "maxpool", "fc", "relu"}
    for key in ("weights", "biases", "parameters", "buffers", "macs", "saved_bytes"):
        assert short["totals"][key] == long["totals"][key]


def test_a_hundred_thousand_8k_frames_do_not_overflow() -> None:
    arguments = ["table", "D", "--input", "4320x7680", "--batch", "100000", "--format", "json"]
    data = json.loads(accepted(call(*arguments)))
    assert breaches(data) == []
    assert data["rows"][1]["memory_bytes"] == 64 * 4320 * 7680 * 100_000 * 4


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_no_help_shows_clicks_own_signs(command: str) -> None:
    assert "\\b" not in call(command, "--help").stdout
    assert "\b" not in call(command, "--help").stdout


# Commands that say the same thing say the same number


@pytest.mark.parametrize(
    "layers",
    [
        "8,",
        "8,8,M,8",
        "8,M,8,LRN",
        "8,LRN,M,8",
        "M,8,M",
        "8,M,M,8,M",
        "8,M,LRN,M",
        "8,M,LRN,8,M",
        "8,LRN,M,LRN,M,8",
        "8,M,LRN",
        "LRN,8,M",
    ],
)
@pytest.mark.parametrize("norm", ["--no-batch-norm", "--batch-norm"])
def test_a_block_is_the_same_in_a_comparison_and_in_a_picture(layers: str, norm: str, tmp_path: Path) -> None:
    setting = ("--input", "16", "--batch", "2", norm)
    rows = csv.DictReader(
        accepted(call("compare", layers, *setting, "--by", "block", "--format", "csv")).splitlines()
    )
    compared = {row["block"]: int(row["saved_bytes"]) for row in rows}
    assert call("plot", layers, "shares", *setting, "-o", str(tmp_path / "x.svg")).exit_code == 0
    told = re.search(r"bytes saved for backward: (.*?)\.", (tmp_path / "x.svg").read_text(encoding="utf-8"))
    assert told
    drawn = {
        name: int(size.replace(",", ""))
        for name, size in re.findall(r"((?:block )?\w+) ([\d,]*\d)(?:, |$)", told[1])
    }
    assert drawn == compared
