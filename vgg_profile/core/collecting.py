"""The garbage collector, held off while a book is written."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Hold off the garbage collector.

    It would walk a growing tape over and over, and find no cycle; and it would free the cycles of a network
    sooner than in a real run.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
