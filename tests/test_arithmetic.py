"""A count and its working are one object, and whoever evaluates the working gets the count."""

from __future__ import annotations

import ast
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgg_profile.core.counts import ZERO, Count, plain, product, total


def evaluate(working: str) -> int:
    """Do the sum as a pupil would: whole numbers, ``*``, ``+`` and brackets, and nothing else."""

    def value(node: ast.expr) -> int:
        match node:
            case ast.Constant(int(number)):
                return number
            case ast.BinOp(left, ast.Mult(), right):
                return value(left) * value(right)
            case ast.BinOp(left, ast.Add(), right):
                return value(left) + value(right)
        raise ValueError(f"{working!r} is more than a sum")

    return value(ast.parse(working, mode="eval").body)


counts = st.recursive(
    st.integers(0, 10**6).map(plain),
    lambda smaller: (
        st.lists(smaller, min_size=1, max_size=4).map(lambda terms: product(*terms))
        | st.lists(smaller, max_size=4).map(total)
    ),
    max_leaves=12,
)


@given(counts)
def test_a_working_evaluates_to_its_value(count):
    assert evaluate(count.working) == count.value


@given(st.lists(counts, min_size=2, max_size=4))
def test_a_product_of_counts_is_the_product_of_their_values(factors):
    expected = 1
    for factor in factors:
        expected *= factor.value
    assert product(*factors).value == expected


@given(st.lists(counts, max_size=4))
def test_a_total_of_counts_is_the_sum_of_their_values(terms):
    assert total(terms).value == sum(term.value for term in terms)


def test_the_pupil_can_find_a_mistake():
    assert evaluate("(3*3*3)*64") == 1728
    assert evaluate("(3*3*3)*64") != Count(1729, "(3*3*3)*64").value


@pytest.mark.parametrize("not_a_sum", ["__import__('os')", "2**9", "7-1", "1.5*2", "-3", "print"])
def test_the_pupil_does_sums_and_nothing_else(not_a_sum):
    with pytest.raises(ValueError, match="more than a sum"):
        evaluate(not_a_sum)


def test_factors_keep_their_order_and_bracket_their_own_working():
    assert product(product(3, 3, 64), 128).working == "(3*3*64)*128"
    assert product(7, 7, 512, 4096).working == "7*7*512*4096"
    assert product(total([2, 3]), 4) == Count(20, "(2+3)*4")


def test_zero_terms_leave_no_trace_in_a_total():
    assert total([0, product(3, 64), ZERO, 64]) == Count(256, "3*64+64")
    assert total([]) == total([0, ZERO]) == Count(0, "0")


def test_one_factor_is_itself():
    assert product(product(3, 3)) == Count(9, "3*3")
    assert product(4096) == plain(4096)


def test_only_a_bare_number_is_plain():
    assert plain(4096).is_plain
    assert not product(64, 64).is_plain


def test_a_count_is_an_int_when_asked_and_cannot_be_changed():
    count = product(3, 64)
    assert int(count) == 192
    with pytest.raises(FrozenInstanceError):
        count.value = 193


def test_no_count_is_too_large_to_be_exact():
    assert product(10**9, 10**9, 10**9, 10**9 - 1).value == 10**36 - 10**27


def test_the_empty_product_has_a_working_too():
    assert evaluate(product().working) == 1
