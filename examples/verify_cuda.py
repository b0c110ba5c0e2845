"""A few minutes on a card: ask it whatever the rules for CUDA claim, the most telling first.

python examples/verify_cuda.py -o OUT                # on a card, for 8 minutes; --minutes says otherwise
python examples/verify_cuda.py -o OUT --dry-run      # every line of it on the CPU with small networks
python examples/verify_cuda.py --replay OUT          # its conclusions anew, anywhere, from the answers

Each answer is written to OUT at once, so a run that is cut off still counts. It needs torch and click.
It ends with a table: what was expected, what was seen, which rule that confirms or refutes. What stands
in OUT/records may be committed under reports/measured: `python reports/regenerate.py` then lifts the mark
"not verified on a card" from what it covers. Exit code 0; 1 if a question broke, 3 if a rule was refuted.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

LACKING = ("msgspec", "fvcore", "iopath", "yacs", "portalocker", "hypothesis", "wcwidth")
"""What a machine with a card may lack; a dry run hides it."""


def hide() -> None:
    """Make this process one that lacks the packages."""
    version = importlib.metadata.version

    def installed(name: str) -> str:
        if name in LACKING:
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    sys.modules.update(dict.fromkeys(LACKING))  # type: ignore[arg-type] # an import of None is refused
    importlib.metadata.version = installed


def machine(folder: Path, minutes: float, *, is_dry: bool) -> Any:
    """The card, or what stands in for it; raises ``InputError`` where there is none."""
    import torch

    from examples.verifying.machine import SMALL, Machine, stand_in
    from vgg_profile.core.errors import InputError

    until = time.monotonic() + 60 * minutes
    if is_dry:
        return Machine(stand_in(), "cpu", until, folder, SMALL, size=16, batch=2, gib=(1, 2), most=2)
    if not torch.cuda.is_available():
        built = f"CUDA {torch.version.cuda}" if torch.version.cuda else "the CPU alone"
        raise InputError(
            f"There is no card here: torch {torch.__version__} is built for {built}.",
            "Try it with --dry-run, or draw conclusions anew with --replay OUT.",
        )
    return Machine(torch.cuda, "cuda", until, folder)


def ask(asked: Any) -> dict[str, Any]:
    """Ask whatever there is time for; every answer is on disk before the next question."""
    from examples.verifying.questions import QUESTIONS

    answers = {}
    for number, question in enumerate(QUESTIONS):
        start = time.monotonic()
        if question.needs and asked.left < question.needs:
            answer = {"skipped": "no time"}
        else:
            try:
                answer = {"answer": question.ask(asked)}
            except Exception:  # whatever it is, the next question is asked
                answer = {"error": traceback.format_exc()[-2000:]}
        answer = {"question": question.name, "seconds": round(time.monotonic() - start, 2), **answer}
        text = json.dumps(answer, indent=1)
        (asked.folder / f"{number:02}-{question.name}.json").write_text(text, encoding="utf-8")
        print(f"{question.name}: {answer['seconds']} s", file=sys.stderr, flush=True)
        answers[question.name] = json.loads(text)
        asked.cuda.empty_cache()
    return answers


def read(folder: Path) -> dict[str, Any]:
    """The answers of an earlier run; raises ``InputError`` if there are none."""
    from vgg_profile.core.errors import InputError

    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("[0-9]*.json"))]
    answers = {each["question"]: each for each in found}
    if "answer" not in answers.get("environment", {}):
        raise InputError(f"There are no answers in {folder}.", "Make some: verify_cuda.py -o OUT.")
    return answers


def findings(answers: dict[str, Any]) -> Iterator[tuple[str, object, object, str]]:
    """What each answer says of which rule: expected, seen, verdict."""
    from examples.verifying.machine import OPEN
    from examples.verifying.questions import QUESTIONS

    known = {name: each["answer"] for name, each in answers.items() if "answer" in each}
    for question in QUESTIONS:
        given = answers.get(question.name, {"skipped": "not asked"})
        if "answer" in given:
            for found in question.conclude(given["answer"], known):
                yield (found.rule, found.expected, found.seen, found.verdict)
        else:
            why = given.get("skipped") or given["error"].strip().splitlines()[-1][:80]
            yield (question.name, None, why, OPEN)


def main() -> int:
    """Ask, or read what was answered, and conclude."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, metavar="OUT", help="a folder for the answers")
    parser.add_argument("--minutes", type=float, default=8, help="on the card, in all [default: 8]")
    parser.add_argument("--dry-run", action="store_true", help="every line on the CPU, with small networks")
    parser.add_argument("--replay", type=Path, metavar="OUT", help="conclude anew from a folder of answers")
    options = parser.parse_args()
    if (options.output is None) == (options.replay is None):
        parser.error("give -o OUT to ask, or --replay OUT to conclude anew")
    if options.dry_run:
        hide()
    from vgg_profile.core.errors import InputError
    from vgg_profile.core.forms import Column, Table
    from vgg_profile.write.text import to_text

    try:
        if options.replay is not None:
            answers = read(options.replay)
        else:
            options.output.mkdir(parents=True, exist_ok=True)
            answers = ask(machine(options.output, options.minutes, is_dry=options.dry_run))
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    rows = tuple(findings(answers))
    environment = answers["environment"].get("answer", {"is_card": False})
    is_card = environment["is_card"]
    where = "a dry run: no card was asked"
    if is_card:
        where = f"{environment['device']}, torch {environment['torch']}"
    names = ("rule", "expected", "seen", "verdict")
    columns = tuple(Column(name, name, is_text=name in ("rule", "verdict")) for name in names)
    print(to_text(Table(f"What {where} says", columns, rows)), end="")
    if any("error" in each for each in answers.values()):
        return 1
    return 3 if is_card and any(row[-1] == "refuted" for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
