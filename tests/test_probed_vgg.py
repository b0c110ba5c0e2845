"""Where no rule knows a kernel of a VGG, --probe runs that one operation alone: exact, and marked so."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from vgg_profile.check.crosscheck import crosscheck
from vgg_profile.check.results import Verdict
from vgg_profile.check.subject import profile_for
from vgg_profile.cli import main
from vgg_profile.core.events import Provenance
from vgg_profile.measure import measure
from vgg_profile.measure.processor import processor
from vgg_profile.predict.fake.probing import OnThisMachine
from vgg_profile.predict.kernels import convolution
from vgg_profile.predict.kernels.shapes import Convolution, Product
from vgg_profile.predict.steps import ledger

NET = "16,M,M,conv1-24,M,conv7-32"
"""Its last convolution has padding beyond its map of 2×2: of more than one image no rule knows its kernel."""


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("batch", [1, 2, 5])
def test_float16_is_exact_or_within_its_bounds_by_rule(batch: int, dtype: str) -> None:
    net = "16,M,conv1-24,32,M"
    record = measure(net, input=(3, 20, 20), batch=batch, dtype=dtype, repeats=0)
    assert crosscheck(profile_for(net, record), record).verdict is Verdict.PASS


@pytest.mark.parametrize("batch", [2, 5])
def test_what_no_rule_knows_is_exact_by_probes_and_no_pass_without(batch: int) -> None:
    record = measure(NET, input=(3, 20, 20), batch=batch, repeats=0)
    profile = profile_for(NET, record)
    assert crosscheck(profile, record).verdict is Verdict.SKIP
    probe = OnThisMachine()
    assert crosscheck(profile, record, probe).verdict is Verdict.PASS
    step = ledger(profile, record.setting.setup, probe)
    assert sum(step.provenance.values()) == step.peak.peak
    assert not step.is_at_least


def test_a_probe_that_says_less_is_found_out() -> None:
    class Forgetful(OnThisMachine):
        def convolution(self, *given: Any, **named: Any) -> tuple[int, ...] | None:
            seen = super().convolution(*given, **named)
            return None if seen is None else (sum(seen),)

    record = measure(NET, input=(3, 20, 20), batch=5, repeats=0)
    assert crosscheck(profile_for(NET, record), record, Forgetful()).verdict is Verdict.FAIL


@pytest.mark.parametrize("onednn", [True, False])
@pytest.mark.parametrize("shape", [Convolution(3, 5, 17, 9, 7), Convolution(2, 32, 16, 8, 8, 1, False)])
def test_a_probe_sees_what_a_rule_says_where_both_know(shape: Convolution, onednn: bool) -> None:
    here, probe = processor(), OnThisMachine()
    for is_backward, rule in ((False, convolution.forward), (True, convolution.backward)):
        seen = probe.convolution(shape, 2, onednn=onednn, is_backward=is_backward)
        known = rule(shape, here, 2, with_onednn=onednn)
        assert known.provenance is not Provenance.RULE or seen == known.changes


def test_what_is_too_large_is_not_run_and_stays_at_least() -> None:
    probe = OnThisMachine()
    huge = Convolution(2**14, 64, 64, 224, 224)
    assert probe.convolution(huge, 1, onednn=True, is_backward=False) is None
    assert probe.product(Product(2**16, 2**16, 2**16), 1, onednn=True, turned=(False, False)) is None


def test_the_command_says_that_it_probed_and_refuses_another_processor() -> None:
    command = ["timeline", NET, "--input", "20", "--batch", "2"]
    done = CliRunner().invoke(main, [*command, "--probe", "--format", "json"])
    assert done.exit_code == 0, done.output
    content = json.loads(done.stdout)
    assert (content["processor"], content["is_at_least"]) == (processor(), False)
    assert sum(content["peak_bytes_by"].values()) == content["peak_bytes"]
    shown = CliRunner().invoke(main, [*command, "--probe"]).stdout
    probed = content["peak_bytes_by"].get("probe")
    assert not probed or f"{probed:,} by running one operation alone on this machine" in shown
    other = "avx2" if processor() != "avx2" else "amx"
    refused = CliRunner().invoke(main, [*command, "--probe", "--processor", other])
    assert (refused.exit_code, "A probe runs here" in refused.stderr) == (2, True)


def test_fit_probes_at_each_batch_that_it_tries(tmp_path: Path) -> None:
    path = tmp_path / "net.toml"
    path.write_text('layers = [16, "M", "M", 32, "M", "conv7-24"]\nclassifier = [16]\nclasses = 5\n')
    net = [str(path), "--input", "20", "--probe", "--format", "json"]
    done = CliRunner().invoke(main, ["fit", *net, "--memory", "2MiB", "--reserve", "0"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert not found["is_at_least"]
    images = found["largest_batch"]
    peaks = [
        json.loads(CliRunner().invoke(main, ["timeline", *net, "--batch", str(batch)]).stdout)["peak_bytes"]
        for batch in (images, images + 1)
    ]
    assert peaks[0] == found["peak_bytes"] <= 2**21 < peaks[1]
    assert peaks[1] - 2**21 == found["next_short_bytes"]


def test_a_network_of_ones_own_is_probed_unasked_as_before() -> None:
    done = CliRunner().invoke(
        main,
        ["timeline", "examples/my_net.py:UNet", "--input", "3x32x32", "--batch", "2", "--format", "json"],
    )
    assert done.exit_code == 0
    assert sum(json.loads(done.stdout)["peak_bytes_by"].values()) == json.loads(done.stdout)["peak_bytes"]


def test_kernels_without_a_probe_ask_nobody() -> None:
    record = measure(NET, input=(3, 20, 20), batch=2, repeats=0)
    setup = record.setting.setup
    step = ledger(profile_for(NET, record), replace(setup, processor=None, threads=None))
    assert step.is_at_least
    assert set(step.provenance) == {Provenance.RULE}
