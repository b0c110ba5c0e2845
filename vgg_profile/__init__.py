"""What does this network cost? The VGG table from first principles, proved against a real pass.

>>> from vgg_profile import walk
>>> walk("D").totals.macs
15470264320

Measuring has its own door, since it needs torch: ``from vgg_profile.measure import measure`` and
``from vgg_profile.check.crosscheck import crosscheck``.

Public names are loaded when they are first used, so ``import vgg_profile`` is instant and needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vgg_profile.core.display import Displayed
from vgg_profile.core.version import __version__

_HOMES = {
    "Checks": "check.results",
    "Comparison": "ask.compare",
    "Config": "predict.vgg.configs",
    "Fit": "ask.fit",
    "InputError": "core.errors",
    "Measurement": "measure.record",
    "Profile": "core.tree",
    "Row": "core.tree",
    "Setting": "core.setting",
    "Setup": "core.setting",
    "Step": "core.step",
    "config": "predict.vgg.configs",
    "fit": "ask.question",
    "ledger": "predict.steps",
    "memory": "ask.cards",
    "trace": "predict.fake.trace",
    "walk": "predict.vgg.walk",
}
"""Public name → the module that has it."""

__all__ = [
    "Checks",
    "Comparison",
    "Config",
    "Fit",
    "InputError",
    "Ledger",
    "Measurement",
    "Profile",
    "Row",
    "Setting",
    "Setup",
    "Step",
    "__version__",
    "config",
    "fit",
    "ledger",
    "memory",
    "trace",
    "walk",
]

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from vgg_profile.ask.cards import memory
    from vgg_profile.ask.compare import Comparison
    from vgg_profile.ask.fit import Fit
    from vgg_profile.ask.question import fit
    from vgg_profile.check.results import Checks
    from vgg_profile.core.errors import InputError
    from vgg_profile.core.setting import Setting, Setup
    from vgg_profile.core.step import Step
    from vgg_profile.core.tree import Profile, Row
    from vgg_profile.measure.record import Measurement
    from vgg_profile.predict.fake.trace import trace
    from vgg_profile.predict.steps import ledger
    from vgg_profile.predict.vgg.configs import Config, config
    from vgg_profile.predict.vgg.walk import walk

    Ledger = Step


def __getattr__(name: str) -> Any:
    name = {"Ledger": "Step"}.get(name, name)  # what a step was called at first
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)


class _Presenter:
    """Shows a result by describing and writing it; both are loaded when something is shown."""

    def text(self, result: Any) -> str:
        from vgg_profile.render import render

        return render(result, "table")

    def html(self, result: Any) -> str:
        from vgg_profile.render import render

        return render(result, "html")

    def frame(self, result: Any, **options: Any) -> pd.DataFrame:
        from vgg_profile.describe.tables import describe
        from vgg_profile.write.frame import to_frame

        return to_frame(describe(result, **options))

    def plot(self, result: Any, kind: str | None, axes: Axes | None) -> Axes:
        from vgg_profile.describe.figures import depict
        from vgg_profile.write.plots import to_axes

        return to_axes(depict(result, kind), axes)


Displayed.presenter = _Presenter()
