"""Any network, traced: its step, with a book that answers for every batch where one book can."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from math import prod
from pathlib import Path
from traceback import extract_tb
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

import vgg_profile.core.errors
from vgg_profile.core.book import Book, answers_for
from vgg_profile.core.counts import ZERO, Count, plain, product
from vgg_profile.core.errors import InputError, excerpt, kind, message
from vgg_profile.core.events import Phase, kept
from vgg_profile.core.inputs import Input
from vgg_profile.core.network import TracedNetwork
from vgg_profile.core.setting import Setting, Setup
from vgg_profile.core.sizes import Shape
from vgg_profile.core.step import NOT_ALONE, SEVERAL, Step
from vgg_profile.core.tree import Profile, Row
from vgg_profile.predict.fake.affine import Course
from vgg_profile.predict.fake.card_temporaries import on_a_card
from vgg_profile.predict.fake.modules import SeenModule
from vgg_profile.predict.fake.one_step import BrokenOffError, Target, Traced, run_on_fakes
from vgg_profile.predict.fake.probe import by_rule_or_probe
from vgg_profile.predict.fake.temporaries import by_rule
from vgg_profile.run.tensors import Loss

FURTHER = 3
"""How much larger the batch is, at least, on which a book is proved that is joined of two."""


PLAIN = Setup()

UNWRITTEN = Book((), ())

Given = str | Input | Tensor


def trace(
    network: nn.Module | Callable[..., nn.Module],
    inputs: Given | Sequence[Given],
    *,
    loss: Callable[[Any, Any], Any] | Loss | None = None,
    setting: Setting | None = None,
    batch: int | None = None,
    dtype: str | None = None,
    device: str = "cpu",
    setup: Setup = PLAIN,
    probe: bool = True,
    every_batch: bool = True,
    up_to: int = 0,
    name: str = "",
    source: str = "",
    how: tuple[str, ...] = (),
) -> Step:
    """One training step of any network, predicted: nothing is allocated, and no kernel of it is run here.

    ``network`` is a module, which is left as it is, or a function that builds one without memory, for a
    ``batch`` if it has a parameter of that name. ``inputs`` are shapes without the batch (``"3x224x224"``,
    ``"128:int64<50257"``) or tensors whose dimension 0 is the batch. ``loss(output, targets)`` is cross
    entropy, the output's own or its mean unless it is given. With ``probe``, an operation of whose kernel no
    rule knows what it takes is run alone, in another process, to learn it. The network is cast to a
    ``dtype`` that is named, else a module has its own, and a function's is taken for float32. A
    ``setting`` is batch, dtype, ``device`` (whose kernels: "cpu" or "cuda") and setup in one.
    Unless ``every_batch`` is off, the step is traced at three batches, and its book answers for all of them
    where one book can. A step that is asked about a batch that its book does not answer for traces the
    network again; one that is to be carried away, where nobody can, has books for all batches ``up_to`` one.
    Raises ``InputError`` for a network that cannot be traced, naming the operation; its ``so_far`` is the
    profile as far as it came.

    >>> step = trace(nn.Linear(8, 4), "8", batch=2, probe=False)
    >>> step.peak_bytes(2), step.peak_bytes(3)
    (440, 512)
    """
    if setting is not None:
        batch, dtype, device = setting.batch, setting.dtype, setting.device
        setup = setting.setup
    dtype = dtype or _own_dtype(network)
    given = [inputs] if isinstance(inputs, (str, Input, Tensor)) else list(inputs)
    tensors = [each for each in given if isinstance(each, Tensor)]
    if batch is None:
        batch = tensors[0].shape[0] if tensors else 1
    specs = tuple(_input(each, dtype) for each in given)
    if not specs:
        raise InputError("A network is traced on an input, and none is given.", "Try --input 3x224x224.")
    setup = setup.on(device)
    setting = Setting(specs[0].shape, batch, dtype, device, setup)
    setting.check()
    setting = replace(setting, setup=replace(setup, threads=None))  # the network's description has them
    if loss is not None and not isinstance(loss, Loss):
        loss = Loss(loss, getattr(loss, "__name__", "a loss of your own"))
    target = Target(network, specs, loss, dtype, device, setup, _temporaries(device, probe))
    called = name or _name(network)
    passes = _Passes(target, setting, called, source or called, how)
    traced = passes.at(batch)
    book = passes.write_on(batch, up_to) if every_batch else passes.alone(batch)
    books = passes.carried(book, max(up_to, batch)) if up_to else (book,)
    doubts = list(_doubts(passes.made if up_to else [traced]))
    if len(books) > 1 and books[-1].span[1]:
        doubts.append(
            f"kernels or operations change with the batch: {len(books)} books, for {answers_for(books)}"
        )
    doubts += passes.uneven()
    profile = passes.profile(traced, books[0])
    return Step(profile, books[0], tuple(doubts), passes.write, passes.write_on, books if up_to else ())


class _Passes:
    """The passes of one network at several batches, each made once."""

    def __init__(
        self, target: Target, setting: Setting, name: str, source: str, how: tuple[str, ...]
    ) -> None:
        self.target, self.setting, self.name, self.source, self.how = target, setting, name, source, how
        self._traced: dict[int, Traced] = {}
        """What was seen in each, without its book: that is of one of the courses."""
        self._courses: list[Course] = []

    def at(self, batch: int) -> Traced:
        """The pass at a batch; what the network raises is said in one line, with what came before it."""
        if batch not in self._traced:
            try:
                traced = run_on_fakes(self.target, batch)
                if not any(course.takes(batch, traced.book) for course in self._courses):
                    self._courses.append(Course(batch, traced.book))
                self._traced[batch] = replace(traced, book=UNWRITTEN)
                self.target = replace(self.target, loss=traced.loss)
            except BrokenOffError as broken:
                error = _explained(broken)
                seen = replace(broken.so_far, modules=tuple(_reached(broken.so_far)))
                if seen.modules:
                    error.so_far = self.profile(seen, seen.book)
                raise error from broken.__cause__
        return self._traced[batch]

    @property
    def made(self) -> list[Traced]:
        """Those that were made."""
        return [*self._traced.values()]

    def alone(self, batch: int) -> Book:
        """The book of one batch."""
        return replace(self._course(batch).at(batch), only=batch)

    def write(self, batch: int) -> Book:
        """The book of a batch; its bytes are affine between that one and a neighbour, if both go one way."""
        before = batch - 1
        joined = self._join(before, batch) if before in self._traced else None
        return self._and_next(batch) if joined is None else replace(joined, only=batch)

    def _and_next(self, batch: int) -> Book:
        """The book of a batch, joined with the next one's if both go one way."""
        joined = self._join(batch, batch + 1)
        return self.alone(batch) if joined is None else replace(joined, only=batch)

    def _course(self, batch: int) -> Course:
        """The course that a batch takes."""
        self.at(batch)
        return next(course for course in self._courses if batch in course)

    def _join(self, first: int, *others: int) -> Book | None:
        """The book of all these batches, if they take one course and one line joins them."""
        course = self._course(first)
        return course.line(first, *others) if all(self._course(each) is course for each in others) else None

    def write_on(self, batch: int, most: int = 0) -> Book:
        """The book of a batch and of all larger ones, if one line joins it, the next one and ``most``.

        Else the book of the batch.
        """
        joined = self._join(batch, batch + 1, max(batch + FURTHER, most))
        return self._and_next(batch) if joined is None else replace(joined, least=batch)

    def carried(self, book: Book, most: int) -> tuple[Book, ...]:
        """The book, if it holds at every batch; else one after the other up to the batch ``most``.

        Where one image alone goes another way, it has a book of its own before that.
        """
        alone = (book,) * (book.only == 1)
        rest = self.write_on(SEVERAL, most) if alone else book
        if not rest.only:
            return (*alone, rest)
        books: list[Book] = []
        batch = book.span[0]
        while batch <= most:
            books.append(self._stretch(batch, most))
            batch = books[-1].span[1] + 1
        return tuple(books)

    def _stretch(self, batch: int, most: int) -> Book:
        """The book of a batch and of those after it, as far as it holds: sought in strides, then between."""
        book, course, last, stride = self._and_next(batch), self._course(batch), batch, 1
        line = replace(book, only=0, least=batch)
        fails = most + 1
        while fails - last > 1:
            tried = min(last + stride, (last + fails) // 2 if fails <= most else most)
            if self._course(tried) is course and course.fits(line, tried):
                last, stride = tried, 2 * stride
            else:
                fails = tried
        return book if last == batch else replace(line, most=last)

    def uneven(self) -> Iterator[str]:
        """Modules whose MACs are not so many for each image, as far as the batches that were traced tell."""
        made = [
            {place: Fraction(number, batch) for place, number in traced.macs.items()}
            for batch, traced in self._traced.items()
        ]
        layers = {
            layer
            for phase, layer in made[0]
            if len({each.get((phase, layer)) for each in made}) > 1 or made[0][phase, layer].denominator > 1
        }
        if layers:
            yield (f"MACs an image are rounded down where some are once a batch: {', '.join(sorted(layers))}")

    def profile(self, traced: Traced, book: Book) -> Profile:
        """The modules of a pass as rows, under the network's name."""
        rows = tuple(_rows(traced, book, self.setting.input, self.setting.batch))
        about = TracedNetwork(
            self.name,
            self.source,
            traced.modules[0].kind,
            sum(1 for row in rows if row.parameters),
            self.target.inputs,
            traced.loss.words,
            torch.__version__,
            self.target.setup.threads or torch.get_num_threads(),
            self.how,
        )
        groups = {each.path: _row(each) for each in traced.modules if not each.is_leaf and each.calls}
        return Profile(about, self.setting, rows, groups=groups)


def _own_dtype(network: object) -> str:
    parameters = network.parameters() if isinstance(network, nn.Module) else ()
    found = (each.dtype for each in parameters if each.is_floating_point())
    return str(next(found, torch.float32)).removeprefix("torch.")


def _temporaries(device: str, probe: bool) -> Any:
    if device == "cuda":
        return on_a_card
    if probe:
        return by_rule_or_probe
    return lambda func, args, kwargs, results: by_rule(func, args, results)


def _reached(traced: Traced) -> Iterator[SeenModule]:
    """The modules that a pass came to, before it was broken off."""
    return (each for each in traced.modules if each.calls or each.name == traced.where)


def _explained(broken: BrokenOffError) -> InputError:
    """Why a pass was broken off, as a user's mistake: what raised, in which module, at which line."""
    error = broken.__cause__ or broken
    line = _line_of(error.__traceback__)
    if isinstance(error, InputError):
        return InputError(f"{error.problem.rstrip('.')}{line}.", error.next_step)
    notes = "".join(f" {note}" for note in getattr(error, "__notes__", [])[:1])
    said = f"The network raises {kind(error)}{notes}: {excerpt(message(error), 300)}{line}."
    if not broken.so_far.modules:
        return InputError(said, "It is not built yet: check what its constructor takes, --with NAME=VALUE.")
    if _ONE_VALUE in message(error):
        return InputError(said, NOT_ALONE)
    return InputError(said, "Check its inputs, each without the batch: --input 3x224x224, --input 128:int64.")


_ONE_VALUE = "Expected more than 1 value per channel when training"
"""What PyTorch's norms say of one (``_verify_batch_size`` in ``torch/nn/functional.py``)."""


_NOT_THEIRS = (str(Path(torch.__file__).parent), str(Path(vgg_profile.core.errors.__file__).parents[1]))
"""The folders of PyTorch's own files, and of these."""


def _line_of(traceback: TracebackType | None) -> str:
    """The last line of the network's own code in a traceback: `` (net.py, line 12)``."""
    frames = [frame for frame in extract_tb(traceback) if not frame.filename.startswith((*_NOT_THEIRS, "<"))]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""


def _input(given: Given, dtype: str) -> Input:
    if isinstance(given, str):
        return Input.parse(given)
    if isinstance(given, Input):
        return given
    own = str(given.dtype).removeprefix("torch.")
    return Input(tuple(given.shape[1:]), None if own == dtype else own)


def _name(network: object) -> str:
    return (
        type(network).__name__ if isinstance(network, nn.Module) else getattr(network, "__name__", "network")
    )


def _doubts(passes: Sequence[Traced]) -> Iterator[str]:
    """What the passes are not sure of, in words."""
    for assumed in dict.fromkeys(each for traced in passes for each in traced.assumed):
        yield f"it is assumed {assumed}"
    if unknown := sorted({each for traced in passes for each in traced.unknown}):
        yield f"not known what they take beside their results, nor how these lie: {', '.join(unknown)}"
    if probed := sorted({each for traced in passes for each in traced.probed}):
        yield f"run alone on this machine to learn what they take: {', '.join(probed)}"


# -- rows ----------------------------------------------------------------------------------------


def _rows(traced: Traced, book: Book, shape: Shape, batch: int) -> Iterator[Row]:
    """The input, then each module that owns something or does something, in the network's order."""
    saved = kept(book.events)
    forward, backward = _macs(traced.macs, batch)
    uncounted, uncounted_backward = _macs(traced.uncounted, batch)
    making = {event.layer for event in book.events if event.phase is Phase.FORWARD and event.allocated}
    yield Row(
        "input", "", "input", shape, product(*shape) if shape else ZERO, ZERO, 0, 0, ZERO, 1, 1, head="input"
    )
    for module in traced.modules:
        raised = module.name == traced.where
        acts = raised or module.name in making or module.name in saved or module.name in forward
        if not (module.is_leaf and module.calls) and not acts and not (module.weights or module.biases):
            continue
        yield replace(
            _row(module),
            values=_values(module) if module.is_leaf and module.name in making else ZERO,
            macs=plain(forward.get(module.name, 0)),
            saved=saved.get(module.name, ()),
            note="raised here" if raised else _note(module, making),
            backward_macs=plain(backward.get(module.name, 0)),
            uncounted_macs=uncounted.get(module.name, 0),
            uncounted_backward_macs=uncounted_backward.get(module.name, 0),
        )


def _row(module: SeenModule) -> Row:
    """What a module is, owns and gives, without what happens in it."""
    return Row(
        name=module.name,
        module=module.path,
        kind=module.kind,
        output_shape=module.outputs[0] if module.outputs else (),
        values=ZERO,
        weights=plain(module.weights),
        biases=module.biases,
        buffers=module.buffers,
        macs=ZERO,
        receptive_field=module.field.size if module.field else None,
        stride=module.field.stride if module.field else None,
        head=module.name,
        block=module.path.partition(".")[0] or module.name,
        more_outputs=module.outputs[1:],
        calls=module.calls,
        frozen=module.frozen,
    )


def _values(module: SeenModule) -> Count:
    """The values of an image that a module gives; of one output, with their working."""
    if len(module.outputs) == 1 and len(module.outputs[0]) > 1 and prod(module.outputs[0]) == module.values:
        return product(*module.outputs[0])
    return plain(module.values)


def _note(module: SeenModule, making: set[str]) -> str:
    if not module.calls:
        return "not called"
    if not module.is_leaf:
        return "between its modules"
    return "" if module.name in making else "no new memory"


def _macs(counted: Mapping[tuple[Phase, str], int], batch: int) -> tuple[dict[str, int], dict[str, int]]:
    """MACs an image by layer, of the forward pass, and of the backward pass with what it runs again."""
    forward: dict[str, int] = {}
    backward: dict[str, int] = {}
    for (phase, layer), macs in counted.items():
        if phase is Phase.FORWARD:
            forward[layer] = forward.get(layer, 0) + macs
        elif phase is Phase.BACKWARD:
            backward[layer] = backward.get(layer, 0) + macs
    return (
        {layer: macs // batch for layer, macs in forward.items()},
        {layer: macs // batch for layer, macs in backward.items()},
    )
