"""Files appear whole or not at all, and none is overwritten unasked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from vgg_profile.core.ending import Held, check_not_ended, uninterrupted
from vgg_profile.core.errors import InputError, excerpt

_LONGEST_NAME = 255


def check_writable(path: Path, *, force: bool = False) -> None:
    """Refuse a path that could not be written, before any long work is done for it: raises ``InputError``."""
    name = excerpt(str(path), 200)
    try:
        taken, exists = os.path.lexists(path), path.exists()
        if path.is_dir():
            raise InputError(f"{name} is a directory.", "Name a file in it, such as -o table.md.")
        if path.parent.exists() and not path.parent.is_dir():
            raise InputError(
                f"{excerpt(str(path.parent), 200)} is a file, and no directory.", "Name another file."
            )
        if not path.parent.is_dir():
            raise InputError(
                f"There is no directory {excerpt(str(path.parent), 200)}.",
                "Make it first, or name another file.",
            )
        if exists and not path.is_file():
            raise InputError(f"{name} is not a regular file.", "Name another file.")
        if not os.access(path.parent, os.W_OK) or (exists and not os.access(path, os.W_OK)):
            raise InputError(f"{name} cannot be written.", "Choose a place where you may write.")
        if len(os.fsencode(path.name)) > _LONGEST_NAME:
            raise InputError(f"The name {name} is too long for a file.", "Choose a shorter one.")
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise _refused(path, error) from None
    if taken and not force:
        raise InputError(f"{name} exists already.", "Give --force to replace it, or name another file.")


def write_whole(path: Path, content: str | bytes, *, force: bool = False) -> None:
    """Write a file in one step: to a neighbour first, then renamed; an old file stays until then.

    A text is written as UTF-8, bytes as they are. A name that has appeared meanwhile is refused like one
    that was there before, unless ``force``.
    """
    write_all({path: content}, force=force)


def write_all(
    contents: Mapping[Path, str | bytes], *, folder: Path | None = None, force: bool = False
) -> None:
    """Write files that belong together: all to neighbours first, then renamed without a pause.

    A ``folder`` of theirs is made if it is missing. What stops it leaves every old file in place and no new
    one behind; Ctrl-C counts before the first is renamed, or after the last.
    """
    check_not_ended()
    with uninterrupted() as signals:
        is_made = folder is not None and _make_folder(folder)
        try:
            _write(contents, signals, force=force)
        except BaseException:
            if folder is not None and is_made:
                with suppress(OSError):  # it is kept if something lies in it by now
                    folder.rmdir()
            raise


def _write(contents: Mapping[Path, str | bytes], signals: Held, *, force: bool) -> None:
    drafts: dict[Path, Path] = {}
    named: list[Path] = []
    path = Path()
    try:
        for path in contents:
            check_writable(path, force=force)
        for path, content in contents.items():
            drafts[path] = _draft(path, content)
            signals.check()
        for path, draft in drafts.items():
            if force:
                draft.replace(path)
            else:
                _link_or_claim(draft, path)
                named.append(path)
    except BaseException as error:
        if len(named) < len(contents):
            for each in (*drafts.values(), *named):
                each.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _refused(path, error) from None
        raise


def _make_folder(folder: Path) -> bool:
    """Make a folder that is missing; whether it was made."""
    if folder.is_dir():
        return False
    try:
        folder.mkdir()
    except OSError as error:
        raise _refused(folder, error) from None
    return True


def _draft(path: Path, content: str | bytes) -> Path:
    """The content in a new file beside the path, with the rights that the path's file shall have."""
    import tempfile  # slow to load, and a terminal gets no file

    descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=".part", dir=path.parent)
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        draft.chmod(path.stat().st_mode & 0o777 if path.is_file() else 0o666 & ~_umask())
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return draft


def _link_or_claim(draft: Path, path: Path) -> None:
    """Give the draft its name unless somebody has it; where there are no hard links, claim it first."""
    try:
        os.link(draft, path)
        draft.unlink()
    except FileExistsError:
        raise
    except OSError:
        path.touch(exist_ok=False)
        draft.replace(path)


def _refused(path: Path, error: Exception) -> InputError:
    why = getattr(error, "strerror", None) or str(error)
    return InputError(f"{excerpt(str(path), 200)} cannot be written: {why}.", "Choose another place.")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
