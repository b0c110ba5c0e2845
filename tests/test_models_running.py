"""The networks run and learn; how they start; and every byte of them once."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from functools import partial
from math import prod, sqrt
from pathlib import Path

import pytest
import torch
from building import TINY, TINY_BN, assert_whole, same
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from vgg_profile.core.errors import InputError
from vgg_profile.models import VGG, build
from vgg_profile.predict.vgg.configs import from_dict

# -- it runs -------------------------------------------------------------------------------------


def test_a_network_runs_and_learns() -> None:
    net = build(TINY_BN, seed=0)
    logits = net(torch.randn(4, 3, 9, 8))
    assert logits.shape == (4, 7)
    logits.square().sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.count_nonzero(), name
    assert net.features[1].num_batches_tracked == 1


def test_each_step_lets_go_of_the_one_before() -> None:
    net = build(TINY)
    references: list[weakref.ref[Tensor]] = []
    alive: list[bool] = []
    net.features.register_forward_hook(lambda *call: references.append(weakref.ref(call[2])))
    net.avgpool.register_forward_pre_hook(lambda *_: alive.append(references[0]() is not None))
    net.flatten.register_forward_pre_hook(lambda *_: alive.append(references[0]() is not None))
    with torch.no_grad():
        net(torch.randn(1, 3, 8, 8))
    assert alive == [True, False]


def paper_lrn(x: Tensor, alpha: float) -> list[list[float]]:
    """Krizhevsky et al. 2012, section 3.3, with n = 5, k = 2, β = 0.75: channels × places."""
    a = x.flatten(1).tolist()
    n, k, beta, channels = 5, 2.0, 0.75, len(a)
    return [
        [
            a[i][p]
            / (
                k
                + alpha
                * sum(a[j][p] ** 2 for j in range(max(0, i - n // 2), min(channels - 1, i + n // 2) + 1))
            )
            ** beta
            for p in range(len(a[i]))
        ]
        for i in range(channels)
    ]


def test_local_response_normalisation_is_the_papers() -> None:
    norm = build("A-LRN", device="meta").features[2]
    assert isinstance(norm, nn.LocalResponseNorm)
    x = torch.randn(8, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 100
    result = norm(x[None])[0].flatten(1)
    torch.testing.assert_close(result, torch.tensor(paper_lrn(x, 1e-4), dtype=torch.float64))
    as_pytorch_reads_alpha = torch.tensor(paper_lrn(x, 1e-4 / 5), dtype=torch.float64)
    assert (result - as_pytorch_reads_alpha).abs().max() > 1


# -- how it starts -------------------------------------------------------------------------------


@pytest.fixture
def poisoned_memory() -> Iterator[None]:
    """Memory that nobody has filled reads as NaN, or as the largest integer."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    assert torch.empty(1).isnan().all()
    yield
    torch.use_deterministic_algorithms(before)


INITIALISED = from_dict(
    {
        "layers": [16, 64, "conv5-32", "M"],
        "classifier": [64, 40],
        "classes": 30,
        "batch_norm": True,
    }
)


def assert_normal(values: Tensor, deviation: float) -> None:
    """A normal sample: four standard errors of slack for each statistic."""
    count = values.numel()
    assert abs(values.mean()) < 4 * deviation / sqrt(count)
    assert abs(values.std() / deviation - 1) < 4 / sqrt(2 * count)
    assert abs((values.abs() < deviation).double().mean() - 0.6827) < 4 * 0.4654 / sqrt(count)


@pytest.mark.usefixtures("poisoned_memory")
def test_the_initialisation_is_the_notes() -> None:
    net = build(INITIALISED, seed=3)
    kinds = set()
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.out_channels * prod(module.kernel_size)
            assert_normal(module.weight.detach(), sqrt(2 / fan_out))
        elif isinstance(module, nn.Linear):
            assert_normal(module.weight.detach(), 0.01)
        elif isinstance(module, nn.BatchNorm2d):
            assert module.weight.eq(1).all()
            assert module.running_mean is not None
            assert module.running_mean.eq(0).all()
            assert module.running_var is not None
            assert module.running_var.eq(1).all()
            assert module.num_batches_tracked is not None
            assert module.num_batches_tracked.eq(0).all()
        else:
            continue
        kinds.add(type(module))
        assert module.bias is not None
        assert module.bias.eq(0).all()
    assert kinds == {nn.Conv2d, nn.Linear, nn.BatchNorm2d}


def test_the_statistics_tell_one_initialisation_from_another() -> None:
    sample = torch.empty(64, 16, 3, 3)
    generator = torch.Generator().manual_seed(3)
    fan_in, fan_out = sqrt(2 / (16 * 9)), sqrt(2 / (64 * 9))
    assert_normal(nn.init.normal_(sample, 0, fan_out, generator), fan_out)
    for fill in (
        partial(nn.init.normal_, std=fan_in, generator=generator),
        partial(nn.init.uniform_, a=-sqrt(3) * fan_out, b=sqrt(3) * fan_out, generator=generator),
        partial(nn.init.normal_, mean=fan_out / 10, std=fan_out, generator=generator),
        nn.init.zeros_,
    ):
        with pytest.raises(AssertionError):
            assert_normal(fill(sample), fan_out)


def test_a_seed_gives_the_same_network_and_leaves_torchs_generator_alone() -> None:
    before = torch.get_rng_state()
    assert same(build(TINY, seed=1), build(TINY, seed=1))
    assert not same(build(TINY, seed=1), build(TINY, seed=2))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    one = build(TINY)
    assert not same(one, build(TINY))
    torch.manual_seed(1)
    assert same(one, build(TINY))


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_device_and_dtype(device: str, dtype: torch.dtype) -> None:
    assert_whole(build(TINY_BN, device=device, dtype=dtype), device, dtype)


def test_device_and_dtype_default_to_torchs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with torch.device("meta"):
        assert_whole(build(TINY_BN), "meta", torch.float32)
    torch.set_default_dtype(torch.float64)
    try:
        assert_whole(build(TINY_BN), "cpu", torch.float64)
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("device", ["banana", f"cuda:{torch.cuda.device_count()}"])
def test_a_device_that_is_not_there(device: str) -> None:
    with pytest.raises(InputError, match=f"The device '{device}' cannot be used here: .*device=\"cpu\""):
        build(TINY, device=device)


# -- every byte once -----------------------------------------------------------------------------


def live_and_peak(make: Callable[[], VGG]) -> tuple[int, int, int]:
    """The bytes of a network's state, those still live after it was made, and the most live on the way."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        net = make()
    assert profiler.profiler is not None
    assert profiler.profiler.kineto_results is not None
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    live = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        live += event.nbytes()
        peak = max(peak, live)
    return sum(tensor.nbytes for tensor in net.state_dict().values()), live, peak


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_building_allocates_each_byte_once(dtype: torch.dtype) -> None:
    state, live, peak = live_and_peak(lambda: build(TINY_BN, dtype=dtype, seed=0))
    assert state == live == peak


def test_a_second_copy_would_be_seen() -> None:
    state, live, peak = live_and_peak(lambda: build(TINY_BN).to(torch.float16))
    assert state == live < peak
    state, live, _ = live_and_peak(_with_a_stowaway)
    assert state + 400 == live


def _with_a_stowaway() -> VGG:
    net = build(TINY_BN)
    net.__dict__["stowaway"] = torch.ones(100)
    return net


@pytest.mark.parametrize("zipped", [True, False])
def test_loading_allocates_each_byte_once(zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(build(TINY_BN).state_dict(), path, _use_new_zipfile_serialization=zipped)
    state, live, peak = live_and_peak(lambda: build(TINY_BN, weights=path))
    assert state == live == peak


def test_loading_another_dtype_keeps_one_tensor_twice_at_most(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(build(TINY_BN, dtype=torch.float16).state_dict(), path)
    state, live, peak = live_and_peak(lambda: build(TINY_BN, weights=path))
    largest = 12 * 16 * 7 * 7 * 2
    assert state == live
    assert state < peak <= state + largest
