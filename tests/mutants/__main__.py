"""Run every mutation in a copy of the tree: ``python -m tests.mutants``; or those that are named.

Each is held against its own tests, which stop at the first that fails. With ``--resume FILE`` what was found
is kept there, and what is there already is not run again. Prints a table, and with all of them writes it to
``reports/mutants.md``; exit code 1 if fewer than 95 % were found. The tests must all pass before anything is
changed. One that is equivalent is not run.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as torch is loaded: as in the tests

import hypothesis  # noqa: F401 - here, so that no child has to load them again
import matplotlib.pyplot  # noqa: F401
import pandas  # noqa: F401
import pytest
import torch  # noqa: F401

from tests.mutants.mutation import ROOT, Mutation, mutations
from tests.mutants.page import PAGE, Outcome, page

ENOUGH = 95
"""Per cent of the mutations that must be found."""

MOST_SECONDS = 1200

PLAINLY = ("-x", "-q", "-n", "0", "-p", "no:cacheprovider")
"""Until the first that fails, in one process, leaving nothing behind."""


def copied(folder: Path) -> Path:
    """The tree as git has it and as it stands here, in a folder of its own."""
    listed = subprocess.check_output(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT
    )
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


def tested(tree: Path, tests: tuple[str, ...]) -> Outcome:
    """Run tests in a tree until one fails, in a child of this process, which has what is heavy loaded."""
    started = time.monotonic()
    said = tree.with_suffix(".log")
    child = os.fork()
    if not child:
        code = 3
        try:
            os.chdir(tree)
            sys.path.insert(0, str(tree))
            os.environ["PYTHONPATH"] = str(tree)
            log = os.open(said, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
            os.dup2(log, 1)
            os.dup2(log, 2)
            signal.alarm(MOST_SECONDS)
            code = pytest.main([*PLAINLY, *(f"tests/{each}" for each in tests)])
            sys.stdout.flush()
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    seconds = time.monotonic() - started
    lines = said.read_text(encoding="utf-8", errors="replace").splitlines()
    if code not in (0, 1):
        raise RuntimeError(f"{' '.join(tests)} did not run ({code}):\n" + "\n".join(lines[-40:]))
    failed = [line for line in lines if line.startswith(("FAILED ", "ERROR "))]
    by = failed[0].partition(" tests/")[2].partition(" - ")[0] if failed else ""
    return Outcome("found" if code else "SURVIVED", seconds, by)


def mutated(tree: Path, mutation: Mutation) -> Outcome:
    """Change one file of a tree, run the tests, and change it back."""
    path = tree / "vgg_profile" / mutation.file
    before, times = path.read_text(encoding="utf-8"), path.stat()
    path.write_text(mutation.applied(before), encoding="utf-8")
    os.utime(path, (0, int(mutation.key[:7], 16)))  # by its time Python knows whether it is compiled
    try:
        return tested(tree, mutation.tests)
    finally:
        path.write_text(before, encoding="utf-8")
        os.utime(path, (times.st_atime, times.st_mtime))


def main() -> None:
    """Run them, and print what came of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="parts of names or files (default: all)")
    parser.add_argument("--resume", type=Path, metavar="FILE", help="where to keep what was found")
    asked = parser.parse_args()
    known: dict[str, Outcome] = {}
    if asked.resume and asked.resume.exists():
        lines = map(json.loads, asked.resume.read_text(encoding="utf-8").splitlines())
        known = {key: Outcome(*outcome) for key, *outcome in lines}
    chosen = [
        each
        for each in mutations()
        if not asked.names or any(name in f"{each.file}: {each.name}" for name in asked.names)
        if not each.equivalent
    ]
    with tempfile.TemporaryDirectory(prefix="vgg-profile-mutants-") as folder:
        tree = copied(Path(folder))
        for mutation in chosen:
            if mutation.key not in known:
                known[mutation.key] = outcome = mutated(tree, mutation)
                if asked.resume:
                    with asked.resume.open("a", encoding="utf-8") as kept:
                        kept.write(json.dumps([mutation.key, *outcome]) + "\n")
            verdict, seconds, by = known[mutation.key]
            print(f"{verdict:<9}{seconds:>5.0f} s  {mutation.file}: {mutation.name}  {by}", flush=True)
        found = [known[each.key].verdict == "found" for each in chosen]
        for test in sorted({test for each in chosen for test in each.tests}) if not asked.names else ():
            unchanged = tested(tree, (test,))
            if unchanged.verdict == "found":
                sys.exit(f"{unchanged.by} fails where nothing is changed, and so finds nothing")
    if not asked.names:
        PAGE.write_text(page(mutations(), known), encoding="utf-8")
        print(f"Wrote {PAGE.relative_to(ROOT)}")
    print(f"\n{sum(found)} of {len(found)} were found")
    sys.exit(100 * sum(found) < ENOUGH * len(found))


if __name__ == "__main__":
    main()
