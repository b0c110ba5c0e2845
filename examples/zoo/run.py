"""Predict a step of every network of the zoo, run it, and write what is left over: reports/zoo.md.

python examples/run_zoo.py [NAME …] [-o FILE.md] [--rows FILE.jsonl]
python examples/run_zoo.py --device cuda --keep moments.json.gz        # on a card: measures, predicts nothing
python examples/run_zoo.py --device cuda --against moments.json.gz     # anywhere: predicts, runs nothing
"""

from __future__ import annotations

import argparse
import gc
import gzip
import json
import os
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("KINETO_LOG_LEVEL", "99")

import torch

from vgg_profile.core.book import Moment
from vgg_profile.core.errors import InputError
from vgg_profile.core.inputs import Input
from vgg_profile.core.step import Step
from vgg_profile.measure.memory import CpuMemory, CudaMemory
from vgg_profile.measure.record import MeasuredMoment
from vgg_profile.predict.fake.trace import trace
from vgg_profile.run.marks import Deaf, every_module
from vgg_profile.run.step import TrainingStep, optimizer_of
from vgg_profile.run.tensors import Loss, default_loss, give

from .models import Animal, animals, is_variant


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
    open: int = 0
    """Parts in which something takes more than is known: their most is one at least, and compared as such."""
    why: str = ""
    where: str = ""
    """The part that is furthest off."""

    @property
    def is_exact(self) -> bool:
        return not (self.why or self.live_off or self.most_off)


Moments = list[MeasuredMoment]


def measured(animal: Animal, inputs: tuple[Input, ...], device: str) -> Moments:
    """The step under the allocator's events, after a first one unless it is the first."""
    torch.manual_seed(0)
    setup, batch, place = animal.setup.on(device), animal.batch, torch.device(device)
    model = animal.build().to(place)
    model.train(setup.mode == "train")
    optimizer = optimizer_of(model, setup)
    loss = Loss(animal.loss, "its own") if animal.loss else _default(animal, model, inputs, place)

    blocks: dict[int, int] = {}

    def memory(start: int) -> CpuMemory | CudaMemory:
        return CpuMemory(start, blocks) if device == "cpu" else CudaMemory(place, start)

    def step(optimizer: torch.optim.Optimizer | None) -> TrainingStep:
        given = give(inputs, loss, batch, torch.float32, place)
        return TrainingStep(model, given, loss.function, every_module(model), setup, device, optimizer)

    tensors = [*model.parameters(), *model.buffers()]
    start = sum({each.untyped_storage()._cdata: each.untyped_storage().nbytes() for each in tensors}.values())
    if device == "cuda":  # the workspaces that libraries keep are taken in a step that nobody reads
        step(None).run(Deaf())
        model.zero_grad(set_to_none=True)
    if optimizer is not None and not setup.first_step:
        with memory(start) as first:
            first.mark("load")
            step(optimizer).run(Deaf())
            model.zero_grad(set_to_none=True)
            first.mark("end")
        start = first.moments[0].live
    gc.collect()
    with memory(start) as later:
        later.mark("input")
        step(optimizer).run(later)
    return [moment for moment in later.moments if moment.phase != "end"]


def _default(animal: Animal, model: torch.nn.Module, inputs: tuple[Input, ...], place: torch.device) -> Loss:
    nothing = Loss(lambda output, targets: output, "none")
    args, kwargs, _ = give(inputs, nothing, animal.batch, torch.float32, place)
    with torch.no_grad():
        return default_loss(model(*args, **kwargs), animal.batch)


def row(animal: Animal, device: str, kept: dict[str, Moments] | None) -> Row:
    """Predict one network, then run it, or compare with what was ``kept`` of its run."""
    inputs = tuple(map(Input.parse, animal.inputs))
    torch.set_num_threads(animal.threads)
    before = time.process_time()
    try:
        step = trace(
            animal.build,
            list(inputs),
            loss=animal.loss,
            batch=animal.batch,
            device=device,
            setup=animal.setup,
            every_batch=False,
        )
    except InputError as error:
        return Row(animal.name, why=f"refused: {error.problem}")
    except Exception as error:
        return Row(animal.name, why=f"failed: {type(error).__name__}: {error}")
    seconds = time.process_time() - before
    try:
        real = kept[animal.name] if kept else measured(animal, inputs, device)
    except Exception as error:
        return Row(animal.name, why=f"cannot be run: {type(error).__name__}")
    return compared(animal.name, step, real, seconds)


def compared(name: str, step: Step, real: list[MeasuredMoment], seconds: float) -> Row:
    """Part by part, from the input on."""
    ours = [moment for moment in step.moments if moment.phase.value != "load"]
    if [(each.phase.value, each.layer) for each in ours] != [(each.phase, each.layer) for each in real]:
        return Row(name, why="the step has other parts than predicted")
    pairs = list(zip(ours, real, strict=True))
    furthest, _, where = max(
        (max(abs(other.live - one.live), abs(other.peak - one.peak)), -place, f"{one.phase} of {one.layer}")
        for place, (one, other) in enumerate(pairs)
    )
    return Row(
        name,
        len(pairs),
        sum(one.live != other.live for one, other in pairs),
        sum(is_off(one, other) for one, other in pairs),
        max((abs(other.peak - one.peak), other.peak - one.peak) for one, other in pairs)[1],
        max(each.peak for each in ours),
        max(each.peak for each in real),
        seconds,
        sum(bool(one.scratch) for one in ours),
        where=where if furthest else "",
    )


def is_off(one: Moment, other: MeasuredMoment) -> bool:
    """Whether the most within a part is another than predicted, or less than what is known of it."""
    return other.peak < one.peak if one.scratch else other.peak != one.peak


CARD = "an NVIDIA H200 with torch 2.11 and CUDA 13.0"
"""Where what is kept in tests/data/h200 was measured."""


TITLES = (
    "network",
    "parts",
    "open",
    "live off",
    "most off",
    "remainder",
    "peak, predicted",
    "peak, measured",
    "CPU s",
)


CAUSES = {
    "mvit_v1_b": "it reads on from a view that it changed in place, whose gradient a real run lays out anew "
    "(`as_strided_backward`); the trace says that it assumes nobody does",
}
"""Why a network is off, as far as that is known."""


def report(rows: list[Row], where: str) -> Iterator[str]:
    """The page, line by line."""
    exact = [row for row in rows if row.is_exact]
    live = [row for row in rows if not row.why and not row.live_off]
    networks = sum(not is_variant(row.name) for row in rows)
    yield "# The zoo"
    yield ""
    yield (
        f"{len(rows)} steps of {networks} networks that nobody here wrote, each predicted on tensors "
        f"without data with torch {torch.__version__}, and run: a later step of Adam at batch 2, float32, "
        f"unless its name says otherwise, on {where}."
    )
    yield ""
    yield (
        f"Live bytes are exact at every boundary of {len(live)}; of {len(exact)} the most within every part "
        "is, too. A remainder is the furthest that one part's most is off, measured less predicted."
    )
    if any(row.open for row in rows):
        yield ""
        yield (
            "In the parts that are open something takes scratch that no rule knows, such as cuDNN's "
            "convolutions: of them the most is predicted as one at least, and is off if less was measured."
        )
    yield ""
    yield f"| {' | '.join(TITLES)} |"
    yield f"|---|{'--:|' * (len(TITLES) - 1)}"
    for each in rows:
        if each.why:
            yield f"| {each.name} | {each.why} | | | | | | | |"
        else:
            counted = (each.parts, each.open, each.live_off, each.most_off, each.furthest)
            figures = [f"{number:,}" for number in (*counted, each.predicted, each.measured)]
            yield f"| {' | '.join([each.name, *figures, f'{each.seconds:.1f}'])} |"
    if missed := [row for row in rows if row.where]:
        yield ""
        yield "What is off, where most, and why:"
        yield ""
        for each in missed:
            yield f"- {each.name}, in {each.where}: {CAUSES.get(each.name, 'not known yet')}."


def read(path: Path) -> dict[str, Moments]:
    """What was measured of each network by name."""
    content = json.loads(gzip.decompress(path.read_bytes()))
    return {name: [MeasuredMoment(*each) for each in moments] for name, moments in content.items()}


def write(path: Path, kept: dict[str, Moments]) -> None:
    """The same to a file."""
    path.write_bytes(gzip.compress(json.dumps(kept, separators=(",", ":")).encode(), mtime=0))


def rows_of(path: Path) -> dict[str, Row]:
    """The rows made so far, by name."""
    return {row.name: row for row in (Row(*json.loads(line)) for line in path.read_text().splitlines())}


def keep_rows(path: Path, rows: dict[str, Row]) -> None:
    """The same to a file."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows.values()), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only these")
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument(
        "--rows", type=Path, metavar="FILE", help="a row a line: kept, and not made again unless named"
    )
    parser.add_argument("--keep", type=Path, metavar="FILE", help="write down every moment measured")
    parser.add_argument("--against", type=Path, metavar="FILE", help="such a file; nothing is run")
    parser.add_argument("--seconds", type=float, default=1e9, help="begin no network after so long")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = rows_of(asked.rows) if asked.rows and asked.rows.exists() else {}
    against, kept = read(asked.against) if asked.against else None, {}
    until = time.monotonic() + asked.seconds
    where = CARD if asked.device == "cuda" else "the CPU with 2 threads"
    for animal in animals():
        if asked.names and animal.name not in asked.names:
            continue
        if time.monotonic() > until or (against is not None and animal.name not in against):
            continue
        if animal.name in rows and not asked.names:
            continue
        gc.collect()
        if asked.keep:
            with suppress(Exception):  # one that does not run is not in the file
                kept[animal.name] = measured(animal, tuple(map(Input.parse, animal.inputs)), asked.device)
            print(animal.name, animal.name in kept, file=sys.stderr, flush=True)
            continue
        rows[animal.name] = row(animal, asked.device, against)
        print(rows[animal.name], file=sys.stderr, flush=True)
        if asked.rows:
            keep_rows(asked.rows, rows)
    if asked.keep:
        write(asked.keep, kept)
        return
    page = "\n".join(report([rows[each.name] for each in animals() if each.name in rows], where)) + "\n"
    if asked.output:
        asked.output.write_text(page, encoding="utf-8")
    else:
        print(page, end="")


if __name__ == "__main__":
    main()
