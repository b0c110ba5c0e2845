"""One training step of a network on fake tensors, at one batch: its book."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.modules.module import register_module_forward_hook

from vgg_profile.core.book import Book
from vgg_profile.core.collecting import collected, collecting
from vgg_profile.core.events import Category, Phase
from vgg_profile.core.inputs import Input
from vgg_profile.core.setting import Setup
from vgg_profile.predict.fake.answers import real_answers
from vgg_profile.predict.fake.building import (
    ATTRIBUTE,
    LazyError,
    built,
    check_not_compiled,
    converted_to,
    faked,
    materialised,
    tensors_of,
)
from vgg_profile.predict.fake.card import as_on_a_card
from vgg_profile.predict.fake.devices import CARD, device_of
from vgg_profile.predict.fake.fields import IMAGE, IMAGE_DIMENSIONS
from vgg_profile.predict.fake.known import Known
from vgg_profile.predict.fake.modules import Outputs, SeenModule
from vgg_profile.predict.fake.paths import Paths
from vgg_profile.predict.fake.readers import note_readers
from vgg_profile.predict.fake.recording import Recording, identity
from vgg_profile.predict.fake.watch import Temporaries, Watch
from vgg_profile.run.find import for_batch
from vgg_profile.run.marks import every_module
from vgg_profile.run.step import TrainingStep, computing, make_state, optimizer_of
from vgg_profile.run.tensors import Given, Loss, default_loss, give, targets_of, tensors_in

STATE_NAMES = {
    "step": "step count",
    "exp_avg": "first moment",
    "exp_avg_sq": "second moment",
    "momentum_buffer": "momentum",
}
"""The optimizers' keys of their states, in words."""


@dataclass(frozen=True)
class Target:
    """What is traced: a network, or a function that builds one, and how a step of it is run.

    A function that takes a ``batch`` is given it. ``names`` are the marks' names by module path; every module
    by its path if there are none.
    """

    network: nn.Module | Callable[..., nn.Module]
    inputs: tuple[Input, ...]
    loss: Loss | None
    dtype: str
    device: str
    setup: Setup
    temporaries: Temporaries
    names: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Traced:
    """The book of one step at one batch, and what was seen on the way."""

    book: Book
    loss: Loss
    assumed: tuple[str, ...] = ()
    """What was taken to be so because there is no data, in words."""
    modules: tuple[SeenModule, ...] = ()
    macs: Mapping[tuple[Phase, str], int] = field(default_factory=dict)
    probed: Mapping[str, int] = field(default_factory=dict)
    """Operations that were run alone to learn what they take, and how often they ran."""
    unknown: Mapping[str, int] = field(default_factory=dict)
    """Operations of whose kernels nobody knows what they take, and how often they ran."""
    uncounted: Mapping[tuple[Phase, str], int] = field(default_factory=dict)
    """Of the MACs, those that torch's FlopCounterMode does not see."""
    where: str = ""
    """The module in which the pass was, where it was broken off."""


class BrokenOffError(Exception):
    """A step that raised, as its cause says, and what had been seen until then."""

    def __init__(self, so_far: Traced) -> None:
        super().__init__(so_far.where)
        self.so_far = so_far


@collected()  # a network knows itself, and so does what saw it
def run_on_fakes(target: Target, batch: int) -> Traced:
    """Run one training step of a network on tensors without data, and write its book.

    Raises :class:`BrokenOffError` for a network whose course or sizes depend on data, or that raises itself.
    """
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    this = _Pass(target, batch, mode)
    with mode, _quiet(), collecting(is_on=False), computing(target.setup):
        try:
            traced = this.run()
            if this.is_changed and not target.setup.first_step:
                this = _Pass(target, batch, mode)
                traced = this.run(after_one=True)
            return traced
        except (Exception, SystemExit) as error:
            raise BrokenOffError(this.traced()) from error


class _Pass:
    """One step, while it is traced."""

    def __init__(self, target: Target, batch: int, mode: FakeTensorMode) -> None:
        self.target, self.batch = target, batch
        self.device = device_of(target.device)
        self.recording = Recording(splits=self.device != CARD)
        known = Known()
        self.paths = Paths(known)
        self.watch = Watch(
            mode,
            self.recording,
            known,
            self.paths,
            target.temporaries,
            self.device,
            has_autocast=target.setup.amp != "none",
        )
        self.recording.before_mark = self.watch.numbers.settle
        self.dtype = getattr(torch, target.dtype)
        self.outputs = Outputs(self.watch.fields, batch, target.inputs[0].batch_dim)
        self.model: Any = None
        self.names: dict[str, str] = {}
        self.loss = target.loss or Loss(self._settle, "no loss yet")
        self.loaded = self.given = self.recording.now()
        """When the network was there, and when its inputs were."""
        self.targets: Tensor | None = None
        self.is_changed = False
        """Whether the step left the network another than it was: its modules, or the tensors among them."""

    def run(self, *, after_one: bool = False) -> Traced:
        """The step, or the one ``after_one``, for a network that its first step changes.

        Of several micro-batches one has left its gradients before.
        """
        target = self.target
        hook = register_module_forward_hook(self.outputs.note)
        try:
            with self._watched(), self.watch.unwritten():
                self.model = self._network()
                self.model.train(target.setup.mode == "train")
                before = _parts(self.model)
                if after_one:
                    self._step(None).run(self.recording)
                    self.model.zero_grad(set_to_none=True)
                if target.setup.accumulate > 1:
                    self._step(None).run(self.recording)
                self.names = dict(target.names or every_module(self.model))
            optimizer = optimizer_of(self.model, target.setup)
            now = _parts(self.model)
            self._begin(now - before)
            with self._watched():
                self.recording.mark("input")
                step = self._step(optimizer)
                self._call_inputs(step)
                output = step.run(self.recording, lambda: self._before_step(optimizer, self.names))
                self.watch.numbers.settle()
        finally:
            hook.remove()
        self._call_gradients_and_state(optimizer, self.names)
        self.is_changed = _parts(self.model) != now
        traced = self.traced()
        self.recording.forget_before()
        del output, step
        return traced

    def _step(self, optimizer: torch.optim.Optimizer | None) -> TrainingStep:
        given, loss = self._give(self.loss), self._noting(self.loss.function)
        self.given = self.recording.now()
        setup = self.target.setup
        return TrainingStep(self.model, given, loss, self.names, setup, "cpu", optimizer)

    def _begin(self, kept: set[_Part]) -> None:
        """From here on everything is of the step; what an earlier one left in the network is ``kept``."""
        self.recording.forget_before()
        self.outputs.clear()
        for seen in (self.watch.macs, self.watch.uncounted, self.watch.probed, self.watch.unknown):
            seen.clear()
        self.recording.mark("load")
        self.recording.load(self._loaded(self.names))
        self.recording.load(self._kept(kept))
        self.recording.load(self._gradients(self.names))
        self.loaded = self.recording.now()

    def traced(self) -> Traced:
        """What was seen, be it the whole step or its beginning."""
        watch = self.watch
        return Traced(
            Book(tuple(self.recording.events), tuple(self.recording.marks)),
            self.loss,
            tuple(self.paths.assumed),
            () if self.model is None else self.outputs.seen(self.model, self.names),
            dict(watch.macs),
            dict(watch.probed),
            dict(watch.unknown),
            dict(watch.uncounted),
            self.recording.layer,
        )

    @contextmanager
    def _watched(self) -> Iterator[None]:
        with ExitStack() as modes:
            for mode in (self.watch, self.paths, real_answers(self.recording, self.device)):
                modes.enter_context(mode)
            if self.device == CARD:
                modes.enter_context(as_on_a_card(self.paths))
            yield

    def _network(self) -> nn.Module:
        network = self.target.network
        model = faked(network) if isinstance(network, nn.Module) else self._built(network)
        assert isinstance(model, nn.Module)
        converted_to(model, self.device, self.dtype)
        check_not_compiled(model)
        if self.target.setup.freeze:
            trained = [name for name, each in model.named_parameters() if each.requires_grad]
            self.target.setup.check_freeze(trained)
            for name in trained:
                frozen = self.target.setup.is_frozen(name)
                model.get_parameter(name).requires_grad_(not frozen)
        return model

    def _built(self, network: Callable[..., nn.Module]) -> nn.Module:
        build = for_batch(network, self.batch)
        try:
            return cast(nn.Module, built(build))
        except LazyError:
            return faked(materialised(build, self._run_on_meta))

    def _run_on_meta(self, model: nn.Module) -> None:
        args, kwargs, _ = self._give(self.loss, torch.device("meta"))
        model(*args, **kwargs)

    def _give(self, loss: Loss, device: torch.device | None = None) -> Given:
        target = self.target
        return give(target.inputs, loss, self.batch, self.dtype, device or self.device)

    def _settle(self, output: Any, targets: Any) -> Any:
        """The loss that goes with the output; the targets that it takes are given with the input."""
        self.loss = default_loss(output, self.batch)
        with self.recording.back_at(self.given):
            self.targets = targets_of(self.loss, self.batch, self.device)
        self._call(self.targets, "input", "targets", Category.INPUT)
        return self.loss.function(output, self.targets)

    def _loaded(self, names: Mapping[str, str]) -> Iterator[tuple[str, str, Tensor, Category]]:
        for path, module in self.model.named_modules():
            layer = names.get(path, path)
            for what, parameter in module._parameters.items():
                if parameter is not None:
                    yield layer, what, parameter, Category.WEIGHTS
            for what, buffer in module._buffers.items():
                if buffer is not None:
                    yield layer, what, buffer, Category.BUFFERS

    def _kept(self, kept: set[_Part]) -> Iterator[tuple[str, str, Tensor, Category]]:
        for path, module in self.model.named_modules():
            for what, value in vars(module).items():
                for tensor in tensors_in(value, ATTRIBUTE):
                    if ("tensor", identity(tensor)) in kept:
                        yield self.names.get(path, path), what.strip("_"), tensor, Category.BUFFERS

    def _call_inputs(self, step: TrainingStep) -> None:
        named = [("images" if i == 0 else f"input {i + 1}", x) for i, x in enumerate(step.given.args)]
        for what, tensor in [*named, *step.given.kwargs.items(), ("targets", step.given.targets)]:
            if tensor is not None and tensor.dim() == IMAGE_DIMENSIONS and tensor.is_floating_point():
                self.watch.fields.tell(tensor, IMAGE)
            self._call(tensor, "input", what, Category.INPUT)

    def _call(self, tensor: Tensor | None, layer: str, what: str, category: Category) -> None:
        """Give a tensor the book's word for it, if it is in the book."""
        storage = None if tensor is None else self.recording.known(tensor)
        if storage is not None:
            storage.layer, storage.what, storage.category = layer, what, category

    def _noting(self, loss: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """The loss, which also notes who will read what."""

        def noting(output: Any, targets: Any) -> Any:
            result = loss(output, targets)
            self.watch.numbers.settle()
            note_readers(self.recording, result, self.recording.places, self.watch.hooked)
            return result

        return noting

    # -- the optimizer -------------------------------------------------------------------------

    def _before_step(self, optimizer: torch.optim.Optimizer | None, names: Mapping[str, str]) -> None:
        """In every step but the first the state is there from the start: make it now, and say so."""
        self.watch.numbers.settle()
        if optimizer is None or self.target.setup.first_step:
            return
        with self.watch.closed():
            make_state(optimizer)
        with self.recording.back_at(self.loaded):
            self.recording.load(self._state(optimizer, names))

    def _state(
        self, optimizer: torch.optim.Optimizer, names: Mapping[str, str]
    ) -> Iterator[tuple[str, str, Tensor, Category]]:
        owners = self._owners(names)
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                layer, name = owners.get(parameter, ("", "a parameter"))
                for key, value in optimizer.state.get(parameter, {}).items():
                    if isinstance(value, Tensor) and self._is_here(value):
                        what = STATE_NAMES.get(key, key.replace("_", " "))
                        yield layer, f"{what} of {name}", value, Category.OPTIMIZER

    def _is_here(self, tensor: Tensor) -> bool:
        """Whether a tensor takes memory of the device that is asked about: not one of a card's host."""
        return self.device != CARD or tensor.device == CARD

    def _owners(self, names: Mapping[str, str]) -> dict[Tensor, tuple[str, str]]:
        """Each parameter's module and name; a shared one's first."""
        owners: dict[Tensor, tuple[str, str]] = {}
        for path, module in self.model.named_modules():
            for name, parameter in module.named_parameters(recurse=False):
                owners.setdefault(parameter, (names.get(path, path), name))
        return owners

    def _gradients(self, names: Mapping[str, str]) -> Iterator[tuple[str, str, Tensor, Category]]:
        for parameter, (layer, name) in self._owners(names).items():
            if parameter.grad is not None:
                yield layer, f"gradient of {name}", parameter.grad, Category.GRADIENTS

    def _call_gradients_and_state(
        self, optimizer: torch.optim.Optimizer | None, names: Mapping[str, str]
    ) -> None:
        for layer, what, tensor, category in self._gradients(names):
            self._call(tensor, layer, what, category)
        if optimizer is not None:
            for layer, what, tensor, category in self._state(optimizer, names):
                self._call(tensor, layer, what, category)


_Part = tuple[str, int]


def _parts(model: nn.Module) -> set[_Part]:
    """What a network consists of: its modules, and the storages of all tensors among their attributes."""
    modules = {("module", id(module)) for module in model.modules()}
    return modules | {("tensor", identity(tensor)) for tensor in tensors_of(model)}


@contextmanager
def _quiet() -> Iterator[None]:
    """Fake tensors log what an operation refuses, at length; it is raised, too, and said once."""
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
