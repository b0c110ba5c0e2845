"""What a command line may name beside a VGG: a network in a Python file or package, or a traced one."""

from __future__ import annotations

import re
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vgg_profile.cli.program import undivided
from vgg_profile.core.errors import InputError
from vgg_profile.core.inputs import Input
from vgg_profile.core.setting import Setup
from vgg_profile.core.tree import Profile

if TYPE_CHECKING:
    from vgg_profile.core.step import Step

_PYTHON = re.compile(r".+:[A-Za-z_]\w*")


def is_python(source: str) -> bool:
    """Whether a source names something in a Python file or package: ``my/net.py:UNet``."""
    return _PYTHON.fullmatch(source) is not None


def is_trace_file(source: str) -> bool:
    """Whether a source is a file that ``vgg-profile trace`` wrote."""
    if not source.endswith(".json"):
        return False
    from vgg_profile.predict.traced import is_trace

    return is_trace(Path(source))


@dataclass(frozen=True, slots=True)
class Asked:
    """What a command line says of any network beside its name."""

    inputs: tuple[str, ...] = ()
    loss: str | None = None
    given: tuple[str, ...] = ()
    batch_dim: int = 0
    dtype: str = ""
    probe: bool = True
    is_about_setup: bool = False
    """Whether the command line says how the step is run; else a traced one is taken as it is."""


def open_trace(source: str, asked: Asked, batch: int | None) -> Profile:
    """A traced network at a batch, its own if none is named.

    Raises ``InputError`` for a setting that was not traced.
    """
    from vgg_profile.core.step import as_traced
    from vgg_profile.predict.traced import load

    step = load(Path(source))
    network, setting = step.profile.config, step.setting
    again = f"Trace it again: `vgg-profile trace {network.facts['source']} … -o {source}`."
    if asked.inputs:
        wanted = tuple(Input.parse(each, asked.batch_dim) for each in asked.inputs)
        if [each.shape for each in wanted] != [tuple(each["shape"]) for each in network.heading["inputs"]]:
            raise InputError(f"{network.label} was traced with another input.", again)
    if asked.dtype not in ("", setting.dtype):
        raise InputError(f"{network.label} was traced in {setting.dtype}, not in {asked.dtype}.", again)
    at_batch = step if batch is None else step.at(batch)
    return as_traced(at_batch, None if asked.is_about_setup else lambda setup: at_batch)


def open_python(source: str, asked: Asked, setup: Setup, batch: int) -> Profile:
    """A network of a Python file or package, traced; raises ``InputError`` for what cannot be."""
    from vgg_profile.core.step import as_traced

    with undivided():
        from vgg_profile.predict.fake.trace import trace
        from vgg_profile.run.find import find
    inputs = tuple(Input.parse(each, asked.batch_dim) for each in asked.inputs)
    found = find(source, asked.given, inputs, asked.loss)

    def run(setup: Setup) -> Step:
        with redirect_stdout(sys.stderr):  # a network that prints does not print into the result
            return trace(
                found.network,
                found.inputs,
                loss=found.loss,
                batch=batch,
                dtype=asked.dtype or "float32",
                setup=setup,
                probe=asked.probe,
                name=source.rpartition(":")[2],
                source=source,
            )

    return as_traced(run(setup), run, found.built)
