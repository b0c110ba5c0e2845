"""Any layer of any network, worked out."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from explaining import ROOT, call, one_line, wrong_totals, wrong_workings

from vgg_profile import Profile, walk
from vgg_profile.core.events import Phase
from vgg_profile.measure.reading import load
from vgg_profile.predict.steps import ledger
from vgg_profile.predict.vgg.configs import from_dict
from vgg_profile.render import render
from vgg_profile.teach import layer as layers
from vgg_profile.teach.forms import Lesson

HOSTILE = "<script>|*_x`[a](b)"


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
    assert "need no gradient" in text


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
    assert len(records) == 54
    devices = {record.environment["device"] for record in records}
    assert devices == {"NVIDIA H100 80GB HBM3", "NVIDIA H200"}


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
