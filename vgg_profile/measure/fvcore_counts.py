"""What fvcore counts; the only module that needs fvcore, so that a machine without it measures the rest."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis
from torch import Tensor, nn

from vgg_profile.measure.record import Reading
from vgg_profile.measure.vocabulary import FVCORE_METHOD
from vgg_profile.run.marks import layers_among

_ANALYSES = (
    (FlopCountAnalysis, "fvcore_flops", "MAC"),
    (ActivationCountAnalysis, "fvcore_activations", "value"),
)

MOST_TRACED = 4_000
"""The most modules that fvcore traces at once: either trace takes a millisecond and 30 KiB of each."""


def count_with_fvcore(model: nn.Module, args: tuple[Tensor, ...], names: dict[str, str]) -> Iterator[Reading]:
    """What fvcore calls flops (it counts one a multiply-add) and activations, traced once each."""
    with _quiet(), torch.no_grad():
        for kind, quantity, unit in _ANALYSES:
            analysis, method = _analysis(kind, model, args), FVCORE_METHOD.format(kind.__name__)
            yield Reading(quantity, int(analysis.total()), unit, method)
            by_module = analysis.by_module()
            for path, name in layers_among(model, names).items():
                yield Reading(quantity, int(by_module[path]), unit, method, name)


def count_with_fvcore_alone(
    model: nn.Module, args: tuple[Tensor, ...], names: dict[str, str]
) -> Iterator[Reading]:
    """The same of a network that does nothing beside its layers: each traced alone, of layers alike one."""
    layers = {model.get_submodule(path): name for path, name in layers_among(model, names).items()}
    calls: dict[str, list[str]] = {}
    firsts: dict[str, tuple[nn.Module, tuple[Tensor, ...]]] = {}

    def note(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        alike = f"{module} {[tuple(each.shape) for each in given]}"
        calls.setdefault(layers[module], []).append(alike)
        firsts.setdefault(alike, (module, given))

    hooks = [layer.register_forward_pre_hook(note) for layer in layers]
    with _quiet(), torch.no_grad():
        try:
            model(*args)
        finally:
            for hook in hooks:
                hook.remove()
        for kind, quantity, unit in _ANALYSES:
            method = FVCORE_METHOD.format(kind.__name__)
            counts = {alike: int(_analysis(kind, *first).total()) for alike, first in firsts.items()}
            by_layer = {name: sum(counts[alike] for alike in calls.get(name, ())) for name in layers.values()}
            yield Reading(quantity, sum(by_layer.values()), unit, method)
            for name, count in by_layer.items():
                yield Reading(quantity, count, unit, method, name)


def _analysis(kind: Any, model: nn.Module, args: tuple[Tensor, ...]) -> Any:
    analysis = kind(model, args)
    return analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")


@contextmanager
def _quiet() -> Iterator[None]:
    quieted = logging.getLogger("fvcore.nn.jit_analysis")
    before = quieted.level
    quieted.setLevel(logging.ERROR)
    try:
        yield
    finally:
        quieted.setLevel(before)
