"""``diagnose`` runs strangers' code: whatever that does, there is one answer, and nothing of it is left."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner
from diagnosing import HEAD

from vgg_profile.cli import main
from vgg_profile.core.errors import InputError
from vgg_profile.diagnose import Draft, asking, read
from vgg_profile.diagnose.answer import decode
from vgg_profile.diagnose.asking import LARGEST_SPEECH
from vgg_profile.diagnose.child import answered

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the keeper forks")
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands orphans to the keeper")

SOUND = "net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())\n"


def asked(folder: Path, source: str, timeout: float = 300) -> tuple[Draft | InputError, list[str]]:
    """What comes of a file, and what it printed."""
    path, heard = folder / "stranger.py", list[str]()
    path.write_text(HEAD + source)
    try:
        return read(f"{path}:net", (3, 8, 8), timeout, hear=heard.append), heard
    except InputError as error:
        return error, heard


# -- the answer

FEET = """
import atexit, builtins, json, os, sys, threading, time
json.dumps = lambda *given, **named: "{}"
os._exit = lambda code: None
threading.Thread(target=time.sleep, args=(600,)).start()
atexit.register(time.sleep, 600)
builtins.print = None

class Odd:
    def flush(self):
        raise SystemExit(9)

sys.stdout = sys.stderr = Odd()
"""


def test_python_changed_under_our_feet_still_gives_the_answer(tmp_path: Path) -> None:
    """And nobody waits for what the file left running."""
    found, _ = asked(tmp_path, FEET + SOUND, timeout=500)
    assert isinstance(found, Draft)
    assert [str(each.written) for each in found.layers] == ["Conv2d(3, 8, 3)", "ReLU()"]


INTO_ALL = "import os\nfor n in range(3, 99):\n    try: os.write(n, {})\n    except OSError: pass\n"


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (INTO_ALL.format("b'x' * 99"), "is over 16 MiB"),
        (INTO_ALL.format("bytes(7) + b'\\x02' + b'{}'"), "is none"),
        ("import os\nos.closerange(3, 999)\nimport time\ntime.sleep(600)\n", "ended the process"),
        ("import os\nos.kill(os.getppid(), 9)\nimport time\ntime.sleep(600)\n", "by signal 9"),
        pytest.param(
            "import os\nos.kill(os.getpid(), 19)\n", "took longer than 10 seconds", marks=pytest.mark.slow
        ),
        pytest.param("import ctypes\nctypes.string_at(0)\n", "by signal 11", marks=pytest.mark.slow),
        ("import os\nos._exit(0)\n", "with exit code 0"),
    ],
)
def test_no_answer_and_a_forged_one_are_said_to_be(source: str, complaint: str, tmp_path: Path) -> None:
    found, _ = asked(tmp_path, source, timeout=10 if "took" in complaint else 300)
    assert isinstance(found, InputError)
    assert complaint in str(found)


def test_after_an_answer_that_is_too_long_nobody_listens_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last word, that no more comes, is heard as of any other: it was asked for anew for ten seconds."""
    waits = []
    wait = asking._Exchange._wait
    monkeypatch.setattr(
        asking._Exchange, "_wait", lambda self, seconds: [waits.append(seconds), wait(self, seconds)]
    )
    found, _ = asked(tmp_path, INTO_ALL.format("b'x' * 99"))
    assert "is over 16 MiB" in str(found)
    assert len(waits) < 50


@pytest.mark.parametrize("place", ["file", "constructor", "forward"])
@pytest.mark.parametrize(
    "source",
    [
        "class E(Exception):\n    def __str__(self): raise RuntimeError\nraise E\n",
        "class E(BaseException):\n    def __str__(self): raise SystemExit\n    __repr__ = __str__\nraise E\n",
        "class E(Exception):\n    def __str__(self): return 7\nraise E\n",
        "class O:\n    def __repr__(self): raise KeyError\n    __str__ = __repr__\nraise SystemExit(O())\n",
        "class O:\n    def __str__(self): raise KeyError\nraise SyntaxError('x', (O(), O(), O(), O()))\n",
        "class O:\n    def __str__(self): raise KeyError\ne = SyntaxError()\ne.msg = O()\nraise e\n",
        "class M(type):\n    @property\n    def __name__(self): raise KeyError\n"
        "class E(Exception, metaclass=M): pass\nraise E\n",
        "class E(Exception):\n    @property\n    def __traceback__(self): raise KeyError\nraise E\n",
        "raise KeyboardInterrupt\n",
        "raise GeneratorExit\n",
        "raise ExceptionGroup('many', [ValueError('\\x1b[31m'), TypeError('\\n')])\n",
        "raise ModuleNotFoundError('\\x1b]0;title\\x07' * 99)\n",
    ],
)
def test_an_exception_of_any_make_is_a_sentence_or_a_defect(source: str, place: str, tmp_path: Path) -> None:
    body = "".join(f"        {line}\n" for line in source.splitlines())
    sources = {
        "file": source,
        "constructor": f"class net(nn.Module):\n    def __init__(self):\n{body}",
        "forward": f"class net(nn.Module):\n    def forward(self, x):\n{body}",
    }
    path = tmp_path / "stranger.py"
    path.write_text(HEAD + sources[place])
    answer = answered({"file": str(path), "name": "net", "shape": (3, 8, 8), "like": ""})
    said = json.loads(answer)
    problem = said["problem"] if "problem" in said else said["defects"][0]["found"]
    assert problem
    assert "Traceback" not in problem
    with suppress(InputError):
        decode(answer, path)


# -- what it leaves

STARTS = """
import os, signal, subprocess, sys, time

def note():
    with open(PIDS, "a") as file:
        file.write(f"{os.getpid()} ")

def rest():
    note()
    time.sleep(600)

def deaf():
    for number in (1, 2, 15):
        signal.signal(number, signal.SIG_IGN)
    rest()

def daemon():
    os.setsid()
    if os.fork():
        os._exit(0)
    rest()

code = f"import os, time; open({PIDS!r}, 'a').write(f'{os.getpid()} '); time.sleep(600)"
code = code.replace(str(os.getpid()), "{os.getpid()}")
for apart in (False, True, True, False):
    subprocess.Popen([sys.executable, "-c", code], start_new_session=apart)
for act in (rest, deaf, daemon):
    if not os.fork():
        act()
note()
while len(open(PIDS).read().split()) < 8:
    time.sleep(0.01)
"""
ENDS = {
    "well": SOUND,
    "with an exception": "1 / 0\n",
    "at once": "os._exit(3)\n",
    "by a signal": "os.kill(os.getpid(), 11)\n",
    "never": "time.sleep(600)\n",
}
SLOW = ("with an exception", "at once", "never")
"""Ends that the keeper sees as it sees others, or that have to be waited for."""


def is_alive(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@linux
@pytest.mark.parametrize(
    "end", [pytest.param(end, marks=pytest.mark.slow) if end in SLOW else end for end in ENDS]
)
def test_everything_that_it_started_ends_with_it(end: str, tmp_path: Path) -> None:
    """Children, forks, those in sessions of their own, those that heed no signal, and daemons."""
    pids = tmp_path / "pids"
    found, _ = asked(
        tmp_path, f"PIDS = {str(pids)!r}\n{STARTS}{ENDS[end]}", timeout=20 if end == "never" else 300
    )
    assert isinstance(found, Draft) == (end == "well"), found
    known = list(map(int, pids.read_text().split()))
    assert len(known) == 8
    assert not any(map(is_alive, known))


HOPS = """
import os, time
def hop():
    end = time.monotonic() + 90
    while time.monotonic() < end:
        if os.fork():
            os._exit(0)
        os.setsid()
    open("outlived", "w")
    os._exit(0)
os.chdir(FOLDER)
for _ in range(8):
    os.fork() or hop()
"""


@linux
@pytest.mark.slow
def test_processes_that_give_birth_as_they_die_end_with_it(tmp_path: Path) -> None:
    """A fork bomb of eight at a time: each is in a session of its own, and gone before it is looked for."""
    found, _ = asked(tmp_path, f"FOLDER = {str(tmp_path)!r}\n{HOPS}{SOUND}")
    assert isinstance(found, Draft), found
    there = []
    for place in Path("/proc").glob("[0-9]*/cwd"):
        with suppress(OSError):
            there += [place] * (place.readlink() == tmp_path)
    assert there == []
    assert not (tmp_path / "outlived").exists(), "it was not ended: it came to its own end"


@linux
def test_everything_ends_with_whoever_asked_even_killed(tmp_path: Path) -> None:
    path, pids = tmp_path / "stranger.py", tmp_path / "pids"
    path.write_text(
        "import os, subprocess, sys, time\n"
        "code = 'import time; time.sleep(600)'\n"
        "child = subprocess.Popen([sys.executable, '-c', code], start_new_session=True)\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{os.getppid()}} {{child.pid}}')\n"
        "time.sleep(600)\n"
    )
    process = subprocess.Popen([sys.executable, "-m", "vgg_profile", "diagnose", f"{path}:net"])
    while not pids.exists() or len(pids.read_text().split()) < 3:
        time.sleep(0.01)
    process.kill()
    process.wait()
    known = list(map(int, pids.read_text().split()))
    until = time.monotonic() + 30
    while any(map(is_alive, known)) and time.monotonic() < until:
        time.sleep(0.01)
    assert not any(map(is_alive, known))


def test_its_temporary_files_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr("tempfile.tempdir", None)
    found, heard = asked(
        tmp_path,
        "import os, tempfile\nfolder = tempfile.mkdtemp()\nos.makedirs(f'{folder}/a/b')\n"
        f"os.chmod(f'{{folder}}/a', 0)\nprint(tempfile.mkstemp()[1].startswith({str(scratch)!r}))\n{SOUND}",
    )
    assert isinstance(found, Draft)
    assert heard == ["True"]
    assert list(scratch.iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} == {"scratch", "stranger.py"}, "nor is a cache written"


def test_it_has_limits(tmp_path: Path) -> None:
    found, heard = asked(
        tmp_path,
        "import os, resource as r\n"
        "print(*(r.getrlimit(each)[0] for each in (r.RLIMIT_CORE, r.RLIMIT_DATA, r.RLIMIT_CPU)))\n"
        f"print(os.getsid(0) == os.getpid(), open(0).read() == '')\n{SOUND}",
        timeout=50,
    )
    assert isinstance(found, Draft)
    assert heard[1] == "True True"
    core, memory, seconds = map(int, heard[0].split())
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    assert (core, memory) == (0, machine if hard < 0 else min(machine, hard))
    assert 0 < seconds <= 50 * (os.cpu_count() or 1)


# -- what it prints


def test_what_it_prints_is_heard_line_by_line_and_no_more_than_enough(tmp_path: Path) -> None:
    found, heard = asked(
        tmp_path, f"import sys\nsys.stdout.write('x' * {3 * LARGEST_SPEECH})\nprint()\n{SOUND}"
    )
    assert isinstance(found, Draft)
    assert heard[-1].startswith("… and what the file printed after")
    assert sum(map(len, heard)) < 1.2 * LARGEST_SPEECH


def test_what_it_prints_is_nothing_that_a_terminal_obeys(tmp_path: Path) -> None:
    path = tmp_path / "stranger.py"
    path.write_text(
        HEAD
        + "import os\nprint('\\x1b]0;title\\x07 \\u202e', end='')\nos.write(2, b'\\xff\\x00\\n')\n"
        + SOUND
    )
    result = CliRunner().invoke(main, ["diagnose", f"{path}:net", "--input", "8"])
    assert result.exit_code == 0
    assert r"\x1b]0;title\x07 \u202e" in result.stderr
    assert r"\x00" in result.stderr
    assert result.stderr.replace("\n", "").isprintable()


# -- what lies beside it


def test_the_files_beside_it_import_and_shadow_nothing(tmp_path: Path) -> None:
    ours = {"torch", "numpy", "vgg_profile", "click", "msgspec", "jinja2", "sympy", "networkx", "mpmath"}
    for name in sys.stdlib_module_names | ours:
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('{name} is shadowed')\n")
    (tmp_path / "beside.py").write_text("import random, wave, colorsys\nwidth = 8\n")
    source = "import beside, random, sched, chunk\nnet = nn.Conv2d(3, beside.width, 3)\nrandom.random()\n"
    (tmp_path / "stranger.py").write_text(HEAD + source.replace(", chunk", ""))
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "vgg_profile", "diagnose", "stranger.py:net", "--input", "8"],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
    )
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("name", [pytest.param("random", marks=pytest.mark.slow), "vgg_profile"])
def test_a_file_may_have_any_name(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.py"
    path.write_text(
        HEAD + "import dataclasses, json, random\n@dataclasses.dataclass\nclass A:\n    x: int\n" + SOUND
    )
    assert len(read(f"{path}:net", (3, 8, 8)).layers) == 2


# -- what it is


@pytest.mark.parametrize("make", ["fifo", "device", "folder", "large", "loop", "none"])
def test_what_is_no_file_is_refused_at_once(make: str, tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    match make:
        case "fifo":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "folder":
            path.mkdir()
        case "large":
            with path.open("wb") as file:
                file.truncate(2**40)
        case "loop":
            path.symlink_to(path)
    result = CliRunner().invoke(main, ["diagnose", f"{path}:net"])
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1), result.output


@pytest.mark.parametrize(
    "timeout", ["nan", "-nan", "inf", "-inf", "0", "-0", "-1", "1e-400", "1e308", "1e999", "x"]
)
def test_no_other_time_is_taken(timeout: str, tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_text("raise SystemExit\n")
    result = CliRunner().invoke(main, ["diagnose", f"{path}:net", f"--timeout={timeout}"])
    assert result.exit_code == 2
    assert "sys.exit" not in result.stderr, "it was not run"


def test_help_says_what_running_it_means() -> None:
    said = " ".join(CliRunner().invoke(main, ["diagnose", "--help"]).stdout.split())
    for promise in (
        "`ulimit -u`",
        "for root nothing does",
        "WITH YOUR RIGHTS",
        "may be forged",
        "only files that you trust",
        "end with it",
    ):
        assert promise in said
