"""A table for machines: CSV and TSV, raw integers, units in the column names, no totals."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from unicodedata import normalize

from vgg_profile.core.counts import Count
from vgg_profile.core.forms import Said, Table

Raw = str | int | float | None


def records(table: Table) -> Iterator[dict[str, Raw]]:
    """Each row by column key; a number with its working becomes two columns, a shape ``64x224x224``."""
    for row in table.rows:
        record: dict[str, Raw] = {}
        for column, cell in zip(table.columns, row, strict=True):
            if column.is_worked:
                count = cell if isinstance(cell, Count) else Count(0, str(cell or 0))
                record[column.key] = count.value
                record[f"{column.key}_working"] = count.working
            elif isinstance(cell, tuple):
                record[column.key] = "x".join(map(str, cell))
            elif isinstance(cell, Said):
                record[column.key] = int(cell)
            else:
                record[column.key] = cell.value if isinstance(cell, Count) else cell
        yield record


def _keys(table: Table) -> Iterator[str]:
    for column in table.columns:
        yield from (column.key, f"{column.key}_working") if column.is_worked else (column.key,)


def defuse(cell: Raw) -> Raw:
    """Keep a spreadsheet from running a name as a formula: such text gets a leading apostrophe.

    A sign counts in each of its forms, as spreadsheets take a wide ``＝`` for a plain one; and behind blanks.

    >>> defuse("=1+1"), defuse(" ＝1+1"), defuse("conv1_1")
    ("'=1+1", "' ＝1+1", 'conv1_1')
    """
    if not isinstance(cell, str):
        return cell
    first = normalize("NFKC", cell).lstrip()[:1]
    return f"'{cell}" if first and first in _OPENING else cell


_OPENING = "=+-@\N{MINUS SIGN}"


def to_csv(table: Table) -> str:
    """Comma-separated values, one line a row, with a header of column keys."""
    return _delimited(table, ",")


def to_tsv(table: Table) -> str:
    """Tab-separated values, one line a row, with a header of column keys."""
    return _delimited(table, "\t")


def _delimited(table: Table, delimiter: str) -> str:
    rows = list(records(table))
    out = io.StringIO()
    keys = list(rows[0]) if rows else list(_keys(table))
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerow(map(defuse, keys))
    writer.writerows(map(defuse, row.values()) for row in rows)
    return out.getvalue()
