"""What an allocator did, in no format yet: its actions in order, and its segments in the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class MemoryAction(NamedTuple):
    """What an allocator did, by PyTorch's names for it: ``alloc``, ``free_completed``, ``segment_alloc``.

    ``address`` and ``size`` are in bytes; ``where`` says for whom, the innermost first.
    """

    action: str
    address: int
    size: int
    where: tuple[str, ...]


class Piece(NamedTuple):
    """A block of a segment, in bytes, and for whom it is; ``requested`` is ``None`` while it is free."""

    address: int
    size: int
    requested: int | None
    where: tuple[str, ...] = ()


class Segment(NamedTuple):
    """What an allocator took from a card in one piece, as blocks side by side."""

    pieces: tuple[Piece, ...]
    is_small: bool
    is_expandable: bool


@dataclass(frozen=True, slots=True)
class History:
    """Everything that an allocator did, in order, from empty on; and how its segments stand in the end."""

    actions: tuple[MemoryAction, ...]
    segments: tuple[Segment, ...]
