"""The Python in docs/python.md does what stands beside it, and older names still lead home."""

from __future__ import annotations

import ast
import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
from click.testing import CliRunner
from torch import nn

import vgg_profile as vp
from vgg_profile.cli import main

PAGE = (Path(__file__).parent.parent / "docs" / "python.md").read_text("utf-8")
[PYTHON] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def differing(python: str) -> list[str]:
    """Expressions whose value is not what the comment beside them begins with, where that is a value.

    What would load the published weights is left out: they have tests of their own.
    """
    found: list[str] = []
    names: dict[str, Any] = {"my_model": nn.Sequential(nn.Flatten(), nn.Linear(3 * 224 * 224, 10))}
    for statement in ast.parse(python).body:
        source = ast.get_source_segment(python, statement) or ""
        beside = python.splitlines()[statement.lineno - 1].partition("#")[2].strip()
        if "weights=" in source:
            continue
        if not isinstance(statement, ast.Expr):
            exec(source, names)
            continue
        value = eval(source, names)
        if re.match(r"\d|'|PASS", beside) and beside not in (repr(value), str(value)):
            found.append(f"{source}: {value}")
    return found


def test_the_python_of_the_page_gives_what_is_written_beside_it() -> None:
    assert differing(PYTHON) == []
    plt.close("all")
    assert len(re.findall(r"# [\d'P]", PYTHON)) == 5


def test_another_value_is_noticed() -> None:
    assert differing("1 + 1  # 3\n'a'  # 'a'\n") == ["1 + 1: 2"]


def test_fit_is_asked_as_the_command_asks_and_a_card_implies_cuda() -> None:
    asked = vp.fit("D", memory="8GiB", optimizer="adam", processor="avx512", threads=2)
    command = ["fit", "D", "--memory", "8GiB", "--optimizer", "adam", "--processor", "avx512"]
    told = CliRunner().invoke(main, [*command, "--threads", "2", "--format", "json"])
    assert asked.largest_batch == json.loads(told.stdout)["largest_batch"] > 0
    assert vp.fit("8,M", memory="h100", input=8, classes=2).step.profile.device == "cuda"
    assert vp.fit("8,M", memory="8GiB", input=8, classes=2, batch=4, mode="eval").batch == 4


def test_a_setting_that_there_is_not_is_named() -> None:
    with pytest.raises(vp.InputError, match=r"no setting 'optimiser'.*optimizer"):
        vp.fit("D", memory="8GiB", optimiser="adam")


def test_fit_is_called_whatever_was_imported_before() -> None:
    """The module of that name, where ``Fit`` was once, takes its place in the package."""
    import_module("vgg_profile.fit")
    assert vp.fit("8,M", memory="8GiB", input=8, classes=2).largest_batch > 0


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("cards", "memory"),
        ("crosscheck", "crosscheck overlay"),
        ("fit", "DEFAULT_RESERVE Fit Reserve"),
        ("training", "Setup"),
    ],
)
def test_a_name_from_before_the_rooms_leads_home(module: str, names: str) -> None:
    old = import_module(f"vgg_profile.{module}")
    for name in names.split():
        home = import_module(re.findall(r"at home in ``([\w.]+)``", old.__doc__ or "")[0])
        assert getattr(old, name) is getattr(home, name)
