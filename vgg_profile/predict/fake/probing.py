"""A VGG's operations, run alone where no rule knows what they take: the paper's pen asks through here."""

from __future__ import annotations

from itertools import accumulate, count

import torch

from vgg_profile.core.sizes import ITEMSIZE, Shape
from vgg_profile.predict.fake.probe import LARGEST, PROBER, Form, Question, processor
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
        forms = _forms(shape.dtype)
        x = forms((shape.batch, shape.in_channels, shape.height, shape.width))
        weight = forms((shape.out_channels, shape.in_channels // shape.groups, shape.kernel, shape.kernel))
        bias = forms((shape.out_channels,)) if shape.has_bias else None
        how = ([shape.stride] * 2, [shape.pad] * 2, [shape.dilation] * 2, False, [0, 0], shape.groups)
        if not is_backward:
            return _ask("convolution", (x, weight, bias, *how), threads, onednn)
        gradient = forms((shape.batch, shape.out_channels, *shape.output_plane))
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
        forms = _forms(product.dtype)
        left = forms((product.rows, product.inner), is_turned=turned[0])
        right = forms((product.inner, product.columns), is_turned=turned[1])
        changes = _ask("mm", (left, right), threads, onednn)
        return None if changes is None else max(accumulate(changes)) - sum(changes)


class _forms:  # noqa: N801 - reads as a function
    """Contiguous tensors of a dtype, numbered as they are named."""

    def __init__(self, dtype: str) -> None:
        self.dtype, self.numbers = dtype, count()

    def __call__(self, shape: Shape, *, is_turned: bool = False) -> Form:
        strides, step = [], 1
        for size in shape if is_turned else reversed(shape):
            strides.append(step)
            step *= size
        stride = tuple(strides if is_turned else reversed(strides))
        return Form(shape, stride, 0, self.dtype, next(self.numbers))


def _ask(name: str, arguments: tuple[object, ...], threads: int, onednn: bool) -> Changes | None:
    forms = [each for each in arguments if isinstance(each, Form)]
    size = sum(torch.Size(each.shape).numel() * ITEMSIZE[each.dtype] for each in forms)
    if size > LARGEST:
        return None
    answer = PROBER.put(Question(f"aten::{name}", "default", arguments, {}, threads, onednn))
    return None if answer is None else answer.changes
