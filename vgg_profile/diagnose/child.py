"""Reads a model from a file, in a process of its own: runs the file, finds the layers, answers in JSON.

``keeper`` runs this in a process that it has set apart. The model is built and run on the meta device, where
shapes need no memory; ``run`` notes what it calls, ``examine`` says what comes of that. Whatever the file
raises, and whatever it has done to Python meanwhile, there is an answer.
"""

from __future__ import annotations

import inspect
import io
import sys
import tokenize
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from os import _exit, write
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from vgg_profile.core.errors import InputError, did_you_mean, excerpt
from vgg_profile.diagnose.calls import is_layer
from vgg_profile.diagnose.draft import PREFIX, READY, Defect, Draft, Kind, Written, encode, read_wanted
from vgg_profile.diagnose.examine import examine
from vgg_profile.diagnose.given import as_input, images_wanted, unwrapped
from vgg_profile.diagnose.modules import Births, ModulePaths
from vgg_profile.diagnose.trouble import asks_for_values, error_line, explained, in_pythons_words, shown
from vgg_profile.diagnose.words import Subject
from vgg_profile.run.siblings import name_module, see_siblings


def main(request: Mapping[str, Any], answer: int) -> None:
    """Send what is found, or what is wrong, and end at once, whatever the file left running."""
    write(answer, READY)
    sys.argv = [request["file"]]
    sys.dont_write_bytecode = True  # what lies beside the file stays as it is
    see_siblings(Path(request["file"]))
    found = answered(request)
    with suppress(BaseException):  # they may be the file's own by now
        sys.stdout.flush()
        sys.stderr.flush()
    _send(found.encode(), answer)
    _exit(0)


def answered(request: Mapping[str, Any]) -> str:
    """What there is to answer, whatever the file raises: every exception is its own, or comes of it."""
    path = Path(request["file"])
    wanted, label = read_wanted(request["like"]) if request["like"] else ((), "")
    try:
        return encode(inspect_model(path, request["name"], tuple(request["shape"]), wanted, label))
    except BaseException as error:
        return encode(error if isinstance(error, InputError) else _untold(error, path))


def _untold(error: BaseException, path: Path) -> InputError:
    """What nobody has words for: an end, or an exception that came of what the file is."""
    try:
        return explained(error, path)
    except BaseException:
        return InputError(
            f"{shown(path)} raises an exception that cannot be told: what it says raises another.",
            "Fix its __str__, or raise another.",
        )


def _send(content: bytes, answer: int) -> None:
    """Write an answer after its length."""
    waiting = memoryview(len(content).to_bytes(PREFIX, "big") + content)
    while waiting:
        waiting = waiting[write(answer, waiting) :]


def inspect_model(
    path: Path, name: str, shape: tuple[int, ...], wanted: Sequence[Written] = (), label: str = ""
) -> Draft:
    """Run a file and examine the model that ``name`` is there; raises ``InputError`` for what prevents it.

    ``wanted`` are the layers of the config ``label`` that it is set against. A file, or a ``forward``, that
    asks for a tensor's values is run again with memory.
    """
    for device in ("meta", "cpu"):
        births = Births()
        try:
            with births.noting(path), torch.device(device):
                return _examined(path, name, births, device, shape, wanted, label)
        except InputError:
            raise
        except Exception:
            if device == "cpu":
                raise
    raise AssertionError("the second device returns or raises")


def _examined(
    path: Path,
    name: str,
    births: Births,
    device: str,
    shape: tuple[int, ...],
    wanted: Sequence[Written],
    label: str,
) -> Draft:
    namespace = _run(path, device)
    try:
        model, silent = _made(path, name, namespace, births)
    except (InputError, SystemExit) as error:
        raise error if isinstance(error, InputError) else explained(error, path) from None
    except Exception as error:
        if device == "meta":
            raise  # what cannot be made without values may be made with them
        return _unmade(error, path, name, namespace)
    model = unwrapped(model, path)
    if is_layer(model):
        model = nn.Sequential(model)
    shape = as_input(model, shape)
    subject = Subject(model.to(device), births, ModulePaths(model), path, device, images_wanted(model))
    draft = examine(subject, shape, wanted, label)
    return replace(draft, input=shape, images=subject.takes, defects=(*silent, *draft.defects))


def _unmade(error: Exception, path: Path, name: str, namespace: Mapping[str, Any]) -> Draft:
    """A model that PyTorch, or Python, does not let be made: one defect, at its line."""
    refusal, line = explained(error, path), error_line(error, path)
    kind = namespace.get(name.partition(".")[0])
    if line is None or (kind is not None and line == getattr(kind, "__firstlineno__", None)):
        code = getattr(getattr(kind, "__init__", kind), "__code__", None)
        line = code.co_firstlineno if code else line
    found, fits = in_pythons_words(error), "what PyTorch and Python run"
    defect = Defect(f"{name}()", "", line, Kind.DOES_NOT_RUN, found, fits, refusal.next_step)
    past = f"What follows{f' line {line}' if line else ''} could not be examined."
    return Draft((), (defect,), is_chain=False, refused=found, stopped=past)


# -- the file


_Found = tuple[nn.Module, tuple[Defect, ...]]


def _made(path: Path, name: str, namespace: dict[str, Any], births: Births) -> _Found:
    """The model that a name of the file is, makes or returns."""
    first, *inner = name.split(".")
    if first not in namespace:
        raise _unknown(path, name, namespace)
    subject = namespace[first]
    for each in inner:
        if not hasattr(subject, each):
            raise _unknown(path, name, {f"{first}.{own}": getattr(subject, own) for own in dir(subject)})
        first, subject = f"{first}.{each}", getattr(subject, each)
    if isinstance(subject, nn.Module):
        return subject, ()
    is_class = isinstance(subject, type)
    if not callable(subject) or (is_class and not issubclass(subject, nn.Module)):
        what = "a class, but no nn.Module" if is_class else f"of type {type(subject).__name__}"
        raise InputError(
            f"{name} in {path} is {what}.",
            "Name an nn.Module class, a function that returns a module, or a module.",
        )
    _check_needs_nothing(path, name, subject)
    before = len(births)
    made = subject()
    if made is None and len(births) > before:
        model = _last_built(births.since(before))
        found, fits = "a module is built and dropped", "what it makes is returned"
        line = births.line(model)
        return model, (Defect(f"{name}()", "", line, Kind.SILENT, found, fits, "put `return` before it"),)
    if not isinstance(made, nn.Module):
        what = "nothing, and builds no module" if made is None else f"an object of type {type(made).__name__}"
        raise InputError(
            f"{name}() in {path} returns {what}.",
            "Let it return an nn.Module, such as nn.Sequential(*layers).",
        )
    return made, ()


def _run(path: Path, device: str) -> dict[str, Any]:
    """Run the file as ``python FILE`` would, but not as the main program; refused at its line."""
    try:
        return _namespace(path)
    except InputError:
        raise
    except BaseException as error:
        if device == "meta" and asks_for_values(error):
            raise
        raise explained(error, path) from None


def _namespace(path: Path) -> dict[str, Any]:
    _check_is_text(path)
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    name_module(module)
    exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    return module.__dict__


def _check_is_text(path: Path) -> None:
    """Refuse what Python refuses from a file, though not from memory: an encoding that is not named."""
    content = path.read_bytes()
    encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    try:
        content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(
            f"{shown(path)}, line {line}: SyntaxError: the file is not in {encoding}, and names no other.",
            "Save it as UTF-8, or name its encoding in its first line: # -*- coding: latin-1 -*-",
        ) from None


def _unknown(path: Path, name: str, namespace: Mapping[str, Any]) -> InputError:
    stem = path.stem
    models = [
        known
        for known, value in namespace.items()
        if isinstance(value, nn.Module) or (callable(value) and getattr(value, "__module__", "") == stem)
    ]
    hint = did_you_mean(name, models, at_most=2)
    has = f"It has {', '.join(models[:10])}." if models else "It has no class, function or module of its own."
    return InputError(f"{path} has nothing named {excerpt(name)}.", hint + has)


def _check_needs_nothing(path: Path, name: str, subject: Callable[[], object]) -> None:
    try:
        inspect.signature(subject).bind()
    except TypeError as error:
        raise InputError(
            f"{name} in {path} cannot be called without arguments: {error}.",
            f"Write a function without arguments that returns {name}(…), and diagnose that.",
        ) from None
    except ValueError:
        return  # it has no signature to read


def _last_built(modules: list[nn.Module]) -> nn.Module:
    """What a silent function seems to mean: its last container, or else all that it made, in order."""
    inner = {id(child) for module in modules for child in module.modules() if child is not module}
    roots = [module for module in modules if id(module) not in inner]
    containers = [module for module in roots if any(module.children())]
    return containers[-1] if containers else nn.Sequential(*roots)
