"""Reads a draft off a recorded run: the chain of layers from the images to the result, and what is off it."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from torch import Tensor, nn

from vgg_profile.core import units
from vgg_profile.core.errors import InputError
from vgg_profile.diagnose.calls import is_layer, of_module
from vgg_profile.diagnose.draft import KNOWN, Defect, Draft, Fault, Kind, Written
from vgg_profile.diagnose.fit import output_once_fixed
from vgg_profile.diagnose.formulas import parameters
from vgg_profile.diagnose.recorder import Call, Recording, no_chain
from vgg_profile.diagnose.trouble import shown


def read_chain(model: nn.Module, run: Recording) -> Draft:
    """The calls of a run as a draft.

    Raises ``InputError`` where no chain of layers leads from the images to what is returned.
    """
    return _Reading(model, run).draft()


class _Reading:
    """Collects the defects and remarks while the chain is read."""

    def __init__(self, model: nn.Module, run: Recording) -> None:
        self.model, self.run = model, run
        self.remarks = [*run.remarks]
        self.defects: list[Defect] = []

    def draft(self) -> Draft:
        chain = self._with_dropped(self._leading_to(self._last()))
        idle = list(self._idle())
        self._match_repeated(chain, idle)
        layers = tuple(layer for call in chain for layer in call.layers or ())
        self.defects += [*self._hidden(), *_made_in_forward(layers)]
        self.remarks += [f"{each.module}, a {each.name}, is registered and never called." for each in idle]
        return Draft(layers, tuple(self.defects), tuple(dict.fromkeys(self.remarks)), tuple(idle))

    # -- the chain

    def _last(self) -> Call:
        """The call whose result is returned; if nothing is, the last one."""
        run = self.run
        at = f"{shown(run.path)}, line {run.returns}" if run.returns else shown(run.path)
        if run.last:
            return run.last
        if isinstance(run.result, Tensor):
            raise InputError(
                f"{at}: forward does not lead from its input to one tensor through any layer.",
                "Diagnose a chain of layers, such as VGG's.",
            )
        if run.result is not None:
            raise InputError(f"{at}: forward returns {_described(run.result)}.", "Let it return one tensor.")
        unused = [call for call in run.calls if not call.is_used]
        if not unused:
            raise InputError(f"{at}: forward calls no layer and returns nothing.", "Write it, and try again.")
        place = f"{shown(type(self.model).__name__)}.forward()"
        found, fits = "the last layer's result is dropped", "what it makes is returned"
        self.defects.append(Defect(place, "", unused[-1].line, Kind.SILENT, found, fits, "return it"))
        return unused[-1]

    def _leading_to(self, last: Call | None) -> list[Call]:
        """The calls that lead to one, in order. Raises ``InputError`` where two tensors join."""
        chain: list[Call] = []
        while last is not None:
            if last.joins or (last.layers is None and not last.fits):
                raise no_chain(last, self.run.path)
            if last.layers is None:
                self.remarks.append(f"{_at(last)} keeps the shape, and is left out of the list.")
            chain.append(last)
            last = last.source
        return chain[::-1]

    def _with_dropped(self, chain: list[Call]) -> list[Call]:
        """With what was called as a statement, its result dropped: it was meant to be in the chain."""
        dropped: list[Call] = []
        for call in self.run.calls:
            if call.is_used or call is chain[-1]:
                continue
            branch = [call]
            while branch[0].source is not None and branch[0].source not in chain:
                branch.insert(0, branch[0].source)
            if any(each.joins or not each.layers for each in branch):
                continue
            fix = self._with_its_result_kept(call.line)
            if fix is None:
                self.remarks.append(f"The result of {_at(call)} is never used.")
                continue
            found = f"the result of {call.what} is dropped"
            fault = Fault(Kind.DROPPED, found, "a result that is used", fix, call.line)
            first, *rest = call.layers or ()
            call.layers = (replace(first, faults=(*first.faults, fault)), *rest)
            dropped += branch
        order = {id(call): place for place, call in enumerate(self.run.calls)}
        return sorted([*chain, *dropped], key=lambda call: order[id(call)])

    def _with_its_result_kept(self, line: int | None) -> str | None:
        """``write x = F.relu(x)`` for the statement ``F.relu(x)`` on a line; ``None`` if there is none."""
        if line is None:
            return None
        for node in ast.walk(ast.parse(self.run.path.read_bytes())):
            if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call):
                continue
            if node.lineno <= line <= (node.end_lineno or line):
                call = node.value
                owner = [call.func.value] if isinstance(call.func, ast.Attribute) else []
                names = [each.id for each in (*call.args, *owner) if isinstance(each, ast.Name)]
                target = next((name for name in names if name not in ("F", "torch", "nn", "self")), "x")
                return f"write {target} = {ast.unparse(call)}"
        return None

    # -- what is off it

    def _idle(self) -> Iterator[Written]:
        """The layers that are registered and never called."""
        called = {id(call.module) for call in self.run.calls}
        for module in self.model.modules():
            if is_layer(module) and id(module) not in called:
                yield of_module(module, self.run.paths.of(module), self.run.births.line(module))

    def _match_repeated(self, chain: list[Call], idle: list[Written]) -> None:
        """A layer with weights that is called again: shared, or meant to be one that is never called."""
        calls = defaultdict(list)
        for call in chain:
            if call.module is not None and _has_parameters(call.module):
                calls[id(call.module)].append(call)
        for again in calls.values():
            if len(again) < 2:
                continue
            found = _repeated(again)
            meant = _meant(again, idle)
            for call, each in meant.items():
                where = f" on line {call.line}" if call.line else ""
                fault = Fault(
                    Kind.REUSED,
                    f"{found}, and {each.module} never",
                    f"{each.module}, a {each}",
                    f"call {each.module}{where}",
                    call.line,
                )
                call.layers = (replace(each, call=call.line, faults=(fault,)),)
            if not meant:
                self.remarks.append(
                    f"{found}: one layer with one set of weights, unless a defect is listed there."
                )

    def _hidden(self) -> Iterator[Defect]:
        """Layers with weights in a plain list or dict."""
        for (path, kind), modules in self.run.paths.hidden.items():
            own = [module for module in modules if _has_parameters(module)]
            if own:
                yield Defect(
                    f"self.{shown(path)}",
                    shown(path),
                    self.run.births.line(own[0]),
                    Kind.HIDDEN,
                    f"a Python {kind} hides {units.plural(len(own), 'layer')} with weights from PyTorch: "
                    "parameters(), .to() and state_dict() pass over them",
                    "nn.ModuleDict" if kind == "dict" else "nn.ModuleList or nn.Sequential(*layers)",
                    f"self.{shown(path)} = nn.Module{kind.title()}(self.{shown(path)})",
                )


def _made_in_forward(layers: Sequence[Written]) -> Iterator[Defect]:
    """A layer with weights that no attribute holds: new ones, untrained, at every call."""
    for layer in layers:
        if layer.module == "forward" and layer.name in KNOWN and parameters(layer):
            yield Defect(
                "forward",
                "forward",
                layer.line,
                Kind.HIDDEN,
                f"{layer} is no module of the model: parameters() passes over it",
                "a layer that __init__ makes and registers",
                f"make self.layer = nn.{layer} in __init__, and call it here",
            )


def _has_parameters(module: nn.Module) -> bool:
    return any(True for _ in module.parameters())


def _at(call: Call) -> str:
    return f"{call.what} (line {call.line})" if call.line else call.what


def _repeated(again: Sequence[Call]) -> str:
    """``conv1 is called twice (lines 21 and 22)``."""
    name = (again[0].layers or (Written(""),))[0].module
    lines = list(dict.fromkeys(str(call.line) for call in again))
    times = "twice" if len(again) == 2 else f"{len(again)} times"
    return f"{name} is called {times} (line{'s' * (len(lines) > 1)} {units.listed(lines)})"


def _meant(again: Sequence[Call], idle: list[Written]) -> dict[Call, Written]:
    """The idle layer that each call which does not fit was meant for; taken out of ``idle``.

    One that fits there goes first, then any of the same class; of these the first call is the layer's own.
    """
    meant: dict[Call, Written] = {}
    for only_fitting in (True, False):
        for call in again:
            if call.fits or call in meant or (call is again[0] and not only_fitting):
                continue
            if each := _alike(call, idle, only_fitting=only_fitting):
                idle.remove(each)
                meant[call] = each
    return meant


def _alike(call: Call, idle: Sequence[Written], *, only_fitting: bool) -> Written | None:
    """The first idle layer of a call's class; only one that takes what arrives there, if ``only_fitting``."""
    alike = (each for each in idle if call.layers and each.name == call.layers[0].name)
    if only_fitting:
        alike = (each for each in alike if output_once_fixed(each, call.arriving[1:])[1])
    return next(alike, None)


def _described(value: object) -> str:
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {units.plural(len(value), 'value')}"
    kind = type(value).__name__
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
