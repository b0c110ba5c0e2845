"""A network of one's own is predicted for as many threads as compute, here or where it was traced."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from vgg_profile import Setup, trace
from vgg_profile.cli import main
from vgg_profile.core.network import TracedNetwork

ROOT = Path(__file__).parents[1]
UNET = (f"{ROOT / 'examples' / 'my_net.py'}:UNet", "--input", "3x32x32")
OTHER = 1 if torch.get_num_threads() > 1 else 2
"""How many threads do not compute here unless they are asked to: convolutions then take other scratch."""


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


def peak(*arguments: object) -> str:
    done = run("timeline", *arguments, "--format", "csv")
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("threads", [OTHER, torch.get_num_threads()])
def test_a_measurement_by_so_many_threads_is_held_against_their_prediction(threads: int) -> None:
    done = run("measure", *UNET, "--threads", threads, "--repeats", 0)
    assert done.exit_code == 0, done.output
    assert ", 0 fail, 0 could not be made" in done.stdout


def test_a_trace_knows_its_threads_and_leaves_those_that_compute() -> None:
    before = torch.get_num_threads()
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 32, 3, padding=1), torch.nn.LayerNorm(16))
    peaks = set()
    for asked, known in ((None, before), (OTHER, OTHER), (5, 5)):
        step = trace(net, "3x16x16", batch=2, setup=Setup(threads=asked), probe=False)
        assert isinstance(step.profile.config, TracedNetwork)
        assert (step.profile.config.threads, torch.get_num_threads()) == (known, before)
        peaks.add(tuple(moment.peak for moment in step.moments))
    assert len(peaks) == 3


def test_a_carried_network_answers_for_the_threads_of_its_trace_alone(tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    assert run("trace", *UNET, "--threads", OTHER, "-o", path).exit_code == 0
    assert peak(path, "--threads", OTHER) == peak(path) != peak(*UNET)
    other = run("timeline", path, "--threads", OTHER + 3)
    assert other.exit_code == 2
    assert f"UNet was traced as train, no optimizer, {OTHER} thread" in other.stderr
    assert f"no optimizer, {OTHER + 3} threads is asked about" in other.stderr
    assert f" --threads {OTHER + 3} -o UNet.json`" in other.stderr
