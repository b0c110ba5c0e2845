"""What kernels take in passing: the rule, single operations really run, and the committed records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate, pairwise
from pathlib import Path

import kernel_runner
import pytest
from conftest import Golden
from running_kernels import beside, differing, here_at_most, products_really_run, really_run

from vgg_profile import ledger, walk
from vgg_profile.check.subject import profile_for, setup_of
from vgg_profile.core.events import Provenance
from vgg_profile.core.processor import family as family_by
from vgg_profile.core.setting import PROCESSORS, Setup
from vgg_profile.measure.reading import load
from vgg_profile.predict.kernels import aten_cpu, convolution, onednn, onednn_threads
from vgg_profile.predict.kernels.events import Passing, in_order
from vgg_profile.predict.kernels.onednn_products import scratch
from vgg_profile.predict.kernels.shapes import Convolution, Product
from vgg_profile.predict.vgg.configs import from_dict

REPOSITORY = Path(__file__).parents[1]
RECORDS = sorted((REPOSITORY / "reports" / "measured").glob("*-cpu.json"))


@pytest.mark.parametrize(
    "threads", [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(3, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("family", ["avx2", "avx512"])
def test_every_float32_convolution_takes_what_the_rule_says(family: str, threads: int) -> None:
    for shape, predicted, seen in beside(family, "float32", threads, 120):
        assert predicted.provenance is Provenance.RULE
        assert predicted.changes == seen, shape


@pytest.mark.parametrize("threads", [pytest.param(1, marks=pytest.mark.slow), 2])
@pytest.mark.parametrize("family", ["avx512", "avx512_bf16"])
def test_every_bfloat16_convolution_takes_what_the_rule_says_and_a_scratchpad_within_its_bound(
    family: str, threads: int
) -> None:
    for shape, predicted, seen in beside(family, "bfloat16", threads, 100):
        bounded = ("scratchpad",) if shape.kernel == 1 else ()
        assert differing(predicted, seen, *bounded) == [], shape
        assert predicted.provenance is (Provenance.BOUND if bounded else Provenance.RULE)


@pytest.mark.parametrize(
    "dtype", ["bfloat16", pytest.param("float16", marks=pytest.mark.slow), "float32", "float64"]
)
def test_without_onednn_a_convolution_takes_columns_and_sums(dtype: str) -> None:
    _, runs = really_run(here_at_most("avx512"), dtype, 2, 60, onednn=False)
    taken_by_nnpack = 0
    for shape, seen in runs:
        predicted = (
            convolution.forward(shape, None, 2, with_onednn=False),
            convolution.backward(shape, None, 2, with_onednn=False),
        )
        if aten_cpu.is_nnpacks(shape):
            taken_by_nnpack += 1
            assert [(max(accumulate(each)), sum(each)) for each in seen] == [
                (each.most, each.kept) for each in predicted
            ], shape
        else:
            assert [each.changes for each in predicted] == seen, shape
    assert bool(taken_by_nnpack) == (dtype == "float32")


def boundaries(path: Path) -> Iterator[tuple[str, Passing, int]]:
    """Each convolution of a record: where, as predicted, and the most beyond its results as measured."""
    record = load(path)
    profile = profile_for(from_dict(record.subject["config"]), record)
    alone = replace(setup_of(record), processor=None, threads=None)
    tensors = {(part.phase, part.layer): part.peak for part in ledger(profile, alone).moments}
    threads = int(record.environment["threads"])
    places = {row.name: number for number, row in enumerate(profile.module_rows) if row.kind == "conv"}
    for moment in record.timeline:
        if moment.layer not in places:
            continue
        before, row = profile.module_rows[places[moment.layer] - 1 :][:2]
        shape = Convolution(
            profile.batch, before.output_shape[0], *row.output_shape, row.kernel, True, before.kind != "input"
        )
        run = convolution.backward if moment.phase == "backward" else convolution.forward
        predicted = run(shape, "avx512", threads)
        yield f"{moment.phase} {moment.layer}", predicted, moment.peak - tensors[moment.phase, moment.layer]


def test_the_253_convolutions_of_the_float32_records_take_what_the_rule_says() -> None:
    """They were made on an AMD EPYC and an Intel Xeon with AVX-512 and two threads."""
    found = [place for path in RECORDS if "amp" not in path.stem for place in boundaries(path)]
    assert len(found) == 253
    for where, predicted, beyond in found:
        assert predicted.provenance is Provenance.RULE
        assert predicted.most - predicted.kept == beyond, where


BLOCKS = sorted(
    {step[1:] for step in (*convolution.FORWARD, *convolution.BACKWARD)}
    - {"scratchpad of the input gradient", "output, channels last", "input gradient, channels last"}
)
"""Every block but one that only columns take, which no convolution here needs, and those of matrix tiles."""


@pytest.mark.parametrize("block", BLOCKS)
def test_a_rule_without_one_of_its_blocks_is_found_out(block: str) -> None:
    """Strike out one block of every convolution: then the most within some is less than what was seen.

    Or, where another block covers it, the allocator's events in their order differ.
    """
    with_onednn = not any(word in block for word in ("columns", "in float32", "zeros", "one image"))
    dtype = "bfloat16" if "in float32" in block else "float32"
    family = here_at_most("avx512")
    _, runs = really_run(family, dtype, 2, 120 if with_onednn else 60, onednn=with_onednn)
    differ = 0
    for shape, seen in runs:
        known = convolution.sizes(shape, family, 2, with_onednn=with_onednn)
        passes = ((convolution.FORWARD, known.forward), (convolution.BACKWARD, known.backward))
        for (order, sizes), changes in zip(passes, seen, strict=True):
            most, struck = max(accumulate(changes)), in_order(order, {**sizes, block: 0})
            assert in_order(order, sizes).most == most
            in_order_too = with_onednn or not aten_cpu.is_nnpacks(shape)
            differ += struck.most != most or (in_order_too and struck.changes != changes)
    assert differ


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "dtype"),
    [("avx512", "bfloat16"), ("avx512_bf16", "bfloat16"), ("amx", "bfloat16"), ("amx", "float16")],
)
def test_a_product_in_two_bytes_a_value_stays_within_its_bound(family: str, dtype: str) -> None:
    here, seen = products_really_run(family, dtype)
    if here != family:
        pytest.skip(f"this machine's processor is {here}")
    ratios = []
    for product, threads, taken in seen:
        known = scratch(product, family, threads)
        assert taken <= known.bytes, (product, threads)
        assert known.provenance is (Provenance.BOUND if known.bytes else Provenance.RULE)
        ratios += [taken / known.bytes] if known.bytes else []
    assert max(ratios) > 0.5, "the bound is not idle"


@pytest.mark.parametrize(
    ("dtype", "family", "is_onednns"),
    [
        ("float32", "avx2", True),
        ("bfloat16", "avx2", False),
        ("bfloat16", "avx512", True),
        ("float64", "avx512", False),
    ],
)
def test_what_onednn_does_not_convolve_takes_columns(dtype: str, family: str, is_onednns: bool) -> None:
    taken = convolution.forward(Convolution(2, 16, 16, 8, 8, dtype=dtype), family, 1)
    assert taken.provenance is Provenance.RULE
    assert ("columns" in {event.what for event in taken.events}) is not is_onednns


def test_of_a_scratchpad_of_a_pointwise_convolution_in_bfloat16_only_a_most_is_known() -> None:
    pointwise = Convolution(2, 16, 16, 8, 8, 1, dtype="bfloat16")
    for taken in (
        convolution.forward(pointwise, "avx512", 1),
        convolution.forward(pointwise, "avx512", 2),
        convolution.backward(pointwise, "avx512", 1),
    ):
        assert taken.provenance is Provenance.BOUND


def test_what_threads_book_by_the_rule_of_another_processor_stays(golden: Golden) -> None:
    """Of convolutions that are really run where a processor has these kernels: see the first two tests."""
    rules = [
        ("avx2", "float32", (2, 3)),
        ("avx512", "float32", (2, 3)),
        ("avx512_bf16", "bfloat16", (1, 2)),
        ("amx", "bfloat16", (1, 3)),
    ]
    lines = []
    for family, dtype, several in rules:
        for threads in several:
            lines.append(f"{family}, {dtype}, threads: {threads}")
            for shape in kernel_runner.shapes(threads, 120, dtype):
                booked = convolution.sizes(shape, family, threads).backward.get(
                    "scratchpad of the weight gradient", 0
                )
                where = f"{shape.in_channels}x{shape.height}x{shape.width} to {shape.out_channels}"
                lines.append(f"{booked:>12,}  {shape.batch} of {where}, kernel {shape.kernel}")
    golden("onednn_threads.txt", "\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("float32", "bfloat16", "float16", "sums", "told"),
    [
        (8, None, None, True, "avx2"),
        (16, 16, None, True, "avx512"),
        (16, 16, None, False, "avx512_bf16"),
        (16, None, None, False, "amx"),
        (16, 16, 16, False, None),  # AVX512-FP16, its matrix tiles hidden
        (None, 16, None, True, None),
    ],
)
def test_a_family_is_told_by_its_blocks(
    float32: int | None, bfloat16: int | None, float16: int | None, sums: bool, told: str | None
) -> None:
    blocks = {"float32": float32, "bfloat16": bfloat16, "float16": float16}
    assert family_by(blocks.__getitem__, lambda: sums) == told


@pytest.mark.parametrize("name", PROCESSORS)
def test_float16_is_onednns_with_its_own_instructions_alone(name: str) -> None:
    conv = Convolution(2, 16, 16, 8, 8, dtype="float16")
    known = {
        convolution.forward(conv, name, 1).provenance,
        convolution.backward(conv, name, 1).provenance,
        scratch(Product(64, 64, 64, "float16"), name, 1).provenance,
    }
    assert known == {Provenance.BOUND if name == "amx" else Provenance.RULE}


def test_what_no_rule_knows_says_so() -> None:
    conv = Convolution(2, 16, 16, 8, 8)
    unknown = [
        convolution.forward(conv, None, 1),
        convolution.forward(conv._replace(kernel=1, stride=2), "avx512", 1),
        convolution.forward(conv._replace(dilation=2), "avx512", 1),
        convolution.forward(Convolution(1, 128, 128, 150, 150, dtype="bfloat16"), "amx", 1),
        convolution.backward(conv._replace(dtype="float16", stride=2), "amx", 1),
        convolution.forward(conv._replace(kernel=7, height=1, width=1), "avx512", 1),
    ]
    assert {each.provenance for each in unknown} == {Provenance.UNKNOWN}
    assert unknown[0].changes == (conv.output_values * 4,)
    assert scratch(Product(64, 64, 64, "float16"), None, 1).provenance is Provenance.UNKNOWN
    assert convolution.forward(conv, None, 1, with_onednn=False).provenance is Provenance.RULE


def test_a_product_takes_scratch_where_it_is_onednns() -> None:
    """In two bytes a value, with AVX-512, from more than 16³ multiply-adds on."""
    taken = {
        (product, family): scratch(product, family, 1)
        for product in (Product(16, 16, 16, "bfloat16"), Product(16, 16, 17, "bfloat16"), Product(99, 99, 99))
        for family in PROCESSORS
    }
    bounded = {asked for asked, known in taken.items() if known.provenance is Provenance.BOUND}
    assert bounded == {(Product(16, 16, 17, "bfloat16"), each) for each in PROCESSORS if each != "avx2"}
    assert {asked for asked, known in taken.items() if known.bytes} == bounded


def test_with_over_half_of_the_threads_on_images_all_are() -> None:
    """Source: ``balance`` in oneDNN's kernels; or as many as there are images."""
    split = onednn_threads.Split(3, 1, 1)
    assert [onednn_threads._filled(split, 5, images).images for images in (4, 8)] == [4, 5]
    assert onednn_threads._filled(split, 6, 8) == split


def test_where_no_rule_knows_the_kernels_one_book_is_that_of_every_batch() -> None:
    """And nothing is said of a convolution: who makes it depends on the batch."""
    profile = walk("8,M", input=8)
    of_any, of_one = (ledger(profile, Setup(processor=each, threads=1)) for each in (None, "avx2"))
    assert (of_any.book.only, of_one.book.only) == (0, 1)
    assert [each.scratch for each in of_any.moments if each.layer == "conv1_1"] == ["the convolution"] * 2
    assert not any(each.scratch for each in of_one.moments)


def test_a_part_whose_kernel_no_rule_knows_says_whose_scratch_is_unknown() -> None:
    profile = walk("8,M", input=8, dtype="float16")
    step = ledger(profile, Setup(processor=None, threads=1))
    found = {(each.phase.value, each.layer): each.scratch for each in step.moments if each.scratch}
    assert step.is_at_least
    assert found == {
        (phase, layer): "the convolution" if layer == "conv1_1" else "the matrix product"
        for phase in ("forward", "backward")
        for layer in ("conv1_1", "fc2", "fc3", "fc4")
    }


def test_batch_affine_from_two_images_on_at_one_thread_and_not_before() -> None:
    """FACTS: the events are, a maximum is not; and with threads not always."""
    conv = Convolution(1, 32, 64, 14, 14)

    def changes(batch: int, threads: int) -> tuple[int, ...]:
        return convolution.backward(conv._replace(batch=batch), "avx512", threads).changes

    first, second, third, fourth = (changes(batch, 1) for batch in (1, 2, 3, 4))
    assert len(first) != len(second)
    assert tuple(2 * b - a for a, b in zip(second, third, strict=True)) == fourth
    with_threads = [onednn_threads.direct_16(conv._replace(batch=batch), 32, 16) for batch in range(1, 9)]
    assert len({after - before for before, after in pairwise(with_threads)}) > 1


def test_a_map_of_over_two_gibibytes_takes_another_path() -> None:
    """64 channels of 224 pixels: from batch 168 on it books four times the weight's gradient."""
    conv = Convolution(167, 64, 64, 224, 224)
    before = onednn.primitives(conv, "avx512", 1)[2]
    after = onednn.primitives(conv._replace(batch=168), "avx512", 1)[2]
    assert before.map == 167 * 64 * 224 * 224 * 4 <= onednn.LARGEST_MAP
    assert (after.map, after.other) == (0, 0)
    assert after.scratchpad - 64 * 576 * 224 * 224 // 64 * 4 - 256 == 4 * 64 * 576 * 4
