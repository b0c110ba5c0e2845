"""Whose kernels fit asks about: the processor that is named, the last seen here, or the worst known."""

from __future__ import annotations

import json
import platform
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vgg_profile.ask import machine as room
from vgg_profile.ask.fit import MALLOC, PROCESS, process
from vgg_profile.ask.machine import LastSeen, keep, last_seen, settle
from vgg_profile.cli import calibrating, main
from vgg_profile.core.kept import kept_in
from vgg_profile.core.setting import PROCESSORS, Setting, Setup
from vgg_profile.measure.process import Took, steps_in_a_process
from vgg_profile.predict.steps import ledger
from vgg_profile.predict.vgg.configs import config
from vgg_profile.predict.vgg.walk import walk

MIB, GIB = 2**20, 2**30
NET = ("64,M,128,M", "--input", "64", "--memory", "2GiB")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def asked(*arguments: object) -> dict[str, Any]:
    done = run("fit", *arguments, "--format", "json")
    assert done.exit_code in (0, 4), done.output
    return dict(json.loads(done.stdout))


def test_a_named_processor_is_the_one_and_nothing_more_is_said() -> None:
    said = asked(*NET, "--processor", "avx2", "--threads", 3)
    assert said["machine"] == {"processor": "avx2", "threads": 3, "source": "named", "left_out": []}
    shown = run("fit", *NET, "--processor", "avx2").stdout
    assert "last seen" not in shown
    assert "At most: the processor" not in shown


@pytest.mark.parametrize("batch", [None, 9])
@pytest.mark.parametrize("net", ["D", "64,M,conv1-128,M", "A"])
def test_without_a_machine_it_is_the_family_that_takes_most(
    net: str, batch: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    profile, limit = walk(net, input=64, batch=batch or 1), 3 * GIB
    step, found = settle(profile, Setup(), limit, batch)
    assert found is not None
    assert (found.source, found.threads, found.left_out) == ("worst known", 4, ())
    others = [ledger(profile, Setup(processor=family, threads=4)) for family in PROCESSORS]
    largest = batch or min(other.largest_batch(limit) for other in others)
    assert batch or step.largest_batch(limit) == largest
    asked_at = largest + (batch is None)
    assert step.peak_bytes(asked_at) == max(other.peak_bytes(asked_at) for other in others)


def test_of_the_worst_it_is_said_that_it_is_at_most_and_whom_no_rule_knows() -> None:
    shown = run("fit", *NET).stdout
    assert "At most: the processor is not known here, and of the families that are, " in shown
    net = ("128,128,M", "--input", 150, "--dtype", "bfloat16", "--memory", "2GiB")
    said = asked(*net)
    assert said["machine"]["left_out"] == ["amx"]
    assert not said["is_at_least"]
    assert "Not counted among them is amx" in run("fit", *net).stdout


def test_what_is_not_counted_is_said() -> None:
    net = ("D", "--memory", "8GiB")
    known = run("fit", *net, "--processor", "avx512", "--threads", 2).stdout
    assert "What kernels take in passing is counted: avx512, 2 threads" in known
    assert "one at least" not in known
    assert "is counted" in run("timeline", "D", "--amp", "bfloat16", "--processor", "amx").stdout
    unknown = ("128,128,M", "--input", 150, "--dtype", "bfloat16", "--processor", "amx")
    of_unknown = run("fit", *unknown, "--memory", "4GiB").stdout
    assert "\nscratch, at least " in of_unknown
    assert "No rule knows all" in of_unknown
    assert run("fit", *net, "--processor", "avx512", "--threads", 0).exit_code == 2
    on_a_card = run("fit", "D", "--memory", "t4", "--processor", "avx512")
    assert (on_a_card.exit_code, "of the CPU" in on_a_card.stderr) == (2, True)


def test_doctor_looks_once_and_fit_remembers() -> None:
    looked = run("doctor")
    assert looked.exit_code == 0
    seen = last_seen()
    assert seen is not None
    assert f"kept for `fit` in {kept_in(room.KEPT_AS)}" in looked.stdout
    said = asked(*NET)
    assert said["machine"]["source"] == "last seen"
    assert (said["processor"], said["threads"]) == (seen.processor, seen.threads)
    assert "The processor is the one last seen on this machine" in run("fit", *NET).stdout
    assert asked(*NET, "--threads", 7)["threads"] == 7
    assert asked(*NET, "--processor", "avx2")["machine"]["source"] == "named"


def test_a_processor_that_no_rule_knows_is_remembered_too_and_the_answer_is_one_at_least() -> None:
    keep(LastSeen(None, 2, "2.99"))
    assert asked(*NET)["is_at_least"]
    assert "so the peak is one at least: name your --processor" in run("fit", *NET).stdout


def test_what_another_machine_saw_or_what_is_no_such_file_counts_for_nothing() -> None:
    path = keep(LastSeen("avx2", 2, "2.13"))
    assert path is not None
    good = json.loads(path.read_text())
    assert last_seen() is not None
    wrong = (
        {**good, "host": platform.node() + "x"},
        {**good, "processor": "z80"},
        {**good, "threads": 0},
        {**good, "threads": "2"},
        {**good, "beside": {"key": -1}},
        {**good, "beside": [1]},
        {key: value for key, value in good.items() if key != "torch"},
        [],
    )
    for content in wrong:
        path.write_text(json.dumps(content))
        assert last_seen() is None, content
    path.write_text("{")
    assert last_seen() is None
    path.unlink()
    path.mkdir()
    assert last_seen() is None
    assert keep(LastSeen("avx2", 2, "2.13")) is None


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60))
def test_whatever_lies_there_is_no_error(text: str) -> None:
    path = kept_in(room.KEPT_AS)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", errors="surrogateescape") if "\ud800" not in text else None
    assert last_seen() is None


def test_calibration_takes_real_steps_and_what_the_process_took_is_a_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = ("8,M,16,M", "--input", "32", "--optimizer", "sgd", "--memory", "1600MiB")
    before = asked(*net)
    monkeypatch.setattr(calibrating, "MOST_CALIBRATED", 400 * MIB)
    monkeypatch.setattr(calibrating, "CLOSE", 0.5)  # how close is proven below, without processes
    done = run("fit", *net, "--calibrate", "--format", "json")
    assert done.exit_code == 0, done.output
    after = json.loads(done.stdout)
    assert [each["what"] for each in after["reserves"]] == ["the process: Python, PyTorch, malloc"]
    assert 150 * MIB < after["reserve_bytes"] < 800 * MIB
    assert asked(*net)["reserves"] == after["reserves"], "kept for next time"
    assert asked(*net, "--batch", 3)["reserves"] == after["reserves"], "whatever the batch"
    assert asked(*net, "--dtype", "float64")["reserves"] != after["reserves"], "of this very step"
    assert asked(*net[:-2], "--memory", "2GiB")["reserves"] != after["reserves"], "in this very memory"
    assert [each["what"] for each in asked(*net, "--reserve", 0)["reserves"]] == []
    assert before["reserve_bytes"] != after["reserve_bytes"]


@pytest.mark.parametrize(
    ("said", "does"),
    [
        (None, False),
        ("", False),
        ("0", True),
        ("131072", True),
        ("131073", False),
        ("²", False),
        ("9" * 99, False),
    ],
)
def test_malloc_gives_back_where_it_is_told_and_no_later_than_it_begins_to(
    said: str | None, does: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(room.THRESHOLD, raising=False)
    if said is not None:
        monkeypatch.setenv(room.THRESHOLD, said)
    assert room.gives_back() is does


def test_where_malloc_gives_back_the_answer_is_measured_and_not_searched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a process takes there at the answer counts, less than at two images or more; and there alone."""
    taken: list[int] = []
    step = ledger(walk("A"), Setup(processor="avx2", threads=2))

    def takes(_: object, setting: Setting, limit: int | None = None) -> Took:
        assert limit is None
        taken.append(setting.batch)
        beside = {2: 300 * MIB}.get(setting.batch, off)
        return Took(step.asked_again(setting.batch).peak_bytes(setting.batch) + beside, "avx2", 2, "2.13")

    monkeypatch.setattr("vgg_profile.measure.process.steps_in_a_process", takes)
    net = ("A", "--memory", "2GiB")
    before = asked(*net)
    for off in (300 * MIB, 500 * MIB, 100 * MIB):
        taken.clear()
        monkeypatch.setenv(room.THRESHOLD, "131072")
        done = run("fit", *net, "--calibrate", "--format", "json")
        assert done.exit_code == 0, done.output
        after = json.loads(done.stdout)
        kept = off + calibrating.ARENA
        assert (after["reserve_bytes"], after["largest_batch"]) == (kept, step.largest_batch(2 * GIB - kept))
        assert f"{room.THRESHOLD}=131072" in after["reserves"][0]["source"]
        assert taken[0] == 2
        assert taken[-1] == after["largest_batch"], "what is answered was measured"
        monkeypatch.delenv(room.THRESHOLD)
        assert asked(*net)["reserves"] == before["reserves"], "of a malloc that gives back"


@given(st.lists(st.integers(1, 900), min_size=3, max_size=500))
def test_what_is_left_beside_the_largest_batch_was_measured_at_it(beside: list[int]) -> None:
    """However little it is even: the search ends, and the last of its batches leaves no more."""

    def largest(left: int) -> int:
        return max(2, (1000 - left) // 2)

    def measure(batch: int) -> int:
        return beside[batch % len(beside)]

    settled = calibrating._settled(beside[2], largest, measure)
    answer = largest(settled)
    assert answer == 2 or settled >= measure(answer)


@given(st.integers(0, 3000), st.floats(0.3, 3), st.sets(st.integers(2, 3000), max_size=20))
def test_the_answer_ran_and_a_batch_close_by_did_not(most: int, off: float, odd: set[int]) -> None:
    """Whatever the guess, and though some smaller batches do not run: malloc keeps more of what they free."""
    tried: dict[int, bool] = {}

    def runs(batch: int) -> bool:
        assert batch not in tried, "nothing is tried again"
        return tried.setdefault(batch, batch <= most and batch not in odd)

    ran = calibrating._largest(max(2, round(off * most)), runs)
    if ran == 0:
        assert not any(tried.values())
        assert tried[min(tried)] is False
        return
    assert tried[ran]
    closest = min(batch for batch, did in tried.items() if not did and batch > ran)
    assert closest <= max(ran + 1, ran * (1 + calibrating.CLOSE))


def test_the_answer_is_what_ran_each_time_within_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last time nothing larger than 19 runs: that is the answer, whatever the first process took."""
    runs = Counter[int]()

    def takes(_: object, setting: Setting, limit: int | None = None) -> Took:
        runs[setting.batch] += limit is not None
        enough = (
            limit is None
            or setting.batch <= 19
            or (setting.batch <= 23 and runs[setting.batch] < calibrating.TIMES)
        )
        assert limit in (None, 2 * GIB)
        return Took(GIB if enough else None, "avx2", 2, "2.13")

    monkeypatch.setattr("vgg_profile.measure.process.steps_in_a_process", takes)
    done = run("fit", "A", "--memory", "2GiB", "--calibrate", "--format", "json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["largest_batch"] == 19
    assert runs[19] == runs[20] == calibrating.TIMES


@pytest.mark.parametrize(("memory", "tried"), [("2GiB", "in 2.00 GiB"), ("5GiB", "in 3.00 GiB")])
def test_what_was_measured_says_in_how_much_memory(
    memory: str, tried: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a larger memory no more is tried, and no more is said."""
    limits = set()

    def takes(_: object, setting: Setting, limit: int | None = None) -> Took:
        limits.add(limit)
        return Took(GIB if limit is None or setting.batch <= 19 else None, "avx2", 2, "2.13")

    monkeypatch.setattr("vgg_profile.measure.process.steps_in_a_process", takes)
    done = run("fit", "A", "--memory", memory, "--calibrate", "--format", "json")
    assert done.exit_code == 0, done.output
    assert tried in json.loads(done.stdout)["reserves"][0]["source"]
    assert limits == {None, int(float(tried.split()[1])) * GIB}


@pytest.mark.slow
def test_under_a_hard_limit_a_batch_runs_or_says_that_memory_did_not_suffice() -> None:
    net = config("8,M,16,M", batch_norm=False)
    setting = Setting((3, 32, 32), 8, setup=Setup(threads=1))
    free = steps_in_a_process(net, setting, steps=1)
    assert free.peak is not None
    assert free.threads == 1
    assert steps_in_a_process(net, setting, steps=1, limit=free.peak + 16 * MIB).peak is not None
    assert steps_in_a_process(net, setting, steps=1, limit=free.peak - 64 * MIB).peak is None


def test_a_process_that_ends_otherwise_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    net = config("8,M,16,M", batch_norm=False)
    with pytest.raises(RuntimeError, match="ended with code 1"):
        steps_in_a_process(net, Setting((3, 32, 32), 2, dtype="no such dtype"), steps=1)

    def fails(*_: object, **__: object) -> Took:
        raise RuntimeError("it ended")

    monkeypatch.setattr("vgg_profile.measure.process.steps_in_a_process", fails)
    done = run("fit", *NET, "--calibrate")
    assert (done.exit_code, "could not be measured: it ended" in done.stderr) == (1, True)


def test_what_cannot_be_kept_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    took = Took(GIB, "avx2", 2, "2.13")
    monkeypatch.setattr("vgg_profile.measure.process.steps_in_a_process", lambda *_, **__: took)
    assert run("fit", *NET, "--calibrate").exit_code == 0
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    done = run("fit", *NET, "--calibrate")
    assert (done.exit_code, "cannot be kept" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    "question", [("D", "--memory", "rtx4090"), ("D", "--memory", "8GiB", "--device", "cuda")]
)
def test_on_a_card_there_is_no_such_machine_and_nothing_to_calibrate(question: tuple[str, ...]) -> None:
    assert "machine" not in asked(*question)
    done = run("fit", *question, "--calibrate")
    assert (done.exit_code, "on the CPU" in done.stderr) == (2, True)


@pytest.mark.parametrize("memory", [64 * MIB, 400 * MIB, 1600 * MIB, 8 * GIB, 2**50])
def test_unasked_the_process_has_a_line_and_malloc_a_fifth_of_the_rest_at_most(memory: int) -> None:
    own, kept = process(memory)
    assert own == PROCESS
    assert kept.bytes == max(0, min(MALLOC.bytes, (memory - PROCESS.bytes) // 5))
    assert own.bytes + kept.bytes < 0.6 * memory or memory < 800 * MIB
