"""The registries: what describes which kind of result, as a table, a document or a figure.

A description is one small function, registered here under its result's type. ``tables``, ``documents``
and ``figures`` find it again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vgg_profile.core.documents import Document
    from vgg_profile.core.figures import Figure
    from vgg_profile.core.forms import Table


@singledispatch
def describe_kind(result: object, **options: bool) -> Table:
    """The table of a result: register one function for each kind."""
    raise TypeError(f"there is no table for a {type(result).__name__}")


@singledispatch
def compose_kind(result: object) -> Document:
    """The document of a result: register one function for each kind that is told at length."""
    raise TypeError(f"there is no document for a {type(result).__name__}")


Builder = Callable[[Any], "Figure"]

KINDS: dict[str, dict[type, Builder]] = {}
"""Kind of figure → the kinds of result that it can show, each with its builder."""


def figure_of(kind: str, result: type) -> Callable[[Builder], Builder]:
    """Register a builder. The first kind that a result is given is the one it shows unasked."""

    def register(builder: Builder) -> Builder:
        KINDS.setdefault(kind, {})[result] = builder
        return builder

    return register
