"""What a layer is: its output shape, its counts, and what it does to memory.

Shapes are of one image, ``(C, H, W)`` or
``(N,)``. Counting conventions, stated where the counting starts:

* **values** are the elements of an output, per image. A layer that works in place, or returns a view,
  makes no new values.
* **MACs** are multiply-accumulates per image; 1 MAC = 2 FLOPs. Adding a bias, a ReLU, a norm or a pool
  count no MACs, as in the paper's field and in ``torch.utils.flop_counter``.
* **weights** and **biases** are learnable; **buffers** are a batch norm's running statistics.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from vgg_profile.core.counts import ZERO, Count, product
from vgg_profile.core.sizes import Shape
from vgg_profile.predict.vgg.tape import Tape
from vgg_profile.predict.vgg.tensors import Tensor


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer without weights that keeps its input's shape; the others say how they differ."""

    kind: ClassVar[str]
    kernel: ClassVar[int] = 1
    stride: ClassVar[int] = 1

    @property
    def allocates_output(self) -> bool:
        """Whether the output is new memory, rather than the input's, overwritten or looked at."""
        return True

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def values(self, shape: Shape) -> Count:
        """New values per image, counted as height*width*channels, as the notes do."""
        if not self.allocates_output:
            return ZERO
        channels, *plane = self.output_shape(shape)
        return product(*plane, channels)

    @property
    def parameter_shapes(self) -> dict[str, Shape]:
        """The learnable tensors by their name in ``state_dict``."""
        return {}

    @property
    def buffer_sizes(self) -> dict[str, tuple[int, int | None]]:
        """Name → elements and bytes an element (``None``: as the network's dtype)."""
        return {}

    @property
    def weights(self) -> Count:
        return ZERO

    @property
    def biases(self) -> int:
        return prod(self.parameter_shapes.get("bias", (0,)))

    @property
    def buffers(self) -> int:
        return sum(elements for elements, _ in self.buffer_sizes.values())

    def macs(self, shape: Shape) -> Count:
        return ZERO

    def trace(self, tape: Tape, x: Tensor, parameters: dict[str, Tensor]) -> Tensor:
        """Run on a symbolic tensor: record what the layer allocates and what autograd keeps."""
        raise NotImplementedError
