"""Frozen parts: no gradients, no optimizer state, and what autograd then no longer keeps."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from vgg_profile.check.crosscheck import crosscheck
from vgg_profile.check.results import Checks, Verdict
from vgg_profile.check.subject import profile_for
from vgg_profile.cli import main
from vgg_profile.core.errors import InputError
from vgg_profile.core.events import Category
from vgg_profile.core.setting import Setup
from vgg_profile.measure import measure
from vgg_profile.measure.reading import load
from vgg_profile.measure.record import dumps
from vgg_profile.models import build
from vgg_profile.predict.steps import ledger
from vgg_profile.predict.vgg.walk import walk

FEATURES = Setup(freeze=("features",))


def measured(*freeze: str, net: str = "4,4,M,8,M", **more: object) -> Checks:
    setup = Setup(freeze=freeze, **more)  # type: ignore[arg-type]
    record = measure(net, input=16, batch=2, setup=setup, repeats=0)
    return crosscheck(profile_for(net, record), record)


def test_the_known_figure_is_met() -> None:
    """Read from the allocator: D, 64 px, batch 8, features frozen."""
    assert ledger(walk("D", input=64, batch=8), FEATURES).peak.peak == 1_049_360_776


@pytest.mark.parametrize("optimizer", ["none", "sgd", "momentum", "adam"])
def test_what_is_frozen_has_no_gradient_and_no_state(optimizer: str) -> None:
    step = ledger(walk("D", input=64), Setup(freeze=("features",), optimizer=optimizer))
    made = [storage for event in step.events for storage in event.allocated]
    for category in (Category.GRADIENTS, Category.OPTIMIZER):
        assert not [each for each in made if each.category is category and each.layer.startswith("conv")]
    assert [each for each in made if each.category is Category.GRADIENTS]
    assert {mark.layer for mark in step.marks if mark.phase == "backward"} >= {"fc6", "fc8"}
    assert "conv5_3" not in {mark.layer for mark in step.marks if mark.phase == "backward"}


def slow(*values: object) -> Any:
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("freeze", "more"),
    [
        (("features",), {"optimizer": "adam"}),
        slow(("features.0", "features.2"), {"optimizer": "momentum", "checkpoint": "blocks"}),
        slow(("classifier",), {"optimizer": "adamw", "foreach": True}),
        slow(("features", "classifier.0"), {"amp": "bfloat16", "first_step": True, "optimizer": "adam"}),
        (("classifier.3",), {"mode": "eval", "amp": "bfloat16"}),
        (("features",), {"mode": "inference"}),
    ],
    ids=str,
)
def test_a_frozen_step_is_exact(freeze: tuple[str, ...], more: dict[str, object]) -> None:
    checks = measured(*freeze, **more)
    assert [check for check in checks.checks if check.verdict is Verdict.FAIL] == []


def test_a_record_of_a_frozen_step_is_no_proof_of_another() -> None:
    """The check can fail: the same record, read as if nothing had been frozen."""
    record = measure("4,M,8,M", input=16, setup=FEATURES, repeats=0)
    assert crosscheck(profile_for("4,M,8,M", record), record).count(Verdict.FAIL) == 0
    record.subject["freeze"] = []
    assert crosscheck(profile_for("4,M,8,M", record), record).count(Verdict.FAIL) > 3


def test_a_record_keeps_what_was_frozen(tmp_path) -> None:
    record = measure("4,M,8,M", input=16, setup=FEATURES, repeats=0)
    path = tmp_path / "record.json"
    path.write_text(dumps(record))
    assert load(path).setting.setup == record.setting.setup
    assert record.setting.setup.freeze == FEATURES.freeze
    table = CliRunner().invoke(
        main, ["timeline", "4,M,8,M", "--input", "16", "--freeze", "features", "--measured", str(path)]
    )
    assert table.exit_code == 0, table.output
    other = CliRunner().invoke(
        main, ["timeline", "4,M,8,M", "--input", "16", "--freeze", "classifier", "--measured", str(path)]
    )
    assert (other.exit_code, "another freeze" in other.stderr) == (2, True)


def test_a_module_comes_back_as_it_was() -> None:
    net = build("4,M,8,M", input=16)
    net.classifier[0].weight.requires_grad_(False)
    before = {name: each.requires_grad for name, each in net.named_parameters()}
    measure(net, input=16, setup=FEATURES, repeats=0)
    assert {name: each.requires_grad for name, each in net.named_parameters()} == before
    assert not any(before[name] for name in ["classifier.0.weight"])
    assert isinstance(net.features[0].weight, torch.nn.Parameter)


@pytest.mark.parametrize(
    ("freeze", "complaint"),
    [
        (("feature",), r"Nothing with parameters has the path 'feature'\. Did you mean features\b"),
        (("features.1",), "Nothing with parameters"),
        (("features", "classifier"), "Every parameter is frozen"),
    ],
    ids=str,
)
def test_what_cannot_be_frozen_is_refused(freeze: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        ledger(walk("4,M"), Setup(freeze=freeze))
    with pytest.raises(InputError, match=complaint):
        measure("4,M", input=8, setup=Setup(freeze=freeze), repeats=0)


@pytest.mark.parametrize(
    "command",
    [
        ["table", "D"],
        ["timeline", "D"],
        ["fit", "D", "--memory", "8GiB"],
        ["sweep", "D", "--optimizer", "adam"],
        ["compare", "D", "A"],
    ],
    ids=lambda command: command[0],
)
def test_every_command_that_takes_a_setup_takes_it(command: list[str]) -> None:
    plain = CliRunner().invoke(main, [*command, "--input", "64"])
    frozen = CliRunner().invoke(main, [*command, "--input", "64", "--freeze", "features"])
    assert frozen.exit_code == 0, frozen.output
    assert "features frozen" in "\n".join(frozen.stdout.splitlines()[:3])  # an answer may come first
    assert frozen.stdout != plain.stdout
    content = CliRunner().invoke(main, ["timeline", "D", "--freeze", "features", "--format", "json"]).stdout
    assert json.loads(content)["freeze"] == ["features"]
