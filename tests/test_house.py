"""The house itself: who may import whom, where the heavy furniture stands, and that every room has a sign.

Arrows point one way (DESIGN.md), so each module lists here the modules of ours that it may import. A new
module needs a line in ``MAY_IMPORT``; one that needs torch, pandas, matplotlib or fvcore needs one in
``CARRIES`` too. Every check has a test in which it fails.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "vgg_profile"

COUNTING = {
    "arithmetic",
    "budget",
    "configs",
    "errors",
    "layers",
    "network",
    "tape",
    "training",
    "units",
    "walker",
}
"""The predicted road."""

SHOWN = COUNTING | {
    "compare",
    "crosscheck",
    "diagnose",
    "fit",
    "lesson",
    "live",
    "measure.record",
    "notes",
    "report",
    "sweep",
}
"""What a renderer may know: everything that can be shown; of the measured road, its record alone."""

MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "arithmetic": set(),
    "units": set(),
    "tape": set(),
    "configs": {"errors"},
    "files": {"errors"},
    "layers": {"arithmetic", "tape"},
    "network": {"configs", "layers"},
    "display": set(),
    "training": {"errors"},
    "fit": {*COUNTING, "cards", "display"},
    "sweep": {*COUNTING, "display"},
    "walker": {"arithmetic", "configs", "display", "errors", "layers", "network", "tape", "units"},
    "compare": {*COUNTING, "crosscheck", "display", "measure.record"},
    "budget": {*COUNTING, "display"} - {"budget"},
    "report": {"compare", "display"},
    "live": {*COUNTING, "cards", "compare", "fit"},
    "cards": {"errors", "units"},
    "lesson": {"arithmetic", "display"},
    "notes": {*COUNTING, "crosscheck", "display"},
    "topics": {*COUNTING, "lesson", "notes"},
    "explain": {*COUNTING, "lesson", "topics"},
    "models": {"configs", "errors", "layers", "network", "units"},
    "measure": {"errors", "measure", "training"},
    "measure.record": {"display", "errors", "training"},
    "measure.run": {"configs", "errors", "measure", "models", "network", "training"},
    "crosscheck": {*COUNTING, "display", "measure.record"},
    "diagnose": {*COUNTING, "diagnose", "display"},
    "render": {*SHOWN, "display", "files", "render"},
    "cli": {"*"},
    "__main__": {"cli"},
    "__init__": {"*"},
}
"""Module → what it may import. A package's line holds for its modules that have none of their own."""

MAY_IMPORT_WHEN_CALLED: dict[str, set[str]] = {"display": {"render"}}
"""The same, but inside functions only: a result asks for its renderer when it is shown."""

HEAVY = {"torch", "numpy", "pandas", "matplotlib", "fvcore"}

CARRIES: dict[str, set[str]] = {
    "models": {"torch"},
    "diagnose.calls": {"torch"},
    "diagnose.child": {"torch"},
    "diagnose.recorder": {"torch"},
    "measure.flops": {"torch", "fvcore"},
    "measure.memory": {"torch"},
    "measure.run": {"torch"},
    "measure.timing": {"torch"},
    "render.frame": {"pandas"},
    "render.plots": {"matplotlib"},
}
"""The only modules that import something heavy, at their top; light ones import these only when called."""


class Import(NamedTuple):
    """One import: the module of ours, or the package of somebody else's."""

    line: int
    name: str
    ours: bool
    when_called: bool
    for_types_only: bool


Sources = dict[str, str]


def module_name(path: Path) -> str:
    """``render/text.py`` is ``render.text``; a package's ``__init__`` goes by the package's name."""
    parts = path.relative_to(ROOT / PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def sources() -> Sources:
    """Every module of ours and its text."""
    return {module_name(path): path.read_text() for path in sorted((ROOT / PACKAGE).rglob("*.py"))}


def made_up(module: str, source: str) -> Sources:
    """The house with all its rooms empty but one."""
    return dict.fromkeys(sources(), "") | {module: source}


def names_imported(node: ast.AST) -> list[str]:
    match node:
        case ast.Import():
            return [alias.name for alias in node.names]
        case ast.ImportFrom(level=0):
            return [f"{node.module}.{alias.name}" for alias in node.names]
        case ast.ImportFrom():
            return [f"{PACKAGE}.by a relative path"]
        case ast.Call() if ast.unparse(node.func).endswith(("import_module", "__import__")):
            return [f"{PACKAGE}.by a name made up"]
    return []


def room(name: str, modules: Sources) -> str:
    """``vgg_profile.units.exact`` is in the room ``units``; a name of the package itself in ``__init__``."""
    name = name.removeprefix(PACKAGE).removeprefix(".")
    while name and name not in modules and not name.startswith("by a "):
        name = name.rpartition(".")[0]
    return name or "__init__"


def imports(source: str, modules: Sources) -> Iterator[Import]:
    """Every import of a module, wherever it stands."""

    def visit(node: ast.AST, called: bool, types: bool) -> Iterator[Import]:
        for name in names_imported(node):
            package = name.partition(".")[0]
            ours = package == PACKAGE
            yield Import(node.lineno, room(name, modules) if ours else package, ours, called, types)
        called |= isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        types |= isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for child in ast.iter_child_nodes(node):
            yield from visit(child, called, types)

    yield from visit(ast.parse(source), called=False, types=False)


def allowance(module: str) -> set[str] | None:
    """A module's own line, or its package's."""
    while module not in MAY_IMPORT and "." in module:
        module = module.rpartition(".")[0]
    return MAY_IMPORT.get(module)


def covers(allowed: set[str], name: str) -> bool:
    return "*" in allowed or any(name == each or name.startswith(f"{each}.") for each in allowed)


def wrong_arrows(sources: Sources) -> Iterator[str]:
    for module, source in sources.items():
        allowed = allowance(module)
        if allowed is None:
            yield f"{module} has no line in MAY_IMPORT"
            continue
        for found in imports(source, sources):
            late = MAY_IMPORT_WHEN_CALLED.get(module, set()) if found.when_called else set()
            if found.ours and not covers(allowed | late | {"__init__"}, found.name):
                yield f"{module}:{found.line} imports {found.name}"


def misplaced_weight(sources: Sources) -> Iterator[str]:
    for module, source in sources.items():
        carries = CARRIES.get(module, set())
        for found in imports(source, sources):
            if found.for_types_only:
                continue
            if found.name in HEAVY and (found.when_called or found.name not in carries):
                yield f"{module}:{found.line} imports {found.name}"
            if found.name in CARRIES and not carries and not found.when_called:
                yield f"{module}:{found.line} imports {found.name}, which is heavy, before it is called for"


# -- arrows


def test_every_arrow_points_the_right_way():
    assert not list(wrong_arrows(sources()))


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("cellar", "", "cellar has no line in MAY_IMPORT"),
        ("errors", "from vgg_profile.units import exact", "errors:1 imports units"),
        ("errors", "from vgg_profile import units", "errors:1 imports units"),
        ("errors", "import vgg_profile.units as u", "errors:1 imports units"),
        ("tape", "def f():\n    from vgg_profile.walker import walk", "tape:2 imports walker"),
        ("layers", "from .walker import walk", "layers:1 imports by a relative path"),
        ("walker", "if True:\n    import vgg_profile.models", "walker:2 imports models"),
        ("walker", "__import__('torch')", "walker:1 imports by a name made up"),
        ("walker", "import importlib\nimportlib.import_module(it)", "walker:2 imports by a name made up"),
        ("display", "from vgg_profile.render import render", "display:1 imports render"),
        ("render.text", "import vgg_profile.measure.memory", "render.text:1 imports measure.memory"),
        ("render.new", "from vgg_profile.models import vgg16", "render.new:1 imports models"),
        ("measure.memory", "from vgg_profile.walker import walk", "measure.memory:1 imports walker"),
        ("crosscheck", "from vgg_profile.measure import memory", "crosscheck:1 imports measure.memory"),
    ],
)
def test_a_wrong_arrow_is_found(module, source, complaint):
    assert list(wrong_arrows(made_up(module, source))) == [complaint]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("display", "def show():\n    from vgg_profile.render import render"),
        ("render.new", "from vgg_profile.render.tables import Table"),
        ("crosscheck", "from vgg_profile.measure.record import Measurement"),
        ("cli", "def measure():\n    from vgg_profile.measure import memory"),
        ("units", "from decimal import Decimal\nimport json"),
    ],
)
def test_a_right_arrow_is_left_alone(module, source):
    assert not list(wrong_arrows(made_up(module, source)))


# -- weight


def test_heavy_imports_stand_at_the_top_of_their_own_files_and_nowhere_else():
    assert not list(misplaced_weight(sources()))


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("walker", "import numpy as np", "walker:1 imports numpy"),
        ("walker", "def f():\n    import torch.nn.functional as F", "walker:2 imports torch"),
        ("cli", "def f():\n    from torch import nn", "cli:2 imports torch"),
        ("models", "def f():\n    import torch", "models:2 imports torch"),
        ("models", "import pandas", "models:1 imports pandas"),
        (
            "render.text",
            "try:\n    import matplotlib.pyplot\nfinally: ...",
            "render.text:2 imports matplotlib",
        ),
        ("cli", "import vgg_profile.models", "cli:1 imports models, which is heavy, before it is called for"),
        (
            "render",
            "from vgg_profile.render import frame",
            "render:1 imports render.frame, which is heavy, before it is called for",
        ),
    ],
)
def test_a_misplaced_weight_is_found(module, source, complaint):
    assert list(misplaced_weight(made_up(module, source))) == [complaint]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("display", "if TYPE_CHECKING:\n    import pandas as pd"),
        ("cli", "def measure():\n    from vgg_profile.models import build"),
        ("render.frame", "import pandas as pd"),
        ("measure.memory", "from torch import nn"),
        ("walker", "import json, tomllib"),
    ],
)
def test_a_weight_in_its_place_is_left_alone(module, source):
    assert not list(misplaced_weight(made_up(module, source)))


# -- what a command really loads


def heavy_modules_after(code: str) -> set[str]:
    """Run code in a fresh interpreter; which heavy packages it leaves loaded."""
    tail = f"\nimport sys\nprint('loaded', *{HEAVY!r}.intersection(sys.modules), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code + tail], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    word, *loaded = done.stderr.splitlines()[-1].split()
    assert word == "loaded"
    return set(loaded)


def running(*arguments: str) -> str:
    return f"from vgg_profile.cli import main\nmain({list(arguments)!r}, standalone_mode=False)"


@pytest.mark.parametrize(
    "arguments",
    [
        ("table", "D"),
        ("table", "64,M,128,M", "--batch-norm", "--all-layers", "--format", "html"),
        ("table", "D", "--notes"),
        ("table", "D", "--format", "json"),
        ("list",),
        ("list", "--format", "latex"),
        ("compare", "A", "D", "--by", "layer", "--relative-to", "A"),
        ("notes",),
        ("explain", "peak", "--format", "html"),
        ("explain", "D", "conv3_2"),
    ],
    ids=" ".join,
)
def test_a_table_loads_nothing_heavy(arguments):
    assert heavy_modules_after(running(*arguments)) == set()


def test_importing_the_package_loads_nothing_heavy():
    assert heavy_modules_after("import vgg_profile; vgg_profile.walk('D').totals") == set()


def test_a_record_reads_without_torch():
    assert heavy_modules_after("import vgg_profile.measure.record") == set()


def test_a_figure_is_described_without_matplotlib_and_drawn_with_it():
    described = "from vgg_profile.render.figures import depict; depict(vgg_profile.walk('D'))"
    assert heavy_modules_after(f"import vgg_profile; {described}") == set()
    assert "matplotlib" in heavy_modules_after("from vgg_profile import walk; walk('D').plot()")


@pytest.mark.parametrize("package", ["numpy", "pandas"])
def test_a_heavy_module_would_be_noticed(package):
    assert package in heavy_modules_after(f"{running('list')}\nimport {package}")


# -- signs on the doors


def without_a_sign(module: str, source: str) -> Iterator[str]:
    """The module, and its public functions and classes, that have no docstring."""
    tree = ast.parse(source)
    if source.strip() and not ast.get_docstring(tree):
        yield module
    for node in tree.body:
        named = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        if named and not node.name.startswith("_") and not ast.get_docstring(node):
            yield f"{module}.{node.name}"


@pytest.mark.parametrize("module", sources())
def test_every_public_function_and_class_says_what_it_is(module):
    assert not list(without_a_sign(module, sources()[module]))


def test_a_missing_sign_is_noticed():
    source = '"""A room."""\ndef shown():\n    ...\nclass Shown:\n    ...\ndef _hidden():\n    ...'
    assert list(without_a_sign("room", source)) == ["room.shown", "room.Shown"]
    assert list(without_a_sign("room", "x = 1")) == ["room"]


def test_the_examples_in_docstrings_are_run():
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert "--doctest-modules" in options["addopts"]
    assert PACKAGE in options["testpaths"]
