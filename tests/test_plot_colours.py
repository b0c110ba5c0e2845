"""The colours of pictures: anybody can tell them apart."""

from __future__ import annotations

import math
from itertools import combinations

import pytest

from vgg_profile.core.events import Category
from vgg_profile.core.figures import COMPUTE, PALETTE, SPEED

# -- colours that anybody can tell apart


MATRICES = {
    "trichromat": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanope": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranope": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
}
"""What each sees of linear sRGB: Machado, Oliveira and Fernandes 2009, at full severity."""


TO_CONES = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)


TO_OKLAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)
"""Oklab, Ottosson 2020: equal distances look about equally far apart; 2 hundredths are just noticeable."""


def times(matrix: tuple[tuple[float, ...], ...], vector: list[float]) -> list[float]:
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def oklab(colour: str, eye: str) -> list[float]:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    seen = [min(1.0, max(0.0, c)) for c in times(MATRICES[eye], linear)]
    return times(TO_OKLAB, [max(c, 0.0) ** (1 / 3) for c in times(TO_CONES, seen)])


def distance(one: str, other: str) -> float:
    """Hundredths of Oklab, to the eye that tells the two apart worst."""
    return min(100 * math.dist(oklab(one, eye), oklab(other, eye)) for eye in MATRICES)


SELDOM = {
    Category.BUFFERS,
    Category.OPTIMIZER,
    Category.INPUT,
    Category.CASTS,
    Category.MASKS,
    Category.STATISTICS,
    Category.TEMPORARY,
    Category.SCRATCH,
}
"""What a stack may lack, so that its neighbours touch."""


def may_touch() -> list[tuple[Category, Category]]:
    order = list(PALETTE)
    return [
        (order[low], order[high])
        for low, high in combinations(range(len(order)), 2)
        if all(between in SELDOM for between in order[low + 1 : high])
    ]


def test_every_category_has_one_colour_of_its_own() -> None:
    assert set(PALETTE) == set(Category)
    assert len(set(PALETTE.values())) == len(PALETTE)


def test_any_two_categories_differ_to_every_eye() -> None:
    assert min(distance(one, other) for one, other in combinations(PALETTE.values(), 2)) > 8


@pytest.mark.parametrize("pair", may_touch(), ids=str)
def test_categories_that_may_touch_differ_more(pair: tuple[Category, Category]) -> None:
    assert distance(PALETTE[pair[0]], PALETTE[pair[1]]) > 14


def test_measures_side_by_side_differ() -> None:
    colours = (COMPUTE, SPEED, PALETTE[Category.ACTIVATIONS], PALETTE[Category.WEIGHTS])
    assert min(distance(one, other) for one, other in combinations(colours, 2)) > 8


def test_colours_that_a_deuteranope_confuses_are_found() -> None:
    assert distance("#D55E00", "#117733") < 8
    assert distance("#CC79A7", "#44AA99") < 8
