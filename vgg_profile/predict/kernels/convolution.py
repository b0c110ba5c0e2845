"""A convolution on the CPU: which library takes it, and what it then takes in passing, event by event.

In float32 it is oneDNN's unless it is small; in two bytes a value, oneDNN's if the processor computes in
these; in float64, or with oneDNN off, PyTorch's own or NNPACK's. Source: ``ConvParams::use_mkldnn`` in
``aten/src/ATen/native/Convolution.cpp``, torch 2.13.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from vgg_profile.core.events import Provenance, least_certain
from vgg_profile.core.sizes import ITEMSIZE
from vgg_profile.predict.kernels import (
    BIAS_GRADIENT,
    INPUT_GRADIENT,
    OUTPUT,
    WEIGHT_GRADIENT,
    Order,
    aten_cpu,
    is_onednns_half,
    onednn,
    onednn_strided,
    onednn_transposed,
)
from vgg_profile.predict.kernels.events import Passing, in_order
from vgg_profile.predict.kernels.shapes import Convolution, Transposed

SMALL = 20_480
"""Values of one image that PyTorch convolves itself."""

FORWARD = (
    "+columns",
    "+scratchpad",
    "+input in blocks",
    "+weight in blocks",
    "+output in blocks",
    "-weight in blocks",
    "-input in blocks",
    "-scratchpad",
    "+output, channels last",
    "+output",
    "-output, channels last",
    "-output in blocks",
    "-columns",
    "+bias of zeros",
    "-bias of zeros",
)

BACKWARD = (
    "+output gradient in blocks",
    "+weight in blocks",
    "+input gradient in blocks",
    "+scratchpad of the input gradient",
    "-scratchpad of the input gradient",
    "-weight in blocks",
    "-output gradient in blocks",
    "+input gradient, channels last",
    "+input gradient",
    "-input gradient, channels last",
    "-input gradient in blocks",
    "+output gradient in blocks, again",
    "+input in blocks",
    "+weight gradient in blocks",
    "+scratchpad of the weight gradient",
    "+bias gradient of oneDNN",
    "-scratchpad of the weight gradient",
    "-input in blocks",
    "-output gradient in blocks, again",
    "+bias gradient",
    "+bias gradient in float32",
    "+output gradient in float32",
    "-output gradient in float32",
    "-bias gradient in float32",
    "+weight gradient",
    "-weight gradient in blocks",
    "-bias gradient of oneDNN",
    "+columns",
    "+bias gradient of one image",
    "-bias gradient of one image",
    "-columns",
)
"""The blocks of every library: each takes its own of them, and all make their results in this order.

But NNPACK, which makes the bias's gradient last, and that of one image once for each.
"""

_WEIGHTS, _COLUMNS = BACKWARD.index("+output gradient in blocks, again"), BACKWARD.index("+columns")

TRANSPOSED_FORWARD = (*(step for step in FORWARD if "columns" not in step), "+columns", "-columns")
TRANSPOSED_BACKWARD = (
    *BACKWARD[:_WEIGHTS],
    "+columns of the input gradient",
    "-columns of the input gradient",
    *BACKWARD[_WEIGHTS:_COLUMNS],
    "+columns",
    "-columns",
)
"""A transposed convolution's: its own columns come after the result that they are for."""

_OF_FORWARD = {
    "map": "input in blocks",
    "other": "weight in blocks",
    "result": "output in blocks",
    "scratchpad": "scratchpad",
    "again": "output, channels last",
}
_OF_DATA = {
    "map": "output gradient in blocks",
    "other": "weight in blocks",
    "result": "input gradient in blocks",
    "scratchpad": "scratchpad of the input gradient",
    "again": "input gradient, channels last",
}
_OF_WEIGHTS = {
    "map": "output gradient in blocks, again",
    "other": "input in blocks",
    "result": "weight gradient in blocks",
    "scratchpad": "scratchpad of the weight gradient",
}
"""What each copy of oneDNN's primitives is called among the blocks."""


class Sizes(NamedTuple):
    """The bytes of each block that a convolution takes, and how far they are known."""

    forward: dict[str, int]
    backward: dict[str, int]
    forward_provenance: Provenance = Provenance.RULE
    backward_provenance: Provenance = Provenance.RULE
    bounded: frozenset[str] = frozenset()
    """The blocks of which only a most is known."""


def is_onednns(shape: Convolution | Transposed, processor: str | None, threads: int) -> bool:
    """Whether PyTorch hands a convolution to oneDNN, where that is on.

    >>> small = Convolution(1, 64, 64, 14, 14)
    >>> is_onednns(small, "avx512", 1), is_onednns(small._replace(batch=2), "avx512", 1)
    (False, True)
    """
    if shape.dtype != "float32":
        return is_onednns_half(shape.dtype, processor)
    is_wide = max(shape.kernel, shape.stride, shape.dilation) > 1
    return (is_wide or shape.batch >= 16 or threads > 1) and (
        shape.groups > 1 or shape.kernel > 3 or shape.batch > 1 or shape.input_values > SMALL
    )


@lru_cache(maxsize=4096, typed=True)
def sizes(
    shape: Convolution | Transposed, processor: str | None, threads: int, *, with_onednn: bool = True
) -> Sizes:
    """Every block that a convolution takes, forward and backward, in bytes; its results are among them.

    ``processor`` is one of ``core.setting.PROCESSORS``, ``None`` one that no rule knows; ``threads`` is
    ``torch.get_num_threads()``.
    """
    itemsize = ITEMSIZE[shape.dtype]
    output = shape.output_values * itemsize
    bias = shape.out_channels * itemsize * shape.has_bias
    results = {
        INPUT_GRADIENT: shape.input_values * itemsize * shape.wants_input_gradient,
        WEIGHT_GRADIENT: shape.weight_values * itemsize * shape.wants_weight_gradient,
        BIAS_GRADIENT: bias * shape.wants_weight_gradient,
    }
    if not (with_onednn and is_onednns(shape, processor, threads)):
        if isinstance(shape, Transposed):
            beside, beside_gradients = aten_cpu.transposed(shape)
        else:
            beside, beside_gradients = aten_cpu.convolution(shape)
        return Sizes({OUTPUT: output, **beside}, {**results, **beside_gradients})
    if processor is None:
        return Sizes({OUTPUT: output}, results, Provenance.UNKNOWN, Provenance.UNKNOWN)
    if isinstance(shape, Transposed):
        forward, data, weights = onednn_transposed.primitives(shape, processor, threads)
    else:
        library = onednn if shape.keeps_its_size else onednn_strided
        forward, data, weights = library.primitives(shape, processor, threads)
    wanted = [(forward, _OF_FORWARD)]
    wanted += [(data, _OF_DATA)] * shape.wants_input_gradient
    wanted += [(weights, _OF_WEIGHTS)] * shape.wants_weight_gradient
    ahead, *back = (
        {what: getattr(primitive, field) for field, what in names.items()} for primitive, names in wanted
    )
    beside = {"bias gradient of oneDNN": bias} if shape.wants_weight_gradient else {}
    return Sizes(
        {OUTPUT: output, **ahead},
        {**results, **{what: size for each in back for what, size in each.items()}, **beside},
        forward.provenance,
        least_certain(primitive.provenance for primitive, _ in wanted[1:]),
        frozenset(
            names[field]
            for primitive, names in wanted
            if primitive.provenance is Provenance.BOUND
            for field in primitive.bounded
            if field in names
        ),
    )


def orders(shape: Convolution | Transposed) -> tuple[Order, Order]:
    """In which order its blocks come and go, forward and backward."""
    return (TRANSPOSED_FORWARD, TRANSPOSED_BACKWARD) if isinstance(shape, Transposed) else (FORWARD, BACKWARD)


def forward(
    shape: Convolution | Transposed, processor: str | None, threads: int, *, with_onednn: bool = True
) -> Passing:
    """The events of ``aten::convolution``.

    >>> forward(Convolution(1, 2, 4, 8, 8), "avx512", 1).changes  # columns, the output, the columns again
    (4608, 1024, -4608)
    """
    known = sizes(shape, processor, threads, with_onednn=with_onednn)
    return in_order(orders(shape)[0], known.forward, known.forward_provenance)


def backward(
    shape: Convolution | Transposed, processor: str | None, threads: int, *, with_onednn: bool = True
) -> Passing:
    """The events of ``aten::convolution_backward``, for the weight, the bias and, if wanted, the input."""
    known = sizes(shape, processor, threads, with_onednn=with_onednn)
    return in_order(orders(shape)[1], known.backward, known.backward_provenance)
