"""Is ``fit`` true? Its largest batch, run under a hard limit, and one that should fail.

For each setup ``vgg-profile fit --calibrate`` is asked for the largest batch in a memory, where malloc gives
back what is freed (``MALLOC_MMAP_THRESHOLD_``); then that batch is run twice, three steps each time in a
process that may have so much private memory and no more (``RLIMIT_DATA``), and so are batches up to 3% beyond
it, or two images where that is more, of which one should fail. Of some, the answer is then run by a malloc
that is left to itself, without a limit, as often as ``--alone`` says: how much it takes differs from process
to process. Linux alone.

    python examples/measure_reserve.py --alone 10 -o reports/reserve.md

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
from vgg_profile.ask.machine import GIVEN_BACK, THRESHOLD, last_seen
from vgg_profile.cli import main
from vgg_profile.core.files import write_whole
from vgg_profile.core.setting import Setting
from vgg_profile.core.units import binary, exact
from vgg_profile.measure.process import steps_in_a_process
from vgg_profile.predict.vgg.configs import config

SETUPS = (
    ("small", "8,M,16,M --input 224 --optimizer sgd", "1GiB"),
    ("wide maps", "32,M,32,M --input 160 --optimizer sgd", "1GiB"),
    ("wide maps, more of them", "32,M,32,M --input 160 --optimizer sgd", "1600MiB"),
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

TIMES = 2
"""How often a batch has to run."""

ALONE = ("small", "convolutions", "dense")
"""Of these it is measured how much the answer takes where malloc is left to itself."""


class Row(NamedTuple):
    kind: str
    question: str
    memory: str
    machine: str
    """On what it was measured."""
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
    per_image: int
    """What an image more takes at the answer, in bytes."""
    alone: list[int] = []  # noqa: RUF012 - read, never added to
    """What processes took for the answer, each with a malloc that is left to itself, in bytes."""

    @property
    def verdict(self) -> str:
        if not all(self.runs):
            return "**does not run**"
        is_close = self.beyond <= max(self.answer + 1, self.answer * (1 + CLOSE))
        return "true" if self.fails and is_close else "**too cautious**"


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
    largest = max(answer + 2, int(answer * (1 + CLOSE)))
    tried = sorted({answer + 1, (answer + largest) // 2, largest} - {answer})
    failed = next((batch for batch in tried if not all(runs(net, setting, batch, limit))), None)
    return Row(
        kind,
        question,
        memory,
        machine(),
        said["reserve_bytes"],
        unasked["largest_batch"],
        answer,
        runs(net, setting, answer, limit),
        failed or largest,
        failed is not None,
        said["bytes_per_image"],
    )


def alone(row: Row, times: int) -> Row:
    """The row with what so many processes took whose malloc is left to itself, without a limit."""
    network, *options = row.question.split()
    said = ask(network, *options, "--memory", row.memory)
    setting = replace(Setting.from_dict(said), batch=row.answer)
    net = config(network, batch_norm=said["batch_norm"] or None)
    told = os.environ.pop(THRESHOLD)
    took = [steps_in_a_process(net, setting).peak for _ in range(times)]
    os.environ[THRESHOLD] = told
    return row._replace(alone=[peak for peak in took if peak is not None])


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
        f"`fit --calibrate` was asked for the largest batch, with `{THRESHOLD}={GIVEN_BACK}` set, so that "
        f"malloc gives back what is freed; then that ran {TIMES} times, three steps in a process that may "
        "have so much private memory and no more (`RLIMIT_DATA`); then the next, and larger ones up to "
        f"{CLOSE:.0%} beyond it, until one failed. `python examples/measure_reserve.py` made this page on "
        f"{'; '.join(dict.fromkeys(row.machine for row in rows))}.\n"
    )
    yield (
        "| | question | memory | unasked: largest batch | beside tensors | largest batch | runs | beyond | |"
    )
    yield "| --- | --- | ---: | ---: | ---: | ---: | --- | --- | --- |"
    for row in rows:
        runs = ", ".join("yes" if ran else "no" for ran in row.runs)
        yield (
            f"| {row.kind} | `{row.question}` | {row.memory} | {exact(row.unasked)} | "
            f"{binary(row.beside)} | {exact(row.answer)} | {runs} "
            f"| {exact(row.beyond)} {'fails' if row.fails else 'runs'} | {row.verdict} |"
        )
    least, most = (binary(of(row.beside for row in rows)) for of in (min, max))
    ran, true = sum(all(row.runs) for row in rows), sum(row.verdict == "true" for row in rows)
    others = [
        f", of {row.kind} {row.beyond - row.answer} images beyond" for row in rows if row.verdict != "true"
    ]
    unasked = sum(row.unasked <= row.answer for row in rows)
    missing = [kind for kind, *_ in SETUPS if kind not in {row.kind for row in rows}]
    not_asked = f"; not asked yet: {', '.join(missing)}" if missing else ""
    yield (
        f"\n{ran} of {len(rows)} batches ran each time; of {true} a batch within {CLOSE:.0%} of it, or the "
        f"next, failed{''.join(others)}{not_asked}. Beside their tensors {least} to "
        f"{most} were kept free. Unasked, `fit` keeps {binary(PROCESS.bytes)} free, and at most "
        f"{binary(MALLOC.bytes)} for malloc, a fifth of what is left where that is less: {unasked} "
        f"of {len(rows)} of its answers are no more than ran."
    )
    measured = [row for row in rows if row.alone]
    if measured:
        yield from left_alone(measured)


def left_alone(rows: list[Row]) -> Iterator[str]:
    """How much the answers take where malloc is left to itself."""
    yield "\n## Where malloc is left to itself\n"
    yield (
        "Without that variable glibc soon keeps what is freed, in pieces of up to 32 MiB, and what is left "
        "of them depends on where small things came to lie: on the seed with which Python hashes, and on "
        "more. The same batch, without a limit:\n"
    )
    yield "| | batch | processes | least | most | apart | in images | of the batch |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for row in rows:
        least, most = min(row.alone), max(row.alone)
        images = (most - least) / row.per_image
        yield (
            f"| {row.kind} | {exact(row.answer)} | {len(row.alone)} | {binary(least)} | {binary(most)} "
            f"| {binary(most - least)} | {images:.1f} | {images / row.answer:.0%} |"
        )
    yield (
        f"\nWhere that is more than {CLOSE:.0%}, no batch is the first that fails: some run in one process "
        "and not in the next."
    )


@click.command()
@click.option("-o", "path", type=click.Path(path_type=Path), required=True)
@click.option("--count", type=int, default=len(SETUPS), help="Ask so many setups more.")
@click.option("--alone", "times", type=int, default=0, help="So many processes with malloc left to itself.")
def measure_reserve(path: Path, count: int, times: int) -> None:
    """Ask each setup that has no row yet, and write the page of all that have one."""
    kept = path.with_suffix(".jsonl")
    known = [Row(**json.loads(line)) for line in kept.open(encoding="utf-8")] if kept.exists() else []
    rows = {(row.kind, row.question, row.memory): row for row in known}

    def write() -> None:
        found = [rows[each] for each in SETUPS if each in rows]
        write_whole(kept, "".join(json.dumps(row._asdict()) + "\n" for row in found), force=True)
        write_whole(path, "\n".join(page(found)) + "\n", force=True)

    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"XDG_CACHE_HOME": folder, THRESHOLD: str(GIVEN_BACK)}
        for setup in [setup for setup in SETUPS if setup not in rows][:count]:
            rows[setup] = try_one(*setup)
            print(rows[setup], rows[setup].verdict, file=sys.stderr, flush=True)
            write()
        for setup, row in rows.items():
            if row.kind in ALONE and len(row.alone) < times:
                rows[setup] = alone(row, times)
                print(rows[setup], file=sys.stderr, flush=True)
                write()
    write()


if __name__ == "__main__":
    measure_reserve()
