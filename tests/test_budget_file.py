"""A budget: limits in a file, held against what networks cost."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
from any_nets import run
from calling import refusal
from conftest import Golden

from vgg_profile import Setup, ledger, walk
from vgg_profile.ask.budget_form import read_budget

ROOT = Path(__file__).parent.parent

HERE = 'processor = "avx512"\nthreads = 2\n'


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes a budget, and gives its name in the folder in which the command then runs."""
    monkeypatch.chdir(tmp_path)

    def write(*networks: str) -> str:
        text = "\n".join(f"[[network]]\n{each}" for each in networks)
        (tmp_path / "budget.toml").write_text(text)
        return "budget.toml"

    return write


def limits(name: str) -> list[dict[str, Any]]:
    result = run("budget", name, "--format", "json")
    assert result.exit_code in (0, 4), result.output
    return list(json.loads(result.stdout)["limits"])


def test_each_figure_is_the_one_that_the_other_commands_have(written: Any) -> None:
    name = written(
        'name = "D"\nbatch = 32\noptimizer = "adam"\n' + HERE + "[network.limits]\n"
        'peak = "5GiB"\nparameters = 140_000_000\nmacs = 15_470_264_320\nbatch = { "8GiB" = 64 }\n'
    )
    peak, parameters, macs, batch = limits(name)
    setup = Setup(optimizer="adam", processor="avx512", threads=2)
    assert peak["found"] == ledger(walk("D", batch=32), setup).peak.peak
    assert (parameters["found"], macs["found"]) == (138_357_544, 15_470_264_320)
    assert (parameters["left"], macs["left"]) == (140_000_000 - 138_357_544, 0)
    typed = ("--memory", "8GiB", "--optimizer", "adam", "--processor", "avx512", "--threads", 2)
    fit = json.loads(run("fit", "D", *typed, "--format", "json").stdout)
    assert (batch["found"], batch["left"]) == (fit["largest_batch"], fit["largest_batch"] - 64)
    assert run("budget", name).exit_code == 0
    compared = json.loads(run("compare", "D", "--batch", 32, *typed[2:], "--format", "json").stdout)
    assert compared["configs"][0]["peak_bytes"] == peak["found"]


@pytest.mark.parametrize(
    ("limit", "code"),
    [
        ("parameters = 138_357_544", 0),
        ("parameters = 138_357_543", 4),
        ("macs = 15_470_264_319", 4),
        ('peak = "100MiB"', 4),
        ('batch = { "8GiB" = 89 }', 0),
        ('batch = { "8GiB" = 90 }', 4),
        ('batch = { t4 = 1 }\nparameters = 1', 4),
    ],
)  # fmt: skip
def test_the_exit_code_is_4_as_soon_as_one_limit_is_exceeded(written: Any, limit: str, code: int) -> None:
    name = written(f'name = "D"\n{HERE}[network.limits]\n{limit}\n')
    result = run("budget", name)
    assert result.exit_code == code
    assert ("EXCEEDED" in result.stdout) == (code == 4)
    assert all(("left" in each, each["holds"]) == (True, each["left"] >= 0) for each in limits(name))


def test_a_card_brings_its_rules_and_a_memory_those_of_the_network(written: Any) -> None:
    name = written('name = "A"\ninput = "128"\nlimits = { batch = { t4 = 1, "8GiB" = 1 } }')
    on_a_card, here = limits(name)
    for found, memory in ((on_a_card, "t4"), (here, "8GiB")):
        fit = run("fit", "A", "--input", 128, "--memory", memory, "--format", "json")
        assert found["found"] == json.loads(fit.stdout)["largest_batch"]


def test_files_that_it_names_stand_beside_it(nets: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "net.toml").write_text('layers = [8, "M"]\n')
    (tmp_path / "in" / "nets.py").write_text(nets.read_text())
    budget = tmp_path / "in" / "budget.toml"
    budget.write_text(
        '[[network]]\nname = "net.toml"\nlimits = { parameters = 1_000 }\n'
        '[[network]]\nname = "nets.py:Net"\nwith = ["width=4"]\ninput = "3x8x8"\nprobe = false\n'
        "limits = { parameters = 170 }\n"
    )
    big, own = limits(str(budget))
    assert (big["network"], big["holds"]) == ("net.toml", False)
    assert own["found"] == (3 * 9 * 4 + 4) + 2 * 4 + (4 * 10 + 10)


def test_every_option_of_a_step_may_be_said(written: Any) -> None:
    setup = {
        "mode": '"train"', "optimizer": '"adamw"', "foreach": "true", "fused": "false", "first_step": "true",
        "amp": '"bfloat16"', "checkpoint": '"blocks"', "accumulate": "2", "onednn": "true",
        "freeze": '["features.0"]', "processor": '"avx512"', "threads": "2",
    }  # fmt: skip
    assert {*setup} == {*Setup().to_dict()}
    lines = "".join(f"{name} = {value}\n" for name, value in setup.items())
    (peak,) = limits(written(f'name = "A"\ninput = "64"\n{lines}limits = {{ peak = "1GiB" }}'))
    said = Setup(
        "train", "adamw", foreach=True, first_step=True, amp="bfloat16", checkpoint="blocks", accumulate=2,
        freeze=("features.0",), processor="avx512", threads=2,
    )  # fmt: skip
    assert peak["found"] == ledger(walk("A", input=64), said).peak.peak


def test_the_screen(golden: Golden, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parent / "data")
    golden("budget.txt", f"$ vgg-profile budget budget.toml\n{run('budget', 'budget.toml').stdout}")
    golden("budget.md", run("budget", "budget.toml", "--format", "markdown").stdout)


LIMITS = "limits = { parameters = 1 }"


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ('name = "D"', "limits"),
        ('name = "D"\nlimits = {}', "has no limits"),
        (f"{LIMITS}", "name"),
        (f'name = "Q"\n{LIMITS}', "'Q'"),
        (f'name = "D"\nbtach = 3\n{LIMITS}', "btach"),
        (f'name = "D"\nbatch = "3"\n{LIMITS}', "batch"),
        (f'name = "D"\nbatch = true\n{LIMITS}', "batch"),
        (f'name = "D"\nbatch = 0\n{LIMITS}', "batch"),
        (f'name = "D"\noptimizer = "adm"\n{LIMITS}', "'adm'"),
        (f'name = "D"\nfreeze = "features"\n{LIMITS}', "freeze"),
        (f'name = "D"\nfreeze = ["features.99"]\n{LIMITS}', "features.99"),
        (f'name = "D"\ndevice = "tpu"\n{LIMITS}', "device"),
        (f'name = "D"\ninput = "big"\n{LIMITS}', "'big'"),
        ('name = "D"\nlimits = { peak = "8G" }', "GiB"),
        ('name = "D"\nlimits = { peak = "rtx4090" }', "rtx4090"),
        ('name = "D"\nlimits = { params = 3 }', "params"),
        ('name = "D"\nlimits = { parameters = -3 }', "parameters"),
        ('name = "D"\nlimits = { batch = { rtx9999 = 3 } }', "rtx9999"),
        ('name = "D"\nlimits = { batch = 3 }', "batch"),
        (f'name = "gone.py:Net"\n{LIMITS}', "gone.py"),
        (f'name = "D"\nname = "E"\n{LIMITS}', "cannot be read"),
        ('name = "\\u001b[31m"\nlimits = { parameters = 1 }', "printable"),
    ],
)  # fmt: skip
def test_a_bad_budget_is_a_clear_error(written: Any, network: str, said: str) -> None:
    assert said in refusal(run("budget", written(network)))


@pytest.mark.parametrize(
    ("network", "meant"),
    [
        ('name = "D"\nlimits = { peek = "4GiB" }', "peak"),
        ('name = "D"\nlimits = { parametres = 3 }', "parameters"),
        (f'name = "D"\noptimzer = "adam"\n{LIMITS}', "optimizer"),
        (f'name = "D"\nbatch-norm = true\n{LIMITS}', "batch_norm"),
        (f'name = "D"\noptimizer = "adm"\n{LIMITS}', "adam"),
        (f'nane = "D"\n{LIMITS}', "name"),
    ],
)
def test_a_key_that_is_mistyped_is_told_the_nearest(written: Any, network: str, meant: str) -> None:
    assert re.search(rf"Did you mean ([\w ]+ or )?{meant}\b", refusal(run("budget", written(network))))


@pytest.mark.parametrize(
    "content", [b"", b"x = 1", b"\xff\xfe", b"[[network]", b"network = []", b"network = 3"]
)
def test_what_is_no_budget_is_a_clear_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "budget.toml").write_bytes(content)
    assert "budget" in refusal(run("budget", tmp_path / "budget.toml"))


def test_a_file_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    assert "There is no file" in refusal(run("budget", tmp_path / "budget.toml"))
    assert "There is no file" in refusal(run("budget", tmp_path))


def test_the_budgets_that_are_shown_are_budgets(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "pull_requests.md").read_text("utf-8")
    helped = run("budget", "--help").stdout.partition("budget.toml: ")[2].partition("\n\n")[0]
    for text in (page.partition("```toml\n")[2].partition("```")[0], helped):
        (tmp_path / "budget.toml").write_text("\n".join(line.strip() for line in text.splitlines()))
        (entry,) = read_budget(tmp_path / "budget.toml")
        assert entry.most == {"peak_bytes": 2**32, "parameters": 26_000_000, "macs": 4_200_000_000}
        assert [(memory.device, batch) for memory, batch in entry.least] == [("cuda", 256), (None, 64)]


def of_hook(what: str) -> str:
    """What the published hook says under a key."""
    hook = (ROOT / ".pre-commit-hooks.yaml").read_text("utf-8")
    (said,) = re.findall(rf"^(?:- |  ){what}: (.+)$", hook, re.MULTILINE)
    return str(said)


def test_the_hook_fails_where_a_network_has_grown(written: Any, tmp_path: Path) -> None:
    """Its entry and its arguments, in a folder as pre-commit runs them: with no file's name after them."""
    assert of_hook("pass_filenames") == "false"
    program, *words = shlex.split(of_hook("entry"))
    assert program in tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    typed = [*words, *of_hook("args").strip("[]").split(", ")]
    net = "from torch import nn\nNet = lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, {}))\n"
    (tmp_path / "net.py").write_text(net.format(10))
    assert written('name = "net.py:Net"\ninput = "3x8x8"\nlimits = { parameters = 2_000 }\n') == typed[-1]
    assert run(*typed).exit_code == 0
    (tmp_path / "net.py").write_text(net.format(11))
    grown = run(*typed)
    assert (grown.exit_code, grown.stdout.splitlines()[0]) == (4, "1 of 1 limit is exceeded.")


def test_the_hook_is_the_one_that_is_documented() -> None:
    page = (ROOT / "docs" / "pull_requests.md").read_text("utf-8")
    assert f"id: {of_hook('id')}" in page
    for suffix in ("python", "toml", "json"):
        assert suffix in of_hook("types_or"), "what a budget and what it names may be written in"
