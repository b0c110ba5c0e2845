"""A history of memory as the snapshot that PyTorch's own tools read: a pickle of plain dicts and lists.

Source: ``torch/cuda/_memory_viz.py``, which reads it, and ``torch/csrc/cuda/memory_snapshot.cpp``, which
writes a card's; pytorch.org/memory_viz shows it.
"""

from __future__ import annotations

import pickle
from typing import Any

from vgg_profile.core.histories import History, Piece, Segment


def to_snapshot(history: History) -> bytes:
    """``segments`` with their blocks as they stand in the end, ``device_traces`` with every action."""
    content = {
        "segments": [_segment(each) for each in history.segments],
        "device_traces": [
            [
                {
                    "action": each.action,
                    "addr": each.address,
                    "size": each.size,
                    "stream": 0,
                    "time_us": place,
                    "frames": _frames(each.where),
                }
                for place, each in enumerate(history.actions)
            ]
        ],
        "external_annotations": [],
        "allocator_settings": {},
    }
    return pickle.dumps(content, protocol=4)


def _segment(segment: Segment) -> dict[str, Any]:
    used = [piece for piece in segment.pieces if piece.requested is not None]
    return {
        "device": 0,
        "address": segment.pieces[0].address,
        "total_size": sum(piece.size for piece in segment.pieces),
        "stream": 0,
        "segment_type": "small" if segment.is_small else "large",
        "segment_pool_id": (0, 0),
        "is_expandable": segment.is_expandable,
        "allocated_size": sum(piece.size for piece in used),
        "active_size": sum(piece.size for piece in used),
        "requested_size": sum(piece.requested or 0 for piece in used),
        "frames": [],
        "blocks": [_block(piece) for piece in segment.pieces],
    }


def _block(piece: Piece) -> dict[str, Any]:
    return {
        "address": piece.address,
        "size": piece.size,
        "requested_size": piece.requested or 0,
        "state": "inactive" if piece.requested is None else "active_allocated",
        "frames": _frames(piece.where),
    }


def _frames(where: tuple[str, ...]) -> list[dict[str, Any]]:
    """Names where a program's functions would stand, the innermost first."""
    return [{"filename": "vgg-profile", "line": 0, "name": name} for name in where]
