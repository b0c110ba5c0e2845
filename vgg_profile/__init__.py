"""What does this network cost? The VGG table from first principles, proved against a real pass.

>>> from vgg_profile import walk
>>> walk("D").totals.macs
15470264320

Measuring has its own door, since it needs torch: ``from vgg_profile.measure import measure`` and
``from vgg_profile.crosscheck import crosscheck``.

Public names are loaded when they are first used, so ``import vgg_profile`` is instant and needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0.dev0"

_HOMES = {
    "InputError": "errors",
    "Comparison": "compare",
    "Config": "configs",
    "config": "configs",
    "Checks": "crosscheck",
    "ledger": "budget",
    "Ledger": "budget",
    "Measurement": "measure.record",
    "Profile": "walker",
    "Row": "walker",
    "walk": "walker",
}

__all__ = [
    "Checks",
    "Comparison",
    "Config",
    "InputError",
    "Ledger",
    "Measurement",
    "Profile",
    "Row",
    "__version__",
    "config",
    "ledger",
    "walk",
]

if TYPE_CHECKING:
    from vgg_profile.budget import Ledger, ledger
    from vgg_profile.compare import Comparison
    from vgg_profile.configs import Config, config
    from vgg_profile.crosscheck import Checks
    from vgg_profile.errors import InputError
    from vgg_profile.measure.record import Measurement
    from vgg_profile.walker import Profile, Row, walk


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
