"""The command for a few minutes on a card: every line of it without one, its conclusions from answers."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from examples.verifying.machine import Machine, stand_in
from examples.verifying.questions import (
    QUESTIONS,
    STEPS,
    conclude_allocator,
    conclude_context,
    conclude_workspaces,
    limit_question,
    replayed,
    step_question,
)
from reports.regenerate import ON_CUDA
from vgg_profile.measure.reading import load

ROOT = Path(__file__).parent.parent
H100, H200 = ROOT / "tests" / "data" / "h100", ROOT / "tests" / "data" / "h200"
ENVIRONMENT = {"environment": {"device": "NVIDIA H100 80GB HBM3", "is_card": True}}


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    script = ROOT / "examples" / "verify_cuda.py"
    words = [sys.executable, str(script), *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT.parent)


def rows(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Rule → verdict."""
    lines = [line.rsplit(maxsplit=1) for line in done.stdout.splitlines() if line]
    verdicts = ("confirmed", "refuted", "open")
    return {line[0].split("  ")[0]: line[1] for line in lines if line[-1] in verdicts}


@pytest.fixture(scope="module")
def dry(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("dry")
    return folder, run("-o", folder, "--dry-run")


@pytest.mark.slow
def test_a_dry_run_asks_every_question_and_each_answer_is_a_file(
    dry: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = dry
    assert done.returncode == 0, done.stdout + done.stderr
    assert "What a dry run: no card was asked says" in done.stdout
    answers = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    assert [each["question"] for each in answers] == [question.name for question in QUESTIONS]
    assert all("answer" in each for each in answers)


@pytest.mark.slow
def test_in_a_dry_run_the_rules_of_the_cpu_hold_and_what_only_a_card_has_is_refuted(
    dry: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    """So every verdict there is can be seen without a card: what passes could have failed."""
    verdicts = rows(dry[1])
    steps = {rule: verdict for rule, verdict in verdicts.items() if rule.startswith("the step of")}
    assert len(steps) == len(STEPS)
    assert set(steps.values()) == {"confirmed"}
    assert verdicts["reserved.workspaces: cublasLt"] == "refuted"
    assert verdicts["caching.CachingAllocator: every action and address"] == "open"


@pytest.mark.slow
def test_a_dry_run_is_of_a_machine_without_fvcore_and_msgspec_and_its_records_can_be_read(
    dry: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    record = load(dry[0] / "records" / "D-adam-cuda.json")
    assert record.environment["fvcore"] == "not installed"
    assert record.skipped["fvcore_flops"] == "fvcore is not installed"


@pytest.mark.slow
def test_replayed_anywhere_its_conclusions_are_the_same(
    dry: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = dry
    assert run("--replay", folder).stdout == done.stdout


@pytest.mark.slow
def test_a_run_that_was_cut_off_still_counts(
    dry: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    for path in sorted(dry[0].glob("*.json"))[:4]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    done = run("--replay", tmp_path)
    assert done.returncode == 0
    assert rows(done)["the step of D"] == "confirmed"
    assert "not asked" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give -o OUT to ask, or --replay OUT"),
        (("--replay", "nowhere"), "There are no answers in nowhere. Make some: verify_cuda.py -o OUT."),
    ],
)
def test_bad_input_is_a_clear_error(arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments)
    assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (2, True, False)


def test_without_a_card_it_says_so(tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a card")
    done = run("-o", tmp_path)
    assert done.returncode == 2
    assert "There is no card here: torch" in done.stderr
    assert "--dry-run" in done.stderr


def test_a_question_that_there_is_no_time_for_is_said(tmp_path: Path) -> None:
    done = run("-o", tmp_path, "--dry-run", "--minutes", 0)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "03-D-cuda.json").read_text())["skipped"] == "no time"
    assert "no time" in done.stdout


# -- conclusions from what an H100 answered


def verdicts(findings: Any) -> list[str]:
    return [finding.verdict for finding in findings]


def test_the_workspaces_of_an_h100_confirm_the_rule_and_others_refute_it() -> None:
    look = json.loads((ROOT / "tests" / "data" / "cuda-first-look.json").read_text())
    seen = list(look["steps"]["1 cuBLAS workspaces"].values())
    assert verdicts(conclude_workspaces(seen, ENVIRONMENT)) == ["confirmed"] * 3
    assert verdicts(conclude_workspaces([0, *seen[1:]], ENVIRONMENT)) == ["refuted", "confirmed", "confirmed"]


def test_a_committed_record_confirms_its_step_and_an_altered_one_does_not() -> None:
    question = step_question("D-adam-cuda", "D", {"optimizer": "adam"})
    record = json.loads((ROOT / "reports" / "measured" / "D-adam-cuda.json").read_text())
    assert verdicts(question.conclude(record, ENVIRONMENT)) == ["confirmed"]
    record["timeline"][3]["live"] += 1
    with pytest.raises(ValueError, match="changed after it was measured"):
        list(question.conclude(record, ENVIRONMENT))


def test_a_history_of_an_h100_confirms_the_allocator_and_another_size_refutes_it() -> None:
    content = json.loads(gzip.decompress((H100 / "net-D.json.gz").read_bytes()))
    history = [each[:3] for each in content["trace"]]
    assert verdicts(conclude_allocator(history, ENVIRONMENT)) == ["confirmed"]
    wanted = [tuple(each) for each in history if each[0] != "snapshot"]
    place = next(
        n for n, (action, _, size) in enumerate(wanted) if action == "segment_alloc" and size > 2**25
    )
    wrong = [*wanted[:place], (*wanted[place][:2], wanted[place][2] + 2**21), *wanted[place + 1 :]]
    assert replayed(wrong) == place


def test_a_limit_says_whether_the_batch_ran_and_none_beyond_the_bound() -> None:
    question = limit_question(0, "adam")
    answer = {
        "limit": 8 * 2**30,
        "predicted": 80,
        "at_most": 86,
        "tried": {"64": "runs", "80": "out of memory", "87": "out of memory"},
    }
    assert verdicts(question.conclude(answer, ENVIRONMENT)) == ["confirmed", "open", "confirmed"]
    answer["tried"] = {"64": "out of memory", "80": "out of memory", "87": "runs"}
    assert verdicts(question.conclude(answer, ENVIRONMENT)) == ["refuted", "open", "refuted"]
    small = Machine(stand_in(), "cpu", 0, Path(), gib=(1000, 1000))
    assert list(question.conclude(question.ask(small), ENVIRONMENT)) == []


def test_the_context_of_an_h100_and_of_an_h200_confirm_the_reserve() -> None:
    content = json.loads(gzip.decompress((H100 / "context.json.gz").read_bytes()))
    h100 = content["emptied"]["used"] - content["emptied"]["reserved"]
    (h200,) = (json.loads(path.read_text())["answer"]["beside"] for path in H200.glob("*-context.json"))
    for beside in (h100, h200):
        assert verdicts(conclude_context({"beside": beside}, ENVIRONMENT)) == ["confirmed"]
    most = max(h100, h200)  # the reserve is what was seen, and not a byte more
    assert verdicts(conclude_context({"beside": most + 1}, ENVIRONMENT)) == ["refuted"]


def test_what_an_h200_answered_confirms_every_rule(tmp_path: Path) -> None:
    """Its answers and its records, as the command wrote them, drawn conclusions from anew."""
    for path in H200.glob("[0-9]*.json"):
        (tmp_path / path.name).write_text(path.read_text())
    for number, (name, *_) in enumerate(STEPS, start=50):
        record = ROOT / "reports" / "measured" / f"{name.removesuffix('-cuda')}-h200-cuda.json"
        answer = {"question": name, "seconds": 0, "answer": json.loads(record.read_text())}
        (tmp_path / f"{number}-{name}.json").write_text(json.dumps(answer))
    done = run("--replay", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    verdicts_of = list(rows(done).values())
    assert (verdicts_of.count("confirmed"), verdicts_of.count("refuted")) == (45, 0)


def test_its_records_bear_the_names_of_those_that_are_committed() -> None:
    """Moved to reports/measured, each takes the place of the committed one of the same step."""
    for name, network, options in STEPS:
        if name in ON_CUDA:
            words = ON_CUDA[name].split()
            how = {key.replace("_", "-"): str(value) for key, value in options.items()}
            said = dict(zip(words[2::2], words[3::2], strict=True))
            assert words[1] == network
            assert {f"--{key}": value for key, value in how.items()}.items() <= said.items()
    assert {name for name, *_ in STEPS} >= set(ON_CUDA)
