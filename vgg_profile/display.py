"""A result that shows itself: text in a terminal, HTML in a notebook, a frame for pandas.

The one place where an arrow points up: results know that they can be rendered, and ask for the
renderer only when they are shown, so counting never waits for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


class Displayed:
    """Mixin for results that ``vgg_profile.render.tables`` can describe as a table."""

    def __repr__(self) -> str:
        from vgg_profile.render import render

        return render(self, "table")

    def _repr_html_(self) -> str:
        from vgg_profile.render import render

        return render(self, "html")

    def to_frame(self, **options: Any) -> pd.DataFrame:
        """The same rows as a pandas frame: raw integers, units in the column names."""
        from vgg_profile.render.frame import to_frame
        from vgg_profile.render.tables import describe

        return to_frame(describe(self, **options))
