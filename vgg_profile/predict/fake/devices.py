"""Where a network is traced for: the host's own kernels, or a card's.

Fake tensors need no card, but a CPU build of PyTorch cannot differentiate any that are said to be on one. So
a card is played by the CPU under another number: tensors on ``cpu:0`` are the card's, tensors on ``cpu`` the
host's. PyTorch tells the two apart as it tells two devices apart: it copies between them, and refuses to mix
them. What the host has takes none of the card's memory, and is not written down.
"""

from __future__ import annotations

import torch

HOST = torch.device("cpu")
CARD = torch.device("cpu", 0)


def device_of(name: str) -> torch.device:
    """The device that fake tensors of a step are on: ``cpu`` or ``cuda``."""
    return CARD if name == "cuda" else HOST
