"""Words that several descriptions share."""

from __future__ import annotations

from vgg_profile.core import units
from vgg_profile.core.step import Step
from vgg_profile.core.tree import Profile


def title(profile: Profile, *, with_batch: bool = True) -> str:
    """The network and the setting that a table is of; without the batch for what shows many of them."""
    config = profile.config
    batch = f"batch {profile.batch:,}, " if with_batch else ""
    return (
        f"VGG config {config.label}: {units.plural(config.depth, 'weight layer')}, "
        f"input {units.shape(profile.input)}, {batch}{profile.dtype}, "
        f"{units.plural(config.classes, 'class')}"
    )


def rules(device: str) -> str:
    """The device whose rules hold, and where a real one has confirmed them."""
    return device if device == "cpu" else f"{device} (confirmed on an H100 where the README says so)"


def added_up(*terms: int) -> str:
    """A sum with its terms: ``138,344,128 + 13,416 = 138,357,544``."""
    return f"{' + '.join(map(units.exact, terms))} = {sum(terms):,}"


def sized(size: int) -> str:
    """Exact bytes, with MiB beside them."""
    return f"{size:,} bytes = {units.mebibytes(size)}"


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
        return f"What PyTorch's own kernels take in passing is {how}."
    threads = units.plural(setup.threads or 1, "thread")
    return f"What kernels take in passing is {how}: {setup.processor}, {threads}, oneDNN 3.12 (torch 2.13)."
