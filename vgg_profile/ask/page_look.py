"""A look inside a layer: what it does to a small map of whole numbers, one output after the other.

A page draws it, running this file translated; the arithmetic is that of ``torch.nn.functional``, and a test
compares.
"""

from __future__ import annotations

from typing import Any

BIAS = 1


def small_map(side: int) -> list[list[int]]:
    """A map of whole numbers from 0 to 4.

    >>> small_map(3)
    [[0, 3, 1], [2, 0, 3], [4, 2, 0]]
    """
    return [[(3 * column + 2 * row) % 5 for column in range(side)] for row in range(side)]


def small_kernel(side: int) -> list[list[int]]:
    """A kernel's weights, from -1 to 2.

    >>> small_kernel(3)
    [[0, 1, 2], [-1, 0, 1], [2, -1, 0]]
    """
    return [[(column + 3 * row + 1) % 4 - 1 for column in range(side)] for row in range(side)]


def looked(kind: str, kernel: int) -> dict[str, Any]:
    """A layer's outputs on a small map, step by step.

    ``kind`` is ``conv``, ``maxpool`` or ``fc``. ``map`` is what it is given, ``kernel`` its weights, ``side``
    that of its output; a step has the output's row and column, its terms ``[row, column, value,
    weight]``, in the padding too, and the result.

    >>> looked("maxpool", 2)["steps"][0]
    [0, 0, [[0, 0, 0, 1], [0, 1, 3, 1], [1, 0, 2, 1], [1, 1, 0, 1]], 3]
    """
    if kind == "maxpool":
        return _pooled(small_map(6))
    if kind == "fc":
        return _connected(small_map(3), 4)
    return _convolved(small_map(max(5, kernel)), small_kernel(kernel))


def _convolved(given: list[list[int]], weights: list[list[int]]) -> dict[str, Any]:
    side, pad = len(given), len(weights) // 2
    steps = []
    for row in range(side):
        for column in range(side):
            terms = []
            for down, line in enumerate(weights):
                for along, weight in enumerate(line):
                    there, across = row + down - pad, column + along - pad
                    is_inside = 0 <= there < side and 0 <= across < side
                    terms.append([there, across, given[there][across] if is_inside else 0, weight])
            total = BIAS + sum(value * weight for _, _, value, weight in terms)
            steps.append([row, column, terms, total])
    return {"map": given, "kernel": weights, "side": side, "pad": pad, "bias": BIAS, "steps": steps}


def _pooled(given: list[list[int]]) -> dict[str, Any]:
    side = len(given) // 2
    steps = []
    for row in range(side):
        for column in range(side):
            terms = [
                [there, across, given[there][across], 1]
                for there in (2 * row, 2 * row + 1)
                for across in (2 * column, 2 * column + 1)
            ]
            steps.append([row, column, terms, max(value for _, _, value, _ in terms)])
    return {"map": given, "kernel": [], "side": side, "pad": 0, "bias": 0, "steps": steps}


def _connected(given: list[list[int]], outputs: int) -> dict[str, Any]:
    """Each output reads every value of the map, with weights of its own."""
    steps = []
    for output in range(outputs):
        terms = [
            [row, column, value, (2 * row + column * output + output) % 3 - 1]
            for row, line in enumerate(given)
            for column, value in enumerate(line)
        ]
        total = BIAS + sum(value * weight for _, _, value, weight in terms)
        steps.append([0, output, terms, total])
    return {"map": given, "kernel": [], "side": outputs, "pad": 0, "bias": BIAS, "steps": steps}
