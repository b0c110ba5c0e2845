"""Who is asked: a card, or in a dry run the CPU with a stand-in for ``torch.cuda``; what a question is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from vgg_profile.predict.vgg.configs import Config, config

GIB = 2**30
CONFIRMED, REFUTED, OPEN = "confirmed", "refuted", "open"

_PLAIN = replace(config("8,M,4,conv1-4,M", classes=5), classifier=(16, 8))
_LRN = replace(config("8,LRN,M,4,M", classes=5), classifier=(16, 8))
SMALL: dict[str, Config] = {
    **dict.fromkeys(("A", "B", "C", "D", "E"), _PLAIN),
    **{f"{name}-BN": replace(_PLAIN, batch_norm=True) for name in "ABDE"},
    "A-LRN": _LRN,
}
"""The networks of a dry run in place of the paper's."""


class Finding(NamedTuple):
    """What one rule expects, what was seen (``None``: nothing), and what that says of the rule.

    What no rule claims is open, whatever was seen.
    """

    rule: str
    expected: object
    seen: object
    is_claimed: bool = True

    @property
    def verdict(self) -> str:
        if self.seen is None or not self.is_claimed:
            return OPEN
        return CONFIRMED if self.seen == self.expected else REFUTED


@dataclass
class Machine:
    """Who is asked, until when, and where answers go. ``cuda`` is ``torch.cuda``, or stands in for it."""

    cuda: Any
    device: str
    until: float
    folder: Path
    networks: dict[str, Config] = field(default_factory=dict)
    size: int = 224
    batch: int = 8
    gib: tuple[int, int] = (8, 24)
    most: int = 10**9
    """No larger batch is run, whatever is asked."""

    @property
    def left(self) -> float:
        """Seconds."""
        return self.until - time.monotonic()

    def network(self, name: str) -> Config:
        return self.networks.get(name) or config(name)

    def counter(self, name: str) -> int:
        """What the allocator has now: ``requested``, ``allocated`` or ``reserved`` bytes."""
        self.cuda.synchronize()
        return int(self.cuda.memory_stats().get(f"{name}_bytes.all.current", 0))

    def beside(self) -> int:
        """Bytes in use on the card beside what PyTorch reserved: its context, and other processes."""
        free, total = self.cuda.mem_get_info()
        return int(total - free - self.counter("reserved"))


class Question(NamedTuple):
    """``ask`` gives an answer as JSON has it, ``conclude`` what follows, given all; ``needs`` is seconds."""

    name: str
    needs: float
    ask: Callable[[Machine], Any]
    conclude: Callable[[Any, dict[str, Any]], Iterator[Finding]]


def stand_in() -> Any:
    """Whatever of ``torch.cuda`` is called here, on a machine without a card: nothing is ever allocated."""

    def nothing(*arguments: object, **options: object) -> None:
        """Done, and nothing to see."""

    total = 80 * GIB
    return SimpleNamespace(
        **dict.fromkeys(("init", "synchronize", "empty_cache", "set_per_process_memory_fraction"), nothing),
        memory_stats=dict,
        mem_get_info=lambda: (total, total),
        get_device_properties=lambda number: SimpleNamespace(
            name="no card", total_memory=total, major=0, minor=0
        ),
        memory=SimpleNamespace(_record_memory_history=nothing, _snapshot=lambda: {"device_traces": []}),
    )
