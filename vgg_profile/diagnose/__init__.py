"""A hand-written model: run from its file, and where PyTorch refuses it, the cause and its fix.

Two processes share the work. The **child** (``child``, ``examine`` and what they ask) runs the file with
torch: the model as it is written, in train and in eval mode (``run``), mended where it does not fit
(``options``) with the fewest changes (``search``), set against a config (``against``), and looked over for
what runs and is hardly meant (``remarks``). The **parent** (``reader``, ``wanted``, ``findings``) asks, and
holds the answer. Both speak the words of ``draft``.

Names are loaded when they are first used, so that the child does not load the parent's half.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOMES = {
    "Defect": "draft",
    "Diagnosis": "findings",
    "Draft": "draft",
    "Hint": "draft",
    "Kind": "draft",
    "Remark": "draft",
    "Written": "draft",
    "diagnose": "reader",
    "read": "reader",
}

__all__ = ["Defect", "Diagnosis", "Draft", "Hint", "Kind", "Remark", "Written", "diagnose", "read"]

if TYPE_CHECKING:
    from vgg_profile.diagnose.draft import Defect, Draft, Hint, Kind, Remark, Written
    from vgg_profile.diagnose.findings import Diagnosis
    from vgg_profile.diagnose.reader import diagnose, read


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
