"""What an operation took is remembered from process to process, here and under these conditions alone."""

from __future__ import annotations

import json
import subprocess
import sys
from io import StringIO
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vgg_profile.cli.networks import Asked, open_python
from vgg_profile.cli.speech import say
from vgg_profile.core.kept import kept_in
from vgg_profile.core.setting import Setup
from vgg_profile.predict.fake import probe, remembered
from vgg_profile.predict.fake.probe import Invocation, Prober, TensorSpec
from vgg_profile.predict.fake.remembered import KEPT_AS, Remembered

ONES = TensorSpec((3, 5), (5, 1), 0, "float32", 0)
QUESTION = Invocation("aten::exp", "default", (ONES,), {}, 1, onednn=True)
BYTES = 3 * 5 * 4


def asked(monkeypatch: pytest.MonkeyPatch | None = None) -> Any:
    """What a new process would say; with ``monkeypatch``, one that can run nothing."""
    if monkeypatch is not None:

        def refuse(*args: Any, **kwargs: Any) -> None:
            raise OSError("no process can be started")

        monkeypatch.setattr(subprocess, "Popen", refuse)
    memory = Remembered()
    answer = Prober(memory).put(QUESTION)
    memory.write()
    return answer


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, bytes]:
    """What a process says, and what is kept of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("seen")))
        return asked(), kept_in(KEPT_AS).read_bytes()


@pytest.fixture
def ran(first: tuple[Any, bytes]) -> Any:
    """What a process said that ran here."""
    answer, content = first
    kept_in(KEPT_AS).parent.mkdir(parents=True, exist_ok=True)
    kept_in(KEPT_AS).write_bytes(content)
    return answer


def test_what_ran_here_is_not_run_again(ran: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (ran.changes, ran.results, ran.strides) == ((BYTES,), (BYTES,), ((5, 1),))
    assert asked(monkeypatch) == ran


def test_whoever_waits_is_told_once_what_is_run_and_how_to_leave_it_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []
    prober = Prober()
    prober.tell = told.append
    monkeypatch.setattr(probe, "PATIENCE", 60)
    assert prober.put(QUESTION) is not None
    assert told == [], "it took no minute"
    prober = Prober()
    prober.tell = told.append
    monkeypatch.setattr(probe, "PATIENCE", 0)  # a process does not start in no time
    assert prober.put(QUESTION) is not None
    assert prober.put(QUESTION._replace(threads=2)) is not None
    (said,) = told
    assert "Running aten::exp alone" in said
    assert "--no-probe" in said


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_terminal_is_told_and_a_pipe_is_not(is_terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stream(StringIO):
        def isatty(self) -> bool:
            return is_terminal

    monkeypatch.setattr(probe.PROBER, "tell", None)
    monkeypatch.setattr(sys, "stderr", Stream())
    open_python("torch.nn:Linear", Asked(("8",), given=("in_features=8", "out_features=4")), Setup(), 2)
    assert (probe.PROBER.tell is say) == is_terminal


@pytest.mark.usefixtures("ran")
@pytest.mark.parametrize("changed", ["version", "processor", "environment", "host"])
def test_under_other_conditions_nothing_is_remembered(changed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if changed == "version":
        monkeypatch.setattr(torch, "__version__", "2.12.0")
    elif changed == "processor":
        monkeypatch.setattr(remembered, "_processor", lambda: "another")
    elif changed == "host":
        monkeypatch.setattr(remembered.platform, "node", lambda: "another")
    else:
        monkeypatch.setenv("DNNL_MAX_CPU_ISA", "AVX2")
    with pytest.raises(OSError, match="no process"):
        asked(monkeypatch)


def test_what_others_kept_meanwhile_stays_and_the_newest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = Remembered(), Remembered()
    for memory, words in ((one, "a"), (other, "b")):
        assert memory.answer(words) is None
        memory.keep(words, "4;4;1")
        assert memory.write() is not None
    assert Remembered().answer("a") == Remembered().answer("b") == "4;4;1"
    monkeypatch.setattr(remembered, "MOST", 2)
    third = Remembered()
    third.answer("c")
    third.keep("c", "8;8;1")
    third.write()
    assert [Remembered().answer(each) for each in "abc"] == [None, "4;4;1", "8;8;1"]
    assert Remembered().write() is None


def test_what_does_not_run_is_not_remembered() -> None:
    memory = Remembered()
    prober = Prober(memory)
    assert prober.put(QUESTION._replace(operation="aten::mm")) is None
    assert memory.write() is None


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=40) | st.integers() | st.lists(st.integers()) | st.dictionaries(st.text(), st.text()))
def test_no_other_line_is_an_answer(line: Any) -> None:
    path = kept_in(KEPT_AS)
    path.parent.mkdir(parents=True, exist_ok=True)
    answers = {remembered._key("words"): line}
    path.write_text(json.dumps({"conditions": remembered.conditions(), "answers": answers}), encoding="utf-8")
    assert Remembered().answer("words") is None


@pytest.mark.parametrize("content", ["", "[]", "{}", "null", '{"conditions": 1, "answers": {}}', "\ud800"])
def test_whatever_lies_there_is_no_error(content: str) -> None:
    path = kept_in(KEPT_AS)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    assert Remembered().answer("words") is None


def test_without_a_place_to_write_nothing_is_lost() -> None:
    path = kept_in(KEPT_AS)
    path.mkdir(parents=True)
    assert asked() is not None
