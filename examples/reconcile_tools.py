"""Why do the tools disagree? Each asked about the same two networks, and every difference named.

VGG-16, without and with batch norm, is handed to every tool in a process of its own. Each figure that a
tool reports is then written as a figure of ours plus named terms (``reconcile/rules.py``).

    pip install -c constraints.txt '.[peers]'
    pip install --no-deps --target .venv-torchscan-0.1.2 torchscan==0.1.2    # a second version, elsewhere
    python examples/reconcile_tools.py -o reports/tools.md                   # writes reports/tools.json too
    python examples/reconcile_tools.py --only torchinfo --runs 1
    python examples/reconcile_tools.py --render reports/tools.json -o reports/tools.md
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from reconcile.page import page
from reconcile.rules import TOOLS
from reconcile.run import ask_all, child

from vgg_profile.core.files import write_whole


def main(arguments: Sequence[str] | None = None) -> None:
    """Ask the tools, or read a record of what they said; write the page and the record beside it."""
    parser = argparse.ArgumentParser(description="What the tools say of VGG-16, and every difference named.")
    parser.add_argument("--only", choices=[tool.name for tool in TOOLS], help="ask one tool")
    parser.add_argument("--runs", type=int, default=3, help="processes a tool and network (default: 3)")
    parser.add_argument("--render", type=Path, metavar="JSON", help="render a record instead of asking")
    parser.add_argument("-o", "--output", type=Path, help="the page, .md; the record goes beside it, .json")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        child(*options.child)
        return
    if options.render:
        record = json.loads(options.render.read_text("utf-8"))
    else:
        asked = [tool for tool in TOOLS if options.only in (None, tool.name)]
        record = ask_all(asked, max(1, options.runs))
    if options.output is None:
        print(page(record))
        return
    write_whole(options.output, page(record), force=True)
    if not options.render:
        text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
        write_whole(options.output.with_suffix(".json"), text, force=True)


if __name__ == "__main__":
    main()
