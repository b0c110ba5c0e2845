"""The norms: what they keep, and what their kernels take, differs by device and dtype."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vgg_profile.core.counts import Count, plain
from vgg_profile.core.events import Category
from vgg_profile.core.sizes import FLOAT32, FLOAT64, HALF, NOTHING, Bytes, Shape
from vgg_profile.predict.kernels import GRADIENTS
from vgg_profile.predict.vgg.layers.layer import Layer
from vgg_profile.predict.vgg.tape import Tape
from vgg_profile.predict.vgg.tensors import Backward, Blocks, Result, Saved, Tensor, asked, working

_COPY_AND_SUMS = (
    *(f"+{each}" for each in GRADIENTS),
    "+map in order",
    "-map in order",
    "+sums of threads",
    "-sums of threads",
)


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
        of two bytes or eight, and for every map in bfloat16, keeps them in eval, too, in float32 at least
        (cuda/Normalization.cu, ``batch_norm_cuda_out``); on maps of one value its backward takes two sums a
        channel beside.

        In training one image of one value is refused (``_verify_batch_size`` in torch/nn/functional.py).
        """
        weight, bias = parameters["weight"], parameters["bias"]
        on_cpu = tape.device == "cpu"
        is_lowered = tape.amp == "bfloat16" and x.itemsize == HALF
        is_native = not on_cpu and (weight.itemsize != FLOAT32 or is_lowered)
        is_one_value = x.shape[1:] == (1, 1)
        if is_one_value and tape.training:
            tape.refuses_one = tape.refuses_one or tape.layer
        sums = Bytes(2 * self.channels * max(weight.itemsize, FLOAT32), 0)
        statistic = Bytes(self.channels * max(weight.itemsize, FLOAT32 if is_native else 0), 0)
        last = 2 if bias.requires_grad else 0
        on_one_value = sums if is_native and is_one_value else NOTHING
        in_order = x.size if x.requires_grad else NOTHING
        here = self.channels, weight.itemsize, tape.training, in_order
        forward, backward = Blocks(), Blocks()
        if on_cpu and tape.asks and is_one_value:
            forward, backward = asked("batch_norm", (*here, x.itemsize))
        elif on_cpu:
            forward, backward = in_passing(*here)
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
                blocks=backward,
            ),
            blocks=forward,
        )


def in_passing(
    channels: int,
    weight_itemsize: int,
    training: bool,
    in_order: Bytes,
    threads: int = 0,
    threads_backward: int = 0,
) -> tuple[Blocks, Blocks]:
    """What a batch norm takes on the CPU, forward and backward, beside what its ``threads`` sum in, in bytes.

    ``in_order`` is the map, where its gradient is wanted; the items are sizes of a value.
    """
    sums = 2 * channels * max(weight_itemsize, FLOAT32)
    statistics = 2 * channels * weight_itemsize
    work = max(sums, statistics + threads) if training else sums
    sizes = {"map in order": in_order, "sums of threads": Bytes(threads_backward, 0)}
    return working(Bytes(work, 0)), Blocks(_COPY_AND_SUMS, sizes)


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
            blocks=working(tape.number(scaled.itemsize)),
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
            blocks=working(power.size if on_cpu and power.itemsize != x.itemsize else NOTHING),
        )
        tape.drop(power)
        return output
