"""The command line: what it prints where, what it refuses, and what it leaves behind."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from click import Command, Context
from click.testing import CliRunner, Result

import vgg_profile.cli
from vgg_profile.cli import COMMANDS, main
from vgg_profile.cli.program import Commands
from vgg_profile.predict.vgg.configs import LARGEST_FILE

TINY = ["table", "8,M,conv1-8,LRN,M", "--classes", "10", "--input", "3x32x48"]
ESCAPE = "\x1b"


def call(*arguments: str, **options: object) -> Result:
    return CliRunner().invoke(main, list(arguments), **options)  # type: ignore[arg-type]


def run(*arguments: str, code: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    program = ["-c", code] if code else ["-m", "vgg_profile"]
    return subprocess.run(
        [sys.executable, *program, *arguments],
        capture_output=True,
        encoding="utf-8",
        env={**plain_environment(), **environment},
        timeout=60,
    )


def plain_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}


def refusal(result: Result) -> str:
    """The error of a refused call: exit 2, one paragraph, no traceback, nothing on stdout."""
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit), "an exception got out"
    assert result.stdout == ""
    paragraph = result.stderr.partition("Error: ")[2]
    assert paragraph.endswith("\n")
    assert paragraph.count("\n") == 1, f"not one paragraph: {paragraph}"
    assert len(paragraph) < 1000, "longer than a paragraph"
    assert "Traceback" not in result.output
    return paragraph.strip()


def accepted(result: Result) -> str:
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return result.stdout


def test_a_good_call_is_not_taken_for_a_refusal() -> None:
    with pytest.raises(AssertionError):
        refusal(call(*TINY))


def test_a_refused_call_is_not_taken_for_a_good_one() -> None:
    with pytest.raises(AssertionError):
        accepted(call("table", "Q"))


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
        ("cli", {"networks", "options", "program", "speech", "table"}),
        ("describe", {"kinds", "profile", "tables", "words"}),
        ("write", {"text"}),
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
    assert [line.split()[0] for line in listed] == sorted(COMMANDS)
    cut = [line.split()[0] for line in listed if not line.endswith(".") or line.endswith("...")]
    assert cut == ["measure", "timeline"], "these two are in steps.py, and their words wait for its rewriting"


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
    said = f"Error: {name} is missing. `pip install -c constraints.txt .` installs it.\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", said)
    assert list(tmp_path.iterdir()) == []


def test_what_needs_no_missing_package_goes_on_without_it() -> None:
    for package in ("matplotlib", "torch", "pandas"):
        assert without(package, *TINY).stdout == accepted(call(*TINY))


def test_a_package_that_is_broken_says_why(tmp_path: Path) -> None:
    ended = without("torch", "measure", "8,M", "--input", "16", error="libcudart.so.13: cannot open it.")
    assert ended.returncode == 1
    assert ended.stderr.endswith(
        "cannot be loaded: libcudart.so.13: cannot open it. `pip install -c constraints.txt .` installs it.\n"
    )


def in_a_terminal(*arguments: str, **environment: str) -> str:
    """What a pseudo-terminal receives."""
    pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "vgg_profile", *arguments],
        stdout=theirs,
        stderr=theirs,
        env={**plain_environment(), "TERM": "xterm", **environment},
    )
    os.close(theirs)
    received = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # Linux says so when the other side has closed
            break
        if not piece:
            break
        received += piece
    os.close(ours)
    assert process.wait(60) == 0
    return received.decode().replace("\r\n", "\n")


def test_a_terminal_gets_the_same_text_in_colour() -> None:
    shown = in_a_terminal(*TINY)
    assert ESCAPE in shown
    assert re.sub(r"\x1b\[[0-9;]*m", "", shown) == accepted(call(*TINY))


def test_no_color_keeps_a_terminal_plain() -> None:
    assert in_a_terminal(*TINY, NO_COLOR="1") == accepted(call(*TINY))


@pytest.mark.parametrize("format_", ["markdown", "csv", "json"])
def test_other_formats_stay_plain_on_a_terminal(format_: str) -> None:
    assert ESCAPE not in in_a_terminal(*TINY, "--format", format_)


def test_a_file_written_from_a_terminal_is_plain(tmp_path: Path) -> None:
    in_a_terminal(*TINY, "-o", str(tmp_path / "t.txt"))
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
        "import os, signal, sys; import vgg_profile.cli as cli, vgg_profile.cli.options as options;"
        "options.walk = lambda *a, **k: os.kill(os.getpid(), signal.SIGINT);"
        "cli.main(sys.argv[1:])"
    )
    ended = run("table", "D", "-o", str(tmp_path / "d.md"), code=code)
    assert ended.returncode == 130
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []


# Finding the way


def test_version_and_help_are_good_calls() -> None:
    assert vgg_profile.__version__ in accepted(call("--version"))
    assert "table" in accepted(call("-h"))
    assert accepted(call("table", "-h")) == accepted(call("table", "D", "--help"))


def test_the_help_of_table_names_every_key_of_a_config_file() -> None:
    text = accepted(call("table", "D", "--help"))
    keys = ("name", "layers", "classifier", "classes", "in_channels", "batch_norm")
    assert [key for key in keys if f"{key} = " not in text] == []


def test_the_config_file_in_the_help_works(tmp_path: Path) -> None:
    lines = accepted(call("table", "--help")).splitlines()
    first = next(place for place, line in enumerate(lines) if "tiny.toml:" in line)
    file = tmp_path / "tiny.toml"
    file.write_text("\n".join(line.replace("tiny.toml:", "") for line in lines[first : first + 7]))
    data = json.loads(accepted(call("table", str(file), "--format", "json")))
    assert (data["config"], data["classes"], data["classifier"]) == ("tiny", 10, [512])


def test_a_mistyped_command_is_suggested() -> None:
    assert "table" in refusal(call("tabel", "D"))


def test_a_mistyped_config_is_suggested() -> None:
    assert "vgg16" in refusal(call("table", "vgg61"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["table", "--batch", "2", "--classes", "10", "D"],
        ["table", "--batch", "2", "D", "--classes", "10"],
        ["table", "D", "--classes=10", "--batch=2"],
    ],
)
def test_options_stand_anywhere(arguments: list[str]) -> None:
    assert accepted(call(*arguments)) == accepted(call("table", "D", "--batch", "2", "--classes", "10"))


@pytest.mark.parametrize("name", ["vgg16", "VGG-16", "16", "d", "vgg_16"])
def test_every_usual_name_of_d_is_d(name: str) -> None:
    assert accepted(call("table", name)) == accepted(call("table", "D"))


@pytest.mark.parametrize("arguments", [["vgg16_bn"], ["D-BN"], ["D", "--batch-norm"]])
def test_every_way_to_batch_norm_is_the_same(arguments: list[str]) -> None:
    assert accepted(call("table", *arguments)) == accepted(call("table", "d-bn"))
    assert accepted(call("table", *arguments)) != accepted(call("table", "D"))


def test_the_list_has_every_config_with_its_totals() -> None:
    lines = {
        line.split()[0]: line for line in accepted(call("list")).splitlines() if re.match(r"[A-E]\b", line)
    }
    assert set(lines) == {"A", "A-LRN", "B", "C", "D", "E", "A-BN", "B-BN", "D-BN", "E-BN"}
    for name, line in lines.items():
        totals = json.loads(accepted(call("table", name, "--format", "json")))["totals"]
        printed = line.replace(",", "").split()
        for key in ("parameters", "macs", "values", "memory_bytes", "saved_bytes"):
            assert str(totals[key]) in printed, (name, key)


def test_the_list_as_json_has_one_object_a_config() -> None:
    data = json.loads(accepted(call("list", "--format", "json")))
    assert data["schema_version"] == 1
    assert [net["parameters"] for net in data["configs"] if net["config"] == "D"] == [138357544, 138365992]


# What is refused


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["table"], ["NET"]),
        (["table", "Q"], ["'Q'", "A, A-LRN, B, C, D, E", "vgg-profile list"]),
        (["table", ""], ["vgg-profile list"]),
        (["table", "D", "E"], ["E"]),
        (["table", "D", "--batch", "0"], ["batch", "0", "--batch 1"]),
        (["table", "D", "--batch", "-3"], ["batch", "-3", "--batch 1"]),
        (["table", "D", "--batch", "many"], ["--batch", "many"]),
        (["table", "D", "--batch", "1.5"], ["--batch", "1.5"]),
        (["table", "D", "--batch", "1" * 40], ["batch", "1,000,000,000"]),
        (["table", "D", "--classes", "0"], ["classes", "1,000,000,000"]),
        (["table", "D", "--classes", "ten"], ["--classes", "ten"]),
        (["table", "D", "--dtype", "int8"], ["int8", "float32"]),
        (["table", "D", "--device", "tpu"], ["tpu", "cuda"]),
        (["table", "D", "--format", "pdf"], ["pdf", "markdown"]),
        (["table", "D", "--bacth", "2"], ["--bacth", "--batch"]),
        (["table", "D", "--input", "big"], ["'big'", "--input 224"]),
        (["table", "D", "--input", "0"], ["'0'", "--input 224"]),
        (["table", "D", "--input", "-224"], ["'-224'", "--input 224"]),
        (["table", "D", "--input", "3x"], ["'3x'", "--input 224"]),
        (["table", "D", "--input", "1x2x3x4"], ["'1x2x3x4'", "--input 224"]),
        (["table", "D", "--input", "1x224x224"], ["1 channel", "--input 3x224x224"]),
        (["table", "D", "--input", "9" * 5000], ["image size", "--input 224"]),
        (["table", "64,64,Q,M"], ["Layer 3", "'Q'", "LRN"]),
        (["table", "64,0,M"], ["Layer 2", "'0'"]),
        (["table", "64,-1,M"], ["Layer 2", "'-1'"]),
        (["table", "64,conv2-64"], ["Layer 2", "'conv2-64'", "odd"]),
        (["table", "64,conv3-"], ["Layer 2", "'conv3-'"]),
        (["table", "64,\x1b[31mM"], ["Layer 2", r"\x1b"]),
        (["table", "64," + "x" * 100_000], ["Layer 2", "…"]),
        (["table", "M,M"], ["no convolution"]),
        (["table", ",,"], ["Layer 1 of the list", "is not a layer"]),
        (["table", "8," * 100_001], ["100,001", "100,000"]),
    ],
)
def test_a_mistake_is_explained(arguments: list[str], said: list[str]) -> None:
    error = refusal(call(*arguments))
    assert [word for word in said if word not in error] == []
    assert ESCAPE not in error


@pytest.mark.parametrize(
    ("config", "size", "layer"),
    [
        ("D", "31", "pool5 (features.30)"),
        ("D", "31x500", "pool5 (features.30)"),
        ("D", "500x15", "pool4 (features.23)"),
        ("D", "1", "pool1 (features.4)"),
        ("8,M,8,M", "3", "pool2 (features.5)"),
    ],
)
def test_an_image_too_small_names_the_layer_and_a_size_that_works(config: str, size: str, layer: str) -> None:
    error = refusal(call("table", config, "--input", size))
    assert layer in error
    suggested = re.search(r"--input (\d+)", error)
    assert suggested
    smallest = int(suggested[1])
    accepted(call("table", config, "--input", str(smallest)))
    refusal(call("table", config, "--input", str(smallest - 1)))


def test_a_net_with_more_pools_than_any_image_allows_gets_no_vain_advice() -> None:
    error = refusal(call("table", "8" + ",M" * 40))
    suggested = re.search(r"--input (\d+)", error)
    assert suggested is None or call("table", "8" + ",M" * 40, "--input", suggested[1]).exit_code == 0


HOSTILE_FILES = {
    "binary.toml": (b"\x00\xff\xfe\x80", ["not UTF-8", "byte 1"]),
    "binary.json": (b"\x89PNG\r\n\x1a\n", ["not UTF-8", "byte 0"]),
    "empty.toml": (b"", ["layers ="]),
    "empty.json": (b"", ["JSON", "line 1"]),
    "cut.json": (b'{"layers": [64,', ["JSON"]),
    "cut.toml": (b"layers = [64,", ["TOML"]),
    "list.json": (b"[64, 64]", ["layers ="]),
    "huge.json": (b" " * (LARGEST_FILE + 1), ["4 MiB"]),
    "deep.json": (b'{"layers": ' + b"[" * 100_000, ["nested too deeply"]),
    "deep.toml": (b"layers = " + b"[" * 5_000, ["nested too deeply"]),
    "nested.json": (b'{"layers": [64, [64]]}', ["Layer 2", "[64]"]),
    "token.toml": (b'layers = [64, "M", "conv1_64"]', ["Layer 3", "'conv1_64'", "conv1-64"]),
    "true.json": (b'{"layers": [64, true]}', ["Layer 2", "True"]),
    "float.json": (b'{"layers": [64, 1e999]}', ["Layer 2", "inf"]),
    "digits.json": (b'{"layers": [' + b"9" * 5000 + b"]}", ["JSON", "digits"]),
    "wide.json": (b'{"layers": [9999999999]}', ["Layer 1", "9999999999"]),
    "key.toml": (b"layers = [64]\nclases = 10", ["'clases'", "Did you mean classes?"]),
    "classes.toml": (b"layers = [64]\nclasses = 0", ["classes", "0"]),
    "text.toml": (b'layers = [64]\nclasses = "10"', ["classes", "'10'"]),
    "norm.toml": (b'layers = [64]\nbatch_norm = "yes"', ["batch_norm", "'yes'", "true or false"]),
    "hidden.toml": (b"layers = [64]\nclassifier = 512", ["classifier", "512", "not a list"]),
    "zero.toml": (b"layers = [64]\nclassifier = [0]", ["classifier", "0"]),
    "name.json": (b'{"name": "a\\u001b[31m", "layers": [64]}', [r"\x1b", "name"]),
    "long.json": (b'{"name": "' + b"n" * 61 + b'", "layers": [64]}', ["name", "60"]),
    "surrogate.json": (b'{"name": "\\ud800", "layers": [64]}', ["ud800", "name"]),
    "channels.toml": (b"layers = [64]\nin_channels = -3", ["in_channels", "-3"]),
    "hex.toml": (b"layers = [0x" + b"f" * 5000 + b"]", ["Layer 1"]),
    "hexnorm.toml": (b"layers = [64]\nbatch_norm = 0x" + b"f" * 5000, ["batch_norm"]),
}


@pytest.mark.parametrize("name", HOSTILE_FILES)
def test_a_bad_config_file_is_explained(name: str, tmp_path: Path) -> None:
    content, said = HOSTILE_FILES[name]
    (tmp_path / name).write_bytes(content)
    error = refusal(call("table", str(tmp_path / name), "-o", str(tmp_path / "out.md")))
    assert [word for word in said if word not in error] == []
    assert ESCAPE not in error
    assert [file.name for file in tmp_path.iterdir()] == [name], "something was left behind"


def test_a_config_file_that_is_no_file_is_explained(tmp_path: Path) -> None:
    assert "no such file" in refusal(call("table", str(tmp_path / "missing.toml")))
    (tmp_path / "folder.toml").mkdir()
    assert "not a regular file" in refusal(call("table", str(tmp_path / "folder.toml")))
    os.mkfifo(tmp_path / "pipe.json")
    assert "not a regular file" in refusal(call("table", str(tmp_path / "pipe.json")))
    (tmp_path / "loop.json").symlink_to("loop.json")
    assert "cannot be read" in refusal(call("table", str(tmp_path / "loop.json")))
    assert "cannot be read" in refusal(call("table", "x" * 5000 + ".toml"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_config_file_that_may_not_be_read_is_explained(tmp_path: Path) -> None:
    file = tmp_path / "secret.toml"
    file.write_text("layers = [64]")
    file.chmod(0)
    assert "ermission" in refusal(call("table", str(file)))


# Files that are written


SUFFIXES = {
    "txt": "table",
    "md": "markdown",
    "csv": "csv",
    "tsv": "tsv",
    "json": "json",
    "tex": "latex",
    "html": "html",
}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_suffix_chooses_the_format(suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"out.{suffix}"
    result = call(*TINY, "-o", str(file))
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"Wrote {file}\n")
    assert file.read_bytes().decode() == accepted(call(*TINY, "--format", SUFFIXES[suffix]))


def test_a_format_that_is_said_beats_the_suffix(tmp_path: Path) -> None:
    call(*TINY, "--format", "json", "-o", str(tmp_path / "out.md"))
    json.loads((tmp_path / "out.md").read_text())


def test_upper_case_suffixes_count(tmp_path: Path) -> None:
    assert call(*TINY, "-o", str(tmp_path / "OUT.JSON")).exit_code == 0


@pytest.mark.parametrize("name", ["out.docx", "out", ".md"])
def test_a_suffix_that_names_no_format_is_refused(name: str, tmp_path: Path) -> None:
    error = refusal(call(*TINY, "-o", str(tmp_path / name)))
    assert ".md" in error
    assert "--format" in error
    assert list(tmp_path.iterdir()) == []


def test_a_dash_is_stdout() -> None:
    assert accepted(call(*TINY, "-o", "-")) == accepted(call(*TINY))


def test_an_existing_file_stays_unless_forced(tmp_path: Path) -> None:
    file = tmp_path / "out.txt"
    file.write_text("old " * 10_000)
    assert "--force" in refusal(call(*TINY, "-o", str(file)))
    assert file.read_text() == "old " * 10_000
    assert call(*TINY, "-o", str(file), "--force").exit_code == 0
    assert file.read_text(encoding="utf-8") == accepted(call(*TINY))
    assert list(tmp_path.iterdir()) == [file]


def test_force_creates_a_file_that_was_not_there(tmp_path: Path) -> None:
    assert call(*TINY, "-o", str(tmp_path / "out.txt"), "--force").exit_code == 0


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_directory_is_no_output(force: list[str], tmp_path: Path) -> None:
    (tmp_path / "sub.md").mkdir()
    assert "is a directory" in refusal(call(*TINY, "-o", str(tmp_path / "sub.md"), *force))
    assert "no directory" in refusal(call(*TINY, "-o", str(tmp_path / "none" / "out.md"), *force))
    assert [file.name for file in tmp_path.iterdir()] == ["sub.md"]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="a directory in which even root writes nothing")
def test_a_place_where_nobody_writes_is_explained() -> None:
    assert "cannot be written" in refusal(call(*TINY, "-o", "/proc/out.md"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_where_one_may_not_write_is_explained(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o555)
    assert "cannot be written" in refusal(call(*TINY, "-o", str(tmp_path / "locked" / "out.md")))


def test_an_output_name_too_long_is_explained(tmp_path: Path) -> None:
    refusal(call(*TINY, "-o", str(tmp_path / f"{'n' * 300}.md")))


def test_a_bad_network_writes_no_file(tmp_path: Path) -> None:
    refusal(call("table", "D", "--input", "8", "-o", str(tmp_path / "out.md")))
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_while_writing_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    file = tmp_path / "out.txt"
    file.write_text("old")
    monkeypatch.setattr(Path, "replace", interrupted)
    result = call(*TINY, "-o", str(file), "--force")
    assert result.exit_code == 130
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


# The contract for machines

TOP = {"schema_version", "config", "batch_norm", "input", "batch", "dtype", "classes", "rows", "totals"}
ROW = {
    "name", "module", "kind", "output_shape", "values", "values_working", "memory_bytes", "weights",
    "weights_working", "biases", "macs", "receptive_field", "stride", "saved_bytes",
}  # fmt: skip
TOTALS = {
    "values", "memory_bytes", "weights", "biases", "parameters", "buffers", "macs", "saved_bytes"
}  # fmt: skip
ITEMSIZE = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}


def breaches(data: dict) -> list[str]:  # type: ignore[type-arg]
    """Where a profile as JSON breaks issue 2's contract; empty for a good one."""
    found = [f"no {key}" for key in sorted(TOP - set(data))]
    found += [f"row {n}: no {key}" for n, row in enumerate(data["rows"]) for key in sorted(ROW - set(row))]
    found += [f"totals: no {key}" for key in sorted(TOTALS - set(data["totals"]))]
    if found:
        return found
    first = data["rows"][0]
    if (first["kind"], first["output_shape"]) != ("input", data["input"]):
        found.append("the input is not first")
    size = data["batch"] * ITEMSIZE[data["dtype"]]
    for row in data["rows"]:
        name, values = row["name"], 1
        for side in row["output_shape"]:
            values *= side
        counts = ("values", "memory_bytes", "weights", "biases", "macs", "saved_bytes")
        found += [f"{name}: {key} is no integer" for key in counts if type(row[key]) is not int]
        found += [
            f"{name}: {key} is neither an integer nor unknown"
            for key in ("receptive_field", "stride")
            if row[key] is not None and type(row[key]) is not int
        ]
        if len(row["output_shape"]) not in (1, 3):
            found.append(f"{name}: output_shape has {len(row['output_shape'])} sides")
        if row["values"] not in ({values, 0} if row.get("note") else {values}):
            found.append(f"{name}: values are not those of the shape")
        if row["memory_bytes"] != row["values"] * size:
            found.append(f"{name}: memory is not values x batch x itemsize")
        for key in ("values", "weights"):
            working = row[f"{key}_working"]
            if not re.fullmatch(r"[0-9*+() ]+", working) or eval(working) != row[key]:
                found.append(f"{name}: {key} is not its working")
    for key in ("values", "memory_bytes", "weights", "biases", "macs", "saved_bytes"):
        if data["totals"][key] != sum(row[key] for row in data["rows"]):
            found.append(f"totals: {key} is not the sum of its rows")
    if data["totals"]["parameters"] != data["totals"]["weights"] + data["totals"]["biases"]:
        found.append("totals: parameters are not weights and biases")
    return found


OWN = (
    '{"name": "own", "layers": [8, "M", "conv1-8", "LRN"], "classifier": [], "classes": 7, "in_channels": 1}'
)


@pytest.mark.parametrize("options", [[], ["--all-layers"], ["--batch", "5", "--dtype", "bfloat16"]])
@pytest.mark.parametrize(
    "config", ["A", "A-LRN", "C", "D", "vgg19_bn", "64,64,M,conv1-128,LRN,M", "own.toml", "own.json"]
)
def test_the_json_of_a_profile_keeps_the_contract(config: str, options: list[str], tmp_path: Path) -> None:
    (tmp_path / "own.json").write_text(OWN)
    toml = [f"{key} = {json.dumps(value)}\n" for key, value in json.loads(OWN).items()]
    (tmp_path / "own.toml").write_text("".join(toml))
    source = str(tmp_path / config) if config.startswith("own") else config
    data = json.loads(accepted(call("table", source, *options, "--format", "json", "--input", "64x96")))
    assert breaches(data) == []
    assert data["schema_version"] == 1
    assert data["input"][1:] == [64, 96]
    assert data["batch_norm"] is ("bn" in config)
    assert (data["batch"], data["dtype"]) == ((5, "bfloat16") if "--batch" in options else (1, "float32"))
    if config.startswith("own"):
        assert (data["config"], data["classes"], data["input"]) == ("own", 7, [1, 64, 96])
        assert data["rows"][-1]["output_shape"] == [7]


@pytest.mark.parametrize(
    ("place", "key", "value"),
    [
        ("top", "dtype", "float64"),
        ("top", "batch", 2),
        ("top", "input", [3, 1, 1]),
        *(("row", key, 1.0) for key in ("values", "memory_bytes", "weights", "biases", "macs", "stride")),
        *(("row", key, "1") for key in ("values_working", "weights_working")),
        ("row", "output_shape", [1, 2, 3]),
        *(("totals", key, 1) for key in sorted(TOTALS - {"buffers"})),
        *(("top", key, None) for key in sorted(TOP)),
        *(("row", key, None) for key in sorted(ROW)),
        *(("totals", key, None) for key in sorted(TOTALS)),
    ],
)
def test_a_broken_contract_is_seen(place: str, key: str, value: object) -> None:
    data = json.loads(accepted(call("table", "A", "--format", "json")))
    where = {"top": data, "row": data["rows"][1], "totals": data["totals"]}[place]
    if value is None:
        if key in ("rows", "totals"):
            where[key] = {"rows": [{}], "totals": {}}[key]
        else:
            del where[key]
    else:
        where[key] = value
    assert breaches(data) != []


def test_all_layers_adds_modules_and_changes_no_parameter() -> None:
    short, long = (
        json.loads(accepted(call("table", "D-BN", "--format", "json", *options)))
        for options in ([], ["--all-layers"])
    )
    assert {row["kind"] for row in short["rows"]} == {"input", "conv", "maxpool", "fc"}
    assert {row["kind"] for row in long["rows"]} > {"input", "conv", "maxpool", "fc", "relu"}
    for key in ("weights", "biases", "parameters", "buffers", "macs", "saved_bytes"):
        assert short["totals"][key] == long["totals"][key]


def test_a_hundred_thousand_8k_frames_do_not_overflow() -> None:
    arguments = ["table", "D", "--input", "4320x7680", "--batch", "100000", "--format", "json"]
    data = json.loads(accepted(call(*arguments)))
    assert breaches(data) == []
    assert data["rows"][1]["memory_bytes"] == 64 * 4320 * 7680 * 100_000 * 4


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_no_help_shows_clicks_own_signs(command: str) -> None:
    assert "\\b" not in call(command, "--help").stdout
    assert "\b" not in call(command, "--help").stdout


def test_two_tables_at_once_are_refused() -> None:
    assert "--saved" in refusal(call("table", "D", "--notes", "--saved"))


# Commands that say the same thing say the same number


@pytest.mark.parametrize(
    "layers",
    [
        "8,",
        "8,8,M,8",
        "8,M,8,LRN",
        "8,LRN,M,8",
        "M,8,M",
        "8,M,M,8,M",
        "8,M,LRN,M",
        "8,M,LRN,8,M",
        "8,LRN,M,LRN,M,8",
        "8,M,LRN",
        "LRN,8,M",
    ],
)
@pytest.mark.parametrize("norm", ["--no-batch-norm", "--batch-norm"])
def test_a_block_is_the_same_in_a_comparison_and_in_a_picture(layers: str, norm: str, tmp_path: Path) -> None:
    setting = ("--input", "16", "--batch", "2", norm)
    rows = accepted(call("compare", layers, *setting, "--by", "block", "--format", "csv")).splitlines()[1:]
    compared = {row.split(",")[0]: int(row.split(",")[-1]) for row in rows}
    assert call("plot", layers, "shares", *setting, "-o", str(tmp_path / "x.svg")).exit_code == 0
    told = re.search(r"bytes saved for backward: (.*?)\.", (tmp_path / "x.svg").read_text(encoding="utf-8"))
    assert told
    drawn = {
        name: int(size.replace(",", ""))
        for name, size in re.findall(r"((?:block )?\w+) ([\d,]*\d)(?:, |$)", told[1])
    }
    assert drawn == compared
