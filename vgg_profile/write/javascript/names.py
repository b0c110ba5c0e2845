"""What every part of the translator speaks of: names, parameters, and what has no translation."""

from __future__ import annotations

import ast
from typing import NamedTuple, Protocol


class Untranslatable(ValueError):  # noqa: N818 - as KeyboardInterrupt
    """What a function holds has no JavaScript here; the message names it and its line."""


def refused(node: ast.stmt | ast.expr, where: str) -> Untranslatable:
    """The error that names a part of Python, and where it stands."""
    text, *_ = ast.unparse(node).splitlines()
    return Untranslatable(
        f"{where}, line {node.lineno}: there is no JavaScript for {type(node).__name__}, `{text}`"
    )


Parameters = tuple[str, ...]
"""Names in order."""


class Resolved(NamedTuple):
    """What a name stands for: a function, a class, a constant, of a library, or nothing a page needs."""

    kind: str
    text: str
    parameters: Parameters | None = None


class Linker(Protocol):
    """Whoever knows what names stand for, and keeps what was reached."""

    def resolve(self, module: str, node: ast.expr) -> Resolved:
        """What a name, or a name of a module, stands for in a module."""
        ...

    def is_module(self, module: str, name: str) -> bool:
        """Whether a name is a module's, or a class whose own functions are called."""
        ...

    def ask(self, attribute: str) -> None:
        """Somebody reads or calls an attribute of this name: methods and properties so called are needed."""
        ...

    def signature(self, method: str) -> Parameters | None:
        """The parameters of the methods of this name; ``None`` where there are none, or of different ones."""
        ...

    def fields_of(self, name: str) -> list[tuple[str, str]]:
        """The fields of a class that was reached."""
        ...

    def miss(self, method: str, node: ast.expr, where: str) -> None:
        """Nothing that was reached has this method: the call is translated to one that fails."""
        ...


def parameters_of(node: ast.FunctionDef, *, is_method: bool = False) -> Parameters:
    """Those of a function, the keyword-only last; without ``self``."""
    given = node.args
    if given.vararg is not None or given.kwarg is not None or given.posonlyargs:
        return ()
    names = [each.arg for each in (*given.args, *given.kwonlyargs)]
    return tuple(names[1:] if is_method else names)


RESERVED = frozenset(
    [
        "arguments",
        "case",
        "catch",
        "const",
        "debugger",
        "default",
        "delete",
        "do",
        "enum",
        "eval",
        "export",
        "extends",
        "function",
        "implements",
        "instanceof",
        "interface",
        "let",
        "new",
        "null",
        "package",
        "private",
        "protected",
        "public",
        "static",
        "super",
        "switch",
        "this",
        "throw",
        "typeof",
        "undefined",
        "var",
        "void",
        "py",
        "data",
        "rules",
    ]
)
"""No name of a variable: JavaScript has a use for it, or a page."""


def safe(name: str) -> str:
    """A variable's name that JavaScript has no use for."""
    return f"{name}_" if name in RESERVED else name
