"""A model's own modules: the line that made each, its path, and whether it has a ``forward`` to call."""

from __future__ import annotations

import ast
import difflib
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from vgg_profile.diagnose.trouble import innermost


@dataclass
class Overwritten:
    """A name of a module that one line sets again and again, so that all but the last layer are lost."""

    name: str
    line: int
    has_parameters: bool
    times: int = 1


class Births:
    """Every module in the order in which they were made, each with the line of the file that made it.

    ``lost`` are the names that one line sets more than once.
    """

    def __init__(self) -> None:
        self.lost: dict[tuple[str, int], Overwritten] = {}
        self._of: dict[int, tuple[nn.Module, int | None]] = {}  # holds the module: an id is reused after it

    @contextmanager
    def noting(self, path: Path) -> Iterator[None]:
        """Note every module that is made meanwhile."""
        initialise, add, assign = nn.Module.__init__, nn.Module.add_module, nn.Module.__setattr__
        births = self._of
        lines: dict[tuple[int, str], int | None] = {}

        def named(owner: nn.Module, name: str, module: nn.Module | None) -> None:
            line, key = innermost(sys._getframe(2), path), (id(owner), name)
            before = owner._modules.get(name)
            is_lost = before is not None and module is not None and before not in [*module.modules()]
            if before is not None and is_lost and line and lines.get(key) == line:
                has_parameters = any(True for _ in before.parameters())
                lost = self.lost.setdefault((name, line), Overwritten(name, line, has_parameters, 0))
                lost.times += 1
            lines[key] = line

        def added(owner: nn.Module, name: str, module: nn.Module | None) -> None:
            named(owner, name, module)
            add(owner, name, module)

        def assigned(owner: nn.Module, name: str, value: Any) -> None:
            if isinstance(value, nn.Module) and "_modules" in vars(owner):
                named(owner, name, value)
            assign(owner, name, value)

        def noted(self: nn.Module, *args: Any, **kwargs: Any) -> None:
            initialise(self, *args, **kwargs)
            births[id(self)] = (self, innermost(sys._getframe(1), path))

        nn.Module.__init__ = noted  # type: ignore[method-assign]
        nn.Module.add_module = added  # type: ignore[method-assign,assignment]
        nn.Module.__setattr__ = assigned  # type: ignore[method-assign,assignment]
        try:
            yield
        finally:
            nn.Module.__init__ = initialise  # type: ignore[method-assign]
            nn.Module.add_module = add  # type: ignore[method-assign]
            nn.Module.__setattr__ = assign  # type: ignore[method-assign]

    def __len__(self) -> int:
        return len(self._of)

    def since(self, number: int) -> list[nn.Module]:
        """Those made after the first ``number``."""
        return [module for module, _ in self._of.values()][number:]

    def line(self, module: nn.Module) -> int | None:
        return self._of.get(id(module), (module, None))[1]


class ModulePaths:
    """The path of every module, registered or hidden in a plain list or dict.

    ``hidden`` are those of such lists, by the list's own path and whether it is a "list" or a "dict".
    """

    def __init__(self, model: nn.Module) -> None:
        self.hidden: dict[tuple[str, str], list[nn.Module]] = {}
        self._path: dict[int, str] = {id(module): path for path, module in model.named_modules()}
        waiting = [*model.named_modules()]
        while waiting:
            path, owner = waiting.pop(0)
            for name, value in vars(owner).items():
                if not name.startswith("_") and isinstance(value, (list, tuple, dict)):
                    attribute = f"{path}.{name}".lstrip(".")
                    kind = "dict" if isinstance(value, dict) else "list"
                    waiting += self._hidden_in(attribute, value, (attribute, kind))

    def _hidden_in(self, path: str, value: Any, of: tuple[str, str]) -> Iterator[tuple[str, nn.Module]]:
        for key, module in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(module, (list, tuple, dict)):
                yield from self._hidden_in(f"{path}.{key}", module, (of[0], "nested list"))
            elif isinstance(module, nn.Module) and id(module) not in self._path:
                self.hidden.setdefault(of, []).append(module)
                for inner, each in module.named_modules(prefix=f"{path}.{key}"):
                    self._path.setdefault(id(each), inner)
                    yield inner, each

    def of(self, module: nn.Module) -> str:
        """A module's path; ``forward`` for one that no attribute holds."""
        return self._path.get(id(module), "forward")


def line_of(kind: type, path: Path) -> int | None:
    """The line on which a class of the file begins."""
    nodes = ast.walk(ast.parse(path.read_bytes()))
    return next(
        (node.lineno for node in nodes if isinstance(node, ast.ClassDef) and node.name == kind.__name__), None
    )


def misspelt(model: nn.Module, right: str, path: Path) -> tuple[str, int] | None:
    """A method of the file whose name is close to ``right``, which its class lacks: its name, its line."""
    for kind in dict.fromkeys(type(module) for module in model.modules()):
        own = {name: value for name, value in vars(kind).items() if inspect.isfunction(value)}
        close = difflib.get_close_matches(right, own, n=1, cutoff=0.75)
        code = own[close[0]].__code__ if close and right not in own else None
        if code is not None and code.co_filename == str(path):
            return close[0], code.co_firstlineno
    return None
