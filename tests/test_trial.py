"""What ends a process in C where memory is short is tried in a child; what does not end it is done here."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import partial

import pytest

import vgg_profile.core.trial
from vgg_profile.core.trial import tried_first

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no child to try it in")


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vgg_profile.core.trial, "is_limited", lambda: True)


def _run(what: Callable[[], object]) -> None:
    with tried_first():
        what()


def _says_and_raises() -> None:
    os.write(2, b"once\n")
    raise KeyError("here")


def _in_a_child(parent: int, ends: Callable[[], object]) -> None:
    if os.getpid() != parent:
        ends()


@pytest.mark.parametrize(
    "ends", [lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: os._exit(1)], ids=["signal", "exit code"]
)
@pytest.mark.usefixtures("limited")
def test_what_ends_the_child_is_a_lack_of_memory_here(ends: Callable[[], object]) -> None:
    with pytest.raises(MemoryError):
        _run(partial(_in_a_child, os.getpid(), ends))


@pytest.mark.usefixtures("limited")
def test_what_python_raises_is_raised_here_and_said_once(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError, match="here"):
        _run(_says_and_raises)
    assert capfd.readouterr().err == "once\n"


def test_without_a_limit_nothing_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vgg_profile.core.trial, "is_limited", lambda: False)
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("a child"))
    with tried_first():
        pass
