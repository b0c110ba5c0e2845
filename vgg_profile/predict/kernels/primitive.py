"""What one of oneDNN's primitives takes in passing, whichever of its kernels makes it."""

from __future__ import annotations

from typing import NamedTuple

from vgg_profile.core.events import Provenance


class Primitive(NamedTuple):
    """Bytes of the copies that a primitive makes: of the map it reads, of its other operand, of its result.

    Each is 0 where it takes the plain tensor; ``scratchpad`` is what it books beside.
    """

    map: int = 0
    other: int = 0
    result: int = 0
    scratchpad: int = 0
    provenance: Provenance = Provenance.RULE
    again: int = 0
    """The result is copied a second time where PyTorch takes it for a tensor of another memory format."""
    bounded: tuple[str, ...] = ("scratchpad",)
    """By ``BOUND``, of which of these only a most is known."""


UNKNOWN = Primitive(provenance=Provenance.UNKNOWN)

Primitives = tuple[Primitive, Primitive, Primitive]
"""The forward pass, the input's gradient and the weight's gradient of a convolution."""
