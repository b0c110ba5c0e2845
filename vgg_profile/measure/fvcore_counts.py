"""What fvcore counts; the only module that needs fvcore, so that a machine without it measures the rest."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import torch
from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis
from torch import Tensor, nn

from vgg_profile.measure.record import Reading
from vgg_profile.measure.vocabulary import FVCORE_METHOD
from vgg_profile.run.marks import layers_among


def count_with_fvcore(model: nn.Module, args: tuple[Tensor, ...], names: dict[str, str]) -> Iterator[Reading]:
    """What fvcore calls flops (it counts one a multiply-add) and activations, traced once each."""
    quieted = logging.getLogger("fvcore.nn.jit_analysis")
    level, quieted_before = logging.ERROR, quieted.level
    quieted.setLevel(level)
    try:
        with torch.no_grad():
            for kind, quantity, unit in (
                (FlopCountAnalysis, "fvcore_flops", "MAC"),
                (ActivationCountAnalysis, "fvcore_activations", "value"),
            ):
                analysis: Any = kind(model, args)
                analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
                analysis.tracer_warnings("none")
                method = FVCORE_METHOD.format(kind.__name__)
                yield Reading(quantity, int(analysis.total()), unit, method)
                by_module = analysis.by_module()
                for path, name in layers_among(model, names).items():
                    yield Reading(quantity, int(by_module[path]), unit, method, name)
    finally:
        quieted.setLevel(quieted_before)
