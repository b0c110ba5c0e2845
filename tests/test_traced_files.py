"""Traced files that nobody traced, and what an input may be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vgg_profile.core.errors import InputError
from vgg_profile.core.inputs import Input
from vgg_profile.core.setting import Setup
from vgg_profile.core.signed import sign
from vgg_profile.predict import traced
from vgg_profile.predict.fake.trace import trace

# -- files that nobody traced ----------------------------------------------------------------------


def rewritten(path: Path, change: Any, target: Path) -> Path:
    """A trace with one thing changed, and signed again: a digest says who did not write it, not who did."""
    content = json.loads(path.read_text())
    change(content)
    target.write_text(json.dumps(sign(content)))
    return target


def dies_unborn(content: dict[str, Any]) -> None:
    content["books"][0]["events"][0][4] = [len(content["books"][0]["storages"]) - 1]


def born_twice(content: dict[str, Any]) -> None:
    content["books"][0]["events"][1][3] = content["books"][0]["events"][0][3]


def word_too_far(content: dict[str, Any]) -> None:
    content["books"][0]["events"][0][1] = 10**6


def escape(content: dict[str, Any]) -> None:
    content["words"][0] = "\x1b[31m"


def truth_for_number(content: dict[str, Any]) -> None:
    content["books"][0]["storages"][0][3] = True


def negative(content: dict[str, Any]) -> None:
    content["books"][0]["storages"][0][3] = -5


def no_load(content: dict[str, Any]) -> None:
    content["books"][0]["marks"][0][0] = "step"


def no_input(content: dict[str, Any]) -> None:
    content["books"][0]["marks"][1][0] = "forward"


def no_marks(content: dict[str, Any]) -> None:
    content["books"][0]["marks"] = []


def more(content: dict[str, Any]) -> None:
    content["run"] = "import os"


def overlap(content: dict[str, Any]) -> None:
    content["books"][0]["most"] = 5
    content["books"].append({**content["books"][0], "least": 5, "most": 9})


def gap(content: dict[str, Any]) -> None:
    content["books"][0]["most"] = 5
    content["books"].append({**content["books"][0], "least": 7, "most": 9})


def after_no_end(content: dict[str, Any]) -> None:
    content["books"].append({**content["books"][0], "least": 1, "most": 9})


def of_another_batch(content: dict[str, Any]) -> None:
    content["books"][0]["only"] = content["setting"]["batch"] + 1


def unknown_setting(content: dict[str, Any]) -> None:
    content["setting"]["mode"] = "dream"


@pytest.mark.parametrize(
    "change",
    [
        dies_unborn,
        born_twice,
        word_too_far,
        escape,
        truth_for_number,
        negative,
        no_load,
        no_input,
        no_marks,
        more,
        overlap,
        gap,
        after_no_end,
        of_another_batch,
        unknown_setting,
    ],
)
def test_a_hostile_trace_is_refused(traced_net: Path, tmp_path: Path, change: Any) -> None:
    with pytest.raises(InputError):
        traced.load(rewritten(traced_net, change, tmp_path / "hostile.json"))


def test_a_changed_trace_is_found_out(traced_net: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed.json"
    changed.write_text(traced_net.read_text().replace('"Conv2d"', '"Conv3d"'))
    with pytest.raises(InputError, match="changed"):
        traced.load(changed)
    cut = tmp_path / "cut.json"
    cut.write_text(traced_net.read_text()[:-40])
    with pytest.raises(InputError):
        traced.load(cut)


def test_what_is_written_is_what_is_read(traced_net: Path, tmp_path: Path) -> None:
    step = traced.load(traced_net)
    again = tmp_path / "again.json"
    again.write_text(traced.dumps(step))
    assert again.read_text().strip() == traced_net.read_text().strip()
    assert traced.load(again).moments == step.moments


# -- inputs, and the call from Python --------------------------------------------------------------


def test_inputs_are_read() -> None:
    assert Input.parse("3x4x5") == Input((3, 4, 5))
    assert Input.parse("ids=7:int64<50") == Input((7,), "int64", 50, "ids")
    assert Input.parse("7:int64<50").at(2) == (2, 7)
    assert Input.parse("7x8", batch_dim=1).at(2) == (7, 2, 8)
    assert Input.parse(Input.parse("7:int64<50").label) == Input.parse("7:int64<50")


@pytest.mark.parametrize(
    "text", ["", "x", "3x", "0x4", "3:float33", "3<5", "3:float32<5", "-3", "3x4x99999999999"]
)
def test_what_is_no_input_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        Input.parse(text)


def test_a_step_from_python_on_tensors() -> None:
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 4))
    step = trace(model, torch.zeros(3, 16), setup=Setup(optimizer="adam"), probe=False)
    assert step.setting.batch == 3
    assert (
        step.at(7).peak.peak
        == trace(model, "16", batch=7, setup=Setup(optimizer="adam"), probe=False).peak.peak
    )
    assert [row.name for row in step.profile.module_rows] == ["input", "0", "1", "2"]
    assert step.profile.totals.parameters == 16 * 8 + 8 + 8 * 4 + 4
