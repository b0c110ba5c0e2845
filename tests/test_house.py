"""The house itself: who may import whom, that there is no circle, and that its picture is true.

The rules of imports are import-linter's contracts in ``pyproject.toml``; docs/ARCHITECTURE.md says why they
are what they are. Every check has a test in which it fails.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from copy import deepcopy
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import grimp
import pytest
from importing import PACKAGE, PROJECT, ROOT, house, ours, rebuilt, sources
from importlinter.api import read_configuration
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.layers import LayersContract

import vgg_profile
from docs import draw_rooms

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
BY_NAME = {
    PACKAGE: "its public names, each of which is an arrow, too",
    f"{PACKAGE}.diagnose": "its public names, so that each process loads its own half",
    f"{PACKAGE}.cli.program": "the command that was typed",
    f"{PACKAGE}.run.find": "the network that somebody named",
    f"{PACKAGE}.teach.topics": "the files of its own folder",
}
"""Who imports by a name that it makes up, which no graph shows, and what."""


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


def test_no_arrow_is_excepted():
    assert not [name for name, options in CONTRACTS.items() if "ignore_imports" in options]


# -- size

MOST_LINES = 400


def too_long(folder: Path) -> list[str]:
    """Files of code that ask for a scroll bar; data and whole outputs are not read, but compared."""
    suffixes = {".css", ".html", ".js", ".py", ".toml"}
    return [
        path.name
        for room in ("vgg_profile", "tests", "examples", "docs")
        for path in sorted((folder / room).rglob("*"))
        if path.suffix in suffixes
        and not {"data", "golden", "__pycache__"} & set(path.parts)
        and path.suffixes != [".slides", ".html"]  # what `make_slides.py` writes
        if path.read_text("utf-8").count("\n") > MOST_LINES
    ]


def test_no_file_asks_for_a_scroll_bar(tmp_path):
    assert too_long(ROOT) == []
    (tmp_path / "tests").mkdir()
    for lines in (MOST_LINES, MOST_LINES + 1):
        (tmp_path / "tests" / f"test_{lines}.py").write_text("\n" * lines)
    assert too_long(tmp_path) == [f"test_{MOST_LINES + 1}.py"]


# -- names


def shared_names(sources: Mapping[str, str]) -> dict[str, list[str]]:
    """Public classes whose name another module gives to a class of its own, and where each is."""
    homes = defaultdict(list)
    for module, source in sources.items():
        for name in re.findall(r"^class ([A-Z]\w*)", source, flags=re.MULTILINE):
            homes[name].append(module)
    return {name: where for name, where in homes.items() if len(where) > 1}


def test_a_name_is_one_class():
    assert shared_names(sources()) == {}
    made_up = {
        "a": "class Card:\n    class Part: ...",
        "b": "x = 1\nclass Card(int): ...",
        "c": "class Part: ...",
    }
    assert shared_names(made_up) == {"Card": ["a", "b"]}


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


# -- one question

ASKING = ("ask.budget", "ask.difference", "ask.fits", "ask.what_if")
"""What asks about memory many times over; each asks a step, or the one question that `fit` is."""

ANSWERING = {"predict.steps"}


def computing(graph: grimp.ImportGraph) -> dict[str, set[str]]:
    """Who of those imports anything that predicts, folds or allocates, and what."""
    found = {}
    for name in ASKING:
        imported = {
            each.removeprefix(f"{PACKAGE}.")
            for each in graph.find_modules_directly_imported_by(f"{PACKAGE}.{name}")
        }
        rooms = {each for each in imported if each.split(".")[0] in ("predict", "measure")}
        theirs = (rooms | imported & {"core.fold", "core.book", "ask.machine"}) - ANSWERING
        if theirs - {"measure.record"}:
            found[name] = theirs
    return found


def test_nothing_is_computed_twice():
    assert computing(house()) == {}


@pytest.mark.parametrize("other", ["predict.reserved", "predict.vgg.step", "core.fold", "ask.machine"])
def test_what_computes_for_itself_is_found(other):
    assert computing(rebuilt(("ask.budget", other))) == {"ask.budget": {other}}
