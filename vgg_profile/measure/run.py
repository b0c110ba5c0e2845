"""One measurement: a network, a real pass for each instrument, and what they read.

Nothing here knows what was predicted. It knows the network, runs it, and writes down what the
allocator, the FLOP counters and the clock say.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from vgg_profile import models
from vgg_profile.core.errors import InputError, excerpt, kind, message
from vgg_profile.core.inputs import Input
from vgg_profile.core.setting import Setting, Setup
from vgg_profile.measure import flops
from vgg_profile.measure.environment import environment
from vgg_profile.measure.memory import CpuMemory, CudaMemory
from vgg_profile.measure.processor import processor
from vgg_profile.measure.record import EVERYTHING_ELSE, MeasuredMoment, Measurement, Reading
from vgg_profile.measure.timing import Clock, matrix_product_rate, timings
from vgg_profile.measure.unharmed import as_it_was, attributes_kept
from vgg_profile.measure.vocabulary import COUNT_METHOD, FLOP_COUNTER, MEMORY_METHOD
from vgg_profile.models import Config, Source
from vgg_profile.run.marks import Deaf, every_module
from vgg_profile.run.step import AT, TrainingStep, computing, optimizer_of
from vgg_profile.run.tensors import CLASSES, Given, Loss, default_loss, give

PLAIN = Setup()
SEED = 0
FVCORE = ("fvcore_flops", "fvcore_activations")
"""What fvcore reads, if it is there."""

DTYPES = ("float64", "float32", "bfloat16", "float16")


class OutOfMemoryError(RuntimeError):
    """The device had no memory left, in a ``phase`` and ``layer`` of the step if it had begun.

    ``partial`` holds what had been measured until then.
    """

    def __init__(self, why: str, partial: Measurement, phase: str = "", layer: str = "") -> None:
        super().__init__(why)
        self.partial = partial
        self.phase, self.layer = phase, layer


def measure(
    network: nn.Module | Source,
    *,
    input: int | Sequence[int] = 224,  # noqa: A002 - the word that users know
    inputs: Sequence[Input] = (),
    loss: Loss | None = None,
    about: dict[str, Any] | None = None,
    batch: int = 1,
    dtype: str = "float32",
    device: str = "cpu",
    setup: Setup = PLAIN,
    repeats: int = 3,
    progress: Callable[[str], None] = lambda stage: None,
) -> Measurement:
    """Run a network forward and backward, once for each instrument, and write down what they read.

    ``network`` is whatever :func:`vgg_profile.config` takes, built here with random weights, or a module. It
    comes back as it was: mode, weights, buffers, attributes, gradients and hooks, and torch's random state
    (lazy layers with the shapes that they took). ``input`` is (C, H, W), or one number for a square of the
    network's channels; ``inputs`` are all that a module takes, where that is more than images. ``loss`` is
    cross entropy for images, else the one that goes with the output
    (:func:`vgg_profile.run.tensors.default_loss`). ``about`` is what the record says of a module's network.
    ``setup`` says how the step is run; an optimizer steps with a learning rate of 0, and unless it is the
    first step, a whole step is run before the one that is read. ``repeats`` passes are timed. Raises
    ``InputError`` if the device cannot do it, ``OutOfMemoryError`` with the partial measurement if its memory
    does not suffice.
    """
    place = device_named(device)
    setup = _on_this_machine(setup.measured_on(place.type), place)
    if not isinstance(network, nn.Module):
        network = models.config(network)
    config = network if isinstance(network, Config) else getattr(network, "config", None)
    channels = config.in_channels if isinstance(config, Config) else 3
    shape = (channels, input, input) if isinstance(input, int) else tuple(input)
    inputs = tuple(inputs) or (Input(shape),)
    subject = {
        "config": config.to_dict() if isinstance(config, Config) else about,
        **Setting(inputs[0].shape, batch, dtype, place.type, setup).to_dict(),
    }
    if dtype not in DTYPES:
        raise InputError(f"There is no dtype {excerpt(dtype)} here.", f"Choose from {', '.join(DTYPES)}.")
    readings: list[Reading] = []
    timeline: list[MeasuredMoment] = []
    skipped: dict[str, str] = {}

    def measurement() -> Measurement:
        return Measurement(subject, environment(place), tuple(readings), tuple(timeline), skipped)

    try:
        with torch.random.fork_rng(), computing(setup):
            torch.manual_seed(SEED)
            run = _Run(network, inputs, loss, batch, getattr(torch, dtype), place, setup)
            progress("building the network")
            timeline.append(run.load())
            readings += run.count_tensors()
            with as_it_was(run.model, setup):
                with attributes_kept(run.model) as is_changed:
                    run.settle_loss()
                    progress("counting FLOPs, forward and backward")
                    readings += run.count_flops()
                    progress("counting with fvcore")
                    readings += run.count_with_fvcore(skipped)
                    is_another = is_changed()
                progress("recording memory, forward and backward")
                run.record_memory(timeline, readings, is_another=is_another)
                if repeats:
                    progress(f"timing {repeats} passes")
                    readings += run.time(repeats, timeline)
                else:
                    skipped["time"] = "repeats is 0"
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, NotImplementedError) or "not implemented for" in message(error):
            raise InputError(
                f"PyTorch {torch.__version__} cannot run this network in {dtype} on {place.type}: "
                f"{message(error)}.",
                "Try --dtype float32, or another --device.",
            ) from None
        if not _is_out_of_memory(error):
            raise
        skipped[EVERYTHING_ELSE] = "out of memory"
        why = message(error).splitlines()[0].rpartition("DefaultCPUAllocator: ")[2]
        notes = [note.removeprefix(AT) for note in getattr(error, "__notes__", []) if note.startswith(AT)]
        phase, _, layer = (notes or [""])[0].partition(" of ")
        raise OutOfMemoryError(
            excerpt(why.rstrip("."), 300).strip("'\""), measurement(), phase, layer
        ) from None
    return measurement()


class _Run:
    """One network with what it is measured on."""

    def __init__(
        self,
        network: nn.Module | Config,
        inputs: tuple[Input, ...],
        loss: Loss | None,
        batch: int,
        dtype: torch.dtype,
        device: torch.device,
        setup: Setup,
    ) -> None:
        self.network, self.inputs, self.batch = network, inputs, batch
        self.loss = CLASSES if isinstance(network, Config) else loss
        self.dtype, self.device, self.setup = dtype, device, setup
        self.model: nn.Module
        self.names: dict[str, str] = {}
        self.blocks: dict[int, int] = {}

    def load(self) -> MeasuredMoment:
        """Build the network under the eyes of the allocator, or weigh the one that was given."""
        gc.collect()
        if isinstance(self.network, Config):
            with self._memory(0) as recorder:
                recorder.mark("load")
                self.model = models.build(
                    self.network, input=self.inputs[0].shape, device=self.device, dtype=self.dtype
                )
                recorder.mark("end")
            loaded = recorder.moments[0]
        else:
            self.model = self.network
            if any(map(is_lazy, (*self.model.parameters(), *self.model.buffers()))):
                self._output()  # a first pass decides what shapes they have
            storages = {
                tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes()
                for tensor in (*self.model.parameters(), *self.model.buffers())
            }
            weight = sum(storages.values())
            loaded = MeasuredMoment("load", "", weight, weight, "untyped_storage().nbytes()")
        self.names = self.model.names if isinstance(self.model, models.VGG) else every_module(self.model)
        self.loaded = loaded.live
        return loaded

    def _memory(self, start: int) -> CpuMemory | CudaMemory:
        return CpuMemory(start, self.blocks) if self.device.type == "cpu" else CudaMemory(self.device, start)

    def given(self) -> Given:
        return give(self.inputs, self.loss or CLASSES, self.batch, self.dtype, self.device)

    def settle_loss(self) -> None:
        """Where nobody named a loss: the one that goes with the output of a forward pass."""
        if self.loss is None:
            self.loss = default_loss(self._output(), self.batch)

    def _output(self) -> Any:
        """What comes of a forward pass alone."""
        args, kwargs, _ = give(self.inputs, Loss(_no_loss, ""), self.batch, self.dtype, self.device)
        with torch.no_grad():
            return self.model(*args, **kwargs)

    def count_tensors(self) -> Iterator[Reading]:
        """How many learnable values and buffer values there are."""
        for quantity, tensors in (
            ("parameters", self.model.parameters()),
            ("buffers", self.model.buffers()),
        ):
            count = sum(tensor.numel() for tensor in tensors)
            yield Reading(quantity, count, "value", COUNT_METHOD.format(quantity))

    def _step(self, optimizer: torch.optim.Optimizer | None = None) -> TrainingStep:
        assert self.loss is not None
        loss, kind = self.loss.function, self.device.type
        return TrainingStep(self.model, self.given(), loss, self.names, self.setup, kind, optimizer)

    def count_flops(self) -> Iterator[Reading]:
        """FLOPs and output shapes of a real pass, which also warms the device up."""
        yield from flops.count_flops(self._step(), self.batch, self.inputs[0].batch_dim)
        if self.setup.checkpoint != "none" and self.setup.has_backward:
            self.model.zero_grad(set_to_none=True)
            with self._checkpointing():
                yield Reading(
                    "checkpointed_flops",
                    flops.count_all_flops(self._step()),
                    "FLOP",
                    FLOP_COUNTER,
                )
        if self.setup.optimizer != "none" and not all(
            bool(parameter.grad.isfinite().all())
            for parameter in self.model.parameters()
            if parameter.grad is not None
        ):
            raise InputError(
                "The gradients are not finite, and a step on them would spoil the weights.",
                "Measure with --optimizer none, or in another --dtype.",
            )
        self.model.zero_grad(set_to_none=True)

    def count_with_fvcore(self, skipped: dict[str, str]) -> Iterator[Reading]:
        """What fvcore counts; where it does not, ``skipped`` says why there is nothing."""
        try:
            from vgg_profile.measure.fvcore_counts import (
                MOST_TRACED,
                count_with_fvcore,
                count_with_fvcore_alone,
            )
        except (Exception, SystemExit) as error:
            if _is_out_of_memory(error):
                raise
            skipped |= dict.fromkeys(FVCORE, lack(error))
            return
        number = sum(1 for _ in self.model.modules())
        count = count_with_fvcore
        if number > MOST_TRACED and isinstance(self.network, Config):
            count = count_with_fvcore_alone
        elif number > MOST_TRACED:
            skipped |= dict.fromkeys(
                FVCORE, f"fvcore would trace {number:,} modules, more than {MOST_TRACED:,}"
            )
            return
        try:
            yield from list(count(self.model, self.given().args, self.names))
        except Exception as error:  # it traces with TorchScript, which many a network does not pass
            if isinstance(self.network, Config):
                raise
            skipped |= dict.fromkeys(FVCORE, f"fvcore cannot trace this network: {kind(error)}")

    @contextmanager
    def _checkpointing(self) -> Iterator[None]:
        """While this lasts, the network checkpoints its blocks if the setup says so."""
        if self.setup.checkpoint == "none":
            yield
            return
        if not isinstance(self.model, models.VGG):
            raise InputError(
                f"A {type(self.model).__name__} has no blocks that are known here.",
                "Measure a config, or a network of vgg_profile.models, with --checkpoint blocks.",
            )
        before, self.model.checkpoint_blocks = self.model.checkpoint_blocks, True
        try:
            yield
        finally:
            self.model.checkpoint_blocks = before

    def _first_step(self, optimizer: torch.optim.Optimizer | None) -> None:
        """Let what a first step leaves be made under the eyes of the allocator, and drop everything else."""
        with self._memory(self.loaded) as recorder:
            recorder.mark("load")
            self._step(optimizer).run(Deaf())
            self.model.zero_grad(set_to_none=True)
            recorder.mark("end")
        self.loaded = recorder.moments[0].live

    def _first_micro_batch(self) -> None:
        """Let a micro-batch leave its gradients under the eyes of the allocator."""
        with self._memory(self.loaded) as recorder, self._checkpointing():
            recorder.mark("load")
            self._step().run(Deaf())
            recorder.mark("end")
        self.loaded = recorder.moments[0].live

    def record_memory(
        self, timeline: list[MeasuredMoment], readings: list[Reading], *, is_another: bool
    ) -> None:
        """One whole step under the eyes of the allocator: after one of a network that is another then."""
        optimizer = optimizer_of(self.model, self.setup)
        gc.collect()
        if (optimizer is not None or is_another) and not self.setup.first_step:
            self._first_step(optimizer)
            timeline[0] = timeline[0]._replace(live=self.loaded, peak=self.loaded)
        if self.setup.accumulate > 1:
            self._first_micro_batch()
            timeline[0] = timeline[0]._replace(live=self.loaded, peak=self.loaded)
        with self._memory(self.loaded) as recorder, self._checkpointing():
            recorder.mark("input")
            self._step(optimizer).run(recorder)
        if isinstance(recorder, CudaMemory):
            readings += recorder.allocator_readings()
        self.model.zero_grad(set_to_none=True)
        peak = max(recorder.moments, key=lambda moment: moment.peak)
        method = MEMORY_METHOD[self.device.type]
        readings.append(Reading("peak_bytes", peak.peak, "B", method))
        timeline += [moment for moment in recorder.moments if moment.phase != "end"]

    def time(self, repeats: int, timeline: Sequence[MeasuredMoment]) -> Iterator[Reading]:
        """Seconds by part of the ``timeline``, after the passes before have warmed everything up."""
        optimizer = optimizer_of(self.model, self.setup)
        used = {(moment.phase, moment.layer) for moment in timeline}
        clocks = []
        for _ in range(repeats):
            self.model.zero_grad(set_to_none=True)
            clock = Clock(self.device, used)
            with self._checkpointing():
                self._step(optimizer).run(clock)
            clocks.append(clock)
        self.model.zero_grad(set_to_none=True)
        yield from timings(clocks)
        lowered = None if self.setup.amp == "none" else getattr(torch, self.setup.amp)
        yield matrix_product_rate(self.device, lowered or self.dtype)


def _no_loss(output: Any, targets: Any) -> Any:
    raise AssertionError("a loss was taken where there is none")


def _on_this_machine(setup: Setup, place: torch.device) -> Setup:
    """The setup with this machine's processor, and its threads if none are asked for.

    Raises ``InputError`` if another processor is asked for.
    """
    if place.type != "cpu":
        return replace(setup, processor=None, threads=None)
    here = processor()
    if setup.processor not in (None, here):
        raise InputError(
            f"This processor is {here or 'of no family known here'}, not {setup.processor}.",
            "Leave --processor out: it is found out.",
        )
    return replace(setup, processor=here, threads=setup.threads or torch.get_num_threads())


def device_named(name: str) -> torch.device:
    """The device of a name, ``auto`` for the best here; raises ``InputError`` for one that is not here."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError(
            f"There is no CUDA device here (torch {torch.__version__}).", "Use --device cpu, or auto."
        )
    return torch.device(name)


def lack(error: BaseException) -> str:
    """Why fvcore does not count here: itself, or what it needs, is not installed, or does not load."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"{error.name.partition('.')[0]} is not installed"
    return f"fvcore cannot be loaded: {kind(error)}: {excerpt(message(error), 120)[1:-1]}"


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(
        sign in message(error) for sign in ("can't allocate memory", "size calculation overflowed")
    )
