"""However it ends: its own exit code, one word or sentence, no traceback, no debris, no child."""

from __future__ import annotations

import compileall
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from turns import by_turns

import vgg_profile.__main__
from vgg_profile.core.ending import ENDING, Ended, check_not_ended, heeded, uninterrupted

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}

linux = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="what a process heeds is read in /proc"
)


# -- signals, at any moment


def heeds(process: subprocess.Popen[str]) -> bool:
    """Whether a process has come to our first line: it catches SIGTERM."""
    with suppress(OSError):
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("SigCgt:"):
                return bool(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
    return False


SLEEPS = """
import os, pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
pathlib.Path(os.environ["PIDS"]).write_text(f"{os.getpid()} {child.pid}")
time.sleep(60)
"""

COMMANDS = {
    "table D": ["table", "D", "-o", "table.md"],
    "report D": ["report", "D", "-o", "report.md"],
    "report page": ["report", "8,M", "--input", "8", "-o", "page.html"],
    "measure": ["measure", "8,M", "--input", "16", "--repeats", "1", "-o", "record.json"],
    "diagnose": ["diagnose", "sleeps.py:net", "--timeout", "60"],
    "help": ["--help"],
}


WHOLE = {"table D": {"table.md"}, "report D": {"report", "report.md"}, "report page": {"page.html"}}
"""What a command has written when it is over; before that, none of it is there."""


def is_alive(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@linux
@pytest.mark.parametrize("twice", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["once", "twice"])
@pytest.mark.parametrize(
    ("name", "number"), by_turns(COMMANDS, CODES), ids=lambda each: getattr(each, "name", each)
)
def test_a_signal_at_any_moment_ends_it_cleanly(
    name: str, number: signal.Signals, twice: bool, tmp_path: Path
) -> None:
    chance = random.Random(f"{name} {number} {twice}")
    work, scratch = tmp_path / "work", tmp_path / "scratch"
    work.mkdir()
    scratch.mkdir()
    (work / "sleeps.py").write_text(SLEEPS)
    pids = tmp_path / "pids"
    process = subprocess.Popen(
        [sys.executable, "-m", "vgg_profile", *COMMANDS[name]],
        cwd=work,
        env={**os.environ, "TMPDIR": str(scratch), "PIDS": str(pids)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    while not heeds(process) and process.poll() is None:
        time.sleep(0.001)
    if name == "diagnose" and chance.random() < 0.5:
        while not pids.exists():
            time.sleep(0.01)
    else:
        time.sleep(chance.random() * chance.choice([0.1, 1, 3]))
    process.send_signal(number)
    if twice:
        time.sleep(chance.random() * 0.02)
        with suppress(ProcessLookupError):
            process.send_signal(number)
    _, complaint = process.communicate(timeout=60)
    assert process.returncode in (0, CODES[number]), complaint
    said = [line for line in complaint.splitlines() if not line.endswith(("…", "%"))]
    if process.returncode:
        assert [line for line in said if not line.startswith("Wrote ")] == ["Interrupted"]
    left = {path.relative_to(work).parts[0] for path in work.rglob("*")} - {"sleeps.py", "__pycache__"}
    assert left in (set(), WHOLE.get(name, left))
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith(".part")]
    assert list(scratch.iterdir()) == []
    if pids.exists():
        assert not any(map(is_alive, map(int, pids.read_text().split())))


@pytest.fixture
def held() -> Iterator[None]:
    """As a terminal starts a program: every signal with its own default."""
    before = {number: signal.getsignal(number) for number in ENDING}
    for number in ENDING:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ENDING)
def test_what_lets_go_is_not_ended_again(number: int, held: None) -> None:
    steps = []

    def work() -> None:
        try:
            signal.raise_signal(number)
        finally:
            signal.raise_signal(number)
            steps.append("let go")

    with heeded(), pytest.raises(Ended) as ended:
        work()
    assert (steps, ended.value.number) == (["let go"], number)


@pytest.mark.parametrize("number", ENDING)
def test_an_end_that_somebody_swallowed_comes_again(number: int, held: None) -> None:
    with heeded():
        with suppress(BaseException):
            signal.raise_signal(number)
        with pytest.raises(Ended):
            check_not_ended()
        with pytest.raises(Ended):
            signal.raise_signal(number)
    check_not_ended()


@pytest.mark.parametrize("number", ENDING)
def test_what_must_not_be_cut_is_not(number: int, held: None) -> None:
    steps = []

    @uninterrupted()
    @uninterrupted()
    def work() -> None:
        signal.raise_signal(number)
        steps.append("whole")

    with heeded(), pytest.raises(Ended):
        work()
    assert steps == ["whole"]


def test_what_is_ignored_from_the_start_stays_so(held: None) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with heeded():
        signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


# -- stdout and stderr that take nothing

TABLE = "table 8,M --input 8"


STREAMS = [
    *((each, ">/dev/full", 1, 1) for each in (TABLE, "--help", "doctor")),
    *((each, ">&-", 1, 1) for each in (TABLE, "--version")),
    *((f"{TABLE} -o FILE", each, 0, 1) for each in (">/dev/full", ">&-")),
    *((f"{TABLE} -o FILE", each, 0, 0) for each in ("2>/dev/full", ">&- 2>&- <&-")),
    ("plot 8,M memory --input 8 -o f.png", "2>/dev/full", 0, 0),
    *(("table Q", each, 2, 0) for each in ("2>/dev/full", "2>&-")),
    ("fit D --memory 1KiB --optimizer adam", "2>/dev/full", 4, 0),
    ("fit D --memory 2GiB --batch 999 --reserve 1MiB", "2>/dev/full", 4, 0),
]
"""What is typed, its redirection, the exit code, and the lines on stderr."""

MORE_STREAMS = [
    *((f"{TABLE} {more}", ">/dev/full", 1, 1) for more in ("--format json", "--help")),
    *((each, ">/dev/full", 1, 1) for each in ("--version", "list", "notes")),
    *((each, ">&-", 1, 1) for each in ("--help", "list")),
    *((f"{TABLE} -o FILE", each, 0, 0) for each in ("2>&-", ">&- 2>&-")),
    ("plot 8,M memory --input 8 -o f.svg", "2>/dev/full", 0, 0),
    *((each, to, 2, 0) for each in ("Q", "table D --Q") for to in ("2>/dev/full", "2>&-")),
    ("fit D --memory 1KiB", "2>/dev/full", 4, 0),
]
"""The same of other commands, and in other ways."""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize(
    ("command", "redirection", "code", "said"),
    [*STREAMS, *(pytest.param(*each, marks=pytest.mark.slow) for each in MORE_STREAMS)],
)
def test_a_stream_that_takes_nothing(
    command: str, redirection: str, code: int, said: int, tmp_path: Path
) -> None:
    line = f"{sys.executable} -m vgg_profile {command.replace('FILE', 't.md')} {redirection}"
    ended = subprocess.run(
        ["bash", "-c", line], cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=60
    )
    assert ended.returncode == code, ended.stderr
    assert ended.stderr.count("\n") == said, ended.stderr
    if code == 0:
        (file,) = tmp_path.iterdir()
        assert file.stat().st_size > 100


# -- a library that does not load, a memory that does not suffice


@pytest.mark.parametrize(
    "backend", ["nonsense", pytest.param("module://nonsense", marks=pytest.mark.slow), "", "tkagg"]
)
def test_a_picture_needs_no_backend(backend: str, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "vgg_profile", "plot", "8,M", "memory", "--input", "8", "-o", "x.svg"],
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": backend},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert ended.returncode in (0, 1)
    assert "Traceback" not in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert (tmp_path / "x.svg").exists() == (ended.returncode == 0)


def test_an_end_while_python_makes_a_class_is_one(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """Python 3.11 wraps what ``__set_name__`` raises in a RuntimeError."""

    class Ends:
        def __set_name__(self, owner: type, name: str) -> None:
            raise Ended(signal.SIGTERM)

    def begin() -> None:
        type("Made", (), {"name": Ends()})

    for name in ("heed", "settle"):
        monkeypatch.setattr(vgg_profile.__main__, name, lambda: None)
    monkeypatch.setattr(vgg_profile.__main__, "_run", begin)
    monkeypatch.setattr("gc.freeze", lambda: None)  # this process does not end
    with pytest.raises(SystemExit) as ended:
        vgg_profile.__main__.run()
    assert (ended.value.code, capsys.readouterr().err) == (143, "Interrupted\n")


STARVED = """
import resource, sys
from vgg_profile.__main__ import run
pages = int(open("/proc/self/statm").read().split()[0])
most = pages * resource.getpagesize() + int(sys.argv.pop(1)) * 2**18
resource.setrlimit(resource.RLIMIT_AS, (most, most))
run()
"""


def spins(process: subprocess.Popen[str], patience: float = 20) -> bool:
    """End a process that does not end; whether its interpreter worked on and heeded no signal.

    Python up to 3.13 makes an int where it comes to an ``except``, and tries again if it has no memory for
    it, for ever: ``exception_unwind`` in ceval.c. No loop of Python's own is deaf to a signal.
    """
    process.terminate()
    try:
        process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        state = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        process.kill()
        process.communicate()
        return state == "R"
    return False


@linux
@pytest.mark.parametrize("deaf", [False, True])
def test_a_loop_that_heeds_signals_is_no_fault_of_pythons(deaf: bool) -> None:
    loop = "import signal\nprint(flush=True)\nwhile True: pass"
    if deaf:
        loop = loop.replace("print", "signal.signal(signal.SIGTERM, lambda *_: None)\nprint")
    with subprocess.Popen([sys.executable, "-c", loop], stdout=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert spins(process, 2) is deaf


@pytest.fixture(scope="module")
def compiled() -> None:
    """The package as pip leaves it: starved while it compiles, Python 3.11 reports a flaw of its own."""
    compileall.compile_dir(Path(vgg_profile.__file__).parent, quiet=1)


@linux
@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize(
    "quarters",
    [0, 2, 8, 24, 48, 128, *(pytest.param(each, marks=pytest.mark.slow) for each in (1, 4, 16, 32, 64))],
)
@pytest.mark.parametrize(
    "words",
    [
        ["table", "D"],
        ["plot", "8,M", "memory", "-o", "m.svg"],
        ["report", "8,M", "-o", "r.md"],
    ],
    ids=lambda words: words[0],
)
def test_a_memory_that_does_not_suffice_is_said(words: list[str], quarters: int, tmp_path: Path) -> None:
    """A quarter of a MiB, or some, beside what Python takes to start."""
    typed = [sys.executable, "-c", STARVED, str(quarters), *words]
    with subprocess.Popen(typed, cwd=tmp_path, stderr=subprocess.PIPE, encoding="utf-8") as process:
        try:
            _, told = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            if spins(process):
                pytest.skip("Python itself spins: it has no memory to handle an exception")
            raise
    assert "Traceback" not in told
    if process.returncode < 0:
        pytest.skip(f"Python itself died, by signal {-process.returncode}")
    if process.returncode:
        assert (process.returncode, told.count("\n")) == (1, 1), told
        assert "memory" in told
        assert list(tmp_path.iterdir()) == []
