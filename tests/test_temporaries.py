"""What the rules say that operations take, held against those operations run alone under the allocator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, product
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from tests.zoo import ZOO
from vgg_profile.core.inputs import Input
from vgg_profile.core.setting import Setup
from vgg_profile.measure.memory import allocations
from vgg_profile.predict.fake import temporaries
from vgg_profile.predict.fake.arithmetic import IN_FLOATS
from vgg_profile.predict.fake.numbers import number_bytes
from vgg_profile.predict.fake.one_step import Target, run_on_fakes
from vgg_profile.predict.fake.operations import RULES, OperationMemory
from vgg_profile.predict.fake.probe import PROBER, processor
from vgg_profile.predict.fake.temporaries import by_rule, in_order


def most(changes: Sequence[int]) -> int:
    return max(accumulate(changes), default=0)


MADE_ELSEWHERE = ("lift_fresh", "detach")
"""Operations that hand on a tensor that no operation made: a constant of Python's, a parameter."""


class Doubting:
    """Answers by rule, and asks the allocator whether that was true."""

    def __init__(self) -> None:
        self.wrong: dict[str, tuple[Any, ...]] = {}
        self.proven: set[str] = set()

    def __call__(
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], results: Sequence[int]
    ) -> OperationMemory | None:
        taken = by_rule(func, args, results, processor())
        probed = PROBER.ask(func, args, kwargs)
        name = func._schema.name.removeprefix("aten::")
        if taken and not taken.is_least and probed and name not in MADE_ELSEWHERE:
            number = _number(func, args)
            self.proven.add(name)
            said, seen = (
                (most(taken.changes) + number, sum(taken.changes)),
                (most(probed.changes), sum(probed.changes)),
            )
            if said != seen:
                self.wrong[name] = (said, seen, taken.changes, probed.changes)
        return taken


class Gallery(nn.Module):
    """One of every operation that the rules know and the zoo does not call."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        y = self.fc(x)
        z = F.leaky_relu(F.hardsigmoid(y)) + F.hardtanh(y) + torch.erf(y) + torch.sin(y) * torch.cos(y)
        z = F.hardtanh(F.hardswish(F.silu(z * 1.0, inplace=True) * 1.0, inplace=True) * 1.0, inplace=True)
        z = torch.maximum(z, y) + torch.minimum(z, y) + z.clamp(-1, 1) + torch.rsqrt(z.square() + 1)
        z = (
            torch.where(y > 0, z, y)
            + z.masked_fill(y <= 0, 1.0)
            + (z.abs() + 1).log()
            + (z.abs() + 1).reciprocal()
        )
        z = z + torch.addcmul(y, z, y) + 1 - z + (z.abs() + 1).sqrt_() + (y >= 0).float() + (y != z).float()
        first, second = z.split(8, 1)
        left, right = z.split([4, 12], 1)
        z = torch.cat([second, first], 1) + F.pad(right, (4, 0)) + F.pad(left, (0, 12))
        cube = z.view(-1, 1, 2, 2, 4)
        z = z + (F.avg_pool3d(cube, 2) * 2).mean() + (F.adaptive_avg_pool2d(cube[:, 0], (1, 2)) * 2).mean()
        batched = z.unsqueeze(1).expand(-1, 4, -1).contiguous()
        z = (
            z
            + torch.bmm(batched, batched.mT.contiguous()).sum()
            + torch.tril(batched).sum()
            + torch.triu(batched).mean()
        )
        z = z + torch.baddbmm(batched, batched[:, :, :4].contiguous(), batched).sum()
        chosen = torch.index_select(z, 1, torch.arange(16))
        chosen = chosen + torch.empty_strided((16,), (1,)).fill_(1.0)
        chosen = chosen + torch.empty(16).uniform_() + torch.empty(16).zero_()
        return (
            chosen + torch.full_like(z, 2.0) + z.new_ones(z.shape) + z.new_full(z.shape, 1.0) + torch.rand(16)
        )


NO_KERNEL = temporaries.names(
    """
    alias arange as_strided as_strided_ detach detach_ lift_fresh _reshape_alias resize_ set_ split
    scalar_tensor new_empty new_zeros full randn split_with_sizes
    """
)
"""Views, and factories that fill what they made: nothing of them could take more."""


def _number(func: Any, args: tuple[Any, ...]) -> int:
    """The number that is written down apart, where the schema says tensor."""
    return number_bytes(func, args)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_every_rule_is_what_the_allocator_says(optimizer: str) -> None:
    doubting = Doubting()
    for build, inputs in ZOO.values():
        traced_by(doubting, build, inputs, Setup(optimizer=optimizer))
    assert doubting.wrong == {}


@pytest.mark.slow
def test_no_rule_is_without_its_proof() -> None:
    doubting = Doubting()
    for build, inputs in [*ZOO.values(), (Gallery, ["16"])]:
        traced_by(doubting, build, inputs, Setup(optimizer="adam"))
    for setup in (Setup(optimizer="adam", fused=True), Setup(optimizer="adamw", fused=True)):
        traced_by(doubting, Gallery, ["16"], setup)
    for optimizer in ("adam", "momentum", "sgd"):
        traced_by(doubting, Gallery, ["16"], Setup(optimizer=optimizer, foreach=True))
    traced_by(doubting, Gallery, ["16"], Setup(optimizer="sgd", fused=True))
    assert doubting.wrong == {}
    known = temporaries.NOTHING_BESIDE | temporaries.NOTHING_IF_CONTIGUOUS
    assert known - doubting.proven - NO_KERNEL == set()


def traced_by(doubting: Doubting, build: Any, inputs: list[str], setup: Setup) -> None:
    specs = tuple(map(Input.parse, inputs))
    run_on_fakes(Target(build, specs, None, "float32", "cpu", setup.on("cpu"), doubting), 3)


def test_a_rule_that_is_wrong_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RULES, "mean", lambda func, args, results: OperationMemory((*results, 4096, -4096)))
    doubting = Doubting()
    traced_by(doubting, *ZOO["checkpointed"], Setup())
    assert "mean" in doubting.wrong


def reduced(dtype: torch.dtype) -> Iterator[tuple[str, tuple[Any, ...]]]:
    x = torch.ones(6, 8, 10, dtype=dtype)
    for laid in (x, x.transpose(0, 1), x.permute(2, 0, 1), x[:, ::2]):
        for dims in ([0], [1], [2], [0, 1], [1, 2], [0, 2], [-1], [0, 1, 2]):
            yield "sum.dim_IntList", (laid, dims)
            if dtype.is_floating_point:
                yield "mean.dim", (laid, dims)
        yield "sum.default", (laid,)


def copied(dtype: torch.dtype) -> Iterator[tuple[str, tuple[Any, ...]]]:
    for shape in ((60, 60), (59, 60), (500, 32)):
        plain, turned = torch.ones(shape).to(dtype), torch.ones(shape[::-1]).to(dtype).t()
        for to, source in ((plain, turned), (turned, plain), (plain, plain), (plain, turned[:1])):
            yield "copy_.default", (to, source)
        yield "clone.default", (plain,)


@pytest.mark.parametrize("name", ["float32", "bfloat16", "float64", "uint8", "bool", "int64"])
def test_reductions_and_copies_take_what_the_allocator_says(name: str) -> None:
    dtype, known = getattr(torch, name), 0
    for operation, args in (*reduced(dtype), *copied(dtype)):
        packet, overload = operation.split(".")
        func = getattr(getattr(torch.ops.aten, packet), overload)
        results: list[Tensor] = []
        seen = allocations(lambda: results.append(func(*args)))  # noqa: B023
        made = [] if packet == "copy_" else [each.untyped_storage().nbytes() for each in results]
        taken = by_rule(func, args, made)
        assert taken is not None
        assert tuple(filter(None, taken.changes)) == seen, (operation, [each.shape for each in args[:1]])
        known += len(seen)
    assert known


def taken_alone(name: str, *args: Any) -> tuple[Any, Any]:
    """What the allocator says of an operation, and what the rule does."""
    packet, overload = name.split(".")
    func = getattr(getattr(torch.ops.aten, packet), overload)
    results: list[Tensor] = []
    seen = allocations(lambda: results.append(getattr(torch, packet)(*args)))
    number = number_bytes(func, args)
    taken = by_rule(func, args, [results[0].untyped_storage().nbytes()])
    assert taken is not None
    return seen, (number,) * (number > 0) + taken.changes + (-number,) * (number > 0)


DTYPES = (torch.int64, torch.int32, torch.bool, torch.float32, torch.bfloat16)
WHOLE, HALVES = torch.arange(1, 61), torch.full((60,), 0.5)


@pytest.mark.parametrize("numbers", list(product((3, 2.5, True), repeat=2)), ids=str)
@pytest.mark.parametrize("name", ["add", "mul", "div"])
def test_arithmetic_on_numbers_alone_takes_what_the_allocator_says(name: str, numbers: Any) -> None:
    """``torch.div(length, window, rounding_mode="trunc")``, with which attention counts its windows."""
    seen, said = taken_alone(f"{name}.Tensor", *numbers)
    assert seen == said


@pytest.mark.parametrize("other", [2, 2.5, WHOLE, HALVES], ids=["2", "2.5", "whole", "halves"])
@pytest.mark.parametrize(
    "dtype", [torch.int64, torch.int32, torch.bool, torch.float32, torch.bfloat16], ids=str
)
def test_a_quotient_of_whole_numbers_is_computed_in_floats(dtype: torch.dtype, other: Any) -> None:
    seen, said = taken_alone("div.Tensor", WHOLE.to(dtype), other)
    assert seen == said


@pytest.mark.parametrize(
    "dtype", [torch.int64, torch.int32, torch.bool, torch.float32, torch.bfloat16], ids=str
)
@pytest.mark.parametrize("name", sorted(IN_FLOATS))
def test_a_function_of_whole_numbers_casts_them(name: str, dtype: torch.dtype) -> None:
    seen, said = taken_alone(f"{name}.default", HALVES.to(dtype))
    assert seen == said


@pytest.mark.parametrize(
    ("name", "base", "exponent"),
    [
        *(("pow.Tensor_Scalar", x, number) for x in (WHOLE, HALVES) for number in (2, 0.5, 1.5, -1.0)),
        *(
            ("pow.Scalar", number, x)
            for x in (WHOLE, HALVES, HALVES.bfloat16())
            for number in (1, 2, 10000.0)
        ),
        *(("pow.Tensor_Tensor", x, y) for x in (WHOLE, HALVES) for y in (WHOLE, HALVES)),
    ],
)
def test_a_power_takes_what_the_allocator_says(name: str, base: Any, exponent: Any) -> None:
    seen, said = taken_alone(name, base, exponent)
    assert seen == said


def test_changes_become_events() -> None:
    assert in_order((8, 4, -4, 16, -8)) == [([8, 4], [4]), ([16], [8])]
    assert in_order(()) == []


def test_a_product_of_two_bytes_a_value_is_not_known() -> None:
    half = torch.zeros(4, 4, dtype=torch.bfloat16)
    assert by_rule(torch.ops.aten.mm.default, (half, half), [32]) is None
    single = half.float()
    assert by_rule(torch.ops.aten.mm.default, (single, single), [64]) == OperationMemory((64,))
