"""Limits on what networks may cost, and what is left of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from vgg_profile.ask.cards import Memory
from vgg_profile.ask.difference import predicted
from vgg_profile.ask.question import Question
from vgg_profile.core.display import Displayed
from vgg_profile.core.setting import Setting, Setup
from vgg_profile.core.tree import Profile
from vgg_profile.core.version import SCHEMA_VERSION

PLAIN = Setup()


@dataclass(frozen=True)
class Entry:
    """One network with its setting and its limits, as somebody wrote them: ``label`` is it as it is written.

    ``most`` has the most that ``peak_bytes``, ``parameters`` and ``macs`` (per image) may be; ``least`` the
    batch that has to fit into each memory.
    """

    label: str
    network: str
    setup: Setup = PLAIN
    device: str = "cpu"
    batch: int = 1
    inputs: tuple[str, ...] = ()
    dtype: str = ""
    batch_norm: bool | None = None
    classes: int | None = None
    loss: str | None = None
    given: tuple[str, ...] = ()
    batch_dim: int = 0
    probe: bool = True
    says_setup: bool = False
    """Whether anything is said of how the step is run: else a traced one is taken as it is."""
    most: Mapping[str, int] = field(default_factory=dict)
    least: tuple[tuple[Memory, int], ...] = ()


class Limit(NamedTuple):
    """One limit: the most that a figure may be, or the least, and what it is in which setting.

    The setting of a largest batch is at that batch.
    """

    network: str
    figure: str
    memory: str
    allowed: int
    found: int
    is_least: bool
    setting: Setting

    @property
    def left(self) -> int:
        """How far it may still go; negative, and the limit is exceeded."""
        return self.found - self.allowed if self.is_least else self.allowed - self.found

    @property
    def holds(self) -> bool:
        return self.left >= 0


@dataclass(frozen=True, repr=False)
class Budget(Displayed):
    """Every limit of a file, in its order."""

    title: str
    limits: tuple[Limit, ...]

    @property
    def holds(self) -> bool:
        return all(limit.holds for limit in self.limits)

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "title": self.title,
            "holds": self.holds,
            "limits": [_as_json(limit) for limit in self.limits],
        }


def _as_json(limit: Limit) -> dict[str, Any]:
    content = {**limit._asdict(), "left": limit.left, "holds": limit.holds}
    del content["setting"]
    return content | limit.setting.to_dict()


Open = Callable[[Entry, str], Profile]
"""Opens an entry's network for a device."""


def limits(entry: Entry, open_: Open) -> Iterator[Limit]:
    """What is found of each limit of an entry; raises ``InputError`` for a network that cannot be."""
    profiles: dict[str, Profile] = {}

    def on(device: str) -> tuple[Profile, Setup]:
        if device not in profiles:
            profiles[device] = open_(entry, device)
        is_here = device == "cpu"  # of a card's kernels the processor says nothing
        return profiles[device], entry.setup if is_here else replace(
            entry.setup, processor=None, threads=None
        )

    if entry.most:
        version = predicted(entry.label, *on(entry.device), None)
        for figure, allowed in entry.most.items():
            found = version.figures[figure].value
            yield Limit(entry.label, figure, "", allowed, found, is_least=False, setting=version.setting)
    for memory, allowed in entry.least:
        profile, setup = on(memory.device or entry.device)
        fit = Question(profile, memory, setup).answer()
        yield Limit(
            entry.label,
            "largest_batch",
            memory.label,
            allowed,
            fit.largest_batch,
            is_least=True,
            setting=replace(fit.step.setting, batch=fit.batch),
        )
