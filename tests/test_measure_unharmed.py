"""A model comes back as it was; faults; and a machine that has only torch."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from measuring import NORMALISED, SMALL, failures
from torch import nn
from zoo import Remembering

from vgg_profile.check.crosscheck import crosscheck
from vgg_profile.check.results import Verdict
from vgg_profile.check.subject import profile_for
from vgg_profile.core.errors import InputError
from vgg_profile.core.inputs import Input
from vgg_profile.core.setting import Setup
from vgg_profile.measure import OutOfMemoryError, measure
from vgg_profile.measure.reading import load
from vgg_profile.measure.run import lack
from vgg_profile.models import build

# -- the model comes back as it was ----------------------------------------------------------------


def backend_flags() -> tuple[object, ...]:
    cudnn = torch.backends.cudnn
    return (
        cudnn.enabled,
        cudnn.benchmark,
        cudnn.deterministic,
        torch.backends.mkldnn.enabled,
        torch.is_grad_enabled(),
        torch.get_num_threads(),
    )


def test_a_module_comes_back_as_it_was() -> None:
    model = build(dataclasses.replace(SMALL, batch_norm=True))
    model.eval()
    model.features[1].train()
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    gradients = [parameter.grad for parameter in model.parameters()]
    state = {key: value.clone() for key, value in model.state_dict().items()}
    training = [part.training for part in model.modules()]
    random = torch.get_rng_state()
    flags = backend_flags()

    measure(model, input=(3, 16, 16), batch=2, setup=Setup(optimizer="adamw"), repeats=1)

    assert [part.training for part in model.modules()] == training
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert all(p.grad is g for p, g in zip(model.parameters(), gradients, strict=True))
    assert all(bool((g == 1).all()) for g in gradients)
    assert torch.equal(torch.get_rng_state(), random)
    assert backend_flags() == flags
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())


def test_what_passes_leave_among_the_attributes_of_a_module_is_gone() -> None:
    model = Remembering()
    measure(model, inputs=[Input.parse("16")], batch=2, setup=Setup(optimizer="adam"), repeats=1)
    assert model.last is None


def test_a_module_comes_back_as_it_was_after_an_error() -> None:
    model = build(NORMALISED, dtype=torch.bfloat16)
    model.eval()
    with pytest.raises(InputError, match="bfloat16"):
        measure(model, input=(3, 16, 16), dtype="bfloat16", repeats=0)
    assert not model.training
    assert all(parameter.grad is None for parameter in model.parameters())


def test_onednn_is_on_again_after_a_pass_without_it() -> None:
    assert torch.backends.mkldnn.enabled
    measure(SMALL, input=(3, 8, 8), repeats=0, setup=Setup(onednn=False))
    assert torch.backends.mkldnn.enabled


def test_a_step_that_would_spoil_the_weights_is_refused() -> None:
    model = build(SMALL)
    with torch.no_grad():
        model.classifier[0].weight.fill_(float("inf"))
    with pytest.raises(InputError, match="not finite"):
        measure(model, input=(3, 16, 16), setup=Setup(optimizer="sgd"), repeats=0)


def test_any_module_of_the_same_layers_can_be_measured() -> None:
    ours = build(SMALL)
    foreign = nn.Module()
    foreign.features, foreign.avgpool, foreign.flatten, foreign.classifier = (
        ours.features,
        ours.avgpool,
        ours.flatten,
        ours.classifier,
    )
    foreign.forward = lambda x: foreign.classifier(  # type: ignore[method-assign]
        foreign.flatten(foreign.avgpool(foreign.features(x)))
    )
    measurement = measure(foreign, input=(3, 16, 16), repeats=0)
    assert measurement.subject["config"] is None
    assert failures(crosscheck(profile_for(SMALL, measurement), measurement)) == []


# -- faults ----------------------------------------------------------------------------------------


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_is_refused_where_there_is_none() -> None:
    with pytest.raises(InputError, match="no CUDA device"):
        measure(SMALL, input=(3, 16, 16), device="cuda")


def test_running_out_of_memory_keeps_the_partial_record(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")

    monkeypatch.setattr(nn.functional, "cross_entropy", refuse)
    with pytest.raises(OutOfMemoryError, match="9 bytes") as caught:
        measure(SMALL, input=(3, 16, 16), repeats=0)
    partial = caught.value.partial
    assert (caught.value.phase, caught.value.layer) == ("loss", "the step")
    assert partial.get("parameters") is not None
    assert partial.get("forward_flops") is None
    checks = crosscheck(profile_for(SMALL, partial), partial)
    assert checks.verdict is Verdict.SKIP
    assert checks.count(Verdict.PASS) == 3  # parameters, buffers, weights loaded


# -- a machine that has only torch -----------------------------------------------------------------


BARE = """
import sys
from importlib import metadata

HIDDEN = ("msgspec", "fvcore", "hypothesis", "iopath", "yacs", "portalocker")
sys.modules.update(dict.fromkeys(HIDDEN))
version = metadata.version

def installed(name):
    if name in HIDDEN:
        raise metadata.PackageNotFoundError(name)
    return version(name)

metadata.version = installed
from vgg_profile.check.crosscheck import crosscheck
from vgg_profile.check.subject import profile_for
from vgg_profile.measure import measure
from vgg_profile.measure.record import dumps

measurement = measure("4,M", input=8, repeats=1)
checks = crosscheck(profile_for("4,M", measurement), measurement).checks
assert measurement.environment["fvcore"] == "not installed"
assert measurement.skipped == dict.fromkeys(
    ("fvcore_flops", "fvcore_activations"), "fvcore is not installed"
), measurement.skipped
assert {check.verdict.value for check in checks if not check.quantity.startswith("fvcore")} == {"PASS"}
assert {(check.verdict.value, check.reason) for check in checks if check.quantity.startswith("fvcore")} == {
    ("SKIP", "fvcore is not installed")
}
print(dumps(measurement), end="")
"""


def test_a_machine_without_msgspec_and_fvcore_measures_and_writes_a_record(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", BARE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    record = tmp_path / "record.json"
    record.write_text(done.stdout)
    checks = crosscheck(profile_for("4,M", load(record)), load(record))
    assert (checks.verdict, checks.count(Verdict.FAIL)) == (Verdict.SKIP, 0)


def test_what_fvcore_lacks_is_said_by_its_name() -> None:
    assert lack(ModuleNotFoundError(name="yacs.config")) == "yacs is not installed"
    said = r"fvcore cannot be loaded: ImportError: cannot import\nname 'x'"
    assert lack(ImportError("cannot import\nname 'x'")) == said
    assert lack(OSError("x")) == "fvcore cannot be loaded: OSError: x"
