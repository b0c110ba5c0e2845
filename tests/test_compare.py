"""Networks side by side: every figure is the walker's or the step's, rows are aligned, ratios exact."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from comparing import PLAIN, asked, networks, printed, run
from conftest import Golden
from facts import PAPER, SAVED_FOR_BACKWARD

from vgg_profile import Comparison, Profile, walk
from vgg_profile.ask.compare import PARTS
from vgg_profile.core.events import Phase
from vgg_profile.core.setting import Setup
from vgg_profile.describe.tables import describe
from vgg_profile.predict.steps import ledger
from vgg_profile.predict.vgg.configs import config, from_dict

# Whole outputs


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("compare.txt", ("A", "B", "D", "E")),
        ("compare_relative.txt", ("A", "D", "64,M,128,M", "--relative-to", "A", "--optimizer", "adam")),
        ("compare_block.md", ("A", "D-BN", "--by", "block", "--relative-to", "A", "--format", "markdown")),
        ("compare_layer.txt", ("A", "B", "D", "E", "--by", "layer")),
    ],
)
def test_the_whole_output_is_as_expected(name: str, arguments: tuple[str, ...], golden: Golden) -> None:
    golden(name, printed(*arguments))


# The figures


@pytest.mark.parametrize("name", PAPER)
def test_the_figures_are_the_published_ones(name: str) -> None:
    [figures] = Comparison(networks(name), PLAIN).figures
    published = PAPER[name]
    assert figures["parameters"] == published.parameters
    assert figures["batch_macs"] == published.macs
    assert published.values in (None, figures["values"])
    assert published.receptive_field in (None, figures["receptive_field"])
    assert figures["saved_bytes"] == SAVED_FOR_BACKWARD.get(name, figures["saved_bytes"])


@pytest.mark.parametrize(
    "setup",
    [
        PLAIN,
        Setup(mode="inference"),
        Setup(mode="eval", optimizer="sgd"),
        Setup(optimizer="adam", checkpoint="blocks"),
        Setup(amp="bfloat16", first_step=True, optimizer="momentum"),
    ],
    ids=lambda setup: setup.label,
)
def test_the_figures_are_the_ledgers_and_the_parts_add_up_to_them(setup: Setup) -> None:
    profiles = networks("A-LRN", "D-BN", "LRN,4,LRN,M,conv1-8", "8,", input=64, batch=3)
    comparison = Comparison(profiles, setup)
    for profile, figures in zip(profiles, comparison.figures, strict=True):
        step = ledger(profile, setup)
        assert figures["batch_macs"] == profile.totals.macs * 3
        assert figures["peak_bytes"] == step.peak.peak
        assert figures["saved_bytes"] == step.fixed_points[Phase.FORWARD] - step.fixed_points[Phase.INPUT]
    for by in ("block", "layer"):
        parts = Comparison(profiles, setup, by=by).parts
        for place, key in product(range(len(profiles)), PARTS):
            of_parts = [figures[place][key] for figures in parts.values()]
            assert sum(value or 0 for value in of_parts) == comparison.figures[place][key], (by, key)


def test_the_plain_steps_saved_bytes_are_the_walkers() -> None:
    profile = walk("E-BN", batch=2)
    assert Comparison((profile,), PLAIN).figures[0]["saved_bytes"] == profile.totals.saved_bytes
    rows = {row.name: row.saved_bytes(2) for row in profile.rows if row.kind != "input"}
    parts = Comparison((profile,), PLAIN, by="layer").parts
    assert {name: figures["saved_bytes"] for name, (figures,) in parts.items()} == rows


def test_a_printed_column_adds_up_to_its_total() -> None:
    for by in ("block", "layer"):
        table = describe(Comparison(networks("A", "C", "D-BN"), PLAIN, by=by))
        assert table.total is not None
        for *cells, total in list(zip(*table.rows, table.total, strict=True))[1:]:
            assert sum(cell for cell in cells if isinstance(cell, int)) == total


def test_checkpointing_and_inference_keep_less() -> None:
    saved = {
        setup: Comparison(networks("D"), setup).figures[0]["saved_bytes"]
        for setup in (PLAIN, Setup(checkpoint="blocks"), Setup(mode="inference"))
    }
    plain, checkpointed, inference = saved.values()
    assert inference == 4_000 < checkpointed < plain == SAVED_FOR_BACKWARD["D"]


# Rows that are aligned


def test_layers_are_aligned_by_the_papers_names() -> None:
    parts = Comparison(networks("B", "E", "8,M"), PLAIN, by="layer").parts
    assert list(parts)[:6] == ["conv1_1", "conv1_2", "pool1", "conv2_1", "conv2_2", "pool2"]
    assert list(parts)[-8:] == ["conv5_4", "pool5", "fc2", "fc3", "fc4", "fc6", "fc7", "fc8"]
    small, large, own = parts["conv3_4"]
    assert small == own == dict.fromkeys(PARTS)
    assert large["parameters"] == 590_080
    assert parts["fc6"][1]["parameters"] == 102_764_544


def test_a_norm_before_the_first_convolution_is_a_layer_of_its_own() -> None:
    """One behind a convolution is counted with it; there is none here that it could be counted with."""
    parts = Comparison(networks("LRN,8,M", "8,LRN,M", input=16), PLAIN, by="layer").parts
    assert {*list(parts)[:3]} == {"lrn1_1", "conv1_1", "pool1"}
    before, behind = parts["lrn1_1"]
    assert behind == dict.fromkeys(PARTS)
    assert before["saved_bytes"] is not None
    assert before["saved_bytes"] >= 4 * 3 * 16 * 16, "its input at least"


def test_more_than_nine_blocks_stand_in_order() -> None:
    profile = walk(config(",".join(["2,M"] * 11), classes=2), input=2**11)
    blocks = [f"block {number}" for number in range(1, 12)]
    assert list(Comparison((profile,), PLAIN, by="block").parts) == [*blocks, "classifier"]


def test_a_layer_that_a_network_lacks_is_unknown_in_every_format() -> None:
    arguments = ("A", "B", "--by", "layer")
    part = next(p for p in asked(*arguments)["configs"][0]["parts"] if p["name"] == "conv1_2")
    assert part == {"name": "conv1_2", **dict.fromkeys(PARTS)}
    rows = list(csv.DictReader(io.StringIO(printed(*arguments, "--format", "csv"))))
    found = {row["config"]: row["parameters"] for row in rows if row["layer"] == "conv1_2"}
    assert found == {"A": "", "B": "36928"}
    line = next(line for line in printed(*arguments).splitlines() if line.startswith("conv1_2"))
    assert line.split()[1:3] == ["–", "36,928"]
    frame = Comparison(networks("A", "B"), PLAIN, by="layer").to_frame()
    assert str(frame["parameters:A"].dtype) == "Int64"
    assert frame["parameters:A"].isna().sum() == 2


# Ratios


def test_ratios_are_of_the_exact_integers() -> None:
    content = asked("A", "D", "--relative-to", "A")
    base, other = content["configs"]
    assert content["relative_to"] == "A"
    assert base["parameters_ratio"] == base["peak_bytes_ratio"] == 1.0
    assert other["parameters_ratio"] == 138_357_544 / 132_863_336
    assert other["peak_bytes_ratio"] == other["peak_bytes"] / base["peak_bytes"]
    assert isinstance(other["parameters"], int)
    assert "×1.04" in printed("A", "D", "--relative-to", "A")


def test_without_a_base_there_are_no_ratios() -> None:
    content = asked("A", "D", "--by", "block")
    assert content["relative_to"] is None
    assert "ratio" not in json.dumps(content)


@pytest.mark.parametrize("base", ["vgg11", "a", "VGG-11"])
def test_the_base_goes_by_any_of_its_names(base: str) -> None:
    assert asked("A", "D", "--relative-to", base) == asked("A", "D", "--relative-to", "A")


def test_a_network_of_ones_own_can_be_the_base_in_the_list_or_not(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('name = "own"\nlayers = [8, "M"]\nclassifier = []\nclasses = 10\n')
    for configs, base in ((("D", own), own), (("D",), own), (("D", "8,M"), "8,M")):
        content = asked(*configs, "--relative-to", base, "--input", 32)
        of = walk(config(str(base)), input=32).totals.parameters
        assert content["configs"][0]["parameters_ratio"] == content["configs"][0]["parameters"] / of


def test_a_base_under_the_name_of_another_network_is_told_from_it() -> None:
    def own(width: int) -> Profile:
        return walk(from_dict({"name": "tiny", "layers": [width], "classifier": []}))

    comparison = Comparison((own(2), own(4)), PLAIN, base=own(8))
    assert [network.label for network in comparison.networks] == ["tiny", "tiny (2)"]
    assert comparison.origin is not None
    assert comparison.origin.label == "tiny (3)"
    assert replace(comparison, base=own(4)).origin == comparison.networks[1]


def test_there_is_no_ratio_to_nothing() -> None:
    parts = Comparison(networks("A", "B"), PLAIN, base=walk("A"), by="layer").parts
    assert parts["conv1_2"][1] == {**parts["conv1_2"][1], "parameters_ratio": None, "saved_bytes_ratio": None}
    assert parts["pool1"][1]["parameters_ratio"] is None
    assert parts["pool1"][1]["saved_bytes_ratio"] == 1.0


@pytest.mark.parametrize("base", ["vgg12", "F", "no.toml", "64,x"])
def test_an_unknown_base_is_a_clear_error(base: str) -> None:
    result = run("A", "D", "--relative-to", base)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert base != "vgg12" or "Did you mean" in result.stderr
