"""A predicted step told as a history of memory: what an allocator on a card would have recorded of it."""

from __future__ import annotations

from functools import singledispatch

from vgg_profile.core.errors import InputError
from vgg_profile.core.histories import History, MemoryAction, Piece, Segment
from vgg_profile.core.step import Step, in_words
from vgg_profile.predict.caching import Block, CachingAllocator
from vgg_profile.predict.reserved import workspaces

FIRST_ADDRESS = 0x7F00_0000_0000
"""Where segments begin; a card's own addresses look like it."""


@singledispatch
def recount(result: object) -> History:
    """The history of a result; raises ``InputError`` for one that has no step."""
    raise InputError(
        f"A memory snapshot is of a training step, and there is none in a {type(result).__name__}.",
        "A timeline does: `vgg-profile timeline NET --device cuda -o step.pickle`.",
    )


@recount.register
def _step(step: Step) -> History:
    """The workspaces, the loading and the step, each allocation where PyTorch's allocator would put it.

    Where a program's stack frames would stand, the innermost first: what it is, the operation, the layer with
    its phase, the module. Raises ``InputError`` for a step on the CPU: PyTorch records no such history there.
    """
    if step.profile.device == "cpu":
        raise InputError(
            "A memory snapshot is what PyTorch's allocator on a card records, and this step is on the CPU.",
            "Add --device cuda.",
        )
    modules = {row.name: row.module for row in step.profile.module_rows}
    told, kept = _Told(), workspaces(None, has_backward=step.setup.has_backward)
    for workspace in kept:
        told.where = (workspace.what, "workspace")
        told.malloc(workspace, workspace.bytes)
    batch = step.setting.batch
    for event in step.events:
        place: tuple[str, ...] = (event.phase.value,)
        if event.layer:
            place = (in_words(event.phase, event.layer), modules.get(event.layer, event.layer))
        for storage in event.allocated:
            if size := storage.size.at(batch):
                told.where = (f"{storage.what} ({storage.category.value})", event.op, *place)
                told.malloc(storage, size)
        told.where = (event.op, *place)
        for storage in event.freed:
            if storage.size.at(batch):
                told.free(storage)
    return told.history()


class _Told:
    """An allocator, what it told, and for whom."""

    def __init__(self) -> None:
        self.where: tuple[str, ...] = ()
        self._actions: list[MemoryAction] = []
        self._held: dict[int, tuple[Block, tuple[str, ...]]] = {}
        self._next = FIRST_ADDRESS
        self._allocator = CachingAllocator(address_of_next=self._address, log=self._note)

    def malloc(self, owner: object, size: int) -> None:
        self._held[id(owner)] = (self._allocator.malloc(size), self.where)

    def free(self, owner: object) -> None:
        self._allocator.free(self._held.pop(id(owner))[0])

    def history(self) -> History:
        owners = {block.address: where for block, where in self._held.values()}
        segments = (
            Segment(
                tuple(
                    Piece(each.address, each.size, each.requested, owners.get(each.address, ()))
                    for each in blocks
                ),
                blocks[0].is_small,
                is_expandable=False,
            )
            for blocks in self._allocator.segments(block for block, _ in self._held.values())
        )
        return History(tuple(self._actions), tuple(segments))

    def _address(self, size: int) -> int:
        address = self._next
        self._next += size
        return address

    def _note(self, action: str, address: int, size: int) -> None:
        self._actions.append(MemoryAction(action, address, size, self.where))
