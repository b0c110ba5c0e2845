"""The Python in docs/python.md does what stands beside it, and older names still lead home."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
from torch import nn

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
    assert len(re.findall(r"# [\d'P]", PYTHON)) == 4


def test_another_value_is_noticed() -> None:
    assert differing("1 + 1  # 3\n'a'  # 'a'\n") == ["1 + 1: 2"]


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
