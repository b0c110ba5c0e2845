"""What a record may say: every quantity with its unit and method, and the form of what it was measured on.

Whoever measures takes the words from here, and ``reading`` lets no other pass. Nothing here needs torch.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from vgg_profile.core.events import Phase

FLOP_COUNTER = "torch.utils.flop_counter.FlopCounterMode"
FVCORE_METHOD = "fvcore.nn.{}"
SHAPE_METHOD = "forward hook: tuple(output.shape[1:])"
COUNT_METHOD = "sum of numel() over model.{}()"
MEMORY_METHOD = {
    "cpu": "torch.autograd.profiler.profile(profile_memory=True): allocator events",
    "cuda": "torch.cuda.memory_stats(): requested_bytes.all",
}
ROUNDING_METHOD = "allocated_bytes less requested_bytes, at most"
CLOCK = "time.perf_counter_ns between layer marks, median of {} passes"
PRODUCT_METHOD = "torch.mm of {side}×{side}, median of {repeats} after a warm-up"
PAGES_METHOD = "getrusage(RUSAGE_SELF).ru_minflt between layer marks, median of {} passes"
TOUCH_METHOD = "fill_ of {mib} MiB just mapped less a second one, median of {repeats}"

SECONDS = "s"
RATE = "matrix_product_rate"
TOUCH_RATE = "first_touch_rate"
"""Pages a second: how fast this machine hands out fresh memory, beside writing to it."""
TIMES = "time"
"""In ``Measurement.skipped``: why no pass was timed."""

NEVER_JUDGED = (SECONDS, "pages", "FLOP/s", "pages/s")
"""Units of what is reported, and no prediction is held against."""

TIMED = tuple(phase for phase in Phase if phase not in (Phase.LOAD, Phase.INPUT))
"""The parts of a step that a clock reads."""


def time_of(phase: str) -> str:
    """The quantity that says how long a phase took, or a layer's part of it."""
    return f"{phase}_time"


def pages_of(phase: str) -> str:
    """The quantity that says how many fresh pages of memory a phase touched, or a layer's part of it."""
    return f"{phase}_fresh_pages"


class Quantity(NamedTuple):
    """How a reading must look: ``method`` is a pattern, ``is_whole`` and ``is_of_layers`` say whose it is."""

    unit: str
    method: str
    is_whole: bool = True
    is_of_layers: bool = True


def quantities(device: str) -> dict[str, Quantity]:
    """Everything that is read on a device, by name."""
    flops = Quantity("FLOP", _pattern(FLOP_COUNTER))
    memory = Quantity("B", _pattern(MEMORY_METHOD[device]), is_of_layers=False)
    found = {
        **{
            each: Quantity("value", _pattern(COUNT_METHOD.format(each)), is_of_layers=False)
            for each in ("parameters", "buffers")
        },
        "output_shape": Quantity("values", _pattern(SHAPE_METHOD), is_whole=False),
        "forward_flops": flops,
        "forward_backward_flops": flops,
        "checkpointed_flops": flops._replace(is_of_layers=False),
        "fvcore_flops": Quantity("MAC", _pattern(FVCORE_METHOD.format("FlopCountAnalysis"))),
        "fvcore_activations": Quantity("value", _pattern(FVCORE_METHOD.format("ActivationCountAnalysis"))),
        "peak_bytes": memory,
        **{time_of(phase): Quantity(SECONDS, _pattern(CLOCK)) for phase in TIMED},
        RATE: Quantity("FLOP/s", _pattern(PRODUCT_METHOD), is_of_layers=False),
    }
    if device == "cpu":
        found |= {pages_of(phase): Quantity("pages", _pattern(PAGES_METHOD)) for phase in TIMED}
        found[TOUCH_RATE] = Quantity("pages/s", _pattern(TOUCH_METHOD), is_of_layers=False)
    if device == "cuda":
        found |= {
            "lasting_workspace_bytes": memory,
            "allocator_rounding_bytes": Quantity("B", _pattern(ROUNDING_METHOD), is_of_layers=False),
        }
    return found


def _pattern(method: str) -> str:
    """What a method looks like once its numbers are filled in."""
    return re.sub(r"\\{\w*\\}", "[1-9][0-9]{0,5}", re.escape(method))


_VERSION = "[0-9][0-9A-Za-z.+!-]*"

ENVIRONMENT = {
    "vgg_profile": _VERSION,
    "torch": _VERSION,
    "fvcore": f"{_VERSION}|not installed",
    "python": _VERSION,
    "platform": r"\w+ \w*",
    "device": ".*",
    "threads": "[1-9][0-9]{0,5}",
    "cpu_capability": "[A-Z0-9 ]+",
    "onednn": "True|False",
    "cuda": f"{_VERSION}|None",
    "command": "from Python|vgg-profile( .*)?",
}
"""On what it was measured: each key with the pattern of its value."""
