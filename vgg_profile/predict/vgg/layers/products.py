"""The layers that multiply and accumulate: the convolution and the fully-connected layer."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from vgg_profile.core.counts import Count, product
from vgg_profile.core.sizes import Shape
from vgg_profile.predict.vgg.layers.layer import Layer
from vgg_profile.predict.vgg.tape import Tape
from vgg_profile.predict.vgg.tensors import Backward, Blocks, Result, Tensor, asked


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
        if tape.asks:
            here = x.shape, self.out_channels, self.kernel_size, tape.itemsize_of(x, "lower")
            forward, backward = asked("convolution", (*here, x.requires_grad, weight.requires_grad))
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
        if tape.asks:
            here = self.in_features, self.out_features, tape.itemsize_of(x, "lower")
            forward, backward = asked("product", (*here, x.requires_grad, weight.requires_grad))
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
