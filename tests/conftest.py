"""Golden files: whole expected outputs, kept under ``tests/golden`` and read as a diff."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read as torch is loaded: threads that spin take cores

import pytest
from any_nets import nets, traced_net  # noqa: F401 - fixtures that several files share
from hypothesis import settings
from paging import fresh, html, other, quick, reader, window  # noqa: F401
from pytest_regressions.file_regression import FileRegressionFixture
from recording import network, saved  # noqa: F401

from tests.fuzz.addresses import chromium

settings.register_profile("without clocks", deadline=None)
settings.load_profile("without clocks")

GOLDEN = Path(__file__).parent / "golden"

Golden = Callable[[str, str], None]


@pytest.fixture
def golden(file_regression: FileRegressionFixture) -> Golden:
    """Compares a text with ``tests/golden/NAME``; ``pytest --force-regen`` rewrites the file."""
    return lambda name, text: check_golden(file_regression, GOLDEN / name, text)


def check_golden(files: FileRegressionFixture, path: Path, text: str) -> None:
    """Byte by byte, ends of lines and the file's last sign too; what differs is shown as text."""
    files.check(text.encode(), binary=True, fullpath=path, extension=path.suffix, check_fn=_check_same)


def _check_same(obtained: Path, expected: Path) -> None:
    assert obtained.read_bytes().decode() == expected.read_bytes().decode()


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """One process more than there are processors: some tests wait for a browser or another process."""
    return (yield) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests begin first, so that no process is left alone with one at the end.

    ``--dist loadfile`` keeps a file in one process, where its module's fixtures are made once.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


MANY = 100
"""Modules that, once loaded, are worth leaving out of what is searched for garbage."""

_frozen = 0


def pytest_runtest_setup() -> None:
    """What is loaded stays: `measure` and `trace` collect garbage, and need not walk all of it."""
    global _frozen
    if len(sys.modules) >= _frozen + MANY:
        gc.collect()
        gc.freeze()
        _frozen = len(sys.modules)


@pytest.fixture(autouse=True, scope="session")
def _heeding_signals() -> Iterator[None]:
    """As at a terminal, even where the tests run in the background and a shell has some signals ignored."""
    heeded = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    heeded |= {signal.SIGHUP: signal.SIG_DFL} if hasattr(signal, "SIGHUP") else {}
    before = {number: signal.signal(number, handler) for number, handler in heeded.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def _nothing_was_seen(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Of this machine nothing was last seen, and what a test lets be seen no other test knows."""
    folder = tmp_path_factory.getbasetemp() / "seen" / str(abs(hash(request.node.nodeid)))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, for what only a browser can prove; without it, its tests skip and say why."""
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    try:
        with chromium() as browser:
            yield browser
    except FileNotFoundError as error:
        pytest.skip(str(error))
