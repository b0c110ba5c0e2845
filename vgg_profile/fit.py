"""Where ``Fit`` was before the rooms; it is at home in ``vgg_profile.ask.fit``.

Once imported, this module hides the function ``vgg_profile.fit``; so it is called like that function.
"""

import sys
from types import ModuleType
from typing import Any

from vgg_profile.ask.fit import DEFAULT_RESERVE, Fit, Reserve
from vgg_profile.ask.question import fit

__all__ = ["DEFAULT_RESERVE", "Fit", "Reserve"]


class _Called(ModuleType):
    def __call__(self, *given: Any, **named: Any) -> Fit:
        return fit(*given, **named)


sys.modules[__name__].__class__ = _Called
