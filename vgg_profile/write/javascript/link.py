"""What a translation holds: everything that some functions reach, by module and name."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from vgg_profile.write.javascript.classes import Class
from vgg_profile.write.javascript.functions import Function
from vgg_profile.write.javascript.names import (
    RESERVED,
    Parameters,
    Resolved,
    Untranslatable,
    parameters_of,
    refused,
)

_CACHES = {"lru_cache", "cache"}
_IGNORED = {"dataclass", "property", "cached_property", "contextmanager", *_CACHES}
"""Decorators that a page needs not, or that stand in how a definition is written."""

_OF_PYTHON = {
    *[
        "abs",
        "all",
        "any",
        "bool",
        "dict",
        "enumerate",
        "filter",
        "int",
        "len",
        "list",
        "map",
        "max",
        "min",
        "next",
        "range",
        "reversed",
        "set",
        "sorted",
        "str",
        "sum",
    ],
    *["tuple", "zip", "isinstance", "id", "iter"],
}
_NATIVE = {"InputError": Resolved("class", "py.InputError"), "Lazy": Resolved("library", "py.eager")}
"""Classes of ours that ``python.js`` has in its own way; nothing is lazy there."""

_OF_LIBRARIES = {
    "math.prod": "prod",
    "itertools.accumulate": "accumulate",
    "itertools.chain": "chain",
    "itertools.groupby": "groupby",
    "itertools.pairwise": "pairwise",
    "functools.partial": "partial",
    "dataclasses.replace": "replace",
}


@dataclass
class Link:
    """What was reached so far, by module and name."""

    names: dict[tuple[str, str], str] = field(default_factory=dict)
    functions: dict[str, list[str]] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    classes: dict[str, Class] = field(default_factory=dict)
    asked: dict[str, None] = field(default_factory=dict)
    """Attributes that somebody asks for: methods of these names are translated."""
    missing: dict[str, Untranslatable] = field(default_factory=dict)
    """Methods that nothing reached has, as of a library that is not there."""

    def reach(self, module: str, name: str) -> str:
        """The name in JavaScript of what a module defines; it is translated, too."""
        known = self.names.get((module, name))
        if known is not None:
            return known
        mine = name if name not in {*self.names.values(), *RESERVED} else f"{name}_{len(self.names)}"
        self.names[module, name] = mine
        match definitions(module)[name]:
            case ast.FunctionDef() as node:
                self.functions[mine] = []
                lines = self.function(module, node, f"function {mine}")
                if _names(node) & _CACHES:
                    lines = [f"const {mine} = py.remembered({lines[0]}", *lines[1:-1], f"{lines[-1]});"]
                self.functions[mine] = lines
            case ast.ClassDef() as node:
                self.class_(module, node, mine)
            case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value):
                self.constants[mine] = ""
                self.constants[mine] = Function(self, module, f"{module}.{name}").expression(value)
            case node:
                raise refused(node, module)
        return mine

    def function(
        self, module: str, node: ast.FunctionDef, head: str, *, is_method: bool = False
    ) -> list[str]:
        _check_decorators(node, module)
        return Function(self, module, f"{module}.{node.name}").function(node, head, is_method=is_method)

    def class_(self, module: str, node: ast.ClassDef, mine: str) -> None:
        _check_decorators(node, module)
        bases = [self.resolve(module, base) for base in node.bases]
        kept = [base for base in bases if base.kind != "ignored"]
        self.classes[mine] = Class(module, node, mine, tuple(base.text for base in kept))

    def resolve(self, module: str, node: ast.expr) -> Resolved:
        """What a name, or a name of a module, stands for in a module."""
        match node:
            case ast.Name(id=name):
                return self.name(module, name, node)
            case ast.Attribute(value=ast.Name(id=first), attr=attr):
                target = _submodule(module, first)
                if target is not None:
                    return self.name(target, attr, node)
                if _library(module, first) == "itertools.chain" and attr == "from_iterable":
                    return Resolved("library", "py.from_iterable")
                if first == "dict" and attr == "fromkeys":
                    return Resolved("library", "py.fromkeys")
        raise refused(node, module)

    def is_module(self, module: str, name: str) -> bool:
        return (
            _submodule(module, name) is not None
            or _library(module, name) == "itertools.chain"
            or name == "dict"
        )

    def name(self, module: str, name: str, node: ast.expr) -> Resolved:
        found = definitions(module).get(name)
        if isinstance(found, ast.ImportFrom):
            source, original = _imported(found, name)
            if not source.startswith("vgg_profile"):
                return self.library(f"{source}.{original}", node, module)
            return self.name(source, original, node)
        if found is None:
            if name == "ValueError":
                return Resolved("library", "Error")
            if name in _OF_PYTHON:
                return Resolved("library", f"py.{name}")
            raise refused(node, module)
        if name in _NATIVE:
            return _NATIVE[name]
        mine = self.reach(module, name)
        if isinstance(found, ast.FunctionDef):
            return Resolved("function", mine, parameters_of(found))
        if isinstance(found, ast.ClassDef):
            return Resolved("class", mine, self.classes[mine].constructor(self))
        return Resolved("constant", f"{mine}()")

    def library(self, path: str, node: ast.expr, module: str) -> Resolved:
        if path == "typing.NamedTuple":
            return Resolved("class", "py.NamedTuple")
        if path in ("enum.StrEnum", "typing.Protocol", "vgg_profile.core.display.Displayed"):
            return Resolved("ignored", path)
        if path in _OF_LIBRARIES:
            return Resolved("library", f"py.{_OF_LIBRARIES[path]}")
        raise refused(node, module)

    def ask(self, attribute: str) -> None:
        """Somebody reads or calls an attribute of this name."""
        self.asked.setdefault(attribute)

    def signature(self, method: str) -> Parameters | None:
        """The parameters of the methods of this name; ``None`` where there are none, or of different ones."""
        found = {
            parameters_of(each, is_method=True)
            for klass in self.classes.values()
            for each in klass.node.body
            if isinstance(each, ast.FunctionDef) and each.name == method
        }
        return found.pop() if len(found) == 1 else None

    def fields_of(self, name: str) -> list[tuple[str, str]]:
        """The fields of a class that was reached."""
        return self.classes[name].all_fields(self) if name in self.classes else []

    def miss(self, method: str, node: ast.expr, where: str) -> None:
        """Nothing that was reached has this method: the call is translated to one that fails."""
        self.missing[method] = refused(node, where)

    def finish(self) -> None:
        """Translate the methods that are asked for, as long as they ask for more."""
        while True:
            waiting = [
                (klass, method) for klass in self.classes.values() for method in klass.waiting(self.asked)
            ]
            if not waiting:
                break
            for klass, member in waiting:
                klass.take(self, member)
        for method, error in self.missing.items():
            if any(method in klass.done for klass in self.classes.values()):
                raise error

    def texts(self) -> Iterator[str]:
        for name, text in self.constants.items():
            yield f"const {name} = py.lazy(() => {text});"
        for function in self.functions.values():
            yield from function
        done: set[str] = set()
        while len(done) < len(self.classes):
            for name, klass in self.classes.items():
                if name not in done and all(base in done or base not in self.classes for base in klass.bases):
                    yield from klass.text(self)
                    done.add(name)


@cache
def definitions(module: str) -> dict[str, ast.stmt]:
    """What a module defines or imports, by name."""
    found: dict[str, ast.stmt] = {}
    for node in ast.parse(inspect.getsource(sys.modules[module])).body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                found[name] = node
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                found[name] = node
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                for each, value in zip(names, values, strict=True):
                    found[ast.unparse(each)] = ast.Assign([each], value, lineno=node.lineno)
            case ast.ImportFrom(names=aliases):
                found |= dict.fromkeys((alias.asname or alias.name for alias in aliases), node)
    return found


def _imported(node: ast.ImportFrom, name: str) -> tuple[str, str]:
    original = next(alias.name for alias in node.names if name == (alias.asname or alias.name))
    return node.module or "", original


def _submodule(module: str, name: str) -> str | None:
    """The module that a name stands for, if it is one of the package's."""
    found = definitions(module).get(name)
    if isinstance(found, ast.ImportFrom):
        source, original = _imported(found, name)
        path = f"{source}.{original}"
        value = getattr(sys.modules.get(source), original, None)
        if source.startswith("vgg_profile") and inspect.ismodule(value):
            return path
    return None


def _library(module: str, name: str) -> str | None:
    found = definitions(module).get(name)
    return ".".join(_imported(found, name)) if isinstance(found, ast.ImportFrom) else None


def _check_decorators(node: ast.FunctionDef | ast.ClassDef, module: str) -> None:
    for decorator in node.decorator_list:
        if _named(decorator) not in _IGNORED:
            raise refused(decorator, module)


def _names(node: ast.FunctionDef) -> set[str]:
    """The decorators of a function."""
    return {_named(each) for each in node.decorator_list}


def _named(decorator: ast.expr) -> str:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return called.id if isinstance(called, ast.Name) else ""
