"""The layers without weights: pools, the rectifier, dropout, and the view between maps and rows."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from vgg_profile.core.events import Category
from vgg_profile.core.sizes import FLOAT32, HALF, Bytes, Shape
from vgg_profile.predict.vgg.layers.layer import Layer
from vgg_profile.predict.vgg.tape import Tape
from vgg_profile.predict.vgg.tensors import Backward, Result, Saved, Tensor, working

INDEX_BYTES = 8
"""PyTorch's max pool records where each maximum was as int64, whatever the dtype."""


@dataclass(frozen=True, slots=True)
class ReLU(Layer):
    """The rectifier. In place, as in VGG, it overwrites its input and makes no new values."""

    in_place: bool = True
    kind: ClassVar[str] = "relu"

    @property
    def allocates_output(self) -> bool:
        return not self.in_place

    def trace(self, tape: Tape, x: Tensor, parameters: dict[str, Tensor]) -> Tensor:
        """Its backward reads its own output, so in place or not, the same tensor is kept."""
        backward = Backward("ReluBackward0", saves_output=True)
        return tape.op("relu", (x,), backward, Result(in_place=self.in_place))


@dataclass(frozen=True, slots=True)
class MaxPool2d(Layer):
    """A 2×2 max pool with stride 2, without padding: an odd last row or column is left out."""

    kind: ClassVar[str] = "maxpool"
    kernel: ClassVar[int] = 2
    stride: ClassVar[int] = 2

    def output_shape(self, shape: Shape) -> Shape:
        channels, height, width = shape
        return (channels, height // 2, width // 2)

    def trace(self, tape: Tape, x: Tensor, parameters: dict[str, Tensor]) -> Tensor:
        shape = self.output_shape(x.shape)
        indices = Saved("int64 pool indices", Category.INDICES, Bytes(0, prod(shape) * INDEX_BYTES))
        return tape.op(
            "max_pool2d",
            (x,),
            Backward("MaxPool2DWithIndicesBackward0", saves=(x,), extras=[indices]),
            Result(shape),
        )


@dataclass(frozen=True, slots=True)
class AdaptiveAvgPool2d(Layer):
    """Averages any map to ``size``×``size``; at that size already, it still makes a copy."""

    size: int = 7
    kind: ClassVar[str] = "avgpool"

    def output_shape(self, shape: Shape) -> Shape:
        return (shape[0], self.size, self.size)

    def trace(self, tape: Tape, x: Tensor, parameters: dict[str, Tensor]) -> Tensor:
        """To one value it is a mean, whose backward needs no more than the map's size.

        The CPU divides by a Python number there, and takes a mean of two-byte values in float32
        (``mean_kernel_impl`` in ATen/native/ReduceOps.cpp).
        """
        if self.size == 1:
            return self._mean(tape, x)
        return tape.op(
            "adaptive_avg_pool2d",
            (x,),
            Backward("AdaptiveAvgPool2DBackward0", saves=(x,)),
            Result(self.output_shape(x.shape)),
        )

    def _mean(self, tape: Tape, x: Tensor) -> Tensor:
        number = tape.number(x.itemsize, whole=True)
        is_lowered = tape.device == "cpu" and x.itemsize == HALF
        sums = Bytes(0, x.shape[0] * FLOAT32)
        output = tape.op(
            "mean",
            (x,),
            Backward("MeanBackward1", temporaries=(number,)),
            Result(self.output_shape(x.shape)),
            blocks=working(sums.plus(Bytes(0, prod(x.shape) * FLOAT32)) if is_lowered else number),
        )
        if is_lowered:
            tape.work("div_", sums.plus(tape.number(FLOAT32, whole=True)))
        return output


@dataclass(frozen=True, slots=True)
class Flatten(Layer):
    """A map seen as one row of values: a view, without memory of its own."""

    kind: ClassVar[str] = "flatten"

    @property
    def allocates_output(self) -> bool:
        return False

    def output_shape(self, shape: Shape) -> Shape:
        return (prod(shape),)

    def trace(self, tape: Tape, x: Tensor, parameters: dict[str, Tensor]) -> Tensor:
        backward = Backward("ViewBackward0", passes_gradient=True)
        return tape.op("flatten", (x,), backward, Result(self.output_shape(x.shape), view=True))


@dataclass(frozen=True, slots=True)
class Dropout(Layer):
    """Dropout with rate one half. It makes its output and a mask in training only."""

    kind: ClassVar[str] = "dropout"

    def trace(self, tape: Tape, x: Tensor, parameters: dict[str, Tensor]) -> Tensor:
        """The CPU multiplies with a mask of the input's dtype, CUDA makes one of single bytes on the way.

        Source: ``dropout`` in ATen/native/Dropout.cpp, which takes ``native_dropout`` on CUDA;
        ``dropout_cuda`` in ATen/native/cuda/Dropout.cu allocates the mask as bool, before the output.
        """
        if not tape.training:
            return tape.hold(x)
        if tape.device == "cuda":
            mask_of_bytes = Saved("dropout mask", Category.MASKS, Bytes(0, prod(x.shape)), comes_first=True)
            return tape.op("dropout", (x,), Backward("NativeDropoutBackward0", extras=[mask_of_bytes]))
        mask = tape.tensor(Category.MASKS, "dropout mask", x.shape, x.itemsize)
        tape.work("div_", tape.number(x.itemsize))
        output = tape.op("mul", (x, mask), Backward("MulBackward0", saves=(mask,)))
        tape.drop(mask)
        return output
