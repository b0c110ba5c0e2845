"""The house itself: who may import whom, where the heavy furniture stands, and that every room has a sign.

The rules of imports are import-linter's contracts in ``pyproject.toml``; docs/ARCHITECTURE.md says why they
are what they are. Every check has a test in which it fails.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Collection, Iterator, Mapping
from copy import deepcopy
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import grimp
import pytest
from importlinter.api import read_configuration
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.layers import LayersContract
from importlinter.domain.helpers import MissingImport

import vgg_profile
from docs import draw_rooms

ROOT = Path(__file__).parent.parent
PACKAGE = "vgg_profile"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
RULES = read_configuration(str(ROOT / "pyproject.toml"))
SESSION: dict[str, Any] = RULES["session_options"]
CONTRACTS: dict[str, dict[str, Any]] = {options["name"]: options for options in RULES["contracts_options"]}
KINDS = {"forbidden": ForbiddenContract, "layers": LayersContract}

LAYERS = "Each room imports only rooms below it"
WRITERS = "Writers know forms, and nothing of what they say"
ROADS = "What measures does not predict"
PAPER = "No chain of imports leads from paper to torch"
DOOR = "Nobody inside comes in by the front door"
NO_CLI = "The package does not need its command line"

HEAVY: dict[str, set[str]] = {
    "fvcore": {"measure"},
    "jinja2": {"write.html", "write.page"},
    "matplotlib": {"write.plots"},
    "msgspec": {
        "core.validate",
        "diagnose.answer",
        "measure.reading",
        "predict.traced",
        "predict.vgg.config_form",
    },
    "numpy": set(),
    "pandas": {"write.frame"},
    "torch": {
        *(f"diagnose.{name}" for name in ("calls", "child", "examine", "modules", "options", "run")),
        *(
            f"diagnose.{name}"
            for name in (
                "search",
                "clues",
                "verdict",
                "values",
                "words",
                "against",
                "graph",
                "neighbours",
                "remarks",
            )
        ),
        "measure",
        "models",
        "predict.fake",
        "run",
    },
}
"""Heavy package → the rooms and modules that may load it; the others load these when they are called."""

BY_NAME = {
    PACKAGE: "its public names, each of which is an arrow, too",
    f"{PACKAGE}.diagnose": "its public names, so that each process loads its own half",
    f"{PACKAGE}.cli.program": "the command that was typed",
    f"{PACKAGE}.run.find": "the network that somebody named",
    f"{PACKAGE}.teach.topics": "the files of its own folder",
}
"""Who imports by a name that it makes up, which no graph shows, and what."""


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


# -- arrows


def broken(graph: grimp.ImportGraph) -> list[str]:
    """The contracts that a graph breaks, each told on the way; raises where an ignored arrow is gone."""
    found = []
    for name, options in CONTRACTS.items():
        contract = KINDS[options["type"]](name, SESSION, options)
        check = contract.check(deepcopy(graph), verbose=False)
        if not check.kept:
            contract.render_broken_contract(check)
            found.append(name)
    return found


def test_every_arrow_points_the_right_way():
    assert broken(house()) == [], "see `lint-imports`"


@pytest.mark.parametrize(
    ("importer", "imported", "rules"),
    [
        ("core.units", "predict.vgg.walk", {LAYERS}),
        ("core.units", "check.crosscheck", {LAYERS}),
        ("predict.vgg.tape", "measure.record", {LAYERS}),
        ("predict.vgg.tape", "models", {LAYERS, PAPER}),
        ("models", "measure.memory", {LAYERS}),
        ("measure.memory", "predict.vgg.walk", {ROADS}),
        ("measure.record", "check.crosscheck", {LAYERS}),
        ("check.crosscheck", "ask.fit", {LAYERS}),
        ("check.crosscheck", "measure.run", {PAPER}),
        ("ask.fit", "describe.words", {LAYERS}),
        ("ask.fit", "teach.notes", {LAYERS}),
        ("teach.notes", "diagnose.defects", {LAYERS}),
        ("diagnose.plan", "ask.fit", {LAYERS}),
        ("describe.words", "write.text", {LAYERS}),
        ("describe.words", "render", {LAYERS}),
        ("describe.words", "models", {PAPER}),
        ("write.text", "describe.words", {LAYERS}),
        ("write.text", "ask.fit", {WRITERS}),
        ("write.text", "predict.vgg.walk", {WRITERS}),
        ("write.text", "measure.record", {WRITERS}),
        ("render", "cli.options", {LAYERS}),
        ("cli", "__main__", {LAYERS}),
        ("models", PACKAGE, {DOOR}),
        (PACKAGE, "cli.program", {NO_CLI}),
        ("cellar", "core.units", {LAYERS}),
    ],
)
def test_a_wrong_arrow_is_found(importer, imported, rules):
    assert rules <= set(broken(rebuilt((importer, imported))))


def test_each_contract_is_seen_to_break():
    [mark] = test_a_wrong_arrow_is_found.pytestmark
    assert set().union(*(rules for *_, rules in mark.args[1])) == CONTRACTS.keys()


@pytest.mark.parametrize(
    "arrow",
    [
        ("cli.tables", "core.units"),
        ("write.text", "core.forms"),
        ("describe.words", "measure.record"),
        ("measure.memory", "models"),
        ("check.crosscheck", "predict.vgg.walk"),
    ],
)
def test_a_right_arrow_is_left_alone(arrow):
    assert broken(rebuilt(arrow)) == []


IGNORED = [
    (name, arrow) for name, options in CONTRACTS.items() for arrow in options.get("ignore_imports", [])
]


@pytest.mark.parametrize(("contract", "arrow"), IGNORED)
def test_an_arrow_that_is_gone_is_not_ignored_any_longer(contract, arrow):
    graph = deepcopy(house())
    importer, imported = arrow.split(" -> ")
    graph.remove_import(importer=importer, imported=imported)
    with pytest.raises(MissingImport, match=re.escape(arrow)):
        broken(graph)


def test_an_ignored_arrow_has_its_reason_beside_it():
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    assert len(IGNORED) == len(re.findall(r'^    "[\w.]+ -> [\w.]+", # \w', text, re.MULTILINE))
    assert not any("unmatched_ignore_imports_alerting" in options for options in CONTRACTS.values())


# -- circles


def circle(graph: grimp.ImportGraph) -> list[str]:
    """Modules that import one another in a round, if there are any."""
    try:
        TopologicalSorter(
            {name: graph.find_modules_directly_imported_by(name) for name in ours(graph)}
        ).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_modules_import_one_another_in_a_circle_of_any_length():
    assert circle(house()) == []


@pytest.mark.parametrize(
    "arrows",
    [
        [("core.sizes", "core.events")],
        [("core.errors", "core.setting")],
        [("diagnose.draft", "diagnose")],
        [("core.version", PACKAGE)],
        [("core.version", "ask.cards"), ("core.units", "core.counts"), ("core.counts", "core.version")],
    ],
)
def test_a_circle_is_found(arrows):
    found = circle(rebuilt(*arrows))
    assert found[0] == found[-1]
    assert f"{PACKAGE}.{arrows[0][0]}" in found


# -- how arrows are read


def test_imports_for_types_inside_functions_and_by_relative_paths_are_arrows(tmp_path, monkeypatch):
    options = PROJECT["importlinter"]
    assert options["include_external_packages"] is True
    assert options["exclude_type_checking_imports"] is False, "the rules are to hold for types, too"
    room = tmp_path / "made_up_house"
    room.mkdir()
    (room / "__init__.py").write_text("")
    for name in ("late", "near", "types_"):
        (room / f"{name}.py").write_text("")
    (room / "reader.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "from . import near\n"
        "if TYPE_CHECKING:\n    from made_up_house.types_ import T\n"
        "def f():\n    import made_up_house.late\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    graph = grimp.build_graph("made_up_house", exclude_type_checking_imports=False, cache_dir=None)
    found = graph.find_modules_directly_imported_by("made_up_house.reader")
    assert found == {f"made_up_house.{name}" for name in ("late", "near", "types_")}


def importing_by_name(sources: Mapping[str, str]) -> set[str]:
    return {module for module, source in sources.items() if re.search(r"import_module|__import__", source)}


def test_nobody_else_imports_by_name():
    assert importing_by_name(sources()) <= BY_NAME.keys()
    made_up = {"a": "__import__('torch')", "b": "importlib.import_module(it)", "c": "import d"}
    assert importing_by_name(made_up) == {"a", "b"}


def test_the_names_of_the_front_door_are_arrows():
    for home in vgg_profile._HOMES.values():
        assert house().direct_import_exists(importer=PACKAGE, imported=f"{PACKAGE}.{home}"), home


# -- weight


def within(module: str, rooms: Collection[str]) -> bool:
    return any(f"{module}.".startswith(f"{PACKAGE}.{room}.") for room in rooms)


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


def heavy_modules_after(code: str) -> set[str]:
    """Run code in a fresh interpreter; which heavy packages it leaves loaded."""
    tail = f"\nimport sys\nprint('loaded', *{set(HEAVY)!r}.intersection(sys.modules), file=sys.stderr)"
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


# -- its picture


def test_the_picture_of_the_rooms_is_what_is_drawn_from_the_imports():
    assert draw_rooms.main(["--check"]) == 0, "draw it: python docs/draw_rooms.py"


def test_another_import_is_another_picture():
    rooms, heavy = draw_rooms.imports()
    now = draw_rooms.PICTURE.read_text("utf-8")
    assert draw_rooms.drawn(rooms, heavy) == now
    assert draw_rooms.drawn(rooms | {"write": rooms["write"] | {"ask"}}, heavy) != now
    assert draw_rooms.drawn(rooms, heavy | {"ask": {"torch"}}) != now
    assert draw_rooms.drawn(rooms | {"ask": rooms["ask"] | {"predict"}}, heavy) == now, "by way of check"
    with pytest.raises(SystemExit, match="No place for cellar"):
        draw_rooms.drawn(rooms | {"cellar": set()}, heavy)


def test_every_room_has_a_line_in_architecture():
    text = (ROOT / "docs" / "ARCHITECTURE.md").read_text("utf-8")
    rooms = draw_rooms.imports()[0].keys() - {PACKAGE}
    assert {room for room in rooms if f"| `{room}` |" not in text} == set()


# -- signs on the doors


@cache
def sources() -> dict[str, str]:
    """Every module of ours and its text."""
    found = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found[name] = path.read_text("utf-8")
    return found


Named = ast.FunctionDef | ast.ClassDef


def public(node: ast.Module | Named, name: str) -> Iterator[tuple[str, Named]]:
    """Every public function, class and method, and ``__post_init__``, by its whole name."""
    for each in node.body:
        if isinstance(each, Named) and (not each.name.startswith("_") or each.name == "__post_init__"):
            yield f"{name}.{each.name}", each
            if isinstance(each, ast.ClassDef):
                yield from public(each, f"{name}.{each.name}")


def without_a_sign(module: str, source: str) -> Iterator[str]:
    """The module, and its public functions and classes, that have no docstring."""
    tree = ast.parse(source)
    if source.strip() and not ast.get_docstring(tree):
        yield module
    for name, node in public(tree, module):
        if node in tree.body and not ast.get_docstring(node):
            yield name


def silent_raisers(module: str, source: str) -> Iterator[str]:
    """What raises ``InputError`` itself and does not say so; a class speaks for its ``__post_init__``."""
    nodes = dict(public(ast.parse(source), module))
    for name, node in nodes.items():
        raised = {
            ast.unparse(each.exc) for each in ast.walk(node) if isinstance(each, ast.Raise) and each.exc
        }
        speaker = name.removesuffix(".__post_init__")
        told = re.search(
            r"\braises?\b.*InputError", ast.get_docstring(nodes[speaker]) or "", re.I | re.DOTALL
        )
        is_function = isinstance(node, ast.FunctionDef)
        if is_function and not told and any(error.startswith("InputError(") for error in raised):
            yield speaker


def last(names: Iterator[str]) -> set[str]:
    return {name.rpartition(".")[2] for name in names}


def test_every_public_function_and_class_says_what_it_is():
    assert last(name for each in sources().items() for name in without_a_sign(*each)) == set()


def test_whatever_raises_input_error_says_so():
    """A command does not: click shows its docstring as help, and the error as an exit code."""
    rooms = {module: text for module, text in sources().items() if not within(module, ["cli"])}
    assert last(name for each in rooms.items() for name in silent_raisers(*each)) == set()


def test_a_missing_sign_is_noticed():
    source = '"""A room."""\ndef shown():\n    ...\nclass Shown:\n    ...\ndef _hidden():\n    ...'
    assert list(without_a_sign("room", source)) == ["room.shown", "room.Shown"]
    assert list(without_a_sign("room", "x = 1")) == ["room"]


@pytest.mark.parametrize(
    "source",
    [
        'def f():\n    """Do it{}."""\n    if x:\n        raise InputError("Bad.", "Do.")',
        'class f:\n    """It{}."""\n    def __post_init__(self):\n        raise InputError("Bad.", "Do.")',
        'class C:\n    """It."""\n    def f():\n        """Do{}."""\n        raise InputError("Bad.", "Do.")',
    ],
)
def test_a_silent_raiser_is_noticed(source):
    assert last(silent_raisers("room", source.format(""))) == {"f"}
    assert not last(silent_raisers("room", source.format("; raises ``InputError`` where it cannot")))
    assert not last(silent_raisers("room", source.format("").replace("InputError", "KeyError")))


def files_named(source: str) -> set[str]:
    """The files of PyTorch that the docstrings of a module name."""
    documented = (ast.Module, ast.FunctionDef, ast.ClassDef)
    nodes = (node for node in ast.walk(ast.parse(source)) if isinstance(node, documented))
    docs = (ast.get_docstring(node) or "" for node in nodes)
    return set(re.findall(r"[\w/]+\.(?:cpp|cu|h|py|yaml)\b", " ".join(docs)))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("predict.vgg.layers", "ATen/native/Normalization.cpp"),
        ("predict.vgg.tape", "derivatives.yaml"),
        ("predict.vgg.optimizer", "torch/optim/sgd.py"),
    ],
)
def test_a_module_of_rules_names_what_it_was_read_from(module, source):
    assert source in files_named(sources()[f"{PACKAGE}.{module}"])


def test_a_rule_without_its_source_is_noticed():
    assert files_named('"""How it is. Source: ``aten/src/Pool.cpp``."""') == {"aten/src/Pool.cpp"}
    assert files_named('"""How it is."""\nx = "Pool.cpp"  # Pool.cpp') == set()


def test_the_examples_in_docstrings_are_run():
    options = PROJECT["pytest"]["ini_options"]
    assert "--doctest-modules" in options["addopts"]
    assert PACKAGE in options["testpaths"]
