"""bfloat16 by matrix tiles: the rule, and what an allocator saw where a processor has them."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path

import kernel_runner
import pytest
from conftest import Golden
from running_kernels import beside, differing

from vgg_profile import ledger
from vgg_profile.check.crosscheck import crosscheck
from vgg_profile.check.results import Verdict
from vgg_profile.check.subject import profile_for
from vgg_profile.core.events import Provenance
from vgg_profile.measure.reading import load
from vgg_profile.predict.kernels import convolution, onednn_tiles
from vgg_profile.predict.kernels.events import Passing
from vgg_profile.predict.kernels.onednn_products import scratch
from vgg_profile.predict.kernels.shapes import Convolution, Product

RECORD = Path(__file__).parent / "data" / "amx" / "D-amp-cpu.json"


by_threads = pytest.mark.parametrize(
    "threads", [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(3, marks=pytest.mark.slow)]
)


def beyond(predicted: Passing, seen: tuple[int, ...]) -> list[str]:
    """The events that are neither as predicted nor, of what only a most is known, within it."""
    is_exact = predicted.provenance is Provenance.RULE
    return differing(predicted, seen, *(() if is_exact else ("scratchpad", "weight in blocks")))


def least(shape: Convolution, predicted: Passing, threads: int) -> int:
    """The most that a convolution holds at once, without the blocks of which only a most is known."""
    bounded = convolution.sizes(shape, "amx", threads).bounded
    return max(accumulate(0 if event.what in bounded else event.bytes for event in predicted.events))


@by_threads
def test_every_bfloat16_convolution_by_tiles_takes_what_the_rule_says_or_less_within_its_bounds(
    threads: int,
) -> None:
    """Blocks of weights and scratchpads of products are bounded; who books nothing of them is exact.

    Of the smallest, which are left to other kernels, the most is bounded.
    """
    found: dict[Provenance, int] = dict.fromkeys(Provenance, 0)
    close = 0
    for shape, predicted, seen in beside("amx", "bfloat16", threads, 60):
        found[predicted.provenance] += 1
        most = max(accumulate(seen))
        close += predicted.most <= 1.1 * most
        assert least(shape, predicted, threads) <= most, shape
        if shape.height * shape.width <= onednn_tiles.FEW_PIXELS or shape.input_values < 1000:
            assert (predicted.kept, most <= predicted.most) == (sum(seen), True), shape
            continue
        assert beyond(predicted, seen) == [], shape
    assert found[Provenance.RULE] > 5, "gradients of weights alone"
    assert found[Provenance.RULE] + found[Provenance.BOUND] == sum(found.values())
    assert close > sum(found.values()) / 2, "the bounds are not idle"


@by_threads
def test_every_float16_convolution_takes_what_the_rule_says_or_less_within_its_bounds(threads: int) -> None:
    """Copies of maps are exact, and all of the weight's gradient is; others have bounded blocks, too."""
    found: dict[Provenance, int] = dict.fromkeys(Provenance, 0)
    exact = 0
    for shape, predicted, seen in beside("amx", "float16", threads, 60):
        found[predicted.provenance] += 1
        most = max(accumulate(seen))
        exact += predicted.most == most
        assert least(shape, predicted, threads) <= most, shape
        assert beyond(predicted, seen) == [], shape
    assert found[Provenance.RULE] > 5, "gradients of weights alone"
    assert found[Provenance.RULE] + found[Provenance.BOUND] == sum(found.values())
    assert exact > sum(found.values()) / 4, "what is bounded seldom makes the most"


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_what_tiles_take_by_the_rule_stays(dtype: str, golden: Golden) -> None:
    """The blocks of each, and how far they are known: few processors have tiles, and float16 with them."""
    lines = []
    large = (
        Convolution(1, 128, 128, 112, 112, dtype=dtype),
        Convolution(2, 5, 20, 60, 300, dtype=dtype),
    )
    for shape in (*kernel_runner.shapes(5, 60, dtype), *large):
        known = convolution.sizes(shape, "amx", 2)
        lines.append(
            f"{shape.batch} of {shape.in_channels}x{shape.height}x{shape.width} to {shape.out_channels}"
        )
        for how, taken in (
            (known.forward_provenance, known.forward),
            (known.backward_provenance, known.backward),
        ):
            lines.append(f"  {how.value}")
            lines += [
                f"    {size:>12,} {'at most' if what in known.bounded else ''}  {what}"
                for what, size in taken.items()
                if size
            ]
    golden("onednn_tiles.txt" if dtype == "bfloat16" else "onednn_float16.txt", "\n".join(lines) + "\n")


def test_float16_sums_of_products_that_come_in_parts_are_within_the_bound() -> None:
    """As seen with AVX512-FP16: the bytes of the scratchpad, forward, by threads."""
    seen = {
        (Convolution(1, 1024, 64, 8, 9, 7, dtype="float16"), 2): 12_336 + 8_704,
        (Convolution(3, 1024, 2, 28, 28, dtype="float16"), 4): 20_576 + 11_264,
        (Convolution(2, 1, 4, 1, 4, 7, dtype="float16"), 3): 16_456 + 4_480,
        (Convolution(1, 64, 128, 14, 14, dtype="float16"), 1): 8_216,
    }
    for (shape, threads), taken in seen.items():
        bound = convolution.sizes(shape, "amx", threads).forward["scratchpad"]
        assert taken <= bound <= 2 * taken, shape


def test_long_products_by_tiles_take_more_than_the_second_cache() -> None:
    """As seen on a processor with AMX: bytes of the scratch beside the result, one thread."""
    seen = {
        Product(4096, 2048, 512, "bfloat16"): 9_442_432,
        Product(1000, 2048, 1024, "bfloat16"): 3_152_000,
        Product(5, 70_000, 3, "bfloat16"): 4_484_096,
        Product(8, 70_000, 16, "bfloat16"): 2_872_832,
    }
    for product, taken in seen.items():
        assert scratch(product, "avx512_bf16", 1).bytes < taken <= scratch(product, "amx", 1).bytes


def test_a_real_step_of_vgg_16_is_exact_at_its_peak_and_within_its_bounds_elsewhere() -> None:
    """Autocast to bfloat16, batch 4, on a processor with AMX and two threads."""
    record = load(RECORD)
    setup = record.setting.setup
    assert (setup.processor, setup.threads) == ("amx", 2)
    profile = profile_for("D", record)
    assert crosscheck(profile, record).verdict is Verdict.PASS
    step = ledger(profile, setup)
    assert {how for how, size in step.provenance.items() if size} == {Provenance.RULE}
    most = {(part.phase, part.layer): part.peak for part in step.moments}
    beyond = [most[part.phase, part.layer] - part.peak for part in record.timeline]
    assert min(beyond) == 0
    assert (len(beyond), beyond.count(0)) == (84, 76)
    convolutions = [
        most[part.phase, part.layer] / part.peak for part in record.timeline if part.layer[:4] == "conv"
    ]
    assert max(convolutions) < 1.0005, "the bounds of convolutions are close"


def test_a_real_step_in_float16_is_exact_at_its_peak() -> None:
    """VGG-16 on 32 px, batch 2, with AVX512-FP16 and two threads."""
    record = load(RECORD.with_name("D-float16-cpu.json"))
    assert (record.setting.setup.processor, record.setting.dtype) == ("amx", "float16")
    checks = crosscheck(profile_for("D", record), record)
    assert checks.verdict is Verdict.PASS
    assert checks.checks[-1].predicted == checks.checks[-1].measured
