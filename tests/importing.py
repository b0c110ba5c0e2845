"""The package's graph of imports, and the contracts about it."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path

import grimp

ROOT = Path(__file__).parent.parent
PACKAGE = "vgg_profile"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
HEAVY: dict[str, set[str]] = {
    "fvcore": {"measure"},
    "jinja2": {"write.html", "write.page"},
    "matplotlib": {"write.plots"},
    "msgspec": {
        "ask.budget_form",
        "cli.measured",
        "core.validate",
        "diagnose.answer",
        "measure.reading",
        "predict.traced",
        "predict.vgg.config_form",
    },
    "numpy": set(),
    "pandas": {"write.frame"},
    "torch": {
        *(
            f"diagnose.{name}"
            for name in (
                "against",
                "as_written",
                "calls",
                "child",
                "clues",
                "examine",
                "given",
                "graph",
                "modules",
                "neighbours",
                "options",
                "remarks",
                "run",
                "search",
                "unregistered",
                "values",
                "words",
            )
        ),
        "measure",
        "models",
        "predict.fake",
        "run",
    },
}
"""Heavy package → the rooms and modules that may load it; the others load these when they are called."""


@cache
def house(types: bool = True) -> grimp.ImportGraph:
    """Every import of ours, wherever it stands, and with ``types`` those for types only. To be copied."""
    return grimp.build_graph(
        PACKAGE,
        include_external_packages=True,
        exclude_type_checking_imports=not types,
        cache_dir=None,
    )


def rebuilt(*arrows: tuple[str, str], types: bool = True) -> grimp.ImportGraph:
    """The house with these arrows, too; a name without the package's is one of ours if we have it."""
    graph = deepcopy(house(types))
    for arrow in arrows:
        importer, imported = (
            name if name in HEAVY or name == PACKAGE else f"{PACKAGE}.{name}" for name in arrow
        )
        graph.add_import(importer=importer, imported=imported, line_number=1, line_contents="import it")
    return graph


def ours(graph: grimp.ImportGraph) -> Iterator[str]:
    return (name for name in sorted(graph.modules) if name.split(".")[0] == PACKAGE)


# -- weight


def within(module: str, rooms: Collection[str]) -> bool:
    return any(f"{module}.".startswith(f"{PACKAGE}.{room}.") for room in rooms)


# -- signs on the doors


@cache
def sources() -> dict[str, str]:
    """Every module of ours and its text."""
    found = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found[name] = path.read_text("utf-8")
    return found
