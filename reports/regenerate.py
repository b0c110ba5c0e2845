"""Make everything under reports/ anew: each file by one command of vgg-profile, and the index of them.

python reports/regenerate.py               # from the committed records
python reports/regenerate.py --measure     # the records first, and what examples measure: real passes, a
                                           # quarter of an hour; needs the extra [peers]
python reports/regenerate.py --measure-cuda  # the records of a CUDA device, and nothing else

What the records of cards confirm is listed in vgg_profile/core/verified.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

from vgg_profile.ask.verification import verification
from vgg_profile.core.verified import LIST
from vgg_profile.measure.reading import load

ROOT = Path(__file__).parent.parent
NETS = ("A", "B", "D", "E", "A-BN", "B-BN", "D-BN", "E-BN")

MEASURED = {
    **{f"{net}-cpu": f"measure {net} --device cpu --repeats 9" for net in NETS},
    "D-adam-cpu": "measure D --device cpu --batch 4 --optimizer adam",
    "D-amp-cpu": "measure D --device cpu --batch 4 --amp bfloat16",
    "D-checkpoint-cpu": "measure D --device cpu --batch 4 --checkpoint blocks",
}
"""Record → what made it."""

ON_CUDA = {
    **{f"{net}-cuda": f"measure {net} --device cuda --batch 8" for net in ("A-LRN", "C", *NETS)},
    **{f"D-b{batch}-cuda": f"measure D --device cuda --batch {batch}" for batch in (1, 32)},
    **{
        f"D-{each}-cuda": f"measure D --device cuda --batch 8 --optimizer {each}"
        for each in ("momentum", "adam")
    },
    **{
        f"D-{each}-cuda": f"measure D --device cuda --batch 8 --mode {each}" for each in ("eval", "inference")
    },
    **{
        f"D-{each}-cuda": f"measure D --device cuda --batch 8 --dtype {each}"
        for each in ("bfloat16", "float16")
    },
    "D-amp-cuda": "measure D --device cuda --batch 8 --amp bfloat16",
    "D-amp-float16-cuda": "measure D --device cuda --batch 8 --amp float16",
    "D-checkpoint-cuda": "measure D --device cuda --batch 8 --checkpoint blocks",
    "D-BN-amp-cuda": "measure D-BN --device cuda --batch 8 --amp bfloat16",
    "D-BN-bfloat16-cuda": "measure D-BN --device cuda --batch 8 --dtype bfloat16",
    "D-BN-eval-bfloat16-cuda": "measure D-BN --device cuda --batch 8 --dtype bfloat16 --mode eval",
}
"""Record of a CUDA device → what made it; the committed ones are an H100's."""

ON_ANOTHER = sorted(path.stem for path in (ROOT / "reports" / "measured").glob("*-h200-cuda.json"))
"""Records of an H200: those of `examples/verify_cuda.py`."""

REPORTS = {
    **{f"{net}.md": f"report {net} --measured reports/measured/{net}-cpu.json" for net in NETS},
    "comparison.md": f"report {' '.join(NETS)} --measured reports/measured",
    "vgg16.html": "report D --measured reports/measured/D-cpu.json",
    "comparison.html": "report A B D E --measured reports/measured",
    "D-adam.svg": "plot D timeline --measured reports/measured/D-adam-cpu.json",
    "D-amp.svg": "plot D timeline --measured reports/measured/D-amp-cpu.json",
    "D-checkpoint.svg": "plot D timeline --measured reports/measured/D-checkpoint-cpu.json",
    "notes.md": "notes --measured reports/measured/D-cpu.json",
}
"""File → what made it."""

SHOWN = {
    "comparison.md": "all eight side by side, each with its table and two pictures",
    "vgg16.html": "VGG-16 on one live page: change the network, look inside a layer, walk through the step",
    "comparison.html": "the four configs without batch norm on one live page",
    "D-adam.svg": "a step of Adam, the measured curve over the predicted one",
    "D-amp.svg": "the same under autocast to bfloat16",
    "D-checkpoint.svg": "the same with each block checkpointed",
    "notes.md": "the course notes' figures, audited",
}


EXAMPLES = {
    "reserve.md": ("whether the batch that fits really fits, under a hard limit", "measure_reserve.py"),
    "proved.md": ("2,800 random networks, really run; the logs' names say with what", "prove.py --page LOGS"),
    "versions.md": ("random networks, measured with other versions of PyTorch", "run_versions.py"),
    "zoo.md": ("networks that nobody here wrote, each predicted, then run", "run_zoo.py"),
    "zoo-cuda.md": (
        "the same on a card: predicted anywhere, and what an H200 did",
        "run_zoo.py --device cuda --against tests/data/h200/zoo.json.gz",
    ),
    "rivals.md": ("the peak of a step as other tools predict it, and what they cost", "run_rivals.py"),
    "tools.md": ("what other tools say of VGG-16, and why; [as data](tools.json)", "reconcile_tools.py"),
}
"""File → what it shows, and the example that measures it."""


def example(name: str) -> list[str]:
    """What to type for a page that an example measures."""
    return ["python", *f"examples/{EXAMPLES[name][1]}".split(), "-o", f"reports/{name}"]


def command(name: str) -> list[str]:
    """What to type for a report."""
    return ["vgg-profile", *shlex.split(REPORTS[name]), "-o", f"reports/{name}", "--force"]


def measuring(name: str) -> list[str]:
    """What to type for a record."""
    return [
        "vgg-profile",
        *shlex.split({**MEASURED, **ON_CUDA}[name]),
        "-o",
        f"reports/measured/{name}.json",
        "--force",
    ]


def run(arguments: list[str]) -> None:
    """Run one command in the root of the repository, with this Python and this vgg-profile."""
    print(shlex.join(arguments), file=sys.stderr)
    module = ["-m", "vgg_profile"] if arguments[0] == "vgg-profile" else []
    subprocess.run([sys.executable, *module, *arguments[1:]], check=True, cwd=ROOT, env=os.environ)


def index() -> str:
    """The page that says how each was made."""
    lines = [
        "# Reports",
        "",
        "What the commands produced. `python reports/regenerate.py` makes every page anew from the records,",
        "and a test makes them again and compares; with `--measure` it makes the records first, and the two",
        "pages that examples measure.",
        "",
        "| file | what it shows | made by |",
        "| --- | --- | --- |",
    ]
    for name in REPORTS:
        shown = SHOWN.get(name, f"{Path(name).stem}: layers, pictures, one training step, the cross-check")
        lines.append(f"| [{name}]({name}) | {shown} | `{shlex.join(command(name))}` |")
    lines += [
        *(f"| [{name}]({name}) | {EXAMPLES[name][0]} | `{shlex.join(example(name))}` |" for name in EXAMPLES),
        "| [mutants.md](mutants.md) | which change of a rule which test finds | `python -m tests.mutants` |",
        "| [fuzz.md](fuzz.md) | how hostile inputs ended | `python -m tests.fuzz --keep FILE` |",
        "",
        "## Records",
        "",
        "One a network and setting: a real forward and backward pass at 3×224×224, read raw. Each holds its",
        "command, the device and the versions under `environment`. `vgg-profile check D` and a record gives",
        "the verdicts, on any machine, without torch.",
        "",
        "| record | made by |",
        "| --- | --- |",
        *(
            f"| [{name}](measured/{name}.json) | `{shlex.join(measuring(name))}` |"
            for name in (*MEASURED, *ON_CUDA)
        ),
        *(
            f"| [{name}](measured/{name}.json) | `python examples/verify_cuda.py -o OUT` |"
            for name in ON_ANOTHER
        ),
        "",
        "Those that end in `-h200-cuda` were made on one NVIDIA H200, the others in `-cuda` on one NVIDIA",
        "H100, both with torch 2.11, CUDA 13.0 and cuDNN 9.19.",
        "On another card, `python reports/regenerate.py --measure-cuda` makes them anew; `pytest -m cuda`",
        "runs the CUDA tests. What else they were asked stands in `tests/data/h100` and `tests/data/h200`.",
    ]
    return "\n".join(lines) + "\n"


def list_verified() -> None:
    """Write into the package what the records of cards confirm: a line a record."""
    records = {path.stem: load(path) for path in (ROOT / "reports" / "measured").glob("*.json")}
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in verification(records))
    LIST.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def main() -> None:
    """Make everything anew."""
    parser = argparse.ArgumentParser(description="Make everything under reports/ anew.")
    parser.add_argument("--measure", action="store_true", help="the records first, and what examples measure")
    parser.add_argument("--measure-cuda", action="store_true", help="the records of a CUDA device alone")
    asked = parser.parse_args()
    if asked.measure_cuda:
        for name in ON_CUDA:
            run(measuring(name))
        list_verified()
        return
    if asked.measure:
        for name in MEASURED:
            run(measuring(name))
        for name in EXAMPLES:
            run(example(name))
    list_verified()
    for name in REPORTS:
        run(command(name))
    (ROOT / "reports" / "README.md").write_text(index(), encoding="utf-8")


if __name__ == "__main__":
    main()
