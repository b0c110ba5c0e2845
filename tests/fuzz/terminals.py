"""Terminals: their sizes, pagers and variables are somebody else's; results are longer than the screen."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from pathlib import Path
from threading import Timer

SIZES = (0, 1, 2, 20, 80, 500, 65_535)
PAGERS = (
    "cat", "less", "more", "", " ", "nowhere", "false", "true", "head -n 1", "cat nowhere", "/", "/dev/null",
    "'", '"', "cat; echo more", "cat | cat", "$(echo cat)", "\u202e", "less -\x1b", "cat " + "x" * 4000,
    "sh -c 'exit 3'", "sh -c 'kill -9 $$'", "sh -c 'read line; exit'",
)  # fmt: skip
VARIABLES = {
    "PAGER": PAGERS,
    "LESS": ("", "FRX", "X", "-\x1b", "'", "+G", "9" * 400),
    "TERM": ("xterm", "dumb", "", "nowhere", "\u202e", "vt100", "../../x"),
    "COLUMNS": ("", "0", "-1", "80", "x", "9" * 30, "1e3"),
    "LINES": ("", "0", "-1", "24", "x", "9" * 30),
    "NO_COLOR": ("", "1", "\u202e"),
    "FORCE_COLOR": ("", "0", "1", "x"),
    "PYTHONIOENCODING": ("utf-8", "ascii", "latin-1", "utf-8:surrogateescape"),
    "LC_ALL": ("C", "C.UTF-8", "nowhere"),
}
NET = 'name = "a\\u202e\\u001b[31m=1+1"\nlayers = [8, 8, "M", 8]\n'
"""A network whose name turns the line around and begins a colour."""
RAW = ("a\u202e", "\x1b[31m=1+1")
"""What of it no terminal may see."""
COMMANDS = (
    ["table", "D"], ["table", "x.toml", "--input", "32"], ["timeline", "D"], ["explain"], ["notes"], ["list"],
    ["fit", "D", "--memory", "8GiB"], ["compare", "A", "D", "--by", "layer"], ["--help"],
    ["table", "nowhere"], ["table", "D", "--wide", "--bytes"],
    ["sweep", "x.toml", "--input", "32", "--batch", "1..99"],
)  # fmt: skip


def terminal(chance: random.Random) -> tuple[list[str], dict[str, str], tuple[int, int]]:
    """A call's words, its environment, and the lines and columns of its terminal."""
    chosen = chance.sample(list(VARIABLES), chance.randrange(len(VARIABLES)))
    given = {name: chance.choice(VARIABLES[name]) for name in chosen}
    size = chance.choice(SIZES), chance.choice(SIZES)
    return list(chance.choice(COMMANDS)), {"PAGER": chance.choice(PAGERS), **given}, size


def run_on_a_terminal(
    command: list[str],
    environment: dict[str, str],
    size: tuple[int, int],
    folder: Path,
    typed: bytes = b"",
    patience: int = 60,
) -> tuple[int, bytes]:
    """The exit code of a command that a real terminal of that size runs, and what it shows.

    A command that outlasts so many seconds of ``patience`` is killed, and its pager with it. It reads what is
    ``typed``.
    """
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    run = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        cwd=folder,
        start_new_session=True,
    )
    os.close(theirs)
    end = Timer(patience, os.killpg, (run.pid, signal.SIGKILL))
    end.start()
    os.write(ours, typed)
    shown = b""
    try:
        while piece := os.read(ours, 4096):
            shown += piece
    except OSError:  # how Linux says that the other end is closed
        pass
    code = run.wait()
    end.cancel()
    os.close(ours)
    return code, shown
