"""The command line from outside: processes, pipes, terminals; what it loads; what is missing."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from calling import ESCAPE, ROOT, TINY, accepted, call, on_a_terminal, plain_environment
from click import Command, Context

from vgg_profile.cli import COMMANDS, main
from vgg_profile.cli.program import Commands


def run(*arguments: str, code: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    program = ["-c", code] if code else ["-m", "vgg_profile"]
    return subprocess.run(
        [sys.executable, *program, *arguments],
        capture_output=True,
        encoding="utf-8",
        env={**plain_environment(), **environment},
        timeout=60,
    )


# The outside: processes, pipes, terminals


def test_the_module_prints_the_table_of_d() -> None:
    ended = run("table", "D")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "138,357,544" in ended.stdout
    assert "72,757,152" in ended.stdout


def test_a_pipe_gets_the_same_text_however_narrow_the_terminal() -> None:
    assert run("table", "D", COLUMNS="30", TERM="xterm-256color").stdout == accepted(call("table", "D"))


def test_the_console_script_is_the_module() -> None:
    ended = run(code="import sys; from vgg_profile.cli import main; sys.exit(main(['list']))")
    assert ended.stdout == run("list").stdout
    assert ended.returncode == 0


def test_a_refusal_reaches_the_shell() -> None:
    ended = run("table", "Q")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("Error: There is no config named 'Q'")
    assert ended.stderr.count("\n") == 1


# Starting up: what a table loads, and that commands are loaded when they are called


UNNEEDED = (
    *("torch", "numpy", "pandas", "matplotlib", "fvcore", "jinja2", "msgspec", "tabulate", "wcwidth"),
    *("argparse", "csv", "email", "html", "importlib.metadata", "importlib.resources", "logging"),
    *("shlex", "statistics", "subprocess", "tempfile", "urllib.request", "zipfile"),
    *("vgg_profile.ask", "vgg_profile.check", "vgg_profile.diagnose", "vgg_profile.measure"),
    *("vgg_profile.models", "vgg_profile.teach", "vgg_profile.core.figures", "vgg_profile.core.step"),
)
"""What `table D` must not load. Heavy packages first, then slow corners of Python, then rooms of ours."""


@pytest.mark.parametrize(
    "module",
    [*UNNEEDED, "difflib", "json", "tomllib"],
)
def test_a_table_loads_nothing_that_it_does_not_need(module: str) -> None:
    loaded = _loaded_by("main(['table', 'D'], standalone_mode=False)")
    assert "click" in loaded, "the list of modules is not one"
    assert module not in loaded


@pytest.mark.parametrize(
    ("room", "needed"),
    [
        (
            "cli",
            {
                "completion",
                "hints",
                "networks",
                "options",
                "output",
                "program",
                "speech",
                "spelling",
                "table",
            },
        ),
        ("describe", {"kinds", "profile", "tables", "words"}),
        ("write", {"cells", "text"}),
    ],
)
def test_of_these_rooms_a_table_loads_exactly(room: str, needed: set[str]) -> None:
    inside = f"vgg_profile.{room}."
    loaded = _loaded_by("main(['table', 'D'], standalone_mode=False)")
    assert {each.removeprefix(inside) for each in loaded if each.startswith(inside)} == needed


@pytest.mark.parametrize("module", UNNEEDED)
def test_a_module_that_a_table_does_not_need_would_be_noticed(module: str) -> None:
    if module.split(".")[0] in ("jinja2", "msgspec", "wcwidth"):
        pytest.importorskip(module)
    if module in ("torch", "fvcore", "matplotlib", "pandas", "vgg_profile.models"):
        pytest.skip("slow to load; numpy stands for it")
    assert module in _loaded_by(f"main(['table', 'D'], standalone_mode=False); import {module}")


def test_a_layer_worked_out_in_a_terminal_needs_nobody_who_lays_out_markdown() -> None:
    words = ["explain", "D", "conv3_2"]
    assert "tabulate" not in _loaded_by(f"main({words}, standalone_mode=False)")
    assert "tabulate" in _loaded_by(f"main({[*words, '--format', 'markdown']}, standalone_mode=False)")


def test_what_audits_a_students_table_is_loaded_for_one_alone() -> None:
    auditing = "vgg_profile.teach.own.audit"
    assert auditing not in _loaded_by("main(['table', 'D', '--format', 'csv'], standalone_mode=False)")
    words = ["notes", str(ROOT / "examples" / "my_table.csv"), "--format", "csv"]
    assert auditing in _loaded_by(f"main({words!r}, standalone_mode=False)")


@cache
def _loaded_by(code: str) -> frozenset[str]:
    """The modules that are loaded when code that has ``main`` is over; asked once for each code."""
    tail = "; print(*sys.modules, file=sys.stderr)"
    return frozenset(run(code=f"import sys; from vgg_profile.cli import main; {code}{tail}").stderr.split())


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_is_where_it_is_said_to_be(name: str) -> None:
    command = main.get_command(Context(main), name)
    assert isinstance(command, Command)
    assert command.name == name


def test_a_command_that_is_not_there_is_none_and_one_that_is_elsewhere_an_error() -> None:
    assert Commands({}).get("table") is None
    with pytest.raises(AttributeError, match="tabel"):
        Commands({"table": "vgg_profile.cli.table:tabel"})["table"]


def test_every_command_is_listed_with_a_whole_sentence() -> None:
    listed = accepted(call("--help")).partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in listed] == [*COMMANDS]
    cut = [line.split()[0] for line in listed if not line.endswith(".") or line.endswith("...")]
    assert cut == []


# A package that is missing


def without(package: str, *arguments: object, error: str = "") -> subprocess.CompletedProcess[str]:
    """Run the program where a package is not installed; or, given an ``error``, where it is broken."""
    fault = "ImportError(error)" if error else "ModuleNotFoundError(f'No module named {name!r}', name=name)"
    code = (
        "import sys; package, error, *arguments = sys.argv[1:]\n"
        "class Hidden:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] == package: raise {fault}\n"
        "sys.meta_path.insert(0, Hidden())\n"
        "from vgg_profile.cli import main\n"
        "main(arguments)"
    )
    return run(package, error, *map(str, arguments), code=code)


@pytest.mark.parametrize(
    ("package", "name", "arguments"),
    [
        ("matplotlib", "matplotlib", ("report", "8,M", "--input", 16, "-o", "x.md")),
        ("matplotlib", "matplotlib", ("report", "8,M", "--input", 16, "-o", "x.html")),
        ("matplotlib", "matplotlib", ("plot", "8,M", "memory", "--input", 16, "-o", "x.svg")),
        ("matplotlib", "matplotlib", ("timeline", "8,M", "--input", 16, "-o", "x.png")),
        ("PIL", "PIL", ("plot", "8,M", "memory", "--input", 16, "-o", "x.svg")),
        ("torch", "PyTorch (torch)", ("measure", "8,M", "--input", 16, "-o", "x.json")),
    ],
)
def test_the_package_that_is_missing_is_named(
    package: str, name: str, arguments: tuple[object, ...], tmp_path: Path
) -> None:
    *words, file = arguments
    ended = without(package, *words, tmp_path / str(file))
    known_as = {"PIL": "pillow"}.get(package, package)
    said = f"Error: {name} is missing. `pip install {known_as}` installs it.\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", said)
    assert list(tmp_path.iterdir()) == []


def test_what_needs_no_missing_package_goes_on_without_it() -> None:
    for package in ("matplotlib", "torch", "pandas"):
        assert without(package, *TINY).stdout == accepted(call(*TINY))


def test_a_package_that_is_broken_says_why(tmp_path: Path) -> None:
    ended = without("torch", "measure", "8,M", "--input", "16", error="libcudart.so.13: cannot open it.")
    assert ended.returncode == 1
    assert ended.stderr.endswith(
        "cannot be loaded: libcudart.so.13: cannot open it. "
        "`pip install -c constraints.txt .` installs it anew.\n"
    )


def test_a_terminal_gets_the_same_text_in_colour() -> None:
    shown = on_a_terminal(*TINY, "--wide", "--bytes")
    assert ESCAPE in shown
    assert re.sub(r"\x1b\[[0-9;]*m", "", shown) == accepted(call(*TINY))


def test_no_color_keeps_a_terminal_plain() -> None:
    assert on_a_terminal(*TINY, "--wide", "--bytes", NO_COLOR="1") == accepted(call(*TINY))


@pytest.mark.parametrize("format_", ["markdown", "csv", "json"])
def test_other_formats_stay_plain_on_a_terminal(format_: str) -> None:
    assert ESCAPE not in on_a_terminal(*TINY, "--format", format_)


def test_a_file_written_from_a_terminal_is_plain(tmp_path: Path) -> None:
    on_a_terminal(*TINY, "-o", str(tmp_path / "t.txt"))
    assert (tmp_path / "t.txt").read_text(encoding="utf-8") == accepted(call(*TINY))


def test_a_reader_that_leaves_early_gets_no_traceback() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "vgg_profile", "table", "8," * 3000, "--input", "8"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    complaint = process.stderr.read()
    process.wait(60)
    process.stderr.close()
    assert complaint == b""


def test_a_full_disk_behind_stdout_is_reported_in_one_line() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "vgg_profile", *TINY],
            stdout=full,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
    assert ended.returncode == 1
    assert ended.stderr.startswith("Error: ")
    assert ended.stderr.count("\n") == 1


def test_an_encoding_that_cannot_hold_the_table_is_named() -> None:
    ended = run(*TINY, PYTHONIOENCODING="latin-1", PYTHONUTF8="0")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("Error: ")
    assert "PYTHONIOENCODING=utf-8" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_ctrl_c_gives_130_and_leaves_no_file(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; import vgg_profile.cli as cli, vgg_profile.cli.networks as networks;"
        "networks.walk = lambda *a, **k: os.kill(os.getpid(), signal.SIGINT);"
        "cli.main(sys.argv[1:])"
    )
    ended = run("table", "D", "-o", str(tmp_path / "d.md"), code=code)
    assert ended.returncode == 130
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []
