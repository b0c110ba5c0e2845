"""Any network on the command line: a file of one's own, a traced one, and what goes wrong with either."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from any_nets import run
from torch import Tensor, nn

from vgg_profile.predict.fake.trace import trace


def test_a_table_of_ones_own_network(nets: Path) -> None:
    result = run("table", f"{nets}:Net", "--input", "3x16x16", "--batch", 2, "--format", "json")
    assert result.exit_code == 0, result.stderr
    content = json.loads(result.stdout)
    rows = {row["name"]: row for row in content["rows"]}
    assert rows["a"]["weights"] == 3 * 3 * 3 * 8
    assert rows["a"]["macs"] == 3 * 3 * 3 * 8 * 16 * 16
    assert rows["a"]["output_shape"] == [8, 16, 16]
    assert content["totals"]["parameters"] == 3 * 3 * 3 * 8 + 8 + 16 + 80 + 10
    assert content["network"] == "Net"


@pytest.mark.parametrize("command", ["table", "timeline", "fit"])
def test_a_trace_answers_as_the_network_does(nets: Path, traced_net: Path, command: str) -> None:
    more = ("--memory", "1GiB") if command == "fit" else ("--batch", 5)
    setup = () if command == "table" else ("--optimizer", "adam")
    live = run(command, f"{nets}:Net", "--input", "3x16x16", *setup, *more, "--format", "json")
    carried = run(command, traced_net, *more, "--format", "json")
    assert (live.exit_code, carried.exit_code) == (0, 0), live.stderr + carried.stderr
    if command != "table":  # a table is of a step without an optimizer, the trace of one with
        ours, theirs = json.loads(live.stdout), json.loads(carried.stdout)
        assert ours.get("moments") == theirs.get("moments")
        assert ours.get("largest_batch") == theirs.get("largest_batch")


def test_a_trace_is_read_without_torch_and_without_the_network(traced_net: Path) -> None:
    code = (
        "import sys; from vgg_profile.cli import main\n"
        f"try: main(['fit', {str(traced_net)!r}, '--memory', '8GiB'])\n"
        "except SystemExit as end: assert end.code == 0, end.code\n"
        "assert 'torch' not in sys.modules and 'some_nets' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_trace_refuses_what_was_not_traced(traced_net: Path) -> None:
    for words in (["--optimizer", "sgd"], ["--mode", "eval"], ["--input", "3x32x32"], ["--dtype", "float64"]):
        result = run("timeline", traced_net, *words)
        assert result.exit_code == 2
        assert "vgg-profile trace" in result.stderr


@pytest.mark.slow
def test_measuring_ones_own_network_proves_every_figure(nets: Path, traced_net: Path, tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    named = (f"{nets}:Net", "--input", "3x16x16", "--batch", 2, "--optimizer", "adam")
    result = run("measure", *named, "--repeats", 0, "-o", record)
    assert result.exit_code == 0, result.stderr
    assert "0 fail" in result.stdout
    again = run("check", traced_net, record)
    assert again.exit_code == 0, again.stderr
    other = run("check", f"{nets}:Words", record, "--input", "6:int64<50")
    assert other.exit_code == 2
    assert "another" in other.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("net", "given"), [("Blocks", "3x8x8"), ("Words", "6:int64<50")])
def test_a_timed_record_of_any_network_is_read_again(
    net: str, given: str, nets: Path, tmp_path: Path
) -> None:
    record = tmp_path / "record.json"
    named = (f"{nets}:{net}", "--input", given, "--batch", 2)
    assert run("measure", *named, "--device", "cpu", "--repeats", 2, "-o", record).exit_code == 0
    again = run("check", named[0], record, *named[1:])
    assert again.exit_code == 0, again.stderr
    assert "0 fail" in again.stdout
    beside = run("compare", *named, "--measured", record, "--format", "json")
    assert beside.exit_code == 0, beside.stderr
    (network,) = json.loads(beside.stdout)["configs"]
    assert network["measured_peak_bytes"] == network["peak_bytes"]
    assert network["measured_forward_us"] > 0
    for kind in ("time", "check", "timeline"):
        drawn = run("plot", *named, kind, "--measured", record, "-o", tmp_path / f"{kind}.svg")
        assert drawn.exit_code == 0, drawn.stderr


def test_a_record_counts_each_operation_in_one_layer(nets: Path, tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    words = ("--input", "3x8x8", "--batch", 2, "--device", "cpu", "--repeats", 0)
    assert run("measure", f"{nets}:Blocks", *words, "-o", record).exit_code == 0
    readings = json.loads(record.read_text())["readings"]
    for quantity in ("forward_flops", "forward_backward_flops", "fvcore_flops"):
        counted = {each["layer"]: each["value"] for each in readings if each["quantity"] == quantity}
        assert counted.pop("") == sum(counted.values()) > 0
        assert counted.keys() == {"stem", "body.0.0", "body.0.1", "body.1"}


@pytest.mark.parametrize("command", ["table", "timeline", "fit", "measure"])
def test_a_batch_of_none_is_refused_for_any_network(command: str, nets: Path, traced_net: Path) -> None:
    for network in (f"{nets}:Net", traced_net):
        if (command, network) == ("measure", traced_net):
            continue
        words = ("--input", "3x16x16") if network != traced_net else ()
        memory = ("--memory", "1GiB") if command == "fit" else ()
        result = run(command, network, *words, *memory, "--batch", 0)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "The batch is 0. Give a whole number from 1 to " in result.stderr


def test_a_file_without_a_name_is_told_how_to_name_a_network(nets: Path) -> None:
    result = run("table", nets, "--input", "3x16x16")
    assert result.exit_code == 2
    assert "a network of your own is FILE.py:NAME" in result.stderr


def test_networks_by_block_and_by_layer_in_order(nets: Path) -> None:
    words = (f"{nets}:Blocks", f"{nets}:Net", "--input", "3x8x8", "--format", "csv")
    for by, names in (
        ("block", ["a", "b", "c", "stem", "body"]),
        ("layer", ["a", "b", "c", "stem", "body.0.0", "body.0.1", "body.1"]),
    ):
        result = run("compare", *words, "--by", by)
        assert result.exit_code == 0, result.stderr
        found = [line.split(",")[0] for line in result.stdout.splitlines()[1:]]
        assert [name for name in dict.fromkeys(found) if name in names] == names


def test_a_network_that_is_one_layer_has_its_name_by_block(nets: Path) -> None:
    result = run("compare", f"{nets}:Prints", "--input", "16", "--by", "block", "--format", "csv")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[1].startswith("Prints,Prints,51,")


def test_a_receptive_field_is_read_off_the_layers_and_none_is_invented(nets: Path, tmp_path: Path) -> None:
    def fields(name: str, given: str) -> list[object]:
        said = run("compare", f"{nets}:{name}", "--input", given, "--format", "json").stdout
        return [network["receptive_field"] for network in json.loads(said)["configs"]]

    assert fields("Net", "3x16x16") == [3], "a convolution of 3×3"
    assert fields("Words", "6:int64<50") == [None], "no images"
    figure = ("receptive-field", "--input", "6:int64<50", "-o", tmp_path / "figure.svg")
    drawn = run("plot", f"{nets}:Words", *figure)
    assert drawn.exit_code == 2
    assert "no images" in drawn.stderr


@pytest.mark.parametrize(
    ("net", "words", "said"),
    [
        ("Wrong", ["--input", "16"], "at forward of body.1"),
        ("Picks", ["--input", "16"], "aten::index"),
        ("Exits", ["--input", "16"], "SystemExit"),
        ("Compiled", ["--input", "16"], "compiles fc"),
        ("Nett", ["--input", "16"], "Did you mean Net?"),
        ("Net", [], "--input 3x224x224"),
        ("Net", ["--input", "3x16x16", "--with", "widht=4"], "Did you mean width?"),
        ("Net", ["--input", "3x16x16", "--with", "width"], "no name=value"),
        ("Net", ["--input", "three"], "not a shape"),
        ("needs", ["--input", "3x16x16"], "--with width=VALUE"),
        ("gives_text", ["--input", "16"], "gives a str"),
        ("number", ["--input", "16"], "of type int"),
        ("Words", ["--input", "6:int63"], "no known dtype"),
    ],
)
def test_what_goes_wrong_is_said_and_no_traceback(nets: Path, net: str, words: list[str], said: str) -> None:
    result = run("table", f"{nets}:{net}", *words)
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""


def test_a_missing_package_is_named() -> None:
    result = run("table", "no_such_package.models:Net", "--input", "3x16x16")
    assert result.exit_code == 2
    assert "no_such_package" in result.stderr


def test_a_network_that_prints_does_not_print_into_the_result(nets: Path) -> None:
    result = run("table", f"{nets}:Prints", "--input", "16", "--format", "json")
    assert result.exit_code == 0
    json.loads(result.stdout)
    assert "hello from the network" in result.stderr


def test_a_loss_of_ones_own(nets: Path) -> None:
    words = ("timeline", f"{nets}:Net", "--input", "3x16x16", "--batch", 2, "--format", "json")
    ours = json.loads(run(*words, "--loss", f"{nets}:my_loss").stdout)
    plain = json.loads(run(*words).stdout)
    assert ours["loss"] != plain["loss"]
    assert ours["fixed_points"]["loss"] != plain["fixed_points"]["loss"]


def test_a_function_may_say_what_its_network_is_given(nets: Path) -> None:
    whole = run("timeline", f"{nets}:whole", "--batch", 2, "--format", "json")
    spelled = run(
        *("timeline", f"{nets}:Net", "--input", "3x16x16", "--batch", 2, "--format", "json"),
        *("--loss", f"{nets}:my_loss"),
    )
    assert whole.exit_code == 0, whole.stderr
    assert json.loads(whole.stdout)["moments"] == json.loads(spelled.stdout)["moments"]


@pytest.mark.slow
def test_bytes_that_are_no_line_are_asked_batch_by_batch(nets: Path) -> None:
    room = 4 * 2**20
    words = ("fit", f"{nets}:Squares", "--input", "16", "--memory", "4MiB", "--reserve", "0", "--no-probe")
    largest = json.loads(run(*words, "--format", "json").stdout)["largest_batch"]
    line = ("timeline", f"{nets}:Squares", "--input", "16", "--no-probe", "--format", "json", "--batch")
    fits, fails = (json.loads(run(*line, largest + more).stdout)["peak_bytes"] for more in (0, 1))
    assert fits <= room < fails
    asked = run("timeline", f"{nets}:Squares", "--input", "16", "--batch", 4, "--format", "json")
    twice = run("timeline", f"{nets}:Squares", "--input", "16", "--batch", 8, "--format", "json")
    one, two = (json.loads(each.stdout)["peak_bytes"] for each in (asked, twice))
    assert one < two


class OnceABatch(nn.Module):
    """One layer works on the images, one on a table that is the same for all."""

    def __init__(self) -> None:
        super().__init__()
        self.images, self.table = nn.Linear(4, 4), nn.Linear(4, 4)
        self.register_buffer("places", torch.ones(5, 4))

    def forward(self, x: Tensor) -> Tensor:
        return self.images(x) + self.table(self.places).sum(0)


def test_work_that_is_not_by_the_image_is_said() -> None:
    assert any(each.endswith("once a batch: table") for each in trace(OnceABatch, "4", batch=2).doubts)
    assert not any("MACs" in each for each in trace(nn.Linear(4, 4), "4", batch=2).doubts)


class Changed(nn.Module):
    """Adds to what its layer made, in place: to a view of it, or to itself."""

    def __init__(self, *, is_view: bool) -> None:
        super().__init__()
        self.fc, self.more, self.is_view = nn.Linear(8, 8), nn.Parameter(torch.zeros(4)), is_view

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = self.fc(x)
        return (made.view(-1, 2, 4) if self.is_view else made).add_(self.more.sum())


@pytest.mark.parametrize("is_view", [True, False])
def test_who_reads_on_from_a_view_that_was_changed_in_place_is_told(is_view: bool) -> None:
    step = trace(Changed(is_view=is_view), "8", batch=2, probe=False)
    told = [doubt for doubt in step.doubts if "a view that was changed in place" in doubt]
    assert len(told) == is_view
