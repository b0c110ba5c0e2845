"""Lessons: what is said to be measured, is."""

from __future__ import annotations

import re

import pytest
import torch
from explaining import ROOT
from torch import nn

from vgg_profile import walk
from vgg_profile.check.crosscheck import crosscheck
from vgg_profile.check.results import Verdict
from vgg_profile.check.subject import profile_for
from vgg_profile.core.events import Phase
from vgg_profile.core.setting import Setup
from vgg_profile.measure import measure
from vgg_profile.measure.memory import CpuMemory
from vgg_profile.measure.reading import load
from vgg_profile.models import build
from vgg_profile.predict.steps import ledger
from vgg_profile.predict.vgg.configs import from_dict
from vgg_profile.teach.topics import TOPICS

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
    later = ledger(walk(net, input=32, batch=batch), Setup(onednn=False, accumulate=3))
    assert second == third == later.peak.peak - given
    assert second > first
