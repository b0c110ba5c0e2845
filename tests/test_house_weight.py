"""Heavy packages stand in their own rooms, and a light command loads none."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable

import grimp
import pytest
from importing import HEAVY, PACKAGE, ROOT, house, ours, rebuilt, within


def misplaced(graph: grimp.ImportGraph) -> list[str]:
    """Who imports something heavy that it may not; what is imported for types only weighs nothing."""
    return sorted(
        f"{module} imports {package}"
        for package, rooms in HEAVY.items()
        if package in graph.modules
        for module in graph.find_modules_that_directly_import(package)
        if not within(module, rooms)
    )


def test_heavy_packages_are_imported_in_their_own_rooms_and_nowhere_else():
    assert misplaced(house(types=False)) == []


@pytest.mark.parametrize("package", HEAVY)
@pytest.mark.parametrize("module", ["ask.fit", "cli.tables", "core_of_it_all", "render", "write_new"])
def test_a_misplaced_weight_is_found(module, package):
    found = misplaced(rebuilt((module, package), types=False))
    assert found == [f"{PACKAGE}.{module} imports {package}"]


def test_a_weight_in_its_place_is_left_alone():
    arrows = [(room, package) for package, rooms in HEAVY.items() for room in rooms]
    assert misplaced(rebuilt(*arrows, ("measure.new", "torch"), types=False)) == []


# -- what is really loaded


def heavy_modules_after(code: str, heavy: Iterable[str] = HEAVY) -> set[str]:
    """Run code in a fresh interpreter; which heavy packages it leaves loaded."""
    tail = f"\nimport sys\nprint('loaded', *{set(heavy)!r}.intersection(sys.modules), file=sys.stderr)"
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
    """But for HTML, which is written from templates."""
    assert heavy_modules_after(running(*arguments)) == ({"jinja2"} if "html" in arguments else set())


def test_a_table_loads_no_step_and_no_form_but_its_own():
    """Each takes a while to load, and ``table D`` takes at most twice the time of ``import click``."""
    rooms = ("ask.fit", "core.book", "core.documents", "core.parsing", "core.step", "predict.vgg.passing")
    others = [f"{PACKAGE}.{room}" for room in rooms]
    assert heavy_modules_after(running("table", "D"), others) == set()
    assert heavy_modules_after(running("fit", "D", "--memory", "8GiB"), others) != set()


def test_a_light_module_loads_nothing_heavy():
    """All of them in one interpreter: whichever asks for something heavy, it is seen at the end."""
    heavy = set().union(*HEAVY.values())
    light = [name for name in ours(house()) if not within(name, heavy) and not name.endswith("__main__")]
    assert len(light) > 50
    assert heavy_modules_after(f"import {', '.join(light)}; vgg_profile.walk('D').totals") == set()


def test_a_record_reads_without_torch():
    assert "torch" not in heavy_modules_after("import vgg_profile.measure.record")


def test_a_figure_is_described_without_matplotlib_and_drawn_with_it():
    described = "from vgg_profile.describe.figures import depict; depict(vgg_profile.walk('D'))"
    assert heavy_modules_after(f"import vgg_profile; {described}") == set()
    assert "matplotlib" in heavy_modules_after("from vgg_profile import walk; walk('D').plot()")


@pytest.mark.parametrize("package", ["numpy", "pandas"])
def test_a_heavy_module_would_be_noticed(package):
    assert package in heavy_modules_after(f"{running('list')}\nimport {package}")
