"""PyTorch's own kernels on the CPU: what they take in passing.

Source: ``aten/src/ATen/native`` of torch 2.13, the file named at each rule.
"""

from __future__ import annotations

from math import prod

from vgg_profile.core.sizes import FLOAT32, HALF, ITEMSIZE
from vgg_profile.predict.kernels.shapes import Convolution, Transposed


def is_nnpacks(shape: Convolution) -> bool:
    """Whether NNPACK convolves where oneDNN does not: ``ConvParams::use_nnpack`` in ``Convolution.cpp``.

    PyTorch's wheels for x86 have it, and it runs where AVX2 is.
    """
    is_small = shape.kernel < 17 and shape.dilation == 1 and shape.groups == 1
    return shape.dtype == "float32" and shape.batch >= 16 and is_small


def convolution(shape: Convolution) -> tuple[dict[str, int], dict[str, int]]:
    """What a convolution takes beside its results without oneDNN, forward and backward, in bytes.

    Columns (im2col) of the whole batch: ``ConvolutionMM2d.cpp``. NNPACK's forward takes none through
    PyTorch's allocator; its backward takes those of one image, and a bias's gradient for each image in turn:
    ``NaiveDilatedConvolution.cpp``.
    """
    itemsize = ITEMSIZE[shape.dtype]
    window = shape.in_channels // shape.groups * shape.kernel**2
    columns = window * prod(shape.output_plane) * itemsize
    if is_nnpacks(shape):
        bias = shape.out_channels * itemsize
        zeros = {} if shape.has_bias else {"bias of zeros": bias}
        of_one = (
            {"bias gradient of one image": bias} if shape.has_bias and shape.wants_weight_gradient else {}
        )
        return zeros, {"columns": columns, **of_one}
    is_column = (shape.kernel, shape.stride, shape.pad) == (1, 1, 0)  # a window that neither skips nor pads
    taken = {} if is_column else {"columns": shape.batch * columns}
    return taken, {**taken, **_bias_sums(shape)} if shape.wants_weight_gradient else {}


def transposed(shape: Transposed) -> tuple[dict[str, int], dict[str, int]]:
    """What a transposed convolution takes beside its results without oneDNN, forward and backward, in bytes.

    Columns of the whole batch forward, and of one image for each gradient:
    ``NaiveConvolutionTranspose2d.cpp``.
    """
    window = shape.out_channels * shape.kernel**2
    columns = window * shape.height * shape.width * ITEMSIZE[shape.dtype]
    is_column = (shape.kernel, shape.stride, shape.padding) == (1, 1, 0)
    gradients = {
        "columns of the input gradient": columns * shape.wants_input_gradient * (not is_column),
        "columns": columns * shape.wants_weight_gradient * (not is_column),
    }
    sums = _bias_sums(shape) if shape.wants_weight_gradient else {}
    return {"columns": columns * shape.batch}, {**gradients, **sums}


def _bias_sums(shape: Convolution | Transposed) -> dict[str, int]:
    """In two bytes a value, a bias's gradient over images and places is summed in float32: ``ReduceOps.cpp``.

    It needs two sums nested, one around the channels and one within: where one of them is of one value, none.
    """
    is_nested = min(shape.batch, shape.out_channels, prod(shape.output_plane)) > 1
    if ITEMSIZE[shape.dtype] != HALF or not shape.has_bias or not is_nested:
        return {}
    return {
        "bias gradient in float32": shape.out_channels * FLOAT32,
        "output gradient in float32": shape.output_values * FLOAT32,
    }


def batch_norm_sums(batch: int, channels: int, threads: int, dtype: str) -> tuple[int, int]:
    """What a batch norm on maps of one value takes in training, forward and backward, in bytes.

    It reads them as channels last, and each thread sums on its own: forward one sum a channel, backward two.
    Forward in float32 and float64 it does so only where there are more images than threads. Source:
    ``native/cpu/batch_norm_kernel.cpp``.
    """
    sums = channels * threads * max(ITEMSIZE[dtype], FLOAT32)
    shares = batch > threads or ITEMSIZE[dtype] == HALF
    return sums * shares, 2 * sums
