"""What an operation takes, by running that one operation alone: in a process of its own, once for each form.

A probe is a prediction of *this machine*: its processor, its threads, its PyTorch. It is asked only where no
rule knows. The process is another one, so that a kernel which does not survive tensors that nobody computed
takes nobody with it, and so that none runs where a network is traced.
"""

from __future__ import annotations

import atexit
import pickle
import subprocess
from collections.abc import Callable, Sequence
from functools import cache
from select import select
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from vgg_profile.core.interpreter import python
from vgg_profile.core.processor import family
from vgg_profile.core.sizes import FLOAT32, ITEMSIZE
from vgg_profile.predict.fake.operations import OperationMemory
from vgg_profile.predict.fake.remembered import Remembered
from vgg_profile.predict.fake.temporaries import by_rule
from vgg_profile.predict.kernels.onednn_threads import BOOKING
from vgg_profile.run.tensors import tensors_in

LARGEST = 2**30
"""The bytes of an operation's tensors above which it is not run."""

PATIENCE = 5
"""Seconds that an operation may take, its process's start included, before whoever waits is told."""


class TensorSpec(NamedTuple):
    """A tensor without its values; ``number`` tells which of an operation's tensors it is."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int
    dtype: str
    number: int


class Invocation(NamedTuple):
    """One operation, its arguments, and the conditions that a kernel looks at."""

    operation: str
    overload: str
    args: Any
    kwargs: Any
    threads: int
    onednn: bool


def invocation(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Invocation:
    """An operation as it can be handed to another process."""
    numbers: dict[int, int] = {}

    def spec(leaf: Any) -> Any:
        if isinstance(leaf, Tensor):
            number = numbers.setdefault(id(leaf), len(numbers))
            offset = int(leaf.storage_offset()) if leaf.numel() else 0
            dtype = str(leaf.dtype).removeprefix("torch.")
            return TensorSpec(tuple(leaf.shape), tuple(leaf.stride()), offset, dtype, number)
        return "cpu" if isinstance(leaf, torch.device) else leaf

    return Invocation(
        func._schema.name,
        func._schema.overload_name or "default",
        tree_map(spec, args),
        tree_map(spec, kwargs),
        torch.get_num_threads(),
        bool(torch.backends.mkldnn.enabled),
    )


class Prober:
    """Asks a process that runs operations; it is started with the first question, and anew if it dies.

    With a ``memory``, what ran here once is not run again by later processes. ``tell``, if somebody sets it,
    is told in a sentence, once, what it is that takes long.
    """

    def __init__(self, memory: Remembered | None = None) -> None:
        self.tell: Callable[[str], None] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: dict[bytes, OperationMemory | None] = {}
        self._memory = memory

    def ask(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> OperationMemory | None:
        """What the operation took here; ``None`` where it is too large, or does not run."""
        tensors = tensors_in((args, kwargs))
        if any(each.layout != torch.strided for each in tensors):
            return None
        if sum(each.numel() * each.element_size() for each in tensors) > LARGEST:
            return None
        try:
            return self.put(invocation(func, args, kwargs))
        except (pickle.PicklingError, TypeError, AttributeError, RuntimeError):
            return None

    def put(self, invocation: Invocation) -> OperationMemory | None:
        """The answer to a question; it is asked once."""
        asked = pickle.dumps(invocation)
        if asked not in self._answers:
            self._answers[asked] = self._answer(repr(invocation), asked, invocation.operation)
        return self._answers[asked]

    def _answer(self, words: str, asked: bytes, operation: str) -> OperationMemory | None:
        kept = None if self._memory is None else self._memory.answer(words)
        line = self._send(asked, operation) if kept is None else kept
        if self._memory is not None and line:
            self._memory.keep(words, line)
        return _read(line)

    def _send(self, asked: bytes, operation: str) -> str:
        """The process's line; an empty one where the operation does not run."""
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                python("vgg_profile.predict.fake.probed"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            atexit.register(self._process.kill)
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(len(asked).to_bytes(8, "big") + asked)
            stdin.flush()
            if self.tell is not None and not select([stdout], [], [], PATIENCE)[0]:
                self.tell(
                    f"Running {operation} alone, here, to learn what its kernel takes, which no rule knows. "
                    "It is remembered; --no-probe leaves it out."
                )
                self.tell = None
            return stdout.readline().decode().strip()
        except OSError:
            return ""


def _read(line: str) -> OperationMemory | None:
    """Read ``changes;results;strides``, each a list of numbers, or an empty line for no answer."""
    if not line:
        return None
    changes, results, strides = line.split(";")
    laid = tuple(_numbers(each) for each in strides.split("|")) if results != "none" else ()
    return OperationMemory(_numbers(changes), _numbers(results), strides=laid, is_probed=True)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(",") if number != "none")


PROBER = Prober(Remembered())


@cache
def processor() -> str | None:
    """The family of this machine's processor, told by what a few small operations take here."""
    return family(_block, _sums_a_copy)


def _sums_a_copy() -> bool:
    """Whether a product in bfloat16 is summed in a float32 copy of its result."""
    rows, inner = (
        TensorSpec((number, 64), (64, 1), 0, "bfloat16", place) for place, number in enumerate((16, 64))
    )
    summed = PROBER.put(Invocation("aten::mm", "default", (rows, inner), {}, 1, onednn=True))
    return summed is not None and 16 * 64 * FLOAT32 + BOOKING in summed.changes


def _block(dtype: str) -> int | None:
    """How many channels a result of one is padded to; ``None`` if the maps are in no such blocks."""
    images = TensorSpec((2, 16, 8, 8), (1024, 64, 8, 1), 0, dtype, 0)
    weight = TensorSpec((1, 16, 3, 3), (144, 9, 3, 1), 0, dtype, 1)
    plain = 2 * 64 * ITEMSIZE[dtype]
    how = ([1, 1], [1, 1], [1, 1], False, [0, 0], 1)
    answer = PROBER.put(
        Invocation("aten::convolution", "default", (images, weight, None, *how), {}, 1, onednn=True)
    )
    taken = [] if answer is None else [change for change in answer.changes if change > 0]
    if len(taken) != 4 or taken[0] != 16 * plain or taken[-1] != plain:
        return None
    return taken[2] // plain


def by_rule_or_probe(
    func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], results: Sequence[int]
) -> OperationMemory | None:
    """What an operation takes: by rule, else by running it alone."""
    taken = by_rule(func, args, results, processor())
    if taken is not None and not taken.is_least:
        return taken
    probed = PROBER.ask(func, args, kwargs)
    if probed is None or len(probed.results or ()) != len(results):
        return taken
    return probed
