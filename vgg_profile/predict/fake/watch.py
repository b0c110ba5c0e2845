"""The eye on every operation: what it made goes into the book, with what its kernel takes in passing.

A :class:`Watch` stands before the fake tensors' own mode and sees each operation as ATen's kernels do, below
autograd and autocast.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensor,
    FakeTensorMode,
    UnsupportedOperatorException,
)
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from vgg_profile.core.errors import InputError
from vgg_profile.core.events import Category, Phase, Provenance, Storage
from vgg_profile.core.sizes import Bytes
from vgg_profile.predict.fake.devices import CARD
from vgg_profile.predict.fake.fields import Fields
from vgg_profile.predict.fake.known import Known
from vgg_profile.predict.fake.macs import is_counted_by_torch, macs
from vgg_profile.predict.fake.numbers import Numbers, is_borrowed, number_bytes
from vgg_profile.predict.fake.operations import Changes, OperationMemory, name_of
from vgg_profile.predict.fake.paths import Paths
from vgg_profile.predict.fake.plain import answer
from vgg_profile.predict.fake.recording import Recording, storages
from vgg_profile.predict.fake.strides import as_seen, as_the_kernel
from vgg_profile.predict.fake.temporaries import in_order
from vgg_profile.run.tensors import tensors_in

aten = torch.ops.aten

Temporaries = Callable[[Any, tuple[Any, ...], dict[str, Any], Sequence[int]], OperationMemory | None]
"""From an operation, its arguments and the bytes of its new results to its changes; ``None``: not known."""

_FORWARDS = (Phase.FORWARD, Phase.RECOMPUTE, Phase.LOSS)

_RESIZING = (aten.resize_.default, aten.set_.source_Storage_storage_offset)


class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes every operation into a recording; ``temporaries`` says what their kernels take beside."""

    def __init__(
        self,
        mode: FakeTensorMode,
        recording: Recording,
        known: Known,
        paths: Paths,
        temporaries: Temporaries,
        device: torch.device,
        *,
        has_autocast: bool = False,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.mode = mode
        self.recording = recording
        self.known = known
        self.paths = paths
        self.temporaries = temporaries
        self.device = device
        self.numbers = Numbers(recording)
        self.hooked: set[int] = set()
        """The nodes whose saved tensors a hook took away, by their numbers: a checkpoint's."""
        self.has_autocast = has_autocast
        self._is_closed, self._writes = False, True
        self.fields = Fields()
        self.macs: Counter[tuple[Phase, str]] = Counter()
        self.uncounted: Counter[tuple[Phase, str]] = Counter()
        """Of these, the MACs of operations that torch's own counter does not see."""
        self.probed: Counter[str] = Counter()
        """Operations that were run alone to learn what they take."""
        self.unknown: Counter[str] = Counter()
        """Operations of whose kernels nobody knows what they take."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here: dispatch needs no guard against that."""
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.ops.prim.device.default:
            return args[0].fake_device if isinstance(args[0], FakeTensor) else func(*args)
        kwargs = kwargs or {}
        if self._is_closed:
            return self._run(func, args, kwargs)
        self.numbers.settle()
        answer = self.known.answer(func, args)
        if answer:
            return answer[0]
        if self.recording.phase in _FORWARDS and _changes_a_view(func, args):
            self.paths.assumed["that nobody reads on from a view that was changed in place"] = None
        if torch._C._autograd._top_saved_tensors_default_hooks(False) is not None:
            self.hooked.add(torch._C._autograd._get_sequence_nr() - 1)
        func = self.paths.real(func, args, kwargs)
        out = self._run(func, args, kwargs)
        out = as_the_kernel(func, args, kwargs, out)
        if self._writes and (tensors_in(out) or tensors_in(args)):
            out = self._write_down(func, args, kwargs, out)
        self.known.follow(func, args, kwargs, out)
        if self.recording.phase is Phase.FORWARD:
            self.fields.follow(func, args, out)
        self._count(macs(func, args, out), func)
        return out

    def _count(self, number: int, func: Any) -> None:
        if number:
            place = self.recording.phase, self.recording.layer
            self.macs[place] += number
            if not is_counted_by_torch(func):
                self.uncounted[place] += number

    @contextmanager
    def closed(self) -> Iterator[None]:
        """While this lasts, operations run and nothing of them is written down."""
        self._is_closed = True
        try:
            yield
        finally:
            self._is_closed = False

    @contextmanager
    def unwritten(self) -> Iterator[None]:
        """While this lasts, values are followed, and nothing is written down: it is before the step."""
        self._writes = False
        try:
            yield
        finally:
            self._writes = True

    def _run(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        is_optimizers = self._is_closed or self.recording.phase is Phase.STEP
        if _is_in_place(func) and isinstance(args[0], FakeTensor):
            if args[0].constant is None:
                if is_optimizers:
                    return args[0]  # nothing of it changes but values that nobody knows
            elif _is_sure(func) and not tensors_in(args[1:]):
                with _disable_current_modes():
                    func(args[0].constant, *args[1:], **kwargs)
                return args[0]
        try:
            out = answer(self.mode, func, args, kwargs)
            return func(*args, **kwargs) if out is None else out
        except (DataDependentOutputException, DynamicOutputShapeException) as error:
            raise self._refusal(
                func,
                "gives a result whose size or value depends on data",
                "What it takes is known only when it runs: predict the parts that depend on no data.",
            ) from error
        except UnsupportedOperatorException as error:
            raise self._refusal(
                func,
                "has no rule for tensors without data",
                "Give it one with torch.library.register_fake, where it is yours.",
            ) from error

    def _refusal(self, func: Any, why: str, what_then: str) -> InputError:
        where = f"in {self.recording.phase} of {self.recording.layer or 'the step'}"
        message = f"The network cannot be traced: {func._schema.name} {why} ({where})."
        return InputError(message, what_then)

    # -- the book --------------------------------------------------------------------------------

    def _write_down(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Any:
        """Write an operation into the book; returns its result as its kernel lays it out."""
        name = name_of(func)
        if name == "bernoulli_":
            self._call_a_mask(args[0])
        fresh = []
        for tensor in storages(out):
            if self.device == CARD and tensor.device != CARD:
                continue  # a card's memory is asked about, and this is the host's
            known = self.recording.known(tensor)
            if known is None:
                fresh.append(tensor)
            elif func in _RESIZING and known.size.fixed != tensor.untyped_storage().nbytes():
                self._resize(name, tensor, known)
        made = [self._name(name, place, tensor) for place, tensor in enumerate(fresh)]
        on_host = self.device == CARD  # where numbers stay
        number = None if on_host or is_borrowed() else self._number(func, args)
        results = [storage.size.fixed for storage in made]
        taken = self.temporaries(func, args, kwargs, results)
        scratch = ""
        changes = tuple(results) if taken is None else taken.changes
        if taken is not None and taken.is_probed:
            self.probed[name] += 1
        if taken is not None and taken.results is not None:
            for storage, size in zip(made, taken.results, strict=True):
                storage.size = Bytes(size, 0)
        if (taken is None or taken.is_least) and _is_work(out):
            scratch = name
            self.unknown[name] += 1
        how = Provenance.PROBE if taken is not None and taken.is_probed else Provenance.RULE
        self._events(name, changes, made, [] if number is None else [number], scratch, how)
        for tensor, storage in zip(fresh, made, strict=True):
            self.recording.watch(tensor.untyped_storage(), storage)
        if taken is not None and taken.strides:
            out = as_seen(out, fresh, taken.strides)
        if number is not None:
            self.numbers.made(number, out)
        return out

    def _events(
        self,
        name: str,
        changes: Changes,
        made: list[Storage],
        first: list[Storage],
        scratch: str,
        known: Provenance,
    ) -> None:
        """One event for each stretch of allocations and the releases after it."""
        open_: list[Storage] = []
        remaining = [storage for storage in made if storage.size.fixed]
        given_back = Counter(-change for change in changes if change < 0)
        stretches = in_order(changes) or [([], [])]
        for taken, returned in stretches:
            born, first = first, []
            for size in taken:
                if given_back[size]:
                    given_back[size] -= 1
                    storage = self.recording.new("workspace", size, Category.SCRATCH)
                    storage.provenance = known
                    open_.append(storage)
                else:
                    storage = next(each for each in remaining if each.size.fixed == size)
                    remaining.remove(storage)
                born = [*born, storage]
            dead = []
            for size in returned:
                storage = next(each for each in open_ if each.size.fixed == size)
                open_.remove(storage)
                dead.append(storage)
            self.recording.event(name, born, dead, scratch)

    def _number(self, func: Any, args: tuple[Any, ...]) -> Storage | None:
        size = number_bytes(func, args)
        return self.recording.new("number", size, Category.TEMPORARY) if size else None

    def _name(self, name: str, place: int, tensor: Tensor) -> Storage:
        """The book's word for a new storage: the ``place``-th that an operation made."""
        size = tensor.untyped_storage().nbytes()
        if self.recording.phase in _FORWARDS:
            what, category = _words(name, place, tensor, is_lowering=self._is_autocasts())
            return self.recording.new(what, size, category)
        return self.recording.new(f"{name}'s result", size)

    def _is_autocasts(self) -> bool:
        """Whether autocast itself calls: it shuts itself off while it casts what an operation is given."""
        return self.has_autocast and not torch.is_autocast_enabled("cpu")

    def _call_a_mask(self, tensor: Tensor) -> None:
        """Drawn at random, a tensor is a dropout's mask."""
        storage = self.recording.known(tensor)
        if storage is not None and storage.category is Category.ACTIVATIONS:
            storage.what, storage.category = "dropout mask", Category.MASKS

    def _resize(self, name: str, tensor: Tensor, storage: Storage) -> None:
        """An operation gave a storage another size: the old one goes, a new one comes."""
        untyped = tensor.untyped_storage()
        new = self.recording.new(storage.what, untyped.nbytes(), storage.category)
        self.recording.event(name, (new,), (storage,))
        self.recording.watch(untyped, new)


@cache
def _is_in_place(func: Any) -> bool:
    """Whether an operation writes values into its first argument and returns that."""
    schema = func._schema
    given = schema.arguments[0].alias_info if schema.arguments else None
    if given is None or not given.is_write or len(schema.returns) != 1 or func in _RESIZING:
        return False
    return schema.name.endswith("_") and str(schema.returns[0].type) == "Tensor"


@cache
def _is_sure(func: Any) -> bool:
    """Whether an operation in place leaves the form as it is, and values that are known known."""
    return not {torch.Tag.inplace_view, torch.Tag.nondeterministic_seeded} & set(func.tags)


def _changes_a_view(func: Any, args: tuple[Any, ...]) -> bool:
    """Whether an operation writes in place into a view that gradients come to.

    Where somebody reads on from it, its gradient is laid out anew, as large as what it is a view of
    (``as_strided_backward``); of tensors without data PyTorch goes back through the view itself. Source:
    ``VariableHooks::grad_fn`` in torch/csrc/autograd/variable.cpp.
    """
    if not _is_in_place(func) or not torch.is_grad_enabled() or not args[0]._is_view():
        return False
    return any(tensor.requires_grad for tensor in tensors_in(args))


def _is_work(out: Any) -> bool:
    """Whether an operation gave any values at all."""
    return any(tensor.numel() for tensor in tensors_in(out))


def _words(name: str, place: int, tensor: Tensor, *, is_lowering: bool) -> tuple[str, Category]:
    """What a forward operation's result is, and what it is for."""
    if place and "norm" in name:
        return ("batch mean", "batch inverse deviation", "reserve")[min(place, 3) - 1], Category.STATISTICS
    if place and name == "native_dropout":
        return "dropout mask", Category.MASKS
    if place and tensor.dtype == torch.int64:
        return "int64 indices", Category.INDICES
    if name == "_to_copy" and is_lowering:
        return "output, cast", Category.CASTS
    return "output", Category.ACTIVATIONS
