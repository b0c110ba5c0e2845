"""How each tool is asked for the peak of a training step of Adam, in bytes; and the allocator itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from .nets import BATCH, IMAGE, TOKENS, Net

Ask = Callable[[Net], int]


def loss_of(net: Net, output: Tensor) -> Tensor:
    """A language model returns its own; a classifier's is cross entropy."""
    if net.is_of_words:
        return output
    return functional.cross_entropy(output, torch.zeros(BATCH, dtype=torch.int64))


def allocator(net: Net) -> int:
    """What is so: a later step, under the allocator's events."""
    from vgg_profile.core.inputs import Input
    from vgg_profile.core.setting import Setup
    from vgg_profile.measure import measure

    torch.manual_seed(0)
    record = measure(
        net.build(),
        inputs=[Input.parse(net.given)],
        batch=BATCH,
        setup=Setup(optimizer="adam"),
        repeats=0,
        device="cpu",
    )
    peak = record.get("peak_bytes")
    assert peak is not None
    assert isinstance(peak.value, int)
    return peak.value


def ours(net: Net) -> int:
    from vgg_profile import Setup, trace

    step = trace(net.build, net.given, batch=BATCH, setup=Setup(optimizer="adam"), every_batch=False)
    return step.peak.peak


def mem_tracker(net: Net) -> int:
    """PyTorch's own tool, on fake tensors; the second of two steps, as after a first one."""
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.distributed._tools.mem_tracker import MemTracker

    with FakeTensorMode(allow_non_fake_inputs=True):
        model, given = net.build(), net.inputs()
        optimizer = torch.optim.Adam(model.parameters(), foreach=False)
        tracker: Any = MemTracker()
        tracker.track_external(model, optimizer, given)
        with tracker:
            for place in range(2):
                loss_of(net, model(given)).backward()
                optimizer.step()
                optimizer.zero_grad()
                if not place:
                    tracker.reset_mod_stats()
    return max(int(of["Total"]) for of in tracker.get_tracker_snapshot("peak").values())


def torchinfo(net: Net) -> int:
    """Its sum of parameters and of what it calls the forward and backward pass; it knows no optimizer."""
    from torchinfo import summary

    result = summary(net.build(), input_data=net.inputs(), verbose=0)
    return int(result.total_input + result.total_output_bytes + result.total_param_bytes)


def kitsune(net: Net) -> int:
    from kitsune.predict import predict_memory

    shape = (TOKENS,) if net.is_of_words else (3, IMAGE, IMAGE)
    told: Any = predict_memory(
        net.build(), input_shape=shape, batch_size=BATCH, optimizer="adam", training=True
    )
    return int(
        told.param_bytes
        + told.gradient_bytes
        + told.optimizer_bytes
        + told.activation_bytes
        + told.overhead_bytes
    )


def vram_check(net: Net) -> int:
    from vram_check import estimate, inspect

    found: Any = inspect(net.build())
    told: Any = estimate(
        num_params=found.trainable_params,
        batch_size=BATCH,
        dtype="fp32",
        optimizer="adam",
        training=True,
        seq_len=TOKENS,
    )
    return int(told.total_bytes)


def preflight(net: Net) -> int:
    """It profiles a class or a function that a module names, on the meta device."""
    from torch_preflight.vram import OptimizerKind, RunConfig, estimate, resolve_profile

    from . import nets

    name = next(name for name, each in nets.NETS.items() if each == net)
    nets.asked = net.build  # type: ignore[attr-defined]
    config: Any = RunConfig(
        batch_size=BATCH,
        image_size=None if net.is_of_words else IMAGE,
        seq_len=TOKENS if net.is_of_words else None,
        optimizer=OptimizerKind.ADAM,
    )
    profile: Any = resolve_profile(f"{nets.__name__}:asked", config=config)
    report: Any = estimate(profile, config, None, 1)
    if not report.total:
        raise RuntimeError(f"{name}: {getattr(profile, 'notes', 'no profile')}")
    return int(report.total)


TOOLS: dict[str, Ask] = {
    "allocator": allocator,
    "vgg-profile": ours,
    "MemTracker, fake tensors": mem_tracker,
    "torch-preflight": preflight,
    "torch-kitsune": kitsune,
    "vram-check": vram_check,
    "torchinfo": torchinfo,
}
"""Every tool, the truth first."""
