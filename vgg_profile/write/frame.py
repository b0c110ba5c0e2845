"""A table as a pandas frame."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from vgg_profile.core.forms import Table
from vgg_profile.write.delimited import Raw, records


def to_frame(table: Table) -> pd.DataFrame:
    """Raw numbers, one column a key; integers stay integers (``Int64``) where some are unknown."""
    rows = list(records(table))
    return pd.DataFrame({key: _column([row[key] for row in rows]) for key in (rows[0] if rows else ())})


def _column(cells: Sequence[Raw]) -> pd.Series:
    """The type is chosen here: pandas would guess by way of floats, and lose digits beyond 2^53."""
    kinds = {type(cell) for cell in cells if cell is not None}
    if kinds == {int}:
        fits = all(cell is None or -(2**63) <= int(cell) < 2**63 for cell in cells)
        return pd.Series(cells, dtype="Int64" if fits else "object")
    if kinds == {str}:
        return pd.Series(cells, dtype="string")
    return pd.Series(cells, dtype="float64" if kinds == {float} else "object")
