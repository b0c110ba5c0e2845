"""Small files in the user's cache folder: what was seen of this machine, so that it is not looked at again.

They are read like any stranger's file. One that is not there, cannot be read or cannot be written is none.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from vgg_profile.core.files import write_all
from vgg_profile.core.parsing import parse_json


def kept_in(name: str) -> Path:
    """The file of that name; raises ``RuntimeError`` for a user without a home."""
    folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(folder) / "vgg-profile" / f"{name}.json"


def read_kept(name: str) -> Any:
    """What is kept under a name; ``None`` if nothing is, or nothing that can be read."""
    try:
        return parse_json(kept_in(name).read_text(encoding="utf-8"))
    except (OSError, ValueError, RuntimeError):
        return None


def write_kept(name: str, content: Any) -> Path | None:
    """Keep what JSON can say under a name; ``None`` where nothing can be written."""
    with suppress(OSError, ValueError, RuntimeError):
        path = kept_in(name)
        path.parent.parent.mkdir(parents=True, exist_ok=True)
        write_all({path: json.dumps(content, indent=1) + "\n"}, folder=path.parent, force=True)
        return path
    return None
