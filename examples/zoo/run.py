"""Predict a step of every network of the zoo, run it, and write what is left over: reports/zoo.md.

python examples/run_zoo.py [NAME …] [-o FILE.md]
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("KINETO_LOG_LEVEL", "99")

import torch

from vgg_profile.core.errors import InputError
from vgg_profile.core.inputs import Input
from vgg_profile.core.step import Step
from vgg_profile.measure.memory import CpuMemory
from vgg_profile.measure.record import MeasuredMoment
from vgg_profile.predict.fake.trace import trace
from vgg_profile.run.marks import Deaf, every_module
from vgg_profile.run.step import TrainingStep, optimizer_of
from vgg_profile.run.tensors import Loss, default_loss, give

from .models import Animal, animals


class Row(NamedTuple):
    """One network: how many parts are exact, and the furthest that one is off; or why there is no answer."""

    name: str
    parts: int = 0
    live_off: int = 0
    most_off: int = 0
    furthest: int = 0
    predicted: int = 0
    measured: int = 0
    seconds: float = 0.0
    why: str = ""

    @property
    def is_exact(self) -> bool:
        return not (self.why or self.live_off or self.most_off)


def measured(animal: Animal, inputs: tuple[Input, ...]) -> list[MeasuredMoment]:
    """The step under the allocator's events, after a first one unless it is the first."""
    torch.manual_seed(0)
    setup, batch = animal.setup.on("cpu"), animal.batch
    model = animal.build()
    model.train(setup.mode == "train")
    optimizer = optimizer_of(model, setup)
    loss = Loss(animal.loss, "its own") if animal.loss else _default(animal, model, inputs)

    def step() -> TrainingStep:
        given = give(inputs, loss, batch, torch.float32, torch.device("cpu"))
        return TrainingStep(model, given, loss.function, every_module(model), setup, "cpu", optimizer)

    tensors = [*model.parameters(), *model.buffers()]
    start = sum({each.untyped_storage()._cdata: each.untyped_storage().nbytes() for each in tensors}.values())
    if optimizer is not None and not setup.first_step:
        with CpuMemory(start) as first:
            first.mark("load")
            step().run(Deaf())
            model.zero_grad(set_to_none=True)
            first.mark("end")
        start = first.moments[0].live
    gc.collect()
    with CpuMemory(start) as later:
        later.mark("input")
        step().run(later)
    return [moment for moment in later.moments if moment.phase != "end"]


def _default(animal: Animal, model: torch.nn.Module, inputs: tuple[Input, ...]) -> Loss:
    nothing = Loss(lambda output, targets: output, "none")
    args, kwargs, _ = give(inputs, nothing, animal.batch, torch.float32, torch.device("cpu"))
    with torch.no_grad():
        return default_loss(model(*args, **kwargs), animal.batch)


def row(animal: Animal) -> Row:
    """Predict one network, then run it."""
    inputs = tuple(map(Input.parse, animal.inputs))
    before = time.process_time()
    try:
        step = trace(
            animal.build,
            list(inputs),
            loss=animal.loss,
            batch=animal.batch,
            setup=animal.setup,
            every_batch=False,
        )
    except InputError as error:
        return Row(animal.name, why=f"refused: {error.problem}")
    except Exception as error:
        return Row(animal.name, why=f"failed: {type(error).__name__}: {error}")
    seconds = time.process_time() - before
    try:
        real = measured(animal, inputs)
    except Exception as error:
        return Row(animal.name, why=f"cannot be run: {type(error).__name__}")
    return compared(animal.name, step, real, seconds)


def compared(name: str, step: Step, real: list[MeasuredMoment], seconds: float) -> Row:
    """Part by part, from the input on."""
    ours = [moment for moment in step.moments if moment.phase.value != "load"]
    if [(each.phase.value, each.layer) for each in ours] != [(each.phase, each.layer) for each in real]:
        return Row(name, why="the step has other parts than predicted")
    pairs = list(zip(ours, real, strict=True))
    return Row(
        name,
        len(pairs),
        sum(one.live != other.live for one, other in pairs),
        sum(one.peak != other.peak for one, other in pairs),
        max((abs(other.peak - one.peak), other.peak - one.peak) for one, other in pairs)[1],
        max(each.peak for each in ours),
        max(each.peak for each in real),
        seconds,
    )


def report(rows: list[Row]) -> Iterator[str]:
    """The page, line by line."""
    exact = [row for row in rows if row.is_exact]
    live = [row for row in rows if not row.why and not row.live_off]
    yield "# The zoo"
    yield ""
    yield (
        f"{len(rows)} networks that nobody here wrote, each predicted on tensors without data, then run: "
        "a later step of Adam at batch 2, float32, unless its name says otherwise, torch "
        f"{torch.__version__} on the CPU with {torch.get_num_threads()} threads. Made by `python examples/run_zoo.py`."
    )
    yield ""
    yield (
        f"Live bytes are exact at every boundary of {len(live)}; of {len(exact)} the most within every part "
        "is, too. A remainder is the furthest that one part's most is off, measured less predicted."
    )
    yield ""
    yield "| network | parts | live off | most off | remainder | peak, predicted | peak, measured | CPU s |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    for each in rows:
        if each.why:
            yield f"| {each.name} | {each.why} | | | | | | |"
        else:
            yield (
                f"| {each.name} | {each.parts:,} | {each.live_off} | {each.most_off} | {each.furthest:,} "
                f"| {each.predicted:,} | {each.measured:,} | {each.seconds:.1f} |"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only these")
    parser.add_argument("-o", "--output", type=Path)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = []
    for animal in animals():
        if asked.names and animal.name not in asked.names:
            continue
        gc.collect()
        rows.append(row(animal))
        print(rows[-1], file=sys.stderr, flush=True)
        if asked.output:
            asked.output.write_text("\n".join(report(rows)) + "\n", encoding="utf-8")
    if not asked.output:
        print("\n".join(report(rows)))


if __name__ == "__main__":
    main()
