"""Golden files: whole expected outputs, kept under ``tests/golden`` and read as a diff."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Golden:
    """A folder of expected outputs; ``update`` rewrites them instead of comparing."""

    folder: Path
    update: bool = False

    def check(self, name: str, text: str) -> None:
        path = self.folder / name
        if self.update:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(text.encode())
            return
        assert path.exists(), f"{path} is missing; write it with: pytest --update-golden"
        expected = path.read_bytes().decode()
        assert text == expected, (
            f"{name} differs; if that is meant: pytest --update-golden, and read the diff"
        )


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden from what is printed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests begin first, so that no process is left alone with one at the end.

    ``--dist loadfile`` keeps a file in one process, where its module's fixtures are made once.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True, scope="session")
def _heeding_ctrl_c() -> Iterator[None]:
    """As at a terminal, even where the tests run in the background and a shell has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    folder = Path(__file__).parent / "golden"
    return Golden(folder, update=bool(request.config.getoption("--update-golden")))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, for what only a browser can prove; without it, its tests skip and say why."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no chromium: apt-get install chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()
