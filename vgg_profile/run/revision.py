"""A file as it was in a revision of its git repository, with all that stood beside it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from vgg_profile.core.errors import InputError, excerpt


@contextmanager
def as_of(file: Path, revision: str) -> Iterator[Path]:
    """The path of the file as it was: the whole revision lies in a folder that goes with the block.

    The repository is left as it is, its index too. Raises ``InputError`` without git, for a file outside of
    any repository or of the revision, and for a revision that there is not.
    """
    folder = file.resolve().parent
    if not folder.is_dir():
        raise InputError(f"There is no directory {excerpt(str(file.parent), 200)}.", "Check the path.")
    root = Path(
        _git(folder, "rev-parse", "--show-toplevel", otherwise=f"{_named(file)} is in no git repository")
    )
    commit = _git(
        root,
        "rev-parse",
        "--verify",
        "--quiet",
        "--end-of-options",
        f"{revision}^{{commit}}",
        otherwise=f"The repository has no revision {excerpt(revision)}",
    )
    with TemporaryDirectory(prefix="vgg-profile-", ignore_cleanup_errors=True) as made:
        tree, index = Path(made).resolve() / "tree", Path(made) / "index"
        failed = f"git cannot give out the revision {excerpt(revision)}"
        _git(root, "read-tree", commit, index=index, otherwise=failed)
        _git(root, "checkout-index", "--all", f"--prefix={tree}/", index=index, otherwise=failed)
        there = tree / file.resolve().relative_to(root.resolve())
        if not there.is_file():
            raise InputError(
                f"{_named(file)} is not in the revision {excerpt(revision)}.", "Name one that has it."
            )
        yield there


def _git(folder: Path, *words: str, otherwise: str, index: Path | None = None) -> str:
    """What git says; raises ``InputError``, which begins with ``otherwise``, if it refuses.

    A hook's own variables name another index, or another repository.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    if index is not None:
        environment["GIT_INDEX_FILE"] = str(index)
    try:
        ended = subprocess.run(
            ["git", "-C", str(folder), *words],
            env=environment,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            encoding="utf-8",
            errors="surrogateescape",
            check=True,
        )
    except FileNotFoundError:
        raise InputError("A revision is asked of git, and there is none.", "Install git.") from None
    except subprocess.CalledProcessError as error:
        said = f": {excerpt(error.stderr.strip(), 200)}" if error.stderr.strip() else ""
        raise InputError(f"{otherwise}{said}.", "See `git log --oneline`, and name one of those.") from None
    return ended.stdout.rstrip("\n")


def _named(file: Path) -> str:
    return excerpt(str(file), 200)
