"""Memory that runs out: what was held is let go before anything is said of it."""

from __future__ import annotations

import sys
import weakref
from types import SimpleNamespace

import click
import pytest

import vgg_profile.cli.program
from vgg_profile.cli.program import Commands


def test_a_command_has_let_go_of_what_it_held_when_it_says_that_memory_is_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """CPython 3.11 cannot leave a ``with`` by an exception where there is no room for one integer."""

    class Large:
        pass

    held = []

    @click.command("greedy")
    def greedy() -> None:
        large = Large()
        held.append(weakref.ref(large))
        raise MemoryError

    monkeypatch.setattr(vgg_profile.cli.program, "import_module", lambda name: SimpleNamespace(greedy=greedy))
    command = Commands({"greedy": "somewhere:greedy"})["greedy"]
    with pytest.raises(MemoryError):
        command.main([], standalone_mode=False)
    assert sys.exception() is None
    assert held[0]() is None


def test_an_exception_that_is_not_about_memory_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command("broken")
    def broken() -> None:
        raise KeyError("here")

    monkeypatch.setattr(vgg_profile.cli.program, "import_module", lambda name: SimpleNamespace(broken=broken))
    with pytest.raises(KeyError, match="here") as error:
        Commands({"broken": "somewhere:broken"})["broken"].main([], standalone_mode=False)
    assert any(entry.name == "broken" for entry in error.traceback)
