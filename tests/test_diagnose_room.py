"""The two processes: what each loads, and that every answer arrives as it was sent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from diagnosing import ROOT

from vgg_profile.core.counts import product
from vgg_profile.core.errors import InputError
from vgg_profile.diagnose import Defect, Draft, Hint, Kind, Remark, Written
from vgg_profile.diagnose.answer import decode
from vgg_profile.diagnose.draft import Visit, encode, read_wanted, write_wanted
from vgg_profile.diagnose.wanted import wanted
from vgg_profile.predict.vgg.configs import config

FILE = Path("model.py")

PARENTS = ("reader", "findings", "wanted")


def loaded_by(code: str) -> list[str]:
    """The modules that are loaded once some code has run in a fresh Python."""
    code += "; import sys; print(*sorted(sys.modules))"
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", cwd=ROOT, timeout=120, check=True
    )
    return ended.stdout.split()


def too_much_for_the_child(modules: list[str]) -> list[str]:
    ours = [f"vgg_profile.diagnose.{name}" for name in PARENTS]
    return [
        each
        for each in modules
        if each in ours or each == "msgspec" or each.startswith(("vgg_profile.predict", "vgg_profile.write"))
    ]


def test_the_child_loads_its_own_half_alone() -> None:
    modules = loaded_by("import vgg_profile.diagnose.child")
    assert "vgg_profile.diagnose.run" in modules
    assert too_much_for_the_child(modules) == []


def test_the_parent_loads_no_torch_and_a_child_that_loads_too_much_is_noticed() -> None:
    modules = loaded_by("from vgg_profile.diagnose import diagnose, read")
    assert "torch" not in modules
    assert {f"vgg_profile.diagnose.{name}" for name in PARENTS} <= set(too_much_for_the_child(modules))


def visit(layer: Written) -> Visit:
    return Visit("name", layer, layer, (8, 4, 4), 1, 9)


DRAFTS = {
    "empty": Draft(()),
    "a layer with all that there is": Draft((visit(Written("Conv2d", {"stride": [1, 2]}, "a.b", 3, 4)),)),
    "a count": Draft((visit(Written("Linear", {"in_features": product(512, 7, 7), "out_features": 2})),)),
    "infinities": Draft((visit(Written("Hardtanh", {"min_val": float("-inf"), "max_val": float("inf")})),)),
    "an argument in words": Draft((visit(Written("Conv2d", {"padding": "same", "bias": False})),)),
    "everything": Draft(
        (Visit("added", None, Written("ReLU"), (8,), 2), Visit("gone", Written("ReLU"), None, (8,), 2)),
        (Defect("model()", "", None, Kind.SILENT, "found", "fits", "fix", "fc", 3, ("another",)),),
        (Defect("head", "h", 3, Kind.HEAD, "found", "fits", ""),),
        (Remark(Hint.DROPPED, "conv", 3, "a remark with é and \ud800", "why"),),
        7,
        False,
        "refused",
        "stopped",
    ),
}


@pytest.mark.parametrize("case", DRAFTS)
def test_a_draft_arrives_as_it_was_sent(case: str) -> None:
    arrived = decode(encode(DRAFTS[case]), FILE)
    assert arrived == DRAFTS[case]
    assert all(type(defect.kind) is Kind for defect in arrived.defects)


def test_the_layers_of_a_config_arrive_as_they_were_sent() -> None:
    layers = wanted(config("D-BN"), (3, 224, 224))
    assert read_wanted(write_wanted(layers, "D-BN")) == (layers, "D-BN")


def test_a_refusal_arrives_as_one() -> None:
    with pytest.raises(InputError, match=r"^It is wrong\. Fix it\.$") as refusal:
        decode(encode(InputError("It is wrong.", "Fix it.")), FILE)
    assert refusal.value.next_step == "Fix it."
