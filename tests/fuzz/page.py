"""What came of a run, kept row by row, and the page that says it: ``reports/fuzz.md``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.fuzz.kinds import KINDS
from tests.fuzz.running import MOST_MEMORY, MOST_SECONDS, Row

Rows = dict[str, dict[str, Any]]
"""What is kept of rows, by kind and seed."""

PAGE = Path(__file__).parents[2] / "reports" / "fuzz.md"

REAL = ("measured", "diagnose", "signals")
"""Kinds that run a real step, or a stranger's file: of those memory and seconds are told, and not judged."""


BY_A_CLOCK = ("signals", "terminals", "addresses")
"""Kinds that run in a process that nobody asks what it takes, or in a browser."""


def keep(path: Path, row: Row, seed: int) -> Rows:
    """Add a row to those that are kept, in place of an earlier one of its kind and seed; all of them."""
    rows = json.loads(path.read_text()) if path.exists() else {}
    rows[f"{row.name} {seed}"] = asdict(row)
    path.write_text(json.dumps(rows, indent=1) + "\n")
    return dict(rows)


def _added_up(rows: Rows) -> list[Row]:
    """A row a kind, in the order of the kinds, of all that was run of it with one seed or several."""
    found: dict[str, Row] = {}
    for each in rows.values():
        row = found.setdefault(each["name"], Row(each["name"]))
        row.tried += each["tried"]
        for code, number in each["codes"].items():
            row.codes[int(code)] = row.codes.get(int(code), 0) + number
        row.memory, row.seconds = max(row.memory, each["memory"]), max(row.seconds, each["seconds"])
        row.problems += each["problems"]
    return [found[name] for name in KINDS if name in found]


def page(rows: Rows) -> str:
    """The page as Markdown: of each kind how many were run of how many, and how they ended."""
    ran = _added_up(rows)
    tried, wrong = sum(each.tried for each in ran), sum(len(each.problems) for each in ran)
    whole = sum(number for number, _ in KINDS.values())
    lines = [
        "# Fuzz",
        "",
        f"{tried:,} hostile inputs were run, of {whole:,} of a whole run; {wrong:,} of them went wrong.",
        "",
        "To go wrong is a traceback, an exit code that is none of ours, silence, what does not print, a lie",
        "that passes, a file or a process left behind; and, where no real step is run, more than "
        f"{MOST_MEMORY >> 20} MiB",
        f"(of a process that runs 250 inputs) or {MOST_SECONDS} s of the processor.",
        "",
        "Made by `python -m tests.fuzz --keep FILE`, at once or kind by kind, with one seed or several.",
        "",
        "| kind | of a whole run | tried | refused | done | failed | wrong | most MiB | most s |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for each in ran:
        refused, done = each.codes.get(2, 0), each.codes.get(0, 0)
        lines.append(
            f"| {each.name} | {KINDS[each.name][0]:,} | {each.tried:,} | {refused:,} | {done:,} "
            f"| {each.tried - refused - done:,} | {len(each.problems):,} "
            f"| {each.memory >> 20:,} | {each.seconds:.1f} |"
        )
    names = [each.name for each in ran]
    left = [name for name in KINDS if name not in names]
    lines += ["", f"Not run: {', '.join(left)}."] * bool(left)
    lines += [
        "",
        "Failed are exit codes 1, 3 and 4, and of signals theirs: 130, 143, 129.",
        f"The seconds of {', '.join(BY_A_CLOCK)} are a clock's, and their memory is not read.",
        f"Of {', '.join(REAL)} memory and seconds are told, and not judged: they run a real step.",
    ]
    return "\n".join(lines) + "\n"
