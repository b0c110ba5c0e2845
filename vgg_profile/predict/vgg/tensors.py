"""What the tape handles in place of values: symbolic tensors, and the nodes of the graph that leads back.

Source: the names and the saved tensors of nodes are those of PyTorch's ``derivatives.yaml``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Literal, NamedTuple

from vgg_profile.core.events import Category, Provenance, Storage
from vgg_profile.core.sizes import Bytes, Shape
from vgg_profile.predict.kernels import OUTPUT, Order

Autocast = Literal["lower", "float32"]
"""The two lists of ``torch.autocast``: operations it runs in its lower precision, and in float32."""


@dataclass(eq=False, slots=True)
class Tensor:
    """A symbolic tensor: a view of a storage, and the node that will receive its gradient.

    ``shape`` is that of one image if it is ``batched``, as an activation is; else the whole shape.
    """

    storage: Storage
    shape: Shape
    itemsize: int
    node: Node | None = None
    is_parameter: bool = False
    batched: bool = True
    is_frozen: bool = False
    """Whether it is a parameter that is not trained."""

    @property
    def requires_grad(self) -> bool:
        return (self.is_parameter and not self.is_frozen) or self.node is not None

    @property
    def size(self) -> Bytes:
        return _size(self.shape, self.itemsize, batched=self.batched)


@lru_cache(1024)  # of thousands of layers most are alike
def _size(shape: Shape, itemsize: int, *, batched: bool) -> Bytes:
    count = prod(shape) * itemsize
    return Bytes(0, count) if batched else Bytes(count, 0)


@lru_cache(1024)  # of thousands of layers each has a weight
def which(what: str, of: str) -> str:
    """What belongs to another tensor, in words; said once, however many share it.

    >>> which("gradient", "weight")
    'gradient of weight'
    """
    return f"{what} of {of}"


class Saved(NamedTuple):
    """Something that an operation allocates for its own backward only, such as pool indices.

    A Python number that became a tensor is kept even where a checkpoint keeps nothing else: PyTorch
    hides such tensors from the hooks that checkpointing works by.
    """

    what: str
    category: Category
    size: Bytes
    is_number: bool = False
    comes_first: bool = False
    """Whether it is allocated before the output."""


class Result(NamedTuple):
    """What an operation gives: by default a new tensor of its first input's shape and dtype.

    ``in_place`` overwrites the first input, ``view`` looks at it; both allocate nothing.
    """

    shape: Shape | None = None
    itemsize: int | None = None
    what: str = "output"
    category: Category = Category.ACTIVATIONS
    in_place: bool = False
    view: bool = False

    @property
    def is_new(self) -> bool:
        return not (self.in_place or self.view)


class Request(NamedTuple):
    """A question to whoever's kernels run: a method of ``passing.Kernels``, and what it is given.

    It answers with the blocks of the forward and of the backward; ``place`` says which of them are meant.
    """

    name: str
    of: tuple[object, ...]
    place: int


class Blocks(NamedTuple):
    """An operation's results and what it takes beside them, in the order in which they come and go.

    ``sizes`` has the bytes of what it takes, and ``known`` how those are known that are not by rule;
    ``unknown`` names who may take memory beside all that, of which nothing is known. Of those that are
    ``asked`` for nothing is said yet: they differ with the batch and the machine.
    """

    order: Order = ()
    sizes: Mapping[str, Bytes] = {}
    known: Mapping[str, Provenance] = {}
    unknown: str = ""
    asked: Request | None = None


def asked(name: str, of: tuple[object, ...]) -> tuple[Blocks, Blocks]:
    """The blocks of a forward and of its backward, to be filled in."""
    return Blocks(asked=Request(name, of, 0)), Blocks(asked=Request(name, of, 1))


def working(size: Bytes) -> Blocks:
    """What a kernel takes beside its output, all at once."""
    return Blocks((f"+{OUTPUT}", "+workspace", "-workspace"), {"workspace": size})


class Backward(NamedTuple):
    """What an operation's backward node keeps and takes.

    ``saves`` are inputs that it reads, ``extras`` what the operation allocates for it beside the output
    (freed at once when no backward will come). One that ``passes_gradient``, a view's or an addition's, hands
    on the gradient that it was given. ``temporaries[i]`` is what it takes while it computes the gradient of
    input ``i``; or, where its kernel makes them all at once, ``blocks`` has what that takes.
    """

    node: str
    saves: Sequence[Tensor] = ()
    saves_output: bool = False
    extras: Sequence[Saved] = ()
    passes_gradient: bool = False
    temporaries: Sequence[Bytes] = ()
    blocks: Blocks = Blocks()


@dataclass(eq=False, slots=True)
class Node:
    """A node of the backward graph: whose gradients it allocates, and what it holds until it has run.

    ``block`` is the checkpoint that has to be run again before it, if it stands in one.
    """

    rule: Backward
    layer: str
    inputs: tuple[Tensor, ...]
    saved: tuple[Storage, ...] = ()
    block: Checkpoint | None = None


@dataclass(eq=False, slots=True)
class Checkpoint:
    """A part of the network that kept its input alone: how to run it again for its backward."""

    run: Callable[[Tensor], Tensor]
    input: Tensor
    lowering: int
    """The bytes of a value that autocast lowers to within it; 0: no autocast."""
    nodes: int = 0
    """How many nodes it made."""
