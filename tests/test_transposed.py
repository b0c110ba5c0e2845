"""What transposed convolutions take in passing: the rule, single ones really run, and whole networks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from any_nets import run
from running_kernels import answers, differing, here_at_most, transposed_really_run

from vgg_profile.core.events import Provenance
from vgg_profile.predict.fake.probe import Prober, processor
from vgg_profile.predict.kernels import convolution
from vgg_profile.predict.kernels.events import Passing, in_order
from vgg_profile.predict.kernels.onednn_strided import UNWANTED
from vgg_profile.predict.kernels.onednn_transposed import primitives
from vgg_profile.predict.kernels.shapes import Transposed

DECODER = Transposed(2, 64, 32, 14, 14, 2, stride=2)
GENERATOR = Transposed(2, 64, 32, 8, 8, 4, stride=2, padding=1)

NETS = """
import torch
from torch import nn

class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.down, self.pool = nn.Conv2d(3, 32, 3, padding=1), nn.MaxPool2d(2)
        self.deep = nn.Conv2d(32, 64, 3, padding=1)
        self.up, self.out = nn.ConvTranspose2d(64, 32, 2, stride=2), nn.Conv2d(64, 5, 3, padding=1)
    def forward(self, x):
        skipped = self.down(x)
        return self.out(torch.cat([self.up(self.deep(self.pool(skipped))), skipped], 1))

class Generator(nn.Sequential):
    def __init__(self):
        layers = (20, 64, 4, 1, 0, 0, 1, False), (64, 32, 4, 2, 1), (32, 16, 3, 2, 1, 1), (16, 3, 4, 2, 1)
        super().__init__(*(nn.Sequential(nn.ConvTranspose2d(*each), nn.ReLU()) for each in layers))
"""


def passes(shape: Transposed, family: str | None, threads: int, *, onednn: bool = True) -> list[Passing]:
    how = (shape, family, threads)
    return [each(*how, with_onednn=onednn) for each in (convolution.forward, convolution.backward)]


@pytest.mark.parametrize(
    "threads", [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(3, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("family", ["avx2", "avx512", pytest.param("amx", marks=pytest.mark.slow)])
def test_every_float32_transposed_convolution_takes_what_the_rule_says(family: str, threads: int) -> None:
    """Or, where caches decide how many channels a block has, no more."""
    here, runs = transposed_really_run(here_at_most(family), "float32", threads, 150)
    if here != family:
        pytest.skip(f"this machine's processor is {here}")
    found = []
    for shape, seen in runs:
        bounded = convolution.sizes(shape, family, threads).bounded
        for predicted, changes in zip(passes(shape, family, threads), seen, strict=True):
            found.append(predicted.provenance)
            if predicted.provenance is not Provenance.UNKNOWN:
                assert differing(predicted, changes, *bounded) == [], shape
    assert found.count(Provenance.UNKNOWN) <= len(found) / 50
    assert found.count(Provenance.RULE) > len(found) * 0.9


@pytest.mark.parametrize("dtype", ["bfloat16", "float32", pytest.param("float64", marks=pytest.mark.slow)])
def test_without_onednn_a_transposed_convolution_takes_columns_after_its_result(dtype: str) -> None:
    _, runs = transposed_really_run(here_at_most("avx512"), dtype, 2, 60, onednn=False)
    for shape, seen in runs:
        predicted = passes(shape, None, 2, onednn=False)
        assert {each.provenance for each in predicted} == {Provenance.RULE}
        assert [each.changes for each in predicted] == seen, shape


def test_a_window_of_one_value_that_skips_nothing_needs_no_columns_backward() -> None:
    shapes = [Transposed(3, 4, 6, 5, 5, 1), Transposed(3, 4, 6, 5, 5, 1, stride=2)]
    _, *lines = answers(here_at_most("avx512"), "these", json.dumps(shapes), 0, "float32", 2, 0)
    predicted = [passes(shape, None, 2, onednn=False) for shape in shapes]
    assert [[list(each.changes) for each in both] for both in predicted] == [seen for _, *seen in lines]
    assert ["columns" in {event.what for event in back.events} for _, back in predicted] == [False, True]


BLOCKS = sorted({step[1:] for step in (*convolution.TRANSPOSED_FORWARD, *convolution.TRANSPOSED_BACKWARD)})
NOT_TAKEN = {"bias of zeros", "bias gradient of one image", "input gradient, channels last"}
"""NNPACK's, and those of matrix tiles."""


@pytest.mark.parametrize("block", sorted({*BLOCKS} - NOT_TAKEN - {"scratchpad of the input gradient"}))
def test_a_rule_without_one_of_its_blocks_is_found_out(block: str) -> None:
    """Strike out one block: then what is said of some transposed convolution is no more what was seen."""
    with_onednn = not any(word in block for word in ("columns", "in float32"))
    family, dtype = here_at_most("avx512"), "bfloat16" if "in float32" in block else "float32"
    _, runs = transposed_really_run(family, dtype, 2, 150 if with_onednn else 60, onednn=with_onednn)
    struck = 0
    for shape, seen in runs:
        known = convolution.sizes(shape, family, 2, with_onednn=with_onednn)
        both = zip(convolution.orders(shape), (known.forward, known.backward), seen, strict=True)
        for order, sizes, changes in both:
            is_exact = in_order(order, sizes).changes == changes
            struck += is_exact and in_order(order, {**sizes, block: 0}).changes != changes
    assert struck


@pytest.mark.parametrize("family", ["avx512", "amx"])
@pytest.mark.parametrize("threads", [1, 2, 16])
def test_a_decoder_and_a_generator_are_known_exactly(family: str, threads: int) -> None:
    for small in (DECODER, GENERATOR, DECODER._replace(kernel=3, padding=1, output_padding=1)):
        for channels in ((1024, 512), (128, 64), (64, 3), (16, 8)):
            shape = small._replace(in_channels=channels[0], out_channels=channels[1])
            assert {each.provenance for each in passes(shape, family, threads)} == {Provenance.RULE}


def test_where_caches_lead_to_unlike_cuts_the_most_is_said() -> None:
    """With AVX2: 24 channels side by side or 32, and a large map in few parts or in many."""
    for shape, block in (
        (Transposed(1, 512, 256, 16, 16, 2, stride=2), "weight in blocks"),
        (Transposed(1, 64, 48, 256, 256, 2, stride=2), "scratchpad"),
    ):
        ahead, back = passes(shape, "avx2", 1)
        assert (ahead.provenance, back.provenance) == (Provenance.BOUND, Provenance.RULE)
        assert convolution.sizes(shape, "avx2", 1).bounded == {block}


def test_what_products_are_not_made_for_is_made_in_blocks_of_channels() -> None:
    """What they are known to be slow for, and what is too little for 16 threads; small ones, really run."""
    slow = [case for case in UNWANTED if max(case[2]) <= 28 and case[0] <= 64]
    little = [Transposed(2, 64, 1, 1, 1, 4, stride=2, padding=1), Transposed(2, 4, 8, 1, 1, 3, stride=3)]
    shapes = little + [
        Transposed(2, ins, outs, *plane, UNWANTED[outs, ins, made, plane] or 0, has_bias, stride=2, padding=1)
        for outs, ins, made, plane in slow
        for has_bias in (True, False)
    ]
    assert len(shapes) == 6
    for family in ("avx2", "avx512"):
        here, *lines = answers(here_at_most(family), "these", json.dumps(shapes), 0, "float32", 16, 1)
        for shape, (_, *seen) in zip(shapes, lines, strict=True):
            predicted = passes(shape, here, 16)
            if shape.out_channels < 8 and shape.kernel > 3 and family == "avx2":
                assert predicted.pop(0).provenance is Provenance.UNKNOWN
                seen.pop(0)
            else:
                assert "output, channels last" not in {event.what for event in predicted[0].events}
            assert [list(each.changes) for each in predicted] == seen, shape


def test_what_uses_little_of_a_wide_register_is_made_in_narrow_ones() -> None:
    """One channel of four pixels: with AVX-512 it is left to the products of AVX2."""
    shape, family = Transposed(3, 64, 1, 1, 1, 4, stride=2, padding=1), here_at_most("avx512")
    _, (_, *seen) = answers(family, "these", json.dumps([shape]), 0, "float32", 1, 1)
    predicted = passes(shape, family, 1)
    assert [list(each.changes) for each in predicted] == seen
    assert convolution.sizes(shape, family, 1).forward["weight in blocks"] == 8 * 64 * 4**2 * 4


def test_what_no_rule_knows_of_a_transposed_convolution_says_so() -> None:
    unknown = [
        (DECODER._replace(dtype="bfloat16"), "amx"),
        (DECODER._replace(dtype="bfloat16"), "avx512"),
        (DECODER._replace(kernel=1), "avx512"),
        (DECODER._replace(kernel=8, padding=3), "avx512"),
        (DECODER._replace(kernel=3, padding=2), "avx512"),
        (DECODER._replace(kernel=3, dilation=2), "avx512"),
        (DECODER._replace(groups=2), "avx512"),
        (DECODER, None),
    ]
    for shape, family in unknown:
        assert {each.provenance for each in passes(shape, family, 1)} == {Provenance.UNKNOWN}
        if family is not None:
            assert not any(any(each[:4]) for each in primitives(shape, family, 1))


@pytest.mark.parametrize(("net", "given"), [("Decoder", "3x16x16"), ("Generator", "20x1x1")])
def test_a_network_with_transposed_convolutions_is_exact_and_none_is_run_alone(
    net: str, given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gradient that is half of a concatenation's is among them."""
    if processor() in (None, "avx2"):
        pytest.skip(f"this machine's processor is {processor()}")
    asked: list[str] = []
    monkeypatch.setattr(Prober, "ask", lambda self, func, args, kwargs: asked.append(str(func)))
    (tmp_path / "decoding.py").write_text(NETS)
    record = tmp_path / "record.json"
    named = (f"{tmp_path / 'decoding.py'}:{net}", "--input", given, "--batch", 3, "--optimizer", "adam")
    measured = run("measure", *named, "--repeats", 0, "--device", "cpu", "-o", record)
    assert measured.exit_code == 0, measured.stderr
    assert "0 fail" in measured.stdout
    assert asked == []
