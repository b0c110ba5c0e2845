"""Every command that takes a network takes any: in a Python file, or traced to a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from any_nets import answer, run

from vgg_profile.write import plots
from vgg_profile.write.plots import schemes

NETS = '''
import torch
from torch import nn

class Net(nn.Module):
    """Two convolutions, one of them called twice; a head; a frozen scale."""
    def __init__(self, width=4):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.ReLU())
        self.again = nn.Conv2d(width, width, 3, padding=1)
        self.head = nn.Linear(width, 10)
        self.scale = nn.Parameter(torch.ones(5), requires_grad=False)
    def forward(self, x):
        x = self.again(self.again(self.stem(x)))
        return self.head(x.mean((2, 3)))

class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.both = nn.Linear(6, 4), Both()
    def forward(self, x, y):
        return self.both(self.left(x), y)

class Both(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 3), nn.Linear(5, 7)
    def forward(self, x, y):
        return {"a": self.a(x), "b": self.b(y)}

class Many(nn.Module):
    """From 40 images on it goes another way."""
    def __init__(self, turn=40):
        super().__init__()
        self.turn, self.fc = turn, nn.Linear(16, 64)
    def forward(self, x):
        x = self.fc(x)
        return x.exp() + x.sigmoid() if x.shape[0] >= self.turn else x

class Attends(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
    def forward(self, x):
        return self.attention(x, x, x, need_weights=False)[0]

class Skips(nn.Module):
    """A path that sees more than the other."""
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 5, 1, 2)
        self.relu, self.last = nn.ReLU(), nn.Conv2d(4, 4, 1)
    def forward(self, x):
        x = self.one(x)
        return self.last(self.relu(self.two(x) + x))

class Wrong(nn.Module):
    def __init__(self):
        super().__init__()
        self.good, self.bad = nn.Linear(16, 8), nn.Linear(7, 3)
    def forward(self, x):
        x = self.good(x)
        return self.bad(x)

class Told(nn.Module):
    """Keeps a mask for each image of its batch."""
    def __init__(self, batch):
        super().__init__()
        self.fc = nn.Linear(8, 8)
        self.register_buffer("mask", torch.ones(batch, 8))
    def forward(self, x):
        return self.fc(x) * self.mask

def told(batch, width=8):
    return Told(batch), torch.zeros(batch, width)
'''

NET = ("--input", "3x8x8", "--no-probe")


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("nets") / "nets_for_all.py"
    path.write_text(NETS)
    return path


@pytest.fixture(scope="module")
def carried(nets: Path) -> Path:
    path = nets.with_name("net.json")
    assert run("trace", f"{nets}:Net", *NET, "-o", path).exit_code == 0
    return path


# -- every command ---------------------------------------------------------------------------------

COMMANDS = {
    "table": ("table",),
    "timeline": ("timeline", "--batch", 2),
    "of one image": ("timeline",),
    "fit": ("fit", "--memory", "2GiB"),
    "sweep": ("sweep", "--batch", "2..6"),
    "compare": ("compare", "--batch", 2),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_answers_for_a_file_and_for_its_trace_alike(
    nets: Path, carried: Path, command: str
) -> None:
    name, *more = COMMANDS[command]
    ours = answer(name, f"{nets}:Net", *NET, *more)
    theirs = answer(name, carried, *more)
    if command == "table":  # whose counts have no working in a file
        ours, theirs = ours["totals"], theirs["totals"]
    elif command == "fit":
        ours, theirs = ours["largest_batch"], theirs["largest_batch"]
    elif command == "of one image":  # a file's doubts are of all its batches
        assert "doubts" not in ours
        assert "convolution" in theirs.pop("doubts")[0]
    assert ours == theirs


KINDS = ("memory", "parameters", "macs", "shares", "receptive-field", "timeline", "batch", "compare", "sweep")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_figure(nets: Path, carried: Path, kind: str, tmp_path: Path) -> None:
    for source, more in ((f"{nets}:Net", NET), (carried, ())):
        picture = tmp_path / f"{Path(source).suffix}-{kind}.svg"
        result = run("plot", source, kind, *more, "-o", picture)
        assert result.exit_code == 0, result.stderr
        assert picture.read_text().startswith("<?xml")


@pytest.mark.parametrize("suffix", ["md", "html"])
def test_a_report_of_one_and_of_several(
    nets: Path, carried: Path, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plots, "to_bytes", lambda *_, **__: b"<svg></svg>")  # every kind is drawn above
    monkeypatch.setattr(schemes, "save", lambda *_, **__: b"<svg></svg>")
    one, two = tmp_path / f"one.{suffix}", tmp_path / f"two.{suffix}"
    assert run("report", f"{nets}:Net", *NET, "-o", one).exit_code == 0
    result = run("report", carried, f"{nets}:Skips", *NET, "--batch", 2, "-o", two)
    assert result.exit_code == 0, result.stderr
    assert "What Net costs" in one.read_text()
    assert "What Net and Skips cost" in two.read_text()


def test_the_live_page_has_what_the_step_has(nets: Path) -> None:
    from torch import nn

    from vgg_profile import Comparison, Setup, trace
    from vgg_profile.ask.page_data import page_data
    from vgg_profile.core.fold import largest_batch
    from vgg_profile.core.step import as_traced

    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 6 * 6, 5))
    step = trace(model, "3x8x8", probe=False, batch=2)
    data = page_data(Comparison((as_traced(step),), Setup()))
    (given,) = data["given"]
    assert given["input"] == "3x8x8"
    assert largest_batch(given["lines"], 10**6) == step.largest_batch(10**6)
    assert given["totals"]["parameters"] == sum(each.numel() for each in model.parameters())


def test_a_sweep_goes_through_inputs_dtypes_and_optimizers(nets: Path) -> None:
    grid = answer(
        *("sweep", f"{nets}:Net", "--no-probe", "--batch", "2,3", "--input", "3x8x8,3x16x16"),
        *("--optimizer", "sgd,adam", "--dtype", "float32,float64"),
    )
    points = grid["points"]
    assert len(points) == 2 * 2 * 2 * 2
    for point in points:
        line = ("timeline", f"{nets}:Net", "--no-probe", "--input", point["input"], "--batch", point["batch"])
        if point["batch"] == 2 and point["optimizer"] == "adam" and point["dtype"] == "float64":
            step = answer(*line, "--dtype", "float64", "--optimizer", "adam")
            assert step["peak_bytes"] == point["peak_bytes"]


def test_a_module_is_explained(nets: Path, carried: Path) -> None:
    words = ("explain", f"{nets}:Net")
    assert "again" in run(*words, *NET).stdout
    told = run(*words, "again", *NET, "--batch", 2)
    assert told.exit_code == 0, told.stderr
    assert "called 2 times" in told.stdout
    assert f"{2 * 2 * 2 * 4 * 4 * 9 * 8 * 8:,}" in told.stdout  # two FLOPs, two calls, two images
    assert "read again" in told.stdout or "Read by" in told.stdout
    assert run("explain", carried, "again").exit_code == 0
    missing = run(*words, "agian", *NET)
    assert missing.exit_code == 2
    assert "Did you mean again?" in missing.stderr


def test_a_sweep_of_a_trace_refuses_what_was_not_traced(carried: Path) -> None:
    for words in (("--optimizer", "adam"), ("--dtype", "float64"), ("--input", "3x9x9")):
        result = run("sweep", carried, "--batch", 2, *words)
        assert result.exit_code == 2
        assert "vgg-profile trace" in result.stderr


# -- the table -------------------------------------------------------------------------------------


def test_a_module_that_is_called_twice_stands_once_with_its_count(nets: Path) -> None:
    rows = {row["name"]: row for row in answer("table", f"{nets}:Net", *NET)["rows"]}
    assert rows["again"]["calls"] == 2
    assert rows["again"]["weights"] == 4 * 4 * 9
    assert rows["again"]["macs"] == 2 * 4 * 4 * 9 * 8 * 8
    assert "calls" not in rows["head"]
    printed = run("table", f"{nets}:Net", *NET).stdout
    assert "calls" in printed
    assert "frozen" in printed


def test_frozen_parameters_are_counted_and_said(nets: Path) -> None:
    table = answer("table", f"{nets}:Net", *NET)
    assert sum(row.get("frozen", 0) for row in table["rows"]) == 5
    whole = table["totals"]["parameters"]
    printed = run("table", f"{nets}:Net", *NET).stdout
    assert f"Trained: {whole - 5:,} of {whole:,} parameters" in printed
    more = answer("table", f"{nets}:Net", *NET, "--freeze", "stem")
    assert sum(row.get("frozen", 0) for row in more["rows"]) == 5 + 3 * 4 * 9 + 4


def test_several_outputs_have_their_shapes(nets: Path) -> None:
    words = ("table", f"{nets}:Pair", "--input", "6", "--input", "5", "--no-probe", "--batch", 2)
    grouped = {row["name"]: row for row in answer(*words, "--depth", 1)["rows"]}
    assert grouped["both"]["output_shape"] == [3]
    assert grouped["both"]["more_outputs"] == [[7]]
    assert grouped["both"]["kind"] == "Both"


def test_a_tree_to_a_depth_and_by_block_adds_up(nets: Path) -> None:
    words = ("table", f"{nets}:Net", *NET, "--batch", 2)
    whole = answer(*words)
    for more in (("--depth", 1), ("--depth", 2), ("--by", "block")):
        grouped = answer(*words, *more)
        assert grouped["totals"] == whole["totals"]
        for name in ("weights", "macs", "saved_bytes", "memory_bytes"):
            assert sum(row[name] for row in grouped["rows"]) == whole["totals"][name]
    rows = {row["name"]: row for row in answer(*words, "--depth", 1)["rows"]}
    assert rows["stem"]["kind"] == "Sequential"
    assert rows["stem"]["output_shape"] == [4, 8, 8]
    assert run(*words, "--depth", 1, "--by", "block").exit_code == 2


def test_a_vgg_by_block_and_to_a_depth_adds_up() -> None:
    whole = answer("table", "D")
    blocks = answer("table", "D", "--by", "block")
    assert [row["name"] for row in blocks["rows"]][1:] == [*(f"block {n}" for n in range(1, 6)), "classifier"]
    assert blocks["totals"] == answer("table", "D", "--depth", 1)["totals"] == whole["totals"]


def test_a_receptive_field_where_every_path_gives_the_same(nets: Path) -> None:
    rows = {row["name"]: row for row in answer("table", f"{nets}:Skips", *NET)["rows"]}
    fields = {name: (rows[name]["receptive_field"], rows[name]["stride"]) for name in ("one", "two", "relu")}
    assert fields == {"one": (3, 2), "two": (11, 2), "relu": (None, None)}


@pytest.mark.parametrize("name", ["A", "C", "D-BN"])
def test_receptive_fields_are_those_worked_out_on_paper(name: str) -> None:
    from vgg_profile import config, trace, walk
    from vgg_profile.models import build

    paper = {row.module: row for row in walk(name, input=64).module_rows if row.kind in ("conv", "maxpool")}
    step = trace(lambda: build(config(name), device="cpu"), "3x64x64", probe=False, every_batch=False)
    fake = {row.module: row for row in step.profile.module_rows}
    assert len(paper) > 10
    for path, row in paper.items():
        assert (fake[path].receptive_field, fake[path].stride) == (row.receptive_field, row.stride)


# -- batches ---------------------------------------------------------------------------------------


def test_a_function_with_a_batch_is_told_it(nets: Path) -> None:
    for net in ("Told", "told"):
        more = () if net == "told" else ("--input", "8")
        for batch in (2, 5):
            step = answer("timeline", f"{nets}:{net}", *more, "--batch", batch, "--no-probe")
            buffers = step["moments"][0]["categories"]["buffers"]
            assert buffers == batch * 8 * 4


def test_fit_asks_again_at_the_batch_that_it_found(nets: Path) -> None:
    room = 2**20
    for turn in (500, 5000):
        words = (f"{nets}:Many", "--input", "16", "--no-probe", "--with", f"turn={turn}")
        found = answer("fit", *words, "--memory", "1MiB", "--reserve", "0")
        largest = found["largest_batch"]
        peaks = [
            answer("timeline", *words, "--batch", batch)["peak_bytes"] for batch in (largest, largest + 1)
        ]
        assert peaks[0] <= room < peaks[1]
        assert found["peak_bytes"] == peaks[0]


# -- checks, refusals, Python ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("net", "inputs"), [("Net", ["3x8x8"]), ("Pair", ["6", "5"]), ("Attends", ["5x16"]), ("Skips", ["3x8x8"])]
)
def test_flops_and_shapes_are_checked(net: str, inputs: list[str], nets: Path, tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    words = [word for each in inputs for word in ("--input", each)]
    named = (f"{nets}:{net}", *words, "--batch", 2, "--device", "cpu")
    measured = run("measure", *named, "--repeats", 0, "-o", record)
    assert measured.exit_code in (0, 3), measured.stderr
    checks = answer("check", named[0], record, *named[1:5] if len(inputs) == 1 else (*words, "--batch", 2))
    found = {(each["quantity"], each["layer"]): each for each in checks["checks"]}
    quantities = {"output_shape", "forward_flops", "forward_backward_flops"}
    told = [each for key, each in found.items() if key[0] in quantities]
    quantities -= {"output_shape"} if net == "Attends" else set()  # nobody calls its projection as a module
    assert {each["quantity"] for each in told} == quantities
    assert [each for each in told if each["verdict"] != "PASS"] == []
    whole = found["forward_flops", ""]
    if net == "Attends":
        (term,) = whole["terms"]
        assert term["value"] == -2 * 2 * (2 * 5 * 5 * 16)  # queries with keys, weights with values
    else:
        assert whole["terms"] == []
        assert whole["measured"] > 0


def test_what_goes_wrong_is_shown_up_to_there_with_its_line(nets: Path) -> None:
    result = run("table", f"{nets}:Wrong", "--input", "16", "--no-probe")
    assert result.exit_code == 2
    line = 1 + NETS.splitlines().index("        return self.bad(x)")
    assert f"(nets_for_all.py, line {line})" in result.stderr
    assert "at forward of bad" in result.stderr
    assert "[1, 8] X [7, 3]" in result.stderr
    assert "good" in result.stderr.partition("bad")[0]
    assert result.stdout == ""


def test_a_step_from_python_has_what_a_vggs_has() -> None:
    from torch import nn

    from vgg_profile import Setting, Setup, trace

    model = nn.Linear(8, 4)
    setting = Setting((8,), batch=3, setup=Setup(optimizer="adam"))
    step = trace(model, "8", setting=setting, probe=False)
    assert step.setting.batch == 3
    assert step.setup.optimizer == "adam"
    assert step.largest_batch(step.peak_bytes(10)) == 10
    assert step.at(7).peak.peak == step.peak_bytes(7)
    assert "optimizer state" in {each.value for each in step.moments[0].categories}


def test_a_network_whose_batches_no_line_joins_is_asked_batch_by_batch(nets: Path) -> None:
    """Under autocast two images go another way than three."""
    words = ("fit", f"{nets}:Net", "--input", "3x16x16", "--no-probe", "--amp", "bfloat16")
    words = (*words, "--memory", "780MiB")
    result = run(*words, "--format", "json")
    assert result.exit_code == 0, result.exception
    largest = json.loads(result.stdout)["largest_batch"]
    for batch, code in ((largest, 0), (largest + 1, 4)):
        assert run(*words, "--batch", batch).exit_code == code
