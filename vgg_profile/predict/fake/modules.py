"""What is seen of a network's modules while it runs: their outputs, their calls, their MACs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import prod
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from vgg_profile.core.sizes import Shape
from vgg_profile.predict.fake.fields import Field, Fields
from vgg_profile.run.marks import in_backward
from vgg_profile.run.tensors import of_an_image


class SeenModule(NamedTuple):
    """One module of a network: its place, what it owns, what it gave at its first call, how often it ran.

    ``weights`` and ``biases`` are elements of its own parameters, ``frozen`` those of them that want no
    gradient; one that another module owns too counts with the first. ``outputs`` are the shapes of what it
    gave, without the batch, and ``values`` how many there are of an image.
    """

    path: str
    name: str
    kind: str
    is_leaf: bool
    weights: int
    biases: int
    frozen: int
    buffers: int
    outputs: tuple[Shape, ...]
    values: int
    calls: int
    field: Field | None


class _Given(NamedTuple):
    """What a module gave at its first call."""

    shapes: tuple[Shape, ...]
    field: Field | None


class Outputs:
    """A forward hook for every module of a network; notes the outputs of each."""

    def __init__(self, fields: Fields, batch: int, batch_dim: int) -> None:
        self.fields, self.batch, self.batch_dim = fields, batch, batch_dim
        self.given: dict[nn.Module, _Given] = {}
        self.calls: Counter[nn.Module] = Counter()

    def clear(self) -> None:
        """Forget what was seen: a pass begins anew."""
        self.given.clear()
        self.calls.clear()

    def note(self, module: nn.Module, args: Any, output: Any) -> None:
        if in_backward():  # a checkpoint runs it again
            return
        self.calls[module] += 1
        if module not in self.given:
            tensors = [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]
            field = self.fields.of(tensors[0]) if tensors else None
            self.given[module] = _Given(tuple(tuple(each.shape) for each in tensors), field)

    def seen(self, model: nn.Module, names: Mapping[str, str]) -> tuple[SeenModule, ...]:
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
            shapes, field = self.given.get(module, _Given((), None))
            rows.append(
                SeenModule(
                    path,
                    names.get(path, path),
                    type(module).__name__,
                    not any(True for _ in module.children()),
                    weights,
                    biases,
                    frozen,
                    sum(buffer.numel() for buffer in buffers),
                    tuple(of_an_image(shape, self.batch, self.batch_dim) for shape in shapes),
                    -(-sum(map(prod, shapes)) // self.batch),
                    self.calls[module],
                    field,
                )
            )
        return tuple(rows)
