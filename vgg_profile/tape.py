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

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import prod
from typing import NamedTuple


class Bytes(NamedTuple):
    """A size in bytes as a function of the batch: ``fixed + per_image * batch``.

    >>> Bytes(4, 12).at(batch=8)
    100
    """

    fixed: int
    per_image: int

    def at(self, batch: int) -> int:
        return self.fixed + self.per_image * batch


class Category(StrEnum):
    """What a storage is for; one of these, so that the categories add up to what is live."""

    WEIGHTS = "weights"
    BUFFERS = "buffers"
    INPUT = "input"
    ACTIVATIONS = "activations"
    INDICES = "pool indices"
    MASKS = "dropout masks"
    STATISTICS = "batch statistics"
    IN_FLIGHT = "gradients in flight"
    GRADIENTS = "gradients"
    OPTIMIZER = "optimizer state"
    TEMPORARY = "temporaries"


class Phase(StrEnum):
    """The parts of a training step, in their order."""

    LOAD = "load"
    INPUT = "input"
    FORWARD = "forward"
    LOSS = "loss"
    BACKWARD = "backward"
    STEP = "step"


@dataclass(eq=False, slots=True)
class Storage:
    """One block of memory: who allocated it, what for, and who still holds it."""

    layer: str
    what: str
    category: Category
    size: Bytes
    readers: list[str] = field(default_factory=list)
    """The operations whose backward reads it, as ``conv1_2's backward``."""
    holders: int = 0
    parameter: Storage | None = None
    """Of a parameter's gradient: the parameter."""

    @property
    def why(self) -> str:
        """What it is and who keeps it alive, in words."""
        if not self.readers:
            return f"{self.what}, in the caller's hands"
        return f"{self.what}, read again by {' and '.join(dict.fromkeys(self.readers))}"


class Event(NamedTuple):
    """One operation: what it allocated, then what was freed. Live bytes peak between the two."""

    phase: Phase
    layer: str
    op: str
    allocated: tuple[Storage, ...]
    freed: tuple[Storage, ...]


class Mark(NamedTuple):
    """Where a phase's part for one layer begins: before the event of this number."""

    phase: Phase
    layer: str
    event: int


@dataclass(eq=False, slots=True)
class Tensor:
    """A symbolic tensor: a view of a storage, and the node that will receive its gradient.

    ``shape`` is that of one image for an activation, the whole shape for a parameter.
    """

    storage: Storage
    shape: tuple[int, ...]
    itemsize: int
    node: Node | None = None
    is_parameter: bool = False

    @property
    def requires_grad(self) -> bool:
        return self.is_parameter or self.node is not None

    @property
    def size(self) -> Bytes:
        count = prod(self.shape) * self.itemsize
        return Bytes(count, 0) if self.is_parameter else Bytes(0, count)


@dataclass(eq=False, slots=True)
class Node:
    """A node of the backward graph: which gradients it allocates and what it holds until it has run."""

    name: str
    layer: str
    inputs: tuple[Tensor, ...]
    saved: tuple[Storage, ...]
    passes_gradient: bool
    temporaries: tuple[int, ...]


class Saved(NamedTuple):
    """Something that an operation allocates for its own backward only, such as pool indices."""

    what: str
    category: Category
    size: Bytes


class Tape:
    """Records one training step.

    ``device`` is ``"cpu"`` or ``"cuda"``, whose kernels keep different things; ``training`` is the
    module mode; without ``grad`` nothing is kept for a backward pass, as under ``torch.no_grad()``.
    """

    def __init__(
        self, *, itemsize: int, device: str = "cpu", training: bool = True, grad: bool = True
    ) -> None:
        self.itemsize = itemsize
        self.device = device
        self.training = training
        self.grad = grad
        self.phase = Phase.LOAD
        self.layer = ""
        self.events: list[Event] = []
        self.marks: list[Mark] = []
        self._nodes: list[Node] = []

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

    def tensor(self, category: Category, what: str, shape: tuple[int, ...]) -> Tensor:
        """A new activation of the network's dtype, held once."""
        tensor = self._new(category, what, shape, self.itemsize)
        self.allocate("empty", tensor.storage)
        return tensor

    def parameter(self, what: str, shape: tuple[int, ...]) -> Tensor:
        """A new learnable parameter, held by its module for good."""
        tensor = self._new(Category.WEIGHTS, what, shape, self.itemsize, is_parameter=True)
        self.allocate("parameter", tensor.storage)
        return tensor

    def scalar(self, what: str, itemsize: int) -> Tensor:
        """A single value for the whole batch, not yet allocated."""
        storage = Storage(self.layer, what, Category.ACTIVATIONS, Bytes(itemsize, 0))
        return Tensor(storage, (), itemsize)

    def buffer(self, what: str, size: int) -> None:
        """A module's buffer: loaded with the weights, never given a gradient."""
        self.allocate("buffer", Storage(self.layer, what, Category.BUFFERS, Bytes(size, 0)))

    # -- operations ----------------------------------------------------------------------------

    def op(
        self,
        name: str,
        inputs: Sequence[Tensor],
        *,
        node: str,
        shape: tuple[int, ...] | None = None,
        what: str = "output",
        saves: Sequence[Tensor] = (),
        saves_output: bool = False,
        extras: Sequence[Saved] = (),
        in_place: bool = False,
        view: bool = False,
        passes_gradient: bool = False,
        temporaries: Sequence[int] = (),
    ) -> Tensor:
        """One forward operation on ``inputs``; returns its output, held once by the caller.

        ``saves`` are inputs that the backward node reads, ``extras`` what it allocates beside the
        output (freed at once when no backward will come). ``in_place`` overwrites the first input,
        ``view`` looks at it; both allocate nothing. A view ``passes_gradient``, and so does an addition:
        its backward hands on the gradient that it was given. ``temporaries[i]`` counts the tensors of
        the output's size that the backward allocates only while it computes the gradient of input ``i``.
        """
        first = inputs[0]
        shape = first.shape if shape is None else shape
        keeps_storage = in_place or view
        output = (
            Tensor(first.storage, shape, first.itemsize)
            if keeps_storage
            else self._new(Category.ACTIVATIONS, what, shape, first.itemsize)
        )
        made = [] if keeps_storage else [output.storage]
        made += [Storage(self.layer, extra.what, extra.category, extra.size) for extra in extras]
        for storage in made:
            storage.holders += 1
        output.storage.holders += keeps_storage
        beside = made if keeps_storage else made[1:]
        if self.grad and any(tensor.requires_grad for tensor in inputs):
            saved = [tensor.storage for tensor in saves] + ([output.storage] if saves_output else [])
            for storage in saved:
                storage.holders += 1
            for storage in (*saved, *beside):
                storage.readers.append(f"{self.layer}'s backward")
            output.node = Node(
                node,
                self.layer,
                tuple(inputs),
                (*saved, *beside),
                view or passes_gradient,
                tuple(temporaries),
            )
            self._nodes.append(output.node)
            freed: tuple[Storage, ...] = ()
        else:
            freed = _let_go(beside)
        if made:
            self._event(name, made, freed)
        return output

    def reduce(self, name: str, x: Tensor, scalar: Tensor, *, node: str, beside: Storage) -> None:
        """A loss over the batch: ``x`` to a ``scalar``, with a second scalar ``beside`` for the backward."""
        self.allocate(name, scalar.storage, beside)
        if x.requires_grad:
            x.storage.holders += 1
            scalar.node = Node(node, self.layer, (x,), (x.storage, beside), False, ())
            self._nodes.append(scalar.node)

    def backward(self, loss: Tensor) -> None:
        """The backward pass from a scalar loss: every node once, last created first.

        A node allocates the gradients of its inputs, then its saved tensors and the gradient it was
        given are released. Gradients of parameters stay; a second gradient for the same tensor is
        added into the first, in place.
        """
        root = Storage("loss", "gradient of the loss", Category.IN_FLIGHT, loss.storage.size)
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
                self._run_node(node, gradient, pending)
        self.release("release", [root])

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
                incoming.parameter = tensor.storage if tensor.is_parameter else None
                made.append(incoming)
            if node.temporaries and node.temporaries[place]:
                work = [
                    Storage(node.layer, "temporary", Category.TEMPORARY, gradient.size)
                    for _ in range(node.temporaries[place])
                ]
                self._event(node.name, (*made, *work), work)
                made = []
            if tensor.node is not None and pending.setdefault(id(tensor.node), incoming) is not incoming:
                surplus.append(incoming)
        self._event(node.name, made, _let_go([*surplus, *node.saved, gradient]))

    # -- bookkeeping ---------------------------------------------------------------------------

    def _new(
        self,
        category: Category,
        what: str,
        shape: tuple[int, ...],
        itemsize: int,
        *,
        is_parameter: bool = False,
    ) -> Tensor:
        storage = Storage(self.layer, what, category, Bytes(0, 0))
        tensor = Tensor(storage, shape, itemsize, is_parameter=is_parameter)
        storage.size = tensor.size
        return tensor

    def _event(self, op: str, allocated: Iterable[Storage], freed: Iterable[Storage]) -> None:
        self.events.append(Event(self.phase, self.layer, op, tuple(allocated), tuple(freed)))


def _let_go(storages: Iterable[Storage]) -> tuple[Storage, ...]:
    """Take one holder from each storage; those that lose their last one, in order."""
    freed = []
    for storage in storages:
        storage.holders -= 1
        if storage.holders == 0:
            freed.append(storage)
    return tuple(freed)
