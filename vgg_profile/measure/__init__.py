"""The **measured road**: one real network, real passes, raw readings.

``record`` needs no torch, so that a saved measurement can be read anywhere; :func:`measure` and all
that it calls load torch when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vgg_profile.measure.record import Measurement

__all__ = ["Measurement", "OutOfMemoryError", "measure"]

if TYPE_CHECKING:
    from vgg_profile.measure.run import OutOfMemoryError, measure


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from vgg_profile.measure import run

    return getattr(run, name)
