"""A VGG's operations, run alone where no rule knows what they take: the paper's pen asks through here."""

from __future__ import annotations

from itertools import accumulate, count

import torch

from vgg_profile.core.sizes import ITEMSIZE, Shape
from vgg_profile.predict.fake.probe import LARGEST, PROBER, Invocation, TensorSpec, processor
from vgg_profile.predict.kernels.shapes import Convolution, Product
from vgg_profile.predict.vgg.passing import Changes


class OnThisMachine:
    """Runs one operation at a time in another process, and says what its allocator saw."""

    processor = staticmethod(processor)
    threads = staticmethod(torch.get_num_threads)

    def convolution(
        self, shape: Convolution, threads: int, *, onednn: bool, is_backward: bool
    ) -> Changes | None:
        """A convolution's changes in bytes, in order; ``None`` where it is too large, or does not run."""
        specs = _specs(shape.dtype)
        x = specs((shape.batch, shape.in_channels, shape.height, shape.width))
        weight = specs((shape.out_channels, shape.in_channels // shape.groups, shape.kernel, shape.kernel))
        bias = specs((shape.out_channels,)) if shape.has_bias else None
        how = ([shape.stride] * 2, [shape.pad] * 2, [shape.dilation] * 2, False, [0, 0], shape.groups)
        if not is_backward:
            return _ask("convolution", (x, weight, bias, *how), threads, onednn)
        gradient = specs((shape.batch, shape.out_channels, *shape.output_plane))
        wanted = [
            shape.wants_input_gradient,
            shape.wants_weight_gradient,
            shape.wants_weight_gradient and shape.has_bias,
        ]
        arguments = (gradient, x, weight, [shape.out_channels], *how, wanted)
        return _ask("convolution_backward", arguments, threads, onednn)

    def product(
        self, product: Product, threads: int, *, onednn: bool, turned: tuple[bool, bool]
    ) -> int | None:
        """Bytes that a product takes beside its result; ``turned`` are the operands that lie transposed."""
        specs = _specs(product.dtype)
        left = specs((product.rows, product.inner), is_turned=turned[0])
        right = specs((product.inner, product.columns), is_turned=turned[1])
        changes = _ask("mm", (left, right), threads, onednn)
        return None if changes is None else max(accumulate(changes)) - sum(changes)


class _specs:  # noqa: N801 - reads as a function
    """Contiguous tensors of a dtype, numbered as they are named."""

    def __init__(self, dtype: str) -> None:
        self.dtype, self.numbers = dtype, count()

    def __call__(self, shape: Shape, *, is_turned: bool = False) -> TensorSpec:
        strides, step = [], 1
        for size in shape if is_turned else reversed(shape):
            strides.append(step)
            step *= size
        stride = tuple(strides if is_turned else reversed(strides))
        return TensorSpec(shape, stride, 0, self.dtype, next(self.numbers))


def _ask(name: str, arguments: tuple[object, ...], threads: int, onednn: bool) -> Changes | None:
    specs = [each for each in arguments if isinstance(each, TensorSpec)]
    size = sum(torch.Size(each.shape).numel() * ITEMSIZE[each.dtype] for each in specs)
    if size > LARGEST:
        return None
    answer = PROBER.put(Invocation(f"aten::{name}", "default", arguments, {}, threads, onednn))
    return None if answer is None else answer.changes
