"""The machine that a step is asked about, where nobody names one: the last that was seen, or the worst known.

``doctor`` and ``fit --calibrate`` look at this machine and keep what they saw in a small file, so that the
next question is answered without torch. Nothing here looks.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from vgg_profile.core.kept import read_kept, write_kept
from vgg_profile.core.setting import LARGEST, PROCESSORS, Setting, Setup
from vgg_profile.core.step import Step
from vgg_profile.core.tree import Profile
from vgg_profile.predict.steps import trace
from vgg_profile.predict.vgg.passing import Probe

KEPT_AS = "machine"
"""The name under which what was seen is kept."""

NAMED, LAST_SEEN, WORST = "named", "last seen", "worst known"
"""Where a machine comes from."""

THRESHOLD = "MALLOC_MMAP_THRESHOLD_"
"""The variable with which glibc's malloc is told from how many bytes on a block has pages of its own."""

GIVEN_BACK = 128 * 2**10
"""Where malloc begins; left to itself, it raises that to 32 MiB as blocks are freed (mallopt(3))."""


@dataclass(frozen=True)
class LastSeen:
    """What was last seen of this machine: its family of processors, PyTorch's threads, and what a process
    takes beside its tensors, by :func:`key_of` a step.
    """

    processor: str | None
    threads: int
    torch: str
    beside: Mapping[str, int] = field(default_factory=dict)


class Machine(NamedTuple):
    """Whose kernels a step is asked about, and how that was settled.

    ``left_out`` are families of which no rule knows all: the worst known may be better than they are.
    """

    processor: str | None
    threads: int
    source: str
    left_out: tuple[str, ...] = ()


def gives_back() -> bool:
    """Whether malloc was told to give back each block that is freed, of so many bytes or more.

    Such a block has pages of its own, so that a process takes what its tensors take, and always the same
    beside. The variable holds for the processes that are started here, too.
    """
    said = os.environ.get(THRESHOLD, "")
    return said.isascii() and said.isdigit() and len(said) < 9 and int(said) <= GIVEN_BACK


def last_seen() -> LastSeen | None:
    """What was last seen of this machine; ``None`` if nothing was, or what is kept is not to be read."""
    try:
        content = read_kept(KEPT_AS)
        if content["host"] != platform.node():  # a home that several machines share
            return None
        seen = LastSeen(content["processor"], content["threads"], content["torch"], content["beside"])
    except (KeyError, TypeError):
        return None
    sizes = [seen.threads, *seen.beside.values()] if isinstance(seen.beside, dict) else [None]
    are_sizes = all(isinstance(size, int) and 0 < size < LARGEST * 2**20 for size in sizes)
    return seen if are_sizes and seen.processor in (None, *PROCESSORS) and type(seen.torch) is str else None


def keep(seen: LastSeen) -> Path | None:
    """Keep what was seen for the next question; ``None`` where nothing can be written."""
    before = last_seen()
    same = before is not None and replace(before, beside=seen.beside) == seen
    beside = {**before.beside, **seen.beside} if before is not None and same else seen.beside
    content = {**replace(seen, beside=beside).__dict__, "host": platform.node()}
    return write_kept(KEPT_AS, content)


def key_of(network: Mapping[str, Any], setting: Setting) -> str:
    """A step, whatever its batch, as what was measured of it is kept."""
    content = {**network, **setting.to_dict(), "batch": None}
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def settle(
    profile: Profile, setup: Setup, limit: int, batch: int | None, probe: Probe | None = None
) -> tuple[Step, Machine | None]:
    """A step on the CPU with the machine that it is asked about, named or not; none for a traced step.

    ``limit`` is what its tensors may take, in bytes, and ``batch`` the one in question, or ``None``. A
    ``probe`` runs on the machine that is named.
    """
    if profile.device != "cpu" or profile.run is not None:
        return trace(profile, setup), None
    if setup.processor is not None:
        return trace(profile, setup, probe), Machine(setup.processor, setup.threads or 1, NAMED)
    seen = last_seen()
    if seen is not None:
        threads = setup.threads or seen.threads
        here = replace(setup, processor=seen.processor, threads=threads)
        return trace(profile, here), Machine(seen.processor, threads, LAST_SEEN)
    return _worst(profile, setup, limit, batch)


def _worst(profile: Profile, setup: Setup, limit: int, batch: int | None) -> tuple[Step, Machine]:
    """The family on which a batch takes most, or on which the fewest images fit; if any, of those known."""
    threads = setup.threads or os.cpu_count() or 1
    setups = {family: replace(setup, processor=family, threads=threads) for family in PROCESSORS}
    here = profile.at(batch or 2)

    def badness(family: str) -> tuple[bool, int, int]:
        step = trace(here, setups[family])
        largest, steps = (batch, {}) if batch else step.search(limit)
        asked = largest + (batch is None)
        return not step.is_at_least, -largest, steps.get(asked, step).peak_bytes(asked)

    found = {family: badness(family) for family in setups}
    worst = max(found, key=found.__getitem__)
    left_out = tuple(family for family, (is_known, *_) in found.items() if is_known < found[worst][0])
    return trace(profile, setups[worst]), Machine(worst, threads, WORST, left_out)
