"""The digest with which a file of ours closes: against accidents; it has no key, and proves nothing."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr
from typing import Any

with redirect_stderr(io.StringIO()):  # short of memory, it logs a traceback for each algorithm that it lacks
    import hashlib


def digest(content: dict[str, Any]) -> str:
    """The SHA-256 of a content as JSON, whatever the order of its keys and the spaces between them."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()
