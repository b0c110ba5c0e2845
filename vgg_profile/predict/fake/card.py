"""Which operation a CUDA build of PyTorch calls where a CPU build calls another.

Some functions look at their device and choose: dropout keeps a mask of bytes, a batch norm is cuDNN's,
attention is one of several kernels. Others are cast by autocast on one device and not on the other. While a
network is traced for a card, the dispatcher takes the card's choice for all of them.

Source: ATen of torch 2.13, the file named at each.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.library import Library, fallthrough_kernel
from torch.utils._pytree import tree_map

from vgg_profile.core.errors import InputError
from vgg_profile.core.sizes import FLOAT32, HALF
from vgg_profile.predict.fake.paths import Paths

aten = torch.ops.aten


@contextmanager
def as_on_a_card(paths: Paths) -> Iterator[None]:
    """While this lasts, functions of several kernels choose the one that they would choose on a card."""
    attention = {"scaled_dot_product_attention": paths.adding_in_place(_attention)}
    library: Any = Library("aten", "IMPL")  # type: ignore[no-untyped-call]
    try:
        with warnings.catch_warnings(action="ignore"):  # that autocast's choice is overridden
            for key, kernels in (("AutogradCPU", {**_CHOICES, **attention}), ("AutocastCPU", _casts())):
                for name, kernel in kernels.items():
                    library.impl(name, kernel, key, allow_override=True)
        yield
    finally:
        library._destroy()


# -- dropout and batch norm --------------------------------------------------------------------------


def _dropout(x: Tensor, p: float, train: bool) -> Tensor:
    """``dropout``, ``native/Dropout.cpp``."""
    if not train or p == 0 or not x.numel():
        return x
    if p < 1:
        dropped: Tensor = torch.native_dropout(x, p, train)[0]
        return dropped
    return x * torch.zeros_like(x)


_LARGEST_BATCH = {True: 880801, False: 65535}
"""The most images whose batch norm is cuDNN's, in training and in eval."""

_LEAST_EPSILON = 1e-5
"""The least that cuDNN adds to a variance: ``CUDNN_BN_MIN_EPSILON`` when PyTorch was built."""


def _batch_norm(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor | None,
    variance: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Tensor:
    """``_batch_norm_impl_index``, ``native/Normalization.cpp``."""
    is_cudnns = (
        cudnn_enabled
        and weight is not None
        and bias is not None
        and torch.bfloat16 not in (x.dtype, weight.dtype)
        and (x.dtype != torch.float16 or weight.dtype == torch.float32)
        and (mean is None) == (variance is None)
        and (mean is not None or training)
        and x.dim() >= 3
        and x.shape[0] <= _LARGEST_BATCH[training]
        and eps >= _LEAST_EPSILON
    )
    kernel = aten.cudnn_batch_norm if is_cudnns else aten.native_batch_norm
    out: Tensor = kernel(x, weight, bias, mean, variance, training, momentum, eps)[0]
    return out


# -- attention -----------------------------------------------------------------------------------------


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """``scaled_dot_product_attention``, ``native/transformers/attention.cpp``."""
    keeps = torch.is_grad_enabled() and any(each.requires_grad for each in (query, key, value))
    kernel = _kernel(query, key, value, attn_mask, enable_gqa=enable_gqa)
    if kernel == "math":
        return aten._scaled_dot_product_attention_math(
            query, key, value, attn_mask, dropout_p, is_causal, None, scale=scale, enable_gqa=enable_gqa
        )[0]
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        attn_mask = torch.where(attn_mask, 0.0, -math.inf).to(query.dtype)
    if kernel == "cudnn":
        return aten._scaled_dot_product_cudnn_attention(
            query, key, value, attn_mask, keeps, dropout_p, is_causal, False, scale=scale
        )[0]
    if kernel == "flash":
        return aten._scaled_dot_product_flash_attention(
            query, key, value, dropout_p, is_causal, False, scale=scale
        )[0]
    if attn_mask is not None:
        attn_mask = attn_mask.expand(*query.shape[:3], key.shape[2])
    return aten._scaled_dot_product_efficient_attention(
        query, key, value, attn_mask, keeps, dropout_p, is_causal, scale=scale
    )[0]


def _kernel(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, *, enable_gqa: bool) -> str:
    """Which kernel is asked first: ``native/transformers/cuda/sdp_utils.cpp``, on a Hopper.

    There cuDNN's comes before all others in two bytes a value; wider heads without a mask are flash
    attention's.
    """
    is_4d = all(each.dim() == 4 for each in (query, key, value))
    is_strided = all(each.stride(-1) == 1 for each in (query, key, value, *([] if mask is None else [mask])))
    if not (is_4d and is_strided):
        return "math"
    widths, itemsize = (query.shape[-1], value.shape[-1]), query.element_size()
    if itemsize == HALF and max(widths) <= 128 and all(width % 8 == 0 for width in widths):
        return "cudnn"
    if (
        itemsize == HALF
        and mask is None
        and max(widths) <= 256
        and widths[0] == widths[1]
        and widths[0] % 8 == 0
    ):
        return "flash"
    is_equal = query.shape[1] == key.shape[1] == value.shape[1] and not enable_gqa
    is_aligned = all(width % (16 // itemsize) == 0 for width in widths)
    return "efficient" if itemsize in (HALF, FLOAT32) and is_equal and is_aligned else "math"


# -- what is not predicted ---------------------------------------------------------------------------


def _refused(name: str) -> Callable[..., Any]:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise InputError(
            f"What cuDNN takes for {name} on a card is not known, so it is not predicted.",
            "Measure it on one (`vgg-profile measure`), or ask about --device cpu.",
        )

    return refuse


_CHOICES: dict[str, Callable[..., Any]] = {
    "dropout": _dropout,
    "batch_norm": _batch_norm,
    **{f"{name}.{kind}": _refused(name) for name in ("lstm", "gru") for kind in ("input", "data")},
    **{f"{name}.input": _refused(name) for name in ("rnn_tanh", "rnn_relu")},
}

# -- autocast ------------------------------------------------------------------------------------------

_IN_FLOAT32 = """
    acos asin cosh erfinv exp expm1 log log10 log2 log1p reciprocal rsqrt sinh tan softplus layer_norm
    group_norm pow.Tensor_Scalar pow.Tensor_Tensor pow.Scalar cosine_similarity dist logsumexp norm.Scalar
    norm.ScalarOpt_dim nll_loss nll_loss2d
"""
"""What a card casts to float32 and the CPU does not: ``AT_FORALL_FP32``, ``ATen/autocast_mode.h``."""

_OUT_IN_FLOAT32 = """
    sum sum.dim_IntList cumsum cumprod prod prod.dim_int linalg_vector_norm
"""
"""What a card reads as it is and gives in float32: ``AT_FORALL_FP32_SET_OPT_DTYPE``."""

_SOFTMAXES = {"softmax.int": aten._softmax, "log_softmax.int": aten._log_softmax}
"""On the same list; each with the kernel that reads float16 as it is."""

_LOWERED = "addmv addr mv prelu"
"""What a card casts down and the CPU does not: ``AT_FORALL_LOWER_PRECISION_FP``."""

_AS_IT_IS = "cross_entropy_loss avg_pool3d cat stack index_copy"
"""What the CPU casts and a card does not."""


def _casts() -> dict[str, Callable[..., Any]]:
    return {
        **{name: _cast(name, torch.float32) for name in _IN_FLOAT32.split()},
        **{name: _cast(name, None) for name in _LOWERED.split()},
        **{name: _out_in_float32(name) for name in _OUT_IN_FLOAT32.split()},
        **{name: _softmax_in_float32(name, fused) for name, fused in _SOFTMAXES.items()},
        **dict.fromkeys(_AS_IT_IS.split(), fallthrough_kernel),
    }


def _without_autocast() -> Any:
    return torch._C._ExcludeDispatchKeyGuard(torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastCPU))


def _operation(name: str) -> Any:
    packet, _, overload = name.partition(".")
    return getattr(getattr(aten, packet), overload or "default")


def _cast(name: str, dtype: torch.dtype | None) -> Callable[..., Any]:
    operation = _operation(name)

    def kernel(*args: Any, **kwargs: Any) -> Any:
        wanted = dtype or torch.get_autocast_dtype("cpu")

        def cast(value: Any) -> Any:
            is_float = isinstance(value, Tensor) and value.is_floating_point()
            return value.to(wanted) if is_float and value.dtype != torch.float64 else value

        with _without_autocast():
            return operation(*tree_map(cast, args), **tree_map(cast, kwargs))

    return kernel


def _out_in_float32(name: str) -> Callable[..., Any]:
    operation = _operation(name)

    def kernel(*args: Any, dtype: torch.dtype | None = None, **kwargs: Any) -> Any:
        with _without_autocast():
            return operation(*args, dtype=dtype or torch.float32, **kwargs)

    return kernel


def _softmax_in_float32(name: str, fused: Any) -> Callable[..., Any]:
    """float16 comes out of a softmax as float32; bfloat16 is cast before: ``native/SoftMax.cpp``."""
    operation = _operation(name)

    def kernel(x: Tensor, dim: int, dtype: torch.dtype | None = None) -> Any:
        wanted = dtype or torch.float32
        with _without_autocast():
            if x.dtype == torch.float16 and wanted == torch.float32:
                return fused(x, dim, True)
            return operation(x, dim, wanted)

    return kernel
