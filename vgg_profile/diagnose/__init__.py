"""A broken hand-written model: read from its file, walked to its end, and fixed.

Two processes share the work. The **child** (``child``, ``modules``, ``calls``, ``recorder``, ``chain``,
``trouble``) runs the file with torch and writes what it saw. The **parent** (``reader``, ``walk`` and what
it asks) diagnoses that in plain Python. Both speak the words of ``draft`` and know what a layer does to a
shape (``formulas``, ``fit``).

Names are loaded when they are first used, so that the child does not load the parent's half.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOMES = {
    "Defect": "draft",
    "Diagnosis": "findings",
    "Draft": "draft",
    "Fault": "draft",
    "Kind": "draft",
    "Written": "draft",
    "diagnose": "walk",
    "read": "reader",
}

__all__ = ["Defect", "Diagnosis", "Draft", "Fault", "Kind", "Written", "diagnose", "read"]

if TYPE_CHECKING:
    from vgg_profile.diagnose.draft import Defect, Draft, Fault, Kind, Written
    from vgg_profile.diagnose.findings import Diagnosis
    from vgg_profile.diagnose.reader import read
    from vgg_profile.diagnose.walk import diagnose


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
