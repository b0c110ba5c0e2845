"""How each tool is asked: one function a tool, called in a process of its own.

Each gets a network in training mode and one image, and returns what the tool says by the tool's own names:
raw numbers, or text where it gives nothing but printed text.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

Readings = dict[str, int | str]


def torchinfo(net: nn.Module, images: Tensor) -> Readings:
    import torch
    from torchinfo import summary

    stats = summary(net, input_data=images, verbose=0)
    return {
        "total_params": stats.total_params,
        "total_mult_adds": stats.total_mult_adds,
        "total_output_bytes": stats.total_output_bytes,
        "Estimated Total Size": stats.total_input + stats.total_output_bytes + stats.total_param_bytes,
        "storage object": sys.getsizeof(torch.UntypedStorage()),
    }


def fvcore(net: nn.Module, images: Tensor) -> Readings:
    from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis, parameter_count

    return {
        "parameter_count": parameter_count(net)[""],
        "FlopCountAnalysis": FlopCountAnalysis(net, images).total(),
        "ActivationCountAnalysis": ActivationCountAnalysis(net, images).total(),
    }


def thop(net: nn.Module, images: Tensor) -> Readings:
    from thop import profile

    macs, parameters = profile(net, (images,), verbose=False)
    return {"params": int(parameters), "macs": int(macs)}


def ptflops(net: nn.Module, images: Tensor) -> Readings:
    from ptflops import get_model_complexity_info

    options = {"as_strings": False, "print_per_layer_stat": False}
    macs, parameters = get_model_complexity_info(net, tuple(images.shape[1:]), **options)
    of_aten, _ = get_model_complexity_info(net, tuple(images.shape[1:]), backend="aten", **options)
    return {"params": parameters, "macs": macs, "macs, backend aten": of_aten}


def calflops(net: nn.Module, images: Tensor) -> Readings:
    from calflops import calculate_flops

    flops, macs, parameters = calculate_flops(
        net, input_shape=tuple(images.shape), print_results=False, output_as_string=False
    )
    return {"params": parameters, "MACs": macs, "FLOPs": flops}


def torchscan(net: nn.Module, images: Tensor) -> Readings:
    from torchscan import crawl_module

    totals = crawl_module(net, args=(images,))["totals"]
    names = ("parameters", "macs", "module_flops", "operator_flops", "dmas")
    size = totals["parameter_bytes"]["value"] + totals["buffer_bytes"]["value"]
    return {name: totals[name]["known_value"] for name in names} | {"Model size": size}


def torchscan_peak(net: nn.Module, images: Tensor) -> Readings:
    from torchscan.process import measure_peak_memory

    targets = images.new_zeros(len(images)).long()
    peak = measure_peak_memory(lambda: step(net, images, targets), device="cpu")
    return {name: peak[name] for name in ("baseline_bytes", "peak_bytes")}


def old_torchscan(net: nn.Module, images: Tensor) -> Readings:
    from torchscan import crawl_module

    report = crawl_module(net, tuple(images.shape[1:]))
    overall = report["overall"]
    return {
        "params": overall["grad_params"] + overall["nograd_params"],
        **{name: sum(layer[name] for layer in report["layers"]) for name in ("macs", "flops", "dmas")},
        "Model size": overall["param_size"] + overall["buffer_size"],
    }


def torchsummary(net: nn.Module, images: Tensor) -> Readings:
    from torchsummary import summary

    with contextlib.redirect_stdout(io.StringIO()) as printed:
        summary(net, tuple(images.shape[1:]), device="cpu")
    lines = dict(re.findall(r"^(.+): ([\d,.]+)$", printed.getvalue(), re.MULTILINE))
    names = ("Forward/backward pass size (MB)", "Params size (MB)", "Estimated Total Size (MB)")
    total = int(lines["Total params"].replace(",", ""))
    return {"Total params": total} | {name: lines[name] for name in names}


def torchprofile(net: nn.Module, images: Tensor) -> Readings:
    from torchprofile import profile_macs

    return {"profile_macs": profile_macs(net, images)}


def flop_counter(net: nn.Module, images: Tensor) -> Readings:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as forward:
        net(images)
    with FlopCounterMode(display=False) as both:
        step(net, images, images.new_zeros(len(images)).long())
    return {"forward": forward.get_total_flops(), "forward and backward": both.get_total_flops()}


def mem_tracker(net: nn.Module, images: Tensor) -> Readings:
    from torch.distributed._tools.mem_tracker import MemTracker
    from torch.nn.functional import cross_entropy

    tracker, targets = MemTracker(), images.new_zeros(len(images)).long()
    tracker.track_external(net, images, targets)

    def snapshot(when: str, *names: str, kind: str = "current") -> Readings:
        (live,) = tracker.get_tracker_snapshot(kind).values()
        sizes = {getattr(key, "value", key): size for key, size in live.items()}
        return {f"{name}, {when}": sizes[name] for name in names}

    with tracker:
        logits = net(images)
        forward = snapshot("after forward", "Parameter", "Activation", "Total")
        loss = cross_entropy(logits, targets)
        loss.backward()
        backward = snapshot("after backward", "Gradient", "Total")
    return forward | backward | snapshot("peak", "Total", kind="peak")


def step(net: nn.Module, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """One forward and backward pass; its caller holds targets, logits and loss, as a training script does."""
    from torch.nn.functional import cross_entropy

    logits = net(images)
    loss = cross_entropy(logits, targets)
    loss.backward()
    return logits, loss
