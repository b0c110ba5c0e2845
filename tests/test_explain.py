"""Lessons: every working gives its value, every figure has an outside oracle, every format shows them."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from conftest import Golden
from facts import PAPER, POOL_INDEX_BYTES, SAVED_FOR_BACKWARD, SAVED_IN_EVAL, SAVED_WITHOUT_GRAD, TORCHVISION
from torch import nn

from vgg_profile import InputError, Profile, config, walk
from vgg_profile.check.crosscheck import crosscheck
from vgg_profile.check.results import Verdict
from vgg_profile.check.subject import profile_for
from vgg_profile.cli import main
from vgg_profile.core.counts import Count
from vgg_profile.core.events import Phase
from vgg_profile.core.setting import Setup
from vgg_profile.measure import measure
from vgg_profile.measure.memory import CpuMemory
from vgg_profile.measure.reading import load
from vgg_profile.models import build
from vgg_profile.predict.vgg.configs import from_dict
from vgg_profile.predict.vgg.layers import Conv2d
from vgg_profile.predict.vgg.step import ledger
from vgg_profile.render import FORMATS, render
from vgg_profile.teach import layer as layers
from vgg_profile.teach import topics
from vgg_profile.teach.forms import Grid, Lesson, Section, Working
from vgg_profile.teach.topics import ALIASES, TOPICS
from vgg_profile.teach.topics.micro_batches import later_peak
from vgg_profile.teach.topics.padding import _zeros

ROOT = Path(__file__).parent.parent
HOSTILE = "<script>|*_x`[a](b)"


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def refusal(*arguments: str) -> str:
    result = call(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Traceback" not in result.output
    return result.stderr


def one_line(text: str) -> str:
    """A text with its lines joined, so that no sentence is broken."""
    return re.sub(r"\s+", " ", text)


# Every working gives its value


def counts(lesson: Lesson) -> Iterator[Count]:
    """Every count of a lesson, in lines and in tables."""
    for section in lesson.sections:
        for part in section.parts:
            if isinstance(part, Working):
                yield part.count
            elif isinstance(part, Grid):
                yield from (cell for row in part.rows for cell in row if isinstance(cell, Count))


def wrong_workings(lesson: Lesson) -> list[str]:
    """Workings that are not plain arithmetic, or do not give the value beside them."""
    return [
        f"{count.working} is not {count.value}"
        for count in counts(lesson)
        if not re.fullmatch(r"[0-9+\-*/()]+", count.working) or eval(count.working) != count.value
    ]


def wrong_totals(lesson: Lesson) -> list[str]:
    """Totals of tables that are not the sum of the whole numbers above them."""
    found = []
    for part in (part for section in lesson.sections for part in section.parts):
        if not isinstance(part, Grid) or part.total is None:
            continue
        for place, cell in enumerate(part.total):
            if isinstance(cell, int):
                column = [row[place] for row in part.rows]
                if sum(int(each) for each in column if isinstance(each, (int, Count))) != cell:
                    found.append(f"{part.title}: {part.columns[place]}")
    return found


@pytest.mark.parametrize("name", TOPICS)
def test_a_topic_is_right_and_fits_a_terminal(name: str) -> None:
    """Its arithmetic, its totals, the figures that are known from outside, a hundred columns."""
    lesson = TOPICS[name].lesson
    assert wrong_workings(lesson) == []
    assert wrong_totals(lesson) == []
    assert lesson.sections
    assert all(section.parts for section in lesson.sections)
    text = render(lesson, "table")
    assert [figure for figure in ORACLES[name] if figure not in one_line(text)] == []
    assert [line for line in text.splitlines() if len(line) > 100 or line.endswith(" ")] == []


def test_wrong_arithmetic_would_be_found() -> None:
    parts = (
        Working("sum", Count(5, "2+2"), "apples"),
        Grid("pears", ("n",), ((1,), (Count(2, "1+1"),)), (4,)),
        Working("code", Count(1, "open"), "apples"),
    )
    lesson = Lesson("x", "x", (Section("x", parts),), "")
    assert wrong_workings(lesson) == ["2+2 is not 5", "open is not 1"]
    assert wrong_totals(lesson) == ["pears: n"]


# Every topic's figures, from outside: FACTS, the paper, torchvision, or worked out by hand here

D = PAPER["D"]
WEIGHTS = 4 * D.parameters
"""The bytes of all parameters in float32; of their gradients, too."""
IMAGE = 3 * 224 * 224 * 4 + 8
"""An image and its target."""
MAP1, MAP2, MAP3, MAP4 = (224 * 224 * 64 * 4 // 2**n for n in range(4))
"""The bytes of one map of each block."""
BLOCK1 = 2 * MAP1 + MAP2 // 2 + MAP2
"""What block 1 keeps: two maps, the pooled one (half a map of block 2), and indices of twice its size."""
BLOCK2 = 2 * MAP2 + MAP3 // 2 + MAP3
BLOCK3 = 3 * MAP3 + MAP4 // 2 + MAP4
LEARNED1, LEARNED2, LEARNED3, LEARNED4 = 38_720, 221_440, 1_475_328, 5_899_776
"""Parameters of the blocks: 1,728 + 64 + 36,864 + 64 in the first, and so on down the notes' column."""
LOGITS, SCALARS = 4_000, 8
"""What the caller holds: an image's scores; the loss and its gradient."""

# What is live where a step of D has its peak: with one image in the backward of relu3_3, with 64 in that of
# relu4_3. The gradients of the layers behind it are there, the maps up to it, and two gradients of a map.
AT_RELU3_3 = IMAGE + BLOCK1 + BLOCK2 + 5 * MAP3 + LOGITS
AT_RELU4_3 = IMAGE + BLOCK1 + BLOCK2 + BLOCK3 + 5 * MAP4 + LOGITS
PEAK_OF_1 = 2 * WEIGHTS - 4 * (LEARNED1 + LEARNED2 + LEARNED3) + AT_RELU3_3 + SCALARS
PEAK_OF_64 = 2 * WEIGHTS - 4 * (LEARNED1 + LEARNED2 + LEARNED3 + LEARNED4) + 64 * AT_RELU4_3 + SCALARS

# Checkpointed: the pooled maps, the average pool's copy, six rows of the classifier and the scores are kept;
# the peak is where block 1, made again, is gone back through.
CHECKPOINTED = POOL_INDEX_BYTES // 2 + 7 * 7 * 512 * 4 + 6 * 4096 * 4 + LOGITS
CHECKPOINTED_PEAK = 2 * WEIGHTS - 4 * LEARNED1 + 64 * (IMAGE + 4 * MAP1 + LOGITS) + SCALARS
CLASSIFIER_MACS = 7 * 7 * 512 * 4096 + 4096 * 4096 + 4096 * 1000

# A later micro-batch of 8 is highest in fc6's backward: all gradients are there from before, fc6's own are
# new, and everything is kept that lies in front of fc6.
FC6 = 4 * (7 * 7 * 512 * 4096 + 4096)
IN_FRONT_OF_FC6 = SAVED_FOR_BACKWARD["D"] - 6 * 4096 * 4 + 4096 * 4 + 7 * 7 * 512 * 4
LATER_PEAK = 2 * WEIGHTS + FC6 + 8 * (IMAGE + IN_FRONT_OF_FC6) + SCALARS

PADDED = 224 * 224 * 68 * 4
"""A map of 64 channels with two more at either side."""

ORACLES: dict[str, list[str]] = {
    "receptive-field": [
        "pool5 2 16 196+(2-1)*16 = 212 32",
        "3*((3*3*512)*512) = 7,077,888",
        "(7*7*512)*512 = 12,845,056",
        "1.81 times",
        *(
            f"{name} {depth} {PAPER[name].receptive_field} 32"
            for name, depth in {"A": 11, "B": 13, "C": 16, "D": 16, "E": 19}.items()
        ),
    ],
    "padding": ["451,584", "448,900", "(672*672-670*670)*3*64 = 515,328", "500,440,320 15,346,630,656 3.3 %"],
    "one-by-one": [
        "(1*1*256)*256 = 65,536",
        "(3*3*256)*256 = 589,824",
        "9 times",
        f"C 16 {PAPER['C'].parameters:,} {PAPER['C'].macs:,} {SAVED_FOR_BACKWARD['D']:,} 156",
    ],
    "fc6": [
        "7*7*512 = 25,088",
        "102,760,448",
        f"{FC6:,}",
        "74.3 %",
        "0.66 %",
        "512*4096 = 2,097,152",
        "2.0 %",
    ],
    "biases": [f"{D.biases:,}", "0.0097 %", "13,556,712", f"{2 * D.macs:,}", "4,224"],
    "mac-vs-flop": [f"{2 * D.macs:,}", f"{D.macs + 25_088:,}", f"publishes {TORCHVISION['vgg16'].ops} "],
    "backward-flops": ["92,648,177,664", "conv1_1's 173,408,256 FLOPs", "1.99 times"],
    "where-it-lives": [
        f"block 1 {BLOCK1:,} 48.6 % {LEARNED1:,} 0.028 %",
        "classifier 102,304 0.14 % 123,642,856 89.4 %",
        f"total {SAVED_FOR_BACKWARD['D']:,} {D.parameters:,} {D.macs:,}",
        "29.9 % in block 3 and as much in block 4",
    ],
    "pool-indices": [
        f"{POOL_INDEX_BYTES:,}",
        f"{POOL_INDEX_BYTES // 2:,} bytes in float32",
        "the indices are 2 times",
        "so are 4 times as large",
        "16.8 %",
        "64 bits",
        "50,176 places, which takes 16 bits",
        f"{POOL_INDEX_BYTES // 32:,}",
    ],
    "dropout-mask": [
        f"{SAVED_FOR_BACKWARD['D']:,}",
        f"{SAVED_IN_EVAL:,}",
        f"{SAVED_FOR_BACKWARD['D'] - SAVED_IN_EVAL:,}",
        f"under no_grad {SAVED_WITHOUT_GRAD:,} bytes",
        f"keeps single bytes: {2 * 4096:,} bytes",
    ],
    "in-place-relu": [
        f"relu1_1 {MAP1:,} {MAP1:,} {MAP1:,} {2 * MAP1:,}",
        f"relu1_2 {2 * MAP1:,} {2 * MAP1:,} {2 * MAP1:,} {3 * MAP1:,}",
        f"pool1 {BLOCK1:,} {BLOCK1:,}",
        "12.25 MiB",
    ],
    "batch-norm": [
        "2*4224 = 8,448",
        "8,461",
        f"{SAVED_FOR_BACKWARD['D']:,} {SAVED_FOR_BACKWARD['D-BN']:,}",
        f"{SAVED_FOR_BACKWARD['D-BN'] - SAVED_FOR_BACKWARD['D']:,}",
        "1.75 times",
    ],
    "lrn": [
        f"A-LRN {PAPER['A-LRN'].parameters:,}",
        f"padded squares {PADDED:,}",
        f"total {3 * MAP1 + PADDED + 8:,}",
    ],
    "peak": [
        "626,789,448",
        f"1 {PEAK_OF_1:,} backward of relu3_3 {WEIGHTS:,}",
        f"64 {PEAK_OF_64:,} backward of relu4_3 {WEIGHTS:,}",
        "471.66 MiB",
    ],
    "checkpointing": [
        f"for backward {64 * SAVED_FOR_BACKWARD['D']:,} {64 * CHECKPOINTED:,} 8.7 %",
        f"peak {PEAK_OF_64:,} {CHECKPOINTED_PEAK:,} 76.6 %",
        f"run again {64 * 2 * (D.macs - CLASSIFIER_MACS):,} FLOPs",
        f"a step without {64 * 92_648_177_664:,} FLOPs",
        f"block 1 {64 * BLOCK1:,} 48.6 %",
    ],
    "optimizer-state": [
        f"momentum's sums {D.parameters}*4 = {WEIGHTS:,}",
        f"Adam's two means 2*{D.parameters}*4 = {2 * WEIGHTS:,}",
        f"adam {2 * WEIGHTS + 32 * 4:,}",
        "32 weight and bias tensors",
        f"sgd 0 {2 * WEIGHTS + IMAGE + LOGITS + 4:,}",
    ],
    "micro-batches": [
        f"64 at once {64 * SAVED_FOR_BACKWARD['D']:,}",
        f"8 at a time {8 * SAVED_FOR_BACKWARD['D']:,}",
        f"every later one, batch 8 1140451816+553430176+411058176 = {LATER_PEAK:,}",
        f"batch 64 at once {PEAK_OF_64:,}",
    ],
    "mib-vs-mb": [
        "1,048,576",
        f"{WEIGHTS:,} bytes",
        "553.43 MB, or 527.79 MiB",
        "1,179,869,184",
        "1.07 times",
    ],
    "notes-total": [
        "total 15,237,608",
        "60,950,432",
        "15,184,192",
        "96.00 MB = 91.55 MiB",
        "No explanation of 24M is known",
        f"the image, which is given -{3 * 224 * 224 * 4:,}",
        f"kept for backward 60950432-602112+12242944+100352+65536 = {SAVED_FOR_BACKWARD['D']:,}",
    ],
}


def test_the_words_around_the_figures_hold() -> None:
    """What sentences say without a number: more than the rest, most of it, nearly half, as much."""
    alone, rest = walk("A-LRN").totals.saved_bytes, walk("A").totals.saved_bytes
    assert alone - rest > rest
    assert walk("C").totals.saved_bytes == walk("D").totals.saved_bytes
    assert 0.45 < BLOCK1 / SAVED_FOR_BACKWARD["D"] < 0.5
    assert 1.7 < SAVED_FOR_BACKWARD["D-BN"] / SAVED_FOR_BACKWARD["D"] < 2
    assert PAPER["B"].receptive_field == PAPER["C"].receptive_field
    assert ledger(walk("D"), Setup(optimizer="adam")).peak.phase is Phase.STEP


@pytest.mark.parametrize(
    ("kernel", "height", "width"), [(1, 3, 4), (3, 1, 5), (3, 4, 6), (5, 7, 5), (7, 9, 8)]
)
def test_the_zeros_of_padding_are_those_of_a_real_convolution(kernel: int, height: int, width: int) -> None:
    """Over a map of ones with a kernel of ones, each output is the number of taps that are on the map."""
    on_the_map = nn.functional.conv2d(
        torch.ones(1, 1, height, width), torch.ones(1, 1, kernel, kernel), padding=kernel // 2
    ).sum()
    zeros = kernel**2 * height * width - int(on_the_map)
    assert _zeros(Conv2d(2, 3, kernel), height, width).value == 2 * 3 * zeros


# What is said to be measured, is


RECORDS = sorted(
    {record for topic in TOPICS.values() for record in re.findall(r"[\w-]+\.json", topic.evidence)}
)


@pytest.mark.parametrize("record", RECORDS)
def test_the_records_that_are_called_upon_bear_witness(record: str) -> None:
    """Each holds, and was made with the PyTorch and on the device that the topics say."""
    measurement = load(ROOT / "reports" / "measured" / record)
    net = "D-BN" if record.startswith("D-BN") else "D"
    device, torch_version = measurement.subject["device"], measurement.environment["torch"]
    assert torch_version.startswith({"cpu": "2.13.", "cuda": "2.11."}[device])
    assert device == "cpu" or "H100" in measurement.environment["device"]
    assert crosscheck(profile_for(net, measurement), measurement).verdict is Verdict.PASS


def block(*, in_place: bool) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.ReLU(in_place),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.ReLU(in_place),
        nn.MaxPool2d(2),
        nn.Flatten(),
    )


def test_a_relu_in_place_keeps_what_one_out_of_place_keeps() -> None:
    inside, outside = (
        {
            m.layer: m
            for m in measure(block(in_place=each), input=16, repeats=0).timeline
            if m.phase == "forward"
        }
        for each in (True, False)
    )
    relus = [layer for place, layer in enumerate(inside) if place in (1, 3)]
    assert {name: moment.live for name, moment in inside.items()} == {
        name: moment.live for name, moment in outside.items()
    }
    assert [outside[name].peak - inside[name].peak for name in relus] == [8 * 16 * 16 * 4] * 2


def test_overwriting_what_a_backward_reads_stops_it() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Sigmoid(), nn.ReLU(inplace=True))
    with pytest.raises(RuntimeError, match="inplace operation"):
        model(torch.ones(1, 4)).sum().backward()


@pytest.mark.parametrize("batch", [1, 2, 32])
def test_a_later_micro_batch_peaks_as_predicted(batch: int) -> None:
    """With oneDNN off and 1×1 kernels, the backend takes no scratch."""
    net = from_dict(
        {"name": "n", "layers": ["conv1-8", "M", "conv1-16", "M"], "classifier": [256, 64], "classes": 5}
    )
    model, images = build(net), torch.ones(batch, 3, 32, 32)
    targets = torch.zeros(batch, dtype=torch.long)

    def micro_batch() -> None:
        logits = model(images)
        nn.functional.cross_entropy(logits, targets).backward()

    with torch.backends.mkldnn.flags(enabled=False):
        micro_batch()
        model.zero_grad(set_to_none=True)
        with CpuMemory() as memory:
            for mark in ("first", "second", "third"):
                memory.mark(mark)
                micro_batch()
            memory.mark("end")
    step = ledger(walk(net, input=32, batch=batch), Setup(onednn=False))
    given = step.fixed_points[Phase.INPUT]
    first, second, third, _ = (moment.peak for moment in memory.moments)
    assert first == step.peak.peak - given
    assert second == third == later_peak(step).value - given
    assert second > first


# Every format


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("name", ["notes-total", "peak"])
def test_a_topic_is_shown_in_every_format(name: str, format_: str) -> None:
    result = call("explain", name, "--format", format_)
    assert (result.exit_code, result.stderr) == (0, "")
    lesson = TOPICS[name].lesson
    workings = [line for _, line in lesson.lines]
    if format_ == "json":
        content = json.loads(result.stdout)
        assert content == lesson.to_dict()
        assert content["schema_version"] == 1
    elif format_ in ("csv", "tsv"):
        rows = csv.DictReader(io.StringIO(result.stdout), delimiter="," if format_ == "csv" else "\t")
        assert [int(row["value"]) for row in rows] == [line.count.value for line in workings]
    else:
        assert all(f"{line.count.value:,}" in result.stdout for line in workings)
    if format_ in ("table", "markdown", "html"):
        shown = re.sub(r"\\(?=[^\w\s])", "", result.stdout)
        assert all(section.heading in shown for section in lesson.sections)


@pytest.mark.parametrize("arguments", [("pool-indices",), ("D", "conv3_2"), ("D",), ()], ids=" ".join)
def test_whole_lessons_are_as_expected(arguments: tuple[str, ...], golden: Golden) -> None:
    name = "_".join(("explain", *arguments))
    golden(f"{name}.txt", call("explain", *arguments).stdout)


def test_a_lesson_as_markdown_and_as_a_page_is_as_expected(golden: Golden) -> None:
    golden("explain_pool-indices.md", call("explain", "pool-indices", "--format", "markdown").stdout)
    golden("explain_pool-indices.html", call("explain", "pool-indices", "--format", "html").stdout)


@pytest.mark.parametrize("layer", ["relu1_1", "flatten"])
def test_a_lesson_without_any_working_is_a_table_without_rows(layer: str) -> None:
    assert call("explain", "D", layer, "--format", "csv").stdout == "section,what,value,unit\n"


def test_a_lesson_shows_itself() -> None:
    lesson = TOPICS["fc6"].lesson
    assert repr(lesson) == render(lesson, "table")
    assert lesson._repr_html_() == render(lesson, "html")
    assert "102760448" in str(lesson.to_frame()["value"].to_list())
    assert "\x1b[1m" in render(lesson, "colour")


def test_what_a_lesson_says_to_type_can_be_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    failing = []
    for command in sorted({command for topic in TOPICS.values() for command in topic.commands}):
        program, *arguments = shlex.split(command)
        assert program == "vgg-profile"
        if arguments[0] == "measure":  # a real pass, made elsewhere
            assert "measure" in main.commands
        elif call(*arguments).exit_code:
            failing.append(command)
    assert failing == []


def test_every_topic_says_how_it_is_known_and_what_to_type() -> None:
    for topic in TOPICS.values():
        assert topic.commands
        assert topic.evidence.startswith(("By arithmetic", "Measured with PyTorch 2.13 on the CPU"))
        says_cuda = any("CUDA" in str(part) for part in topic.lesson.sections)
        assert not says_cuda or "-cuda.json" in topic.evidence


# Layers


NETS = {
    "D": lambda: walk("D"),
    "D-BN": lambda: walk("D-BN", batch=2, input=64),
    "A-LRN": lambda: walk("A-LRN", batch=3, input=32, dtype="bfloat16", device="cuda"),
    "uneven": lambda: walk("5,M,LRN,conv5-3,conv1-4", input="33x20", classes=7),
    "bare": lambda: walk(
        from_dict({"name": "n", "layers": [4], "classifier": [], "in_channels": 1}), input=7
    ),
}


@pytest.mark.parametrize("net", NETS)
def test_every_layer_can_be_worked_out(net: str) -> None:
    profile: Profile = NETS[net]()
    moments = ledger(profile).moments
    for row in profile.module_rows[1:]:
        lesson = layers.lesson(profile, row.name)
        assert wrong_workings(lesson) == []
        assert wrong_totals(lesson) == []
        assert len(lesson.sections) == 8
        assert lesson == layers.lesson(profile, row.module.upper())
        place = next(i for i, m in enumerate(moments) if (m.phase, m.layer) == (Phase.BACKWARD, row.name))
        change = moments[place].live - moments[place - 1].live
        said = re.search(r"over, ([\d,]+) bytes (more|fewer)", render(lesson, "json"))
        assert (int(said[1].replace(",", "")) * (1 if said[2] == "more" else -1) if said else 0) == change


def values(lesson: Lesson) -> dict[str, int]:
    return {line.label: line.count.value for _, line in lesson.lines}


def test_conv3_2_of_d_is_as_it_is_by_hand() -> None:
    lesson = layers.lesson(walk("D", batch=8), "conv3_2")
    assert values(lesson) == {
        "height": 56,
        "width": 56,
        "weights": 589_824,
        "biases": 256,
        "parameters in float32": 590_080 * 4,
        "MACs, one image": 589_824 * 56 * 56,
        "forward": 2 * 589_824 * 56 * 56 * 8,
        "gradient of the weights": 2 * 589_824 * 56 * 56 * 8,
        "gradient of the input": 2 * 589_824 * 56 * 56 * 8,
        "field, one side": 32,
        "values, one image": 56 * 56 * 256,
        "output": 56 * 56 * 256 * 4 * 8,
    }
    text = render(lesson, "table")
    assert "layer 13 of 40" in text
    assert re.search(r"conv3_1's output +activations +25,690,112\n", text)
    assert re.search(r"gradient of conv3_2's weight +gradients +2,359,296\n", text)


def test_the_first_convolution_makes_no_gradient_of_its_input() -> None:
    text = render(layers.lesson(walk("D"), "conv1_1"), "table")
    assert "gradient of the input " not in text
    assert "gradient of conv1_1's input" not in text
    assert "want no gradient" in text


def test_an_odd_row_is_left_out_of_the_shape() -> None:
    lesson = layers.lesson(walk("5,M", input="7x12"), "pool1")
    assert [(line.count.working, line.count.value) for _, line in lesson.lines][:2] == [
        ("(7-2)//2+1", 3),
        ("(12-2)//2+1", 6),
    ]


def test_the_rules_of_a_device_are_named() -> None:
    masks = {
        device: render(layers.lesson(walk("D", device=device), "drop6"), "table")
        for device in ("cpu", "cuda")
    }
    assert re.search(r"drop6's dropout mask +dropout masks +16,384", masks["cpu"])
    assert re.search(r"drop6's dropout mask +dropout masks +4,096", masks["cuda"])
    assert "a committed record of an NVIDIA H100 80GB HBM3 with torch 2.11.0+cu130 confirms" in one_line(
        masks["cuda"]
    )
    assert "CUDA" not in masks["cpu"]


def test_the_cuda_rules_have_the_witness_that_layers_name() -> None:
    records = [load(path) for path in (ROOT / "reports" / "measured").glob("*-cuda.json")]
    assert len(records) == 24
    assert {"H100" in record.environment["device"] for record in records} == {True}


def test_a_networks_own_name_is_shown_and_never_run(tmp_path: Path) -> None:
    file = tmp_path / "net.json"
    file.write_text(json.dumps({"name": HOSTILE, "layers": [4, "M"], "classes": 3}))
    for arguments in ((str(file), "conv1_1"), (str(file),)):
        page = call("explain", *arguments, "--format", "html").stdout
        assert "&lt;script&gt;" in page
        assert "<script>" not in page
        markdown = call("explain", *arguments, "--format", "markdown").stdout
        assert r"\<script\>\|\*\_x\`\[a\](b)" in markdown
        assert HOSTILE in call("explain", *arguments).stdout
        assert call("explain", *arguments, "--format", "latex").exit_code == 0


# Finding one's way


def test_the_topics_are_listed_with_a_line_each() -> None:
    shown = call("explain").stdout
    assert all(f"{topic.name} " in shown and topic.title in shown for topic in TOPICS.values())
    content = json.loads(call("explain", "--format", "json").stdout)
    assert [entry["topic"] for entry in content["entries"]] == list(TOPICS)


def test_the_layers_of_a_network_are_listed() -> None:
    content = json.loads(call("explain", "vgg16_bn", "--input", "64", "--format", "json").stdout)
    rows = walk("D-BN", input=64).module_rows[1:]
    assert [(e["layer"], e["module"], e["output"]) for e in content["entries"]] == [
        (row.name, row.module, list(row.output_shape)) for row in rows
    ]


def test_other_words_lead_to_the_same_topic() -> None:
    assert sum(len(topic.aliases) for topic in TOPICS.values()) == len(ALIASES)
    for word, name in {**ALIASES, "Pool_Indices": "pool-indices", " PEAK ": "peak"}.items():
        found = topics.lesson(word)
        assert found is not None
        assert found.name == name
    assert topics.lesson("pool") is None


def test_no_topic_hides_a_config() -> None:
    for word in (*TOPICS, *ALIASES):
        with pytest.raises(InputError, match="no config named"):
            config(word)


def test_a_new_topic_is_a_new_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    course = tmp_path / "course"
    course.mkdir()
    for name, place in {"a_last": 900, "b_first": 100}.items():
        (course / f"{name}.py").write_text(
            "from vgg_profile.teach.forms import Section\n"
            "from vgg_profile.teach.topic import ARITHMETIC, topic\n"
            f"@topic('{name}', 'a line', ARITHMETIC, place={place})\n"
            f"def {name}():\n    yield Section('Why', ('Because.',))\n"
        )
    monkeypatch.syspath_prepend(tmp_path)
    first, last = topics.found_in([str(course)], "course")
    assert (first.name, last.name) == ("b_first", "a_last")
    assert last.lesson.sections == (Section("Why", ("Because.",)),)


def test_every_topic_stands_in_a_file_and_at_a_place_of_its_own() -> None:
    files = {path.stem for path in Path(topics.__path__[0]).glob("[a-z]*.py")}
    assert {topic.sections.__module__.rpartition(".")[2] for topic in TOPICS.values()} == files
    assert len({topic.place for topic in TOPICS.values()}) == len(TOPICS)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("pool-indicies",), "Did you mean pool-indices?"),
        (("recptive-field",), "Did you mean receptive-field?"),
        (("adm",), "Did you mean optimizer-state?"),
        (("xyzzy",), "`vgg-profile explain` lists the topics"),
        (("D", "conv33_2"), "Did you mean conv3_2"),
        (("D", "feature.12"), "Did you mean features.12"),
        (("A", "conv1_2"), "A has no layer 'conv1_2'"),
        (("64,MM",), "is not a layer"),
        (("missing.toml",), "there is no such file"),
        (("peak", "conv1_1"), "A topic has no layers"),
        (("peak", "--batch", "3"), "takes no --batch: it speaks"),
        (("--input", "64"), "takes no --input: it speaks"),
        (("D", "conv1_1", "--batch", "0"), "The batch is 0"),
        (("D", "conv1_1", "--input", "8"), "too small"),
        (("8,M", "bn1_1", "--batch-norm", "--input", "1"), "too small"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_mistake_is_refused_with_a_hint(arguments: tuple[str, ...], hint: str) -> None:
    assert hint in refusal("explain", *arguments)


def test_a_lesson_is_written_to_a_file(tmp_path: Path) -> None:
    result = call("explain", "fc6", "-o", str(tmp_path / "fc6.md"))
    assert (result.exit_code, result.stdout) == (0, "")
    assert (tmp_path / "fc6.md").read_text().startswith("# fc6: ")
