"""Single operations, run in a process limited to a family of processors, beside what the rule says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from vgg_profile.core.setting import PROCESSORS
from vgg_profile.measure.processor import processor
from vgg_profile.predict.kernels import convolution
from vgg_profile.predict.kernels.events import Passing
from vgg_profile.predict.kernels.shapes import Convolution, Product, Transposed

FAMILIES = {"avx2": "AVX2", "avx512": "AVX512_CORE", "avx512_bf16": "AVX512_CORE_BF16", "amx": "DEFAULT"}
"""By family, what oneDNN is told to use at most."""


def here_at_most(family: str) -> str:
    """That family, or the one of this machine where it knows less; skips on one that no rule knows."""
    here = processor()
    if here is None:
        pytest.skip("no rule knows this machine's processor")
    return min(family, here, key=PROCESSORS.index)


def answers(family: str, *arguments: object) -> list[Any]:
    """What ``kernel_runner`` says in a process limited to a family; first, which family it really has."""
    answer = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("kernel_runner.py")), *map(str, arguments)],
        env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "ONEDNN_MAX_CPU_ISA": FAMILIES[family]},
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in answer.stdout.splitlines()]


@lru_cache
def really_run(
    family: str, dtype: str, threads: int, count: int, onednn: bool = True, what: str = "convolutions"
) -> tuple[str | None, list[tuple[Convolution, list[tuple[int, ...]]]]]:
    """The process's family, and what its allocator saw of random convolutions, forward and backward.

    ``what`` may be "strided": those that change a map's size.
    """
    first, *lines = answers(family, what, threads, count, dtype, threads, int(onednn))
    return first, [(Convolution(*shape), list(map(tuple, seen))) for shape, *seen in lines]


@lru_cache
def transposed_really_run(
    family: str, dtype: str, threads: int, count: int, onednn: bool = True
) -> tuple[str | None, list[tuple[Transposed, list[tuple[int, ...]]]]]:
    """The process's family, and what its allocator saw of random transposed convolutions."""
    first, *lines = answers(family, "transposed", threads, count, dtype, threads, int(onednn))
    return first, [(Transposed(*shape), list(map(tuple, seen))) for shape, *seen in lines]


@lru_cache
def products_really_run(family: str, dtype: str) -> tuple[str | None, list[tuple[Product, int, int]]]:
    """The process's family, and random products with their threads and what they took beside their result."""
    first, *lines = answers(family, "products", 1, 150, dtype, 1, 1)
    return first, [(Product(*shape), threads, taken) for shape, threads, taken in lines]


def beside(
    family: str, dtype: str, threads: int, count: int
) -> Iterator[tuple[Convolution, Passing, tuple[int, ...]]]:
    """Each pass of each convolution as predicted and as seen; skips on a machine of another family."""
    if (here := here_at_most(family)) != family:
        pytest.skip(f"this machine's processor is {here}")
    here, runs = really_run(family, dtype, threads, count)
    if here != family:
        pytest.skip(f"this machine's processor is {here}")
    for shape, seen in runs:
        predicted = convolution.forward(shape, family, threads), convolution.backward(shape, family, threads)
        yield from ((shape, *pair) for pair in zip(predicted, seen, strict=True))


def differing(predicted: Passing, seen: tuple[int, ...], *bounded: str) -> list[str]:
    """The events that are not as predicted: not the size, or, of a bounded block, more than its bound."""
    if len(predicted.events) != len(seen):
        return [f"{len(seen)} events instead of {len(predicted.events)}"]
    return [
        f"{event.what}: {size:,} instead of {event.bytes:,}"
        for event, size in zip(predicted.events, seen, strict=True)
        if event.bytes != size
        and not (event.what.startswith(bounded) and 0 < size * event.bytes <= event.bytes**2)
    ]
