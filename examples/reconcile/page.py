"""The report: what each tool says in one table, then the working, tool by tool."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from tabulate import tabulate

from vgg_profile.core.events import Category
from vgg_profile.core.units import binary, exact, percent, plural

from .rules import TOOLS
from .run import BARE
from .sums import NETS, Net, Record, Sum, nets, reconcile
from .terms import MODULES, Tool

HEAD = """\
# Why do the tools disagree?

VGG-16 (config D) and VGG-16 with batch norm (D-BN), one image of 3×224×224, float32, on the CPU, each tool
in a process of its own. `python examples/reconcile_tools.py -o reports/tools.md` made this page on
{machine}, Python {python}, torch {torch}.

A **MAC** is one multiply and one add; a **FLOP** is one operation, so 1 MAC = 2 FLOPs. Most tools count
MACs, whatever they call them, and then add some of the small layers, each by a rule of its own. That need
be no mistake, but two figures can be compared only after their rules have been. So each figure of a tool is
written here as a figure of ours plus **named terms**: a rule from the tool's source times a count from our
table of layers. {figures} in all. {verdict}

## What each says of VGG-16
"""

SUMMARY = """\
Ours: {parameters} parameters, {macs} MACs; {saved} bytes saved for backward, {peak} bytes of tensors at the
peak of a step. Memory is in bytes here, but for fvcore's values and torchsummary's MiB.

Each tool was handed the network in training mode, in which any pass moves the running statistics of a batch
norm. These do not give D-BN back as it was:
"""

COUNTS = """\
## The counts behind the terms

Every term is a small whole number times one of these counts, which are sums over all modules of a kind, for
one image. D has the same, without batch norm.
"""

PROCESSES = """\
## Time and memory of each process

The least of {runs} in turns, from start to exit: wall seconds, and the peak of what the process had in
memory. Other work on the machine only ever adds to them, so the least says most; a few tenths of a second are
still nothing. Every process but `vgg-profile table` loads torch and builds the network, which takes what the
line "{bare}" says.
"""

UNSEEN = """\
## What none of them shows

- **The pool indices.** Of the {saved} bytes that autograd keeps of D, {indices} ({share}) are the max
  pools' indices, 64-bit integers. Counting outputs leaves them out; MemTracker has them in one sum with the
  maps; no tool has a line for them. `vgg-profile table D --saved` does.
- **What is live after each layer, and what for.** `vgg-profile timeline D` has it for each of {moments}
  parts of a step, forward and backward, and `vgg-profile measure D` holds it against the allocator.
  MemTracker comes nearest, with a snapshot around each module; torchscan's `measure_peak_memory` gives the
  peak alone.
- **Any of it before the run.** Those two run the step to know. The others add up outputs, which are neither
  what is kept nor what is live.
- **How much of a peak is scratch.** Here the allocator's peak of D, {allocator} bytes, was {tensors} of
  tensors and {scratch} that one convolution took and gave back. MemTracker sees the first;
  `measure_peak_memory` the sum.
"""


def page(record: Record) -> str:
    """The whole report from a record, as :func:`reconcile.run.ask_all` makes it."""
    sums = [*reconcile(record)]
    sides = nets(record)
    asked = [tool for tool in TOOLS if tool.name in record["tools"]]
    failed = [one for one in sums if one.remainder]
    what = plural(len(failed), "figure")
    verdict = f"**Not explained: {what}.**" if failed else "**In every one the remainder is 0.**"
    return "\n".join(
        (
            HEAD.format(
                **record["environment"],
                figures=plural(len(sums), "figure"),
                verdict=verdict,
            ),
            summary(asked, record),
            SUMMARY.format(
                parameters=exact(sides["D"].ours["parameters"]),
                macs=exact(sides["D"].ours["MACs"]),
                saved=exact(sides["D"].ours["saved for backward"]),
                peak=exact(sides["D"].ours["peak of tensors"]),
            ),
            left_behind(asked, record),
            COUNTS,
            counts(sides["D-BN"]),
            "## The working, tool by tool\n",
            *(section(tool, record, [one for one in sums if one.tool is tool]) for tool in asked),
            PROCESSES.format(runs=plural(record["runs"], "run"), bare=BARE),
            processes(record),
            unseen(sides["D"]),
        )
    )


def table(headers: Sequence[str], rows: Iterable[Sequence[str]], texts: Sequence[int] = (0,)) -> str:
    """A Markdown table; the columns ``texts`` stand at the left, numbers at the right."""
    sides = ["left" if index in texts else "right" for index in range(len(headers))]
    body: str = tabulate([*rows], headers, tablefmt="pipe", disable_numparse=True, colalign=sides)
    return body + "\n"


def shown(figure: int | str) -> str:
    return exact(figure).replace("-", "−") if isinstance(figure, int) else figure


def summary(asked: Sequence[Tool], record: Record) -> str:
    """One row a tool: its first figure of each sort, of D."""
    rows = []
    for tool in asked:
        entry = record["tools"][tool.name]
        if "failure" in entry:
            rows.append([tool.name, "", "", "", f"cannot run here: {entry['failure']}", "", ""])
            continue
        readings = entry["nets"]["D"]["readings"]
        first = {figure.sort: figure for figure in reversed(tool.figures)}
        row = [tool.name, entry["version"]]
        for sort in ("parameters", "operations", "memory"):
            figure = first.get(sort)
            row += [shown(readings[figure.name]), figure.meaning] if figure else ["–", ""]
        rows.append([*row[:3], *row[4:]])
    headers = ["tool", "version", "parameters", "operations", "which are", "memory", "which is"]
    return table(headers, rows, texts=(0, 1, 4, 6))


def left_behind(asked: Sequence[Tool], record: Record) -> str:
    """What the tools leave in the network that they were handed."""
    lines = []
    for tool in asked:
        left = record["tools"][tool.name].get("nets", {}).get("D-BN", {}).get("left", {})
        things = [what if what == "eval mode" else f"{count} {what}" for what, count in left.items() if count]
        if things:
            lines.append(f"- {tool.name}: {', '.join(things)}\n")
    return "".join(lines)


def counts(net: Net) -> str:
    whats = ("modules", "values in", "values out", "parameters", "MACs")
    rows = [[kind, *(exact(net.counts[kind, what]) for what in whats)] for kind in ("input", *MODULES)]
    return table(["kind", *whats], rows)


def section(tool: Tool, record: Record, sums: Sequence[Sum]) -> str:
    """What a tool does, and the sum behind each of its figures, a column a network."""
    entry = record["tools"][tool.name]
    if "failure" in entry:
        return f"### {tool.name}\n\nCannot run here: {entry['failure']}.\n"
    rows: list[list[str]] = []
    for figure in tool.figures:
        across = [one for one in sums if one.figure is figure]
        rows.append([f"{figure.ours}, ours", *(exact(one.ours) for one in across)])
        for term, *values in zip(figure.terms, *(one.values for one in across), strict=True):
            if any(values):
                rows.append([term.label, *(shown(value) if value else "–" for value in values)])
        remains = any(one.remainder for one in across)
        unit = "" if figure.unit == 1 else f", of {exact(figure.unit)} bytes"
        end = "" if remains else ", remainder 0"
        rows.append([f"= **{figure.name}**{unit}{end}", *(f"**{shown(one.theirs)}**" for one in across)])
        if remains:
            rows.append(["**not explained**: remainder", *(f"{one.remainder:,}" for one in across)])
    about = f"{tool.about} Read in {tool.package} {entry['version']}: {tool.source}."
    return f"### {tool.name}\n\n{about}\n\n{table(['', *entry['nets']], rows)}"


def processes(record: Record) -> str:
    rows = []
    for name, taken in record["processes"].items():
        row = [name]
        for net in NETS:
            cost = taken.get(net)
            row += [f"{min(cost['seconds']):.1f}", binary(min(cost["resident"]))] if cost else "––"
        rows.append(row)
    return table(["process", *(f"{net}, {what}" for net in NETS for what in ("s", "memory"))], rows)


def unseen(net: Net) -> str:
    """What is left to say of D: the indices, the boundaries, and the scratch."""
    kept = Counter[Category]()
    for row in net.profile.module_rows:
        for storage in row.saved:
            kept[storage.category] += storage.size.at(net.profile.batch)
    saved, indices = net.ours["saved for backward"], kept[Category.INDICES]
    allocator, tensors = net.measured["peak_bytes"], net.ours["peak of tensors"]
    return UNSEEN.format(
        saved=exact(saved),
        indices=exact(indices),
        share=percent(indices, saved),
        moments=len(net.step.moments),
        allocator=exact(allocator),
        tensors=exact(tensors),
        scratch=exact(allocator - tensors),
    )
