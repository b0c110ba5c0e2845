"""What a network is given: the shape and the dtype of each input, said without the batch."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vgg_profile.core.errors import InputError, excerpt
from vgg_profile.core.setting import LARGEST
from vgg_profile.core.sizes import ITEMSIZE, Shape

INTEGERS = ("int64", "int32", "int16", "int8", "uint8", "bool")
"""The dtypes of inputs that are no floating-point values."""

_FORM = re.compile(r"(?:([A-Za-z_]\w*)=)?(\d+(?:[x×]\d+)*)?(?::(\w+))?(?:<(\d+))?")


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a network: ``shape`` is that of one image, the batch comes before it at ``batch_dim``.

    Without a ``dtype`` it has the network's. Integers are zeros, or lie below ``below``. With a ``name`` it
    is given as a keyword.

    >>> Input.parse("3x224x224"), Input.parse("ids=128:int64<50257").below
    (Input(shape=(3, 224, 224), dtype=None, below=1, name='', batch_dim=0), 50257)
    """

    shape: Shape
    dtype: str | None = None
    below: int = 1
    name: str = ""
    batch_dim: int = 0

    @classmethod
    def parse(cls, text: str, batch_dim: int = 0) -> Input:
        """Read ``3x224x224``, ``128:int64``, ``128:int64<50257`` or ``mask=128:bool``.

        Raises ``InputError`` for anything else.
        """
        found = _FORM.fullmatch(text.strip())
        if found is None or not text.strip():
            raise InputError(
                f"The input {excerpt(text)} is not a shape.",
                "Give sizes without the batch: --input 3x224x224, --input 128:int64<50257.",
            )
        name, sizes, dtype, below = found.groups()
        shape = tuple(int(size) for size in re.split("[x×]", sizes)) if sizes else ()
        if not all(1 <= size <= LARGEST for size in shape):
            raise InputError(
                f"The input {excerpt(text)} has a size out of range.",
                f"Give whole numbers from 1 to {LARGEST:,}.",
            )
        if dtype is not None and dtype not in (*ITEMSIZE, *INTEGERS):
            raise InputError(
                f"The input {excerpt(text)} has no known dtype.",
                f"Choose from {', '.join((*ITEMSIZE, *INTEGERS))}.",
            )
        if below is not None and dtype not in INTEGERS[:-1]:
            raise InputError(
                f"The input {excerpt(text)} gives a bound, and only integers have one.",
                "Try 128:int64<50257.",
            )
        if not 0 <= batch_dim <= len(shape):
            raise InputError(
                f"The input {excerpt(text)} has no dimension {batch_dim} for the batch.",
                f"Give --batch-dim 0 to {len(shape)}.",
            )
        return cls(shape, dtype, int(below or 1), name or "", batch_dim)

    def at(self, batch: int) -> Shape:
        """The whole shape, for a batch."""
        return (*self.shape[: self.batch_dim], batch, *self.shape[self.batch_dim :])

    @property
    def label(self) -> str:
        """As it is written: ``128:int64<50257``."""
        name = f"{self.name}=" if self.name else ""
        bound = f"<{self.below}" if self.below > 1 else ""
        return f"{name}{'x'.join(map(str, self.shape))}{f':{self.dtype}' if self.dtype else ''}{bound}"
