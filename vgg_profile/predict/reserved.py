"""What a card reserves for training: the book of a step, replayed through PyTorch's caching allocator.

Three figures, each the most at any time: **requested** is what tensors and workspaces ask for, **allocated**
the blocks that they get, **reserved** the segments that the blocks were cut from, which is what a card's
memory has to hold beside the CUDA context. cuDNN takes scratch from the same allocator, and how much is up to
the algorithm that it chooses: it is not predicted, and in none of the three.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from vgg_profile.core.book import CATEGORIES, Book
from vgg_profile.core.collecting import collected
from vgg_profile.core.events import Category
from vgg_profile.core.fold import at_batch
from vgg_profile.core.step import Step
from vgg_profile.predict.caching import Block, CachingAllocator, DoesNotFitError, rounded
from vgg_profile.predict.steps import trace

MOST_STEPS = 64
"""A run that has not settled after so many steps is not said to fit."""

MOST_TRIED = 1000
"""How many batches are tried, at most, to find the largest."""

LASTING = (Category.WEIGHTS, Category.BUFFERS, Category.OPTIMIZER)
"""What outlives a step."""


class Workspace(NamedTuple):
    """Bytes that a library takes from the allocator once, and keeps; ``source`` says who knows that."""

    what: str
    bytes: int
    source: str


_SEEN = "seen on an H100 with torch 2.11"
_READ = "read in PyTorch's CublasHandlePool.cpp, not seen on such a card"
_LARGE = 32 * 2**20
_HANDLES = {
    None: (_LARGE, f"{_SEEN}; of another card it may be less"),
    "Hopper": (_LARGE, _SEEN),
    "Blackwell": (_LARGE, f"{_READ}; in older versions it is less"),
}
"""Architecture → the workspace of a cuBLAS handle, and who knows that."""


def workspaces(architecture: str | None, *, has_backward: bool = True) -> tuple[Workspace, ...]:
    """What cuBLAS keeps on a card of an architecture, such as "Hopper"; of an unknown one, as on a Hopper.

    Each thread has a cuBLAS handle of its own, and each handle a workspace: backward runs in autograd's
    thread. Source: ``aten/src/ATen/cuda/CublasHandlePool.cpp``: ``parseChosenWorkspaceSize``, that is
    ``:4096:2:16:8`` in KiB, 32 MiB on Hopper and, in newer versions, on Blackwell;
    ``getCUDABlasLtWorkspaceSize``, 1 MiB. On an H100 with torch 2.11 they were so
    (``tests/data/cuda-first-look.json``); no other card was seen.

    >>> [workspace.bytes for workspace in workspaces("Ada")]
    [8519680, 1048576, 8519680]
    """
    handle, source = _HANDLES.get(architecture, ((4096 * 2 + 16 * 8) * 2**10, _READ))
    both = (
        Workspace("cuBLAS, forward", handle, source),
        Workspace("cublasLt", 2**20, source),
        Workspace("cuBLAS, backward, in autograd's thread", handle, source),
    )
    return both if has_backward else both[:2]


class AllocatorPeak(NamedTuple):
    """The most that a run takes, in bytes.

    ``retries`` says how often every free segment was given back to make room, and ``has_settled`` whether the
    last step left the free blocks as it had found them, so that all further steps do the same.
    """

    requested: int
    allocated: int
    reserved: int
    retries: int
    has_settled: bool


@dataclass(frozen=True)
class TrainingRun:
    """A training run: the network is loaded, then one step follows another, each at the same batch.

    Of a step that is asked about as the first, nothing follows.

    The workspaces are there first. After a step its images, its logits and its gradients are let go, as by
    ``zero_grad()``, in the order in which they came. ``expandable`` is ``expandable_segments:True`` of
    ``PYTORCH_CUDA_ALLOC_CONF``.
    """

    step: Step
    workspaces: tuple[Workspace, ...]
    expandable: bool = False

    @cached_property
    def _first(self) -> Step:
        """The step that loads, and makes the optimizer's state where a user's first step would."""
        if self.step.setup.first_step:
            return self.step
        return trace(self.step.profile, replace(self.step.setup, first_step=True))

    def _books(self, batch: int) -> tuple[Book, Book]:
        """The book of the first step, and that of every later one."""
        return self._first.at(batch).book, self.step.at(batch).book

    @collected()
    def taken(self, batch: int, limit: int | None = None, steps: int | None = None) -> AllocatorPeak:
        """What a batch takes if so many bytes may be reserved; raises :class:`DoesNotFitError` at the limit.

        It runs until it has settled, or for so many steps. Near a limit that can take a while: each step
        leaves the segments in other pieces, and what ran once may run out later.
        """
        return self._taken(self._books(batch), batch, limit, steps)

    def _taken(
        self, books: tuple[Book, Book], batch: int, limit: int | None, steps: int | None = None
    ) -> AllocatorPeak:
        first, later = books
        allocator = CachingAllocator(limit=limit, expandable=self.expandable)
        for _, size, _ in self.workspaces:
            allocator.malloc(size)
        _play(allocator, first, batch)
        ran, has_settled = 1, self.step.setup.first_step  # of which nothing follows
        while ran < (steps or MOST_STEPS) and not has_settled:
            before = allocator.free_blocks
            _play(allocator, later, batch, start=later.marks[1].event)
            ran, has_settled = ran + 1, allocator.free_blocks == before
        return AllocatorPeak(
            allocator.requested.peak,
            allocator.allocated.peak,
            allocator.reserved.peak,
            allocator.retries,
            has_settled,
        )

    def fits(self, batch: int, limit: int) -> bool:
        """Whether a batch runs for as long as one likes if so many bytes may be reserved."""
        return self._fits(self._books(batch), batch, limit)

    @collected()  # blocks know their neighbours
    def _fits(self, books: tuple[Book, Book], batch: int, limit: int) -> bool:
        try:
            return self._taken(books, batch, limit).has_settled
        except DoesNotFitError:
            return False

    def least(self, batch: int) -> int:
        """What a batch cannot do without: its blocks at their most, however they lie; a larger needs more."""
        return self._least(self._books(batch)[1], batch)

    def _least(self, book: Book, batch: int) -> int:
        sizes = at_batch(book.columns.fixed, book.columns.per_image, batch)
        live = max(book.running([rounded(size) if size else 0 for size in sizes]))
        return live + sum(rounded(size) for _, size, _ in self.workspaces)

    def at_most(self, limit: int) -> int:
        """No batch above this one runs, whatever cuDNN takes: its blocks alone are more than the limit."""
        low, high = 0, self.step.largest_batch(limit)
        book = self._books(high)[1] if high else self.step.book
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._least(book, middle) <= limit else (low, middle - 1)
        return low

    def largest_batch(self, limit: int) -> int:
        """The largest batch that runs; 0 if none does.

        What is reserved does not grow evenly with the batch: a batch may run where a smaller one does not. So
        they are tried one by one, from the most that can be downwards; of very many, every n-th. Where each
        batch has a book of its own, it is written for those that run by the book of the largest.
        """
        most = self.at_most(limit)
        if not most:
            return 0
        each = -(-most // MOST_TRIED)
        books = self._books(most)
        can = (batch for batch in range(most, 0, -each) if self._fits(books, batch, limit))
        return next((batch for batch in can if self.fits(batch, limit)), 0)


def _play(allocator: CachingAllocator, book: Book, batch: int, start: int = 0) -> None:
    """The events of a book from one on, and what its step leaves behind."""
    events, category, fixed, per_image = book.columns
    sizes = [0, *at_batch(fixed, per_image, batch)]
    held: dict[int, Block] = {}
    for event in events[start:]:
        for storage in event:
            if storage > 0 and sizes[storage]:
                held[storage] = allocator.malloc(sizes[storage])
            elif storage < 0 and sizes[-storage]:
                allocator.free(held.pop(-storage))
    for storage, block in held.items():
        if CATEGORIES[category[storage - 1]] not in LASTING:
            allocator.free(block)
