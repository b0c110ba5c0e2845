"""A result that shows itself: text in a terminal, HTML in a notebook, a frame for pandas, a picture.

Results know no format. Whoever can show them is handed in, once, by the package's root.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


class Presenter(Protocol):
    """Whoever shows results."""

    def text(self, result: Any) -> str: ...

    def html(self, result: Any) -> str: ...

    def frame(self, result: Any, **options: Any) -> pd.DataFrame: ...

    def plot(self, result: Any, kind: str | None, axes: Axes | None) -> Axes: ...


class Displayed:
    """Mixin for results that there is a description of; some are told at more length, as a document."""

    is_document: ClassVar[bool] = False
    presenter: ClassVar[Presenter]

    def __repr__(self) -> str:
        return self.presenter.text(self)

    def _repr_html_(self) -> str:
        return self.presenter.html(self)

    def to_frame(self, **options: Any) -> pd.DataFrame:
        """The rows of its table as a pandas frame: raw integers, units in the column names."""
        return self.presenter.frame(self, **options)

    def plot(self, kind: str | None = None, axes: Axes | None = None) -> Axes:
        """A picture of it, as matplotlib axes to build on; a notebook shows them.

        Without a ``kind`` the first that the result has; of several panels the axes of the first, or it alone
        in ``axes`` of your own. Raises ``InputError`` for a kind that it does not have.
        """
        return self.presenter.plot(self, kind, axes)
