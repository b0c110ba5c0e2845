"""On a card, every figure is exact."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from measuring import NORMALISED, SMALL, STEPS, check, failures

from vgg_profile.predict.vgg.configs import Config

# -- CUDA ------------------------------------------------------------------------------------------


@pytest.mark.cuda
@pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no CUDA device: the CUDA rules are not verified here"
)
@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "bn"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize(("mode", "optimizer"), STEPS)
def test_every_figure_is_exact_on_cuda(mode: str, optimizer: str, dtype: str, batch_norm: bool) -> None:
    net = dataclasses.replace(SMALL, batch_norm=batch_norm)
    assert failures(check(net, device="cuda", mode=mode, optimizer=optimizer, dtype=dtype)) == []


ON_CUDA: list[dict[str, object]] = [
    {"amp": "bfloat16"},
    {"amp": "float16"},
    {"checkpoint": "blocks"},
    {"amp": "bfloat16", "checkpoint": "blocks", "optimizer": "adamw"},
    {"optimizer": "adam", "foreach": False},
    {"optimizer": "momentum", "foreach": False},
    {"optimizer": "adam", "foreach": True, "first_step": True},
    *({"optimizer": each, "fused": True} for each in ("sgd", "momentum", "adam", "adamw")),
]


@pytest.mark.cuda
@pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no CUDA device: the CUDA rules are not verified here"
)
@pytest.mark.parametrize(
    "net",
    [SMALL, dataclasses.replace(SMALL, batch_norm=True), NORMALISED],
    ids=["plain", "bn", "lrn"],
)
@pytest.mark.parametrize("setup", ON_CUDA, ids=str)
def test_every_setup_is_exact_on_cuda(net: Config, setup: dict[str, object]) -> None:
    assert failures(check(net, device="cuda", **setup)) == []
