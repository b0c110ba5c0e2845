"""The example: every mistake of ``broken_vgg19.py`` is found, and its story fixes them one by one."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diagnosing import BROKEN, ROOT, diagnosed, inspected

from vgg_profile.diagnose import Diagnosis, Hint, Kind
from vgg_profile.models import vgg19_bn
from vgg_profile.predict.vgg.configs import config
from vgg_profile.predict.vgg.spelled_out import modules
from vgg_profile.predict.vgg.walk import walk
from vgg_profile.render import render

STORY = ROOT / "examples" / "broken_vgg19.md"


def diagnosed_example(monkeypatch: pytest.MonkeyPatch, folder: Path, source: str) -> Diagnosis:
    return diagnosed(monkeypatch, folder, source, "vgg19", (3, 224, 224), config("E-BN"))


def test_every_mistake_of_the_example_is_named(monkeypatch, tmp_path):
    diagnosis = diagnosed_example(monkeypatch, tmp_path, BROKEN.read_text())
    assert [(each.place, each.kind) for each in diagnosis.findings] == [
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


def test_without_a_config_the_fewest_changes_are_said_and_what_runs_is_remarked_upon(monkeypatch, tmp_path):
    draft = inspected(monkeypatch, tmp_path, BROKEN.read_text(), "vgg19", (3, 224, 224))
    assert [(each.place, each.kind) for each in draft.defects] == [
        ("vgg19()", Kind.SILENT),
        ("conv2_2", Kind.WIDTH),
        ("conv3_3", Kind.WIDTH),
        ("flatten", Kind.NO_FLATTEN),
        ("fc6", Kind.FAN_IN),
    ]
    assert [(each.kind, each.place) for each in draft.remarks] == [
        (Hint.UNLIKE, "conv1_2"),
        (Hint.NO_ACTIVATION, "conv5_4"),
        (Hint.NO_NORM, "conv5_4"),
        (Hint.NO_ACTIVATION, "fc6"),
    ]


def test_the_example_fixed_is_vgg19_bn(monkeypatch, tmp_path):
    diagnosis = diagnosed_example(monkeypatch, tmp_path, BROKEN.read_text())
    space: dict[str, torch.nn.Module] = {}
    with torch.device("meta"):
        exec(diagnosis.code, space)
        assert space["model"](torch.zeros(2, 3, 224, 224)).shape == (2, 1000)
    own = [tuple(each.shape) for each in space["model"].parameters()]
    assert own == [tuple(each.shape) for each in vgg19_bn(device="meta").parameters()]
    assert diagnosis.parameters == walk("E-BN").totals.parameters
    assert [visit.name for visit in diagnosis.visits if visit.fixed] == [
        each.name for each in modules(config("E-BN"))
    ]


@pytest.mark.slow
def test_the_example_is_fixed_step_by_step(monkeypatch, tmp_path):
    """Each diff takes away just the defects that its heading names, and what was found is quoted."""
    source = BROKEN.read_text()
    before = diagnosed_example(monkeypatch, tmp_path, source).findings
    steps = re.findall(r"^## \d+\. (.*?)\n(.*?)(?=^## |\Z)", STORY.read_text(), re.M | re.S)
    assert len(steps) == 10, "as the file and the story say"
    for heading, body in steps:
        (change,) = re.findall(r"```diff\n(.*?)```", body, re.S)
        (quoted,) = re.findall(r"```text\n(.*?)```", body, re.S)
        old, new = ("".join(re.findall(rf"^[ {sign}](.*\n)", change, re.M)) for sign in "-+")
        assert source.count(old) == 1, heading
        source = source.replace(old, new)
        after = diagnosed_example(monkeypatch, tmp_path, source).findings
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
    found = diagnosed_example(monkeypatch, tmp_path, BROKEN.read_text())
    diagnosis = replace(found, subject="examples/broken_vgg19.py:vgg19")
    golden("diagnose_broken_vgg19.txt", render(diagnosis, "table"))
    golden("diagnose_broken_vgg19.csv", render(diagnosis, "csv"))
