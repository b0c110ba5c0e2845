"""JSON and TOML that somebody else wrote: every key once, nested no deeper than anybody would.

Nothing in the package reads either but through here. ``validate`` holds what is read against a form.
"""

from __future__ import annotations

import re
from typing import Any

from vgg_profile.core.errors import excerpt

DEEPEST_KEY = 16
"""The most parts that a dotted key of TOML may have: ``tomllib`` keeps every beginning of one, so that its
memory grows with their square."""

_PART = r"""(?:(?<![\w-])[\w-]+|"[^"\n]*"|'[^'\n]*')"""
_TOO_DEEP = re.compile(rf"{_PART}(?:[ \t]*\.[ \t]*{_PART}){{{DEEPEST_KEY}}}", re.ASCII)

_NESTED = "it is nested too deeply"


def parse_json(text: str | bytes) -> Any:
    """What a JSON text says; raises ``ValueError`` if it is none, or a key stands in an object twice.

    >>> parse_json('{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ValueError: the key 'a' stands there twice
    """
    import json  # as slow to load as a table is to print

    try:
        return json.loads(text, object_pairs_hook=_once)
    except RecursionError:
        raise ValueError(_NESTED) from None


def parse_toml(text: str) -> dict[str, Any]:
    """What a TOML text says; raises ``ValueError`` if it is none: there, no key may stand twice either.

    >>> parse_toml("a.b = 1")
    {'a': {'b': 1}}
    >>> parse_toml(".".join("a" * 20) + " = 1")
    Traceback (most recent call last):
    ValueError: it is nested too deeply
    """
    import tomllib

    if _TOO_DEEP.search(text):
        raise ValueError(_NESTED)
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError(_NESTED) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = set[str]()
        for key, _ in pairs:
            if key in keys:
                raise ValueError(f"the key {excerpt(key)} stands there twice")
            keys.add(key)
    return content
