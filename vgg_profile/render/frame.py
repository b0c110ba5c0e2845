"""A table as a pandas frame."""

from __future__ import annotations

import pandas as pd

from vgg_profile.render.delimited import records
from vgg_profile.render.tables import Table


def to_frame(table: Table) -> pd.DataFrame:
    """Raw numbers, one column a key; integers stay integers (``Int64``) where some are unknown."""
    return pd.DataFrame.from_records(list(records(table))).convert_dtypes(convert_floating=False)
