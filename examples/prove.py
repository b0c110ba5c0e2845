"""Random networks in random settings, run for real on the CPU: is every figure as predicted, to the byte?

Each is measured and checked as ``vgg-profile measure`` does it: live bytes at every boundary, the most within
every part of the step, shapes, parameters, FLOPs. One line each goes to a log, and the tally to stdout; of
logs a page can be made, which is ``reports/proved.md``::

    python examples/prove.py 2000 --seed 1 -o prove.log
    python examples/prove.py --page *.log -o reports/proved.md

Exit code 1 if any check of any network fails. ``ONEDNN_MAX_CPU_ISA=AVX2`` or ``AVX512_CORE`` limits the run
to an older family of processors.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import click
import torch

from vgg_profile.check.crosscheck import crosscheck
from vgg_profile.check.subject import profile_for
from vgg_profile.core.errors import InputError
from vgg_profile.core.setting import Setting, Setup
from vgg_profile.measure import measure
from vgg_profile.predict.steps import ledger
from vgg_profile.predict.vgg.configs import Config, config
from vgg_profile.predict.vgg.walk import walk


def draw(choose: random.Random) -> tuple[Config, Setting]:
    """A small network, and a setting."""
    tokens = [str(choose.choice((4, 8, 16)))]
    for _ in range(choose.randint(1, 4)):
        tokens += [
            choose.choice(("", "", "", "conv1-")) + str(choose.choice((1, 3, 4, 8, 12, 16, 17, 24, 32, 64)))
            for _ in range(choose.randint(1, 2))
        ]
        tokens += ["LRN"] * (choose.random() < 0.1) + ["M"] * (choose.random() < 0.8)
    precision = choose.choice((("float32", "none"),) * 4 + (("bfloat16", "none"), ("float32", "bfloat16")))
    optimizer = choose.choice(("none", "none", "sgd", "momentum", "adam"))
    setup = Setup(
        mode=choose.choice(("train", "train", "train", "eval")),
        optimizer=optimizer,
        foreach=choose.random() < 0.3,
        first_step=choose.random() < 0.2,
        amp=precision[1],
        checkpoint=choose.choice(("none", "none", "blocks")),
        onednn=choose.random() < 0.9,
        threads=choose.choice((1, 2)),
    )
    side = choose.choice((5, 7, 8, 13, 16, 21, 32, 33, 48))
    batch = choose.choice((1, 1, 2, 3, 4, 5, 8, 15, 16, 17, 33))
    setting = Setting((3, side, side + choose.choice((0, 0, 3))), batch, precision[0], "cpu", setup)
    network = config(",".join(tokens), batch_norm=choose.random() < 0.4, classes=choose.choice((2, 10, 100)))
    return replace(network, classifier=choose.choice(((16,), (64, 32), (128, 128), (100, 300)))), setting


def page(logs: Sequence[Path]) -> Iterator[str]:
    """What some logs say together: a row for each."""
    rows, totals = [], [0] * 6
    for log in logs:
        lines = [line.split("  ", 2) for line in log.read_text(encoding="utf-8").splitlines()]
        figures = [[int(part.split()[0]) for part in counts.split(", ")] for _, counts, _ in lines]
        sums = [sum(column) for column in zip(*figures, strict=True)]
        failed = sum(verdict == "FAIL" for verdict, *_ in lines)
        rows.append([len(lines), sum(verdict == "PASS" for verdict, *_ in lines), failed, *sums])
        totals = [total + value for total, value in zip(totals, rows[-1], strict=True)]
    yield "# Random networks, really run\n"
    yield (
        f"{totals[0]:,} random networks in random settings (float32 and bfloat16, autocast, 1 and 2 threads, "
        "odd sizes, batch 1 and more, checkpointed blocks, optimizers, with oneDNN and without), each "
        "measured and held against its prediction as `vgg-profile measure` does it. Made by "
        "`python examples/prove.py`: a log a row, its name the processor that oneDNN was "
        "limited to, and the seed.\n"
    )
    yield "| log | networks | PASS | FAIL | checks | of these within a bound | not made |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for name, row in [*zip((log.stem for log in logs), rows, strict=True), ("together", totals)]:
        yield f"| {name} | {' | '.join(f'{value:,}' for value in row)} |"


@click.command()
@click.argument("runs", nargs=-1, required=True)
@click.option("--page", "makes_page", is_flag=True, help="Make a page of logs.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("-o", "log", type=click.Path(path_type=Path), required=True)
def main(runs: tuple[str, ...], makes_page: bool, seed: int, log: Path) -> None:
    """Run so many networks; or, with --page, make a page of logs."""
    if makes_page:
        log.write_text("\n".join(page([Path(each) for each in runs])) + "\n", encoding="utf-8")
    else:
        prove(int(runs[0]), seed, log)


def prove(runs: int, seed: int, log: Path) -> None:
    """Run random networks until so many have a verdict; ends the process."""
    choose, tally = random.Random(seed), Counter[str]()
    with log.open("w", encoding="utf-8") as lines:
        while sum(tally.values()) < runs:
            drawn, setting = draw(choose)
            with suppress(InputError):  # too small an image, a norm of one value: PyTorch refuses them, too
                network = walk(drawn, **setting.tensors)
                ledger(network, setting.setup)
                record = measure(network.config, setup=setting.setup, repeats=0, **setting.tensors)
                checks = crosscheck(profile_for(network.config, record), record)
                wrong = [f"{c.quantity} {c.layer} {c.residual}" for c in checks.checks if c.verdict == "FAIL"]
                unsure = sum(c.verdict == "SKIP" for c in checks.checks)
                most = sum(term.most is not None for check in checks.checks for term in check.terms)
                tally[checks.verdict.value] += 1
                print(
                    f"{checks.verdict}  {len(checks.checks)} checks, {most} bounded, {unsure} skipped  "
                    f"{drawn.to_dict()} {setting.tensors} {record.setting.setup.label}",
                    *wrong,
                    sep="  ",
                    file=lines,
                    flush=True,
                )
    click.echo(f"torch {torch.__version__}: {dict(tally)}; each run in {log}")
    raise SystemExit(bool(tally["FAIL"]))


if __name__ == "__main__":
    main()
