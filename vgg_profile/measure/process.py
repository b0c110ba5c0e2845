"""What a process takes beside its tensors, and what it takes in all, read off a process of its own.

Counted is **private memory**: what the process may write and shares with nobody, mapped or taken from the
heap (``VmData`` in ``/proc/PID/status``). It is what ``RLIMIT_DATA`` limits, and what no pressure of others
takes away: code and libraries, which the kernel reads again from their files, are no part of it. Linux alone.
"""

from __future__ import annotations

import json
import pickle
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from vgg_profile.core.errors import InputError
from vgg_profile.core.inputs import Input
from vgg_profile.core.interpreter import python
from vgg_profile.core.parsing import parse_json
from vgg_profile.core.setting import Setting

STEPS = 3
"""Steps that a process takes: malloc keeps more of what was freed after the second than after the first."""

_STATUS = Path("/proc/self/status")


_LACKS = ("memoryerror", "allocate memory", "bad_alloc", "alloc failed", "out of memory")
"""What a process says, among other things, whose memory does not suffice."""


class Took(NamedTuple):
    """What a process said of itself: its private memory at most, in bytes, whose kernels it had, with how
    many threads and which torch. ``peak`` is ``None`` where its memory did not suffice.
    """

    peak: int | None
    processor: str | None
    threads: int
    torch: str


def steps_in_a_process(
    config: Any, setting: Setting, *, steps: int = STEPS, limit: int | None = None
) -> Took:
    """Take real training steps of a config in a new process, on the CPU, with the setting's threads.

    With a ``limit``, the process may have so many bytes of private memory. Raises ``InputError`` where the
    system does not tell, and ``RuntimeError`` if the process ends otherwise than for lack of memory.
    """
    if not _STATUS.exists():
        raise InputError(
            "What a process takes is read from /proc, and there is none here.",
            "Leave --calibrate out: the default stands for it, or give --reserve.",
        )
    done = subprocess.run(
        python("vgg_profile.measure.process"),
        input=pickle.dumps((config, setting, steps, limit)),
        capture_output=True,
        check=False,
    )
    if done.returncode == 0:
        return Took(**parse_json(done.stdout.splitlines()[-1]))
    said = done.stderr.decode(errors="replace")
    if limit is not None and any(lack in said.lower() for lack in _LACKS):
        return Took(None, None, 0, "")
    last = (said.strip().splitlines() or ["nothing"])[-1]
    raise RuntimeError(f"the process ended with code {done.returncode} and said: {last}")


def private_peak() -> int:
    """The most private memory that this process had so far, in bytes.

    The kernel keeps the peak of all that is mapped; what of it is not private, code and libraries, stays
    as it is once a step was taken.
    """
    size = {
        name: int(value.split()[0]) * 1024
        for name, _, value in (line.partition(":") for line in _STATUS.read_text().splitlines())
        if name.startswith("Vm")
    }
    return size["VmPeak"] - (size["VmSize"] - size["VmData"])


def main(question: bytes) -> None:
    """Take the steps, and print what they took."""
    config, setting, steps, limit = pickle.loads(question)
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    import torch

    from vgg_profile import models
    from vgg_profile.measure.processor import processor
    from vgg_profile.run.marks import Deaf
    from vgg_profile.run.step import TrainingStep, computing, optimizer_of
    from vgg_profile.run.tensors import CLASSES, give

    here, setup = processor(), setting.setup
    device, dtype = torch.device("cpu"), getattr(torch, setting.dtype)
    with computing(setup):
        threads = torch.get_num_threads()
        model = models.build(config, input=setting.input, device=device, dtype=dtype)
        model.checkpoint_blocks = setup.checkpoint != "none"
        model.train(setup.mode == "train")
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(not setup.is_frozen(name))
        optimizer = optimizer_of(model, setup)
        given = give((Input(setting.input),), CLASSES, setting.batch, dtype, device)
        for _ in range(steps):
            model.zero_grad(set_to_none=True)
            for _ in range(min(setup.accumulate, 2) - 1):
                TrainingStep(model, given, CLASSES.function, {}, setup, "cpu", None).run(Deaf())
            TrainingStep(model, given, CLASSES.function, {}, setup, "cpu", optimizer).run(Deaf())
    print(json.dumps(Took(private_peak(), here, threads, str(torch.__version__))._asdict()))


if __name__ == "__main__":
    main(sys.stdin.buffer.read())
