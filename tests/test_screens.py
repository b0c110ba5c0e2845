"""On a terminal no line is wider than the terminal; a pipe and a file get everything."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

import pytest
from calling import ESCAPE, ROOT, accepted, call, on_a_terminal, refusal
from conftest import Golden

from tests.fuzz.terminals import run_on_a_terminal
from vgg_profile.cli import main
from vgg_profile.cli import output as on_screen
from vgg_profile.core.counts import Count
from vgg_profile.core.forms import Column, Table
from vgg_profile.render import render
from vgg_profile.write.columns import columns_of
from vgg_profile.write.text import Screen, to_text

plain = partial(on_a_terminal, NO_COLOR="1")

HERE = ("--processor", "avx512", "--threads", "2")
SMALL = ("8,M,conv1-8,LRN,M", "--classes", "10", "--input", "3x32x48")
UNET = ("examples/my_net.py:UNet", "--input", "3x64x64")
RECORD = "reports/measured/D-cpu.json"

GOLDEN_SCREENS = {
    "list": ("list",),
    "table": ("table", "D"),
    "fit": ("fit", "D", "--memory", "8GiB", "--optimizer", "adam", *HERE),
    "check": ("check", "D", RECORD),
    "compare": ("compare", "A", "D", "--by", "block"),
    "timeline": ("timeline", *SMALL, "--optimizer", "adam"),
    "claims": ("notes", "--claims"),
    "own table": ("notes", "examples/my_table.csv"),
    "topic": ("explain", "pool-indices"),
}

RESULTS = [
    *GOLDEN_SCREENS.values(),
    ("table", "D", "--all-layers"),
    ("table", "D", "--notes"),
    ("table", "D", "--saved"),
    ("table", "D", "--columns", "+macs,stride,module"),
    ("table", "D", "--bytes"),
    ("table", *UNET),
    ("table", *UNET, "--depth", "1"),
    ("check", "D-BN", "reports/measured/D-BN-amp-cuda.json", "--all-layers"),
    ("compare", "A", "B", "D", "E", "--relative-to", "A", "--measured", "reports/measured"),
    ("compare", "A", "D", "64,64,M,128,128,M,256,256,256,M", "--by", "layer"),
    ("compare", "A", "D", "--device", "cuda"),
    ("diagnose", "examples/broken_vgg19.py:vgg19", "--like", "E"),
    ("doctor",),
    ("explain",),
    ("explain", "D"),
    ("explain", "D", "conv3_2"),
    ("explain", *UNET[:1], "down.0", *UNET[1:]),
    ("explain", "peak"),
    ("fit", "D", "--memory", "h100", "--batch", "900"),
    ("fit", "D", "--memory", "rtx4090", "--optimizer", "adam", "--what-if"),
    ("fit", "A", "64,64,M,128,128,M,256,256,256,M", "--memory", "8GiB"),
    ("sweep", "D", "--memory", "t4", "--optimizer", "sgd,adam"),
    ("compare", "D", "E", "--short", "--memory", "8GiB"),
    ("budget", "tests/data/budget.toml"),
    ("measure", *SMALL, "--repeats", "1"),
    ("notes",),
    ("sweep", "D", "--batch", "1..4", "--input", "64..128:32", "--optimizer", "none", "--optimizer", "adam"),
    ("timeline", "D", "--measured", RECORD),
    ("timeline", "D", "--amp", "bfloat16", "--checkpoint", "blocks", "--device", "cuda"),
]

WITHOUT_TEXT = {"plot", "report", "trace"}

Terminal = Callable[[int], None]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Has stdout be a terminal that is so wide, and as long as it takes."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("NO_COLOR", "1")

    def as_wide(width: int) -> None:
        monkeypatch.setattr(on_screen, "_is_terminal", lambda: True)
        monkeypatch.setattr(on_screen, "_size", lambda: os.terminal_size((width, 10**6)))

    return as_wide


def too_wide(text: str, width: int) -> list[str]:
    """Lines that take more columns than there are; an East Asian sign takes two."""
    return [
        line
        for line in text.splitlines()
        if sum(2 if east_asian_width(sign) in "FW" else 1 for sign in line) > width
    ]


@pytest.mark.parametrize("width", [80, 100, 160])
def test_screens_look_as_expected(width: int, terminal: Terminal, golden: Golden) -> None:
    terminal(width)
    screens = [f"$ vgg-profile {' '.join(words)}\n{call(*words).stdout}" for words in GOLDEN_SCREENS.values()]
    golden(f"screens_{width}.txt", "\n".join(screens))


@pytest.mark.parametrize("words", RESULTS, ids=" ".join)
def test_no_line_is_wider_than_the_terminal(
    words: tuple[str, ...], terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands are there to be copied, and a program is: those alone are as long as they are."""
    wide: list[str] = []

    def at_every_width(result: Any, form: str, screen: Screen, **options: Any) -> str:
        for width in (60, 80, 100, 120, 160):
            text = render(result, form, screen=screen._replace(width=width), **options)
            lines = too_wide(text.partition("The fixed model")[0], width)
            wide.extend(line for line in lines if not line.startswith("    vgg-profile "))
        return text

    terminal(80)
    monkeypatch.setattr(on_screen, "render", at_every_width)
    result = call(*words)
    assert result.exit_code in (0, 3, 4), result.output
    assert wide == []


def test_every_command_is_among_them() -> None:
    assert {words[0] for words in RESULTS} == set(main.commands) - WITHOUT_TEXT


def test_a_wider_line_is_noticed() -> None:
    assert too_wide("12345\n1234\n网络x\n网络", 4) == ["12345", "网络x"]


TABLE = Table(
    "A title that is longer than the screen",
    (
        Column("name", "layer", is_text=True),
        Column("memory_bytes", "memory", unit="bytes"),
        Column("weights", "weights"),
        Column("why", "why it is kept", is_text=True, rank=1),
        Column("macs", "MACs", rank=2),
        Column("field", "field", rank=2),
    ),
    (("网络网络网络网络", 12_845_056, Count(102_760_448, "7*7*512*4096"), "read again, and again", 1, 2),),
    total=("total", 12_845_056, 102_760_448, None, 1, None),
)


def on(width: int | None, table: Table = TABLE, *, is_exact: bool = False) -> str:
    return to_text(table, Screen(width, is_exact, hint="hidden: {}"))


def test_columns_go_by_their_ranks_and_those_of_one_rank_together() -> None:
    every = on(200)
    assert "hidden" not in every
    needed = max(map(len, every.splitlines()[2:]))
    names = {width: on(width).partition("hidden: ")[2].strip() for width in range(needed, 50, -1)}
    assert list(dict.fromkeys(names.values())) == ["", "macs,field", "why,macs,field"]


def test_what_has_rank_0_stays_on_the_narrowest_screen() -> None:
    for width in range(49, 60):
        text = on(width)
        assert too_wide(text, width) == []
        assert "12.25" in text
        assert "7*7*512*4096" in text
    assert "= 102.8 M" in on(49), "shorter numbers before shorter working"


def test_a_column_that_was_asked_for_goes_last() -> None:
    table = columns_of(TABLE, "+field")
    for width in range(120, 58, -1):
        assert "field" not in on(width, table).partition("hidden")[2]


def test_bytes_are_whole_where_they_are_asked_for_and_wherever_a_screen_is_not_known() -> None:
    assert "12,845,056" not in on(80)
    assert "(MiB)" in on(80)
    assert "12,845,056" in on(80, is_exact=True)
    assert "12,845,056" in to_text(TABLE)
    small = replace(TABLE, rows=((*TABLE.rows[0][:1], 512, *TABLE.rows[0][2:]),), total=None)
    assert "(bytes)" in on(80, small)


def test_what_is_not_nothing_does_not_show_as_nothing() -> None:
    rows = (("a", 1, 0, "", 0, 0), ("b", 0, 0, "", 0, 0), ("c", 2**30, 0, "", 0, 0))
    shown = [line.split()[1] for line in on(80, replace(TABLE, rows=rows, total=None)).splitlines()[5:8]]
    assert shown == ["<0.01", "0", "1,024.00"]


def test_columns_are_chosen_in_every_format_of_a_table() -> None:
    assert call("table", "D", "--columns", "name,macs", "--format", "csv").stdout.startswith("name,macs\n")
    assert "| layer" in call("table", "D", "--columns", "name,macs", "--format", "markdown").stdout
    assert "'nope'" in refusal(call("table", "D", "--columns", "name,nope"))
    assert "several" in refusal(call("table", "D", "--columns", "m"))
    assert "no columns" in refusal(call("explain", "fc6", "--columns", "what"))


def test_a_pipe_gets_what_a_file_gets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    file = tmp_path / "d.txt"
    call("table", "D", "-o", str(file))
    assert call("table", "D").stdout == file.read_text("utf-8")
    assert "receptive" not in file.read_text("utf-8")
    assert max(map(len, file.read_text("utf-8").splitlines())) > 120


def test_what_is_longer_than_the_screen_is_paged_and_what_fits_is_not() -> None:
    assert plain("table", "D", lines=40, PAGER="sed s/^/paged:/").startswith("paged:VGG config D")
    assert plain("table", "D", lines=60, PAGER="sed s/^/paged:/").startswith("VGG config D")


def test_less_is_set_up_as_git_does_unless_it_is_set_up() -> None:
    pager = f"{sys.executable} -c 'import os; print(os.environ[\"LESS\"])'"
    assert plain("table", "D", lines=20, PAGER=pager) == "FRX\n"
    assert plain("table", "D", lines=20, PAGER=pager, LESS="S") == "S\n"


@pytest.mark.parametrize(
    ("env", "code", "said"),
    [
        ({"PAGER": "'"}, 2, 'Error: PAGER is "\'", which is no command: '),
        ({"PAGER": "nowhere", "PYTHONIOENCODING": "latin-1"}, 1, "Error: The encoding of stdout, latin-1, "),
    ],
)
def test_a_pager_that_shows_nothing_is_said(env: dict[str, str], code: int, said: str) -> None:
    command = [sys.executable, "-m", "vgg_profile", "notes"]
    ended, shown = run_on_a_terminal(command, {**os.environ, "TERM": "xterm", **env}, (20, 80), ROOT)
    assert (ended, said in shown.decode(), "Traceback" in shown.decode()) == (code, True, False)


BATCHES = ("fit", "A", "D", "--memory", "8GiB", *HERE)


def test_a_dumb_terminal_gets_no_colour_no_pager_and_no_bar() -> None:
    dumb = plain("table", "D", lines=20, PAGER="sed s/^/paged:/", NO_COLOR="", TERM="dumb")
    assert dumb.startswith("VGG config D")
    assert ESCAPE not in dumb + plain(*BATCHES, lines=20, NO_COLOR="", TERM="dumb")


def test_a_terminal_that_is_not_dumb_has_a_bar_whose_signs_would_be_noticed() -> None:
    assert ESCAPE in plain(*BATCHES, lines=20)


@pytest.mark.parametrize(
    ("env", "is_coloured"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, True),
        ({"FORCE_COLOR": ""}, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ({"NO_COLOR": "", "FORCE_COLOR": "1"}, True),
    ],
)
@pytest.mark.parametrize("is_terminal", [False, True])
def test_colour_is_where_the_environment_wants_it(
    env: dict[str, str], is_coloured: bool, is_terminal: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The order is Python's own (https://docs.python.org/3/using/cmdline.html#controlling-color)."""
    monkeypatch.setattr(on_screen, "_is_terminal", lambda: is_terminal)
    monkeypatch.setattr(on_screen, "_size", lambda: os.terminal_size((1000, 1000)))
    monkeypatch.setenv("NO_COLOR", "1")
    plain = accepted(call("list"))
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.setenv(name, env.get(name, ""))
    monkeypatch.setenv("TERM", env.get("TERM", "xterm"))
    shown = accepted(call("list"))
    assert (ESCAPE in shown) is (is_coloured or (is_terminal and not any(env.values())))
    assert re.sub(r"\x1b\[[0-9;]*m", "", shown) == plain
    assert ESCAPE not in accepted(call("list", "--format", "markdown"))
    call("list", "-o", str(tmp_path / "list.txt"))
    assert ESCAPE not in (tmp_path / "list.txt").read_text("utf-8")


def test_a_real_terminal_decides_how_wide_a_table_is() -> None:
    shown = {width: plain("table", "D", lines=60, columns=width) for width in (80, 130)}
    for width, text in shown.items():
        assert too_wide(text, width) == []
    assert "field" in shown[130]
    assert "+module,kind,saved" in shown[80]
