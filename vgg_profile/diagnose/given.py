"""What a model is given to run on: how many images, of which sizes; and what is no fault of the model."""

from __future__ import annotations

import inspect
from pathlib import Path

import torch
from torch import nn

from vgg_profile.core.errors import InputError
from vgg_profile.core.sizes import Shape
from vgg_profile.diagnose.as_written import AsWritten
from vgg_profile.diagnose.calls import class_name
from vgg_profile.diagnose.search import Repair
from vgg_profile.diagnose.trouble import explained, shown
from vgg_profile.diagnose.words import Subject


def images_wanted(model: nn.Module) -> int:
    """How many inputs ``forward`` cannot do without: one image, or more."""
    try:
        parameters = inspect.signature(model.forward).parameters.values()
    except (ValueError, TypeError):
        return 1
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return max(1, sum(each.kind in kinds and each.default is each.empty for each in parameters))


def unwrapped(model: nn.Module, path: Path) -> nn.Module:
    """The model that ``torch.compile`` was given; raises ``InputError`` for one of TorchScript."""
    if isinstance(model, torch.jit.ScriptModule):
        raise InputError(
            f"{shown(path)}: the model is TorchScript: no line of its forward is Python's any more.",
            "Diagnose what it was made of, before torch.jit.",
        )
    inner = getattr(model, "_orig_mod", model)
    return inner if isinstance(inner, nn.Module) else model


_SPATIAL = {"Conv1d": 2, "Conv2d": 3, "Conv3d": 4}


def as_input(model: nn.Module, sizes: Shape) -> Shape:
    """Sizes as somebody names them: of an image, 224, 192x256 or 3x192x256; of any other input, all of them.

    >>> as_input(nn.Conv2d(3, 8, 3), (224,)), as_input(nn.Conv1d(1, 8, 3), (1, 128))
    ((3, 224, 224), (1, 128))
    """
    first = next((n for each in model.modules() if (n := _SPATIAL.get(_plain_name(each)))), 0)
    if first in (2, 4) or len(sizes) > 2 or (first == 0 and len(sizes) == 2):
        return sizes
    if first == 0 and any(getattr(each, "in_features", 0) == sizes[0] for each in model.modules()):
        return sizes
    return (3, *(sizes * 2 if len(sizes) == 1 else sizes))


def _plain_name(module: nn.Module) -> str:
    return class_name(module).removeprefix("Lazy").replace("ConvTranspose", "Conv")


def check_channels_come_first(model: nn.Module, shape: Shape) -> None:
    """Refuse an image of height, width and channels, if that is what keeps a model from running.

    Raises ``InputError``, which says how to give it.
    """
    first = next((each for each in model.modules() if isinstance(each, nn.Conv2d)), None)
    if first is not None and len(shape) == 3 and shape[2] == first.in_channels != shape[0]:
        size = "x".join(map(str, (shape[2], *shape[:2])))
        raise InputError(
            f"The input has {shape[0]} channels, and the model takes {shape[2]}; channels come first.",
            f"Try --input {size}.",
        )


def check_images_will_do(subject: Subject, written: AsWritten, found: Repair) -> None:
    """Refuse to judge a ``forward`` that wants several inputs and does not run with an image for each.

    Raises ``InputError``.
    """
    error = written.failed.error
    if subject.takes == 1 or error is None:
        return
    if found.run.error is not None or any(edit.do == "pass" for edit in found.run.mends):
        raise InputError(
            f"{shown(subject.path)}: forward wants {subject.takes} inputs, was given an image for each, "
            f"and did not run: {explained(error, subject.path).problem}",
            "Write a function that returns a module whose forward takes the image alone, and diagnose that.",
        )
