"""Autograd on paper: which operation allocates what, what it keeps for its backward, and until when.

A :class:`Tape` runs a network on symbolic tensors. It does what PyTorch's allocator and autograd do,
with sizes in place of values: an operation allocates its output, a node keeps what its backward pass
will read, and a storage is freed when nobody holds it any more. Everything that happens becomes one
list of :class:`Event`; retained bytes, every layer boundary, the peak and the timeline are read off it.

Sizes are **affine in the batch** (:class:`Bytes`), so one recorded step answers for every batch size.

Conventions: bytes are what PyTorch *asks* its allocator for, before any rounding. Source: PyTorch's
``derivatives.yaml`` (what each node saves) and its CPU and CUDA kernels (what each allocates), read
for 2.6 to 2.13; ``crosscheck`` holds every figure against a real pass.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import Literal, NamedTuple

from vgg_profile.core.events import OF_THE_LOSS, Category, Event, Mark, Phase, Storage
from vgg_profile.core.sizes import FLOAT32, FLOAT64, NOTHING, Bytes

Autocast = Literal["lower", "float32"]
"""The two lists of ``torch.autocast``: operations it runs in its lower precision, and in float32."""


@dataclass(eq=False, slots=True)
class Tensor:
    """A symbolic tensor: a view of a storage, and the node that will receive its gradient.

    ``shape`` is that of one image if it is ``batched``, as an activation is; else the whole shape.
    """

    storage: Storage
    shape: tuple[int, ...]
    itemsize: int
    node: Node | None = None
    is_parameter: bool = False
    batched: bool = True

    @property
    def requires_grad(self) -> bool:
        return self.is_parameter or self.node is not None

    @property
    def size(self) -> Bytes:
        count = prod(self.shape) * self.itemsize
        return Bytes(0, count) if self.batched else Bytes(count, 0)


@dataclass(eq=False, slots=True)
class Node:
    """A node of the backward graph: which gradients it allocates and what it holds until it has run."""

    name: str
    layer: str
    inputs: tuple[Tensor, ...]
    saved: tuple[Storage, ...] = ()
    passes_gradient: bool = False
    temporaries: tuple[Bytes, ...] = ()
    scratch: str = ""
    block: Checkpoint | None = None


@dataclass(eq=False, slots=True)
class Checkpoint:
    """A part of the network that kept its input alone: how to run it again for its backward."""

    run: Callable[[Tensor], Tensor]
    input: Tensor
    lowering: int
    nodes: int = 0


class Saved(NamedTuple):
    """Something that an operation allocates for its own backward only, such as pool indices.

    A Python number that became a tensor is kept even where a checkpoint keeps nothing else: PyTorch
    hides such tensors from the hooks that checkpointing works by.
    """

    what: str
    category: Category
    size: Bytes
    is_number: bool = False


class Tape:
    """Records one training step.

    ``device`` is ``"cpu"`` or ``"cuda"``, whose kernels keep different things; ``training`` is the
    module mode; without ``grad`` nothing is kept for a backward pass, as under ``torch.no_grad()``;
    ``onednn`` says whether the CPU's convolutions are oneDNN's.
    """

    def __init__(
        self,
        *,
        itemsize: int,
        device: str = "cpu",
        training: bool = True,
        grad: bool = True,
        onednn: bool = True,
    ) -> None:
        self.itemsize = itemsize
        self.device = device
        self.training = training
        self.grad = grad
        self.onednn = onednn
        self.phase = Phase.LOAD
        self.layer = ""
        self.events: list[Event] = []
        self.marks: list[Mark] = []
        self._nodes: list[Node] = []
        self._lowering = 0
        self._lowered: dict[int, Tensor] = {}
        self._block: Checkpoint | None = None
        self._last_node = -1

    def begin(self, phase: Phase, layer: str = "") -> None:
        """From here on, what happens belongs to this phase and layer; a boundary of the timeline."""
        self.phase, self.layer = phase, layer
        self.marks.append(Mark(phase, layer, len(self.events)))

    # -- storages: allocated when made, freed with their last holder ----------------------------

    def allocate(self, op: str, *storages: Storage) -> None:
        """One event that allocates; each storage gets its first holder."""
        for storage in storages:
            storage.holders += 1
        self._event(op, storages, ())

    def hold(self, tensor: Tensor) -> Tensor:
        """One more name for a tensor."""
        tensor.storage.holders += 1
        return tensor

    def drop(self, *tensors: Tensor) -> None:
        """Let go of tensors: names go out of scope."""
        self.release("release", [tensor.storage for tensor in tensors])

    def release(self, op: str, storages: Iterable[Storage]) -> None:
        """Let go of storages; an event only if something is freed."""
        freed = _let_go(storages)
        if freed:
            self._event(op, (), freed)

    def work(self, op: str, size: Bytes) -> None:
        """What an operation takes and gives back, and nothing else of it."""
        if size != NOTHING:
            storage = Storage(self.layer, "workspace", Category.TEMPORARY, size)
            self._event(op, (storage,), (storage,))

    def tensor(
        self, category: Category, what: str, shape: tuple[int, ...], itemsize: int | None = None
    ) -> Tensor:
        """A new tensor of a value for each image and place, of the network's dtype, held once."""
        tensor = self._new(category, what, shape, itemsize or self.itemsize)
        self.allocate("empty", tensor.storage)
        return tensor

    def parameter(self, what: str, shape: tuple[int, ...]) -> Tensor:
        """A new learnable parameter, held by its module for good."""
        tensor = self._new(Category.WEIGHTS, what, shape, self.itemsize, is_parameter=True, batched=False)
        self.allocate("parameter", tensor.storage)
        return tensor

    def scalar(self, what: str, itemsize: int) -> Tensor:
        """A single value for the whole batch, not yet allocated."""
        storage = Storage(self.layer, what, Category.ACTIVATIONS, Bytes(itemsize, 0))
        return Tensor(storage, (), itemsize, batched=False)

    def buffer(self, what: str, size: int) -> None:
        """A module's buffer: loaded with the weights, never given a gradient."""
        self.allocate("buffer", Storage(self.layer, what, Category.BUFFERS, Bytes(size, 0)))

    def number(self, itemsize: int) -> Bytes:
        """What a Python number takes in the CPU's kernels: a float64 tensor, and its cast to ``itemsize``."""
        if self.device != "cpu":
            return NOTHING
        return Bytes(FLOAT64 + (itemsize if itemsize != FLOAT64 else 0), 0)

    # -- operations ----------------------------------------------------------------------------

    def op(
        self,
        name: str,
        inputs: Sequence[Tensor],
        *,
        node: str,
        shape: tuple[int, ...] | None = None,
        itemsize: int | None = None,
        what: str = "output",
        category: Category = Category.ACTIVATIONS,
        saves: Sequence[Tensor] = (),
        saves_output: bool = False,
        extras: Sequence[Saved] = (),
        in_place: bool = False,
        view: bool = False,
        passes_gradient: bool = False,
        work: Bytes = NOTHING,
        temporaries: Sequence[Bytes] = (),
        scratch: str = "",
        backward_scratch: str = "",
        autocast: Autocast | None = None,
    ) -> Tensor:
        """One forward operation on ``inputs``; returns its output, held once by the caller.

        ``saves`` are inputs that the backward node reads, ``extras`` what it allocates beside the
        output (freed at once when no backward will come). ``in_place`` overwrites the first input,
        ``view`` looks at it; both allocate nothing. A view ``passes_gradient``, and so does an addition:
        its backward hands on the gradient that it was given. ``work`` is what the kernel takes and gives
        back, ``temporaries[i]`` what the backward takes while it computes the gradient of input ``i``.
        ``scratch`` and ``backward_scratch`` say who may take more than that, unpredicted. ``autocast`` names
        the operation's list under ``torch.autocast``, if it stands on one.
        """
        given, inputs = inputs, self._as_autocast_wants(inputs, autocast)
        saves = [inputs[given.index(tensor)] for tensor in saves]
        first = inputs[0]
        shape = first.shape if shape is None else shape
        # a recompute stops at the last tensor that it was run for, before the kernel if that is an input
        is_cut_short = len(self._nodes) == self._last_node and not (saves_output or extras)
        keeps_storage = in_place or view or is_cut_short
        output = (
            Tensor(first.storage, shape, first.itemsize, batched=first.batched)
            if keeps_storage
            else self._new(category, what, shape, itemsize or first.itemsize, batched=first.batched)
        )
        made = [] if keeps_storage else [output.storage]
        made += [Storage(self.layer, extra.what, extra.category, extra.size) for extra in extras]
        for storage in made:
            storage.holders += 1
        output.storage.holders += keeps_storage
        beside = made if keeps_storage else made[1:]
        freed: tuple[Storage, ...] = ()
        if self.grad and any(tensor.requires_grad for tensor in inputs):
            output.node = Node(
                node,
                self.layer,
                tuple(inputs),
                passes_gradient=view or passes_gradient,
                temporaries=tuple(temporaries),
                scratch=backward_scratch,
                block=self._block,
            )
            self._nodes.append(output.node)
        if output.node is None:
            freed = _let_go(beside)
        elif self._block is not None:
            output.node.saved = tuple(s for s, e in zip(beside, extras, strict=True) if e.is_number)
            freed = _let_go(s for s, e in zip(beside, extras, strict=True) if not e.is_number)
        else:
            saved = [tensor.storage for tensor in saves] + ([output.storage] if saves_output else [])
            for storage in saved:
                storage.holders += 1
            for storage in (*saved, *beside):
                storage.readers.append(f"{self.layer}'s backward")
            output.node.saved = (*saved, *beside)
        workspace = [Storage(self.layer, "workspace", Category.TEMPORARY, work)] if work != NOTHING else []
        if made:
            self._event(name, (*made, *workspace), (*workspace, *freed), scratch)
        self.drop(*(t for t, was in zip(inputs, given, strict=True) if t is not was and not was.is_parameter))
        return output

    def reduce(self, name: str, x: Tensor, scalar: Tensor, *, node: str, beside: Storage) -> None:
        """A loss over the batch: ``x`` to a ``scalar``, with a second scalar ``beside`` for the backward."""
        self.allocate(name, scalar.storage, beside)
        if x.requires_grad:
            x.storage.holders += 1
            scalar.node = Node(node, self.layer, (x,), (x.storage, beside))
            self._nodes.append(scalar.node)

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
        copy = self.op(
            "to",
            (x,),
            itemsize=itemsize,
            what=f"{x.storage.what}, cast",
            category=Category.CASTS,
            node="ToCopyBackward0",
        )
        if x.is_parameter:
            self._lowered[id(x.storage)] = copy
        return copy

    # -- the backward pass -----------------------------------------------------------------------

    def checkpoint(self, run: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """Run a block without keeping anything but its input; the backward pass runs it again.

        As ``torch.utils.checkpoint.checkpoint(use_reentrant=False, preserve_rng_state=False)``. ``run`` gets
        a name of its own for ``x``, to drop.
        """
        before = len(self._nodes)
        self._block = Checkpoint(run, self.hold(x), self._lowering)
        output = run(self.hold(x))
        self._block.nodes = len(self._nodes) - before
        if not self._block.nodes:
            self.drop(x)
        self._block = None
        return output

    def backward(self, loss: Tensor) -> None:
        """The backward pass from a scalar loss: every node once, last created first.

        A node allocates the gradients of its inputs, then its saved tensors and the gradient it was
        given are released. Gradients of parameters stay; a second gradient for the same tensor is
        added into the first, in place.
        """
        root = Storage("loss", OF_THE_LOSS, Category.IN_FLIGHT, loss.storage.size)
        self.begin(Phase.BACKWARD, "loss")
        self.allocate("ones_like", root)
        root.holders += 1  # the caller of backward() keeps its root until the pass is over
        if loss.node is None:
            raise ValueError("the loss has no graph to go back through")
        pending = {id(loss.node): root}
        while self._nodes:
            node = self._nodes.pop()
            gradient = pending.pop(id(node), None)
            if gradient is not None:
                if node.layer != self.layer:
                    self.begin(Phase.BACKWARD, node.layer)
                if node.block is not None:
                    node = self._recompute(node, node.block)
                self._run_node(node, gradient, pending)
        self.release("release", [root])

    def _recompute(self, last: Node, block: Checkpoint) -> Node:
        """Run a checkpointed block again, keeping what its backward reads; its last node, made anew."""
        first = len(self._nodes) + 1 - block.nodes
        numbers = [storage for node in (*self._nodes[first:], last) for storage in node.saved]
        del self._nodes[first:]
        self._last_node = first + block.nodes - 1
        self.phase, layer = Phase.RECOMPUTE, self.layer
        with self.autocast(block.lowering):
            self.drop(block.run(self.hold(block.input)))
            # the block holds its input as long as any of its nodes has something to read; a cast has not
            last_reader = next((node for node in self._nodes[first:] if node.saved), self._nodes[first])
            last_reader.saved += (block.input.storage,)
            self._last_node = -1
            self.begin(Phase.BACKWARD, layer)
        self.release("release", numbers)
        return self._nodes.pop()

    def _run_node(self, node: Node, gradient: Storage, pending: dict[int, Storage]) -> None:
        made: list[Storage] = []
        surplus: list[Storage] = []
        for place, tensor in enumerate(node.inputs):
            if not tensor.requires_grad:
                continue
            if node.passes_gradient:
                incoming = gradient
                incoming.holders += 1
            else:
                kind = Category.GRADIENTS if tensor.is_parameter else Category.IN_FLIGHT
                incoming = Storage(node.layer, f"gradient of {tensor.storage.what}", kind, tensor.size)
                incoming.holders = 1
                made.append(incoming)
            if node.temporaries and node.temporaries[place] != NOTHING:
                work = Storage(node.layer, "temporary", Category.TEMPORARY, node.temporaries[place])
                self._event(node.name, (*made, work), (work,), node.scratch)
                made = []
            if tensor.node is not None and pending.setdefault(id(tensor.node), incoming) is not incoming:
                surplus.append(incoming)
        self._event(node.name, made, _let_go([*surplus, *node.saved, gradient]), node.scratch)

    # -- bookkeeping ---------------------------------------------------------------------------

    def _new(
        self,
        category: Category,
        what: str,
        shape: tuple[int, ...],
        itemsize: int,
        *,
        is_parameter: bool = False,
        batched: bool = True,
    ) -> Tensor:
        storage = Storage(self.layer, what, category, NOTHING)
        tensor = Tensor(storage, shape, itemsize, is_parameter=is_parameter, batched=batched)
        storage.size = tensor.size
        return tensor

    def _event(
        self, op: str, allocated: Iterable[Storage], freed: Iterable[Storage], scratch: str = ""
    ) -> None:
        self.events.append(Event(self.phase, self.layer, op, tuple(allocated), tuple(freed), scratch))


@contextmanager
def uncollected() -> Iterator[None]:
    """Hold off the garbage collector: it would walk the growing tape over and over, and find no cycle."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _let_go(storages: Iterable[Storage]) -> tuple[Storage, ...]:
    """Take one holder from each storage; those that lose their last one, in order."""
    freed = []
    for storage in storages:
        storage.holders -= 1
        if storage.holders == 0:
            freed.append(storage)
    return tuple(freed)
