"""What convolutions that change a map's size take in passing: the rule, and single ones really run."""

from __future__ import annotations

from pathlib import Path

import pytest
from any_nets import run
from running_kernels import differing, here_at_most, really_run

from vgg_profile.core.events import Provenance
from vgg_profile.predict.fake.probe import Prober, processor
from vgg_profile.predict.kernels import convolution
from vgg_profile.predict.kernels.shapes import Convolution

NETS = """
from torch import nn

class Narrowing(nn.Sequential):
    def __init__(self):
        layers = (3, 16, 7, 2, 3), (16, 32, 3, 2, 1), (32, 32, 3), (32, 64, 4, 2, 1, 1, 1, False), (64, 1, 2)
        super().__init__(*(nn.Sequential(nn.Conv2d(*each), nn.ReLU()) for each in layers))
"""


@pytest.mark.parametrize(
    "threads", [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(3, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("family", ["avx2", "avx512", pytest.param("amx", marks=pytest.mark.slow)])
def test_every_float32_convolution_that_changes_a_size_takes_what_the_rule_says(
    family: str, threads: int
) -> None:
    """Or, where caches decide how many channels a block has, no more."""
    here, runs = really_run(here_at_most(family), "float32", threads, 150, what="strided")
    if here != family:
        pytest.skip(f"this machine's processor is {here}")
    found = []
    for shape, seen in runs:
        bounded = convolution.sizes(shape, family, threads).bounded
        predicted = convolution.forward(shape, family, threads), convolution.backward(shape, family, threads)
        for each, changes in zip(predicted, seen, strict=True):
            found.append(each.provenance)
            if each.provenance is not Provenance.UNKNOWN:
                assert differing(each, changes, *bounded) == [], shape
    assert found.count(Provenance.UNKNOWN) <= len(found) / 50
    assert found.count(Provenance.RULE) > len(found) * 0.9


@pytest.mark.parametrize("family", ["avx512", "amx"])
@pytest.mark.parametrize("threads", [1, 2, 16])
def test_a_residual_networks_and_a_discriminators_are_known_exactly(family: str, threads: int) -> None:
    for shape in (
        Convolution(8, 3, 64, 224, 224, 7, stride=2),
        Convolution(8, 64, 128, 56, 56, 3, stride=2),
        Convolution(8, 128, 256, 16, 16, 4, stride=2, padding=1),
        Convolution(8, 6, 16, 14, 14, 5, padding=0),
    ):
        for taken in (
            convolution.forward(shape, family, threads),
            convolution.backward(shape, family, threads),
        ):
            assert taken.provenance is Provenance.RULE


def test_a_window_of_many_values_that_is_the_whole_map_is_left_to_the_probe() -> None:
    """With AVX-512 it is a product, of more than one image."""
    whole = Convolution(2, 24, 48, 6, 6, 6, padding=0)
    for shape, is_known in (
        (whole, False),
        (whole._replace(batch=1, in_channels=640), True),
        (whole._replace(height=7, width=7), True),
        (whole._replace(height=5, width=5, kernel=5), True),
    ):
        known = {convolution.forward(shape, "avx512", 1).provenance is Provenance.RULE}
        known.add(convolution.backward(shape, "avx512", 1).provenance is Provenance.RULE)
        assert known == {is_known}


def test_a_network_that_narrows_is_exact_and_none_of_its_convolutions_is_run_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if processor() in (None, "avx2"):
        pytest.skip(f"this machine's processor is {processor()}")
    asked: list[str] = []
    monkeypatch.setattr(Prober, "ask", lambda self, func, args, kwargs: asked.append(str(func)))
    (tmp_path / "narrowing.py").write_text(NETS)
    named = (f"{tmp_path / 'narrowing.py'}:Narrowing", "--input", "3x40x40", "--batch", 3)
    measured = run("measure", *named, "--repeats", 0, "--device", "cpu", "-o", tmp_path / "record.json")
    assert measured.exit_code == 0, measured.stderr
    assert "0 fail" in measured.stdout
    assert asked == []
