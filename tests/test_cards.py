"""Memory as it is typed: exact to the byte, GiB never taken for GB, and no guess where two readings are."""

from __future__ import annotations

import json
import re
import time
from fractions import Fraction
from itertools import combinations
from pathlib import Path

import facts
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgg_profile.ask.cards import CARDS, LARGEST, Card, Memory, card, memory
from vgg_profile.core.errors import InputError

# Typed in, not computed: these are the definitions.
BINARY = {"KiB": 1024, "MiB": 1_048_576, "GiB": 1_073_741_824, "TiB": 1_099_511_627_776}
DECIMAL = {"kB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000, "TB": 1_000_000_000_000}
UNITS = {"B": 1} | BINARY | DECIMAL

units = st.sampled_from(list(UNITS))
counts = st.integers(1, 10**6)
fractions = st.decimals(min_value="0.001", max_value="9999", places=3)


def refusal(text: object) -> str:
    with pytest.raises(InputError) as caught:
        memory(text)  # type: ignore[arg-type]
    error = caught.value
    assert error.problem.endswith((".", "?")), error.problem
    assert error.next_step.endswith("."), error.next_step
    assert len(str(error)) < 600
    assert str(error).isprintable()
    return str(error)


# -- amounts


@pytest.mark.parametrize(
    ("text", "size", "label"),
    [
        ("8GiB", 8_589_934_592, "8 GiB"),
        ("8 GB", 8_000_000_000, "8 GB"),
        ("24576MiB", 25_769_803_776, "24,576 MiB"),
        ("500MB", 500_000_000, "500 MB"),
        ("8589934592", 8_589_934_592, "8,589,934,592 B"),
        ("1.5GiB", 1_610_612_736, "1.5 GiB"),
        ("  1.50\tgib ", 1_610_612_736, "1.5 GiB"),
        ("008gb", 8_000_000_000, "8 GB"),
        ("5080 bytes", 5_080, "5,080 B"),
        ("0.3KiB", 307, "0.3 KiB"),  # 307.2, rounded down
        ("1048576TiB", 2**60, "1,048,576 TiB"),
    ],
)
def test_an_amount_is_read(text, size, label):
    assert memory(text) == Memory(size, label, device=None, source=None)


@given(counts, units, st.sampled_from(["", " "]))
def test_whole_units_are_whole_multiples(count, unit, gap):
    assert memory(f"{count}{gap}{unit if unit != 'B' else 'bytes'}").bytes == count * UNITS[unit]


@given(fractions, units)
def test_a_fraction_is_exact_and_rounded_down(number, unit):
    exactly = Fraction(number) * UNITS[unit]
    if exactly < 1:
        assert "not hold one byte" in refusal(f"{number} {unit}")
    else:
        assert memory(f"{number} {unit}").bytes == exactly.numerator // exactly.denominator


@given(counts, units)
def test_the_label_reads_back_as_the_same_memory(count, unit):
    first = memory(f"{count} {unit}")
    assert memory(first.label.replace(",", "")) == first


@given(st.integers(2**20, LARGEST))
def test_a_bare_number_is_bytes(size):
    assert memory(str(size)).bytes == memory(f"{size}B").bytes == size


@given(counts, st.integers(1, 4))
def test_binary_and_decimal_units_are_told_apart(count, power):
    binary, decimal = list(BINARY)[power - 1], list(DECIMAL)[power - 1]
    ratio = Fraction(memory(f"{count}{binary}").bytes, memory(f"{count}{decimal}").bytes)
    assert ratio == Fraction(1024, 1000) ** power > 1


@given(st.integers(1, 1023).filter(lambda size: str(size) not in "10 40 100 200"))
def test_a_small_number_alone_is_gib_and_the_answer_says_so(size):
    read = memory(str(size))
    assert (read.bytes, read.source) == (size * 2**30, "read as GiB, since it came without a unit")


@given(counts, units)
def test_case_does_not_matter_where_it_says_nothing(count, unit):
    typed = memory(f"{count} {unit}")
    assert memory(f"{count} {unit.lower()}") == memory(f"{count} {unit.upper()}") == typed


@pytest.mark.parametrize(
    ("text", "binary", "decimal", "next_step"),
    [
        ("8G", "8,589,934,592 bytes (8 GiB)", "8,000,000,000 bytes (8 GB)", "Type 8GiB or 8GB."),
        ("8 g", "8,589,934,592 bytes (8 GiB)", "8,000,000,000 bytes (8 GB)", "Type 8GiB or 8GB."),
        ("500M", "524,288,000 bytes (500 MiB)", "500,000,000 bytes (500 MB)", "Type 500MiB or 500MB."),
        ("1.5k", "1,536 bytes (1.5 KiB)", "1,500 bytes (1.5 kB)", "Type 1.5KiB or 1.5kB."),
        ("2T", "2,199,023,255,552 bytes (2 TiB)", "2,000,000,000,000 bytes (2 TB)", "Type 2TiB or 2TB."),
    ],
)
def test_a_bare_prefix_is_refused_with_both_readings(text, binary, decimal, next_step):
    assert f"may be {binary} or {decimal}. {next_step}" in refusal(text)


@pytest.mark.parametrize(("text", "typed"), [("8Gb", "8GB"), ("8Gib", "8GiB"), ("8 Mb", "8MB")])
def test_bits_are_not_taken_for_bytes(text, typed):
    message = refusal(text)
    assert "bits" in message
    assert f"Type {typed} if you mean {memory(typed).bytes:,} bytes." in message


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is no amount"),
        ("   ", "is no amount"),
        ("0", "not hold one byte"),
        ("0GiB", "not hold one byte"),
        ("0.0000 GB", "not hold one byte"),
        ("0.5B", "not hold one byte"),
        ("-8GiB", "is no amount"),
        ("+8GiB", "is no amount"),
        ("- 8 GiB", "is no amount"),
        (".5GiB", "is no amount"),
        ("8.GiB", "is no amount"),
        ("8,5GB", "is no amount"),
        ("1 000 MiB", "is no amount"),
        ("8_000MB", "is no amount"),
        ("0x10GiB", "is no amount"),
        ("1e3MiB", "is no amount"),
        ("1e400", "is no amount"),
        ("1e999999999", "is no amount"),
        ("1e999999999GiB", "is no amount"),
        ("nan", "is no amount"),
        ("NaN GiB", "is no amount"),
        ("inf", "is no amount"),
        ("Infinity", "is no amount"),
        ("-inf", "is no amount"),
        ("٨GiB", "is no amount"),
        ("８GiB", "is no amount"),
        ("8²GiB", "is no amount"),
        ("8\N{KELVIN SIGN}iB", "is no amount"),
        ("8 GiB\x1b[31m", "is no amount"),
        ("8 GiB 8 GiB", "is no amount"),
        ("9" * 100_000, "is no amount"),
        ("0." + "1" * 100_000 + "GiB", "is no amount"),
        ("8 XiB", "no unit 'XiB'"),
        ("8 GBit", "no unit 'GBit'"),
        ("8 PiB", "no unit 'PiB'"),
        ("8 Gi", "no unit 'Gi'"),
        ("8" + "G" * 100_000, "no unit 'GGG"),
        (f"{2**60 + 1}", "none so large"),
        ("1048577TiB", "none so large"),
        ("9" * 19 + ".999999999 TiB", "none so large"),
        (8, "of type int"),
        (None, "of type NoneType"),
        (b"8GiB", "of type bytes"),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_what_is_no_amount_is_refused(text, reason):
    before = time.perf_counter()
    message = refusal(text)
    assert reason in message
    assert time.perf_counter() - before < 1


def test_the_largest_amount_is_the_last_to_be_read():
    assert memory(str(LARGEST)).bytes == LARGEST == 2**60
    assert "none so large" in refusal(str(LARGEST + 1))


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text):
    try:
        found = memory(text)
    except InputError:
        return
    assert 0 < found.bytes <= LARGEST


# -- cards


@pytest.mark.parametrize("each", CARDS, ids=lambda each: each.name)
def test_a_card_is_reached_by_its_name(each: Card):
    size = each.sold_as
    model = each.name.removesuffix(f" {size} GB")
    dense = model.replace(" ", "")
    spelt = [each.name, each.name.lower(), each.name.replace(" ", "-"), f"NVIDIA {each.name}"]
    sized = [f"{dense} {size}GB", f"{dense}-{size}gb", f"nvidia_{dense}_{size}g", f"{dense.lower()}{size}gb"]
    for name in spelt + sized:
        assert card(name) is each, name


@pytest.mark.parametrize(
    ("reported", "name"),
    [
        ("Tesla T4", "T4"),
        ("Tesla P100-PCIE-16GB", "P100"),
        ("Tesla V100-SXM2-16GB", "V100 16 GB"),
        ("Tesla V100-PCIE-32GB", "V100 32 GB"),
        ("GeForce GTX 1080 Ti", "GTX 1080 Ti"),
        ("GeForce GTX 1050 Ti", "GTX 1050 Ti"),
        ("GeForce GTX 1070", "GTX 1070"),
        ("GeForce GTX 1070 Ti", "GTX 1070 Ti"),
        ("GeForce GTX 1060 6GB", "GTX 1060 6 GB"),
        ("GeForce GTX 1080", "GTX 1080"),
        ("NVIDIA GeForce GTX 1650", "GTX 1650"),
        ("TITAN X (Pascal)", "TITAN X"),
        ("TITAN Xp", "TITAN Xp"),
        ("NVIDIA TITAN V", "TITAN V"),
        ("TITAN RTX", "TITAN RTX"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada"),
        ("GeForce RTX 2080 Ti", "RTX 2080 Ti"),
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
        ("NVIDIA A10G", "A10G"),
        ("NVIDIA A100-SXM4-40GB", "A100 40 GB"),
        ("A100-SXM4-80GB", "A100 80 GB"),
        ("NVIDIA A100 80GB PCIe", "A100 80 GB"),
        ("NVIDIA RTX A6000", "RTX A6000"),
        ("NVIDIA H100 80GB HBM3", "H100 80 GB"),
        ("NVIDIA H100 PCIe", "H100 80 GB"),
        ("NVIDIA H200", "H200"),
        ("4090", "RTX 4090"),
        ("2080ti", "RTX 2080 Ti"),
        ("A6000", "RTX A6000"),
    ],
)
def test_a_card_is_reached_by_what_it_calls_itself(reported, name):
    assert card(reported).name == name


def test_no_name_is_two_cards_but_a_model_sold_in_two_sizes():
    for first, second in combinations(CARDS, 2):
        shared = set(first.keys) & set(second.keys)
        assert shared <= {"a100", "v100"}, (first.name, second.name)
        assert first.name != second.name


@pytest.mark.parametrize(
    ("text", "names"),
    [("a100", ("A100 40 GB", "A100 80 GB")), ("Tesla V100-SXM2", ("V100 16 GB", "V100 32 GB"))],
)
def test_a_model_in_two_sizes_is_asked_for_its_size(text, names):
    message = refusal(text)
    assert f"more than one card '{text}': {names[0]} and {names[1]}." in message
    typed = re.search(r"Type (\S+) or (\S+)\.$", message)
    assert typed is not None
    assert tuple(card(each).name for each in typed.groups()) == names


@pytest.mark.parametrize("each", CARDS, ids=lambda each: each.name)
def test_a_card_holds_a_little_less_than_its_maker_says(each: Card):
    """What the driver keeps is not much: a card a twentieth below its data sheet is not that card."""
    sold = facts.CARDS[each.name]
    there = sold.gib * 2**30 * (1 - (facts.ECC_TAKES if sold.ecc else 0))
    assert each.sold_as == sold.gib
    assert 0.95 * there < each.bytes < there


@pytest.mark.parametrize("each", CARDS, ids=lambda each: each.name)
def test_a_cards_bytes_are_its_figure_rounded_down(each: Card):
    number, unit = each.total.split(" ")
    assert each.bytes == Fraction(number) * UNITS[unit] // 1


def test_an_h100_holds_what_one_reported():
    """Read off the card itself: torch.cuda.get_device_properties(0).total_memory."""
    answers = json.loads((Path(__file__).parent / "data" / "cuda-first-look.json").read_text("utf-8"))
    told = answers["steps"]["0 environment and context"]
    assert memory(told["device"]).bytes == told["total"] == 85_017_493_504


@pytest.mark.parametrize("each", CARDS, ids=lambda each: each.name)
def test_a_card_says_where_its_figure_was_read(each: Card):
    found = memory(each.name)
    assert found.device == "cuda"
    assert found.bytes == each.bytes
    assert found.source == f"{each.by} reported {each.total} in total: {each.where}"
    page = re.fullmatch(r"https://[a-z.]+/[\w./%-]+", each.where, re.ASCII)
    assert page or (Path(__file__).parent.parent / each.where).is_file()


def test_what_did_not_print_the_total_is_not_named_for_it():
    assert memory("gtx1080").source.startswith("TensorFlow reported 7.92 GiB in total: https://")
    assert memory("gtx1060").source.startswith("nvidia-smi reported 6071 MiB in total: https://")
    assert memory("titanv").source.startswith("PyTorch reported 11.78 GiB in total: https://")


def test_two_cards_do_not_lean_on_one_page():
    assert len({each.where for each in CARDS}) == len(CARDS)


@pytest.mark.parametrize(
    ("text", "label", "size"),
    [
        ("4090", "NVIDIA RTX 4090, 23.52 GiB", 25_254_407_700),  # 23.52 × 2^30 is 25,254,407,700.48
        ("l40s", "NVIDIA L40S, 44.64 GiB", 47_929_425_920),
        ("A100-80GB", "NVIDIA A100 80 GB, 79.14 GiB", 84_975_927_951),
        ("A40", "NVIDIA A40, 44.35 GiB", 45_416 * 1_048_576),
        ("gtx1060", "NVIDIA GTX 1060 6 GB, 5.93 GiB", 6_071 * 1_048_576),
        ("titan-xp", "NVIDIA TITAN Xp, 11.90 GiB", 12_778_864_640),  # 12,186.875 × 2^20
    ],
)
def test_a_card_is_shown_with_its_memory(text, label, size):
    found = memory(text)
    assert (found.label, found.bytes) == (label, size)


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("rtx 4091", "Did you mean RTX 4090? "),
        ("RTX 4090 D", "Did you mean RTX 4090? "),
        ("RTX 4060 Laptop", "Did you mean RTX 4060? "),
        ("h100 nvl", "Did you mean H100 80 GB? "),
        ("a100-60gb", "A100 80 GB"),
        ("3090 Ti", "Did you mean RTX 3090? "),
        ("rtx 2070 super", "Did you mean RTX 2070? "),
        ("5080", "RTX 5090"),
    ],
)
def test_a_card_nearly_right_is_suggested(text, suggestion):
    message = refusal(text)
    assert suggestion in message
    assert "known are P100" not in message  # a list of forty hides the one that was meant


def test_an_unknown_card_lists_the_known_and_suggests_nothing_far_off():
    message = refusal("Radeon VII")
    assert all(each.name in message for each in CARDS)
    assert "Did you mean" not in message
    assert message.endswith("For any other card, give its memory, such as 24GiB.")


def test_a_hostile_name_is_shown_harmless_and_short():
    assert r"'a\x1b[31m'" in refusal("a\x1b[31m")
    assert "…'" in refusal("x" * 10_000)


def test_a_ti_is_no_tebibyte_and_a_model_number_no_amount():
    """5080 would be 5,080 bytes and 3090ti 3,090 TiB: nobody means either."""
    assert "no unit 'ti'" in refusal("3090ti")
    assert "5,080 bytes, less than 1 MiB" in refusal("5080")
    assert memory("3090").device == "cuda"
