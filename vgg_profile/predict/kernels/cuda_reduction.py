"""What a sum or a mean takes in passing on a card: partial sums, where several blocks of threads share one.

A kernel that has too few outputs to fill the card splits each output's inputs among blocks. Every block
leaves its part in a buffer, and a semaphore for each group of outputs says when all are there. Source:
``setReduceConfig`` and ``ReduceConfig``, ``ATen/native/cuda/Reduce.cuh`` of torch 2.13.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

WARP = 32
MOST_THREADS = 512
"""Of a block: ``mnt_wrapper::MAX_NUM_THREADS``."""

VECTOR = 4
"""Values that a thread reads at once: ``vt0`` and ``input_vec_size``."""

LEAST_VALUES, MOST_VALUES = 16, 256
"""Values that a thread is to add up: ``min_values_per_thread``, ``max_values_per_thread``."""

PARTIAL = 4
"""Bytes of a partial sum: float32, for every floating-point dtype of up to four bytes."""

SEMAPHORE = 4


class Multiprocessors(NamedTuple):
    """The multiprocessors of a card, and the threads that each holds."""

    number: int
    threads: int


HOPPER = Multiprocessors(132, 2048)
"""An H100 SXM, and an H200: ``torch.cuda.get_device_properties``."""


class Dimension(NamedTuple):
    """One dimension of what is reduced: how many values, how far apart, and whether they become one."""

    size: int
    stride: int
    is_reduced: bool


def reduction(
    shape: Sequence[int],
    stride: Sequence[int],
    reduced: Sequence[int],
    itemsize: int,
    card: Multiprocessors = HOPPER,
) -> tuple[int, ...]:
    """Bytes of the partial sums, and of the semaphores; nothing where no output is shared among blocks.

    ``shape`` and ``stride`` are the input's, in elements of ``itemsize`` bytes; ``reduced`` its dimensions
    that are summed over.

    >>> reduction((1576, 768), (768, 1), (0,), 4)
    (9830400, 24)
    """
    dimensions = _coalesced(shape, stride, reduced)
    inputs = prod(each.size for each in dimensions if each.is_reduced)
    outputs = prod(each.size for each in dimensions if not each.is_reduced)
    if inputs * outputs == 0 or not dimensions:
        return ()
    first_kept = next((each for each in dimensions if not each.is_reduced), None)
    along_inputs = dimensions[0].is_reduced and (
        first_kept is None or dimensions[0].stride < first_kept.stride
    )
    fastest = dimensions[0] if along_inputs or first_kept is None else first_kept
    across, along = (inputs, outputs) if along_inputs else (outputs, inputs)
    vector = 1
    if fastest.stride == 1:
        if along_inputs and across > 128 and len(dimensions) == 1:
            across //= VECTOR
        elif not along_inputs:
            vector = _output_vector(dimensions, fastest)
            across //= vector
    width, height = _block(across, along, MOST_THREADS // vector)
    step_inputs = width if along_inputs else 1
    step_outputs = 1 if along_inputs else width
    each_adds = -(-inputs // step_inputs)
    shares_block = each_adds >= min(height * 16, MOST_VALUES)
    if shares_block:
        step_inputs *= height
    else:
        step_outputs *= height
    each_adds = -(-inputs // step_inputs)
    grid = -(-(outputs // vector) // step_outputs)
    target = card.number * (card.threads // (width * height))
    if not shares_block or each_adds < MOST_VALUES or grid > target:
        return ()
    blocks = max(min(-(-target // grid), -(-each_adds // LEAST_VALUES)), -(-each_adds // MOST_VALUES))
    if blocks <= 1:
        return ()
    lanes = 1 if along_inputs else width * vector
    return PARTIAL * outputs * blocks * lanes, SEMAPHORE * grid


def _coalesced(shape: Sequence[int], stride: Sequence[int], reduced: Sequence[int]) -> list[Dimension]:
    """The dimensions as ``TensorIterator`` walks them: reduced ones first, smallest stride first, joined."""
    given = [
        Dimension(size, step, place in reduced)
        for place, (size, step) in enumerate(zip(shape, stride, strict=True))
        if size != 1
    ]
    joined: list[Dimension] = []
    for each in sorted(given, key=lambda each: (not each.is_reduced, each.stride)):
        last = joined[-1] if joined else None
        if last and last.is_reduced == each.is_reduced and last.size * last.stride == each.stride:
            joined[-1] = last._replace(size=last.size * each.size)
        else:
            joined.append(each)
    return joined


def _output_vector(dimensions: list[Dimension], fastest: Dimension) -> int:
    """Outputs that a thread works on at once: ``get_output_vec_size``."""
    vector = VECTOR
    for number in (fastest.size, *(each.stride for each in dimensions if each is not fastest)):
        while number % vector:
            vector //= 2
    return vector


def _block(across: int, along: int, most: int) -> tuple[int, int]:
    """Threads of a block, as a width and a height: ``set_block_dimension``."""
    wide, high = (most if size >= most else 1 << (size.bit_length() - 1) for size in (across, along))
    width = min(wide, WARP)
    height = min(high, most // width)
    return min(wide, most // height), height
