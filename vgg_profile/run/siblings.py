"""The files beside a file that somebody named: they import, and shadow nothing that is not theirs."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import FrameType, ModuleType


class Siblings:
    """A finder for one folder: files in it find one another before anything that is installed.

    As Python has it, but for Python's own modules, which nobody shadows. Whoever else imports finds a sibling
    only where nothing else has its name: PyTorch looks for its ``sympy`` while a model runs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.found: set[str] = set()

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """As ``sys.meta_path`` asks."""
        if path is not None or name in sys.stdlib_module_names or not self._is_asked_from_here():
            return None
        spec = PathFinder.find_spec(name, [str(self.folder)])
        if spec is not None:
            self.found.add(name)
        return spec

    def _is_asked_from_here(self) -> bool:
        frame: FrameType | None = sys._getframe(2)
        while frame is not None and _is_importlibs(frame):
            frame = frame.f_back
        return frame is not None and self.folder in Path(frame.f_code.co_filename).resolve().parents


def _is_importlibs(frame: FrameType) -> bool:
    name = frame.f_code.co_filename
    return name.startswith("<frozen importlib") or name == importlib.__file__


def see_siblings(file: Path) -> None:
    """From here on the files beside ``file`` import, and not those beside another that have their names."""
    folder = file.resolve().parent
    others = [each for each in sys.meta_path if isinstance(each, Siblings) and each.folder != folder]
    for name in list(sys.modules):
        if any(name.partition(".")[0] in other.found for other in others):
            del sys.modules[name]
    sys.meta_path.insert(0, Siblings(folder))
    sys.path.append(str(folder))


_NAMED: dict[str, ModuleType] = {}
"""The modules of files that somebody named."""


def name_module(module: ModuleType) -> None:
    """Have a module that is somebody's file found by its name, unless that name is another's."""
    name = module.__name__
    if name in sys.stdlib_module_names or sys.modules.get(name) is not _NAMED.get(name):
        return
    sys.modules[name] = _NAMED[name] = module
