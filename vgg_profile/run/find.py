"""A network that somebody names: a class, a function or a module, in a Python file or a package."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from vgg_profile.core.errors import InputError, did_you_mean, excerpt, kind, message
from vgg_profile.core.inputs import Input
from vgg_profile.core.printable import command_line
from vgg_profile.run.siblings import name_module, see_siblings
from vgg_profile.run.tensors import Loss

_PYTHON = re.compile(r"(?P<home>.+\.py|[A-Za-z_]\w*(?:\.\w+)*):(?P<name>[A-Za-z_]\w*)")


class Trainable(NamedTuple):
    """A module, or a function that builds it; its inputs and its loss, if somebody named them."""

    network: nn.Module | Callable[..., nn.Module]
    inputs: tuple[Input, ...]
    loss: Loss | None

    def built(self, batch: int, dtype: str) -> tuple[nn.Module, tuple[Input, ...], Loss | None]:
        """The network with weights, in a dtype; what it takes, and its loss."""
        network = self.network
        made = network if isinstance(network, nn.Module) else for_batch(network, batch)()
        return made.to(getattr(torch, dtype)), self.inputs, self.loss


BATCH = "batch"
"""The parameter by which a function that builds a network is told the batch."""


def for_batch(build: Callable[..., Any], batch: int) -> Callable[[], Any]:
    """A function that builds a network, for a batch: it is told, if it has a parameter ``batch``."""
    return partial(build, **{BATCH: batch}) if BATCH in _parameters(build) else build


def _parameters(function: Callable[..., Any]) -> Mapping[str, Parameter]:
    """A function's parameters by name; any, for one of C's that does not tell."""
    try:
        return signature(function).parameters
    except (TypeError, ValueError):
        return {"arguments": Parameter("arguments", Parameter.VAR_KEYWORD)}


def find(source: str, options: Sequence[str], inputs: tuple[Input, ...], loss: str | None) -> Trainable:
    """What ``FILE.py:NAME`` or ``package.module:NAME`` names; ``options`` are what it takes, ``name=value``.

    A function may return ``(module, inputs)`` or ``(module, inputs, loss)``: inputs are tensors whose
    dimension 0 is the batch, and hold unless ``inputs`` say otherwise. Raises ``InputError`` for what is no
    network, cannot be imported, takes other options, or has no inputs.
    """
    given = dict(map(_option, options))
    target = _named(source)
    network: Any
    if isinstance(target, nn.Module):
        if given:
            raise InputError(f"{source} is a network already: --with has nobody to go to.", "Leave it out.")
        network = target
    elif callable(target):
        _check_options(target, given, source)
        network = _builder(target, given, source)
    else:
        raise InputError(
            f"{source} is of type {type(target).__name__}, not a network nor what builds one.",
            "Name a class, a function, or an nn.Module.",
        )
    named = None if loss is None else _loss(loss)
    if not inputs and not isinstance(network, nn.Module):
        inputs, own = _described(for_batch(partial(target, **given), 1))
        named = named or own
    if not inputs:
        raise InputError(
            f"Nobody says what {source} is given.",
            "Give each input without the batch: --input 3x224x224, --input 128:int64<50257.",
        )
    return Trainable(network, inputs, named)


def _described(target: Callable[[], Any]) -> tuple[tuple[Input, ...], Loss | None]:
    """The inputs and the loss that a function returns beside its network; on the meta device."""
    try:
        with torch.device("meta"):
            made = target()
    except Exception:  # what it raises is told when it is traced
        return (), None
    if not isinstance(made, tuple) or len(made) < 2:
        return (), None
    tensors = [leaf for leaf in tree_leaves(made[1]) if isinstance(leaf, Tensor)]
    inputs = tuple(
        Input(
            tuple(each.shape[1:]),
            None if each.is_floating_point() else str(each.dtype).removeprefix("torch."),
        )
        for each in tensors
    )
    return inputs, _as_loss(made[2]) if len(made) > 2 else None


def _named(source: str) -> Any:
    """What a source names, whatever it is."""
    found = _PYTHON.fullmatch(source)
    if found is None:
        raise InputError(f"{excerpt(source)} names nothing in Python.", "Try FILE.py:NAME.")
    return _attribute(_import(found["home"], source), found["name"], source)


def _builder(target: Callable[..., Any], given: dict[str, Any], source: str) -> Callable[..., nn.Module]:
    """What builds the network; it takes a ``batch`` if the target does, and nobody has given it one."""
    if BATCH in _parameters(target) and BATCH not in given:
        return lambda batch: _network(target(**given, batch=batch), source)
    return lambda: _network(target(**given), source)


def _network(made: Any, source: str) -> nn.Module:
    """What a class or a function gave; raises ``InputError`` if it is no network."""
    if isinstance(made, tuple) and made:
        made = made[0]
    if not isinstance(made, nn.Module):
        raise InputError(f"{source} gives a {type(made).__name__}, not a network.", "Return an nn.Module.")
    return made


def _loss(name: str) -> Loss:
    loss = _named(name)
    if not callable(loss):
        raise InputError(
            f"The loss {name} is of type {type(loss).__name__}.", "Name a function of the output."
        )
    return _as_loss(loss)


def _as_loss(loss: Callable[..., Any]) -> Loss:
    """A function of the output, or of the output and the targets."""
    takes = len([each for each in signature(loss).parameters.values() if each.default is Parameter.empty])
    name = getattr(loss, "__name__", "a loss of your own")
    return Loss(loss if takes > 1 else lambda output, targets: loss(output), name)


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
    parameters = _parameters(target)
    takes_any = any(each.kind is Parameter.VAR_KEYWORD for each in parameters.values())
    for name in given:
        if name not in parameters and not takes_any:
            raise InputError(
                f"{source} takes no {excerpt(name)}.",
                did_you_mean(name, list(parameters), at_most=1, cutoff=0.6)
                + f"It takes: {', '.join(parameters)}.",
            )
    missing = [
        each.name
        for each in parameters.values()
        if each.default is Parameter.empty
        and each.name not in (*given, BATCH)
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
        return import_package(home)
    except InputError:
        raise
    except ModuleNotFoundError as error:
        package = (error.name or home).partition(".")[0]
        file = Path(*home.split(".")).with_suffix(".py")
        if not home.endswith(".py") and file.is_file():
            raise InputError(
                f"{source} names a package, and there is none, but the file {excerpt(str(file), 200)}.",
                f"Name it: {file}:{source.rpartition(':')[2]}.",
            ) from None
        raise InputError(
            f"{source} cannot be imported: there is no package {excerpt(error.name or home)}.",
            f"If it can be installed: `{command_line([sys.executable, '-m', 'pip', 'install', package])}`.",
        ) from error
    except SystemExit as error:
        raise InputError(
            f"{source} exits while it is imported.", "Guard what it runs by __name__."
        ) from error
    except Exception as error:
        raise InputError(
            f"{source} raises {kind(error)} while it is imported: {excerpt(message(error), 200)}.",
            "Run the file with Python, and fix it there.",
        ) from error


def _from_file(path: Path) -> Any:
    if not path.is_file():
        raise InputError(f"There is no file {excerpt(str(path), 200)}.", "Check the path.")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    see_siblings(path)
    name_module(module)
    spec.loader.exec_module(module)
    return module


def _attribute(module: Any, name: str, source: str) -> Any:
    try:
        return getattr(module, name)
    except AttributeError:
        names = [each for each in dir(module) if not each.startswith("_")]
        raise InputError(
            f"{source} names nothing: there is no {excerpt(name)}.",
            did_you_mean(name, names, at_most=3, cutoff=0.6).rstrip() or "Check the name.",
        ) from None


def import_package(home: str) -> Any:
    """Import a module by its name; raises ``ImportError`` where it is not installed."""
    if home.partition(".")[0] == "torchvision":
        _declare_torchvisions_operators()
    return importlib.import_module(home)


def _declare_torchvisions_operators() -> None:
    """Beside a PyTorch for the CPU alone, torchvision imports once its operators in C++ are declared."""
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
