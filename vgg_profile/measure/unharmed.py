"""A network as it was before, whatever passes did to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from vgg_profile.core.setting import Setup


@contextmanager
def as_it_was(model: nn.Module, setup: Setup) -> Iterator[None]:
    """Put a network into the setting's mode, and afterwards everything back."""
    training = {part: part.training for part in model.modules()}
    # copies on the host: on a card they would be live beside what is measured
    buffers = {name: buffer.to("cpu", copy=True) for name, buffer in model.named_buffers()}
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    trained = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    setup.check_freeze({name.rpartition(".")[0]: None for name in trained})
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(trained[name] and not setup.is_frozen(name))
    model.train(setup.mode == "train")
    model.zero_grad(set_to_none=True)
    try:
        with attributes_kept(model):
            yield
    finally:
        for part, was in training.items():
            part.training = was
        with torch.no_grad():
            for name, buffer in model.named_buffers():
                if name in buffers:  # a network may give itself others
                    buffer.copy_(buffers[name])
        for name, parameter in model.named_parameters():
            parameter.grad = gradients.get(name)
            parameter.requires_grad_(trained.get(name, True))


@contextmanager
def attributes_kept(model: nn.Module) -> Iterator[Callable[[], bool]]:
    """What passes leave among the attributes of modules is gone afterwards, as before a first step.

    What is given says whether they have left anything by then: a module, or an attribute that is another.
    """
    before = {part: dict(vars(part)) for part in model.modules()}

    def is_changed() -> bool:
        now = {part: vars(part) for part in model.modules()}
        return now.keys() != before.keys() or any(
            attributes.keys() != now[part].keys()
            or any(value is not now[part][name] for name, value in attributes.items())
            for part, attributes in before.items()
        )

    try:
        yield is_changed
    finally:
        for part, attributes in before.items():
            vars(part).clear()
            vars(part).update(attributes)
