"""Numbers to text: what is printed must be what was meant, to its last printed digit."""

from __future__ import annotations

from fractions import Fraction

import pytest
from facts import NOTES, NOTES_TOTAL_PARAMETERS
from hypothesis import example, given
from hypothesis import strategies as st

from vgg_profile.core import units

sizes = st.integers(0, 2**50)
PREFIXES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def read_back(text: str) -> tuple[Fraction, str]:
    figure, unit = text.split(" ")
    return Fraction(figure.replace(",", "")), unit


@given(st.integers())
def test_an_exact_figure_keeps_every_digit(number):
    assert int(units.exact(number).replace(",", "")) == number


@pytest.mark.parametrize(
    ("size", "mebibytes", "binary"),
    [
        (0, "0.00 MiB", "0 B"),
        (1023, "0.00 MiB", "1,023 B"),
        (1024, "0.00 MiB", "1.00 KiB"),
        (60_950_432, "58.13 MiB", "58.13 MiB"),
        (96_000_000, "91.55 MiB", "91.55 MiB"),
        (553_430_176, "527.79 MiB", "527.79 MiB"),
        (8 * 2**30, "8,192.00 MiB", "8.00 GiB"),
        (3 * 2**60, "3,298,534,883,328.00 MiB", "3,072.00 PiB"),
    ],
)
def test_bytes_are_written_in_binary_units(size, mebibytes, binary):
    assert (units.mebibytes(size), units.binary(size)) == (mebibytes, binary)


@given(sizes)
def test_mebibytes_are_right_to_half_their_last_digit(size):
    figure, unit = read_back(units.mebibytes(size))
    assert unit == "MiB"
    assert abs(figure - Fraction(size, 2**20)) <= Fraction(5, 1000)


@given(sizes)
def test_binary_units_are_right_to_half_their_last_digit(size):
    figure, unit = read_back(units.binary(size))
    scale = 1024 ** PREFIXES.index(unit)
    assert abs(figure * scale - size) <= Fraction(5, 1000) * scale


@given(st.integers(0, 1023))
def test_less_than_a_kibibyte_is_exact(size):
    assert units.binary(size) == f"{size:,} B"


@given(st.integers(1, 2**60))
def test_a_negative_size_is_the_same_size_with_a_sign(size):
    assert units.binary(-size) == f"-{units.binary(size)}"


def test_no_binary_figure_rounds_up_to_a_whole_next_unit():
    for power in range(2, 6):
        assert not units.binary(1024**power - 1).startswith("1,024.00")


@pytest.mark.parametrize("line", NOTES, ids=lambda line: f"{line.label} {line.shape}")
def test_the_notes_rounding_prints_what_the_notes_print(line):
    height, width, channels = map(int, line.shape.split("x"))
    assert units.as_the_notes(height * width * channels) == line.memory


def test_the_notes_rounding_prints_their_total():
    assert units.as_the_notes(138_344_128) == NOTES_TOTAL_PARAMETERS


def said(text: str) -> int:
    """The number that a figure of the notes says: 3.2M is 3,200,000."""
    return int(Fraction(text.rstrip("KM")) * {"K": 10**3, "M": 10**6}.get(text[-1], 1))


@given(st.integers(0, 10**12))
@example(994_999)
@example(995_000)
@example(9_950_000)
def test_the_notes_rounding_errs_by_half_its_second_digit_at_most(number):
    error = abs(said(units.as_the_notes(number)) - number)
    assert error * 20 <= number
    assert error == 0 or number >= 10_000


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_the_notes_rounding_keeps_the_order(one, other):
    low, high = sorted((one, other))
    assert said(units.as_the_notes(low)) <= said(units.as_the_notes(high))


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (9_999, "9999"),
        (10_000, "10K"),
        (99_499, "99K"),
        (999_999, "1M"),
        (9_949_999, "9.9M"),
        (9_950_000, "10M"),
    ],
)
def test_the_notes_rounding_changes_unit_at_the_right_place(number, text):
    assert units.as_the_notes(number) == text


def test_a_shape_and_a_plural_read_aloud():
    assert units.shape((512, 7, 7)) == "512×7×7"
    assert units.shape((1000,)) == "1000"
    assert [units.plural(n, "layer") for n in (0, 1, 10_000)] == ["0 layers", "1 layer", "10,000 layers"]


@given(sizes)
@example(9_425)
@example(6_325)
@example(32_055)
def test_decimal_units_are_rounded_half_to_even_even_where_a_float_is_not(size):
    figure, unit = read_back(units.decimal(size))
    scale = 1000 ** ("B", "kB", "MB", "GB", "TB", "PB").index(unit)
    assert figure == round(Fraction(size, scale), 2)
