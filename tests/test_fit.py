"""The batch that fits: exact in its own terms, and an exit code that scripts can ask for."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from vgg_profile import InputError, walk
from vgg_profile.ask.cards import Memory, memory
from vgg_profile.ask.fit import Fit, Reserve
from vgg_profile.ask.verification import architecture_of
from vgg_profile.cli import main
from vgg_profile.core.events import Phase
from vgg_profile.core.setting import CHECKPOINTS, OPTIMIZERS, PROCESSORS, Setup
from vgg_profile.core.step import Step
from vgg_profile.describe.tables import describe
from vgg_profile.predict.steps import ledger

NETS = ["A", "A-LRN", "D", "D-BN", "8,M,conv1-4,M"]
GIB = 2**30
REPORTS = Path(__file__).parent.parent / "reports" / "measured"
DATA = Path(__file__).parent / "data"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def asked(*arguments: object) -> dict[str, object]:
    result = run("fit", *arguments, "--format", "json")
    assert result.exit_code in (0, 4), result.output
    return dict(json.loads(result.stdout))


def fit(step: Step, size: int, reserve: int = 0, batch: int | None = None) -> Fit:
    return Fit(step, Memory(size, "so much"), (Reserve(reserve, "all else", "given"),), batch)


@settings(deadline=None, max_examples=60)
@given(
    name=st.sampled_from(NETS),
    setup=st.builds(
        Setup,
        optimizer=st.sampled_from(OPTIMIZERS),
        foreach=st.booleans(),
        first_step=st.booleans(),
        amp=st.sampled_from(["none", "bfloat16"]),
        checkpoint=st.sampled_from(CHECKPOINTS),
    ),
    size=st.integers(4 * GIB, 64 * GIB),
    reserve=st.integers(0, GIB),
)
def test_at_the_largest_batch_peak_and_reserve_are_within_the_limit_and_at_one_more_they_are_not(
    name: str, setup: Setup, size: int, reserve: int
) -> None:
    def peak(batch: int) -> int:
        return ledger(walk(name, input=64, batch=batch), setup).peak.peak

    found = fit(ledger(walk(name, input=64, batch=2), setup), size, reserve)
    assert found.peak_bytes == peak(found.batch)
    assert peak(found.largest_batch) + reserve <= size < peak(found.largest_batch + 1) + reserve
    assert found.limiting.at(found.largest_batch + 1) == peak(found.largest_batch + 1)
    assert found.fixed_bytes + found.bytes_per_image * found.batch == found.peak_bytes
    table = describe(found)
    assert table.total is not None
    *_, tensors, scratch, peak, kept, have = (row[-1] for row in table.rows)
    assert tensors + scratch == peak == found.peak_bytes  # type: ignore[operator]
    assert peak + kept + table.total[-1] == have == size  # type: ignore[operator]


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_later_step_never_needs_less_than_the_first(name: str, optimizer: str) -> None:
    profile = walk(name, batch=4, input=64)
    first = ledger(profile, Setup(optimizer=optimizer, first_step=True))
    assert ledger(profile, Setup(optimizer=optimizer)).peak.peak >= first.peak.peak


@pytest.mark.parametrize("batch", [1, 7, 64, 1000])
def test_the_working_adds_up_to_the_peak(batch: int) -> None:
    found = fit(ledger(walk("D-BN", input=64), Setup(optimizer="adam")), 64 * GIB, batch=batch)
    assert sum(size.fixed for size in found.categories.values()) == found.fixed_bytes
    assert sum(size.per_image for size in found.categories.values()) == found.bytes_per_image
    assert found.fixed_bytes + found.bytes_per_image * batch == found.peak_bytes
    assert found.spare_bytes == 64 * GIB - found.peak_bytes


@pytest.mark.parametrize("processor", [None, "avx2"])
def test_one_byte_less_and_it_does_not_fit(processor: str | None) -> None:
    step = ledger(walk("D"), Setup(optimizer="adam", processor=processor, threads=1))
    least = step.peak_bytes(9)
    assert (fit(step, least).largest_batch, fit(step, least - 1).largest_batch) == (9, 8)
    assert fit(step, least, batch=9).fits
    assert not fit(step, least - 1, batch=9).fits
    assert fit(step, least - 1, batch=9).spare_bytes == -1


def test_the_exit_code_says_whether_it_fits() -> None:
    ample = run("fit", "D", "--memory", "8GiB", "--batch", 16, "--optimizer", "adam")
    assert (ample.exit_code, "Batch 16 fits" in ample.stdout) == (0, True)
    short = run("fit", "D", "--memory", "8GiB", "--batch", 100, "--optimizer", "adam")
    assert (short.exit_code, "Batch 100 does not fit: it is short by" in short.stdout) == (4, True)


def test_no_image_at_all() -> None:
    loaded = ledger(walk("D")).fixed_points[Phase.LOAD]
    result = run("fit", "D", "--memory", loaded + 2**20, "--reserve", 0)
    assert (result.exit_code, "Not even one image fits" in result.stdout) == (4, True)
    assert asked("D", "--memory", loaded + 2**20, "--reserve", 0)["largest_batch"] == 0


@pytest.mark.parametrize("have", [("300MB",), ("900MiB",), ("512MiB", "--device", "cuda")])
def test_a_memory_that_does_not_hold_the_network_is_one_in_which_not_even_one_image_fits(
    have: tuple[str, ...],
) -> None:
    result = run("fit", "D", "--memory", *have)
    assert (result.exit_code, result.stderr) == (4, "")
    content = asked("D", "--memory", *have)
    assert (content["largest_batch"], content["fits"], content["batch"]) == (0, False, 1)
    assert content["next_short_bytes"] == -int(str(content["spare_bytes"])) > 0


def test_json_has_the_figures_that_were_promised() -> None:
    content = asked("D", "--memory", "8GiB", "--optimizer", "adam")
    kept = [320 * 2**20, 400 * 2**20]
    assert [each["bytes"] for each in content["reserves"]] == kept  # type: ignore[attr-defined]
    assert content["reserve_bytes"] == sum(kept), "as docs/memory.md says; reports/reserve.md has why"
    machine = content["machine"]
    assert isinstance(machine, dict)
    setup = Setup(optimizer="adam", processor=machine["processor"], threads=machine["threads"])
    step = ledger(walk("D"), setup)
    assert content["largest_batch"] == step.largest_batch(8 * GIB - sum(kept))
    assert content["peak_bytes"] == step.peak_bytes(int(str(content["largest_batch"])))
    assert {"fixed_bytes", "bytes_per_image"} <= content.keys()


def test_a_gib_is_no_gb() -> None:
    in_gib, in_gb = (asked("D", "--memory", text)["largest_batch"] for text in ("24GiB", "24GB"))
    assert int(str(in_gib)) > int(str(in_gb))


def test_a_card_brings_its_memory_its_rules_and_its_source() -> None:
    content = asked("D", "--memory", "rtx4090", "--optimizer", "adam")
    assert (content["device"], content["memory_bytes"]) == ("cuda", memory("rtx4090").bytes)
    source = memory("rtx4090").source
    assert source is not None
    assert source in run("fit", "D", "--memory", "rtx4090").stdout


def test_the_context_of_cuda_is_the_most_that_a_card_took_with_every_kernel_loaded() -> None:
    context = json.loads(gzip.decompress((DATA / "h100" / "context.json.gz").read_bytes()))
    readings = (each for each in context.values() if isinstance(each, dict) and "reserved" in each)
    h100 = max(each["used"] - each["reserved"] for each in readings)
    (h200,) = (json.loads(path.read_text())["answer"]["beside"] for path in DATA.glob("h200/*-context.json"))
    assert asked("D", "--memory", "rtx4090")["reserve_bytes"] == max(h100, h200)


def test_on_a_card_each_figure_from_tensors_to_reserved_is_its_own_line_and_they_add_up() -> None:
    found = Fit(ledger(walk("D", device="cuda"), Setup(optimizer="adam")), memory("h100"))
    table = describe(found)
    cells = {row[0]: row[-1] for row in table.rows}
    kept = [size for name, size in cells.items() if str(name).startswith("workspace")]
    assert kept == [32 * 2**20, 2**20, 32 * 2**20]  # as the H100 kept them
    assert cells["requested"] == found.peak_bytes + sum(kept)
    assert cells["allocated"] == cells["requested"] + cells["blocks: rounded up, rests unsplit"]
    assert cells["reserved"] == cells["allocated"] + cells["segments: kept, and not in use then"]
    assert table.total is not None
    left = found.memory.bytes - cells["reserved"] - cells["reserve: CUDA context and kernels"]
    assert table.total[-1] == left == found.spare_bytes >= 0
    for figure in ("requested_bytes", "allocated_bytes", "reserved_bytes"):
        assert found.to_dict()[figure] == cells[figure.removesuffix("_bytes")]


def test_the_answer_for_a_card_says_with_it_that_no_card_confirmed_it_and_what_it_leaves_out() -> None:
    said = run("fit", "D", "--memory", "h100", "--optimizer", "adam").stdout
    content = asked("D", "--memory", "h100", "--optimizer", "adam")
    largest, most = content["largest_batch"], content["largest_batch_at_most"]
    assert int(str(largest)) <= int(str(most))
    assert (
        f"About {largest:,}, not verified on a card: the largest batch that fits without cuDNN's scratch, "
        f"which is not predicted. At most {most:,} can:"
    ) in said
    assert (content["verified_on"], content["not_predicted"]) == (None, "scratch of cuDNN")
    assert content["tensors_verified_on"] == "NVIDIA H100 80GB HBM3, torch 2.11.0+cu130"


def test_beyond_the_bound_a_batch_does_not_fit_and_one_answer_is_asked_for() -> None:
    most = int(str(asked("D", "--memory", "24GiB", "--device", "cuda")["largest_batch_at_most"]))
    beyond = run("fit", "D", "--memory", "24GiB", "--device", "cuda", "--batch", most + 1)
    assert beyond.exit_code == 4
    assert f"Batch {most + 1} does not fit, not verified on a card" in beyond.stdout


def test_between_what_fits_and_the_bound_it_is_the_replay_alone_that_runs_out() -> None:
    """An H100 ran such a batch: 123 of D-BN in 16 GiB, where the replay ends at 121 and the bound is 125."""
    step = ledger(walk("D-BN", device="cuda"))
    answers = {
        batch: describe(Fit(step, Memory(16 * GIB, "so much", architecture="Hopper"), (), batch)).footer[0]
        for batch in (121, 123, 126)
    }
    assert answers[121].startswith("Batch 121 fits, not verified on a card, without cuDNN's scratch")
    assert answers[123].startswith("Batch 123 runs out of memory in the replay, not verified on a card")
    assert answers[126].startswith("Batch 126 does not fit, not verified on a card")


def test_expandable_segments_waste_less_and_the_answer_says_which_they_are() -> None:
    plain, grown = (
        asked("A", "--memory", "8GiB", "--device", "cuda", *option)
        for option in ((), ("--expandable-segments",))
    )
    assert (plain["expandable_segments"], grown["expandable_segments"]) == (False, True)
    assert int(str(plain["largest_batch"])) < int(str(grown["largest_batch"]))


def test_a_cards_memory_wants_a_step_by_a_cards_rules() -> None:
    with pytest.raises(InputError, match=r'rules of the CPU, .*; in Python, device="cuda"'):
        Fit(ledger(walk("D")), memory("rtx4090"))
    assert Fit(ledger(walk("D", device="cuda")), memory("rtx4090")).taken is not None


def test_each_card_has_the_workspaces_of_its_family() -> None:
    """An A10G was seen to keep 8,519,680 bytes after one product (pytorch #95668)."""
    kept = asked("D", "--memory", "a10g")["workspaces"]
    assert isinstance(kept, list)
    assert [each["bytes"] for each in kept] == [8_519_680, 2**20, 8_519_680]
    assert len(Fit(ledger(walk("D", device="cuda"), Setup("inference")), memory("t4")).run.workspaces) == 2  # type: ignore[union-attr]


def test_a_record_of_the_cpu_brings_its_processor_and_its_threads() -> None:
    path = REPORTS / "D-cpu.json"
    with_record = asked("D", "--memory", "8GiB", "--measured", path)
    named = asked("D", "--memory", "8GiB", "--processor", "amx", "--threads", 2)
    assert (with_record["processor"], with_record["threads"]) == ("amx", 2)
    assert with_record == named
    assert not with_record["is_at_least"]


@pytest.mark.parametrize("processor", PROCESSORS)
@pytest.mark.parametrize("threads", [1, 2, 16])
@pytest.mark.parametrize("name", ["A", "C", "D-BN", "8,M,conv1-4,M"])
def test_with_kernels_the_largest_batch_fits_and_one_more_does_not(
    name: str, threads: int, processor: str
) -> None:
    """The kernels are asked at the batch that was found, not at the one that was asked about."""
    setup = Setup(processor=processor, threads=threads)
    step = ledger(walk(name, input=64), setup)
    for limit in (step.peak_bytes(1), step.peak_bytes(17) + 1, 2 * GIB, 5 * GIB + 12345):
        largest = step.largest_batch(limit)
        assert largest == 0 or ledger(walk(name, input=64, batch=largest), setup).peak.peak <= limit
        assert ledger(walk(name, input=64, batch=largest + 1), setup).peak.peak > limit
        found = fit(step, limit)
        assert found.largest_batch == largest
        assert found.limiting.at(largest + 1) == step.peak_bytes(largest + 1)
        assert found.fixed_bytes + found.bytes_per_image * found.batch == found.peak_bytes


def test_scratch_has_a_line_of_its_own_and_says_how_it_is_known() -> None:
    """conv4_3's backward on AVX-512: two maps in blocks, a weight's gradient, and a thread's copy of it."""
    question = ("D", "--memory", "8GiB", "--optimizer", "adam", "--threads", 2, "--processor")
    content = asked(*question, "avx512")
    in_blocks, gradients = 4 * 512 * 28 * 28, 4 * (512 * 512 * 9 + 512)
    images = int(str(content["largest_batch"]))
    assert content["peak_layer"] == "conv4_3"
    assert content["scratch_bytes"] == 2 * in_blocks * images + 2 * gradients + 8_320
    assert content["scratch_bytes_by"] == {"rule": content["scratch_bytes"]}
    assert content["tensor_bytes"] + content["scratch_bytes"] == content["peak_bytes"]  # type: ignore[operator]
    categories = content["categories"]
    assert isinstance(categories, dict)
    assert categories["scratch"]["bytes"] == content["scratch_bytes"]
    assert f"scratch, by rule {'':>24}" in run("fit", *question, "avx512").stdout


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (("--processor", "avx2"), "scratch, by rule"),
        (("--processor", "amx", "--dtype", "bfloat16"), "scratch, at most"),
        (("--processor", "amx", "--dtype", "float16"), "scratch, at most"),
        (("--device", "cuda"), "scratch, without cuDNN's"),
    ],
)
def test_the_line_of_scratch_says_what_it_is_worth(options: tuple[str, ...], name: str) -> None:
    assert f"\n{name} " in run("fit", "A", "--input", 64, "--memory", "4GiB", *options).stdout


def test_of_a_cards_record_its_scratch_alone_is_added_for_what_the_allocator_keeps_is_predicted() -> None:
    path = REPORTS / "D-cuda.json"
    content = asked("D", "--memory", "h100", "--measured", path)
    reserves = content["reserves"]
    assert isinstance(reserves, list)
    peak = next(r for r in json.loads(path.read_text())["readings"] if r["quantity"] == "peak_bytes")
    scratch = peak["value"] - ledger(walk("D", batch=8, device="cuda")).peak.peak
    assert [each["bytes"] for each in reserves[1:]] == [scratch]


def test_batch_norm_that_cannot_train_on_one_image_still_fits_more() -> None:
    net = ("8,M,M,8", "--batch-norm", "--input", 4)
    assert int(str(asked(*net, "--memory", "4GiB")["largest_batch"])) > 1
    step = ledger(walk("8,M,M,8", batch_norm=True, input=4, batch=2))
    assert fit(step, GIB, batch=2).fits
    for limit, batch in ((GIB, 1), (step.peak_bytes(2) - 1, None)):
        with pytest.raises(InputError, match="Batch norm cannot train"):
            fit(step, limit, batch=batch)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--memory", "8G"), "GiB"),
        (("--memory", "rtx9999"), "no card named 'rtx9999'"),
        (("--memory", "-8GiB"), "memory"),
        (("--memory", "9" * 40), "memory"),
        (("--memory", "8GiB", "--batch", "0"), "batch"),
        (("--memory", "8GiB", "--reserve", "much"), "much"),
        (("--memory", "8GiB", "--optimizer", "adam", "--mode", "inference"), "optimizer"),
        (("--memory", "8GiB", "--measured", "nowhere.json"), "no record"),
        (("--memory", "8GiB", "--measured", REPORTS / "A-cpu.json"), "another config"),
        (("--memory", "8GiB", "--measured", REPORTS / "D-adam-cpu.json"), "another optimizer"),
        (("--memory", "t4", "--measured", REPORTS / "D-cpu.json"), "another device"),
        (("--memory", "t4", "--device", "cpu"), "NVIDIA T4, 14.56 GiB is a card"),
        (("--memory", "8GiB", "--expandable-segments"), "Expandable segments are a card's"),
        ((), "--memory"),
    ],
)
def test_bad_input_is_a_clear_error(arguments: tuple[object, ...], said: str) -> None:
    result = run("fit", "D", *arguments)
    assert result.exit_code == 2
    assert said.lower() in result.stderr.lower()
    assert "Traceback" not in result.stderr


def test_a_memory_that_does_not_hold_the_weights_names_the_least_that_holds_one_image() -> None:
    step = ledger(walk("D"))
    needed, *_ = describe(fit(step, GIB, GIB)).footer
    assert f"One needs {step.peak_bytes(1) + GIB:,} bytes = " in needed


def test_a_memory_of_the_weights_alone_holds_no_image() -> None:
    step = ledger(walk("D"))
    assert fit(step, step.profile.totals.parameters * 4).largest_batch == 0


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: no limit to run into")
@pytest.mark.parametrize("gib", [8, 16, 24])
def test_on_cuda_what_fits_with_room_for_scratch_runs_and_beyond_the_bound_nothing_does(gib: int) -> None:
    from vgg_profile.measure import OutOfMemoryError, measure

    whole = torch.cuda.get_device_properties(0).total_memory
    if whole < gib * GIB:
        pytest.skip(f"the device has less than {gib} GiB")
    setup = Setup(optimizer="adam")
    step = ledger(walk("D", device="cuda"), setup)
    name = torch.cuda.get_device_name(0)
    limit = Memory(gib * GIB, "the limit", "cuda", architecture=architecture_of(name))
    found = Fit(step, limit, given=())  # the limit does not count the context
    torch.cuda.set_per_process_memory_fraction(gib * GIB / whole)
    try:
        # cuDNN takes scratch beside: at 14 limits an H100 ran no less than four fifths of what is predicted
        measure("D", batch=found.largest_batch * 4 // 5, device="cuda", setup=setup, repeats=0)
        with pytest.raises(OutOfMemoryError):
            measure("D", batch=found.at_most + 1, device="cuda", setup=setup, repeats=0)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def test_where_one_image_more_peaks_elsewhere_the_working_says_so() -> None:
    question = ("D", "--memory", 3_050_000_000, "--reserve", 0, "--optimizer", "adam", "--no-onednn")
    result = run("fit", *question)
    assert "The largest batch is" in result.stdout
    assert "One image more has its peak elsewhere, in backward of " in result.stdout
    found = asked(*question)
    assert (found["peak_phase"], found["peak_layer"]) == ("step", "fc6")
    assert found["spare_bytes"] == 3_050_000_000 - int(str(found["peak_bytes"]))


@pytest.mark.parametrize("memory_", ["512MiB", "3.2GB"])
def test_one_batch_that_does_not_fit_is_an_answer_however_little_there_is(memory_: str) -> None:
    result = run("fit", "D", "--memory", memory_, "--optimizer", "adam", "--batch", "1")
    assert result.exit_code == 4, result.output
    assert "Batch 1 does not fit: it is short by" in result.stdout
