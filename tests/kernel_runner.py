"""Single convolutions really run: what the allocator saw beside what the rule says, as JSON lines on stdout.

A process of its own: oneDNN reads once, at its start, which instructions it may use.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from vgg_profile.measure.memory import allocations
from vgg_profile.measure.processor import processor
from vgg_profile.predict.kernels.shapes import Convolution, Product, Transposed

CHANNELS = (1, 2, 3, 4, 5, 8, 12, 15, 16, 17, 24, 31, 32, 48, 64, 96, 128)
SIDES = (1, 2, 3, 5, 6, 7, 8, 9, 11, 14, 16, 19, 28, 33)
MOST = 2**25
"""Multiply-adds of a convolution here: a test runs thousands."""


def shapes(seed: int, count: int, dtype: str) -> Iterator[Convolution]:
    """Random convolutions, small enough to run thousands of."""
    choose = random.Random(seed)
    while count:
        height = choose.choice(SIDES)
        kernel = choose.choice((1, 3, 3, 3, 5, 7))
        width = choose.choice((height, height, height + 3))
        if kernel // 2 > width:
            continue  # padding beyond the image: not derived
        shape = Convolution(
            choose.choice((1, 1, 2, 3, 4, 8, 16, 17)),
            choose.choice(CHANNELS),
            choose.choice(CHANNELS),
            height,
            width,
            kernel,
            has_bias=choose.random() < 0.8,
            wants_input_gradient=choose.random() < 0.8,
            dtype=dtype,
        )
        if shape.output_values * shape.weight_values // shape.out_channels <= MOST:
            count -= 1
            yield shape


def strided_shapes(seed: int, count: int, dtype: str) -> Iterator[Convolution]:
    """Random convolutions that a rule knows and that do not keep a map's size."""
    choose = random.Random(seed)
    while count:
        kernel, stride = choose.choice(
            ((2, 2), (3, 2), (3, 2), (4, 2), (5, 2), (7, 2), (3, 3), (4, 4), (3, 1), (5, 1), (4, 1), (6, 1))
        )
        height, padding = choose.choice(SIDES), choose.choice((0, (kernel - 1) // 2, kernel // 2))
        shape = Convolution(
            choose.choice((1, 2, 2, 3, 4, 8, 17)),
            choose.choice(CHANNELS),
            choose.choice(CHANNELS),
            height,
            choose.choice((height, height, height + 3)),
            kernel,
            has_bias=choose.random() < 0.7,
            wants_input_gradient=choose.random() < 0.8,
            dtype=dtype,
            stride=stride,
            padding=padding,
        )
        reaches = padding <= min(shape.output_plane) > 0 and kernel // 2 <= shape.width
        small = shape.output_values // shape.out_channels * shape.weight_values <= MOST
        if reaches and small and not shape.keeps_its_size:
            count -= 1
            yield shape


def transposed_shapes(seed: int, count: int, dtype: str) -> Iterator[Transposed]:
    """Random transposed convolutions that a rule knows: decoders' and generators' windows, and odd ones."""
    choose = random.Random(seed)
    while count:
        kernel, stride = choose.choice(((2, 2), (3, 2), (4, 2), (2, 3), (3, 1), (4, 1), (5, 2), (5, 3)))
        height = choose.choice(SIDES)
        shape = Transposed(
            choose.choice((1, 1, 2, 2, 3, 4, 8, 17)),
            choose.choice(CHANNELS),
            choose.choice(CHANNELS),
            height,
            choose.choice((height, height, height + 3)),
            kernel,
            has_bias=choose.random() < 0.7,
            wants_input_gradient=choose.random() < 0.8,
            dtype=dtype,
            stride=stride,
            padding=choose.choice((0, (kernel - 1) // 2, kernel // 2)),
            output_padding=choose.choice((0, 0, 0, stride - 1)),
        )
        makes = min(shape.output_plane) > 0 and shape.weight_values * height * shape.width <= MOST
        if makes and shape.padding <= height and kernel // 2 <= shape.output_plane[1]:
            count -= 1
            yield shape


def run(shape: Convolution | Transposed) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What the allocator sees of the convolution, forward and backward."""
    dtype, sides = getattr(torch, shape.dtype), (shape.kernel, shape.kernel)
    images = torch.zeros(shape.batch, shape.in_channels, shape.height, shape.width, dtype=dtype)
    bias = torch.zeros(shape.out_channels, dtype=dtype) if shape.has_bias else None
    if isinstance(shape, Transposed):
        weight = torch.zeros(shape.in_channels, shape.out_channels, *sides, dtype=dtype)
        added = [shape.output_padding] * 2
        how = ([shape.stride] * 2, [shape.padding] * 2, [1, 1], True, added, 1)
    else:
        weight = torch.zeros(shape.out_channels, shape.in_channels, *sides, dtype=dtype)
        how = ([shape.stride] * 2, [shape.pad] * 2, [1, 1], False, [0, 0], 1)
    wanted = [shape.wants_input_gradient, True, shape.has_bias]
    sizes = [shape.out_channels] if shape.has_bias else None
    with torch.no_grad():
        gradient: Tensor = torch.ops.aten.convolution(images, weight, bias, *how)
        forward: Callable[[], object] = lambda: torch.ops.aten.convolution(images, weight, bias, *how)  # noqa: E731
        backward: Callable[[], object] = lambda: torch.ops.aten.convolution_backward(  # noqa: E731
            gradient, images, weight, sizes, *how, wanted
        )
        return allocations(forward), allocations(backward)


def products(seed: int, count: int, dtype: str) -> Iterator[tuple[Product, int, int]]:
    """Random products as a linear layer makes them: shape, threads, and what it takes beside its result."""
    choose = random.Random(seed)
    for _ in range(count):
        threads = choose.choice((1, 2, 3, 4))
        torch.set_num_threads(threads)
        batch = choose.choice((1, 2, 3, 4, 8, 16, 64, 100, 300, 1024))
        inputs, outputs = (choose.choice((10, 64, 100, 500, 1000, 1024, 2048)) for _ in range(2))
        images, weight, gradient = (
            torch.zeros(*shape, dtype=getattr(torch, dtype))
            for shape in ((batch, inputs), (outputs, inputs), (batch, outputs))
        )
        for left, right in ((images, weight.t()), (gradient, weight), (gradient.t(), images)):
            result, *taken = allocations(partial(torch.mm, left, right))
            shape = Product(*left.shape, right.shape[1], dtype)
            assert result == shape.rows * shape.columns * 2
            yield shape, threads, max(taken, default=0)


if __name__ == "__main__":
    what, seed, count, dtype, threads, onednn = sys.argv[1:]
    torch.set_num_threads(int(threads))
    torch.backends.mkldnn.enabled = onednn == "1"  # type: ignore[assignment]
    print(json.dumps(processor() if onednn == "1" else None))
    if what == "products":
        for each in products(int(seed), int(count), dtype):
            print(json.dumps(each))
    elif what == "these":
        for each in json.loads(seed):
            print(json.dumps([each, *run(Transposed(*each))]))
    else:
        make = {"convolutions": shapes, "strided": strided_shapes, "transposed": transposed_shapes}
        for shape in make[what](int(seed), int(count), dtype):
            print(json.dumps([shape, *run(shape)]))
