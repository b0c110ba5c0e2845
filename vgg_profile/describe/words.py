"""Words that several descriptions share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from vgg_profile.core import units
from vgg_profile.core.events import Provenance
from vgg_profile.core.tree import Profile
from vgg_profile.core.verified import UNVERIFIED, Verified

if TYPE_CHECKING:
    from vgg_profile.ask.cards import Memory
    from vgg_profile.ask.sweep import Sweep
    from vgg_profile.core.step import Step


def title(profile: Profile, *, with_batch: bool = True) -> str:
    """The network and the setting that a table is of; without the batch for what shows many of them."""
    before, after = profile.config.title
    batch = f"batch {profile.batch:,}, " if with_batch else ""
    said = f"{before}, input {units.shape(profile.input)}, {batch}{profile.dtype}{after}"
    said = said if profile.device == "cpu" else marked(f"{said}, {profile.device}", profile)
    return f"{said}{pool_words(profile)}"


def pool_words(profile: Profile) -> str:
    """What the average pool does, to end a title with: only where it changes the map."""
    return f"; average pool {profile.pooled}" if profile.pooled else ""


def each_pool_words(profiles: Iterable[Profile]) -> str:
    """Whose average pool changes the map, to end a title with."""
    found = [f"{each.config.label}'s average pool {each.pooled}" for each in profiles if each.pooled]
    return "".join(f"; {each}" for each in found)


def grid_pool_words(grid: Sweep) -> str:
    """Where the average pool changes the map, to end a title with."""
    if len(grid.pooled) > 1:
        sizes = len({(point.height, point.width) for point in grid.points})
        return f"; the average pool changes the map at {len(grid.pooled)} of {sizes} image sizes"
    return "".join(f"; average pool {what}" for what in grid.pooled.values())


def rules(profile: Profile) -> str:
    """The device whose rules hold, and of a card whether a real one has confirmed them for this step."""
    if profile.device == "cpu":
        return "cpu"
    return f"{profile.device} ({where_verified(profile.verified)})"


def counted(scope: str, device: str) -> str:
    """What a figure's numbers count, and by whose rules, as a sentence."""
    return f"{scope[0].upper()}{scope[1:]}, by the rules of device {device}."


def where_verified(found: Verified | None) -> str:
    """Where a prediction of tensors was confirmed, in words."""
    return f"tensors verified on an {found.device}" if found else UNVERIFIED


def marked(answer: str, *profiles: Profile) -> str:
    """An answer, with the mark that it has until a card has confirmed it, for all of these.

    >>> from vgg_profile.predict.vgg.walk import walk
    >>> marked("The peak is 3 GiB", walk("A-LRN", dtype="float16", device="cuda"))
    'The peak is 3 GiB, not verified on a card'
    """
    is_open = any(profile.device != "cpu" and profile.verified is None for profile in profiles)
    return f"{answer}, {UNVERIFIED}" if is_open else answer


def unverified_points(unverified: int, points: int) -> str:
    """The mark of a grid, to go with its answer: of all its points, of some, or empty.

    >>> unverified_points(2, 2), unverified_points(1, 2)
    (', not verified on a card', ', 1 of its points not verified on a card')
    """
    if not unverified:
        return ""
    return f", {UNVERIFIED}" if unverified == points else f", {unverified:,} of its points {UNVERIFIED}"


def added_up(*terms: int) -> str:
    """A sum with its terms: ``138,344,128 + 13,416 = 138,357,544``."""
    return f"{' + '.join(map(units.exact, terms))} = {sum(terms):,}"


def sized(size: int) -> str:
    """Exact bytes, with MiB beside them."""
    return f"{size:,} bytes = {units.mebibytes(size)}"


def whence(memory: Memory | None) -> tuple[str, ...]:
    """Where the figure of a memory is from, as a sentence, if it is not as it was typed."""
    return (f"{memory.label}: {memory.source}.",) if memory is not None and memory.source else ()


def scratch_counted(step: Step) -> str:
    """What is known of the memory that the CPU's kernels take in passing, and of whose."""
    setup = step.setup
    if step.is_at_least:
        return (
            "What the CPU's kernels take in passing is not counted, so the peak is one at least: name your "
            "--processor and its --threads."
            if setup.processor is None
            else f"No rule knows all that kernels take on {setup.processor}, so the peak is one at least."
        )
    how = "counted" if step.least_peak == step.peak.peak else "counted at most"
    if setup.processor is None:
        return f"What PyTorch's own kernels take in passing is {how}. {how_known(step)}"
    threads = units.plural(setup.threads or 1, "thread")
    return (
        f"What kernels take in passing is {how}: {setup.processor}, {threads}, oneDNN 3.12 (torch 2.13). "
        f"{how_known(step)}"
    )


def how_known(step: Step) -> str:
    """How the bytes of the peak are known, in words."""
    by = dict(step.provenance)
    rest = by.pop(Provenance.RULE, 0)
    if not by:
        return "Every byte of the peak is known by rule."
    others = (f"{size:,} {_HOW[known]}" for known, size in by.items())
    return f"Of the peak, {rest:,} bytes are known by rule, {' and '.join(others)}."


_HOW = {
    Provenance.PROBE: "by running one operation alone on this machine",
    Provenance.BOUND: "at most",
}
