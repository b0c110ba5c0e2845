"""One training step on paper: the tape of a network, its loss and its optimizer, as a book."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from itertools import pairwise

from vgg_profile.core.book import Book
from vgg_profile.core.collecting import collecting
from vgg_profile.core.events import Category, Phase, Storage, kept
from vgg_profile.core.setting import AMP_ITEMSIZE, Setting, Setup
from vgg_profile.core.step import Step, in_words
from vgg_profile.core.tree import Profile
from vgg_profile.core.units import binary
from vgg_profile.predict.vgg.autograd import run_backward
from vgg_profile.predict.vgg.configs import Config, config
from vgg_profile.predict.vgg.optimizer import Optimizer
from vgg_profile.predict.vgg.passing import Kernels, Probe
from vgg_profile.predict.vgg.tape import Tape
from vgg_profile.predict.vgg.template import Template
from vgg_profile.predict.vgg.tensors import Backward, Result, Tensor
from vgg_profile.predict.vgg.walk import forward, load, rows_of

PLAIN = Setup()


def trace(profile: Profile, setup: Setup = PLAIN, probe: Probe | None = None) -> Step:
    """Run one training step of a profile on paper, as a :class:`Setup` has it.

    Where kernels' needs are known, the book is written anew for each batch that is asked about. What no rule
    knows is asked of the ``probe``. Raises ``InputError`` for a step that PyTorch would refuse; a batch that
    cannot be is refused when it is asked about.

    >>> from vgg_profile.predict.vgg.walk import walk
    >>> trace(walk("D")).fixed_points[Phase.FORWARD]  # weights, images and targets, saved activations
    626789448
    """
    return _step(profile, setup, lambda setting: Kernels.of(setting, probe))


def tensors_alone(profile: Profile, setup: Setup = PLAIN) -> Step:
    """The same without what kernels take in passing: one book for every batch, its bytes affine in it."""
    return _step(profile, setup, lambda setting: None)


KernelsOf = Callable[[Setting], Kernels | None]


def _step(profile: Profile, setup: Setup, kernels_of: KernelsOf) -> Step:
    net = config(profile.config)
    setting = replace(profile.setting, setup=setup.on(profile.device))
    setting.check()
    if setup.freeze:
        setup.check_freeze(row.module for row in profile.module_rows if row.parameters)
    write = partial(_write, net, setting, kernels_of)
    book = write(profile.batch)
    rows = rows_of(net, setting.input, lambda: kept(book.events))
    return Step(replace(profile, setting=setting, module_rows=rows), book, write=write if book.only else None)


def _is_of_a_batch(kernels: Kernels | None, dtype: str) -> bool:
    """Whether kernels' needs stand in the book, which are not affine in the batch."""
    return kernels is not None and kernels.knows(dtype)


def _write(net: Config, setting: Setting, kernels_of: KernelsOf, batch: int) -> Book:
    """The book of a step: load, forward, loss, backward, and the optimizer's step."""
    kernels = kernels_of(replace(setting, batch=batch))
    with collecting(is_on=False):
        if kernels is None:
            return book_of(net, setting)
        book = _template(net, _of_any_machine(setting)).filled(kernels)
    return replace(book, only=batch) if _is_of_a_batch(kernels, setting.dtype) else book


def _of_any_machine(setting: Setting) -> Setting:
    """A setting without all that makes no difference but to what kernels take in passing."""
    return replace(setting, batch=1, setup=replace(setting.setup, processor=None, threads=None))


@lru_cache(maxsize=1)  # of ten thousand layers each is large
def _template(net: Config, setting: Setting) -> Template:
    """A step whose kernels are asked for nothing yet: one for all batches, processors and threads."""
    tape = _run(net, setting, asks=True)
    return Template(_book(tape), tuple(tape.launches))


def book_of(net: Config, setting: Setting) -> Book:
    """What happens in the step of a network to its tensors alone."""
    return _book(_run(net, setting))


def _book(tape: Tape) -> Book:
    return Book(tuple(tape.events), tuple(tape.marks), refuses_one=tape.refuses_one)


def _run(net: Config, setting: Setting, *, asks: bool = False) -> Tape:
    """A step on a tape."""
    setup = setting.setup
    tape = Tape(
        itemsize=setting.itemsize,
        device=setting.device,
        training=setup.mode == "train",
        grad=setup.has_backward,
        asks=asks,
        amp=setup.amp,
    )
    parameters = load(tape, net, setting.input, setup)
    trained = [each.storage for of in parameters.values() for each in of.values() if not each.is_frozen]
    optimizer = None if setup.optimizer == "none" else Optimizer(tape, setup, trained)
    if optimizer and not setup.first_step:
        optimizer.make_state()
    if setup.accumulate > 1:
        tape.accumulate(trained)
    with tape.autocast(AMP_ITEMSIZE[setup.amp]):
        logits = forward(tape, net, setting.input, parameters, checkpoint_blocks=setup.checkpoint == "blocks")
        if setup.has_backward:
            tape.begin(Phase.LOSS)
            loss = _cross_entropy(tape, logits)
    if setup.has_backward:
        run_backward(tape, loss)
    if optimizer:
        tape.begin(Phase.STEP)
        optimizer.step()
    return tape


def out_of_memory(step: Step, why: str, phase: str = "", layer: str = "") -> str:
    """What to say when a device had no memory left: what it lacked, what the step needs, what would fit."""
    peak = step.peak
    images = 0 if step.book.only and step.write is None else step.largest_batch(peak.peak // 2)
    fits = f"a batch of {images:,}" if images else "not even one image"
    return (
        f"Out of memory: {why}.{_live_at(step, phase, layer)} The step needs {peak.peak:,} bytes = "
        f"{binary(peak.peak)} of tensors at its peak, {in_words(*step.place)}, before any scratch; "
        f"{binary(step.fixed_points[Phase.LOAD])} of them are weights. Try a smaller --batch or --input: "
        f"half that memory would hold {fits}."
    )


def _live_at(step: Step, phase: str, layer: str) -> str:
    """What was live when a part of the step began, as far as tensors go."""
    for before, moment in pairwise(step.moments):
        if (moment.phase, moment.layer) == (phase, layer):
            return (
                f" It was at {phase} of {layer}, where {before.live:,} bytes = {binary(before.live)} "
                "of tensors are live, by the prediction."
            )
    return ""


def _cross_entropy(tape: Tape, logits: Tensor) -> Tensor:
    """Cross entropy against class indices: a log-softmax, then the mean of one logit an image.

    Under autocast the CPU casts the logits and computes all of it in float32; a function of its own, it holds
    the cast logits to its end. CUDA takes the log-softmax in the logits' dtype and casts that to float32
    for the mean (read off an H100 with torch 2.11: ``tests/data/h100``; ``cross_entropy_loss`` in
    ATen/native/LossNLL.cpp, ``log_softmax_cuda_out`` in cuda/SoftMax.cu).
    """
    tape.layer = "loss"
    on_cpu = tape.device == "cpu"
    logits, given = (tape.in_float32(logits) if on_cpu else logits), logits
    log_probabilities = tape.op(
        "log_softmax",
        (logits,),
        Backward("LogSoftmaxBackward0", saves_output=True),
        Result(what="log-probabilities"),
    )
    if not on_cpu:
        log_probabilities, lowered = tape.in_float32(log_probabilities), log_probabilities
        if log_probabilities is not lowered:
            tape.drop(lowered)
    loss = tape.scalar("loss", log_probabilities.itemsize)
    total_weight = Storage("loss", "total weight", Category.ACTIVATIONS, loss.size)
    tape.reduce("nll_loss", log_probabilities, loss, node="NllLossBackward0", beside=total_weight)
    tape.drop(log_probabilities)
    if logits is not given:
        tape.drop(logits)
    return loss
