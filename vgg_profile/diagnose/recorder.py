"""Runs a model and notes every call that its ``forward`` makes, in order, each at its line.

The model runs on images of the meta device, which have a shape and no values: layers of ``torch.nn`` are
noted as they are called, functions as PyTorch dispatches them. A layer that does not fit is answered for as
if fixed, so no clash of shapes ends the run, and whatever Python ``forward`` holds is simply run.
"""

from __future__ import annotations

import inspect
import linecache
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from vgg_profile.core.errors import InputError, excerpt
from vgg_profile.core.sizes import Shape
from vgg_profile.diagnose.calls import class_name, has_own_forward, is_layer, of_function, of_module
from vgg_profile.diagnose.draft import KNOWN, Family, Fault, Kind, Written
from vgg_profile.diagnose.fit import check_known, output_once_fixed
from vgg_profile.diagnose.modules import Births, ModulePaths, check_has_forward
from vgg_profile.diagnose.trouble import in_pythons_words, innermost, shown

IMAGES = 7
"""How many images a model is tried with: a number that nobody has written into a ``view``."""


@dataclass(eq=False)
class Call:
    """One call on what the images became: what was called, where, and which layers it stands for, if known.

    ``source`` is the call that made the tensor it was given, ``None`` for the images; ``arriving`` is that
    tensor's shape, images and all. A call ``joins`` if it was given two such tensors.
    """

    what: str
    line: int | None
    layers: tuple[Written, ...] | None
    source: Call | None
    joins: bool
    arriving: Shape
    module: nn.Module | None = None
    fits: bool = True
    is_used: bool = False


@dataclass(frozen=True)
class Recording:
    """A run: its calls in order, the result and the call that made it, and the line that returned it."""

    calls: list[Call]
    result: object
    last: Call | None
    returns: int | None
    remarks: list[str]
    paths: ModulePaths
    births: Births
    path: Path


def record(model: nn.Module, shape: Shape, births: Births, path: Path, device: str) -> Recording:
    """Run a model on images (C, H, W) and note what it calls.

    Raises ``InputError`` where two tensors join that do not fit, and whatever ``forward`` raises.
    """
    recorder = _Recorder(ModulePaths(model), births, path)
    result = recorder.run(model, torch.zeros(IMAGES, *shape, device=device))
    last = recorder.call_of(result)
    return Recording(
        recorder.calls, result, last, recorder.returns, recorder.remarks, recorder.paths, births, path
    )


def no_chain(call: Call, path: Path) -> InputError:
    """A call that stands for no layer of a chain."""
    at = f"{shown(path)}{f', line {call.line}' if call.line else ''}"
    return InputError(
        f"{at}: forward calls {excerpt(call.what)}, "
        "which is no step of a chain of layers that is known here.",
        "Diagnose a chain such as VGG's: convolutions, norms, activations, pools, flatten, linear layers.",
    )


class _Recorder(TorchFunctionMode):
    """Notes the calls while it is entered."""

    def __init__(self, paths: ModulePaths, births: Births, path: Path) -> None:
        super().__init__()
        self.paths, self.births, self.path = paths, births, path
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
                raise no_chain(call, self.path) from None
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
        layer = of_module(module, self.paths.of(module), self.births.line(module), line)
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
        """What a call gives; what it would give if it were fixed, where it does not fit."""
        shape: Shape = tuple(source.shape[1:])
        for layer in call.layers or ():
            check_known(layer)
            shape, fits = output_once_fixed(layer, shape)
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
        source, line = held[0], self.births.line(value)
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
