"""What is seen of a network's modules while it runs: their outputs, their calls, their MACs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from vgg_profile.core.sizes import Shape


class Seen(NamedTuple):
    """One module of a network: its place, what it owns, what it gave at its first call, how often it ran.

    ``weights`` and ``biases`` are elements of its own parameters, ``frozen`` those of them that want no
    gradient; one that another module owns too counts with the first. ``output`` is the shape of its first
    output without dimension 0, ``outputs`` how many there are.
    """

    path: str
    name: str
    kind: str
    is_leaf: bool
    weights: int
    biases: int
    frozen: int
    buffers: int
    output: Shape
    outputs: int
    calls: int
    batches: bool
    """Whether dimension 0 of its output is the batch."""


class Outputs:
    """A forward hook for every module of a network; notes the first output of each."""

    def __init__(self) -> None:
        self.shapes: dict[nn.Module, list[Shape]] = {}
        self.calls: Counter[nn.Module] = Counter()

    def note(self, module: nn.Module, args: Any, output: Any) -> None:
        self.calls[module] += 1
        if module not in self.shapes:
            self.shapes[module] = [
                tuple(leaf.shape) for leaf in tree_leaves(output) if isinstance(leaf, Tensor)
            ]

    def seen(self, model: nn.Module, names: Mapping[str, str], batch: int) -> tuple[Seen, ...]:
        """Every module, in the order of the network."""
        counted: set[int] = set()
        rows = []
        for path, module in model.named_modules():
            weights = biases = frozen = 0
            for name, parameter in module.named_parameters(recurse=False):
                if id(parameter) in counted:
                    continue
                counted.add(id(parameter))
                frozen += parameter.numel() * (not parameter.requires_grad)
                if name.startswith("bias") or name.endswith("bias"):
                    biases += parameter.numel()
                else:
                    weights += parameter.numel()
            buffers = [buffer for buffer in module.buffers(recurse=False) if id(buffer) not in counted]
            counted.update(map(id, buffers))
            shapes = self.shapes.get(module, [])
            first = shapes[0] if shapes else ()
            is_batched = bool(first) and first[0] == batch
            rows.append(
                Seen(
                    path,
                    names.get(path, path),
                    type(module).__name__,
                    not any(True for _ in module.children()),
                    weights,
                    biases,
                    frozen,
                    sum(buffer.numel() for buffer in buffers),
                    first[1:] if is_batched else first,
                    len(shapes),
                    self.calls[module],
                    is_batched,
                )
            )
        return tuple(rows)
