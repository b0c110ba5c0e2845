"""Files of ours that close with a digest of their content: what each says of itself, and whether that holds.

The digest has no key. It is a check against accidents: whoever forges a file writes one that fits.
"""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr
from typing import Any, NamedTuple

from vgg_profile.core.errors import InputError, excerpt

with redirect_stderr(io.StringIO()):  # short of memory, it logs a traceback for each algorithm that it lacks
    import hashlib

DIGEST = "sha256"
"""The key under which a file has its digest."""


class FileKind(NamedTuple):
    """A kind of file: its ``word``, what it says of itself, its schema, and how to get another."""

    word: str
    kind: str
    schema: int
    again: str


def digest(content: dict[str, Any]) -> str:
    """The SHA-256 of a content, whatever the order of its keys and the spaces between them.

    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def sign(content: dict[str, Any]) -> dict[str, Any]:
    """The content, and behind it its digest, in place of one that it had."""
    bare = _without_digest(content)
    return {**bare, DIGEST: digest(bare)}


def unsigned(content: Any, expected: FileKind, name: str) -> dict[str, Any]:
    """The content of a file without its digest.

    Raises ``InputError`` for another kind of file, another schema, and a digest that does not fit.
    """
    word, kind, schema, again = expected
    if not isinstance(content, dict) or content.get("kind") != kind:
        raise InputError(f"{name} is not a {word} of vgg-profile.", again)
    if content.get("schema_version") != schema:
        raise InputError(
            f"The {word} {name} has schema {excerpt(content.get('schema_version'))}, "
            f"and this version reads schema {schema}.",
            again,
        )
    bare = _without_digest(content)
    try:
        is_genuine = content.get(DIGEST) == digest(bare)
    except RecursionError:
        is_genuine = False
    if not is_genuine:
        raise InputError(
            f"The {word} {name} was changed after it was written: its digest does not fit its content.", again
        )
    return bare


def _without_digest(content: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in content.items() if key != DIGEST}
