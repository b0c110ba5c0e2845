"""What ``--help`` shows as an example runs, and says NET where the usage does."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest
from calling import accepted, call

from vgg_profile.cli import COMMANDS

ROOT = Path(__file__).parent.parent

MODULES = """
import torch
from torch import nn

from my_net import UNet


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))


class GPT(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.embedding = nn.Embedding(50257, 8)
        self.blocks = nn.Sequential(*(nn.Linear(8, 8) for _ in range(layers)))

    def forward(self, words):
        return self.blocks(self.embedding(words))
"""

MODEL = """
from torch import nn


class VGG(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        self.classifier = nn.Linear(8, 10)

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
"""


def test_the_help_leads_to_completion_in_every_shell() -> None:
    told = accepted(call("--help"))
    documented = (ROOT / "docs" / "commands.md").read_text("utf-8")
    for shell in ("bash", "zsh", "fish"):
        (line,) = (each.strip() for each in told.splitlines() if f"{shell}_source" in each)
        assert line in documented
    assert "Tab key" in (ROOT / "README.md").read_text("utf-8")


def examples(command: str) -> list[str]:
    """The lines of a command's help that can be typed, without what is said beside them."""
    lines = re.sub(r" \\\n\s+", " ", accepted(call(command, "--help"))).splitlines()
    return [re.split(r"\s{3,}", line.strip())[0] for line in lines if line.startswith("  vgg-profile ")]


def takes_long(line: str) -> bool:
    """Whether it takes a real pass, searches what makes a model one of the paper's, or fills a large card."""
    return bool({"--measure", "measure", "--like", "--expandable-segments"} & {*line.split()})


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that has whatever the examples name."""
    for name in ("examples", "reports"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "my").mkdir()
    shutil.copy(ROOT / "examples" / "my_net.py", tmp_path / "my" / "my_net.py")
    (tmp_path / "my" / "net.py").write_text(MODULES)
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "tiny.toml").write_text('layers = [64, "M", 128]\nclasses = 10\n')
    (tmp_path / "old.toml").write_text('layers = [64, "M", 128]\nclasses = 10\n')
    (tmp_path / "new.toml").write_text('layers = [64, "M", 256]\nclasses = 10\n')
    text = accepted(call("budget", "--help")).partition("budget.toml: ")[2].partition("\n\n")[0]
    small = text.replace("224x224", "32x32").replace("8GiB", "1GiB")  # what no rule knows is really run
    assert small != text
    (tmp_path / "budget.toml").write_text("\n".join(line.strip() for line in small.splitlines()))
    git = ("git", "-c", "user.name=me", "-c", "user.email=me@example.org")
    for words in (("init", "-q", "-b", "main"), ("add", "my"), ("commit", "-q", "-m", "first")):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(line: str) -> None:
    if "torchvision" in line:
        pytest.importorskip("torchvision")
    ended = call(*shlex.split(line)[1:])
    assert ended.exit_code in (0, 3, 4), f"{line}: {ended.output}{ended.exception!r}"


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_an_example_in_the_help_runs(command: str, desk: Path) -> None:
    for line in examples(command):
        if not takes_long(line):
            run(line.replace("torchvision.models:resnet50", "my/net.py:Net"))


@pytest.mark.slow
@pytest.mark.parametrize("line", [each for name in COMMANDS for each in examples(name) if takes_long(each)])
def test_an_example_that_takes_long_runs(line: str, desk: Path) -> None:
    run(line)


def test_a_command_that_takes_arguments_has_an_example() -> None:
    without = {name for name in COMMANDS if not examples(name)}
    assert without == set()
    assert "vgg-profile measure D -o record.json" in examples("measure")


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_no_help_is_wider_than_80_columns(command: str) -> None:
    lines = accepted(call(*filter(None, (command, "--help")), terminal_width=80)).splitlines()
    assert [line for line in lines if len(line) > 80] == []
    assert not any(line.endswith("...") for line in lines[1:]), "a first sentence that is cut"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_says_what_it_is_and_what_it_is_by_default(command: str) -> None:
    for option in COMMANDS[command].params:
        if isinstance(option, click.Option):
            said = option.help or ""
            assert said.endswith((".", "]", "…")), f"{option.opts[0]}: {said!r}"
            default = option.get_default(click.Context(COMMANDS[command]))
            is_plain = option.is_flag or option.value_is_missing(default) or default == ""
            assert is_plain or option.show_default or "default" in said, option.opts[0]


def test_what_is_used_most_comes_first() -> None:
    assert [*COMMANDS][:3] == ["table", "fit", "compare"]
    text = accepted(call("--help")).partition("Commands:\n")[2]
    assert [line.split()[0] for line in text.splitlines() if line.strip()] == [*COMMANDS]
    first = next(each for each in COMMANDS["fit"].params if isinstance(each, click.Option))
    assert (first.name, first.required) == ("memory_", True)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_the_help_says_net_for_a_network(command: str) -> None:
    text = accepted(call(command, "--help"))
    assert "CONFIG" not in text.replace("CUDA_ALLOC_CON", "")
    assert "of yours" not in text
