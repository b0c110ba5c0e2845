"""Runs a model and notes every call that its ``forward`` makes, in order, each at its line.

The model runs on images of the meta device, which have a shape and no values: layers of ``torch.nn`` are
noted as they are called, functions as PyTorch dispatches them. A layer that does not fit is answered for as
if mended, so no clash of shapes ends the run, and whatever Python ``forward`` holds is simply run.
"""

from __future__ import annotations

import ast
import difflib
import inspect
import linecache
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from vgg_profile.core import units
from vgg_profile.core.errors import InputError, excerpt
from vgg_profile.core.sizes import Shape
from vgg_profile.diagnose.calls import class_name, has_own_forward, is_layer, of_function, of_module
from vgg_profile.diagnose.defects import Defect, Fault, Kind
from vgg_profile.diagnose.draft import Draft
from vgg_profile.diagnose.trouble import in_pythons_words, innermost, shown
from vgg_profile.diagnose.walk import check_known, gone_through
from vgg_profile.diagnose.written import KNOWN, Family, Written

IMAGES = 7
"""How many images a model is tried with: a number that nobody has written into a ``view``."""

Births = dict[int, tuple[nn.Module, int | None]]
"""Every module in the order in which they were made, by ``id``, with the line of the file that made it."""


@dataclass(eq=False)
class Call:
    """One call on what the image became: what was called, where, and which layers it stands for, if known."""

    what: str
    line: int | None
    layers: tuple[Written, ...] | None
    source: Call | None
    joins: bool
    arriving: Shape
    module: nn.Module | None = None
    fits: bool = True
    is_used: bool = False


def record(model: nn.Module, shape: Shape, births: Births, path: Path, device: str) -> Draft:
    """Run a model on images (C, H, W) and say what it called.

    Raises ``InputError`` where no chain of layers leads from the images to what is returned, and whatever
    ``forward`` raises.
    """
    recorder = _Recorder(_Names(model, births), births, path)
    result = recorder.run(model, torch.zeros(IMAGES, *shape, device=device))
    return _Reading(recorder, model, result).draft()


# -- the run


class _Recorder(TorchFunctionMode):
    """Notes the calls while it is entered."""

    def __init__(self, names: _Names, births: Births, path: Path) -> None:
        super().__init__()
        self.names, self.births, self.path = names, births, path
        self.calls: list[Call] = []
        self.remarks: list[str] = []
        self.returns: int | None = None
        self._of: dict[int, Call | None] = {}
        self._kept: list[object] = []  # an id is of one object as long as that lives
        self._is_paused = False

    def run(self, model: nn.Module, images: Tensor) -> object:
        """What the model returns."""
        self._made(images, None)
        with self._calls_of_modules(), self._noting_the_return(model), self:
            return self._applied(model(images))

    def call_of(self, value: object) -> Call | None:
        """The last call that made a tensor."""
        return self._of.get(id(value))

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self._is_paused:
            return func(*args, **kwargs)
        args = tuple(map(self._applied, args))
        tensors = self._derived([args, kwargs])
        if not tensors:
            return func(*args, **kwargs)
        for tensor in tensors:
            self._use(tensor)
        name, line = str(getattr(func, "__name__", func)), self._line()
        source = tensors[0]
        given, named = list(args), dict(kwargs)
        first = given.pop(0) if given else named.pop("input", None)
        layers = None
        if first is source and self._is_of_images(source):
            layers = of_function(name, given, named, tuple(source.shape), self._text(line))
        call = Call(name, line, None, self._of[id(source)], len(tensors) > 1, tuple(source.shape))
        if layers is None:
            return self._unknown(call, source, lambda: func(*args, **kwargs))
        call.layers = tuple(replace(layer, module="forward", line=line, call=line) for layer in layers)
        return self._passed(call, source, lambda: func(*args, **kwargs))

    def _unknown(self, call: Call, source: Tensor, run: Callable[[], Any]) -> Any:
        """What a function gives that stands for no layer: let be, if no tensor that matters comes of it."""
        try:
            result = run()
        except Exception as error:
            if call.joins and "meta" not in str(error):
                raise _no_chain(call, self.path) from None
            raise
        if outputs := list(_tensors(result)):
            call.fits = outputs[0].shape == source.shape
            self._note(call, *outputs)
        return result

    def called(self, module: nn.Module, args: tuple[Any, ...], kwargs: Any, run: Callable[..., Any]) -> Any:
        """A layer is one call, whatever it does inside."""
        args = tuple(map(self._applied, args))
        tensors = self._derived([args, kwargs])
        if not tensors or not self._is_of_images(tensors[0]):
            return run(module, *args, **kwargs)
        for tensor in tensors:
            self._use(tensor)
        line, source = self._line(), tensors[0]
        _, born = self.births.get(id(module), (module, None))
        layer = of_module(module, self.names.of(module), born, line)
        if has_own_forward(module):
            self.remarks.append(
                f"{layer.module}, a {shown(type(module).__name__)}, has a forward of its own: "
                f"it stands here as the {layer.name} that it derives from."
            )
        call = Call(
            layer.name, line, (layer,), self._of[id(source)], len(tensors) > 1, tuple(source.shape), module
        )
        return self._passed(call, source, lambda: run(module, *args, **kwargs))

    def _passed(self, call: Call, source: Tensor, run: Callable[[], Any]) -> Any:
        """What a call gives; what it would give if it were mended, where it does not fit."""
        shape: Shape = tuple(source.shape[1:])
        for layer in call.layers or ():
            check_known(layer)
            shape, fits = gone_through(layer, shape)
            call.fits &= fits
        failure = result = None
        try:
            result = self._really(run)
        except Exception as error:
            if "meta" in str(error):
                raise  # it asks for values, which is no mistake
            failure = error
        if failure is not None and call.fits and call.layers:
            fault = Fault(
                Kind.DOES_NOT_RUN, in_pythons_words(failure), "what PyTorch runs", "not known here", call.line
            )
            call.layers = (replace(call.layers[0], faults=(fault,)), *call.layers[1:])
        if not isinstance(result, Tensor) or tuple(result.shape) != (IMAGES, *shape):
            if failure is None and call.fits:
                call.layers, call.fits = None, False
                self._note(call, *_tensors(result))
                return result
            with self._paused():
                result = torch.zeros(IMAGES, *shape, device=source.device)
        self._note(call, result)
        return result

    def _really(self, run: Callable[[], Any]) -> Any:
        with self._paused():
            return run()

    @contextmanager
    def _paused(self) -> Iterator[None]:
        self._is_paused, before = True, self._is_paused
        try:
            yield
        finally:
            self._is_paused = before

    def _note(self, call: Call, *outputs: Tensor) -> None:
        self.calls.append(call)
        for output in outputs:
            self._made(output, call)

    def _made(self, tensor: Tensor, by: Call | None) -> None:
        self._of[id(tensor)] = by
        self._kept.append(tensor)

    def _use(self, tensor: Tensor) -> None:
        if call := self._of.get(id(tensor)):
            call.is_used = True

    def _derived(self, value: object) -> list[Tensor]:
        """The tensors among arguments that the image became."""
        return [tensor for tensor in _tensors(value) if id(tensor) in self._of]

    def _is_of_images(self, tensor: Tensor) -> bool:
        return tensor.dim() in (2, 4) and tensor.shape[0] == IMAGES

    def _applied(self, value: object) -> object:
        """``nn.ReLU(x)`` makes a layer and does not apply it: what it would give, if it were applied."""
        if not isinstance(value, nn.Module):
            return value
        held = self._derived([*vars(value).values()])
        name = class_name(value)
        if not held or KNOWN.get(name) not in (Family.ACTIVATION, Family.FLATTEN):
            return value
        (source, *_), (_, line) = held, self.births.get(id(value), (value, None))
        self._use(source)
        fault = Fault(
            Kind.UNAPPLIED,
            f"nn.{name}(…) makes a layer, and does not apply it",
            f"nn.{name}()(…), or the function",
            "write " + ("torch.flatten(…, 1)" if name == "Flatten" else f"F.{name.lower()}(…)"),
        )
        layer = Written(name, {}, "forward", line, line, (fault,))
        call = Call(name, line, (layer,), self._of[id(source)], False, tuple(source.shape))
        return self._passed(call, source, lambda: getattr(nn, name)()(source))

    def _line(self) -> int | None:
        return innermost(sys._getframe(2), self.path)

    def _text(self, line: int | None) -> str:
        return linecache.getline(str(self.path), line) if line else ""

    @contextmanager
    def _calls_of_modules(self) -> Iterator[None]:
        original: Callable[..., Any] = nn.Module.__call__

        def called(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            if not self._is_paused and is_layer(module):
                return self.called(module, args, kwargs, original)
            check_has_forward(module, self.path)
            return original(module, *args, **kwargs)

        nn.Module.__call__ = called  # type: ignore[method-assign]
        try:
            yield
        finally:
            nn.Module.__call__ = original  # type: ignore[method-assign]

    @contextmanager
    def _noting_the_return(self, model: nn.Module) -> Iterator[None]:
        """Note the line of the file on which ``forward`` returns."""
        forward = getattr(inspect.unwrap(type(model).forward), "__code__", None)

        def noted(frame: FrameType, event: str, _: object) -> None:
            if event == "return" and frame.f_code is forward and forward.co_filename == str(self.path):
                self.returns = frame.f_lineno

        before = sys.getprofile()
        sys.setprofile(noted)
        try:
            yield
        finally:
            sys.setprofile(before)


def _tensors(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from _tensors([*value.values()])
    elif isinstance(value, (tuple, list)):
        for each in value:
            yield from _tensors(each)


def check_takes_an_image(model: nn.Module, path: Path) -> None:
    """Refuse a ``forward`` that takes more than one image, or nothing."""
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
    """Refuse a class without ``forward``; one that is misspelt is pointed at."""
    kind = type(module)
    if kind.forward is not nn.Module.forward or class_name(module) in ("ModuleList", "ModuleDict"):
        return
    own = {name: value for name, value in vars(kind).items() if inspect.isfunction(value)}
    close = difflib.get_close_matches("forward", own, n=1)
    where = f"{shown(path)}, line {own[close[0]].__code__.co_firstlineno}" if close else shown(path)
    hint = f"Did you mean forward instead of {close[0]}?" if close else "Write forward(self, x)."
    raise InputError(f"{where}: the class {shown(kind.__name__)} has no forward.", hint)


# -- what the model's own names are


class _Names:
    """The path of every module, registered or hidden in a plain list or dict."""

    def __init__(self, model: nn.Module, births: Births) -> None:
        self.registered = {id(module): path for path, module in model.named_modules()}
        self.hidden: dict[tuple[str, str], list[nn.Module]] = {}
        self._path: dict[int, str] = dict(self.registered)
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
        return self._path.get(id(module), "forward")


# -- what was noted


class _Reading:
    """The chain of layers from the images to the result, read off the calls."""

    def __init__(self, recorder: _Recorder, model: nn.Module, result: object) -> None:
        self.recorder, self.model, self.result = recorder, model, result
        self.path, self.names, self.births = recorder.path, recorder.names, recorder.births
        self.remarks = recorder.remarks
        self.defects: list[Defect] = []

    def draft(self) -> Draft:
        """The calls as a draft."""
        last = self._last()
        chain = self._chain(last)
        chain = self._with_dropped(chain)
        idle = list(self._idle())
        self._tell_repeated(chain, idle)
        self._tell_hidden()
        layers = tuple(layer for call in chain for layer in call.layers or ())
        self._tell_made_in_forward(layers)
        self.remarks += [f"{each.module}, a {each.name}, is registered and never called." for each in idle]
        return Draft(layers, tuple(self.defects), tuple(dict.fromkeys(self.remarks)), tuple(idle))

    def _last(self) -> Call:
        """The call whose result is returned; if nothing is, the last one."""
        at = (
            f"{shown(self.path)}, line {self.recorder.returns}" if self.recorder.returns else shown(self.path)
        )
        if isinstance(self.result, Tensor):
            if last := self.recorder.call_of(self.result):
                return last
        elif self.result is not None:
            raise InputError(f"{at}: forward returns {_described(self.result)}.", "Let it return one tensor.")
        elif unused := [call for call in self.recorder.calls if not call.is_used]:
            name = f"{shown(type(self.model).__name__)}.forward()"
            found, mend = "the last layer's result is dropped", "return it"
            self.defects.append(
                Defect(name, "", unused[-1].line, Kind.SILENT, found, "what it makes is returned", mend)
            )
            return unused[-1]
        else:
            raise InputError(f"{at}: forward calls no layer and returns nothing.", "Write it, and try again.")
        raise InputError(
            f"{at}: forward does not lead from its input to one tensor through any layer.",
            "Diagnose a chain of layers, such as VGG's.",
        )

    def _chain(self, last: Call | None) -> list[Call]:
        """The calls that lead to one, in order. Raises ``InputError`` where two tensors join."""
        chain: list[Call] = []
        while last is not None:
            if last.joins or (last.layers is None and not last.fits):
                raise _no_chain(last, self.path)
            if last.layers is None:
                where = f" (line {last.line})" if last.line else ""
                self.remarks.append(f"{last.what}{where} keeps the shape, and is left out of the list.")
            chain.append(last)
            last = last.source
        return chain[::-1]

    def _with_dropped(self, chain: list[Call]) -> list[Call]:
        """With what was called as a statement, its result dropped: it was meant to be in the chain."""
        dropped: list[Call] = []
        for call in self.recorder.calls:
            if call.is_used or call is chain[-1]:
                continue
            branch = [call]
            while branch[0].source is not None and branch[0].source not in chain:
                branch.insert(0, branch[0].source)
            mend = self._with_its_result_taken(call.line)
            if any(each.joins or not each.layers for each in branch):
                continue
            if mend is None:
                where = f" (line {call.line})" if call.line else ""
                self.remarks.append(f"The result of {call.what}{where} is never used.")
                continue
            fault = Fault(
                Kind.DROPPED,
                f"the result of {call.what} is dropped",
                "a result that is used",
                mend,
                call.line,
            )
            first, *rest = call.layers or ()
            call.layers = (replace(first, faults=(*first.faults, fault)), *rest)
            dropped += branch
        order = {id(call): place for place, call in enumerate(self.recorder.calls)}
        return sorted([*chain, *dropped], key=lambda call: order[id(call)])

    def _with_its_result_taken(self, line: int | None) -> str | None:
        """``x = F.relu(x)`` for the statement ``F.relu(x)`` on a line; ``None`` if there is none."""
        for node in ast.walk(ast.parse(self.path.read_bytes())):
            if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call) or line is None:
                continue
            if node.lineno <= line <= (node.end_lineno or line):
                call = node.value
                owner = [call.func.value] if isinstance(call.func, ast.Attribute) else []
                names = [each.id for each in (*call.args, *owner) if isinstance(each, ast.Name)]
                target = next((name for name in names if name not in ("F", "torch", "nn", "self")), "x")
                return f"write {target} = {ast.unparse(call)}"
        return None

    def _idle(self) -> Iterator[Written]:
        called = {id(call.module) for call in self.recorder.calls}
        for module in self.model.modules():
            if is_layer(module) and id(module) not in called:
                _, born = self.births.get(id(module), (module, None))
                yield of_module(module, self.names.of(module), born)

    def _tell_repeated(self, chain: list[Call], idle: list[Written]) -> None:
        """A layer with weights that is called again: shared, or meant to be the one that is never called."""
        calls = defaultdict(list)
        for call in chain:
            if call.module is not None and any(True for _ in call.module.parameters()):
                calls[id(call.module)].append(call)
        for again in calls.values():
            if len(again) < 2:
                continue
            name = (again[0].layers or (Written(""),))[0].module
            lines = list(dict.fromkeys(str(call.line) for call in again))
            times = "twice" if len(again) == 2 else f"{len(again)} times"
            told = f"{name} is called {times} (line{'s' * (len(lines) > 1)} {units.listed(lines)})"
            misfits = [call for call in again if not call.fits]
            meant: dict[Call, Written] = {}
            for only_fitting in (True, False):
                left = [
                    call for call in misfits if call not in meant and (only_fitting or call is not again[0])
                ]
                for call in left:
                    if each := _meant(call, idle, only_fitting=only_fitting):
                        idle.remove(each)
                        meant[call] = each
            for call, each in meant.items():
                fault = Fault(
                    Kind.REUSED,
                    f"{told}, and {each.module} never",
                    f"{each.module}, a {each}",
                    f"call {each.module} on line {call.line}" if call.line else f"call {each.module}",
                    call.line,
                )
                call.layers = (replace(each, call=call.line, faults=(fault,)),)
            if not meant:
                self.remarks.append(
                    f"{told}: one layer with one set of weights, unless a defect is told there."
                )

    def _tell_hidden(self) -> None:
        for (path, kind), modules in self.names.hidden.items():
            own = [module for module in modules if any(True for _ in module.parameters())]
            if not own:
                continue
            _, line = self.births.get(id(own[0]), (own[0], None))
            number = units.plural(len(own), "layer")
            self.defects.append(
                Defect(
                    f"self.{shown(path)}",
                    shown(path),
                    line,
                    Kind.HIDDEN,
                    f"a Python {kind} hides {number} with weights from PyTorch: parameters(), .to() and "
                    "state_dict() pass over them",
                    "nn.ModuleDict" if kind == "dict" else "nn.ModuleList or nn.Sequential(*layers)",
                    f"self.{shown(path)} = nn.Module{kind.title()}(self.{shown(path)})",
                )
            )

    def _tell_made_in_forward(self, layers: Sequence[Written]) -> None:
        """A layer with weights that no attribute holds: new ones, untrained, at every call."""
        for layer in layers:
            if layer.module == "forward" and layer.name in KNOWN and layer.parameters:
                self.defects.append(
                    Defect(
                        "forward",
                        "forward",
                        layer.line,
                        Kind.HIDDEN,
                        f"{layer} is no module of the model: parameters() passes over it",
                        "a layer that __init__ makes and registers",
                        f"make self.layer = nn.{layer} in __init__, and call it here",
                    )
                )


def _meant(call: Call, idle: Sequence[Written], *, only_fitting: bool) -> Written | None:
    """The layer, of those never called, that a call which does not fit was meant for."""
    alike = [each for each in idle if call.layers and each.name == call.layers[0].name]
    fitting = [each for each in alike if gone_through(each, call.arriving[1:])[1]]
    return next(iter(fitting if only_fitting else alike), None)


def _described(value: object) -> str:
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {units.plural(len(value), 'value')}"
    kind = type(value).__name__
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _no_chain(call: Call, path: Path) -> InputError:
    at = f"{shown(path)}{f', line {call.line}' if call.line else ''}"
    return InputError(
        f"{at}: forward calls {excerpt(call.what)}, "
        "which is no step of a chain of layers that is known here.",
        "Diagnose a chain such as VGG's: convolutions, norms, activations, pools, flatten, linear layers.",
    )
