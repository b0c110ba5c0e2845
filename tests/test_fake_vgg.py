"""Two derivations agree: the paper's book of a VGG's step, and the fake one of its module, event by event.

They share no formula but what kernels take in passing. 100 random networks, each at a random setting, with
oneDNN and without.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from tests.fake_books import fake_book, levels, normal_form
from vgg_profile.core.book import Book
from vgg_profile.core.setting import Setting, Setup
from vgg_profile.predict.steps import ledger
from vgg_profile.predict.vgg.configs import Config, config
from vgg_profile.predict.vgg.walk import walk

CHUNKS, EACH = 10, 10


def random_case(chance: random.Random) -> tuple[Config, Setting]:
    """A small VGG, and a setting that PyTorch would take."""
    layers = []
    for _ in range(chance.randint(1, 3)):
        for _ in range(chance.randint(1, 2)):
            layers.append(chance.choice(["8", "12", "conv1-8", "16"]))
            layers += ["LRN"] * (chance.random() < 0.15)
        layers.append("M")
    net = config(",".join(layers), classes=10, batch_norm=chance.random() < 0.5)
    net = replace(net, classifier=chance.choice([(), (8,), (8, 12)]))
    mode = chance.choice(["train", "train", "eval", "inference"])
    optimizer = "none"
    if mode != "inference":
        optimizer = chance.choice(["none", "sgd", "momentum", "adam", "adamw"])
    stepping: dict[str, Any] = chance.choice([{}, {"foreach": True}, {"foreach": False}, {"fused": True}])
    dtype = chance.choice(["float32", "float32", "float64", "bfloat16"])
    setup = Setup(
        mode=mode,
        optimizer=optimizer,
        first_step=chance.random() < 0.4,
        checkpoint=chance.choice(["none", "blocks"]),
        amp="bfloat16" if dtype == "float32" and chance.random() < 0.3 else "none",
        onednn=chance.random() < 0.7,
        freeze=chance.choice([(), (), ("features",), ("features.0",)]) if mode != "inference" else (),
        **(stepping if optimizer != "none" else {}),
    )
    return net, Setting((3, 16, 20), chance.choice([2, 3, 5]), dtype, "cpu", setup.on("cpu"))


def paper_book(net: Config, setting: Setting) -> Book:
    profile = walk(net, input=setting.input, batch=setting.batch, dtype=setting.dtype)
    return ledger(profile, setting.setup).book


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(CHUNKS))
def test_the_fake_book_of_a_vgg_is_the_papers(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(EACH):
        net, setting = random_case(chance)
        paper, fake = paper_book(net, setting), fake_book(net, setting)
        case = (net.to_dict(), setting.to_dict())
        assert levels(fake, setting.batch) == levels(paper, setting.batch), case
        # the paper writes the division of two precisions down as one operation, with the same most within it
        if setting.setup.amp == "none" or "LRN" not in map(str, net.layers):
            assert normal_form(fake, setting.batch) == normal_form(paper, setting.batch), case


@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_they_agree_with_batch_norm_and_an_optimizer(optimizer: str) -> None:
    net = replace(config("8,M,16,M", classes=10, batch_norm=True), classifier=(12,))
    setting = Setting((3, 16, 16), 3, setup=Setup(optimizer=optimizer).on("cpu"))
    assert normal_form(fake_book(net, setting), 3) == normal_form(paper_book(net, setting), 3)
    assert levels(fake_book(net, setting), 3) == levels(paper_book(net, setting), 3)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("batch", Setting((3, 16, 16), 4)),
        ("mode", Setting((3, 16, 16), 3, setup=Setup(mode="eval"))),
        ("optimizer", Setting((3, 16, 16), 3, setup=Setup(optimizer="sgd", first_step=True))),
        ("checkpoint", Setting((3, 16, 16), 3, setup=Setup(checkpoint="blocks"))),
    ],
)
def test_the_comparison_sees_another_setting(name: str, other: Setting) -> None:
    net = replace(config("8,M,16,M", classes=10, batch_norm=True), classifier=(12,))
    fake = normal_form(fake_book(net, Setting((3, 16, 16), 3)), 3)
    assert fake != normal_form(paper_book(net, other), other.batch), name


def test_without_what_kernels_take_the_books_differ() -> None:
    net = replace(config("8,M,16,M", classes=10, batch_norm=True), classifier=(12,))
    setting = Setting((3, 16, 16), 3)
    paper = levels(paper_book(net, setting), 3)
    assert levels(fake_book(net, setting), 3) == paper
    assert levels(fake_book(net, setting, temporaries=lambda *operation: None), 3) != paper


def test_a_step_on_fakes_leaves_the_network_alone() -> None:
    import torch

    from vgg_profile.core.inputs import Input
    from vgg_profile.models import build
    from vgg_profile.predict.fake.one_step import Target, run_on_fakes

    model = build(replace(config("8,M", classes=10, batch_norm=True), classifier=()))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    attributes = {path: set(vars(part)) for path, part in model.named_modules()}
    target = Target(
        model, (Input((3, 16, 16)),), None, "float32", "cpu", Setup(optimizer="adam"), lambda *operation: None
    )
    run_on_fakes(target, 2)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert {path: set(vars(part)) for path, part in model.named_modules()} == attributes
    assert all(parameter.grad is None for parameter in model.parameters())
    assert model.training
