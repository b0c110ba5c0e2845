"""Autograd on paper: which operation allocates what, what it keeps for its backward, and until when.

A :class:`Tape` runs a network on symbolic tensors. It does what PyTorch's allocator and autograd do,
with sizes in place of values: an operation allocates its output, a node keeps what its backward pass
will read, and a storage is freed when nobody holds it any more. Everything that happens becomes one
list of :class:`~vgg_profile.core.events.Event`.

Conventions: bytes are what PyTorch *asks* its allocator for, before any rounding, and affine in the batch.
Source: PyTorch's ``derivatives.yaml`` (what each node saves) and its CPU and CUDA kernels (what each
allocates), read for 2.13; 2.6 is known to differ in the dropout of 16-bit values. ``check`` holds every
figure against a real pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from vgg_profile.core.events import Category, Event, Mark, Phase, Provenance, Storage
from vgg_profile.core.sizes import FLOAT32, FLOAT64, NOTHING, Bytes, Shape
from vgg_profile.predict.kernels import OUTPUT
from vgg_profile.predict.vgg.tensors import (
    Autocast,
    Backward,
    Blocks,
    Checkpoint,
    Node,
    Request,
    Result,
    Tensor,
    which,
)


class Launch(NamedTuple):
    """A kernel that ran: the number of its event, what is to be asked about it, and its results by name."""

    event: int
    asked: Request
    results: Mapping[str, Sequence[Storage]]


class Tape:
    """Records one training step.

    ``device`` is ``"cpu"`` or ``"cuda"``, whose kernels keep different things; ``training`` is the
    module mode; without ``grad`` nothing is kept for a backward pass, as under ``torch.no_grad()``;
    what kernels take in passing is not counted, or noted to be filled in, if it ``asks``. ``amp`` is the
    dtype that autocast lowers to, for the kernels that take one of two bytes and not the other.
    """

    def __init__(
        self,
        *,
        itemsize: int,
        device: str = "cpu",
        training: bool = True,
        grad: bool = True,
        asks: bool = False,
        amp: str = "none",
    ) -> None:
        self.itemsize = itemsize
        self.device = device
        self.training = training
        self.grad = grad
        self.asks = asks
        self.amp = amp
        self.phase = Phase.LOAD
        self.layer = ""
        self.events: list[Event] = []
        self.launches: list[Launch] = []
        self.marks: list[Mark] = []
        self.nodes: list[Node] = []
        self.accumulates = False
        self.refuses_one = ""
        """The first layer that cannot be trained on one image alone."""
        self.needed_nodes: int | None = None
        """While a checkpoint is run again: how many nodes its backward needs from it."""
        self._block: Checkpoint | None = None
        self._lowering = 0
        self._lowered: dict[int, Tensor] = {}

    def accumulate(self, weights: Iterable[Storage]) -> None:
        """Gradients of an earlier micro-batch are there, and new ones are added to them in place."""
        self.accumulates = True
        for weight in weights:
            self.layer = weight.layer
            what = which("gradient", weight.what)
            self.allocate(
                "gradient", Storage(weight.layer, what, Category.GRADIENTS, weight.size, of=weight.what)
            )

    def begin(self, phase: Phase, layer: str = "") -> None:
        """From here on, what happens belongs to this phase and layer; a boundary of the timeline."""
        self.phase, self.layer = phase, layer
        self.marks.append(Mark(phase, layer, len(self.events)))

    # -- storages: allocated when made, freed with their last holder ----------------------------

    def allocate(self, op: str, *storages: Storage) -> None:
        """One event that allocates; each storage gets its first holder."""
        for storage in storages:
            storage.holders += 1
        self.events.append(Event(self.phase, self.layer, op, storages, ()))

    def hold(self, tensor: Tensor) -> Tensor:
        """One more name for a tensor."""
        tensor.storage.holders += 1
        return tensor

    def drop(self, *tensors: Tensor) -> None:
        """Let go of tensors: names go out of scope."""
        self.release("release", [tensor.storage for tensor in tensors])

    def release(self, op: str, storages: Iterable[Storage]) -> None:
        """Let go of storages; an event only if something is freed."""
        freed = let_go(storages)
        if freed:
            self.events.append(Event(self.phase, self.layer, op, (), freed))

    def work(self, op: str, size: Bytes) -> None:
        """What an operation takes and gives back, and nothing else of it."""
        if size != NOTHING:
            taken = (_scratch(self.layer, "workspace", size),)
            self.event(op, taken, taken)

    def tensor(self, category: Category, what: str, shape: Shape, itemsize: int | None = None) -> Tensor:
        """A new tensor of a value for each image and place, of the network's dtype, held once."""
        tensor = self._new(category, what, shape, itemsize or self.itemsize)
        self.allocate("empty", tensor.storage)
        return tensor

    def parameter(self, what: str, shape: Shape, *, is_frozen: bool = False) -> Tensor:
        """A new learnable parameter, held by its module for good; a frozen one gets no gradient."""
        tensor = self._new(Category.WEIGHTS, what, shape, self.itemsize, is_parameter=True, batched=False)
        tensor.is_frozen = is_frozen
        self.allocate("parameter", tensor.storage)
        return tensor

    def scalar(self, what: str, itemsize: int) -> Tensor:
        """A single value for the whole batch, not yet allocated."""
        storage = Storage(self.layer, what, Category.ACTIVATIONS, Bytes(itemsize, 0))
        return Tensor(storage, (), itemsize, batched=False)

    def buffer(self, what: str, size: int) -> None:
        """A module's buffer: loaded with the weights, never given a gradient."""
        self.allocate("buffer", Storage(self.layer, what, Category.BUFFERS, Bytes(size, 0)))

    def number(self, itemsize: int, *, whole: bool = False) -> Bytes:
        """What a Python number takes in the CPU's kernels: eight bytes, and its cast to ``itemsize``.

        A ``whole`` one is an int64 and always cast, another a float64.
        """
        if self.device != "cpu":
            return NOTHING
        return Bytes(FLOAT64 + (itemsize if whole or itemsize != FLOAT64 else 0), 0)

    # -- operations ----------------------------------------------------------------------------

    def op(
        self,
        name: str,
        inputs: Sequence[Tensor],
        backward: Backward,
        output: Result = Result(),  # noqa: B008 - immutable
        *,
        blocks: Blocks = Blocks(),  # noqa: B008 - immutable
        autocast: Autocast | None = None,
    ) -> Tensor:
        """One forward operation on ``inputs``; returns its output, held once by the caller.

        ``blocks`` is what the kernel takes and gives back. ``autocast`` names the operation's list under
        ``torch.autocast``, if it stands on one.
        """
        cast = self._as_autocast_wants(inputs, autocast)
        result = self._result(cast[0], output, runs=not self._is_cut_short(backward))
        fresh = [] if result.storage is cast[0].storage else [result.storage]
        extras = [Storage(self.layer, e.what, e.category, e.size, holders=1) for e in backward.extras]
        freed: tuple[Storage, ...]
        if self.grad and any(tensor.requires_grad for tensor in cast):
            saves = [cast[inputs.index(tensor)].storage for tensor in backward.saves]
            saves += [result.storage] * backward.saves_output
            result.node, freed = self._node(backward, cast, saves, extras)
        else:
            freed = let_go(extras)
        if fresh or extras:
            if extras:
                first = [s for s, extra in zip(extras, backward.extras, strict=True) if extra.comes_first]
                fresh = [*first, *fresh, *(storage for storage in extras if storage not in first)]
            self.kernel(name, blocks, {OUTPUT: fresh}, freed)
        if cast is not inputs:
            self.drop(
                *(t for t, was in zip(cast, inputs, strict=True) if t is not was and not _is_cached(was))
            )
        return result

    def kernel(
        self,
        name: str,
        blocks: Blocks,
        results: Mapping[str, Sequence[Storage]],
        freed: Sequence[Storage],
    ) -> None:
        """What a kernel takes and gives back around its ``results``, in its order; then what is ``freed``.

        ``results`` are its results' storages by the names that they have in that order.
        """
        if blocks.asked is not None:
            self.launches.append(Launch(len(self.events), blocks.asked, results))
        made = tuple(chain.from_iterable(results.values()))
        whole = Event(self.phase, self.layer, name, made, tuple(freed), blocks.unknown)
        self.events.extend(in_blocks(whole, blocks, results))

    def _is_cut_short(self, backward: Backward) -> bool:
        """Whether a checkpoint that is run again stops here, before the kernel.

        It stops at the last tensor that it was run for; if that is an input, the kernel never runs.
        """
        return len(self.nodes) == self.needed_nodes and not (backward.saves_output or backward.extras)

    def _result(self, first: Tensor, output: Result, *, runs: bool) -> Tensor:
        """The output as a tensor, held once: new, or the first input's storage."""
        shape = first.shape if output.shape is None else output.shape
        if output.is_new and runs:
            itemsize = output.itemsize or first.itemsize
            result = self._new(output.category, output.what, shape, itemsize, batched=first.batched)
        else:
            result = Tensor(first.storage, shape, first.itemsize, batched=first.batched)
        return self.hold(result)

    def _node(
        self, backward: Backward, inputs: Sequence[Tensor], saves: list[Storage], extras: list[Storage]
    ) -> tuple[Node, tuple[Storage, ...]]:
        """A node that holds what its backward reads, and what is freed because it does not hold it.

        Within a checkpoint it holds nothing but Python numbers: the rest is made again.
        """
        node = Node(backward, self.layer, tuple(inputs), block=self._block)
        self.nodes.append(node)
        if self._block is not None:
            made = list(zip(extras, backward.extras, strict=True))
            node.saved = tuple(storage for storage, extra in made if extra.is_number)
            return node, let_go(storage for storage, extra in made if not extra.is_number)
        for storage in saves:
            storage.holders += 1
        node.saved = (*saves, *extras)
        for storage in node.saved:
            storage.readers += _backward_of(self.layer)
        return node, ()

    def reduce(self, name: str, x: Tensor, scalar: Tensor, *, node: str, beside: Storage) -> None:
        """A loss over the batch: ``x`` to a ``scalar``, with a second scalar ``beside`` for the backward."""
        self.allocate(name, scalar.storage, beside)
        if x.requires_grad:
            x.storage.holders += 1
            scalar.node = Node(Backward(node), self.layer, (x,), (x.storage, beside))
            self.nodes.append(scalar.node)

    def checkpoint(self, run: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """Run a block without keeping anything but its input; the backward pass runs it again.

        As ``torch.utils.checkpoint.checkpoint(use_reentrant=False, preserve_rng_state=False)``. ``run`` gets
        a name of its own for ``x``, to drop.
        """
        before = len(self.nodes)
        self._block = Checkpoint(run, self.hold(x), self._lowering)
        output = run(self.hold(x))
        self._block.nodes = len(self.nodes) - before
        if not self._block.nodes:
            self.drop(x)
        self._block = None
        return output

    # -- precision -----------------------------------------------------------------------------

    @contextmanager
    def autocast(self, itemsize: int) -> Iterator[None]:
        """While this lasts, operations are under ``torch.autocast`` to values of ``itemsize`` bytes; 0: none.

        Lowered parameters are made once and kept until the end.
        """
        self._lowering = itemsize
        yield
        self._lowering = 0
        self.drop(*self._lowered.values())
        self._lowered.clear()

    def itemsize_of(self, x: Tensor, autocast: Autocast) -> int:
        """The bytes of a value of ``x`` as an operation reads it that stands on that list of autocast's."""
        if not self._lowering:
            return x.itemsize
        return self._lowering if autocast == "lower" else FLOAT32

    def in_float32(self, x: Tensor) -> Tensor:
        """A tensor as operations read it that autocast runs in float32."""
        return self._cast(x, FLOAT32) if self._lowering else x

    def _as_autocast_wants(self, inputs: Sequence[Tensor], wanted: Autocast | None) -> Sequence[Tensor]:
        """The inputs cast as autocast casts them: C++ evaluates the arguments from the last to the first."""
        if not self._lowering or wanted is None:
            return inputs
        return [self._cast(tensor, self.itemsize_of(tensor, wanted)) for tensor in reversed(inputs)][::-1]

    def _cast(self, x: Tensor, itemsize: int) -> Tensor:
        """A copy of a tensor in another precision, or the tensor itself if it has that precision."""
        if x.itemsize == itemsize:
            return x
        if id(x.storage) in self._lowered:
            return self._lowered[id(x.storage)]
        copied = Result(itemsize=itemsize, what=f"{x.storage.what}, cast", category=Category.CASTS)
        copy = self.op("to", (x,), Backward("ToCopyBackward0"), copied)
        if _is_cached(x):
            self._lowered[id(x.storage)] = copy
        return copy

    # -- bookkeeping ---------------------------------------------------------------------------

    def event(
        self, op: str, allocated: Iterable[Storage], freed: Iterable[Storage], scratch: str = ""
    ) -> None:
        """Write down what one operation allocated and freed, in the phase and layer that we are in."""
        self.events.append(Event(self.phase, self.layer, op, tuple(allocated), tuple(freed), scratch))

    def _new(
        self,
        category: Category,
        what: str,
        shape: Shape,
        itemsize: int,
        *,
        is_parameter: bool = False,
        batched: bool = True,
    ) -> Tensor:
        storage = Storage(self.layer, what, category, NOTHING)
        tensor = Tensor(storage, shape, itemsize, is_parameter=is_parameter, batched=batched)
        storage.size = tensor.size
        return tensor


def in_blocks(whole: Event, blocks: Blocks, results: Mapping[str, Sequence[Storage]]) -> list[Event]:
    """A kernel's event, or as many as its blocks make of it: each takes some, then lets go of some."""
    if not blocks.order:
        return [whole]
    phase, layer, op, _, freed, _ = whole
    taken = {
        what: [_scratch(layer, what, size, blocks.known.get(what, Provenance.RULE))]
        for what, size in blocks.sizes.items()
        if size != NOTHING
    }
    events: list[Event] = []
    allocated: list[Storage] = []
    released: list[Storage] = []
    for step in blocks.order:
        storages = results.get(step[1:]) or taken.get(step[1:], [])
        if step[0] == "-":
            released += storages
        elif storages:
            if released:
                events.append(Event(phase, layer, op, tuple(allocated), tuple(released), blocks.unknown))
                allocated, released = [], []
            allocated += storages
    return [*events, Event(phase, layer, op, tuple(allocated), (*released, *freed), blocks.unknown)]


def _scratch(layer: str, what: str, size: Bytes, known: Provenance = Provenance.RULE) -> Storage:
    return Storage(layer, what, Category.SCRATCH, size, provenance=known)


@lru_cache(1024)  # all that a layer keeps shares them
def _backward_of(layer: str) -> tuple[str, ...]:
    return (f"{layer}'s backward",)


def _is_cached(x: Tensor) -> bool:
    """Whether autocast keeps its copy of a tensor: only of a parameter that is trained.

    Source: ``cached_cast`` in ATen/autocast_mode.cpp.
    """
    return x.is_parameter and x.requires_grad


def let_go(storages: Iterable[Storage]) -> tuple[Storage, ...]:
    """Take one holder from each storage; those that lose their last one, in order."""
    freed = []
    for storage in storages:
        storage.holders -= 1
        if storage.holders == 0:
            freed.append(storage)
    return tuple(freed)
