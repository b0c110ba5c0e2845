"""Memory that runs out: what was held is let go before anything is said of it."""

from __future__ import annotations

import gc
import sys
import weakref
from types import SimpleNamespace

import click
import pytest

import vgg_profile.cli.program
from vgg_profile.cli.program import Commands
from vgg_profile.core.collecting import collected, collecting


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


@pytest.mark.parametrize("is_on", [True, False])
def test_the_collector_is_held_off_in_a_command_and_as_it_was_after_it(
    monkeypatch: pytest.MonkeyPatch, is_on: bool
) -> None:
    """What a command makes lasts to its end; while a network trains, it is as it is for everybody."""
    seen = []

    @click.command("looks")
    def looks() -> None:
        with collecting(is_on=True):
            seen.append(gc.isenabled())
        seen.append(gc.isenabled())

    monkeypatch.setattr(vgg_profile.cli.program, "import_module", lambda name: SimpleNamespace(looks=looks))
    with collecting(is_on=is_on):
        Commands({"looks": "somewhere:looks"})["looks"].main([], standalone_mode=False)
        seen.append(gc.isenabled())
    assert seen == [True, False, is_on]


class Ring:
    """What knows itself."""

    def __init__(self) -> None:
        self.itself = self


def test_rings_of_a_while_are_collected_and_what_was_there_before_is_not_walked() -> None:
    walked: list[int] = []

    def note(phase: str, about: dict[str, int]) -> None:
        walked.append(about["generation"])

    gc.callbacks.append(note)
    try:
        with collecting(is_on=False):  # nor is it left to somebody who turns the collector on
            with collected():
                later = [weakref.ref(ring) for ring in [Ring() for _ in range(10 * gc.get_threshold()[0])]]
                assert all(ring() is not None for ring in later)
                assert not walked
            assert not any(ring() is not None for ring in later)
    finally:
        gc.callbacks.remove(note)
    assert set(walked) == {0}
