"""What a kernel takes on a card beside its results: by rule, or not known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from vgg_profile.core.sizes import FLOAT32
from vgg_profile.predict.fake.operations import OperationMemory, in_passing, name_of, names
from vgg_profile.predict.kernels.cuda_reduction import reduction

Rule = Callable[[tuple[Any, ...], Sequence[int]], OperationMemory | None]


def on_a_card(
    func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], results: Sequence[int]
) -> OperationMemory | None:
    """An operation's changes on a card; at least its results, where no rule says how much more."""
    name = name_of(func)
    rule = _RULES.get(name)
    return (
        OperationMemory(tuple(results), is_least=name in _TAKE_MORE) if rule is None else rule(args, results)
    )


_TAKE_MORE = names(
    """
    _cudnn_attention_backward _scaled_dot_product_cudnn_attention
    _scaled_dot_product_cudnn_attention_backward _scaled_dot_product_flash_attention
    _scaled_dot_product_flash_attention_backward all any avg_pool2d_backward convolution
    convolution_backward cumsum embedding_dense_backward index_put index_put_ linalg_vector_norm
    native_group_norm_backward roll sort topk
    """
)
"""Operations that take more than their results, and no rule here says how much."""


def _dropout(args: tuple[Any, ...], results: Sequence[int]) -> OperationMemory:
    """The mask comes first: ``native/cuda/Dropout.cu``."""
    return OperationMemory(tuple(reversed(results)))


def _batch_norm(args: tuple[Any, ...], results: Sequence[int]) -> OperationMemory:
    """PyTorch's own keeps both statistics in float32, in eval too: ``native/cuda/Normalization.cu``."""
    statistics = args[0].shape[1] * max(args[0].element_size(), FLOAT32)
    made = (results[0], statistics, statistics, *results[3:])
    return OperationMemory(made, made)


def _cudnn_batch_norm(args: tuple[Any, ...], results: Sequence[int]) -> OperationMemory:
    """That of cuDNN keeps both in the weight's dtype, in training alone: ``native/cudnn/BatchNorm.cpp``."""
    statistics = args[1].numel() * args[1].element_size() if args[5] else 0
    made = (results[0], statistics, statistics, *(0 for _ in results[3:]))
    return OperationMemory(made, made)


def _efficient_attention(args: tuple[Any, ...], results: Sequence[int]) -> OperationMemory:
    """The numbers that the dropout was drawn with stay with the host: ``cuda/attention.cu``."""
    made = (*results[:2], *(0 for _ in results[2:]))
    return OperationMemory(made, made)


def _softmax_backward(args: tuple[Any, ...], results: Sequence[int]) -> OperationMemory:
    """The gradient times the output, before: ``native/cuda/SoftMax.cu``."""
    size = _bytes(args[0])
    return OperationMemory((size, *results, -size))


def _reduction(args: tuple[Any, ...], results: Sequence[int]) -> OperationMemory | None:
    """A sum or a mean over some dimensions, or all."""
    x: Tensor = args[0]
    dims = args[1] if len(args) > 1 and isinstance(args[1], (list, tuple)) and args[1] else range(x.dim())
    if not x.is_floating_point() or x.element_size() > FLOAT32:
        return OperationMemory(tuple(results), is_least=True)
    taken = reduction(x.shape, x.stride(), [dim % x.dim() for dim in dims], x.element_size())
    return OperationMemory((*results, *in_passing(taken)))


def _layer_norm(args: tuple[Any, ...], results: Sequence[int]) -> OperationMemory:
    """It copies an input that is not contiguous: ``native/cuda/layer_norm_kernel.cu``."""
    copies = [_bytes(args[0])] if not args[0].is_contiguous() else []
    return OperationMemory(in_passing(copies, results))


def _layer_norm_backward(args: tuple[Any, ...], results: Sequence[int]) -> OperationMemory:
    """The same for its two maps; how it sums the parameters' gradients is up to the kernel."""
    copies = [_bytes(each) for each in args[:2] if not each.is_contiguous()]
    return OperationMemory(in_passing(copies, results), is_least=True)


def _efficient_attention_backward(args: tuple[Any, ...], results: Sequence[int]) -> OperationMemory:
    """The gradient times the output, in float32, and its sums, twice: ``cuda/attention_backward.cu``.

    What the kernel itself takes is up to its tiles.
    """
    gradient: Tensor = args[0]
    product = gradient.numel() * FLOAT32
    sums = gradient.shape[:3].numel() * FLOAT32
    taken = (product, sums, sums, -sums, -product, -sums)
    return OperationMemory((*results, *taken), is_least=True)


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


_RULES: dict[str, Rule] = {
    "native_dropout": _dropout,
    "native_batch_norm": _batch_norm,
    "cudnn_batch_norm": _cudnn_batch_norm,
    "_scaled_dot_product_efficient_attention": _efficient_attention,
    "_scaled_dot_product_efficient_attention_backward": _efficient_attention_backward,
    "_softmax_backward_data": _softmax_backward,
    "sum": _reduction,
    "mean": _reduction,
    "native_layer_norm": _layer_norm,
    "native_layer_norm_backward": _layer_norm_backward,
}
