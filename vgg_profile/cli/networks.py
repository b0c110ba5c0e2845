"""What a command line may name beside a VGG: a network in a Python file or package, or a traced one."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vgg_profile.cli.program import undivided
from vgg_profile.core.errors import InputError, did_you_mean, excerpt
from vgg_profile.core.inputs import Input
from vgg_profile.core.setting import Setup
from vgg_profile.core.step import Step, as_traced
from vgg_profile.core.tree import Profile

if TYPE_CHECKING:
    from torch import nn

_PYTHON = re.compile(r"(?P<home>.+\.py|[A-Za-z_]\w*(?:\.\w+)*):(?P<name>[A-Za-z_]\w*)")


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
    with undivided():
        from vgg_profile.predict.fake.trace import trace
    network, inputs, loss = _found(source, asked)

    def run(setup: Setup) -> Step:
        with redirect_stdout(sys.stderr):  # a network that prints does not print into the result
            return trace(
                network,
                inputs,
                loss=loss,
                batch=batch,
                dtype=asked.dtype or "float32",
                setup=setup,
                probe=asked.probe,
                name=source.rpartition(":")[2],
                source=source,
            )

    return as_traced(run(setup), run, partial(_built, network, inputs, loss))


def _built(network: Any, inputs: tuple[Input, ...], loss: Any) -> tuple[nn.Module, tuple[Input, ...], Any]:
    """The network itself, built with real weights, what it takes, and its loss; for measuring."""
    from torch import nn

    from vgg_profile.run.tensors import Loss

    model: nn.Module = network if isinstance(network, nn.Module) else network()
    return model, inputs, None if loss is None else Loss(loss, "a loss of your own")


def _found(source: str, asked: Asked) -> tuple[Any, tuple[Input, ...], Any]:
    """The module, or a function that builds it; its inputs; its loss or ``None``."""
    found = _PYTHON.fullmatch(source)
    assert found is not None
    given = dict(map(_option, asked.given))
    target = _attribute(_import(found["home"], source), found["name"], source)
    from torch import nn

    if isinstance(target, nn.Module):
        if given:
            raise InputError(f"{source} is a network already: --with has nobody to go to.", "Leave it out.")
        network: Any = target
    elif callable(target):
        _check_options(target, given, source)
        network = partial(_call, target, given, source)
    else:
        raise InputError(
            f"{source} is a {type(target).__name__}, not a network nor what builds one.",
            "Name a class, a function, or an nn.Module.",
        )
    inputs = tuple(Input.parse(each, asked.batch_dim) for each in asked.inputs)
    if not inputs:
        raise InputError(
            f"Nobody says what {source} is given.",
            "Give each input without the batch: --input 3x224x224, --input 128:int64<50257.",
        )
    return network, inputs, None if asked.loss is None else _loss(asked.loss)


def _call(target: Callable[..., Any], given: dict[str, Any], source: str) -> Any:
    """What a class or a function gives; raises ``InputError`` if it is no network."""
    from torch import nn

    made = target(**given)
    if not isinstance(made, nn.Module):
        raise InputError(f"{source} gives a {type(made).__name__}, not a network.", "Return an nn.Module.")
    return made


def _loss(name: str) -> Callable[[Any, Any], Any]:
    found = _PYTHON.fullmatch(name)
    if found is None:
        raise InputError(f"The loss {excerpt(name)} names no function.", "Try --loss FILE.py:NAME.")
    loss = _attribute(_import(found["home"], name), found["name"], name)
    if not callable(loss):
        raise InputError(f"The loss {name} is a {type(loss).__name__}.", "Name a function of the output.")
    takes = len([each for each in signature(loss).parameters.values() if each.default is Parameter.empty])
    return loss if takes > 1 else lambda output, targets: loss(output)


def _option(text: str) -> tuple[str, Any]:
    """``name=value``: a number, a truth, a tuple as Python writes it, else a text."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise InputError(f"{excerpt(text)} is no name=value.", "Try --with layers=4.")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def _check_options(target: Callable[..., Any], given: dict[str, Any], source: str) -> None:
    """Refuse options that a function does not take, and those missing that it needs."""
    try:
        parameters = signature(target).parameters
    except (TypeError, ValueError):
        return
    takes_any = any(each.kind is Parameter.VAR_KEYWORD for each in parameters.values())
    for name in given:
        if name not in parameters and not takes_any:
            raise InputError(
                f"{source} takes no {excerpt(name)}.",
                did_you_mean(name, list(parameters), at_most=1, cutoff=0.6) + f"It takes: {', '.join(parameters)}.",
            )
    missing = [
        each.name
        for each in parameters.values()
        if each.default is Parameter.empty
        and each.name not in given
        and each.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    ]
    if missing:
        raise InputError(
            f"{source} needs {', '.join(missing)}.",
            f"Give it: {' '.join(f'--with {name}=VALUE' for name in missing)}.",
        )


def _import(home: str, source: str) -> Any:
    """The module of a file or a package; whatever that raises is said in one line."""
    try:
        if home.endswith(".py"):
            return _from_file(Path(home))
        _declare_torchvisions_operators(home)
        return importlib.import_module(home)
    except InputError:
        raise
    except ModuleNotFoundError as error:
        raise InputError(
            f"{source} cannot be imported: there is no package {excerpt(error.name or home)}.",
            f"Install it for this Python: {sys.executable} -m pip install …",
        ) from error
    except SystemExit as error:
        raise InputError(
            f"{source} exits while it is imported.", "Guard what it runs by __name__."
        ) from error
    except Exception as error:
        raise InputError(
            f"{source} raises {type(error).__name__} while it is imported: {excerpt(str(error), 200)}.",
            "Run the file with Python, and mend it there.",
        ) from error


def _from_file(path: Path) -> Any:
    if not path.is_file():
        raise InputError(f"There is no file {excerpt(str(path), 200)}.", "Check the path.")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent.resolve()))
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _attribute(module: Any, name: str, source: str) -> Any:
    try:
        return getattr(module, name)
    except AttributeError:
        names = [each for each in dir(module) if not each.startswith("_")]
        raise InputError(
            f"{source} names nothing: there is no {excerpt(name)}.",
            did_you_mean(name, names, at_most=3, cutoff=0.6) or "Check the name.",
        ) from None


def _declare_torchvisions_operators(home: str) -> None:
    """Beside a PyTorch for the CPU alone, torchvision imports once its operators in C++ are declared."""
    if home.partition(".")[0] != "torchvision":
        return
    import torch

    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        for name in [each for each in sys.modules if each.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library: Any = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _KEPT.append(library)


_KEPT: list[Any] = []
"""Declarations last as long as the library that made them."""
