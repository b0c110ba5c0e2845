"""The measured road meets the predicted one: residual 0 over a grid of real passes."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from measuring import NORMALISED, SMALL, STEPS, assert_exact, check, failures

from vgg_profile import models, walk
from vgg_profile.core.errors import InputError
from vgg_profile.core.setting import Setup
from vgg_profile.measure.fvcore_counts import count_with_fvcore, count_with_fvcore_alone
from vgg_profile.predict.kernels import aten_cpu, convolution
from vgg_profile.predict.steps import ledger
from vgg_profile.predict.vgg import optimizer, tape
from vgg_profile.predict.vgg.configs import PAPER, Config, config, from_dict
from vgg_profile.predict.vgg.passing import Kernels

SLOW = pytest.mark.slow


@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "bn"])
@pytest.mark.parametrize(
    "dtype", ["float32", "bfloat16", *(pytest.param(each, marks=SLOW) for each in ("float64", "float16"))]
)
@pytest.mark.parametrize(("mode", "optimizer"), STEPS)
def test_every_figure_of_a_small_net_is_exact(
    mode: str, optimizer: str, dtype: str, batch_norm: bool
) -> None:
    net = dataclasses.replace(SMALL, batch_norm=batch_norm)
    checks = check(net, mode=mode, optimizer=optimizer, dtype=dtype)
    assert_exact(checks)


@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "bn"])
@pytest.mark.parametrize("name", PAPER)
@pytest.mark.slow
def test_every_config_of_the_paper_is_exact_with_a_small_classifier(name: str, batch_norm: bool) -> None:
    net = dataclasses.replace(PAPER[name], batch_norm=batch_norm, classifier=(16, 8), classes=5)
    assert failures(check(net, input=(3, 32, 47), batch=2, optimizer="momentum")) == []


SETUPS: list[dict[str, object]] = [
    {"optimizer": "momentum", "first_step": True},
    {"optimizer": "adam", "first_step": True},
    {"optimizer": "sgd", "foreach": True},
    {"optimizer": "momentum", "foreach": True},
    {"optimizer": "adam", "foreach": True},
    {"optimizer": "adamw", "foreach": True, "first_step": True},
    {"optimizer": "adam", "fused": True},
    {"amp": "bfloat16"},
    {"amp": "bfloat16", "mode": "eval"},
    {"amp": "bfloat16", "mode": "inference"},
    {"amp": "float16", "optimizer": "adam"},
    {"checkpoint": "blocks"},
    {"checkpoint": "blocks", "mode": "eval"},
    {"checkpoint": "blocks", "mode": "inference"},
    {"checkpoint": "blocks", "amp": "bfloat16", "optimizer": "adamw"},
    {"onednn": False},
    {"onednn": False, "dtype": "bfloat16"},
    {"onednn": False, "amp": "bfloat16"},
    {"onednn": False, "amp": "float16", "optimizer": "momentum"},
    {"onednn": False, "checkpoint": "blocks", "mode": "eval"},
]


@pytest.mark.parametrize(
    "net",
    [
        dataclasses.replace(SMALL, batch_norm=True),
        *(pytest.param(each, marks=SLOW) for each in (SMALL, NORMALISED)),
    ],
)
@pytest.mark.parametrize("setup", SETUPS, ids=lambda setup: " ".join(map(str, setup.values())))
def test_every_way_to_run_a_step_is_exact(net: Config, setup: dict[str, object]) -> None:
    if net is NORMALISED and setup.get("dtype"):
        pytest.skip("PyTorch's CPU has no local response norm in bfloat16")
    checks = check(net, **setup)
    assert_exact(checks)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "bn"])
def test_the_native_convolution_leaves_no_remainder(dtype: str, batch_norm: bool) -> None:
    net = dataclasses.replace(SMALL, batch_norm=batch_norm)
    peak = check(net, dtype=dtype, onednn=False, input=(3, 40, 66)).checks[-1]
    assert (peak.measured, peak.terms) == (peak.predicted, ())


@pytest.mark.parametrize("layers_", ["5,LRN", "LRN,5,M", "M,5,M,3", "5,5,M,M", "M,M,5", "5,M,LRN"])
@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "bn"])
def test_odd_blocks_are_checkpointed_exactly(layers_: str, batch_norm: bool) -> None:
    net = dataclasses.replace(config(layers_), classifier=(4,), classes=3, batch_norm=batch_norm)
    assert failures(check(net, input=(3, 24, 24), checkpoint="blocks")) == []


@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "bn"])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_checkpointed_block_lets_go_of_its_input_before_its_casts_have_their_gradients(
    batch: int, batch_norm: bool
) -> None:
    """The weights' gradients in float32 are then the most within a layer, and the input has gone."""
    net = from_dict({"layers": [4, "M", 128, "M", 256, 256, "M"], "classifier": [8], "classes": 3})
    net = dataclasses.replace(net, batch_norm=batch_norm)
    setup: dict[str, object] = {"amp": "bfloat16", "checkpoint": "blocks", "onednn": False}
    assert failures(check(net, input=(3, 32, 32), batch=batch, **setup)) == []


@pytest.mark.parametrize("name", PAPER)
@pytest.mark.slow
def test_every_config_of_the_paper_is_exact_in_mixed_precision_with_checkpoints(name: str) -> None:
    net = dataclasses.replace(PAPER[name], classifier=(16, 8), classes=5)
    assert_exact(check(net, input=(3, 32, 47), amp="bfloat16", checkpoint="blocks", optimizer="adam"))


@pytest.mark.parametrize("mode", ["train", "eval", "inference"])
def test_local_response_normalisation_is_exact(mode: str) -> None:
    assert failures(check(NORMALISED, mode=mode)) == []


@pytest.mark.parametrize(("batch", "size"), [(1, 8), (1, 224), (3, 65), (7, 32)])
def test_other_batches_and_image_sizes_are_exact(batch: int, size: int) -> None:
    assert failures(check(SMALL, batch=batch, input=(3, size, size))) == []


@pytest.mark.parametrize("batch", [2, 3])
def test_a_batch_norm_on_maps_of_one_value_is_exact(batch: int) -> None:
    """Its threads sum on their own there; forward only where there are more images than threads."""
    net = dataclasses.replace(config("5,M,7"), classifier=(), classes=3, batch_norm=True, in_channels=2)
    assert failures(check(net, input=(2, 2, 2), batch=batch)) == []


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_mean_over_the_whole_map_is_exact(dtype: str) -> None:
    """Of two values alone the division by a number takes more than the mean itself."""
    net = dataclasses.replace(config("5,M,7,GAP"), classifier=(), classes=3)
    assert_exact(check(net, dtype=dtype))
    two = dataclasses.replace(config("2,M,GAP"), classifier=(), classes=3)
    assert_exact(check(two, dtype=dtype, input=(3, 2, 2), batch=1))


def test_the_sums_of_a_batch_norm_are_one_a_channel_and_thread_forward_and_two_backward() -> None:
    of_three, of_two, of_half = (
        aten_cpu.batch_norm_sums(batch, 8, 2, dtype)
        for batch, dtype in ((3, "float32"), (2, "float32"), (2, "bfloat16"))
    )
    assert (of_three, of_two, of_half) == ((64, 128), (0, 128), (64, 128))


@pytest.mark.parametrize(
    "layers_", ["5,", "5,M", "M,5", "LRN,5,M", "conv1-5,conv5-3,M,M", "5,LRN,LRN,7", "5,M,conv7-3"]
)
@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "bn"])
def test_odd_custom_nets_are_exact(layers_: str, batch_norm: bool) -> None:
    net = dataclasses.replace(config(layers_), classifier=(), classes=3, batch_norm=batch_norm, in_channels=2)
    assert failures(check(net, input=(2, 12, 16))) == []


@pytest.mark.parametrize("name", ["D", "D-BN", "E"])
@pytest.mark.slow
def test_the_real_nets_are_exact_at_224(name: str) -> None:
    checks = check(config(name), input=(3, 224, 224), batch=1)
    assert failures(checks) == []
    saved = {"D": 72_757_152, "D-BN": 126_981_024}.get(name)  # FACTS: read from allocator events
    moments = {(moment.phase, moment.layer): moment.live for moment in checks.measurement.timeline}
    if saved:
        assert moments["forward", "fc8"] - moments["input", ""] == saved


def test_a_peak_of_tensors_alone_leaves_no_remainder() -> None:
    peak = check(NORMALISED, input=(3, 16, 16)).checks[-1]
    assert peak.quantity == "peak"
    assert peak.predicted == peak.measured


WIDTHS = st.sampled_from([1, 2, 5, 16, "conv1-4", "M", "LRN"])
SETUP = st.builds(
    Setup,
    mode=st.sampled_from(["train", "eval"]),
    optimizer=st.sampled_from(["none", "sgd", "momentum", "adam", "adamw"]),
    foreach=st.booleans(),
    first_step=st.booleans(),
    amp=st.sampled_from(["none", "none", "bfloat16", "float16"]),
    checkpoint=st.sampled_from(["none", "blocks"]),
    onednn=st.booleans(),
    freeze=st.lists(
        st.sampled_from(["features", "features.0", "features.1", "features.3", "classifier", "classifier.0"]),
        max_size=2,
        unique=True,
    ).map(tuple),
)


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(
    sizes=st.lists(WIDTHS, min_size=1, max_size=5),
    classifier=st.lists(st.integers(1, 5), max_size=2),
    batch_norm=st.booleans(),
    image=st.sampled_from([(1, 1), (2, 2), (8, 5), (16, 16)]),
    batch=st.integers(1, 3),
    dtype=st.sampled_from(["float32", "float64", "bfloat16", "float16"]),
    pool=st.sampled_from([7, 1, 2, "none"]),
    setup=SETUP,
)
@pytest.mark.slow
def test_any_net_run_in_any_way_is_exact(
    sizes: list[int | str],
    classifier: list[int],
    batch_norm: bool,
    image: tuple[int, int],
    batch: int,
    dtype: str,
    pool: int | str,
    setup: Setup,
) -> None:
    if setup.amp != "none":
        dtype = "float32"
    try:
        net = from_dict(
            {
                "layers": sizes,
                "classifier": classifier,
                "classes": 2,
                "batch_norm": batch_norm,
                "pool": pool,
            }
        )
        ledger(walk(net, input=(3, *image), batch=batch, dtype=dtype), setup)
    except InputError:
        assume(False)
    if "LRN" in sizes and (dtype == "bfloat16" or "float16" in (dtype, setup.amp)):
        assume(False)  # PyTorch's CPU has no such kernel
    checks = check(net, input=(3, *image), batch=batch, dtype=dtype, **setup.to_dict())
    assert_exact(checks)


@pytest.mark.parametrize(
    ("setup", "forget", "failing"),
    [
        (Setup(optimizer="adam"), "_divide_one_by_one", "most_within_step"),
        (Setup(optimizer="adam", foreach=True), "_divide_together", "most_within_step"),
    ],
    ids=["one by one", "foreach"],
)
def test_forgotten_temporaries_of_an_optimizer_are_found(
    monkeypatch: pytest.MonkeyPatch, setup: Setup, forget: str, failing: str
) -> None:
    monkeypatch.setattr(optimizer.Optimizer, forget, lambda self: None)
    assert failing in failures(check(SMALL, **setup.to_dict()))


def test_a_forgotten_number_of_an_operation_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tape.Tape, "number", lambda self, itemsize: tape.NOTHING)
    net = dataclasses.replace(SMALL, classifier=(1,))
    found = failures(check(net, batch=1, optimizer="momentum"))
    assert found[:2] == ["peak_bytes_forward drop3", "most_within_step"]


def test_a_forgotten_workspace_is_found_where_no_scratch_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aten_cpu, "convolution", lambda shape: ({}, {}))
    remembered = (convolution.sizes, Kernels.convolution)
    for answers in remembered:
        answers.cache_clear()
    found = failures(check(SMALL, onednn=False))
    for answers in remembered:
        answers.cache_clear()
    assert {"peak_bytes_forward conv1_1", "peak_bytes_backward conv1_1"} <= set(found)


def test_fvcore_counts_layers_alone_as_it_counts_the_network() -> None:
    """So networks of thousands of layers are counted: a layer each of a kind is traced, and not the whole."""
    for name in ("A-LRN", "E-BN", "8,conv1-8,M,8,8,M"):
        network = models.build(name, input=32)
        images = (torch.zeros(2, 3, 32, 32),)
        whole = list(count_with_fvcore(network, images, network.names))
        assert list(count_with_fvcore_alone(network, images, network.names)) == whole
        assert whole[0].value > 0
