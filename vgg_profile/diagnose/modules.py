"""A model's own modules: the line that made each, its path, and whether it has a ``forward`` to call."""

from __future__ import annotations

import difflib
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from vgg_profile.core.errors import InputError
from vgg_profile.diagnose.calls import class_name
from vgg_profile.diagnose.trouble import innermost, shown


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
        initialise, add, births = nn.Module.__init__, nn.Module.add_module, self._of
        lines: dict[tuple[int, str], int | None] = {}

        def added(owner: nn.Module, name: str, module: nn.Module | None) -> None:
            line, key = innermost(sys._getframe(1), path), (id(owner), name)
            before = owner._modules.get(name)
            if before is not None and before is not module and line and lines.get(key) == line:
                has_parameters = any(True for _ in before.parameters())
                lost = self.lost.setdefault((name, line), Overwritten(name, line, has_parameters, 0))
                lost.times += 1
            lines[key] = line
            add(owner, name, module)

        def noted(self: nn.Module, *args: Any, **kwargs: Any) -> None:
            initialise(self, *args, **kwargs)
            births[id(self)] = (self, innermost(sys._getframe(1), path))

        nn.Module.__init__ = noted  # type: ignore[method-assign]
        nn.Module.add_module = added  # type: ignore[method-assign,assignment]
        try:
            yield
        finally:
            nn.Module.__init__ = initialise  # type: ignore[method-assign]
            nn.Module.add_module = add  # type: ignore[method-assign]

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
                    waiting += self._hidden_in(f"{path}.{name}".lstrip("."), value)

    def _hidden_in(self, path: str, value: Any) -> Iterator[tuple[str, nn.Module]]:
        for key, module in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(module, nn.Module) and id(module) not in self._path:
                kind = "dict" if isinstance(value, dict) else "list"
                self.hidden.setdefault((path, kind), []).append(module)
                for inner, each in module.named_modules(prefix=f"{path}.{key}"):
                    self._path.setdefault(id(each), inner)
                    yield inner, each

    def of(self, module: nn.Module) -> str:
        """A module's path; ``forward`` for one that no attribute holds."""
        return self._path.get(id(module), "forward")


def check_takes_an_image(model: nn.Module, path: Path) -> None:
    """Refuse a ``forward`` that takes more than one image, or nothing: raises ``InputError``."""
    check_has_forward(model, path)
    try:
        inspect.signature(model.forward).bind("an image")
    except TypeError as error:
        line = inspect.unwrap(type(model).forward).__code__.co_firstlineno
        raise InputError(
            f"{shown(path)}, line {line}: forward cannot be called with an image alone: {error}.",
            "Let forward(self, x) take the image, and give whatever follows it a default.",
        ) from None


def check_has_forward(module: nn.Module, path: Path) -> None:
    """Refuse a class without ``forward``: raises ``InputError``, which points at a misspelt one."""
    kind = type(module)
    if kind.forward is not nn.Module.forward or class_name(module) in ("ModuleList", "ModuleDict"):
        return
    own = {name: value for name, value in vars(kind).items() if inspect.isfunction(value)}
    close = difflib.get_close_matches("forward", own, n=1)
    where = f"{shown(path)}, line {own[close[0]].__code__.co_firstlineno}" if close else shown(path)
    hint = f"Did you mean forward instead of {close[0]}?" if close else "Write forward(self, x)."
    raise InputError(f"{where}: the class {shown(kind.__name__)} has no forward.", hint)
