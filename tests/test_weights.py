"""Weights from a file: what fits is loaded, what does not is named, and nothing in a file runs."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from building import TINY, TINY_BN, assert_whole, retrained, same, saved, torchvision_layout
from torch import Tensor, nn

from vgg_profile.core.errors import InputError
from vgg_profile.models import VGG, build
from vgg_profile.models import weights as filling


@pytest.fixture
def trained() -> VGG:
    return retrained()


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
