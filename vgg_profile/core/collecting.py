"""The garbage collector: held off while many objects are made that are no garbage, run where some are."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


@contextmanager
def collecting(*, is_on: bool) -> Iterator[None]:
    """Hold off the garbage collector, or let it run for a while where it is held off.

    It would walk a growing book over and over, and find no cycle; and it would free the cycles of a network
    sooner than in a real run.
    """
    before = gc.isenabled()
    _turn(is_on=is_on)
    try:
        yield
    finally:
        _turn(is_on=before)


_frozen = ContextVar("_frozen", default=False)
"""Whether somebody around has frozen what there was: to count what is frozen is to walk it."""


@contextmanager
def collected() -> Iterator[None]:
    """Collect in the end what was made meanwhile and goes round in circles.

    What is there by now is not walked, unless somebody else has frozen some of it.
    """
    is_ours = not _frozen.get() and not gc.get_freeze_count()
    before = _frozen.set(True)
    if is_ours:
        gc.freeze()
    try:
        yield
    finally:
        gc.collect()
        if is_ours:
            gc.unfreeze()
        _frozen.reset(before)


def _turn(*, is_on: bool) -> None:
    (gc.enable if is_on else gc.disable)()
