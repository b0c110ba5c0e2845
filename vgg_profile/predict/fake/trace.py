"""Any network, traced: its step, with a book that answers for every batch where one book can."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from vgg_profile.core.book import Book
from vgg_profile.core.counts import ZERO, Count, plain, product
from vgg_profile.core.errors import InputError, excerpt, kind, message
from vgg_profile.core.events import Event, Phase, Storage, kept
from vgg_profile.core.inputs import Input
from vgg_profile.core.network import TracedNetwork
from vgg_profile.core.setting import Setting, Setup
from vgg_profile.core.sizes import Shape
from vgg_profile.core.step import Step
from vgg_profile.core.tree import Profile, Row
from vgg_profile.predict.fake.affine import join
from vgg_profile.predict.fake.modules import Seen
from vgg_profile.predict.fake.one_step import Subject, Traced, run_on_fakes
from vgg_profile.predict.fake.probe import by_rule_or_probe
from vgg_profile.predict.fake.temporaries import by_rule
from vgg_profile.run.tensors import Loss

OTHERS = (1, 3)
"""The batches beside the one that is asked about, added to it, that the book is joined with and proved on."""

PLAIN = Setup()


def trace(
    network: nn.Module | Callable[[], nn.Module],
    inputs: str | Input | Tensor | Sequence[str | Input | Tensor],
    *,
    loss: Callable[[Any, Any], Any] | Loss | None = None,
    batch: int | None = None,
    dtype: str = "float32",
    setup: Setup = PLAIN,
    probe: bool = True,
    every_batch: bool = True,
    name: str = "",
    source: str = "",
) -> Step:
    """One training step of any network, predicted: nothing is allocated, and no kernel of it is run here.

    ``network`` is a module, which is left as it is, or a function that builds one without memory. ``inputs``
    are shapes without the batch (``"3x224x224"``, ``"128:int64<50257"``) or tensors whose dimension 0 is the
    batch. ``loss(output, targets)`` is cross entropy, the output's own or its mean unless it is given.
    With ``probe``, an operation of whose kernel no rule knows what it takes is run alone, in another process,
    to learn it. Unless ``every_batch`` is off, the step is traced at three batches, and answers for all of
    them. Raises ``InputError`` for a network that cannot be traced, naming the operation.

    >>> step = trace(nn.Linear(8, 4), "8", batch=2, probe=False)
    >>> step.peak_bytes(2), step.peak_bytes(3)
    (440, 512)
    """
    given = [inputs] if isinstance(inputs, (str, Input, Tensor)) else list(inputs)
    tensors = [each for each in given if isinstance(each, Tensor)]
    if batch is None:
        batch = tensors[0].shape[0] if tensors else 1
    specs = tuple(_input(each, dtype) for each in given)
    if not specs:
        raise InputError("A network is traced on an input, and none is given.", "Try --input 3x224x224.")
    setting = Setting(specs[0].shape, batch, dtype, "cpu", setup.on("cpu"))
    setting.check()
    if loss is not None and not isinstance(loss, Loss):
        loss = Loss(loss, getattr(loss, "__name__", "a loss of your own"))
    subject = Subject(network, specs, loss, dtype, "cpu", setting.setup, _temporaries(probe))
    traced = _run(subject, batch)
    book, doubts = traced.book, list(_doubts(traced))
    if every_batch:
        others = [_run(replace(subject, loss=subject.loss), batch + more).book for more in OTHERS]
        joined = join([(batch, book), *zip((batch + more for more in OTHERS), others, strict=True)])
        book = replace(book, only=batch) if joined is None else replace(joined, least=min(batch, 2))
    else:
        book = replace(book, only=batch)
    rows = tuple(_rows(traced, book, specs[0].shape, batch))
    label = name or _name(network)
    owning = sum(1 for row in rows if row.parameters)
    about = TracedNetwork(
        label,
        source or label,
        traced.modules[0].kind,
        owning,
        specs,
        traced.loss,
        torch.__version__,
        torch.get_num_threads(),
    )
    return Step(Profile(about, setting, rows), book, tuple(doubts))


def _temporaries(probe: bool) -> Any:
    if probe:
        return by_rule_or_probe
    return lambda func, args, kwargs, results: by_rule(func, args, results)


def _run(subject: Subject, batch: int) -> Traced:
    """One pass; what the network itself raises is said in one line."""
    try:
        return run_on_fakes(subject, batch)
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        notes = "".join(f" {note}" for note in getattr(error, "__notes__", [])[:1])
        raise InputError(
            f"The network raises {kind(error)}{notes}: {excerpt(message(error), 300)}.",
            "Check its inputs, each without the batch: --input 3x224x224, --input 128:int64.",
        ) from error


def _input(given: str | Input | Tensor, dtype: str) -> Input:
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


def _doubts(traced: Traced) -> Iterator[str]:
    """What the trace is not sure of, in words."""
    for assumed in traced.assumed:
        yield f"it is assumed {assumed}"
    if traced.unknown:
        yield f"not known what they take beside their results: {', '.join(sorted(traced.unknown))}"
    if traced.probed:
        yield f"run alone on this machine to learn what they take: {', '.join(sorted(traced.probed))}"


# -- rows ----------------------------------------------------------------------------------------


def _rows(traced: Traced, book: Book, shape: Shape, batch: int) -> Iterator[Row]:
    """The input, then each module that owns something or does something, in the network's order."""
    saved = kept(book.events)
    forward, backward = _macs(traced.macs, batch)
    making = {event.layer for event in book.events if event.phase is Phase.FORWARD and _makes(event)}
    yield Row(
        "input", "", "input", shape, product(*shape) if shape else ZERO, ZERO, 0, 0, ZERO, 1, 1, head="input"
    )
    for module in traced.modules:
        acts = module.name in making or module.name in saved or module.name in forward
        if not (module.is_leaf and module.calls) and not acts and not (module.weights or module.biases):
            continue
        yield Row(
            name=module.name,
            module=module.path,
            kind=module.kind,
            output_shape=module.output,
            values=_values(module) if module.is_leaf and module.name in making else ZERO,
            weights=plain(module.weights),
            biases=module.biases,
            buffers=module.buffers,
            macs=forward.get(module.name, ZERO),
            receptive_field=None,
            stride=None,
            head=module.name,
            block=module.path.partition(".")[0],
            saved=saved.get(module.name, ()),
            note=_note(module, making),
            backward_macs=backward.get(module.name, ZERO),
        )


def _makes(event: Event) -> tuple[Storage, ...]:
    return event.allocated


def _values(module: Seen) -> Count:
    return product(*module.output) if len(module.output) > 1 else plain(sum(module.output))


def _note(module: Seen, making: set[str]) -> str:
    if not module.calls:
        return "not called"
    if not module.is_leaf:
        return "between its modules"
    return "" if module.name in making else "no new memory"


def _macs(counted: Mapping[tuple[Phase, str], int], batch: int) -> tuple[dict[str, Count], dict[str, Count]]:
    """MACs an image by layer, of the forward and of the backward pass."""
    forward: dict[str, int] = {}
    backward: dict[str, int] = {}
    for (phase, layer), macs in counted.items():
        if macs:
            pass_ = backward if phase is Phase.BACKWARD else forward
            if phase in (Phase.FORWARD, Phase.BACKWARD):
                pass_[layer] = pass_.get(layer, 0) + macs
    return (
        {layer: plain(macs // batch) for layer, macs in forward.items()},
        {layer: plain(macs // batch) for layer, macs in backward.items()},
    )
