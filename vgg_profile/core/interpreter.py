"""Another Python that runs a module of ours: of this very package, and with nothing from where it starts."""

from __future__ import annotations

import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]

_START = f"""
import runpy, sys
from importlib.util import module_from_spec, spec_from_file_location

spec = spec_from_file_location({_ROOT.name!r}, {str(_ROOT / "__init__.py")!r})
sys.modules[spec.name] = module_from_spec(spec)
spec.loader.exec_module(sys.modules[spec.name])
runpy.run_module(sys.argv[1], run_name="__main__", alter_sys=True)
"""


def python(module: str) -> list[str]:
    """The words that run a module, whatever lies in the folder they are called in.

    ``python -m`` would look there first: a ``random.py`` in it would be run in the place of Python's own, and
    another copy of this package in the place of this one.
    """
    return [sys.executable, "-P", "-c", _START, module]
