"""What running each block twice buys, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator

from vgg_profile.core import units
from vgg_profile.core.counts import plain
from vgg_profile.core.events import Phase
from vgg_profile.core.forms import Cell
from vgg_profile.core.setting import Setup
from vgg_profile.teach.forms import Grid, Section, Working
from vgg_profile.teach.topic import TESTS, by_block, kept, profile_of, row_of, step_of, topic, where


@topic(
    "checkpointing",
    "keep each block's input, run the block again, and what that buys",
    TESTS + " The peaks are of tensors alone. The CPU's convolutions take scratch memory beside them, and "
    "with checkpointing it raises the peak: reports/measured/D-checkpoint-cpu.json is a step with 4 images.",
    "vgg-profile timeline D --batch 64",
    "vgg-profile timeline D --batch 64 --checkpoint blocks",
    place=420,
)
def checkpointing() -> Iterator[Section]:
    """Less memory for a second forward pass."""
    batch = 64
    setup = Setup(checkpoint="blocks")
    usual, thrifty = step_of(batch=batch), step_of(batch=batch, setup=setup)
    again = sum(thrifty.recomputed_flops.values())
    forward = 2 * usual.profile.totals.macs * batch
    step_flops = 3 * forward - 2 * row_of(profile_of(), "conv1_1").macs.value * batch
    parts = {
        part: sum(row.saved_bytes(batch) for row in rows)
        for part, rows in by_block(usual.profile).items()
        if part != "input"
    }
    yield Section(
        "The trade",
        (
            "Activations are kept because the backward pass reads them. They could also be made again. With "
            "checkpointing, the forward pass keeps each block's input and nothing within the block; when the "
            f"backward pass comes to a block, it runs it forward again, and then back. With {batch} images:",
            Grid(
                f"A step of D, batch {batch}",
                ("", "all kept\n(bytes)", "checkpointed\n(bytes)", "share"),
                (
                    _compared(
                        "live after forward", *(s.fixed_points[Phase.FORWARD] for s in (usual, thrifty))
                    ),
                    _compared("of them for backward", kept(usual), kept(thrifty)),
                    _compared("peak", usual.peak.peak, thrifty.peak.peak),
                ),
            ),
            "It is paid for in compute:",
            Working("run again", plain(again), "FLOPs"),
            Working("a step without", plain(step_flops), "FLOPs"),
            f"so {units.percent(again, step_flops)} more.",
        ),
    )
    yield Section(
        "Why the peak falls by less",
        (
            f"Far less is live after the forward pass, {units.percent(kept(thrifty), kept(usual))} of "
            "what was. The peak falls by less, because to go back through a block it must be whole again, "
            "and block 1 alone keeps almost half of everything:",
            Grid(
                f"Kept for the backward pass of {batch} images",
                ("part", "bytes", "share"),
                tuple((part, size, units.percent(size, kept(usual))) for part, size in parts.items()),
                ("total", sum(parts.values()), None),
            ),
            f"The peak is then in the {where(thrifty.peak.phase, thrifty.peak.layer)}, where the weight "
            "gradients of everything behind block 1 are there as well. To go lower one would have to cut "
            "block 1 itself.",
        ),
    )


def _compared(what: str, usual: int, other: int) -> tuple[Cell, ...]:
    return what, usual, other, units.percent(other, usual)
