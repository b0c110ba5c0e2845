"""The documented lines, read by the shells themselves: the Tab key is pressed in bash, zsh and fish."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCS = (ROOT / "docs" / "commands.md").read_text("utf-8")
LINES = dict(re.findall(r"^(.*_VGG_PROFILE_COMPLETE=(\w+)_source.*?) +#", DOCS, re.MULTILINE))
SHELLS = {"bash": ["bash", "--norc"], "zsh": ["zsh", "-f"], "fish": ["fish", "--no-config"]}

TYPED = {
    "vgg-profile fi": "vgg-profile fit ",
    "vgg-profile table vgg16_": "vgg-profile table vgg16_bn ",
    "vgg-profile plot D sha": "vgg-profile plot D shares ",
    "vgg-profile explain mac-v": "vgg-profile explain mac-vs-flop ",
    "vgg-profile fit D --memory rtx409": "vgg-profile fit D --memory rtx4090 ",
    "vgg-profile fit D --memory=titanrt": "vgg-profile fit D --memory=titanrtx ",
    "vgg-profile fit D --dtype=float32 --memory=h10": "vgg-profile fit D --dtype=float32 --memory=h100-80gb ",
}
"""What is typed, and the line once the Tab key was pressed."""

LONGEST = 120
"""Seconds that a shell may take; one that answers nothing within them failed."""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A folder of its own on the path, where the program is what is here, and a home without settings."""
    program = tmp_path / "bin" / "vgg-profile"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m vgg_profile "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    python = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {"PATH": path, "PYTHONPATH": python, "HOME": str(tmp_path), "TERM": "dumb", "LANG": "C.UTF-8"}


def needed(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell}: apt-get install {shell}")


class Terminal:
    """A shell that believes somebody sits before it."""

    def __init__(self, words: list[str], environment: dict[str, str]) -> None:
        self.hand, there = pty.openpty()
        self.shell = subprocess.Popen(
            words, stdin=there, stdout=there, stderr=there, env=environment, start_new_session=True
        )
        os.close(there)

    def type(self, text: str, until: str) -> str:
        """What the terminal shows after this, as soon as it shows what is waited for, or at the end."""
        os.write(self.hand, text.encode())
        seen = ""
        while until not in seen and select.select([self.hand], [], [], LONGEST)[0]:
            seen += os.read(self.hand, 65536).decode("utf-8", "replace").replace("\r", "")
        return seen

    def close(self) -> None:
        self.shell.kill()
        self.shell.wait()
        os.close(self.hand)


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_tab_key_completes_in_a_terminal(shell, environment):
    needed(shell)
    terminal = Terminal(SHELLS[shell], environment)
    try:
        block = DOCS.partition("## Completion")[2].partition("```sh\n")[2].partition("```")[0]
        before = "".join(f"{line}\n" for line in block.splitlines() if "compinit" in line and shell == "zsh")
        line = next(line for line, of in LINES.items() if of == shell)
        assert "not found" not in terminal.type(f"{before}{line}\necho re''ady\n", "ready")
        for typed, whole in TYPED.items():
            shown = terminal.type(f"{typed}\t", whole[-6:])
            assert whole in shown.replace("\x07", ""), shown
            terminal.type("\x15echo ne''xt\n", "next")
    finally:
        terminal.close()


def test_fish_offers_what_it_then_completes(environment):
    needed("fish")
    line = next(line for line, of in LINES.items() if of == "fish")
    asked = "; ".join(f"complete -C '{typed}'" for typed in TYPED)
    ended = subprocess.run(
        [*SHELLS["fish"], "-c", f"{line}; {asked}"], capture_output=True, encoding="utf-8", env=environment
    )
    assert [each.split("\t")[0] for each in ended.stdout.splitlines()] == [
        whole.split()[-1] for whole in TYPED.values()
    ], ended.stderr


def test_each_shell_that_is_documented_is_asked_here():
    assert set(LINES.values()) == set(SHELLS)
