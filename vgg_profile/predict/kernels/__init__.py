"""What a kernel takes in passing: one file a library, pure functions of shapes, no torch.

An operation's kernel allocates more than its result: a copy of a map in its own layout, columns, sums for
each thread. All of it goes through PyTorch's allocator and is given back before the operation returns, so it
counts toward the peak and toward nothing else. Each function here takes one operation's shapes, the processor
and the threads, and returns the allocations and releases in their order (:class:`~.events.Passing`).
"""

from __future__ import annotations

from collections.abc import Sequence

Order = Sequence[str]
"""The blocks of an operation as they come (``+columns``) and go (``-columns``), whether taken or not."""

OUTPUT = "output"
INPUT_GRADIENT, WEIGHT_GRADIENT, BIAS_GRADIENT = "input gradient", "weight gradient", "bias gradient"

GRADIENTS = (INPUT_GRADIENT, WEIGHT_GRADIENT, BIAS_GRADIENT)
"""The results of a backward by the place of the input that they are of: a map, a weight, a bias."""
