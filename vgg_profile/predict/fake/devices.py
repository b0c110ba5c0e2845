"""Where a network is traced for: the host's own kernels, or a card's.

Fake tensors need no card, but a CPU build of PyTorch cannot differentiate any that are said to be on one. So
a card is played by the CPU under another number: tensors on ``cpu:0`` are the card's, tensors on ``cpu`` the
host's. PyTorch tells the two apart as it tells two devices apart: it copies between them, and refuses to mix
them. What the host has takes none of the card's memory, and is not written down.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

HOST = torch.device("cpu")
CARD = torch.device("cpu", 0)


def device_of(name: str) -> torch.device:
    """The device that fake tensors of a step are on: ``cpu`` or ``cuda``."""
    return CARD if name == "cuda" else HOST


def move(modules: Iterable[nn.Module]) -> None:
    """What ``.to("cuda")`` does to a network of fake tensors: its parameters and buffers are the card's."""
    moved: dict[int, Tensor] = {}
    modules = list(modules)
    for module in modules:
        for kind in (module._parameters, module._buffers):
            for name, tensor in kind.items():
                if tensor is not None and tensor.device != CARD:
                    kind[name] = moved.setdefault(id(tensor), _moved(tensor))  # type: ignore[assignment]
    for module in modules:
        if isinstance(module, nn.RNNBase):  # it keeps a list of its own
            module._flat_weights = [getattr(module, name) for name in module._flat_weights_names]


def _moved(tensor: Tensor) -> Tensor:
    fresh = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=CARD)
    return nn.Parameter(fresh, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else fresh
