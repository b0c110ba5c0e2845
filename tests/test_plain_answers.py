"""What is answered without the fake tensors' mode is what the kernel gives, and what the mode answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from vgg_profile.predict.fake import plain
from vgg_profile.predict.fake.devices import CARD
from vgg_profile.predict.fake.operations import name_of
from vgg_profile.predict.fake.plain import answer
from vgg_profile.predict.fake.strides import as_the_kernel

aten = torch.ops.aten
MODE = FakeTensorMode()
Args = tuple[Any, ...]

CALLS: dict[Any, Callable[[Tensor, Tensor], Args]] = {
    aten._unsafe_view.default: lambda x, y: (x, (-1,)),
    aten.add_.Tensor: lambda x, y: (x, y),
    aten.add.Tensor: lambda x, y: (x, y),
    aten.add.Scalar: lambda x, y: (x, 2),
    aten.addcdiv.default: lambda x, y: (x, y, y),
    aten.addcmul.default: lambda x, y: (x, y, y),
    aten.alias.default: lambda x, y: (x,),
    aten.as_strided.default: lambda x, y: (x, (2, 3), (3, 1), 1),
    aten.bmm.default: lambda x, y: (x, y.mT),
    aten.clone.default: lambda x, y: (x,),
    aten.copy_.default: lambda x, y: (x, y),
    aten.detach.default: lambda x, y: (x,),
    aten.div.Tensor: lambda x, y: (x, y),
    aten.empty.memory_format: lambda x, y: (x.shape,),
    aten.empty_like.default: lambda x, y: (x,),
    aten.empty_strided.default: lambda x, y: (x.shape, x.stride()),
    aten.exp.default: lambda x, y: (x,),
    aten.expand.default: lambda x, y: (x, (3, *x.shape)),
    aten.fill_.Scalar: lambda x, y: (x, 1),
    aten.gelu.default: lambda x, y: (x,),
    aten.gelu_backward.default: lambda x, y: (x, y),
    aten.hardswish.default: lambda x, y: (x,),
    aten.hardswish_backward.default: lambda x, y: (x, y),
    aten.mm.default: lambda x, y: (x[0], y[0].mT),
    aten.mul.Tensor: lambda x, y: (x, y),
    aten.mul_.Tensor: lambda x, y: (x, y),
    aten.neg.default: lambda x, y: (x,),
    aten.ones.default: lambda x, y: (x.shape,),
    aten.ones_like.default: lambda x, y: (x,),
    aten.permute.default: lambda x, y: (x, (2, 0, 1)),
    aten.pow.Tensor_Scalar: lambda x, y: (x, 2),
    aten.relu.default: lambda x, y: (x,),
    aten.relu_.default: lambda x, y: (x,),
    aten.rsqrt.default: lambda x, y: (x,),
    aten.select.int: lambda x, y: (x, 0, 1),
    aten.sigmoid.default: lambda x, y: (x,),
    aten.sigmoid_backward.default: lambda x, y: (x, y),
    aten.silu.default: lambda x, y: (x,),
    aten.silu_backward.default: lambda x, y: (x, y),
    aten.slice.Tensor: lambda x, y: (x, 1, 1, 3),
    aten.sqrt.default: lambda x, y: (x,),
    aten.sub.Tensor: lambda x, y: (x, y),
    aten.sum.dim_IntList: lambda x, y: (x, [1]),
    aten.t.default: lambda x, y: (x[0],),
    aten.tanh.default: lambda x, y: (x,),
    aten.tanh_backward.default: lambda x, y: (x, y),
    aten.threshold_backward.default: lambda x, y: (x, y, 0),
    aten.transpose.int: lambda x, y: (x, 0, 2),
    aten.unsqueeze.default: lambda x, y: (x, 1),
    aten.view.default: lambda x, y: (x, (-1,)),
    aten.zero_.default: lambda x, y: (x,),
    aten.zeros.default: lambda x, y: (x.shape,),
    aten.zeros_like.default: lambda x, y: (x,),
}
"""Each operation, and how it is called with two tensors (2, 3, 4)."""


def about(out: Tensor, given: Tensor) -> tuple[object, ...]:
    """Form, place, and whether it is a view of what was given."""
    storage = out.untyped_storage()
    is_view = storage._cdata == given.untyped_storage()._cdata
    return (*out.shape, *out.stride(), out.storage_offset(), out.dtype, out.device, storage.nbytes(), is_view)


def test_every_operation_of_the_lists_is_called() -> None:
    assert {name_of(func) for func in CALLS} == plain._KERNELS | plain._MAKERS | plain._ALIKE


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("func", CALLS, ids=str)
def test_it_is_what_the_kernel_gives_and_the_mode(func: Any, dtype: torch.dtype) -> None:
    call = CALLS[func]
    real = torch.ones(2, 3, 4, dtype=dtype)
    kernels = about(func(*call(real, torch.ones(2, 3, 4, dtype=dtype))), real)
    with MODE:
        x, y = (torch.empty(2, 3, 4, dtype=dtype) for _ in range(2))
        args = call(x, y)
        answered, modes = answer(MODE, func, args, {}), func(*args)
    assert isinstance(answered, FakeTensor)
    assert about(as_the_kernel(func, args, {}, answered), x) == about(modes, x)
    if name_of(func) not in plain._MAKERS:
        assert about(answered, x) == kernels


def test_where_it_takes_more_than_a_kernel_the_mode_is_asked() -> None:
    with MODE:
        x, y = torch.empty(2, 3), torch.empty(2, 3)
        turned, row, half = torch.empty(3, 2).t(), torch.empty(3), torch.empty(2, 3, dtype=torch.bfloat16)
        counts, constant, on_card = (
            torch.empty(2, 3).long(),
            torch.tensor(1.0),
            torch.empty(2, 3, device=CARD),
        )
        for func, args, kwargs in (
            (aten.add.Tensor, (x, turned), {}),  # which strides?
            (aten.add.Tensor, (x, row), {}),  # broadcast
            (aten.add.Tensor, (x, half), {}),  # promoted
            (aten.sqrt.default, (counts,), {}),
            (aten.mul.Tensor, (x, 1j), {}),
            (aten.add.Tensor, (x, constant), {}),
            (aten.detach.default, (constant,), {}),  # whose value is known
            (aten.add.Tensor, (x, on_card), {}),
            (aten.add.out, (x, y), {"out": y}),
            (aten.dropout.default, (x, 0.5, True), {}),
        ):
            assert answer(MODE, func, args, kwargs) is None, func
    assert answer(MODE, aten.detach.default, (torch.ones(2),), {}) is None  # a real tensor


def test_what_is_made_is_where_it_is_asked_for() -> None:
    with MODE:
        x = torch.empty(2, 3, device=CARD)
        there = answer(MODE, aten.zeros_like.default, (x,), {})
        here = answer(MODE, aten.zeros_like.default, (x,), {"device": torch.device("cpu")})
    assert there is not None
    assert here is not None
    assert (there.device, here.device) == (CARD, torch.device("cpu"))
