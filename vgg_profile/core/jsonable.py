"""How JSON has a value that needs no layout of its own: by the names of its fields.

Only what is written goes through here, with nothing but Python's own: a machine that measures has no msgspec.
What somebody else wrote is held against a form (``validate``). A ``to_dict`` is there where the JSON form is
not the fields: where it has figures that are computed, a schema, or another order; and it is that layout.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any


def jsonable(value: Any) -> Any:
    """A dataclass as an object of its fields, tuples as lists, an enum's value; else the value itself.

    A part that has a ``to_dict`` is asked for it.

    >>> from vgg_profile.core.counts import plain
    >>> jsonable((plain(3), "a", None))
    [{'value': 3, 'working': '3'}, 'a', None]
    """
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (list, tuple)):
        return [jsonable(each) for each in value]
    return by_fields(value) if is_dataclass(value) else value


def by_fields(value: Any) -> dict[str, Any]:
    """A dataclass as an object of its fields, whatever its ``to_dict`` says.

    >>> from vgg_profile.core.counts import plain
    >>> by_fields(plain(3))
    {'value': 3, 'working': '3'}
    """
    return {each.name: jsonable(getattr(value, each.name)) for each in fields(value)}
