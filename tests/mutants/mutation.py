"""What a mutation is: which text of which file becomes which, and the tests that must fail then."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parents[2]
LISTS = sorted(Path(__file__).parent.glob("*.toml"))


@dataclass(frozen=True)
class Mutation:
    """``changes`` are pairs of an old and a new text of a ``file`` of the package.

    One that no test can find, since it changes no answer, says why it is ``equivalent``.
    """

    name: str
    file: str
    changes: tuple[tuple[str, str], ...]
    tests: tuple[str, ...]
    equivalent: str = ""

    @property
    def key(self) -> str:
        """Another one for any other change, or other tests."""
        what = self.name, self.file, self.changes, self.tests
        return sha256(repr(what).encode()).hexdigest()[:16]

    def applied(self, text: str) -> str:
        """The file's text, changed; raises ``ValueError`` where an old text is not there exactly once."""
        for old, new in self.changes:
            if text.count(old) != 1:
                raise ValueError(f"{self.name}: {self.file} has {text.count(old)} times {old!r}")
            text = text.replace(old, new)
        compile(text, self.file, "exec")
        return text


def mutations() -> tuple[Mutation, ...]:
    """All of them, in the order of the lists."""
    return tuple(
        Mutation(
            name,
            path,
            tuple((old, new) for old, new in each["changes"]),
            tuple(each["tests"]),
            each.get("equivalent", ""),
        )
        for file in LISTS
        for path, of_file in tomllib.loads(file.read_text(encoding="utf-8")).items()
        for name, each in of_file.items()
    )
