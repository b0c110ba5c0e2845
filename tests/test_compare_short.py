"""What changed between two networks, or a file and its git revision, and in which layers."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from any_nets import run
from calling import refusal
from conftest import Golden

from vgg_profile import Setup, ledger, walk
from vgg_profile.ask.difference import Difference, predicted

REPORTS = Path(__file__).parent.parent / "reports" / "measured"


def changes(*words: object) -> dict[str, dict[str, Any]]:
    result = run("compare", *words, "--format", "json")
    assert result.exit_code == 0, result.output
    return {each["figure"]: each for each in json.loads(result.stdout)["figures"]}


def test_the_figures_are_those_that_each_has_alone() -> None:
    found = changes("A", "D", "--memory", "8GiB", "--batch", 8, "--optimizer", "sgd")
    for side, name in (("old", "A"), ("new", "D")):
        step = ledger(walk(name, batch=8), Setup(optimizer="sgd"))
        assert found["peak_bytes"][side] == step.peak.peak
        fit = json.loads(
            run("fit", name, "--memory", "8GiB", "--optimizer", "sgd", "--format", "json").stdout
        )
        assert found["largest_batch"][side] == fit["largest_batch"]
    assert (found["parameters"]["old"], found["parameters"]["new"]) == (132_863_336, 138_357_544)


@pytest.mark.parametrize(
    "setup", [Setup(), Setup(optimizer="adam", amp="bfloat16"), Setup(checkpoint="blocks")]
)
@pytest.mark.parametrize("name", ["A", "D-BN", "8,M,conv1-8,LRN,M"])
def test_the_layers_of_the_peak_add_up_to_it(name: str, setup: Setup) -> None:
    step = ledger(walk(name, input=64, batch=3), setup)
    assert sum(step.held_at_the_peak.values()) == step.peak.peak
    version = predicted(name, walk(name, input=64, batch=3), setup, None)
    for figure in version.figures.values():
        assert sum(figure.by_layer.values()) == figure.value


def test_one_layer_more_is_the_layer_that_is_named() -> None:
    """A 3×3 convolution of 8 to 8 maps with its bias: 584 parameters, 72 MACs and 8 values a pixel."""
    old, new = (predicted(net, walk(net, input=32), Setup(), None) for net in ("8,M,8", "8,M,8,8"))
    peak, parameters, macs = Difference(old, new).changes
    assert (parameters.change, parameters.layer, parameters.layer_change) == (584, "conv2_2", 584)
    assert (macs.change, macs.layer) == (16 * 16 * 8 * 72, "conv2_2")
    assert peak.change > 0
    back = Difference(new, old).changes
    assert [(each.change, each.layer) for each in back] == [
        (-each.change, each.layer) for each in (peak, parameters, macs)
    ]


def test_nothing_changes_is_said_so() -> None:
    result = run("compare", "D", "vgg16", "--short")
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, "Nothing changes.")


def test_two_records_are_compared_by_what_was_measured() -> None:
    found = changes(REPORTS / "D-cpu.json", REPORTS / "D-BN-cpu.json", "--short")
    for side, name in (("old", "D"), ("new", "D-BN")):
        readings = json.loads((REPORTS / f"{name}-cpu.json").read_text())["readings"]
        (peak,) = (each["value"] for each in readings if each["quantity"] == "peak_bytes")
        assert found["peak_bytes"][side] == peak
    assert {"parameters", "flops", "forward_us", "backward_us"} < found.keys()


def test_it_is_a_comment_of_ten_lines(golden: Golden) -> None:
    words = ("D", "E", "--short", "--memory", "8GiB", "--batch", 32, "--optimizer", "adam")
    here = ("--processor", "avx512", "--threads", 2)
    text = run("compare", *words, *here, "--format", "markdown").stdout
    assert len([line for line in text.splitlines() if line]) <= 10
    golden("compare_short.md", text)


# -- against a revision ----------------------------------------------------------------------------

BLOCKS = """
from torch import nn
WIDTH = {width}
def block(before):
    return nn.Sequential(nn.Conv2d(before, WIDTH, 3, padding=1), nn.ReLU())
"""

NET = """
from torch import nn
from blocks import WIDTH, block
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = block(3), nn.Linear(WIDTH, 10)
    def forward(self, x):
        return self.b(self.a(x).mean((2, 3)))
"""


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=somebody", "-c", "user.email=some@body")
    subprocess.run(["git", "-C", folder, *who, *words], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository in which a network, its sibling and a config have changed since the last commit."""
    folder = tmp_path / "a repository"
    (folder / "nets").mkdir(parents=True)
    (folder / "nets" / "net.py").write_text(NET)
    (folder / "nets" / "blocks.py").write_text(BLOCKS.format(width=8))
    (folder / "net.toml").write_text('layers = [8, "M", 8]\n')
    (folder / ".gitattributes").write_text("nets export-ignore\n")
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "the first")
    (folder / "nets" / "blocks.py").write_text(BLOCKS.format(width=16))
    (folder / "net.toml").write_text('layers = [8, "M", 8, 8]\n')
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "kernels"))
    monkeypatch.chdir(folder)
    return folder


def unharmed(folder: Path) -> None:
    """The repository is as it was, and no copy is left."""
    said = subprocess.run(
        ["git", "-C", folder, "status", "--short"], capture_output=True, text=True, check=True
    )
    assert said.stdout == " M net.toml\n M nets/blocks.py\n"
    assert list((folder.parent / "temporary").iterdir()) == []


def test_a_config_is_compared_with_what_it_was(repository: Path) -> None:
    found = changes("net.toml", "--against", "HEAD")
    assert (found["parameters"]["change"], found["parameters"]["layer"]) == (584, "conv2_2")
    unharmed(repository)


def test_a_network_is_compared_with_what_it_was_its_siblings_too(repository: Path) -> None:
    words = ("--input", "3x8x8", "--no-probe", "--memory", "1GiB")
    found = changes("nets/net.py:Net", *words, "--against", "HEAD")
    of = {width: (27 * width + width) + (width * 10 + 10) for width in (8, 16)}
    assert (found["parameters"]["old"], found["parameters"]["new"]) == (of[8], of[16])
    assert found["largest_batch"]["old"] > found["largest_batch"]["new"] > 0
    unharmed(repository)


@pytest.mark.usefixtures("repository")
def test_what_the_old_file_lacks_is_said_by_the_name_that_was_typed() -> None:
    for name in ("net.py:Net", "net.py:Gone"):
        said = refusal(run("compare", f"nets/{name}", "--against", "HEAD"))
        assert f" nets/{name} " in f" {said} "
        assert "vgg-profile-" not in said


def test_two_files_whose_siblings_have_one_name_are_each_their_own(repository: Path) -> None:
    (repository / "other").mkdir()
    (repository / "other" / "net.py").write_text(NET)
    (repository / "other" / "blocks.py").write_text(BLOCKS.format(width=4))
    found = changes("nets/net.py:Net", "other/net.py:Net", "--short", "--input", "3x8x8", "--no-probe")
    assert (found["parameters"]["old"], found["parameters"]["new"]) == (28 * 16 + 170, 28 * 4 + 50)


def test_within_a_hook_git_says_which_repository_and_is_not_believed(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", "nowhere")
    monkeypatch.setenv("GIT_INDEX_FILE", str(repository / ".git" / "index"))
    assert changes("net.toml", "--against", "HEAD")["parameters"]["change"] == 584
    monkeypatch.undo()
    unharmed(repository)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("net.toml", "--against", "nowhere"), "no revision 'nowhere'"),
        (("net.toml", "--against", "--help"), "no revision '--help'"),
        (("net.toml", "--against", ""), "no revision ''"),
        (("new.toml", "--against", "HEAD"), "is not in the revision 'HEAD'"),
        (("gone/net.toml", "--against", "HEAD"), "no directory"),
        (("/net.toml", "--against", "HEAD"), "in no git repository"),
        (("D", "--against", "HEAD"), "is none"),
        (("net.toml", "D", "--against", "HEAD"), "one file"),
        (("torch.nn:Linear", "--against", "HEAD"), "is none"),
        (("D", "--short"), "two networks, old and new, and 1"),
        (("A", "D", "E", "--memory", "8GiB"), "`vgg-profile fit A D E --memory"),
        (("A", "D", "--short", "--by", "layer"), "side by side"),
        (("A", "D", "--short", "--memory", "8G"), "GiB"),
        ((REPORTS / "D-cpu.json", "D", "--short"), "One is a record and one is not"),
    ],
)
def test_what_cannot_be_compared_is_a_clear_error(
    repository: Path, words: tuple[object, ...], said: str
) -> None:
    (repository / "new.toml").write_text("layers = [8]\n")
    result = run("compare", *words)
    assert said in refusal(result)
    (repository / "new.toml").unlink()
    unharmed(repository)


def test_without_git_it_is_said_so(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(repository))
    assert "Install git." in refusal(run("compare", "net.toml", "--against", "HEAD"))
