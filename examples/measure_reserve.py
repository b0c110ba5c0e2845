"""Is ``fit`` true? Its largest batch, run under a hard limit, and one that should fail.

For each setup ``vgg-profile fit --calibrate`` is asked for the largest batch in a memory; then that batch is
run several times, three steps each time in a process that may have so much private memory and no more
(``RLIMIT_DATA``), and so are batches up to 3% beyond it, of which one should fail once. Linux alone.

    python examples/measure_reserve.py -o reports/reserve.md

What was found is kept beside the page, a line of JSON for each setup: run again, the script goes on where it
was. Without that file it begins anew. ``--count 4`` asks four setups more and no others.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import click
from click.testing import CliRunner

from vgg_profile.ask.fit import MALLOC, PROCESS
from vgg_profile.ask.machine import last_seen
from vgg_profile.cli import main
from vgg_profile.core.files import write_whole
from vgg_profile.core.setting import Setting
from vgg_profile.core.step import SEVERAL
from vgg_profile.core.units import binary, exact
from vgg_profile.measure.process import steps_in_a_process
from vgg_profile.predict.steps import trace
from vgg_profile.predict.vgg.configs import config
from vgg_profile.predict.vgg.walk import walk

SETUPS = (
    ("small", "8,M,16,M --input 224 --optimizer sgd", "1GiB"),
    ("wide maps", "32,M,32,M --input 160 --optimizer sgd", "1GiB"),
    ("convolutions", "16,16,M,32,32,M,64,64,M --input 128", "1GiB"),
    ("dense", "A --input 32 --optimizer sgd", "2GiB"),
    ("deep", "8,8,M,16,16,M,32,32,32,M,64,64,64,M --input 224 --optimizer momentum", "1600MiB"),
    ("batch norm", "8,8,M,16,16,M,32,M --batch-norm --input 192 --optimizer sgd", "1GiB"),
    ("checkpointed", "16,16,M,32,32,M,64,64,M --input 160 --checkpoint blocks", "1GiB"),
    ("autocast", "16,M,32,M --input 160 --amp bfloat16", "1GiB"),
    ("Adam", "16,M,32,M,64,M --input 160 --optimizer adam", "1600MiB"),
    ("large", "A --input 224", "2GiB"),
)
"""What it stands for, the question, and the memory."""

CLOSE = 0.03
"""The first batch that fails is no further away."""

TIMES = 3
"""How often a batch has to run: malloc keeps more or less, from process to process."""


class Row(NamedTuple):
    kind: str
    question: str
    memory: str
    machine: str
    """On what it was measured."""
    process: int
    """What a process takes beside the tensors of two images, in bytes."""
    beside: int
    """What is kept free beside the tensors of the answer, as calibrated, in bytes."""
    unasked: int
    """The largest batch by ``fit``, with its default for what a process takes."""
    answer: int
    """The largest batch with that."""
    runs: list[bool]
    """Whether it ran, each time."""
    beyond: int
    """The first larger batch that was tried and failed; the largest that was tried where none did."""
    fails: bool
    """Whether it failed."""

    @property
    def malloc(self) -> int:
        """What is kept free at the answer beyond what a process takes with two images."""
        return self.beside - self.process

    @property
    def verdict(self) -> str:
        if not all(self.runs):
            return "**does not run**"
        return "true" if self.fails else "**too cautious**"


def ask(*arguments: str) -> dict[str, Any]:
    """What ``fit`` says, as JSON."""
    done = CliRunner().invoke(main, ["fit", *arguments, "--format", "json"])
    if done.exit_code:
        raise SystemExit(f"fit {' '.join(arguments)}: {done.output}")
    return dict(json.loads(done.stdout))


def fits(net: Any, setting: Setting, batch: int, limit: int) -> bool:
    """Whether three steps of a batch run within a limit, one after the other."""
    try:
        took = steps_in_a_process(net, replace(setting, batch=batch), limit=limit)
    except RuntimeError as error:  # a library that does not say why it gives up
        print(f"batch {batch}: {error}", file=sys.stderr)
        return False
    return took.peak is not None


def runs(net: Any, setting: Setting, batch: int, limit: int) -> list[bool]:
    """Whether a batch runs, each time; no more often once it failed."""
    ran: list[bool] = []
    while all(ran) and len(ran) < TIMES:
        ran.append(fits(net, setting, batch, limit))
    return ran


def try_one(kind: str, question: str, memory: str) -> Row:
    """Ask, run what is answered, and then batches up to ``CLOSE`` beyond it."""
    network, *options = question.split()
    unasked = ask(network, *options, "--memory", memory)
    said = ask(network, *options, "--memory", memory, "--calibrate")
    answer, limit = said["largest_batch"], said["memory_bytes"]
    setting = Setting.from_dict(said)
    net = config(network, batch_norm=said["batch_norm"] or None)
    small = replace(setting, batch=SEVERAL)
    took = steps_in_a_process(net, small).peak
    assert took is not None
    tensors = trace(walk(net, **small.tensors), setting.setup).peak_bytes(SEVERAL)
    largest = max(answer + 1, int(answer * (1 + CLOSE)))
    tried = sorted({answer + 1, (answer + largest) // 2, largest} - {answer})
    failed = next((batch for batch in tried if not all(runs(net, setting, batch, limit))), None)
    return Row(
        kind,
        question,
        memory,
        machine(),
        took - tensors,
        said["reserve_bytes"],
        unasked["largest_batch"],
        answer,
        runs(net, setting, answer, limit),
        failed or largest,
        failed is not None,
    )


def machine() -> str:
    seen = last_seen()
    assert seen is not None
    return (
        f"{platform.machine()}, {seen.processor}, {seen.threads} threads, {os.cpu_count()} CPUs, "
        f"{platform.system()}, Python {platform.python_version()}, torch {version('torch')}"
    )


def page(rows: list[Row]) -> Iterator[str]:
    """The rows as a page, and what follows of them."""
    yield "# Does the batch that fits really fit?\n"
    yield (
        f"`fit --calibrate` was asked for the largest batch; then that ran {TIMES} times, three steps "
        "in a process that may have so much private memory and no more (`RLIMIT_DATA`); then the next, and "
        f"larger ones up to {CLOSE:.0%} beyond it, until one failed. `python examples/measure_reserve.py` "
        f"made this page on {'; '.join(dict.fromkeys(row.machine for row in rows))}.\n"
    )
    yield (
        "| | question | memory | unasked: largest batch | beside two images | beside the largest batch "
        "| largest batch | runs | beyond | |"
    )
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- | --- | --- |"
    for row in rows:
        runs = ", ".join("yes" if ran else "no" for ran in row.runs)
        yield (
            f"| {row.kind} | `{row.question}` | {row.memory} | {exact(row.unasked)} | "
            f"{binary(row.process)} | {binary(row.beside)} | {exact(row.answer)} | {runs} "
            f"| {exact(row.beyond)} {'fails' if row.fails else 'runs'} | {row.verdict} |"
        )
    least, most = (binary(of(row.process for row in rows)) for of in (min, max))
    few, many = (binary(of(row.malloc for row in rows)) for of in (min, max))
    ran, true = sum(all(row.runs) for row in rows), sum(row.verdict == "true" for row in rows)
    unasked = sum(row.unasked <= row.answer for row in rows)
    yield (
        f"\n{ran} of {len(rows)} batches ran each time; of {true} a batch within {CLOSE:.0%} of it, or the "
        f"next, failed; {len(SETUPS) - len(rows)} setups are not asked yet. Beside the "
        f"tensors of two images these processes took {least} to {most}; at their largest batch {few} to "
        f"{many} more, which malloc keeps of what was freed. Unasked, `fit` keeps {binary(PROCESS.bytes)} "
        f"free for the one, and for the other at most {binary(MALLOC.bytes)}, a fifth of what is left where "
        f"that is less: {unasked} of {len(rows)} of its answers are no more than ran."
    )


@click.command()
@click.option("-o", "path", type=click.Path(path_type=Path), required=True)
@click.option("--count", type=int, default=len(SETUPS), help="Ask so many setups more.")
def measure_reserve(path: Path, count: int) -> None:
    """Ask each setup that has no row yet, and write the page of all that have one."""
    kept = path.with_suffix(".jsonl")
    known = [Row(**json.loads(line)) for line in kept.open(encoding="utf-8")] if kept.exists() else []
    rows = {(row.kind, row.question, row.memory): row for row in known}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        for setup in [setup for setup in SETUPS if setup not in rows][:count]:
            rows[setup] = try_one(*setup)
            print(rows[setup], rows[setup].verdict, file=sys.stderr, flush=True)
            found = [rows[each] for each in SETUPS if each in rows]
            write_whole(kept, "".join(json.dumps(row._asdict()) + "\n" for row in found), force=True)
            write_whole(path, "\n".join(page(found)) + "\n", force=True)


if __name__ == "__main__":
    measure_reserve()
