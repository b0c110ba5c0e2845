"""Ask every tool for the peak of ten networks, each in a process of its own: reports/rivals.md.

python examples/run_rivals.py [NET …] [-o FILE.md] [--answers FILE.json]

It needs torchvision, transformers, torchinfo, torch-preflight, torch-kitsune and vram-check. A tool that
does not answer is told with what it raises.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Answer(NamedTuple):
    """A tool's peak in bytes, if it gave one; the CPU seconds and the most memory of its process."""

    peak: int | None
    seconds: float
    memory: int
    why: str = ""
    asking: float = 0.0
    """Of the seconds, those after PyTorch and the network's package are loaded."""


def asked(tool: str, net: str) -> Answer:
    """In this process: whatever is printed on the way is no answer."""
    from rivals.nets import NETS
    from rivals.tools import TOOLS

    from vgg_profile.run.find import import_package

    warnings.simplefilter("ignore")
    peak, why = None, ""
    if NETS[net].is_of_words:
        import_package("torchvision")
        import transformers  # noqa: F401
    else:
        import_package("torchvision.models")
    loaded = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            peak = TOOLS[tool](NETS[net])
        except Exception as error:
            why = f"{type(error).__name__}: {error}"[:120]
    asking = time.process_time() - loaded
    usage = resource.getrusage(resource.RUSAGE_SELF)
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    memory = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    return Answer(peak, usage.ru_utime + usage.ru_stime, memory, why, asking)


def alone(tool: str, net: str) -> Answer:
    """The same in a process of its own."""
    words = [sys.executable, __file__, "--one", tool, net]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        return Answer(None, 0.0, 0, done.stderr.strip().splitlines()[-1][:120])
    return Answer(*json.loads(done.stdout.splitlines()[-1]))


def page(answers: dict[str, dict[str, Answer]]) -> Iterator[str]:
    """The report, line by line."""
    import torch
    from rivals.nets import BATCH, IMAGE, TOKENS

    yield "# Beside other tools"
    yield ""
    yield (
        f"The peak of one later training step with Adam, float32, batch {BATCH}, images of {IMAGE} px or "
        f"{TOKENS} tokens, torch {torch.__version__} on the CPU, as each tool predicts it, and as the "
        "allocator tells it. Each answer is of a process of its own, with its CPU seconds and its most "
        "memory, imports and all; beside them the seconds after PyTorch and the network's package are "
        "loaded. What vgg-profile runs alone in another process, to learn what a kernel takes, is not "
        "counted. Made by `python examples/run_rivals.py -o reports/rivals.md`."
    )
    yield ""
    yield (
        "torch-preflight, torch-kitsune and vram-check predict a GPU, torchinfo counts no optimizer: their "
        "errors are against another question than they were made for."
    )
    for net, of in answers.items():
        truth = of["allocator"].peak
        yield ""
        yield f"## {net}"
        yield ""
        yield "| tool | peak (bytes) | off (bytes) | off (%) | CPU s | of them asking | memory (MiB) |"
        yield "|---|--:|--:|--:|--:|--:|--:|"
        for tool, each in of.items():
            cost = f"{each.seconds:.1f} | {each.asking:.1f} | {each.memory / 2**20:.0f}"
            if each.peak is None or truth is None:
                yield f"| {tool} | {each.why} | | | {cost} |"
                continue
            off = each.peak - truth
            yield f"| {tool} | {each.peak:,} | {off:+,} | {100 * off / truth:+.2f} | {cost} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("nets", nargs="*", metavar="NET", help="only these")
    parser.add_argument("--one", nargs=2, metavar=("TOOL", "NET"))
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--answers", type=Path, metavar="FILE", help="kept there, and not asked for again")
    given = parser.parse_args()
    if given.one:
        print(json.dumps(asked(*given.one)))
        return
    from rivals.nets import NETS
    from rivals.tools import TOOLS

    answers: dict[str, dict[str, Answer]] = {}
    if given.answers and given.answers.exists():
        kept = json.loads(given.answers.read_text(encoding="utf-8"))
        answers = {net: {tool: Answer(*each) for tool, each in of.items()} for net, of in kept.items()}
    for net in given.nets or NETS:
        for tool in TOOLS:
            if tool in answers.setdefault(net, {}):
                continue
            answers[net][tool] = alone(tool, net)
            print(net, tool, answers[net][tool], file=sys.stderr, flush=True)
            if given.answers:
                given.answers.write_text(json.dumps(answers), encoding="utf-8")
    text = "\n".join(page({net: answers[net] for net in NETS if net in answers})) + "\n"
    if given.output:
        given.output.write_text(text, encoding="utf-8")
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
