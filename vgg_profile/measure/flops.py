"""FLOPs of a real pass, as counted by torch's FlopCounterMode and by fvcore."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import torch
from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from vgg_profile.measure.record import Reading

FLOP_COUNTER = "torch.utils.flop_counter.FlopCounterMode"


def count_flops(run: Callable[[], object], quantity: str) -> Iterator[Reading]:
    """FLOPs of whatever ``run`` does, by FlopCounterMode's own count of each operation."""
    with FlopCounterMode(display=False) as counter:
        run()
    yield Reading(quantity, counter.get_total_flops(), "FLOP", FLOP_COUNTER)


def count_by_layer(model: nn.Module, images: Tensor, names: dict[str, str]) -> Iterator[Reading]:
    """Forward FLOPs, in total and by layer: FlopCounterMode attributes each operation to its module."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(images)
    yield Reading("forward_flops", counter.get_total_flops(), "FLOP", FLOP_COUNTER)
    counts = counter.get_flop_counts()
    root = type(model).__name__
    for path, name in names.items():
        flops = sum(counts.get(f"{root}.{path}", {}).values())
        yield Reading("forward_flops", flops, "FLOP", FLOP_COUNTER, name)


def count_with_fvcore(model: nn.Module, images: Tensor, names: dict[str, str]) -> Iterator[Reading]:
    """fvcore's "flops" (it counts one a multiply-add) and activations, traced once each."""
    quieted = logging.getLogger("fvcore.nn.jit_analysis")
    level, quieted_before = logging.ERROR, quieted.level
    quieted.setLevel(level)
    try:
        with torch.no_grad():
            for kind, quantity, unit in (
                (FlopCountAnalysis, "fvcore_flops", "MAC"),
                (ActivationCountAnalysis, "fvcore_activations", "value"),
            ):
                analysis: Any = kind(model, images)
                analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
                analysis.tracer_warnings("none")
                method = f"fvcore.nn.{kind.__name__}"
                yield Reading(quantity, int(analysis.total()), unit, method)
                by_module = analysis.by_module()
                for path, name in names.items():
                    yield Reading(quantity, int(by_module[path]), unit, method, name)
    finally:
        quieted.setLevel(quieted_before)
