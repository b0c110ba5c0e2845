"""What a fake result is laid out like, held against the kernels themselves, run on a few numbers."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import permutations, product
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_leaves, tree_map_only

from vgg_profile.measure.memory import allocations
from vgg_profile.predict.fake import layouts, strides
from vgg_profile.predict.fake.layouts import CONTIGUOUS, ELEMENTWISE, LIKE, has_layout
from vgg_profile.predict.fake.operations import OperationMemory
from vgg_profile.predict.fake.plain import answer
from vgg_profile.predict.fake.temporaries import by_rule

aten = torch.ops.aten

MODE = FakeTensorMode()

SHAPES = (
    (2, 3),
    (1, 3),
    (3, 1),
    (2, 1, 4),
    (1, 3, 1),
    (2, 5, 1, 1),
    (1, 5, 3, 3),
    (2, 5, 3, 1),
    (2, 4, 2, 3),
)

ARGUMENTS: dict[str, Any] = {
    "number": 0.5,
    "bool": False,
    "float": 0.5,
    "int": 1,
    "Optional[Generator]": None,
    "Optional[str]": None,
}
"""What is given where an operation takes no tensor, by the type that its schema names."""

BROADCASTS = ELEMENTWISE - {"gelu_backward"}
"""Operations that take tensors of several shapes; oneDNN does not."""


def lying(shape: Sequence[int]) -> list[Tensor]:
    """Numbers of a shape, laid out in every order of its dimensions, and one that is broadcast."""
    numbers = []
    for order in permutations(range(len(shape))):
        back = [order.index(place) for place in range(len(order))]
        numbers.append(torch.full([shape[place] for place in order], 0.5).permute(back))
    return [*numbers, torch.full((shape[-1],), 0.5)]


def overloads(name: str) -> Iterator[Any]:
    packet = getattr(aten, name)
    yield from (each for each in (getattr(packet, one) for one in packet.overloads()) if has_layout(each))


def calls(func: Any) -> Iterator[tuple[list[Any], dict[str, Any]]]:
    """Arguments for an operation: its tensors of one shape each time, however they lie."""
    schema = [each for each in func._schema.arguments if not each.has_default_value()]
    tensors = sum(str(each.type) == "Tensor" for each in schema)
    chance = random.Random(func._schema.name)
    for shape in SHAPES:
        *laid, broadcast = lying(shape)
        laid += [broadcast] * (tensors > 1 and func._schema.name.removeprefix("aten::") in BROADCASTS)
        pairs = list(product(laid, repeat=min(tensors, 2)))
        for pair in chance.sample(pairs, min(len(pairs), 6)):
            given = iter([*pair, *[pair[-1]] * tensors])
            args, kwargs = [], {}
            for each in schema:
                kind = str(each.type)
                value = next(given) if kind == "Tensor" else ARGUMENTS[kind]
                if each.name in ("condition", "mask"):
                    value = value > 0
                elif func is aten.masked_fill.Tensor and each.name == "value":
                    value = torch.tensor(0.5)
                if each.kwarg_only:
                    kwargs[each.name] = value
                else:
                    args.append(value)
            if func._schema.name == "aten::clamp":
                args += [0.0, 1.0] if func is aten.clamp.default else args * 2
            yield args, kwargs


Ask = Callable[[Any, tuple[Any, ...], dict[str, Any]], Any]
"""Who is asked what an operation gives."""


def the_mode(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return func(*args, **kwargs)


def without_a_detour(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    out = answer(MODE, func, args, kwargs)
    return the_mode(func, args, kwargs) if out is None else out


def fake(func: Any, args: list[Any], kwargs: dict[str, Any], ask: Ask) -> list[Tensor]:
    with MODE:
        given = tree_map_only(
            Tensor, lambda each: torch.empty_strided(each.shape, each.stride(), dtype=each.dtype), tuple(args)
        )
        out = strides.as_the_kernel(func, given, kwargs, ask(func, given, kwargs))
    return [each for each in tree_leaves(out) if isinstance(each, Tensor)]


def astray(*functions: Any, ask: Ask = the_mode) -> list[tuple[Any, ...]]:
    """The calls of operations whose fake results lie otherwise than the kernel's."""
    wrong = []
    tried = 0
    for func in functions:
        for args, kwargs in calls(func):
            real = [each.stride() for each in tree_leaves(func(*args, **kwargs)) if isinstance(each, Tensor)]
            seen = [each.stride() for each in fake(func, args, kwargs, ask)]
            tried += 1
            if real != seen:
                given = [(each.shape, each.stride()) for each in args if isinstance(each, Tensor)]
                wrong.append((str(func), given, real, seen))
    assert tried
    return wrong


@pytest.mark.parametrize("ask", [the_mode, without_a_detour])
@pytest.mark.parametrize("name", sorted(ELEMENTWISE | CONTIGUOUS | LIKE))
def test_a_fake_result_lies_as_the_kernel_lays_it(name: str, ask: Ask) -> None:
    assert astray(*overloads(name), ask=ask) == []


def test_copies_lie_as_the_kernel_lays_them_without_a_rule() -> None:
    assert astray(aten.clone.default, aten._to_copy.default) == []


@pytest.mark.parametrize("name", ["gelu", "hardswish_backward", "threshold_backward", "zeros_like"])
def test_without_the_rule_it_lies_otherwise(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strides, "has_layout", lambda func: False)
    assert astray(*overloads(name))


def test_the_order_of_operands_is_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layouts, "SECOND_FIRST", frozenset())
    assert astray(*overloads("threshold_backward"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_gelus_backward_takes_what_the_allocator_says(dtype: torch.dtype) -> None:
    plain, turned = torch.ones(2, 8, 5, dtype=dtype), torch.ones(2, 5, 8, dtype=dtype).mT
    known = 0
    for gradient, x in product((plain, turned, plain[:, :, :1].expand(2, 8, 5)), (plain, turned)):
        seen = allocations(lambda: aten.gelu_backward.default(gradient, x))  # noqa: B023
        taken = by_rule(aten.gelu_backward.default, (gradient, x), [seen[0]])
        if taken is None:
            assert x is plain, "the rule says nothing only of oneDNN's"
        else:
            assert taken == OperationMemory(seen)
            known += 1
    assert known >= 4
