"""Networks side by side: every figure is the walker's, the ledger's or a record's, and columns add up."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from itertools import product
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from conftest import Golden
from facts import PAPER, SAVED_FOR_BACKWARD

from vgg_profile import Comparison, InputError, Profile, walk
from vgg_profile.ask.compare import MEASURED, PARTS, distinct, read_records
from vgg_profile.cli import main
from vgg_profile.core.events import Phase
from vgg_profile.core.setting import Setup
from vgg_profile.core.units import exact, times
from vgg_profile.describe.tables import describe
from vgg_profile.measure.reading import load
from vgg_profile.measure.record import Measurement, dumps
from vgg_profile.predict.vgg.configs import config, from_dict
from vgg_profile.predict.vgg.step import ledger
from vgg_profile.render import FORMATS, render

REPORTS = Path(__file__).parent.parent / "reports" / "measured"
PLAIN = Setup()


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["compare", *map(str, arguments)])


def printed(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def asked(*arguments: object) -> dict:
    return json.loads(printed(*arguments, "--format", "json"))


def networks(*names: str, **setting: object) -> tuple[Profile, ...]:
    return tuple(walk(name, **setting) for name in names)


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
    assert (rows[1]["parameters:A"], rows[1]["parameters:B"]) == ("", "36928")
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


# What is measured


def test_measured_figures_are_the_records() -> None:
    record = load(REPORTS / "D-cpu.json")
    [network] = asked("D", "--measured", REPORTS / "D-cpu.json")["configs"]
    forward = [moment.live for moment in record.timeline if moment.phase == "forward"]
    assert network["measured_live_bytes"] == forward[-1]
    assert network["measured_peak_bytes"] == max(m.peak for m in record.timeline if m.phase != "load")
    for phase in ("forward", "backward"):
        reading = record.get(f"{phase}_time")
        assert reading is not None
        assert network[f"measured_{phase}_us"] == round(reading.value * 1e6)
    assert network["record"] == str(REPORTS / "D-cpu.json")
    assert network["environment"] == record.environment


def test_the_predicted_figures_stay_what_they_are() -> None:
    plain = asked("A", "C", "D")["configs"]
    measured = asked("A", "C", "D", "--measured", REPORTS)["configs"]
    for before, after in zip(plain, measured, strict=True):
        assert after == {**before, **{k: after[k] for k in (*MEASURED, "record", "environment")}}


def test_a_network_without_a_record_is_named() -> None:
    text = printed("A", "C", "D", "--measured", REPORTS, "--relative-to", "A")
    assert "No record at this setting: C." in text
    assert f"A ({REPORTS / 'A-cpu.json'})" in text
    content = asked("A", "C", "--measured", REPORTS, "--relative-to", "A")["configs"]
    assert [content[1][key] for key in MEASURED] == [None] * 4
    assert content[1]["measured_peak_bytes_ratio"] is None
    assert content[0]["measured_peak_bytes_ratio"] == 1.0


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ((), "D-cpu.json"),
        (("--optimizer", "adam"), "D-adam-cpu.json"),
        (("--checkpoint", "blocks", "--optimizer", "none"), "D-checkpoint-cpu.json"),
        (("--batch-norm",), "D-BN-cpu.json"),
    ],
)
def test_of_a_folder_only_the_record_of_this_setting_is_used(options: tuple[str, ...], name: str) -> None:
    records = read_records(REPORTS)
    setup = records[str(REPORTS / name)].subject
    context = ("--batch", setup["batch"], "--dtype", setup["dtype"], "--input", setup["input"][1])
    [network] = asked("D", *options, *context, "--measured", REPORTS)["configs"]
    assert network["record"] == str(REPORTS / name)


@pytest.mark.parametrize(
    "arguments",
    [
        ("A", "--measured", REPORTS / "D-cpu.json"),
        ("D", "--batch", 2, "--measured", REPORTS / "D-cpu.json"),
        ("D", "--optimizer", "sgd", "--measured", REPORTS / "D-cpu.json"),
        ("D", "--device", "cuda", "--batch", "2", "--measured", REPORTS),
        ("D", "--classes", 10, "--measured", REPORTS),
        ("D", "--by", "layer", "--measured", REPORTS),
        ("D", "--measured", REPORTS / "none.json"),
        ("D", "--measured", REPORTS.parent.parent / "tests" / "golden"),
    ],
)
def test_a_record_of_something_else_is_not_used(arguments: tuple[object, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert not result.stdout


def test_a_folder_without_records_and_a_damaged_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no record in"):
        read_records(tmp_path)
    (tmp_path / "cut.json").write_text(dumps(load(REPORTS / "D-cpu.json"))[:-40])
    with pytest.raises(InputError, match="damaged"):
        read_records(tmp_path)


def off_by_one(record: Measurement) -> Measurement:
    last = record.timeline[-1]
    return replace(record, timeline=(*record.timeline[:-1], last._replace(live=last.live + 1)))


def test_a_record_that_fails_a_check_is_refused() -> None:
    record = load(REPORTS / "D-cpu.json")
    held = Comparison(networks("D"), PLAIN, measured={"D": record})
    assert held.figures[0]["measured_peak_bytes"]
    failing = replace(held, measured={"D": off_by_one(record)})
    with pytest.raises(InputError, match="does not hold: 2 of its"):
        _ = failing.figures


def test_what_a_record_lacks_is_unknown() -> None:
    record = load(REPORTS / "D-cpu.json")
    timeless = replace(record, readings=tuple(r for r in record.readings if not r.quantity.endswith("_time")))
    [figures] = Comparison(networks("D"), PLAIN, measured={"D": timeless}).figures
    assert [figures[key] is None for key in MEASURED] == [False, False, True, True]


# What may be compared


def test_the_same_network_twice_stays_apart() -> None:
    assert distinct(["D", "D (2)", "D", "D"]) == ["D", "D (2)", "D (3)", "D (4)"]
    content = asked("A", "vgg11", "--by", "block")["configs"]
    assert [network["label"] for network in content] == ["A", "A (2)"]
    head = printed("A", "A", "--by", "block", "--format", "csv").splitlines()[0].split(",")
    assert len(head) == len(set(head)) == 1 + 2 * len(PARTS)


def test_nothing_and_an_unknown_way_are_refused() -> None:
    with pytest.raises(InputError, match="nothing to compare"):
        Comparison(())
    with pytest.raises(InputError, match="by 'row'"):
        Comparison(networks("A"), PLAIN, by="row")
    assert run().exit_code == 2


def test_the_title_says_every_setting_in_it() -> None:
    profiles = (walk("A"), walk("A", batch=8, dtype="float16", input=64))
    title = describe(Comparison(profiles, PLAIN)).title
    assert "3×224×224 and 3×64×64, batch 1 and 8, float32 and float16, train, no optimizer" in title
    assert "autocast to bfloat16" in printed("A", "--amp", "bfloat16").splitlines()[0]


def test_a_list_of_totals_runs_no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vgg_profile.predict.steps.ledger", None)
    assert "138,357,544" in render(Comparison(networks("D")), "table")
    with pytest.raises(TypeError):
        render(Comparison(networks("D"), PLAIN), "table")


# Every format


class Cells(HTMLParser):
    """The cells of a page's table, by row, and every tag in it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += unescape(data)


@pytest.mark.parametrize("by", ["total", "block", "layer"])
@pytest.mark.parametrize("format_", [each for each in FORMATS if each != "json"])
def test_every_value_of_the_json_stands_in_every_format(format_: str, by: str) -> None:
    arguments = ("A", "D-BN", "8,M", "--relative-to", "A", "--batch", 2, "--by", by)
    content = asked(*arguments)["configs"]
    text = printed(*arguments, "--format", format_)
    shown = Comparison(networks("A", "D-BN", "8,M", batch=2), PLAIN, base=walk("A", batch=2), by=by)
    keys = shown.figures[0] if by == "total" else [key for key in shown.figures[0] if key.startswith(PARTS)]
    for network in content:
        for figures in network["parts"] or [network]:
            for key in keys:
                value = figures[key]
                if format_ in ("csv", "tsv"):
                    assert value is None or str(value) in text, key
                elif value is not None:
                    assert (times(value) if isinstance(value, float) else exact(value)) in text, key


def test_csv_holds_the_json_under_the_same_keys() -> None:
    arguments = ("A", "C", "D", "--relative-to", "D", "--measured", REPORTS)
    rows = list(csv.DictReader(io.StringIO(printed(*arguments, "--format", "csv"))))
    for row, network in zip(rows, asked(*arguments)["configs"], strict=True):
        assert row.pop("config") == network["label"]
        assert row == {key: "" if network[key] is None else str(network[key]) for key in row}
    assert set(MEASURED) < set(rows[0])


HOSTILE = [
    "<script>alert(1)</script>",
    "=cmd()",
    "a|b *c* `d`",
    r"\input{x} & 50% #1 $x_y$",
    "parameters:A",
    'x,"y"',
]


@pytest.mark.parametrize("by", ["total", "block"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text_in_every_format(name: str, by: str) -> None:
    hostile = walk(from_dict({"name": name, "layers": [2], "classifier": []}))
    harmless = walk(from_dict({"name": "harmless", "layers": [2], "classifier": []}))
    comparison = Comparison((hostile, harmless), PLAIN, base=hostile, by=by)
    plain = Comparison((harmless, harmless), PLAIN, base=harmless, by=by)
    assert json.loads(render(comparison, "json"))["configs"][0]["label"] == name

    page = Cells(render(comparison, "page"))
    assert page.tags == Cells(render(plain, "page")).tags
    assert any(name in cell for row in page.rows for cell in row)

    for format_, delimiter in (("csv", ","), ("tsv", "\t")):
        rows = list(csv.reader(io.StringIO(render(comparison, format_)), delimiter=delimiter))
        assert len({len(row) for row in rows}) == 1
        assert len(set(rows[0])) == len(rows[0])
        assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row)

    cells = [line for line in render(comparison, "markdown").splitlines() if line.startswith("|")]
    assert len({line.replace(r"\|", "").count("|") for line in cells}) == 1
    cells = [line for line in render(comparison, "latex").splitlines() if line.endswith(r"\\")]
    assert len({line.replace(r"\&", "").count("&") for line in cells}) == 1
    latex = [line for line in render(comparison, "latex").splitlines() if not line.startswith("%")]
    assert not any(r"\input" in line for line in latex)
    assert name in render(comparison, "table")


def test_a_list_of_layers_heads_a_column_on_several_lines() -> None:
    layers = "64,64,M,128,128,M,256,256,256,M"
    text = printed("A", layers, "--by", "block")
    assert max(map(len, text.splitlines()[2:8])) < len("classifier") + 3 * 2 * (len("128,M,256,256,") + 2)
    for line in ("64,64,M,128,", "128,M,256,256,", "256,M"):
        assert text.partition("\n")[2].count(f" {line}") == len(PARTS)
