"""What a layer is: its output shape, its counts, and what it does to memory.

Each class is the only place that knows its own formulas. Shapes are of one image, ``(C, H, W)`` or
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

from vgg_profile.core.counts import ZERO, Count, plain, product
from vgg_profile.core.events import Category
from vgg_profile.core.sizes import FLOAT32, FLOAT64, HALF, NOTHING, Bytes, Shape
from vgg_profile.predict.vgg.passing import GRADIENTS, OUTPUT, Blocks
from vgg_profile.predict.vgg.tape import Tape
from vgg_profile.predict.vgg.tensors import Backward, Result, Saved, Tensor

INDEX_BYTES = 8
"""PyTorch's max pool records where each maximum was as int64, whatever the dtype."""


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


@dataclass(frozen=True, slots=True)
class Conv2d(Layer):
    """A convolution, stride 1, padded to keep the image size, with a bias.

    >>> Conv2d(3, 64).weights
    Count(value=1728, working='(3*3*3)*64')
    """

    in_channels: int
    out_channels: int
    kernel_size: int = 3
    kind: ClassVar[str] = "conv"

    @property
    def kernel(self) -> int:  # type: ignore[override]
        return self.kernel_size

    def output_shape(self, shape: Shape) -> Shape:
        return (self.out_channels, *shape[1:])

    @property
    def parameter_shapes(self) -> dict[str, Shape]:
        k = self.kernel_size
        return {"weight": (self.out_channels, self.in_channels, k, k), "bias": (self.out_channels,)}

    @property
    def weights(self) -> Count:
        return product(product(self.kernel_size, self.kernel_size, self.in_channels), self.out_channels)

    def macs(self, shape: Shape) -> Count:
        """Every weight, once at every place of the output."""
        _, height, width = shape
        return product(self.weights, product(height, width))

    def trace(self, tape: Tape, x: Tensor, parameters: dict[str, Tensor]) -> Tensor:
        """On the CPU it takes copies in layouts of its own, or columns: ``predict/kernels`` has which.

        On CUDA cuDNN convolves, and ``_convolution`` (ATen/native/Convolution.cpp) adds the bias in place.
        Its workspace is taken and given back within the call (``run_conv_plan`` in cudnn/Conv_v8.cpp).
        """
        weight, bias = parameters["weight"], parameters["bias"]
        forward = backward = Blocks(unknown="the convolution")
        if tape.kernels:
            forward, backward = tape.kernels.convolution(
                x.shape,
                self.out_channels,
                self.kernel_size,
                tape.itemsize_of(x, "lower"),
                wants_input_gradient=x.requires_grad,
                wants_weight_gradient=weight.requires_grad,
            )
        return tape.op(
            "convolution",
            (x, weight, bias),
            Backward("ConvolutionBackward0", saves=(x, weight), blocks=backward),
            Result(self.output_shape(x.shape)),
            blocks=forward,
            autocast="lower",
        )


@dataclass(frozen=True, slots=True)
class Linear(Layer):
    """A fully-connected layer with a bias, from a map of ``fan_in`` (C, H, W) or (N,) values.

    >>> Linear((512, 7, 7), 4096).weights
    Count(value=102760448, working='7*7*512*4096')
    """

    fan_in: Shape
    out_features: int
    kind: ClassVar[str] = "fc"

    @property
    def in_features(self) -> int:
        return prod(self.fan_in)

    def output_shape(self, shape: Shape) -> Shape:
        return (self.out_features,)

    @property
    def parameter_shapes(self) -> dict[str, Shape]:
        return {"weight": (self.out_features, self.in_features), "bias": (self.out_features,)}

    @property
    def weights(self) -> Count:
        channels, *plane = self.fan_in
        return product(*plane, channels, self.out_features)

    def macs(self, shape: Shape) -> Count:
        return self.weights

    def trace(self, tape: Tape, x: Tensor, parameters: dict[str, Tensor]) -> Tensor:
        """On the CPU a product in two bytes a value is oneDNN's, unless that is off.

        Either factor is kept only if the other wants a gradient.
        On CUDA the product is cuBLAS's (``addmm_out_cuda_impl`` in ATen/native/cuda/Blas.cpp): its workspace
        stays (``predict.reserved.workspaces``).
        """
        weight, bias = parameters["weight"], parameters["bias"]
        forward = backward = Blocks(unknown="the matrix product")
        if tape.kernels:
            forward, backward = tape.kernels.product(
                self.in_features,
                self.out_features,
                tape.itemsize_of(x, "lower"),
                wants_input_gradient=x.requires_grad,
                wants_weight_gradient=weight.requires_grad,
            )
        return tape.op(
            "addmm",
            (x, weight, bias),
            Backward(
                "AddmmBackward0",
                saves=[x] * weight.requires_grad + [weight] * x.requires_grad,
                blocks=backward,
            ),
            Result((self.out_features,)),
            blocks=forward,
            autocast="lower",
        )


def _working(size: Bytes) -> Blocks:
    """What a kernel takes beside its output, all at once."""
    return Blocks((f"+{OUTPUT}", "+workspace", "-workspace"), {"workspace": size})


@dataclass(frozen=True, slots=True)
class BatchNorm2d(Layer):
    """Batch normalisation with a learnable scale and shift, and running statistics."""

    channels: int
    kind: ClassVar[str] = "batchnorm"

    @property
    def parameter_shapes(self) -> dict[str, Shape]:
        return {"weight": (self.channels,), "bias": (self.channels,)}

    @property
    def buffer_sizes(self) -> dict[str, tuple[int, int | None]]:
        return {
            "running_mean": (self.channels, None),
            "running_var": (self.channels, None),
            "num_batches_tracked": (1, 8),
        }

    @property
    def weights(self) -> Count:
        return plain(self.channels)

    def trace(self, tape: Tape, x: Tensor, parameters: dict[str, Tensor]) -> Tensor:
        """The batch's mean and inverse deviation are kept, in the dtype that the device's kernel sums in.

        The CPU's kernel keeps them in training alone, in the weights' dtype. While it runs it folds them and
        the parameters to one scale and one shift a channel, in float32 at least. Maps of one value it reads
        as channels last: there each thread sums on its own, beside the sums of all and, in the backward of
        two bytes a value, float32 copies of weight and statistics.

        CUDA has two kernels (``_batch_norm_impl_index`` in ATen/native/Normalization.cpp). cuDNN's, for
        float32 weights, keeps them in training alone, and a reserve of no bytes. PyTorch's own, for weights
        of two bytes or eight, keeps them in eval, too, in float32 at least (cuda/Normalization.cu,
        ``batch_norm_cuda_out``); on maps of one value its backward takes two sums a channel beside.
        """
        weight, bias = parameters["weight"], parameters["bias"]
        on_cpu = tape.device == "cpu"
        is_native = not on_cpu and weight.itemsize != FLOAT32
        is_one_value = x.shape[1:] == (1, 1)
        sums = Bytes(2 * self.channels * max(weight.itemsize, FLOAT32), 0)
        statistic = Bytes(self.channels * max(weight.itemsize, FLOAT32 if is_native else 0), 0)
        statistics = 2 * self.channels * weight.itemsize
        threads = threads_backward = 0
        if tape.kernels and is_one_value:
            threads, threads_backward = tape.kernels.batch_norm_sums(self.channels, x.itemsize)
            if x.itemsize == HALF:
                threads_backward += 3 * self.channels * FLOAT32
            elif not tape.training:
                threads_backward += self.channels * x.itemsize
        work = max(sums.fixed, statistics + threads) if tape.training else sums.fixed
        last = 2 if bias.requires_grad else 0
        on_one_value = sums if is_native and is_one_value else NOTHING
        in_order = x.size if x.requires_grad else NOTHING
        return tape.op(
            "batch_norm",
            (x, weight, bias),
            Backward(
                "NativeBatchNormBackward0",
                saves=(x, weight),
                extras=[
                    Saved(what, Category.STATISTICS, statistic)
                    for what in ("batch mean", "batch inverse deviation")
                    if tape.training or is_native
                ],
                temporaries=[on_one_value if place == last else NOTHING for place in range(3)],
                blocks=Blocks(
                    _COPY_AND_SUMS, {"map in order": in_order, "sums of threads": Bytes(threads_backward, 0)}
                )
                if on_cpu
                else Blocks(),
            ),
            blocks=_working(Bytes(work, 0) if on_cpu else NOTHING),
        )


_COPY_AND_SUMS = (
    *(f"+{each}" for each in GRADIENTS),
    "+map in order",
    "-map in order",
    "+sums of threads",
    "-sums of threads",
)


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
class LocalResponseNorm(Layer):
    """AlexNet's normalisation across ``size`` neighbouring channels, used by A-LRN alone.

    ``b = a / (k + alpha * sum of a² over the neighbours) ** beta``. PyTorch's module divides its
    ``alpha`` by ``size``; the paper's does not, so ``models`` hands over ``alpha * size``.
    """

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 2.0
    kind: ClassVar[str] = "lrn"

    def trace(self, tape: Tape, x: Tensor, parameters: dict[str, Tensor]) -> Tensor:
        """Seven small operations, as ``torch.nn.functional.local_response_norm`` writes them.

        Autocast runs the average pool (CPU) or the power (CUDA) in float32, and the division follows it:
        the lists for float32 in ATen/autocast_mode.h.
        """
        on_cpu = tape.device == "cpu"
        channels, height, width = x.shape
        square = tape.op("mul", (x, x), Backward("MulBackward0", saves=(x, x)), Result(what="squares"))
        padded = tape.op(
            "pad",
            (square,),
            Backward("ConstantPadNdBackward0"),
            Result((channels + self.size - 1, height, width), what="padded squares"),
        )
        tape.drop(square)
        mean = tape.op(
            "avg_pool3d",
            (padded,),
            Backward("AvgPool3DBackward0", saves=(padded,)),
            Result(x.shape, what="mean squares"),
            autocast="float32" if on_cpu else None,
        )
        tape.drop(padded)
        # Python's float alpha becomes a float64 tensor of its own, on the CPU whatever the device.
        alpha = Saved("alpha as a tensor", Category.TEMPORARY, Bytes(FLOAT64, 0), is_number=True)
        scaled = tape.op(
            "mul",
            (mean,),
            Backward("MulBackward0", extras=(alpha,) if on_cpu else ()),
            Result(what="scaled mean"),
        )
        shifted = tape.op(
            "add",
            (scaled,),
            Backward("AddBackward0", passes_gradient=True),
            Result(what="shifted mean"),
            blocks=_working(tape.number(scaled.itemsize)),
        )
        tape.drop(scaled)
        power = tape.op(
            "pow",
            (shifted,),
            Backward("PowBackward0", saves=(shifted,), temporaries=(shifted.size.times(2),)),
            Result(what="divisor"),
            autocast=None if on_cpu else "float32",
        )
        tape.drop(shifted, mean)
        output = tape.op(
            "div",
            (power, x),
            Backward("DivBackward0", saves=(x, power), temporaries=(power.size.times(3), NOTHING)),
            blocks=_working(power.size if on_cpu and power.itemsize != x.itemsize else NOTHING),
        )
        tape.drop(power)
        return output


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
            blocks=_working(sums.plus(Bytes(0, prod(x.shape) * FLOAT32)) if is_lowered else number),
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
