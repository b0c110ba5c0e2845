"""The two processes: what each loads, and that every answer arrives as it was sent."""

from __future__ import annotations

import subprocess
import sys

import pytest
from diagnosing import ROOT

from vgg_profile.core.errors import InputError
from vgg_profile.diagnose import Defect, Draft, Fault, Kind, Written
from vgg_profile.diagnose.draft import decode, encode

PARENTS = ("reader", "walk", "findings", "plan", "against", "neighbours", "names", "votes")


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
    assert "vgg_profile.diagnose.recorder" in modules
    assert too_much_for_the_child(modules) == []


def test_the_parent_loads_no_torch_and_a_child_that_loads_too_much_is_noticed() -> None:
    modules = loaded_by("from vgg_profile.diagnose import diagnose, read")
    assert "torch" not in modules
    assert {f"vgg_profile.diagnose.{name}" for name in PARENTS} <= set(too_much_for_the_child(modules))


FAULT = Fault(Kind.DROPPED, "found", "fits", "fix", 3)

DRAFTS = {
    "empty": Draft(()),
    "a layer with all that there is": Draft((Written("Conv2d", {"stride": [1, 2]}, "a.b", 3, 4, (FAULT,)),)),
    "infinities": Draft((Written("Hardtanh", {"min_val": float("-inf"), "max_val": float("inf")}),)),
    "an argument in words": Draft((Written("Conv2d", {"padding": "same", "bias": False}),)),
    "everything": Draft(
        (Written("ReLU"),),
        (Defect("model()", "", None, Kind.SILENT, "found", "fits", "fix"),),
        ("a remark with é and \ud800",),
        (Written("Tanh", module="idle"),),
    ),
}


@pytest.mark.parametrize("case", DRAFTS)
def test_a_draft_arrives_as_it_was_sent(case: str) -> None:
    arrived = decode(encode(DRAFTS[case]))
    assert arrived == DRAFTS[case]
    assert all(type(fault.kind) is Kind for layer in arrived.layers for fault in layer.faults)


def test_a_refusal_arrives_as_one() -> None:
    with pytest.raises(InputError, match=r"^It is wrong\. Fix it\.$") as refusal:
        decode(encode(InputError("It is wrong.", "Fix it.")))
    assert refusal.value.next_step == "Fix it."


def test_an_answer_that_is_no_draft_is_noticed() -> None:
    import msgspec

    with pytest.raises(msgspec.ValidationError, match="layers"):
        decode('{"layers": 3}')
