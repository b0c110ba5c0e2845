"""What is answered without the fake tensors' mode is what the kernel gives, and what the mode answers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensor, FakeTensorMode

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
    aten.bernoulli_.float: lambda x, y: (x, 0.5),
    aten.clamp.default: lambda x, y: (x, 0, 1),
    aten.clamp_.default: lambda x, y: (x, 0, 1),
    aten.clone.default: lambda x, y: (x,),
    aten.copy_.default: lambda x, y: (x, y),
    aten.detach.default: lambda x, y: (x,),
    aten.div.Tensor: lambda x, y: (x, y),
    aten.div_.Scalar: lambda x, y: (x, 0.5),
    aten.div_.Tensor: lambda x, y: (x, y),
    aten.elu.default: lambda x, y: (x,),
    aten.elu_.default: lambda x, y: (x,),
    aten.elu_backward.default: lambda x, y: (x, 1, 1, 1, False, y),
    aten.empty.memory_format: lambda x, y: (x.shape,),
    aten.empty_like.default: lambda x, y: (x,),
    aten.empty_strided.default: lambda x, y: (x.shape, x.stride()),
    aten.exp.default: lambda x, y: (x,),
    aten.expand.default: lambda x, y: (x, (3, *x.shape)),
    aten.fill_.Scalar: lambda x, y: (x, 1),
    aten.gelu.default: lambda x, y: (x,),
    aten.gelu_backward.default: lambda x, y: (x, y),
    aten.hardsigmoid.default: lambda x, y: (x,),
    aten.hardsigmoid_.default: lambda x, y: (x,),
    aten.hardsigmoid_backward.default: lambda x, y: (x, y),
    aten.hardswish.default: lambda x, y: (x,),
    aten.hardswish_.default: lambda x, y: (x,),
    aten.hardswish_backward.default: lambda x, y: (x, y),
    aten.hardtanh.default: lambda x, y: (x, 0, 6),
    aten.hardtanh_.default: lambda x, y: (x, 0, 6),
    aten.hardtanh_backward.default: lambda x, y: (x, y, 0, 6),
    aten.leaky_relu.default: lambda x, y: (x,),
    aten.leaky_relu_.default: lambda x, y: (x,),
    aten.leaky_relu_backward.default: lambda x, y: (x, y, 0.01, False),
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
    aten.sigmoid_.default: lambda x, y: (x,),
    aten.sigmoid_backward.default: lambda x, y: (x, y),
    aten.silu.default: lambda x, y: (x,),
    aten.silu_.default: lambda x, y: (x,),
    aten.silu_backward.default: lambda x, y: (x, y),
    aten.slice.Tensor: lambda x, y: (x, 1, 1, 3),
    aten.sqrt.default: lambda x, y: (x,),
    aten.sub.Tensor: lambda x, y: (x, y),
    aten.sub_.Tensor: lambda x, y: (x, y),
    aten.sum.dim_IntList: lambda x, y: (x, [1]),
    aten.t.default: lambda x, y: (x[0],),
    aten.tanh.default: lambda x, y: (x,),
    aten.tanh_.default: lambda x, y: (x,),
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
    listed = plain._KERNELS | plain._MAKERS | plain._ALIKE | plain._IN_PLACE
    assert {name_of(func) for func in CALLS} == listed


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


NORMS: dict[str, Callable[[Callable[..., Tensor]], tuple[Any, Args]]] = {
    "train": lambda t: (aten.native_batch_norm.default, _norm(t, is_training=True)),
    "eval": lambda t: (aten.native_batch_norm.default, _norm(t, is_training=False)),
    "no running statistics": lambda t: (
        aten.native_batch_norm.default,
        (t(2, 3, 4, 5), t(3), t(3), None, None, True, 0.1, 1e-5),
    ),
    "no weights": lambda t: (
        aten.native_batch_norm.default,
        (t(2, 3, 4, 5), None, None, t(3), t(3), True, 0.1, 1e-5),
    ),
    "of rows": lambda t: (
        aten.native_batch_norm.default,
        (t(4, 3), t(3), t(3), t(3), t(3), True, 0.1, 1e-5),
    ),
    "backward": lambda t: (aten.native_batch_norm_backward.default, _backward(t, is_training=True)),
    "backward, eval": lambda t: (aten.native_batch_norm_backward.default, _backward(t, is_training=False)),
}


def _norm(t: Callable[..., Tensor], *, is_training: bool) -> Args:
    return (t(2, 3, 4, 5), t(3), t(3), t(3), t(3), is_training, 0.1, 1e-5)


def _backward(t: Callable[..., Tensor], *, is_training: bool, wanted: tuple[bool, ...] = (True,) * 3) -> Args:
    saved = (t(3), t(3)) if is_training else (t(0), t(0))
    return (t(2, 3, 4, 5), t(2, 3, 4, 5), t(3), t(3), t(3), *saved, is_training, 1e-5, list(wanted))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("call", NORMS.values(), ids=NORMS)
def test_a_norm_gives_what_its_kernel_gives(
    call: Callable[[Callable[..., Tensor]], tuple[Any, Args]], dtype: torch.dtype
) -> None:
    func, args = call(lambda *shape: torch.ones(shape, dtype=dtype))
    kernels = [about(each, args[0]) for each in func(*args)]
    with MODE:
        func, args = call(lambda *shape: torch.empty(shape, dtype=dtype))
        answered, modes = answer(MODE, func, args, {}), func(*args)
    assert [about(each, args[0]) for each in answered] == kernels
    assert [about(each, args[0]) for each in modes] == kernels


def test_a_norm_that_keeps_other_sums_or_copies_is_asked_of_the_mode() -> None:
    with MODE:
        half = functools.partial(torch.empty, dtype=torch.bfloat16)
        last = torch.empty(2, 3, 4, 5).to(memory_format=torch.channels_last)
        norm, backward = aten.native_batch_norm.default, aten.native_batch_norm_backward.default
        for func, args in (
            (norm, _norm(half, is_training=True)),
            (norm, (half(2, 3, 4, 5), *_norm(torch.empty, is_training=True)[1:])),
            (norm, (last, *_norm(torch.empty, is_training=True)[1:])),
            (norm, (last.double().contiguous(), *_norm(torch.empty, is_training=True)[1:])),
            (backward, _backward(torch.empty, is_training=True, wanted=(True, False, True))),
            (backward, (last, *_backward(torch.empty, is_training=True)[1:])),
            (backward, (torch.empty(2, 3, 4, 5), last, *_backward(torch.empty, is_training=True)[2:])),
        ):
            assert answer(MODE, func, args, {}) is None, args


def test_a_number_that_is_lifted_is_known_and_so_are_its_views() -> None:
    """As of the mode's own: read, changed in place, and seen through a view, it is one storage."""
    for lift in (answer, lambda mode, func, args, kwargs: func(*args)):
        mode = FakeTensorMode()
        for value in (torch.tensor(2.5), torch.ones(1, 1, dtype=torch.int64)):
            known = value.item()
            with mode:
                lifted = lift(mode, aten.lift_fresh.default, (value,), {})
                before = about(lifted, lifted)
                assert about(lifted.view(-1), lifted)[-1] is True
                changed = lifted.add_(1)
                assert about(changed, lifted) == before
                assert changed.item() == known + 1
                lifted.add_(torch.empty((), dtype=value.dtype))
                with pytest.raises(DataDependentOutputException):
                    lifted.item()
            assert value.item() == known


def test_what_is_too_large_to_be_known_is_lifted_by_the_mode() -> None:
    assert answer(MODE, aten.lift_fresh.default, (torch.ones(2),), {}) is None


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
