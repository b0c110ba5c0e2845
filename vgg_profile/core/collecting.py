"""The garbage collector: held off while many objects are made that are no garbage, run where some are."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


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


@contextmanager
def collected() -> Iterator[None]:
    """Collect in the end what was made meanwhile and goes round in circles.

    While the collector is held off, what is made is young, and what was there before is not walked.
    """
    with collecting(is_on=False):
        try:
            yield
        finally:
            gc.collect(0)


def _turn(*, is_on: bool) -> None:
    (gc.enable if is_on else gc.disable)()
