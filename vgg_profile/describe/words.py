"""Words that several descriptions share."""

from __future__ import annotations

from vgg_profile.core import units
from vgg_profile.core.tree import Profile


def title(profile: Profile, *, with_batch: bool = True) -> str:
    """The network and the setting that a table is of; without the batch for what shows many of them."""
    before, after = profile.config.title
    batch = f"batch {profile.batch:,}, " if with_batch else ""
    return f"{before}, input {units.shape(profile.input)}, {batch}{profile.dtype}{after}"


def rules(device: str) -> str:
    """The device whose rules hold, and where a real one has confirmed them."""
    return device if device == "cpu" else f"{device} (confirmed on an H100 where the README says so)"


def added_up(*terms: int) -> str:
    """A sum with its terms: ``138,344,128 + 13,416 = 138,357,544``."""
    return f"{' + '.join(map(units.exact, terms))} = {sum(terms):,}"


def sized(size: int) -> str:
    """Exact bytes, with MiB beside them."""
    return f"{size:,} bytes = {units.mebibytes(size)}"
