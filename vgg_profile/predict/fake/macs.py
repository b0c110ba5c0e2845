"""Multiply-accumulates, one formula an operation; 1 MAC = 2 FLOPs.

Matrix products, convolutions, attention and recurrent layers count; what adds, normalises or pools does not.
Source: the shapes of the operations' arguments in ATen's ``native_functions.yaml``.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from torch import Tensor
from torch.utils.flop_counter import flop_registry

from vgg_profile.predict.fake.operations import name_of

Formula = Callable[[tuple[Any, ...], Any], Any]
"""From an operation's arguments and its result to its MACs, a whole number."""

FORMULAS: dict[str, Formula] = {}


def _formula(*names: str) -> Callable[[Formula], Formula]:
    def register(formula: Formula) -> Formula:
        FORMULAS.update(dict.fromkeys(names, formula))
        return formula

    return register


def macs(func: Any, args: tuple[Any, ...], out: Any) -> int:
    """The MACs of one operation."""
    formula = FORMULAS.get(name_of(func))
    return 0 if formula is None else int(formula(args, out))


def is_counted_by_torch(func: Any) -> bool:
    """Whether torch's FlopCounterMode has a formula for an operation, too."""
    return func._overloadpacket in flop_registry


@_formula("mm", "bmm")
def _product(args: tuple[Any, ...], out: Any) -> Any:
    """(…, rows, inner) by (…, inner, columns): rows · inner · columns each."""
    return prod(args[0].shape) * int(args[1].shape[-1])


@_formula("addmm", "baddbmm")
def _product_and_sum(args: tuple[Any, ...], out: Any) -> Any:
    return _product(args[1:], out)


@_formula("addmv", "mv", "dot")
def _vectors(args: tuple[Any, ...], out: Any) -> Any:
    return prod(args[-2].shape)


@_formula("convolution")
def _convolution(args: tuple[Any, ...], out: Any) -> Any:
    """Every weight of a filter at each place of the output; transposed, at each place of the input."""
    x, weight, is_transposed = args[0], args[1], args[6]
    return prod(weight.shape[1:]) * prod((x if is_transposed else out).shape)


@_formula("convolution_backward")
def _convolution_backward(args: tuple[Any, ...], out: Any) -> Any:
    """As many as forward for the input's gradient, and again for the weights'; each if it is wanted."""
    gradient, x, weight, is_transposed, wanted = args[0], args[1], args[2], args[7], args[10]
    forward = prod(weight.shape[1:]) * prod((x if is_transposed else gradient).shape)
    return forward * sum(wanted[:2])


@_formula(
    "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_efficient_attention",
)
def _attention(args: tuple[Any, ...], out: Any) -> Any:
    """Each query with each key, and the weights with the values."""
    query, key, value = args[:3]
    *heads, queries, width = query.shape
    return prod(heads) * queries * key.shape[-2] * (width + value.shape[-1])


@_formula("_scaled_dot_product_flash_attention_for_cpu_backward")
def _attention_backward(args: tuple[Any, ...], out: Any) -> Any:
    """The weights again, then the gradients of values, weights, queries and keys: five products."""
    _, query, key, value = args[:4]
    *heads, queries, width = query.shape
    return prod(heads) * queries * key.shape[-2] * (3 * width + 2 * value.shape[-1])


@_formula("mkldnn_rnn_layer")
def _recurrent(args: tuple[Any, ...], out: Any) -> Any:
    """At each time step the input's weights and the state's."""
    x, of_input, of_state = args[:3]
    return int(x.shape[0] * x.shape[1]) * (of_input.numel() + of_state.numel())


@_formula("mkldnn_rnn_layer_backward")
def _recurrent_backward(args: tuple[Any, ...], out: Any) -> Any:
    weights = [each for each in args[1:3] if isinstance(each, Tensor)]
    return 2 * int(args[0].shape[0] * args[0].shape[1]) * sum(each.numel() for each in weights)
