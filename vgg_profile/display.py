"""A result that shows itself: text in a terminal, HTML in a notebook, a frame for pandas, a picture.

The one place where an arrow points up: results know that they can be rendered, and ask for the
renderer only when they are shown, so counting never waits for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


class Displayed:
    """Mixin for results that ``vgg_profile.render.tables`` can describe as a table.

    Some are told at more length, as a document of ``vgg_profile.render.documents``.
    """

    is_document: ClassVar[bool] = False

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

    def plot(self, kind: str | None = None, axes: Axes | None = None) -> Axes:
        """A picture of it, as matplotlib axes to build on; a notebook shows them.

        Without a ``kind`` the first that the result has; of several panels the axes of the first, or it alone
        in ``axes`` of your own. Raises ``InputError`` for a kind that it does not have.
        """
        from vgg_profile.render.figures import depict
        from vgg_profile.render.plots import to_axes

        return to_axes(depict(self, kind), axes)
