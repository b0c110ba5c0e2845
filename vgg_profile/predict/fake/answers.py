"""What a network asks, and would be told otherwise than in a real run because its tensors are fake."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from vgg_profile.core.events import Category
from vgg_profile.predict.fake.devices import CARD
from vgg_profile.predict.fake.recording import Recording

_ASK_WHETHER_FAKE = (("transformers.utils.import_utils", "is_fake_tensor"),)
"""Functions of libraries that take another course for fake tensors, by module and name."""


@contextmanager
def real_answers(recording: Recording, device: torch.device) -> Iterator[None]:
    """While this lasts, questions whose answers would differ are answered as in a real run.

    The state of the random numbers, which a checkpoint keeps to draw the same again, is a tensor that no
    operation makes: the generator gives it, so that it is written down here. A card's is kept by the host.
    """

    def state() -> Tensor:
        with _disable_current_modes():
            tensor: Tensor = torch.default_generator.get_state()
        if device == CARD:
            return tensor
        recording.before_mark()
        untyped = tensor.untyped_storage()
        storage = recording.new("state of the random numbers", untyped.nbytes(), Category.ACTIVATIONS)
        recording.event("get_rng_state", (storage,))
        recording.watch(untyped, storage)
        return tensor

    replaced: list[tuple[Any, str, Any]] = [
        (torch, "get_rng_state", state),
        (torch.random, "get_rng_state", state),
        *(
            (sys.modules[home], name, lambda *args, **kwargs: False)
            for home, name in _ASK_WHETHER_FAKE
            if hasattr(sys.modules.get(home), name)
        ),
    ]
    before = [getattr(module, name) for module, name, _ in replaced]
    try:
        for module, name, answer in replaced:
            setattr(module, name, answer)
        yield
    finally:
        for (module, name, _), was in zip(replaced, before, strict=True):
            setattr(module, name, was)
