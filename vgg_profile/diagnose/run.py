"""One run of a model on images without values: every call that ``forward`` makes, in order, each at its line.

PyTorch has the first word and the last: what a layer gives, and whether it fits, comes of running it. As the
model is written, the run ends where PyTorch refuses. A run that *mends* goes on there, with the layer made to
take what arrives, and carries out the :class:`Edit` that it was given beforehand.
"""

from __future__ import annotations

import linecache
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from vgg_profile.core.errors import message
from vgg_profile.core.sizes import Shape
from vgg_profile.diagnose.calls import class_name, of_function, of_module
from vgg_profile.diagnose.draft import KNOWN, Family, Kind, Written
from vgg_profile.diagnose.trouble import asks_for_values, in_pythons_words, innermost, next_step
from vgg_profile.diagnose.values import (
    as_given,
    as_if_it_fitted,
    calling_layers,
    inputs,
    loses_rows,
    noting_the_return,
    one_shape,
    why_no_flatten,
)
from vgg_profile.diagnose.words import IMAGES, Again, Call, Edit, Site, Subject, unapplied
from vgg_profile.run.tensors import tensors_in

Edits = Mapping[Site, Sequence[Edit]]
Options = Callable[["Call", Tensor, Shape], Iterator[Sequence[Edit]]]
"""How a layer could be written so that it takes what arrives: the call, the tensor, the map it was."""


class Run(TorchFunctionMode):
    """A run: its calls, its result, or the error that ended it."""

    def __init__(self, subject: Subject, edits: Edits | None = None, options: Options | None = None) -> None:
        super().__init__()
        self.subject, self.edits, self.options = subject, edits or {}, options
        self.calls: list[Call] = []
        self.result: object = None
        self.error: Exception | None = None
        self.failing: Call | None = None
        self.returns: int | None = None
        self.mends: list[Edit] = []
        """What had to be changed beside the edits, in order."""
        self._of: dict[int, Call | None] = {}
        self._kept: list[object] = []  # an id is of one object as long as that lives
        self._nth: Counter[int | str] = Counter()
        self._by_site: dict[Site, tuple[Call, Tensor]] = {}
        self.strangers: dict[int, tuple[Tensor, int | None]] = {}
        """Tensors that want a gradient and are no result, by ``id``: each with the line that uses it."""
        self._is_paused = False

    def start(self, shape: Shape, images: int = IMAGES) -> Run:
        """Run the model on images (C, H, W); raises :class:`Again`, and what asks a tensor for its values."""
        model, device = self.subject.model, self.subject.device
        self.images = images
        given = [inputs(model, images, shape, device) for _ in range(self.subject.takes)]
        for x in given:
            self._made(x, None)
        try:
            with (
                calling_layers(self.called, lambda: self._is_paused),
                noting_the_return(model, str(self.subject.path), self._returned),
                self,
            ):
                self.result = self._applied(model(*given))
        except Again:
            raise
        except Exception as error:
            if asks_for_values(error, self.subject.device):
                raise
            self.error = error
        return self

    @property
    def results(self) -> list[Tensor]:
        return tensors_in(self.result)

    def call_of(self, value: object) -> Call | None:
        """The last call that made a tensor."""
        return self._of.get(id(value))

    def leading_to(self, *ends: Call | None) -> list[Call]:
        """Every call that these results come of, in the order in which they were made."""
        wanted = {id(end) for end in ends if end}
        for call in reversed(self.calls):
            if id(call) in wanted:
                wanted |= {id(source) for source in call.sources if source}
        return [call for call in self.calls if id(call) in wanted]

    def row_of(self, call: Call | None) -> Shape:
        """What a result was before it was flattened: (C, H, W), or (N,) where it never was a map."""
        while call is not None and len(call.output) == 2:
            if len(call.arriving) > 2:
                return call.arriving[1:]
            if call.arriving != call.output or (call.layer and call.layer.family is Family.LINEAR):
                break
            call = call.sources[0] if call.sources else None
        return call.output[1:] if call else ()

    # -- calls

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self._is_paused:
            return func(*args, **kwargs)
        args = tuple(map(self._applied, args))
        tensors = self._derived([args, kwargs])
        if not tensors:
            return func(*args, **kwargs)
        name, line = str(getattr(func, "__name__", func)), innermost(sys._getframe(1), self.subject.path)
        for each in tensors_in([args, kwargs]):
            if each.requires_grad and each.is_leaf:
                self.strangers.setdefault(id(each), (each, line))
        x, layers = tensors[0], None
        given, named = list(args), dict(kwargs)
        first = given.pop(0) if given else named.pop("input", None)
        if first is x and x.dim() in (2, 4):
            text = linecache.getline(str(self.subject.path), line) if line else ""
            found = of_function(name, given, named, tuple(x.shape), text)
            if found is not None:
                layers = tuple(replace(each, module="forward", line=line, call=line) for each in found)
        call = self._call(name, line, f"{line}:{name}", layers, tensors)
        call.arguments = {"args": tuple(given), **named}
        edits = self.edits.get(call.site, ())
        if any(edit.do in ("skip", "pass") for edit in edits):
            return self._note(call, x, *edits)
        if any(edit.do == "write" for edit in edits):
            return self._note(call, torch.flatten(x, 1), *edits)
        try:
            result = func(*args, **kwargs)
        except Exception as error:
            return self._mended_function(call, x, args, kwargs, error)
        if self.options and call.layer and call.layer.family is Family.FLATTEN and loses_rows(result, x):
            return self._flattened(call, x)
        if not tensors_in(result):
            if name == "__setitem__":  # the tensor is another from here on
                self._note(call, x)
            return result
        return self._note(call, result)

    def _mended_function(
        self, call: Call, x: Tensor, args: Sequence[Any], kwargs: Mapping[str, Any], error: Exception
    ) -> Any:
        if self.options is None or asks_for_values(error, self.subject.device):
            self.failing = call
            raise error
        if call.what in ("view", "reshape", "flatten") and x.dim() > 2:
            return self._flattened(call, x)
        fault = in_pythons_words(error)
        fix = next_step(message(error)) or one_shape([args, kwargs]) or "not known here"
        edit = Edit(call.site, "pass", Kind.DOES_NOT_RUN, None, fault, "what PyTorch runs", fix)
        self.mends.append(edit)
        with self._paused():
            result = as_if_it_fitted(call.what, args, kwargs, x)
        return self._note(call, result, edit)

    def _flattened(self, call: Call, x: Tensor) -> Any:
        layer = call.layer or Written("Flatten", {}, "forward", call.line, call.line)
        with self._paused():
            result = torch.flatten(x, 1)
        found = f"{layer}{why_no_flatten(layer, x)}"
        flat = replace(layer, arguments={})
        edit = Edit(call.site, "write", Kind.FLATTEN, flat, found, "one row an image, whatever the batch")
        edit = replace(edit, fix="torch.flatten(x, 1)")
        self.mends.append(edit)
        call.layers, call.fixed = (layer,), (flat,)
        return self._note(call, result, edit)

    def called(self, module: nn.Module, args: tuple[Any, ...], kwargs: Any, run: Callable[..., Any]) -> Any:
        """A layer is one call, whatever it does inside."""
        args = tuple(map(self._applied, args))
        tensors = self._derived([args, kwargs])
        if not tensors:
            return run(module, *args, **kwargs)
        line = innermost(sys._getframe(1), self.subject.path)
        layer = self._written(module, line)
        call = self._call(layer.name, line, id(module), (layer,), tensors, module)
        x, own, edits = tensors[0], module, self._edits(call.site)
        for edit in edits:
            if edit.do == "insert" and edit.layer:
                x = self._inserted(edit, x, call)
            elif edit.do == "follow" and edit.after and edit.after in self._by_site:
                source, x = self._by_site[edit.after]
                call.sources, call.arriving = (source,), tuple(x.shape)
                call.edits.append(edit)
            elif edit.do == "skip":
                call.fixed = ()
                return self._note(call, x, edit)
            elif edit.do == "use" and edit.module:
                own = edit.module
                call.fixed = (replace(self._written(own, line), call=line),)
                call.edits.append(edit)
            elif edit.do == "write" and edit.layer:
                own = self.built(edit.layer)
                call.fixed = (edit.layer,)
                if edit.site == call.site:
                    call.edits.append(edit)
        given = tuple(x if arg is tensors[0] else arg for arg in args)
        try:
            result = self._result_of(own, call, given, kwargs, run)
        except Exception as error:
            if self.options is None or asks_for_values(error, self.subject.device):
                self.failing = call
                raise
            result = self._mended(call, x, error)
        if module is own and "Lazy" in layer.name:  # it has become what it shall be
            call.layers = (replace(of_module(module, layer.module, layer.line, line)),)
        return self._note(call, result)

    def _result_of(
        self, module: nn.Module, call: Call, given: tuple[Any, ...], kwargs: Any, run: Callable[..., Any]
    ) -> Any:
        """What PyTorch gives; of a layer like one that was run on the same shape, what it gave there."""
        layer = call.fixed[0] if call.fixed else call.layer
        is_plain = layer is not None and type(module) is getattr(nn, layer.name, None) and layer.name in KNOWN
        if not is_plain or len(given) != 1 or kwargs or module._forward_hooks or module._forward_pre_hooks:
            with self._paused():
                return run(module, *given, **kwargs)
        (x,) = given
        key = (str(layer), tuple(x.shape), x.dtype, module.training)
        with self._paused():
            if key not in self.subject.shapes:
                result = run(module, x)
                if not isinstance(result, Tensor) or result.dtype is not x.dtype:
                    return result
                self.subject.shapes[key] = None if result is x else tuple(result.shape)
                return result
            shape = self.subject.shapes[key]
            return x if shape is None else x.new_empty(shape)

    def _mended(self, call: Call, x: Tensor, error: Exception) -> Any:
        """The layer as it takes what arrives, by the first option that PyTorch runs."""
        assert self.options is not None
        source = call.sources[0] if call.sources else None
        for option in self.options(call, x, self.row_of(source) if x.dim() == 2 else tuple(x.shape[1:])):
            given, own = x, call.module
            try:
                with self._paused():
                    for edit in option:
                        if edit.do == "skip" and edit.site != call.site:
                            raise Again(edit)
                        if edit.do == "skip":
                            own = nn.Identity()
                        elif edit.do == "insert" and edit.layer:
                            given = self.built(edit.layer)(given)
                        elif edit.layer:
                            own = self.built(edit.layer)
                    assert own is not None
                    result = own(given)
            except Again:
                raise
            except Exception:
                continue
            for edit in option:
                if edit.do == "insert" and edit.layer:
                    x = self._inserted(edit, x, call)
                elif edit.do == "skip":
                    call.fixed = ()
                elif edit.layer:
                    call.fixed = (edit.layer,)
                call.edits += [edit] * (edit not in call.edits)
            self.mends += option
            return result
        self.failing = call
        raise error

    def _inserted(self, edit: Edit, x: Tensor, before: Call) -> Tensor:
        """A layer that was missing, called."""
        assert edit.layer is not None
        call = Call(edit.layer.name, before.line, edit.site, None, before.sources, tuple(x.shape))
        call.fixed, call.is_inserted, call.edits = (edit.layer,), True, [edit]
        with self._paused():
            result = self.built(edit.layer)(x)
        call.output = tuple(result.shape)
        self.calls.append(call)
        before.sources, before.arriving = (call,), call.output
        return result  # type: ignore[no-any-return]

    def _call(
        self,
        what: str,
        line: int | None,
        key: int | str,
        layers: tuple[Written, ...] | None,
        tensors: Sequence[Tensor],
        module: nn.Module | None = None,
    ) -> Call:
        site = Site(key, self._nth[key])
        self._nth[key] += 1
        sources = tuple(dict.fromkeys(self._of[id(tensor)] for tensor in tensors))
        call = Call(what, line, site, layers, sources, tuple(tensors[0].shape), module=module)
        call.operands = len(tensors)
        return call

    def _edits(self, site: Site) -> list[Edit]:
        """Those of this call, and what the layer is written as since its first one."""
        own = list(self.edits.get(site, ()))
        if site.nth and not any(edit.do in ("write", "use") for edit in own):
            first = Site(site.key, 0)
            own += [edit for edit in self.edits.get(first, ()) if edit.do == "write"]
            own += [edit for edit in self.mends if edit.do == "write" and edit.site == first]
        return own

    def _written(self, module: nn.Module, call: int | None) -> Written:
        found = self.subject.written.get(id(module))
        if found is None:
            path, line = self.subject.paths.of(module), self.subject.births.line(module)
            found = of_module(module, path, line, call)
            if "Lazy" not in found.name:
                self.subject.written[id(module)] = found
                self._kept.append(module)
        return found if found.call == call else replace(found, call=call)

    def built(self, layer: Written) -> nn.Module:
        """A layer as it is written, on the device of the run."""
        known = (f"{layer.name}{layer.arguments}", self.subject.model.training)
        if known not in self.subject.built:
            arguments = {key: as_given(value) for key, value in layer.arguments.items()}
            with self._paused(), torch.device(self.subject.device):
                module: nn.Module = getattr(nn, layer.name)(**arguments)
            self.subject.built[known] = module.train(self.subject.model.training)
        return self.subject.built[known]

    # -- bookkeeping

    def _note(self, call: Call, result: Any, *edits: Edit) -> Any:
        call.edits += [edit for edit in edits if edit not in call.edits]
        self.calls.append(call)
        for output in tensors_in(result):
            self._made(output, call)
            call.output = call.output or tuple(output.shape)
            self._by_site.setdefault(call.site, (call, output))
        return result

    def _made(self, tensor: Tensor, by: Call | None) -> None:
        self._of[id(tensor)] = by
        self._kept.append(tensor)

    def _derived(self, value: object) -> list[Tensor]:
        """The tensors among arguments that the images became."""
        return [tensor for tensor in tensors_in(value) if id(tensor) in self._of]

    @contextmanager
    def _paused(self) -> Iterator[None]:
        self._is_paused, before = True, self._is_paused
        try:
            yield
        finally:
            self._is_paused = before

    def _applied(self, value: object) -> object:
        """``nn.ReLU(x)`` makes a layer and does not apply it: what it would give, if it were applied."""
        if self.options is None or not isinstance(value, nn.Module):
            return value
        held = self._derived([*vars(value).values()])
        layer = Written(class_name(value), {}, "forward", self.subject.births.line(value))
        if not held or layer.family not in (Family.ACTIVATION, Family.FLATTEN):
            return value
        x, layer = held[0], replace(layer, call=layer.line)
        call = self._call(layer.name, layer.line, f"{layer.line}:{layer.name}", (layer,), [x])
        edit = unapplied(call.site, layer)
        with self._paused():
            result = getattr(nn, layer.name)()(x)
        if call.site not in self.edits:
            self.mends.append(edit)
        call.fixed = (layer,)
        return self._note(call, result, edit)

    def _returned(self, line: int) -> None:
        self.returns = line
