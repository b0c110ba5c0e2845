"""Is ``fit`` true? Its largest batch, run under a hard limit, and one that should fail.

For each setup ``vgg-profile fit --calibrate`` is asked for the largest batch in a memory; then that batch is
run, three steps in a process that may have so much private memory and no more (``RLIMIT_DATA``), and so is a
batch a little larger, which should fail. Linux alone.

    python examples/measure_reserve.py -o reports/reserve.md
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

from click.testing import CliRunner

from vgg_profile.ask.fit import MALLOC, PROCESS, process
from vgg_profile.ask.machine import last_seen
from vgg_profile.cli import main
from vgg_profile.core.files import write_whole
from vgg_profile.core.setting import Setting
from vgg_profile.core.units import binary, exact
from vgg_profile.measure.process import steps_in_a_process
from vgg_profile.predict.vgg.configs import config

SETUPS = (
    ("small", "8,M,16,M --input 32 --optimizer sgd", "1GiB"),
    ("wide maps", "64,M,128,M --input 64 --optimizer sgd", "1600MiB"),
    ("convolutions", "32,32,M,64,64,M,128,128,M --input 96", "1600MiB"),
    ("dense", "A --input 32 --optimizer sgd", "2GiB"),
    ("deep", "D --input 64 --optimizer momentum", "3GiB"),
    ("batch norm", "B --batch-norm --input 64 --optimizer sgd", "2GiB"),
    ("checkpointed", "D --input 96 --checkpoint blocks", "2GiB"),
    ("autocast", "32,M,64,M --input 64 --amp bfloat16", "1600MiB"),
    ("Adam", "A --input 64 --optimizer adam", "3GiB"),
    ("large", "D --input 224", "2560MiB"),
)
"""What it stands for, the question, and the memory."""

CLOSE = 0.03
"""A batch that is larger by more than this should fail."""


class Row(NamedTuple):
    kind: str
    question: str
    memory: str
    unasked: int
    """The largest batch by ``fit``, with its default for what a process takes."""
    beside: int
    """What the process takes beside its tensors, as calibrated, in bytes."""
    answer: int
    """The largest batch with that."""
    runs: bool
    """Whether it ran."""
    beyond: int
    """The first batch that is larger by more than ``CLOSE``."""
    fails: bool
    """Whether that one failed."""

    @property
    def is_true(self) -> bool:
        return self.runs and self.fails


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


def try_one(kind: str, question: str, memory: str) -> Row:
    """Ask, run what is answered, and then the first batch that is more than CLOSE beyond it."""
    arguments = question.split()
    said = ask(*arguments, "--memory", memory, "--calibrate")
    answer, limit = said["largest_batch"], said["memory_bytes"]
    setting = Setting.from_dict(said)
    net = config(arguments[0], batch_norm=said["batch_norm"] or None)
    beyond = int(answer * (1 + CLOSE)) + 1
    unasked = ask(*arguments, "--memory", memory, "--reserve", str(sum(r.bytes for r in process(limit))))
    row = Row(
        kind,
        question,
        memory,
        unasked["largest_batch"],
        said["reserve_bytes"],
        answer,
        fits(net, setting, answer, limit),
        beyond,
        not fits(net, setting, beyond, limit),
    )
    print(row, row.is_true, file=sys.stderr, flush=True)
    return row


def page(rows: list[Row]) -> Iterator[str]:
    """The rows as a page, and what follows of them."""
    seen = last_seen()
    assert seen is not None
    yield "# Does the batch that fits really fit?\n"
    yield (
        "`fit --calibrate` was asked for the largest batch; then that batch was trained, three steps in a "
        "process that may have so much private memory and no more (`RLIMIT_DATA`); then the first batch that "
        f"is larger by more than {CLOSE:.0%}. `python examples/measure_reserve.py` made this page on "
        f"{platform.machine()}, {seen.processor}, {seen.threads} threads, {os.cpu_count()} CPUs, "
        f"{platform.system()}, Python {platform.python_version()}, torch {version('torch')}.\n"
    )
    yield (
        "| | question | memory | unasked: largest batch | beside tensors, calibrated | largest batch "
        f"| runs | {CLOSE:.0%} more | |"
    )
    yield "| --- | --- | ---: | ---: | ---: | ---: | --- | --- | --- |"
    for row in rows:
        verdict = "true" if row.is_true else "**too cautious**" if row.runs else "**does not run**"
        yield (
            f"| {row.kind} | `{row.question}` | {row.memory} | {exact(row.unasked)} | {binary(row.beside)} | "
            f"{exact(row.answer)} | {'yes' if row.runs else 'no'} | "
            f"{exact(row.beyond)} {'fails' if row.fails else 'runs'} | {verdict} |"
        )
    beside = [row.beside for row in rows]
    yield (
        f"\n{sum(row.is_true for row in rows)} of {len(rows)}: the batch runs, and {CLOSE:.0%} more fail. "
        f"Beside their tensors these processes took {binary(min(beside))} to {binary(max(beside))}; unasked, "
        f"`fit` keeps {binary(PROCESS.bytes)}, and for malloc at most {binary(MALLOC.bytes)} more, a fifth "
        "of what is left where that is less."
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        found = [try_one(*setup) for setup in SETUPS]
        text = "\n".join(page(found)) + "\n"
    if sys.argv[1:2] == ["-o"]:
        write_whole(Path(sys.argv[2]), text, force=True)
    else:
        print(text, end="")
