"""The networks that are built: torchvision's layout, the walker's counts, the notes' weights, checkpoints."""

from __future__ import annotations

import hashlib
import pickle
import re
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from math import prod, sqrt
from pathlib import Path
from typing import Any

import pytest
import torch
from facts import PAPER, TORCHVISION
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from vgg_profile import models
from vgg_profile.core.errors import InputError
from vgg_profile.models import VGG, build, networks
from vgg_profile.models import weights as filling
from vgg_profile.predict.vgg.configs import Config, from_dict
from vgg_profile.predict.vgg.configs import config as find_config
from vgg_profile.predict.vgg.layers import Layer
from vgg_profile.predict.vgg.walk import walk

TINY = from_dict(
    {"name": "tiny", "layers": [8, "M", "conv1-16", "LRN", "M"], "classifier": [12], "classes": 7}
)
TINY_BN = from_dict(TINY.to_dict() | {"batch_norm": True})

CLASSIC = {
    "vgg11": ("A", False),
    "vgg11_bn": ("A", True),
    "vgg13": ("B", False),
    "vgg13_bn": ("B", True),
    "vgg16": ("D", False),
    "vgg16_bn": ("D", True),
    "vgg19": ("E", False),
    "vgg19_bn": ("E", True),
}
"""torchvision's names for the paper's."""


# -- torchvision's layout, described once more, apart from our code ------------------------------

CONVOLUTIONS = {"A": (1, 1, 2, 2, 2), "B": (2, 2, 2, 2, 2), "D": (2, 2, 3, 3, 3), "E": (2, 2, 4, 4, 4)}
"""The paper's Table 1: how many 3×3 convolutions each block has."""


def torchvision_layout(name: str, batch_norm: bool) -> dict[str, tuple[int, ...]]:
    """The keys and shapes of torchvision's ``state_dict``, in its order."""
    layout: dict[str, tuple[int, ...]] = {}
    place, channels = 0, 3
    for width, convolutions in zip((64, 128, 256, 512, 512), CONVOLUTIONS[name], strict=True):
        for _ in range(convolutions):
            layout[f"features.{place}.weight"] = (width, channels, 3, 3)
            layout[f"features.{place}.bias"] = (width,)
            if batch_norm:
                place += 1
                for what in ("weight", "bias", "running_mean", "running_var"):
                    layout[f"features.{place}.{what}"] = (width,)
                layout[f"features.{place}.num_batches_tracked"] = ()
            place += 2  # the ReLU has a place, and no state
            channels = width
        place += 1  # so has the pool
    for place, shape in {0: (4096, 512 * 7 * 7), 3: (4096, 4096), 6: (1000, 4096)}.items():
        layout[f"classifier.{place}.weight"] = shape
        layout[f"classifier.{place}.bias"] = shape[:1]
    return layout


def layout_of(net: nn.Module) -> dict[str, tuple[int, ...]]:
    return {key: tuple(tensor.shape) for key, tensor in net.state_dict().items()}


@pytest.mark.parametrize("function", CLASSIC)
def test_the_state_dict_is_torchvisions(function: str) -> None:
    name, batch_norm = CLASSIC[function]
    net = getattr(models, function)(device="meta")
    assert list(layout_of(net).items()) == list(torchvision_layout(name, batch_norm).items())


@pytest.mark.parametrize(
    ("function", "last"),
    [("vgg11", 18), ("vgg13", 22), ("vgg16", 28), ("vgg19", 34), ("vgg16_bn", 40), ("vgg19_bn", 49)],
)
def test_the_last_convolution_is_where_torchvision_has_it(function: str, last: int) -> None:
    shapes = layout_of(getattr(models, function)(device="meta"))
    assert shapes[f"features.{last}.weight"] == (512, 512, 3, 3)
    assert not any(key.startswith(f"features.{last + 3}") for key in shapes)


@pytest.mark.parametrize("function", CLASSIC)
def test_a_checkpoint_of_torchvision_loads_strictly(function: str, tmp_path: Path) -> None:
    """One number seen as every shape keeps the file small; on meta, so the network is."""
    name, batch_norm = CLASSIC[function]
    state = {
        key: torch.zeros((), dtype=torch.int64 if key.endswith("tracked") else torch.float32).expand(shape)
        for key, shape in torchvision_layout(name, batch_norm).items()
    }
    torch.save(state, tmp_path / "weights.pth")
    load = partial(getattr(models, function), device="meta", weights=tmp_path / "weights.pth")
    assert layout_of(load()) == torchvision_layout(name, batch_norm)

    state["features.0.weight"] = state["features.0.weight"][:, :1]
    torch.save(state, tmp_path / "weights.pth")
    with pytest.raises(InputError, match=r"features\.0\.weight \(64×1×3×3, not 64×3×3×3\)"):
        load()


# -- counts and shapes: the walker's, on a network that runs -------------------------------------


@pytest.mark.parametrize("function", CLASSIC)
def test_parameters_are_as_many_as_torchvision_publishes(function: str) -> None:
    net = getattr(models, function)(device="meta")
    assert sum(parameter.numel() for parameter in net.parameters()) == TORCHVISION[function].num_params


@pytest.mark.parametrize("name", PAPER)
def test_parameters_are_as_many_as_the_paper_says(name: str) -> None:
    net = build(name, device="meta")
    parameters = sum(parameter.numel() for parameter in net.parameters())
    assert parameters == PAPER[name].parameters
    assert round(parameters / 10**6) == PAPER[name].millions


Found = dict[str, tuple[int, int, int, tuple[int, ...], bool]]
"""Module path → weights, biases, buffers, output shape of one image, whether it works in place."""


def counted(config: Config, image: Sequence[int]) -> Found:
    return {
        row.module: (
            row.weights.value,
            row.biases,
            row.buffers,
            row.output_shape,
            row.note == "in place",
        )
        for row in walk(config, input=image).module_rows
        if row.module
    }


def found(net: nn.Module, image: Sequence[int]) -> Found:
    """What forward hooks see in every module of a network on the meta device."""
    seen: Found = {}

    def look(path: str, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        sizes = {name: tensor.numel() for name, tensor in module.named_parameters()}
        seen[path] = (
            sizes.pop("weight", 0),
            sizes.pop("bias", 0),
            sum(buffer.numel() for buffer in module.buffers()),
            tuple(output.shape[1:]),
            output is inputs[0],
        )
        assert not sizes
        assert output.shape[0] == 2

    for path, module in net.named_modules():
        if not any(module.children()):
            module.register_forward_hook(partial(look, path))
    net(torch.empty(2, *image, device="meta"))
    return seen


@pytest.mark.parametrize("image", [(3, 224, 224), (3, 64, 64), (3, 192, 256), (3, 33, 33)])
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("name", PAPER)
def test_every_module_is_as_the_walker_counts_it(name: str, batch_norm: bool, image: tuple[int, ...]) -> None:
    net = build(name, batch_norm=batch_norm, device="meta")
    assert found(net, image) == counted(find_config(name, batch_norm=batch_norm), image)


@st.composite
def own_configs(draw: st.DrawFn) -> Config:
    convolution = st.builds("conv{}-{}".format, st.sampled_from([1, 3, 5, 7]), st.integers(1, 20))
    layers = draw(st.lists(st.one_of(convolution, st.just("LRN")), max_size=6))
    layers.insert(draw(st.integers(0, len(layers))), draw(convolution))
    for _ in range(draw(st.integers(0, 3))):
        layers.insert(draw(st.integers(0, len(layers))), "M")
    return from_dict(
        {
            "layers": layers,
            "classifier": draw(st.lists(st.integers(1, 20), max_size=3)),
            "classes": draw(st.integers(1, 9)),
            "in_channels": draw(st.integers(1, 5)),
            "batch_norm": draw(st.booleans()),
            "pool": draw(st.sampled_from([7, 1, 2, "none"])),
        }
    )


@settings(max_examples=60, deadline=None)
@given(config=own_configs(), height=st.integers(0, 20), width=st.integers(0, 20))
def test_every_module_of_any_config_is_as_the_walker_counts_it(
    config: Config, height: int, width: int
) -> None:
    smallest = 2**config.pools
    image = (config.in_channels, smallest + height, smallest + width)
    net = build(config, input=image, device="meta")
    assert found(net, image) == counted(config, image)
    pools = [nn.AdaptiveAvgPool2d] * (config.pool is not None)
    assert [type(child) for child in net.children()] == [nn.Sequential, *pools, nn.Flatten, nn.Sequential]


def _drop_a_bias(net: VGG) -> None:
    net.features[0].register_parameter("bias", None)


def _change_a_width(net: VGG) -> None:
    net.classifier[0] = nn.Linear(16 * 7 * 7, 11, device="meta")
    net.classifier[3] = nn.Linear(11, 7, device="meta")


def _forget_the_padding(net: VGG) -> None:
    net.features[0] = nn.Conv2d(3, 8, 3, device="meta")


def _forget_in_place(net: VGG) -> None:
    net.features[2] = nn.ReLU()


def _pool_up(net: VGG) -> None:
    net.features[3] = nn.MaxPool2d(2, 2, ceil_mode=True)


def _pool_to_another_size(net: VGG) -> None:
    net.avgpool.output_size = (7, 6)
    net.classifier[0] = nn.Linear(16 * 7 * 6, 12, device="meta")


def _lose_the_running_statistics(net: VGG) -> None:
    net.features[1] = nn.BatchNorm2d(8, track_running_stats=False, device="meta")


def _add_a_layer(net: VGG) -> None:
    net.classifier.append(nn.Identity())


@pytest.mark.parametrize(
    "alter",
    [
        _drop_a_bias,
        _change_a_width,
        _forget_the_padding,
        _forget_in_place,
        _pool_up,
        _pool_to_another_size,
        _lose_the_running_statistics,
        _add_a_layer,
    ],
)
def test_the_comparison_sees_an_altered_module(alter: Callable[[VGG], None]) -> None:
    image = (3, 33, 33)
    net = build(TINY_BN, device="meta")
    assert found(net, image) == counted(TINY_BN, image)
    net = build(TINY_BN, device="meta")
    alter(net)
    assert found(net, image) != counted(TINY_BN, image)


def test_a_layer_without_a_module_is_refused() -> None:
    with pytest.raises(TypeError, match="no module does what Layer"):
        networks._on_meta(Layer(), None)


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


def same(one: nn.Module, other: nn.Module) -> bool:
    left, right = one.state_dict(), other.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


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


def assert_whole(net: nn.Module, device: str, dtype: torch.dtype) -> None:
    """Real parameters, each a leaf with a memory of its own; statistics of the same dtype, int64 counters."""
    for parameter in net.parameters():
        assert type(parameter) is nn.Parameter
        assert parameter.is_leaf
        assert parameter.requires_grad
        assert parameter.dtype == dtype
    for name, buffer in net.named_buffers():
        assert not buffer.requires_grad
        assert buffer.dtype == (torch.int64 if name.endswith("num_batches_tracked") else dtype)
    tensors = list(net.state_dict().values())
    assert {tensor.device.type for tensor in tensors} == {device}
    assert all(tensor.is_contiguous() for tensor in tensors)
    if device != "meta":
        assert all(tensor.untyped_storage().nbytes() == tensor.nbytes for tensor in tensors)
        assert len({tensor.data_ptr() for tensor in tensors}) == len(tensors)


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


# -- weights from a file -------------------------------------------------------------------------


@pytest.fixture
def trained() -> VGG:
    """A network whose every tensor differs from a fresh one's."""
    net = build(TINY_BN, seed=5)
    with torch.no_grad():
        for tensor in net.state_dict().values():
            tensor.add_(3)
    return net


def saved(content: object, path: Path, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


def _doubled(tensor: Tensor) -> Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor.to(torch.int32)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda net: net.state_dict(),
        lambda net: {"state_dict": net.state_dict(), "epoch": 3, "optimizer": {"lr": 0.1}},
        lambda net: net.state_dict(keep_vars=True),
        lambda net: {key: _doubled(tensor) for key, tensor in net.state_dict().items()},
    ],
    ids=["state_dict", "wrapped", "parameters", "double"],
)
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_weights_come_back(wrap: Callable[[VGG], object], zipped: bool, trained: VGG, tmp_path: Path) -> None:
    path = saved(wrap(trained), tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    for weights in (path, str(path)):
        net = build(TINY_BN, weights=weights)
        assert same(net, trained)
        assert net.training
        assert_whole(net, "cpu", torch.float32)
    assert not same(build(TINY_BN, seed=5), trained)


def test_weights_take_the_networks_dtype_and_device(trained: VGG, tmp_path: Path) -> None:
    path = saved(trained.state_dict(), tmp_path / "w.pth")
    half = build(TINY_BN, weights=path, dtype=torch.float16)
    assert same(half, trained.to(torch.float16))
    assert_whole(half, "cpu", torch.float16)
    assert_whole(build(TINY_BN, weights=path, device="meta"), "meta", torch.float32)


def test_weights_that_share_a_memory_are_told_apart(trained: VGG, tmp_path: Path) -> None:
    """Slices of a larger tensor, one tensor under two names, a transposed or an expanded one."""
    state = trained.state_dict()
    tied = state["features.0.bias"]
    state |= {
        "features.0.weight": torch.arange(300.0)[: 8 * 27].view(8, 3, 3, 3),
        "features.1.weight": tied,
        "features.1.bias": tied,
        "features.4.bias": torch.ones(()).expand(16),
        "classifier.0.weight": state["classifier.0.weight"].T.contiguous().T,
        "classifier.0.bias": torch.arange(24.0)[12:],
    }
    net = build(TINY_BN, weights=saved(state, tmp_path / "w.pth"))
    assert all(torch.equal(net.state_dict()[key], tensor) for key, tensor in state.items())
    assert_whole(net, "cpu", torch.float32)


def test_weights_from_before_batches_were_counted(trained: VGG, tmp_path: Path) -> None:
    """PyTorch counts batches since 0.4.1 (2018), and the published batch norms are of 2017."""
    state = {key: tensor for key, tensor in trained.state_dict().items() if "num_batches" not in key}
    net = build(TINY_BN, weights=saved(state, tmp_path / "w.pth"))
    assert_whole(net, "cpu", torch.float32)
    assert net.features[1].num_batches_tracked == 0
    assert torch.equal(net.state_dict()["features.5.running_var"], state["features.5.running_var"])

    state["features.1.num_batches_tracked"] = torch.tensor(9)
    with pytest.raises(InputError, match=r"Missing: features\.5\.num_batches_tracked\. Build"):
        build(TINY_BN, weights=saved(state, tmp_path / "w.pth"))


MISFITS: dict[str, tuple[Callable[[dict[Any, Any]], object], str]] = {
    "missing": (lambda state: state.pop("features.0.bias"), "Missing: features.0.bias. Build"),
    "unexpected": (
        lambda state: state.update({"fc.\x1b[31m": torch.ones(1), 7: 3}),
        r"Unexpected: 'fc.\x1b[31m', 7. Build",
    ),
    "shape": (
        lambda state: state.update({"classifier.3.weight": torch.ones(10, 12)}),
        "Of another shape: classifier.3.weight (10×12, not 7×12). Build",
    ),
    "scalar": (
        lambda state: state.update({"features.0.bias": torch.ones(())}),
        "Of another shape: features.0.bias (a single number, not 8). Build",
    ),
    "all": (
        lambda state: (state.pop("features.0.bias"), state.update({"x": 1, "features.0.weight": [2]})),
        "Missing: features.0.bias. Unexpected: 'x'. Of another kind: features.0.weight (a list). Build",
    ),
    "integers": (
        lambda state: state.update({"features.0.bias": torch.ones(8, dtype=torch.int8)}),
        "Of another kind: features.0.bias (torch.int8, torch.strided, on cpu). Build",
    ),
    "complex": (
        lambda state: state.update({"features.0.bias": torch.ones(8, dtype=torch.complex64)}),
        "Of another kind: features.0.bias (torch.complex64, torch.strided, on cpu). Build",
    ),
    "sparse": (
        lambda state: state.update({"features.0.bias": torch.ones(8).to_sparse()}),
        "Of another kind: features.0.bias (torch.float32, torch.sparse_coo, on cpu). Build",
    ),
    "meta": (
        lambda state: state.update({"features.0.bias": torch.ones(8, device="meta")}),
        "Of another kind: features.0.bias (torch.float32, torch.strided, on meta). Build",
    ),
}


@pytest.mark.parametrize("what", MISFITS)
def test_a_misfit_is_named_key_by_key(what: str, trained: VGG, tmp_path: Path) -> None:
    spoil, expected = MISFITS[what]
    state = dict(trained.state_dict())
    spoil(state)
    with pytest.raises(InputError) as refusal:
        build(TINY_BN, weights=saved(state, tmp_path / "w.pth"))
    assert f"w.pth' do not fit tiny-BN. {expected} the network that they were saved from" in str(
        refusal.value
    )


def test_a_long_list_of_keys_is_shortened(tmp_path: Path) -> None:
    path = saved({str(number): torch.ones(1) for number in range(1000)}, tmp_path / "w.pth")
    with pytest.raises(InputError) as refusal:
        build("E-BN", weights=path, device="meta")
    keys = [key for key in torchvision_layout("E", True) if not key.endswith("num_batches_tracked")]
    assert f"Missing: {', '.join(keys[:5])} and {len(keys) - 5} more. " in str(refusal.value)
    assert "Unexpected: '0', '1', '2', '3', '4' and 995 more. " in str(refusal.value)
    assert len(str(refusal.value)) < 700


def test_a_misfit_leaves_nothing_half_loaded(trained: VGG) -> None:
    state = dict(trained.state_dict())
    state["classifier.3.bias"] = torch.ones(1)
    before = dict(state)
    net = VGG(TINY_BN)
    with pytest.raises(InputError):
        filling.fill(net, "a VGG", state, "a test", torch.device("cpu"))
    assert {tensor.device.type for tensor in net.state_dict().values()} == {"meta"}
    assert state == before


class Trap:
    """Unpickled, it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("key", ["features.0.bias", "state_dict", "extra"])
def test_code_in_a_checkpoint_is_refused_and_does_not_run(
    key: str, zipped: bool, trained: VGG, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    trap = tmp_path / "it ran"
    content = dict(trained.state_dict()) | {key: Trap(trap)}
    path = saved(content, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError, match="which is no tensor, and was not run") as refusal:
        build(TINY_BN, weights=path)
    assert "trust" not in str(refusal.value)
    assert not trap.exists()
    torch.load(path, weights_only=False)  # the trap is a real one
    assert trap.exists()


UNREADABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "absent": (lambda path: None, "No such file or directory"),
    "directory": (lambda path: path.mkdir(), "it is not a regular file"),
    "empty": (lambda path: path.touch(), "it is no checkpoint of tensors, or a damaged one"),
    "text": (lambda path: path.write_text("hello"), "it is no checkpoint of tensors, or a damaged one"),
    "zeros": (lambda path: path.write_bytes(bytes(999)), "it is no checkpoint of tensors, or a damaged one"),
    "zip": (
        lambda path: path.write_bytes(b"PK\x03\x04ab"),
        "it is no checkpoint of tensors, or a damaged one",
    ),
    "pickle": (lambda path: path.write_bytes(pickle.dumps({1, 2}, 2)), "it is no checkpoint of tensors, or"),
    "module": (lambda path: torch.save(nn.ReLU(), path), "it asks for 'torch.nn.modules.activation.ReLU'"),
    "list": (lambda path: torch.save([torch.ones(1)], path), "holds no dict of tensors but a list"),
    "numbers": (lambda path: torch.save({"a": 1}, path), "holds no dict of tensors but a dict"),
    "nothing": (lambda path: torch.save({}, path), "holds no dict of tensors but a dict"),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_a_file_that_is_no_checkpoint(what: str, tmp_path: Path) -> None:
    make, expected = UNREADABLE[what]
    make(tmp_path / "w.pth")
    with pytest.raises(InputError) as refusal:
        build(TINY, weights=tmp_path / "w.pth")
    assert expected in str(refusal.value)
    assert "torch.save(net.state_dict(), PATH)" in refusal.value.next_step
    assert "trust" not in str(refusal.value)
    assert len(str(refusal.value)) < 400


@pytest.mark.parametrize("end", [0.3, 0.9, 0.999])
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_file_cut_short(zipped: bool, end: float, trained: VGG, tmp_path: Path) -> None:
    path = saved(trained.state_dict(), tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * end)])
    with pytest.raises(InputError, match="it is no checkpoint of tensors, or a damaged one"):
        build(TINY_BN, weights=path)


@pytest.mark.parametrize("weights", [True, {}, b"w.pth", 3])
def test_weights_of_another_type(weights: Any) -> None:
    with pytest.raises(InputError, match=f"cannot be a {type(weights).__name__}. Give a path"):
        build(TINY, weights=weights)


@pytest.mark.parametrize("weights", ["w\0.pth", "w" * 5000])
def test_a_path_that_cannot_be(weights: str) -> None:
    with pytest.raises(InputError, match="cannot be read from the file"):
        build(TINY, weights=weights)


def test_too_little_memory_is_not_blamed_on_the_file(
    trained: VGG, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 392.00 MiB.")

    path = saved(trained.state_dict(), tmp_path / "w.pth")
    monkeypatch.setattr(torch, "load", full)
    with pytest.raises(InputError, match=r"w\.pth': CUDA out of memory\. Check"):
        build(TINY_BN, weights=path)


# -- the published weights -----------------------------------------------------------------------


def test_the_published_files() -> None:
    assert filling.BASE_URL == "https://download.pytorch.org/models/"
    files = {
        function: filling.PUBLISHED[getattr(models, function)(device="meta").config] for function in CLASSIC
    }
    assert files == {
        "vgg11": "vgg11-8a719046.pth",
        "vgg11_bn": "vgg11_bn-6002323d.pth",
        "vgg13": "vgg13-19584684.pth",
        "vgg13_bn": "vgg13_bn-abd245e5.pth",
        "vgg16": "vgg16-397923af.pth",
        "vgg16_bn": "vgg16_bn-6c64b313.pth",
        "vgg19": "vgg19-dcbb9e9d.pth",
        "vgg19_bn": "vgg19_bn-c79401a0.pth",
    }
    assert len(filling.PUBLISHED) == 8
    assert all(file.startswith(f"{function}-") for function, file in files.items())
    assert all(torch.hub.HASH_REGEX.search(file) for file in files.values())


@pytest.mark.parametrize(
    ("net", "problem"),
    [
        (partial(build, "C"), "There are no published weights for 'C', only for A, A-BN, B, "),
        (partial(build, "A-LRN"), "There are no published weights for 'A-LRN'"),
        (partial(build, "64,M"), "There are no published weights for '64,M'"),
        (partial(models.vgg16, classes=10), "are for 1,000 classes, and this network has 10."),
    ],
)
def test_no_published_weights(net: Callable[..., VGG], problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.hub, "load_state_dict_from_url")  # nobody goes looking
    with pytest.raises(InputError) as refusal:
        net(weights="published", device="meta")
    assert problem in refusal.value.problem
    assert "weights=PATH" in refusal.value.next_step


class Site:
    """A loopback web server of files in memory; it counts what it is asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.withheld = 0
        self.speaks_http = True
        site = self

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.removeprefix("/")
                site.asked.append(name)
                if not site.speaks_http:
                    self.wfile.write(b"what is it?\r\n")
                    return
                if name not in site.files:
                    self.send_error(404)
                    return
                body = site.files[name]
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) - site.withheld])

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    site = Site()
    thread = threading.Thread(target=site.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setattr(filling, "BASE_URL", site.url)
    yield site
    site.server.shutdown()
    site.server.server_close()
    thread.join()


@pytest.fixture
def name(site: Site, trained: VGG, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A small checkpoint on the site; its name ends with the start of its SHA-256, as published names do."""
    body = saved(trained.state_dict(), tmp_path / "w.pth").read_bytes()
    name = f"tiny_bn-{hashlib.sha256(body).hexdigest()[:8]}.pth"
    site.files[name] = body
    monkeypatch.setitem(filling.PUBLISHED, TINY_BN, name)
    return name


def cache(tmp_path: Path) -> list[str]:
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_published_weights_are_fetched_once(
    site: Site, name: str, trained: VGG, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        net = build(TINY_BN, weights="published")
        assert same(net, trained)
        assert_whole(net, "cpu", torch.float32)
    assert site.asked == cache(tmp_path) == [name]
    out, err = capsys.readouterr()
    assert out == ""
    assert f"Downloading: {site.url}{name}" in err.replace('"', "")
    assert "100%" in err


def test_published_weights_from_a_file_url(
    site: Site, name: str, trained: VGG, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_bytes(site.files[name])
    monkeypatch.setattr(filling, "BASE_URL", f"{tmp_path.as_uri()}/")
    assert same(build(TINY_BN, weights="published"), trained)
    assert site.asked == []


def test_a_changed_download_is_refused_and_leaves_nothing(
    site: Site, name: str, trained: VGG, tmp_path: Path
) -> None:
    right = site.files[name]
    site.files[name] = right[:-100] + bytes(100)
    with pytest.raises(
        InputError, match=rf"{name}: invalid hash value.*Check the network and try again.*=PATH"
    ):
        build(TINY_BN, weights="published")
    assert cache(tmp_path) == []
    site.files[name] = right
    assert same(build(TINY_BN, weights="published"), trained)


def test_a_download_cut_short_is_refused_and_leaves_nothing(site: Site, name: str, tmp_path: Path) -> None:
    site.withheld = 50
    with pytest.raises(InputError, match=f"cannot be loaded from {site.url}{name}: .*weights=PATH"):
        build(TINY_BN, weights="published")
    assert site.asked == [name]
    assert cache(tmp_path) == []


def test_a_file_that_is_not_there(site: Site, name: str, tmp_path: Path) -> None:
    site.files.clear()
    with pytest.raises(
        InputError, match=r"HTTP Error 404: .*\. Check the network and try again; a checkpoint"
    ):
        build(TINY_BN, weights="published")
    assert cache(tmp_path) == []


def test_a_server_that_speaks_something_else(site: Site, name: str, tmp_path: Path) -> None:
    site.speaks_http = False
    with pytest.raises(InputError, match=r"what is it\?\. Check the network and try again; a checkpoint"):
        build(TINY_BN, weights="published")
    assert cache(tmp_path) == []


def test_no_network(site: Site, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "BASE_URL", "http://127.0.0.1:1/")
    with pytest.raises(
        InputError, match=r"Connection refused\. Check the network and try again; a checkpoint"
    ):
        build(TINY_BN, weights="published")
    assert cache(tmp_path) == []


def test_a_damaged_cache_says_which_file_to_delete(
    site: Site, name: str, trained: VGG, tmp_path: Path
) -> None:
    build(TINY_BN, weights="published")
    cached = tmp_path / "torch" / "hub" / "checkpoints" / name
    cached.write_bytes(cached.read_bytes()[:-100])
    with pytest.raises(
        InputError, match=f"invalid hash value: .* Delete {re.escape(str(cached))} and try again"
    ):
        build(TINY_BN, weights="published")
    cached.unlink()
    assert same(build(TINY_BN, weights="published"), trained)


def test_weights_that_somebody_planted_in_the_cache_are_not_taken_for_the_published(
    site: Site, name: str, trained: VGG, tmp_path: Path
) -> None:
    """They load, and fit; only their hash tells that they are others."""
    cached = tmp_path / "torch" / "hub" / "checkpoints" / name
    cached.parent.mkdir(parents=True)
    torch.save({key: value + 1 for key, value in trained.state_dict().items()}, cached)
    with pytest.raises(InputError, match=f"invalid hash value: .* Delete {re.escape(str(cached))}"):
        build(TINY_BN, weights="published")
    assert site.asked == []


def test_published_weights_of_another_network(site: Site, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(filling.PUBLISHED, TINY, name)
    with pytest.raises(
        InputError, match=rf"{name} do not fit tiny\. Missing: .*Unexpected: 'features.1.weight'"
    ):
        build(TINY, weights="published")


# -- torchvision itself, where there is one: it is no dependency, and does not import beside every torch


def torchvisions(name: str) -> nn.Module:
    try:
        from torchvision import models as theirs
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"torchvision does not import here: {error}")
    made: nn.Module = getattr(theirs, name)(weights=None)
    return made


@pytest.mark.parametrize("name", ["vgg11", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19_bn"])
def test_torchvisions_own_weights_give_torchvisions_own_outputs(name: str) -> None:
    theirs, ours = torchvisions(name).eval(), getattr(models, name)().eval()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict(), strict=True)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(ours(images), theirs(images))
