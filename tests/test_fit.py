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
from vgg_profile.ask.fit import DEFAULT_RESERVE, Fit, Reserve
from vgg_profile.cli import main
from vgg_profile.core.events import Phase
from vgg_profile.core.setting import CHECKPOINTS, OPTIMIZERS, PROCESSORS, Setup
from vgg_profile.core.step import Step
from vgg_profile.describe.tables import describe
from vgg_profile.predict.vgg.step import ledger

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
    device=st.sampled_from(["cpu", "cuda"]),
    size=st.integers(4 * GIB, 64 * GIB),
    reserve=st.integers(0, GIB),
)
def test_at_the_largest_batch_peak_and_reserve_are_within_the_limit_and_at_one_more_they_are_not(
    name: str, setup: Setup, device: str, size: int, reserve: int
) -> None:
    def peak(batch: int) -> int:
        return ledger(walk(name, input=64, batch=batch, device=device), setup).peak.peak

    found = fit(ledger(walk(name, input=64, batch=2, device=device), setup), size, reserve)
    assert found.peak_bytes == peak(found.batch)
    assert peak(found.largest_batch) + reserve <= size < peak(found.largest_batch + 1) + reserve
    assert found.limiting.at(found.largest_batch + 1) == peak(found.largest_batch + 1)
    assert found.fixed_bytes + found.bytes_per_image * found.batch == found.peak_bytes
    table = describe(found)
    assert table.total is not None
    *_, tensors, kept, have = (row[-1] for row in table.rows)
    assert tensors + kept + table.total[-1] == have == size  # type: ignore[operator]


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


def test_one_byte_less_and_it_does_not_fit() -> None:
    step = ledger(walk("D"), Setup(optimizer="adam"))
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


def test_json_has_the_figures_that_were_promised() -> None:
    content = asked("D", "--memory", "8GiB", "--optimizer", "adam")
    step = ledger(walk("D"), Setup(optimizer="adam"))
    assert content["largest_batch"] == step.largest_batch(7 * GIB)
    assert content["reserve_bytes"] == GIB, "1 GiB, as README says; reports/reserve.md has why"
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


def test_the_cuda_reserve_is_what_an_h100_took_beside_its_tensors_and_little_more() -> None:
    """The context with every kernel of VGG loaded, cuBLAS's workspaces, a quarter GiB for rounding."""
    context = json.loads(gzip.decompress((DATA / "h100" / "context.json.gz").read_bytes()))
    readings = (each for each in context.values() if isinstance(each, dict) and "reserved" in each)
    beside = max(each["used"] - each["reserved"] for each in readings)
    workspaces = json.loads((DATA / "cuda-first-look.json").read_text())["steps"]["1 cuBLAS workspaces"]
    least = beside + sum(workspaces.values())
    reserve = int(str(asked("D", "--memory", "rtx4090")["reserve_bytes"]))
    assert 806_000_000 < beside < least <= reserve < least + GIB // 4


def test_a_record_of_the_cpu_brings_its_processor_and_its_threads() -> None:
    path = REPORTS / "D-cpu.json"
    with_record = asked("D", "--memory", "8GiB", "--measured", path)
    named = asked("D", "--memory", "8GiB", "--processor", "avx512_bf16", "--threads", 2)
    assert (with_record["processor"], with_record["threads"]) == ("avx512_bf16", 2)
    assert with_record == named
    assert not with_record["is_at_least"]
    without = asked("D", "--memory", "8GiB")
    assert without["is_at_least"]
    assert int(str(with_record["largest_batch"])) < int(str(without["largest_batch"]))


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


def test_what_is_not_counted_is_said() -> None:
    net = ("D", "--memory", "8GiB")
    assert "so the peak is one at least: name your --processor" in run("fit", *net).stdout
    known = run("fit", *net, "--processor", "avx512", "--threads", 2).stdout
    assert "What kernels take in passing is counted: avx512, 2 threads" in known
    assert "one at least" not in known
    amp = ("--amp", "bfloat16", "--processor")
    assert "is counted" in run("timeline", "D", *amp, "avx512_bf16").stdout
    assert "No rule knows all that kernels take on amx" in run("fit", *net, *amp, "amx").stdout
    assert run("fit", *net, "--processor", "avx512", "--threads", 0).exit_code == 2
    on_a_card = run("fit", "D", "--memory", "t4", "--processor", "avx512")
    assert (on_a_card.exit_code, "of the CPU" in on_a_card.stderr) == (2, True)


def test_batch_norm_that_cannot_train_on_one_image_still_fits_more() -> None:
    net = ("8,M,M", "--batch-norm", "--input", 4)
    assert int(str(asked(*net, "--memory", "4GiB")["largest_batch"])) > 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--memory", "300MB"), "553,430,176 bytes"),
        (("--memory", "1GiB"), "One image needs"),
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
    with pytest.raises(InputError, match=f"{step.peak_bytes(1) + GIB:,} bytes"):
        fit(step, GIB, GIB)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: no limit to run into")
@pytest.mark.parametrize("gib", [8, 16, 24])
def test_the_predicted_batch_runs_on_cuda_and_the_first_that_fails_is_near(gib: int) -> None:
    from vgg_profile.measure import OutOfMemoryError, measure

    whole = torch.cuda.get_device_properties(0).total_memory
    if whole < gib * GIB:
        pytest.skip(f"the device has less than {gib} GiB")
    setup = Setup(optimizer="adam")
    step = ledger(walk("D", device="cuda"), setup)
    largest = step.largest_batch(gib * GIB - DEFAULT_RESERVE["cuda"].bytes)
    torch.cuda.set_per_process_memory_fraction(gib * GIB / whole)
    try:
        measure("D", batch=largest, device="cuda", setup=setup, repeats=0)
        with pytest.raises(OutOfMemoryError):
            measure("D", batch=largest * 102 // 100 + 1, device="cuda", setup=setup, repeats=0)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def test_where_one_image_more_peaks_elsewhere_the_working_says_so() -> None:
    result = run("fit", "D", "--memory", 3_050_000_000, "--reserve", 0, "--optimizer", "adam")
    assert "The largest batch is 11" in result.stdout
    assert "One image more has its peak elsewhere, in backward of relu4_3" in result.stdout
    found = asked("D", "--memory", 3_050_000_000, "--reserve", 0, "--optimizer", "adam")
    assert (found["peak_phase"], found["peak_layer"]) == ("step", "fc6")
    assert found["spare_bytes"] == 3_050_000_000 - int(str(found["peak_bytes"]))


@pytest.mark.parametrize("memory_", ["512MiB", "3.2GB"])
def test_one_batch_that_does_not_fit_is_an_answer_however_little_there_is(memory_: str) -> None:
    result = run("fit", "D", "--memory", memory_, "--optimizer", "adam", "--batch", "1")
    assert result.exit_code == 4, result.output
    assert "Batch 1 does not fit: it is short by" in result.stdout
