"""The whole run, or a share of it: ``python -m tests.fuzz`` or ``python -m tests.fuzz --share 0.01``.

Prints a table: how many of each kind, and how many of them went wrong. Exit code 1 if any did.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.fuzz.kinds import KINDS
from tests.fuzz.page import PAGE, keep, page
from tests.fuzz.running import HEAD, run_kind


def main() -> None:
    """Run every kind, or those named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)} (default: all)")
    parser.add_argument("--share", type=float, default=1, help="of each kind's number (default: all)")
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument(
        "--keep", type=Path, metavar="FILE", help="keep rows there, and write reports/fuzz.md"
    )
    given = parser.parse_args()
    wrong = 0
    print(HEAD)
    for name in given.kinds or KINDS:
        with tempfile.TemporaryDirectory(prefix="vgg-profile-fuzz-") as folder:
            row = run_kind(name, given.share, given.seed, Path(folder))
        print(row, flush=True)
        for problem in row.problems[:5]:
            print(f"    {problem}", flush=True)
        wrong += len(row.problems)
        if given.keep:
            PAGE.write_text(page(keep(given.keep, row, given.seed)), encoding="utf-8")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
