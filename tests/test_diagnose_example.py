"""The example: every mistake of ``broken_vgg19.py`` is found, and its story fixes them one by one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from diagnosing import BROKEN, ROOT, inspected

from vgg_profile.diagnose import Diagnosis, Kind, diagnose
from vgg_profile.models import vgg19_bn
from vgg_profile.predict.vgg.configs import config
from vgg_profile.predict.vgg.spelled_out import modules
from vgg_profile.predict.vgg.walk import walk
from vgg_profile.render import render

STORY = ROOT / "examples" / "broken_vgg19.md"


def diagnosed_example(monkeypatch: pytest.MonkeyPatch, folder: Path, source: str) -> Diagnosis:
    return diagnose(inspected(monkeypatch, folder, source, "vgg19"), (3, 224, 224), config("E-BN"))


def test_every_mistake_of_the_example_is_named(monkeypatch, tmp_path):
    diagnosis = diagnosed_example(monkeypatch, tmp_path, BROKEN.read_text())
    assert [(each.place, each.kind) for each in diagnosis.defects] == [
        ("vgg19()", Kind.SILENT),
        ("conv1_2", Kind.SETTING),
        ("bn2_2", Kind.NORM_WIDTH),
        ("conv3_1", Kind.IN_CHANNELS),
        ("conv3_3", Kind.WIDTH),
        ("conv4_4", Kind.NO_LAYER),
        ("bn4_4", Kind.NO_NORM),
        ("relu4_4", Kind.NO_ACTIVATION),
        ("bn5_4", Kind.NO_NORM),
        ("relu5_4", Kind.NO_ACTIVATION),
        ("flatten", Kind.NO_FLATTEN),
        ("fc6", Kind.FAN_IN),
        ("relu6", Kind.NO_ACTIVATION),
    ]


def test_the_example_is_told_by_its_neighbours_too_but_for_the_layer_that_is_not_there(monkeypatch, tmp_path):
    draft = inspected(monkeypatch, tmp_path, BROKEN.read_text(), "vgg19")
    diagnosis = diagnose(draft, (3, 224, 224))
    places = {each.place for each in diagnosis.defects}
    assert places == {
        *("vgg19()", "conv1_2", "bn2_2", "conv3_1", "conv3_3", "bn5_4", "relu5_4", "flatten", "fc6", "relu6"),
    }
    assert not diagnosis.remarks


def test_the_example_fixed_is_vgg19_bn(monkeypatch, tmp_path):
    diagnosis = diagnosed_example(monkeypatch, tmp_path, BROKEN.read_text())
    space: dict[str, torch.nn.Module] = {}
    with torch.device("meta"):
        exec(diagnosis.code, space)
        assert space["model"](torch.zeros(2, 3, 224, 224)).shape == (2, 1000)
    own = [tuple(each.shape) for each in space["model"].parameters()]
    assert own == [tuple(each.shape) for each in vgg19_bn(device="meta").parameters()]
    assert diagnosis.parameters == walk("E-BN").totals.parameters
    assert [name for name, _, _ in diagnosis.fixed] == [each.name for each in modules(config("E-BN"))]


def test_the_example_is_fixed_step_by_step(monkeypatch, tmp_path):
    """Each diff takes away just the defects that its heading names, and what was found is quoted."""
    source = BROKEN.read_text()
    before = diagnosed_example(monkeypatch, tmp_path, source).defects
    steps = re.findall(r"^## \d+\. (.*?)\n(.*?)(?=^## |\Z)", STORY.read_text(), re.M | re.S)
    assert len(steps) == 10, "as the file and the story say"
    for heading, body in steps:
        (change,) = re.findall(r"```diff\n(.*?)```", body, re.S)
        (quoted,) = re.findall(r"```text\n(.*?)```", body, re.S)
        old, new = ("".join(re.findall(rf"^[ {sign}](.*\n)", change, re.M)) for sign in "-+")
        assert source.count(old) == 1, heading
        source = source.replace(old, new)
        after = diagnosed_example(monkeypatch, tmp_path, source).defects
        fixed = re.findall(r"`([^`]+)`", heading)
        assert [each.place for each in before if each.place in fixed] == fixed
        assert [each.place for each in after] == [each.place for each in before if each.place not in fixed]
        told = [each for each in before if each.place in fixed]
        assert quoted.splitlines() == [
            line
            for each in told
            for line in (f"found  {each.found}", f"fits   {each.fits}", f"fix    {each.fix}")
        ]
        before = after
    assert before == (), "the story ends before the model is whole"


def test_the_example_looks_as_it_should(golden, monkeypatch, tmp_path):
    draft = inspected(monkeypatch, tmp_path, BROKEN.read_text(), "vgg19")
    diagnosis = diagnose(draft, (3, 224, 224), config("E-BN"), "examples/broken_vgg19.py:vgg19")
    golden("diagnose_broken_vgg19.txt", render(diagnosis, "table"))
    golden("diagnose_broken_vgg19.csv", render(diagnosis, "csv"))
