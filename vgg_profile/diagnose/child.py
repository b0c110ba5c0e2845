"""Reads a model from a file, in a process of its own: runs the file, finds the layers, writes them as JSON.

``python -m vgg_profile.diagnose.child FILE NAME 3x224x224 ANSWER`` is what ``draft.read`` starts. The model
is built on the meta device, where shapes need no memory, and its ``forward`` is traced by ``torch.fx`` with
symbols for tensors, which no clash of shapes can stop.
"""

from __future__ import annotations

import difflib
import inspect
import io
import json
import linecache
import operator
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from vgg_profile.diagnose.draft import Draft, Silent
from vgg_profile.diagnose.written import Written
from vgg_profile.errors import InputError, excerpt

_CONTAINERS = frozenset(("Module", "Sequential", "ModuleList", "ModuleDict"))

_Births = list[tuple[nn.Module, int | None]]
"""Every module in the order in which they were made, with the line of the file that made it."""


def main() -> None:
    """Write what is found, or what is wrong, as JSON; then end at once, whatever the file left running."""
    file, name, size, answer = sys.argv[1:]
    sys.argv = [file]
    try:
        shape = tuple(map(int, size.split("x")))
        content = inspect_model(Path(file), name, shape).to_dict()
    except InputError as error:
        content = {"problem": error.problem, "next_step": error.next_step}
    Path(answer).write_text(json.dumps(content))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def inspect_model(path: Path, name: str, shape: tuple[int, ...]) -> Draft:
    """Run a file and read the model that ``name`` is there; raises ``InputError`` for what prevents it."""
    births: _Births = []
    with _noting(path, births):
        model, silent = _on_meta_if_possible(path, lambda: _build(path, name, births))
    lines = {id(module): line for module, line in births}
    if not any(model.children()):
        model = nn.Sequential(model)
    try:
        graph = _Tracer().trace(model)
    except (AttributeError, NameError, ImportError) as error:
        raise _explained(error, path) from None
    except Exception as error:
        why = str(error).partition("\n")[0] or type(error).__name__
        remark = (
            f"forward could not be traced ({excerpt(why, 120)}): "
            "the layers stand in the order in which they were registered."
        )
        return Draft(tuple(_registered(model, lines)), silent, None, (remark,))
    chain, returned = _chain(graph, path)
    if not returned:
        silent += (Silent(f"{_shown(type(model).__name__)}.forward", _line_of(chain[-1], path)),)
    layers = tuple(layer for node in chain for layer in _layers(node, model, lines, path))
    return Draft(layers, silent, _failure(model, shape, path), tuple(_unused(graph, model)))


# -- the file


@contextmanager
def _noting(path: Path, births: _Births) -> Iterator[None]:
    """Note every module that is made meanwhile."""
    initialise = nn.Module.__init__

    def noted(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        initialise(self, *args, **kwargs)
        births.append((self, _innermost(sys._getframe(1), path)))

    nn.Module.__init__ = noted  # type: ignore[method-assign]
    try:
        yield
    finally:
        nn.Module.__init__ = initialise  # type: ignore[method-assign]


def _innermost(frame: FrameType | None, path: Path) -> int | None:
    """The line of the file that is being run in a frame or its callers."""
    while frame is not None and frame.f_code.co_filename != str(path):
        frame = frame.f_back
    return frame and frame.f_lineno


_Found = tuple[nn.Module, tuple[Silent, ...]]


def _on_meta_if_possible(path: Path, build: Callable[[], _Found]) -> _Found:
    """Build without memory; a file that asks for a tensor's values is run again with memory."""
    for device in ("meta", "cpu"):
        try:
            with torch.device(device):
                return build()
        except InputError:
            raise
        except BaseException as error:
            if device == "cpu" or "meta" not in str(error):
                raise _explained(error, path) from None
    raise AssertionError("the second device returns or raises")


def _build(path: Path, name: str, births: _Births) -> _Found:
    """The model that a name of the file is, makes or returns."""
    namespace = _run(path)
    if name not in namespace:
        raise _unknown(path, name, namespace)
    subject = namespace[name]
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
        model = _last_built([module for module, _ in births[before:]])
        return model, (Silent(name, next((line for module, line in births if module is model), None)),)
    if not isinstance(made, nn.Module):
        what = "nothing, and builds no module" if made is None else f"an object of type {type(made).__name__}"
        raise InputError(
            f"{name}() in {path} returns {what}.",
            "Let it return an nn.Module, such as nn.Sequential(*layers).",
        )
    return made, ()


def _run(path: Path) -> dict[str, Any]:
    """Run the file as ``python FILE`` would, but not as the main program."""
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    sys.path.insert(0, str(path.resolve().parent))
    sys.modules.setdefault(path.stem, module)
    exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    return module.__dict__


def _unknown(path: Path, name: str, namespace: Mapping[str, Any]) -> InputError:
    stem = path.stem
    models = [
        known
        for known, value in namespace.items()
        if isinstance(value, nn.Module) or (callable(value) and getattr(value, "__module__", "") == stem)
    ]
    close = difflib.get_close_matches(name, models, n=2, cutoff=0.5)
    hint = f"Did you mean {' or '.join(close)}? " if close else ""
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


# -- what went wrong, at its line


def _explained(error: BaseException, path: Path) -> InputError:
    """An exception of the file as one paragraph: where, what Python says and suggests, and the line."""
    where, line = _place(error, path)
    if isinstance(error, SystemExit):
        return InputError(
            f"Running {where} ended in sys.exit({'' if error.code is None else excerpt(error.code)}).",
            'Move what ends the program under `if __name__ == "__main__":`.',
        )
    if isinstance(error, ModuleNotFoundError):
        return InputError(f"{where} needs a package that is not here: {error}.", "Install it and try again.")
    shown = f" The line reads `{excerpt(line, 200)[1:-1]}`." if line else ""
    return InputError(f"{where}: {_in_pythons_words(error)}{shown}", "Mend it and try again.")


def _shown(text: object) -> str:
    """A name of the file's own making, printable whatever it holds."""
    return str(text) if str(text).isprintable() else ascii(str(text))[1:-1]


def _place(error: BaseException, path: Path) -> tuple[str, str]:
    """Where an exception comes from, ``model.py, line 3``, and the text of that line."""
    if isinstance(error, SyntaxError) and error.filename:
        file, number = error.filename, error.lineno
    else:
        file, number, trace = str(path), None, error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == str(path):
                number = trace.tb_lineno
            trace = trace.tb_next
    if number is None:
        return _shown(file), ""
    return f"{_shown(file)}, line {number}", linecache.getline(file, number).strip()


def _in_pythons_words(error: BaseException) -> str:
    """Type, message and suggestion, as Python prints them at the end of a traceback."""
    with redirect_stderr(io.StringIO()) as printed:
        sys.__excepthook__(type(error), error, error.__traceback__)
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    suggestion = printed.getvalue().rpartition(message)[2].strip(" .\n") if message else ""
    text = f"{type(error).__name__}: {message}" if message else type(error).__name__
    first = excerpt(text.partition("\n")[0].rstrip("."), 400)[1:-1]
    stop = "" if first.endswith("?") else "."
    return f"{first}{stop} {suggestion}".rstrip()


# -- the layers


class _Tracer(fx.Tracer):
    """Records the calls of ``forward``; every layer of ``torch.nn``, or derived from one, is one call."""

    record_stack_traces = True

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return _name(m) not in _CONTAINERS


def _class(module: nn.Module) -> type[nn.Module]:
    """The class of ``torch.nn`` that a module is of, or derives from."""
    return next(each for each in type(module).__mro__ if each.__module__.startswith("torch.nn."))


def _name(module: nn.Module) -> str:
    return _class(module).__name__


def _chain(graph: fx.Graph, path: Path) -> tuple[list[fx.Node], bool]:
    """The calls from input to output in order, and whether the last one's result is returned.

    Raises ``InputError`` where two tensors join: such a model is no chain of layers.
    """
    *nodes, output = graph.nodes
    last = output.args[0]
    returned = last is not None
    if not returned:
        last = next((node for node in reversed(nodes) if not node.users), None)
    chain = []
    while isinstance(last, fx.Node) and last.op != "placeholder":
        source = last.args[0] if last.args else last.kwargs.get("input")
        joined = [node for node in last.all_input_nodes if node is not source]
        if last.op == "get_attr" or (joined and last.target not in ("view", "reshape")):
            raise _no_chain(last, path)
        chain.append(last)
        last = source
    if not isinstance(last, fx.Node) or not chain:
        raise InputError(
            "forward does not lead from its input to one tensor through any layer.",
            "Diagnose a chain of layers, such as VGG's.",
        )
    return chain[::-1], returned


def _no_chain(node: fx.Node, path: Path) -> InputError:
    line = _line_of(node, path)
    what = getattr(node.target, "__name__", node.target)
    return InputError(
        f"{path}{f', line {line}' if line else ''}: forward calls {excerpt(str(what))}, "
        "which is no step of a chain of layers that is known here.",
        "Diagnose a chain such as VGG's: convolutions, norms, activations, pools, flatten, linear layers.",
    )


def _line_of(node: fx.Node, path: Path) -> int | None:
    """The line of the file that makes a call in ``forward``."""
    lines = re.findall(rf'File "{re.escape(str(path))}", line (\d+)', node.stack_trace or "")
    return int(lines[-1]) if lines else None


_POOL = ("kernel_size", "stride", "padding")

_FUNCTIONS: dict[Any, tuple[str, tuple[str, ...]]] = {
    functional.max_pool2d: ("MaxPool2d", (*_POOL, "dilation", "ceil_mode", "return_indices")),
    torch.max_pool2d: ("MaxPool2d", (*_POOL, "dilation", "ceil_mode")),
    functional.avg_pool2d: ("AvgPool2d", (*_POOL, "ceil_mode", "count_include_pad", "divisor_override")),
    functional.adaptive_avg_pool2d: ("AdaptiveAvgPool2d", ("output_size",)),
    functional.adaptive_max_pool2d: ("AdaptiveMaxPool2d", ("output_size", "return_indices")),
    functional.dropout: ("Dropout", ("p", "training", "inplace")),
    functional.dropout2d: ("Dropout2d", ("p", "training", "inplace")),
    functional.local_response_norm: ("LocalResponseNorm", ("size", "alpha", "beta", "k")),
    functional.leaky_relu: ("LeakyReLU", ("negative_slope", "inplace")),
    functional.elu: ("ELU", ("alpha", "inplace")),
    functional.gelu: ("GELU", ("approximate",)),
    functional.silu: ("SiLU", ("inplace",)),
    functional.softmax: ("Softmax", ("dim",)),
    functional.log_softmax: ("LogSoftmax", ("dim",)),
    **dict.fromkeys((functional.relu, torch.relu, torch.relu_, "relu", "relu_"), ("ReLU", ("inplace",))),
    **dict.fromkeys((functional.sigmoid, torch.sigmoid, "sigmoid"), ("Sigmoid", ())),
    **dict.fromkeys((functional.tanh, torch.tanh, "tanh"), ("Tanh", ())),
    **dict.fromkeys((torch.softmax, "softmax"), ("Softmax", ("dim",))),
    **dict.fromkeys((torch.flatten, "flatten"), ("Flatten", ("start_dim", "end_dim"))),
}
"""Functions that do what a module does, and what their arguments after the tensor are called."""

_RESHAPING = ("view", "reshape")
_IDLE = ("contiguous", "clone", "float")


def _layers(node: fx.Node, model: nn.Module, lines: dict[int, int | None], path: Path) -> Iterator[Written]:
    """The layer that a call stands for; none if it changes nothing that a shape knows of."""
    line = _line_of(node, path)
    given = node.args[1:]
    if node.op == "call_module":
        module = model.get_submodule(str(node.target))
        yield _written(module, str(node.target), lines)
    elif node.target in _FUNCTIONS:
        name, names = _FUNCTIONS[node.target]
        defaults = {"start_dim": 0} if name == "Flatten" else {}  # the module's is 1
        arguments = {**defaults, **dict(zip(names, given, strict=False)), **node.kwargs}
        yield Written(name, _telling(getattr(nn, name), arguments), "forward", line)
    elif node.target in _RESHAPING and len(sizes := _sizes(given)) == 2:
        batch, row = sizes
        if isinstance(row, int) and (row == -1 or batch == -1 or isinstance(batch, fx.Node)):
            yield Written("Flatten", {} if row == -1 else {"row": row}, "forward", line)
        else:
            raise _no_chain(node, path)
    elif node.target not in _IDLE:
        raise _no_chain(node, path)


def _sizes(given: tuple[Any, ...]) -> tuple[Any, ...]:
    """``view(a, b)`` is ``view((a, b))``."""
    return tuple(given[0]) if len(given) == 1 and isinstance(given[0], (tuple, list)) else given


def _written(module: nn.Module, path: str, lines: dict[int, int | None]) -> Written:
    arguments = {
        name: getattr(module, name)
        for name in inspect.signature(_class(module)).parameters
        if hasattr(module, name)
    }
    if "bias" in arguments:
        arguments["bias"] = arguments["bias"] is not None
    return Written(_name(module), _telling(_class(module), arguments), _shown(path), lines.get(id(module)))


def _telling(kind: type[nn.Module], arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments that differ from the defaults, in the order of the class, as JSON can hold them."""
    telling = {}
    for name, parameter in inspect.signature(kind).parameters.items():
        value = _plain(arguments.get(name, parameter.default))
        if name == "padding" and value == "same":
            value = _same_padding(arguments)
        if name == "padding" and value == "valid":
            value = 0
        if name == "stride" and value is None:
            value = _plain(arguments["kernel_size"])  # a pool's own default
        if name not in ("device", "dtype") and value != _plain(parameter.default):
            telling[name] = value
    return telling


def _plain(value: Any) -> Any:
    """A pair of equals as one number, a tuple as a list, a whole number of any make as an ``int``."""
    if isinstance(value, (tuple, list)):
        values = [_plain(each) for each in value]
        return values[0] if values and all(each == values[0] for each in values) else values
    if value is None or isinstance(value, (bool, float, str)):
        return value
    try:
        return operator.index(value)
    except TypeError:
        return value if value is inspect.Parameter.empty else str(value)


def _same_padding(arguments: dict[str, Any]) -> Any:
    kernel, dilation = _plain(arguments["kernel_size"]), _plain(arguments.get("dilation", 1))
    if isinstance(kernel, int) and isinstance(dilation, int) and dilation * (kernel - 1) % 2 == 0:
        return dilation * (kernel - 1) // 2
    return "same"


def _registered(model: nn.Module, lines: dict[int, int | None]) -> Iterator[Written]:
    for path, module in model.named_modules():
        is_own = _name(module) == "Module" and not any(module.children())
        if is_own or _name(module) not in _CONTAINERS:
            yield _written(module, path, lines)


def _unused(graph: fx.Graph, model: nn.Module) -> Iterator[str]:
    called = {id(model.get_submodule(str(node.target))) for node in graph.nodes if node.op == "call_module"}
    for path, module in model.named_modules():
        if _name(module) not in _CONTAINERS and id(module) not in called:
            yield f"{_shown(path)}, a {_name(module)}, is registered and never called."


def _failure(model: nn.Module, shape: tuple[int, ...], path: Path) -> str | None:
    """What PyTorch says when it runs the model on two images that need no memory."""
    try:
        with torch.no_grad():
            model.to("meta")(torch.empty(2, *shape, device="meta"))
    except Exception as error:
        if "meta" in str(error):
            return None  # it asks for values; that is no defect
        where, _ = _place(error, path)
        return f"{where}: {_in_pythons_words(error)}"
    return None


if __name__ == "__main__":
    main()
