"""What an operation's kernel takes and gives back beside its results: by rule, by probe, or not known.

Each answer is the list of an operation's allocations (> 0) and releases (< 0) in bytes, results and all, as
the allocator sees them; ``None`` where nobody knows. Source of the rules: ATen/native of torch 2.13, the
file named at each.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Any

import torch
from torch import Tensor

from vgg_profile.core.events import Provenance
from vgg_profile.core.sizes import FLOAT32, HALF, ITEMSIZE
from vgg_profile.predict.fake.arithmetic import ARITHMETIC, dtype_of_number
from vgg_profile.predict.fake.layouts import is_transposed
from vgg_profile.predict.fake.operations import (
    RULES,
    Changes,
    OperationMemory,
    in_passing,
    name_of,
    names,
    rule,
)
from vgg_profile.predict.kernels import convolution as kernels
from vgg_profile.predict.kernels.shapes import Convolution, Transposed
from vgg_profile.run.tensors import tensors_in

NOTHING_BESIDE = names(
    """
    _reshape_alias _to_copy _unsafe_view abs addcdiv_ addcmul addcmul_ alias arange
    as_strided as_strided_ bernoulli_ clamp constant_pad_nd detach detach_ empty
    empty_like empty_strided expand fill_ full full_like gelu hardsigmoid
    hardsigmoid_backward hardswish hardswish_ hardswish_backward hardtanh hardtanh_ hardtanh_backward
    leaky_relu leaky_relu_backward lerp_ lift_fresh masked_fill masked_fill_ maximum minimum neg
    new_empty new_empty_strided new_full new_ones new_zeros normal_ ones ones_like permute random_
    relu relu_ resize_ scalar_tensor select set_ sigmoid_ sigmoid_backward silu
    silu_ silu_backward slice split split_with_sizes sqrt_ squeeze t tanh_
    tanh_backward threshold_backward transpose unbind uniform_ unsafe_split unsqueeze view where zero_
    zeros zeros_like _foreach_addcdiv_ _foreach_addcmul_ _foreach_lerp_ _foreach_sqrt _fused_adam_
    _fused_adamw_ _fused_sgd_ randn rand
    """
)
"""Operations that look at each value alone, or at none, and take nothing beside their results."""

NOTHING_IF_CONTIGUOUS = names(
    """
    _adaptive_avg_pool2d _adaptive_avg_pool2d_backward _log_softmax _log_softmax_backward_data _softmax
    _softmax_backward_data addmm avg_pool2d avg_pool2d_backward avg_pool3d avg_pool3d_backward baddbmm
    bmm cat embedding index_select max_pool2d_with_indices max_pool2d_with_indices_backward mm
    nll_loss2d_backward nll_loss2d_forward nll_loss_backward nll_loss_forward select_backward
    slice_backward stack tril triu
    """
)
"""Operations that take nothing beside their results, but may copy an argument that is not contiguous."""

_PRODUCTS = ("addmm", "baddbmm", "bmm", "mm")
"""Of these an argument may be a matrix that is contiguous when transposed."""

_CAST_WHERE_DTYPES_DIFFER = (
    *ARITHMETIC,
    *(f"{name}_" for name in ARITHMETIC),
    "where",
    "maximum",
    "minimum",
)


def by_rule(
    func: Any, args: tuple[Any, ...], results: Sequence[int], processor: str | None = None
) -> OperationMemory | None:
    """What an operation takes, if a rule knows it; oneDNN's own depends on the family of the processor."""
    name = name_of(func)
    if name.startswith("convolution"):
        return convolution(func, args, results, processor)
    known = RULES.get(name)
    if known is not None:
        return known(func, args, results)
    is_known = name in NOTHING_BESIDE or (name in NOTHING_IF_CONTIGUOUS and _is_plain(name, args))
    return OperationMemory(tuple(results)) if is_known else None


def _is_plain(name: str, args: tuple[Any, ...]) -> bool:
    """Whether a kernel reads its arguments as they are."""
    tensors = tensors_in(args)
    if name in _PRODUCTS:  # a product in two bytes a value is oneDNN's, unless that is off
        is_own = not torch.backends.mkldnn.enabled or all(each.element_size() != HALF for each in tensors)
        return is_own and all(
            each.is_contiguous() or is_transposed(each) for each in tensors if each.dim() > 1
        )
    return all(each.is_contiguous() for each in tensors)


@rule("gelu_backward")
def _gelu_backward(func: Any, args: tuple[Any, ...], results: Sequence[int]) -> OperationMemory | None:
    """Of a contiguous input it is oneDNN's, which copies a gradient that lies otherwise, and the result.

    Source: ``gelu_backward_out_cpu`` in ``native/Activation.cpp``. How much is copied follows from how the
    gradient lies, and whether oneDNN is asked at all from how gelu is approximated: nothing is said of it.
    """
    gradient, x = args[:2]
    is_own = not torch.backends.mkldnn.enabled or x.dtype not in (torch.float32, torch.bfloat16)
    is_known = is_own or gradient.is_contiguous() or not x.is_contiguous()
    return OperationMemory(tuple(results)) if is_known else None


@rule("native_batch_norm", "_native_batch_norm_legit")
def _batch_norm(func: Any, args: tuple[Any, ...], results: Sequence[int]) -> OperationMemory | None:
    """One scale and one shift a channel, in float32 at least: ``native/cpu/batch_norm_kernel.cpp``.

    The statistics are kept in the weights' dtype, whatever the input's; in eval there are none:
    ``batch_norm_cpu_update_stats``.
    """
    x = args[0]
    if not x.is_contiguous() or x.shape[2:].numel() == 1:
        return None  # read as channels last, where each thread sums on its own
    itemsize = x.element_size() if args[1] is None else args[1].element_size()
    each = x.shape[1] * max(itemsize, FLOAT32)
    made = (results[0], *(x.shape[1] * itemsize if size else 0 for size in results[1:]))
    return OperationMemory((*made, each, each, -each, -each), made)


@rule("native_batch_norm_backward")
def _batch_norm_backward(func: Any, args: tuple[Any, ...], results: Sequence[int]) -> OperationMemory | None:
    """A copy of the input, for its gradient: ``native/Normalization.cpp``, ``batch_norm_backward_cpu``.

    PyTorch's rule for fake tensors makes each gradient, wanted or not, and none where there are no weights.
    """
    if not (args[0].is_contiguous() and args[1].is_contiguous()) or args[1].shape[2:].numel() == 1:
        return None
    wanted = args[9]
    made = [size if want else 0 for size, want in zip(results, wanted, strict=False)]
    size = args[1].numel() * args[1].element_size() * wanted[0]
    return OperationMemory((*made, size, -size), tuple(made))


@rule("native_layer_norm_backward")
def _layer_norm_backward(func: Any, args: tuple[Any, ...], results: Sequence[int]) -> OperationMemory | None:
    """Each thread sums the two parameters' gradients on its own: ``native/cpu/layer_norm_kernel.cpp``."""
    if not (args[0].is_contiguous() and args[1].is_contiguous()):
        return None  # it is copied first
    if not any(args[7][1:]):
        return OperationMemory(tuple(results))  # it has no parameters, or they are frozen
    size = prod(args[2]) * 2 * torch.get_num_threads() * args[1].element_size()
    return OperationMemory((*results, size, -size))


@rule("mean")
def _mean(func: Any, args: tuple[Any, ...], results: Sequence[int]) -> OperationMemory | None:
    """The sum is divided in place by a number: ``native/ReduceOps.cpp``, ``mean_cpu``.

    In two bytes a value both are done in float32, on a copy.
    """
    size = args[0].element_size()
    if size == HALF:
        taken = _sum_in_float32(args, results)
        return None if taken is None else OperationMemory((*taken[:-1], 8, FLOAT32, -FLOAT32, -8, taken[-1]))
    return OperationMemory((*results, 8, size, -size, -8))


@rule("sum")
def _sum(func: Any, args: tuple[Any, ...], results: Sequence[int]) -> OperationMemory | None:
    """In two bytes a value, two sums nested are taken in float32: ``native/ReduceOps.cpp``, ``sum_out``.

    Whole numbers are summed in int64, on a copy.
    """
    if not (args[0].is_floating_point() or args[0].is_complex()):
        copy = args[0].numel() * 8 * (args[0].dtype != torch.int64)
        return OperationMemory((*results, copy, -copy))
    if args[0].element_size() != HALF or not _is_nested(args[0], _dims(args)):
        return OperationMemory(tuple(results))
    taken = _sum_in_float32(args, results)
    return None if taken is None else OperationMemory(taken)


def _dims(args: tuple[Any, ...]) -> list[int]:
    """The dimensions that a reduction sums: those named, or all."""
    x, named = args[0], args[1] if len(args) > 1 else None
    return [dim % x.dim() for dim in named] if named else list(range(x.dim()))


def _sum_in_float32(args: tuple[Any, ...], results: Sequence[int]) -> Changes | None:
    """A result, a float32 one for it and a float32 copy; ``None`` where another dtype is asked for."""
    x = args[0]
    left = prod(size for dim, size in enumerate(x.shape) if dim not in _dims(args))
    if list(results) != [left * HALF]:
        return None
    copy = x.numel() * FLOAT32
    return (*results, left * FLOAT32, copy, -copy, -left * FLOAT32)


def _is_nested(x: Tensor, dims: Sequence[int]) -> bool:
    """Whether the summed dimensions are more than one after those that lie as one are joined.

    Source: ``reorder_dimensions`` and ``coalesce_dimensions`` in ``ATen/TensorIterator.cpp``.
    """
    lying = sorted((x.stride(dim), x.shape[dim]) for dim in dims if x.shape[dim] != 1)
    return any(size * step != following for (step, size), (following, _) in pairwise(lying))


_TILE = 60
"""A matrix is transposed by square tiles of this side, or twice in bytes: ``native/Copy.cpp``."""


@rule("copy_")
def _copy(func: Any, args: tuple[Any, ...], results: Sequence[int]) -> OperationMemory:
    """A matrix that lies transposed goes tile by tile: ``copy_transpose_valid`` in ``native/Copy.cpp``."""
    to, source = args[0], args[1]
    is_transposed = (
        to.dtype == source.dtype
        and to.shape == source.shape
        and to.dim() == 2
        and to.is_contiguous()
        and source.stride() == (1, source.shape[0])
        and source.numel() >= _TILE**2
    )
    side = 2 * _TILE if to.dtype == torch.uint8 else _TILE
    tile = side**2 * to.element_size() * is_transposed
    return OperationMemory((*results, tile, -tile))


@rule("clone")
def _clone(func: Any, args: tuple[Any, ...], results: Sequence[int]) -> OperationMemory | None:
    """A copy; of a matrix that lies transposed, which may be asked to lie so still, nothing is said."""
    x = args[0]
    is_transposed = x.dim() == 2 and not x.is_contiguous() and x.stride() == (1, x.shape[0])
    return None if is_transposed else OperationMemory(tuple(results))


def convolution(
    func: Any, args: tuple[Any, ...], results: Sequence[int], processor: str | None
) -> OperationMemory | None:
    """What a convolution takes, by ``predict.kernels``: a square one of images that lie as they should.

    A gradient that lies otherwise, half of a concatenation's, is copied first and given back last:
    ``mkldnn_convolution_backward`` in ``native/mkldnn/Conv.cpp``.
    """
    is_backward = func is torch.ops.aten.convolution_backward.default
    if not is_backward and func is not torch.ops.aten.convolution.default:
        return None
    x, weight = args[1:3] if is_backward else args[0:2]
    how = args[4:10] if is_backward else args[3:9]
    stride, padding, dilation, transposed, output_padding, groups = how
    gradient = args[0] if is_backward else None
    others = [each for each in args[is_backward:3] if isinstance(each, Tensor)]
    sides = (weight.shape[2:], stride, padding, dilation, *([output_padding] if transposed else []))
    is_square = all(len(set(each)) == 1 for each in sides)
    if x.dim() != 4 or not is_square or not all(each.is_contiguous() for each in others):
        return None
    wanted = args[10] if is_backward else (True, True, args[2] is not None)
    if not wanted[1] or str(x.dtype).removeprefix("torch.") not in ITEMSIZE or (transposed and groups > 1):
        return None
    what: dict[str, Any] = {
        "batch": x.shape[0],
        "in_channels": x.shape[1],
        "out_channels": weight.shape[1 if transposed else 0],
        "height": x.shape[2],
        "width": x.shape[3],
        "kernel": weight.shape[2],
        "has_bias": bool(wanted[2]),
        "wants_input_gradient": bool(wanted[0]),
        "dtype": str(x.dtype).removeprefix("torch."),
        "stride": stride[0],
        "padding": padding[0],
        "dilation": dilation[0],
        "groups": groups,
    }
    shape = Transposed(**what, output_padding=output_padding[0]) if transposed else Convolution(**what)
    threads, with_onednn = torch.get_num_threads(), bool(torch.backends.mkldnn.enabled)
    known = (kernels.backward if is_backward else kernels.forward)(
        shape, processor, threads, with_onednn=with_onednn
    )
    if known.provenance is not Provenance.RULE or known.kept != sum(results):
        return None
    if gradient is None or gradient.is_contiguous():
        return OperationMemory(known.changes)
    if not with_onednn or not kernels.is_onednns(shape, processor, threads):
        return None
    copy = gradient.numel() * gradient.element_size()
    return OperationMemory((copy, *known.changes, -copy))


@rule("_foreach_add_", "_foreach_sub_", "_foreach_mul_", "_foreach_div_")
def _foreach_with_a_number(func: Any, args: tuple[Any, ...], results: Sequence[int]) -> OperationMemory:
    """One after the other on the CPU, each with its number: ``native/ForeachOpsKernels.cpp``, slow."""
    numbers = args[1] if isinstance(args[1], (list, tuple)) else [args[1]] * len(args[0])
    changes: list[int] = []
    for tensor, number in zip(args[0], numbers, strict=True):
        if not isinstance(number, Tensor):
            own = dtype_of_number(number)
            sizes = [own.itemsize, *([tensor.element_size()] if own != tensor.dtype else [])]
            changes += in_passing(sizes)
    return OperationMemory(tuple(changes))


def in_order(changes: Changes) -> list[tuple[list[int], list[int]]]:
    """Changes as events: what is taken, then what is given back, and so on.

    >>> in_order((8, 4, -4, -8, 2))
    [([8, 4], [4, 8]), ([2], [])]
    """
    events: list[tuple[list[int], list[int]]] = []
    for change in changes:
        if change > 0 and (not events or events[-1][1]):
            events.append(([], []))
        if change > 0:
            events[-1][0].append(change)
        elif change < 0:
            events[-1][1].append(-change)
    return events
