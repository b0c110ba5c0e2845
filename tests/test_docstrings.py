"""Every public function says what it is, what it raises, and where its rule was read."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest
from importing import PACKAGE, PROJECT, sources, within

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
        ("predict.vgg.layers.norms", "ATen/native/Normalization.cpp"),
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
