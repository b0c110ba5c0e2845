"""Gradient accumulation as a setting: the last micro-batch's step, predicted and measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from any_nets import answer, run
from click.testing import CliRunner
from measuring import assert_exact
from turns import by_turns

from vgg_profile import InputError, walk
from vgg_profile.check.crosscheck import crosscheck
from vgg_profile.check.results import Verdict
from vgg_profile.check.subject import profile_for
from vgg_profile.cli import main
from vgg_profile.core.events import Category, Phase
from vgg_profile.core.setting import Setup
from vgg_profile.measure import measure
from vgg_profile.predict.steps import ledger
from vgg_profile.predict.vgg.configs import from_dict

NET = from_dict({"layers": [16, "M", "conv1-24", 32, "M"], "classifier": [64, 32], "classes": 5})


@pytest.mark.parametrize(
    "setup",
    [
        Setup(accumulate=3),
        Setup(accumulate=2, optimizer="adam"),
        Setup(accumulate=2, optimizer="momentum", first_step=True, checkpoint="blocks"),
        Setup(accumulate=4, optimizer="sgd", amp="bfloat16"),
        Setup(accumulate=2, optimizer="adam", foreach=True, freeze=("features",)),
    ],
    ids=lambda setup: setup.label,
)
def test_the_last_micro_batch_takes_what_is_predicted(setup: Setup) -> None:
    record = measure(NET, input=(3, 20, 20), batch=5, setup=setup, repeats=0)
    checks = crosscheck(profile_for(NET, record), record)
    assert_exact(checks)
    assert record.setting.setup.accumulate == setup.accumulate


def test_a_step_whose_gradients_are_not_there_from_the_start_is_found_out() -> None:
    record = measure(NET, input=(3, 20, 20), batch=5, setup=Setup(accumulate=2), repeats=0)
    record.subject["accumulate"] = 1
    assert crosscheck(profile_for(NET, record), record).verdict is Verdict.FAIL


def test_gradients_of_what_is_trained_are_there_from_the_start_and_a_third_adds_nothing() -> None:
    profile = walk("D", batch=4)
    second, third = (ledger(profile, Setup(accumulate=number)) for number in (2, 3))
    assert second.peak.peak == third.peak.peak
    load = next(moment for moment in second.moments if moment.phase is Phase.LOAD)
    assert load.categories[Category.GRADIENTS] == profile.totals.parameters * 4
    frozen = ledger(profile, Setup(accumulate=2, freeze=("features",)))
    load = next(moment for moment in frozen.moments if moment.phase is Phase.LOAD)
    classifier = sum(row.parameters for row in profile.module_rows if row.kind == "fc")
    assert load.categories[Category.GRADIENTS] == classifier * 4


def test_fit_has_fewer_images_a_micro_batch() -> None:
    def asked(*more: str) -> dict[str, int]:
        arguments = ["fit", "D", "--memory", "8GiB", "--processor", "avx512", *more, "--format", "json"]
        return dict(json.loads(CliRunner().invoke(main, arguments).stdout))

    alone, one_of_many = asked(), asked("--accumulate", "8")
    assert one_of_many["accumulate"] == 8
    assert one_of_many["largest_batch"] < alone["largest_batch"]


@pytest.mark.parametrize("number", ["0", "-1", "1e-1"])
def test_a_number_of_micro_batches_that_is_none_is_refused(number: str) -> None:
    done = CliRunner().invoke(main, ["timeline", "D", "--accumulate", number])
    assert done.exit_code == 2
    assert "Traceback" not in done.output


def test_inference_is_refused() -> None:
    with pytest.raises(InputError, match="no gradients to add up"):
        Setup(mode="inference", accumulate=2)


NETS = (
    """
from torch import nn

class Tied(nn.Module):
    """
    + '"""An embedding that is the last layer, too, around attention."""'
    + """
    def __init__(self):
        super().__init__()
        self.embed, self.out = nn.Embedding(50, 8), nn.Linear(8, 50, bias=False)
        self.mid = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.out.weight = self.embed.weight
    def forward(self, ids):
        return self.out(self.mid(self.embed(ids)))
"""
)

UNET = ("examples/my_net.py:UNet", "--input", "3x32x32")


@pytest.fixture(scope="module")
def tied(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    path = tmp_path_factory.mktemp("nets") / "tied.py"
    path.write_text(NETS)
    return (f"{path}:Tied", "--input", "12:int64<50")


OPTIONS = ["", "--optimizer adam", "--optimizer momentum --first-step", "--optimizer sgd --amp bfloat16"]


@pytest.mark.parametrize(("setup", "of"), by_turns(OPTIONS, ["a U-Net", "tied weights"]))
def test_of_any_network_the_last_micro_batch_takes_what_is_predicted(
    of: str, setup: str, tied: tuple[str, ...]
) -> None:
    named = UNET if of == "a U-Net" else tied
    words = ("measure", *named, "--batch", "3", "--accumulate", "3", *setup.split(), "--repeats", "0")
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert "Every figure holds" in done.stdout


def test_of_any_network_gradients_are_there_from_the_start_but_for_what_is_not_trained() -> None:
    def gradients(*more: str) -> int:
        loaded = answer("timeline", *UNET, "--no-probe", "--batch", "2", *more)["moments"][0]
        return int(loaded["categories"].get("gradients", 0))

    assert gradients() == 0
    whole = answer("table", *UNET, "--no-probe")["totals"]["parameters"]
    assert gradients("--accumulate", "2") == whole * 4
    frozen = gradients("--accumulate", "2", "--freeze", "down")
    assert 0 < frozen < whole * 4


def test_a_trace_of_one_micro_batch_of_several_answers_for_any_number_but_one(tmp_path: Path) -> None:
    book = tmp_path / "unet.json"
    assert run("trace", *UNET, "--no-probe", "--accumulate", "2", "-o", book).exit_code == 0
    two, many = (answer("timeline", book, "--accumulate", number) for number in (2, 64))
    assert two.pop("accumulate") + 62 == many.pop("accumulate")
    assert two == many
    assert "--accumulate" not in run("timeline", book, "--mode", "train").stderr.partition("`")[2]


def test_what_micro_batches_gain_is_said_of_any_network() -> None:
    lines = answer("fit", *UNET, "--no-probe", "--memory", "1GiB", "--what-if")["what_if"]
    line = next(each for each in lines if each["options"] == "--accumulate 2")
    assert line["gained"] > 0
    alone = answer("fit", *UNET, "--no-probe", "--memory", "1GiB", "--accumulate", "2")
    assert line["largest_batch"] == alone["largest_batch"]
