"""Is ``fit`` true? Its largest batch, run under a hard limit, and the first batch that fails.

For each setup ``vgg-profile fit --calibrate`` is asked for the largest batch in a memory; then that batch is
run, two steps in one process that may have so much private memory and no more (``RLIMIT_DATA``), twice, each
time in a new process; and larger ones, until the first that fails is known. Linux alone.

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

from vgg_profile.ask.fit import MALLOC, PROCESS
from vgg_profile.ask.machine import last_seen
from vgg_profile.cli import main
from vgg_profile.core.files import write_whole
from vgg_profile.core.setting import Setting
from vgg_profile.core.units import binary, exact
from vgg_profile.measure.process import steps_in_a_process
from vgg_profile.predict.vgg.configs import config

SETUPS = (
    ("small", "8,M,16,M --input 32 --optimizer sgd", "1600MiB"),
    ("wide maps", "64,M,128,M --input 64 --optimizer sgd", "1600MiB"),
    ("convolutions", "32,32,M,64,64,M,128,128,M --input 96", "2GiB"),
    ("dense", "A --input 32 --optimizer sgd", "2GiB"),
    ("deep", "D --input 64 --optimizer momentum", "3GiB"),
    ("batch norm", "B --batch-norm --input 64 --optimizer sgd", "2GiB"),
    ("checkpointed", "D --input 96 --checkpoint blocks", "2GiB"),
    ("autocast", "32,M,64,M --input 64 --amp bfloat16", "1600MiB"),
    ("Adam", "A --input 64 --optimizer adam", "3GiB"),
    ("large", "D --input 224", "3GiB"),
)
"""What it stands for, the question, and the memory."""

CLOSE = 0.03
"""The first batch that fails is to be no larger than the answer by more than this."""


class Row(NamedTuple):
    kind: str
    question: str
    memory: str
    answer: int
    """The largest batch, by ``fit``."""
    beside: int
    """What the process takes beside its tensors, as calibrated, in bytes."""
    runs: bool
    """Whether that batch ran, both times."""
    fails: int | None
    """The first batch that failed, or ``None`` if none of those tried did."""

    @property
    def is_true(self) -> bool:
        return self.runs and self.fails is not None and self.fails - 1 <= self.answer * (1 + CLOSE)


def ask(*arguments: str) -> dict[str, Any]:
    """What ``fit`` says, as JSON."""
    done = CliRunner().invoke(main, ["fit", *arguments, "--format", "json"])
    if done.exit_code:
        raise SystemExit(f"fit {' '.join(arguments)}: {done.output}")
    return dict(json.loads(done.stdout))


def fits(net: Any, setting: Setting, batch: int, limit: int) -> bool:
    """Whether two steps of a batch run within a limit."""
    try:
        took = steps_in_a_process(net, replace(setting, batch=batch), steps=2, limit=limit)
    except RuntimeError as error:  # a library that does not say why it gives up
        print(f"batch {batch}: {error}", file=sys.stderr)
        return False
    return took.peak is not None


def try_one(kind: str, question: str, memory: str) -> Row:
    """Ask, run what is answered, and look for the first batch that fails."""
    arguments = question.split()
    said = ask(*arguments, "--memory", memory, "--calibrate")
    answer, limit = said["largest_batch"], said["memory_bytes"]
    setting = Setting.from_dict(said)
    net = config(arguments[0], batch_norm=said["batch_norm"] or None)
    runs = fits(net, setting, answer, limit) and fits(net, setting, answer, limit)
    good, bad = (answer, None) if runs else (0, answer)
    for step in (1.01, 1.02, 1 + CLOSE, 1.06, 1.12, 1.25):
        if bad is not None:
            break
        batch = int(answer * step) + 1
        good, bad = (batch, None) if fits(net, setting, batch, limit) else (good, batch)
    while bad is not None and bad - good > max(1, answer // 200):
        middle = (good + bad) // 2
        good, bad = (middle, bad) if fits(net, setting, middle, limit) else (good, middle)
    row = Row(kind, question, memory, answer, said["reserve_bytes"], runs, bad)
    print(row, row.is_true, file=sys.stderr, flush=True)
    return row


def page(rows: list[Row]) -> Iterator[str]:
    """The rows as a page, and what follows of them."""
    seen = last_seen()
    assert seen is not None
    yield "# Does the batch that fits really fit?\n"
    yield (
        "`fit --calibrate` was asked for the largest batch; then that batch was trained, two steps in a "
        "process that may have so much private memory and no more (`RLIMIT_DATA`), twice; then larger ones, "
        "until one failed (to half a percent). `python examples/measure_reserve.py` made this page on "
        f"{platform.machine()}, {seen.processor}, {seen.threads} threads, {os.cpu_count()} CPUs, "
        f"{platform.system()}, Python {platform.python_version()}, torch {version('torch')}.\n"
    )
    yield "| | question | memory | beside tensors, calibrated | largest batch | runs twice | fails from | |"
    yield "| --- | --- | ---: | ---: | ---: | --- | ---: | --- |"
    for row in rows:
        fails = "none tried" if row.fails is None else exact(row.fails)
        verdict = "true" if row.is_true else "**too cautious**" if row.runs else "**does not run**"
        yield (
            f"| {row.kind} | `{row.question}` | {row.memory} | {binary(row.beside)} | {exact(row.answer)} | "
            f"{'yes' if row.runs else 'no'} | {fails} | {verdict} |"
        )
    beside = [row.beside for row in rows]
    yield (
        f"\n{sum(row.is_true for row in rows)} of {len(rows)}: the batch runs, and the first that fails is "
        f"within {CLOSE:.0%}. Beside their tensors these processes took {binary(min(beside))} to "
        f"{binary(max(beside))}; unasked, `fit` keeps {binary(PROCESS.bytes)}, and for malloc at most "
        f"{binary(MALLOC.bytes)} more, a fifth of what is left where that is less."
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
