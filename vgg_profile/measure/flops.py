"""FLOPs of a real pass, as torch's FlopCounterMode counts them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor, nn
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from vgg_profile.measure.record import Reading
from vgg_profile.measure.vocabulary import FLOP_COUNTER, SHAPE_METHOD
from vgg_profile.run.marks import in_backward, layers_among
from vgg_profile.run.step import TrainingStep
from vgg_profile.run.tensors import of_an_image


class _ForwardCounts:
    """A recorder that keeps what had been counted when the forward pass was over."""

    def __init__(self, counter: FlopCounterMode) -> None:
        self.counter = counter
        self.counts: dict[str, int] = {}

    def mark(self, phase: str, layer: str = "", *, if_used: bool = False) -> None:
        if phase in ("loss", "end") and not self.counts:
            self.counts = _by_module(self.counter)


def _by_module(counter: FlopCounterMode) -> dict[str, int]:
    """FLOPs so far by module; the whole is called ``Global``."""
    counts = {module: sum(flops.values()) for module, flops in counter.get_flop_counts().items()}
    return {"Global": counter.get_total_flops(), **counts}


def count_flops(step: TrainingStep, batch: int, batch_dim: int = 0) -> Iterator[Reading]:
    """Run one real step and count FLOPs, forward and in all, and see the first output's shape of each layer.

    A module of modules is none: its FLOPs are theirs, and its time is what it takes beside them.

    FlopCounterMode sees every operation, and knows in whose forward or backward it was made.
    """
    layers = layers_among(step.model, step.names)
    shapes: dict[str, list[int]] = {}

    def note(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def write(module: nn.Module, args: Any, output: Any) -> None:
            tensors = [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]
            if tensors and not in_backward():
                shapes.setdefault(name, list(of_an_image(tensors[0].shape, batch, batch_dim)))

        return write

    hooks = [
        step.model.get_submodule(path).register_forward_hook(note(name)) for path, name in layers.items()
    ]
    try:
        with FlopCounterMode(display=False) as counter:
            forward = _ForwardCounts(counter)
            step.run(forward)
    finally:
        for hook in hooks:
            hook.remove()

    for name, shape in shapes.items():
        yield Reading("output_shape", shape, "values", SHAPE_METHOD, name)
    root = type(step.model).__name__
    counted = {"forward_flops": forward.counts}
    if step.setup.has_backward:
        counted["forward_backward_flops"] = _by_module(counter)
    for quantity, counts in counted.items():
        yield Reading(quantity, counts["Global"], "FLOP", FLOP_COUNTER)
        for path, name in layers.items():
            yield Reading(
                quantity, counts.get(f"{root}.{path}" if path else "Global", 0), "FLOP", FLOP_COUNTER, name
            )


def count_all_flops(step: TrainingStep) -> int:
    """FLOPs of a whole step, whatever it runs twice."""
    with FlopCounterMode(display=False) as counter:
        step.run(_ForwardCounts(counter))
    return int(counter.get_total_flops())
