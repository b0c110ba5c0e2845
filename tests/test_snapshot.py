"""A predicted step as a memory snapshot: PyTorch's own module reads it, and its peak is ours."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch.cuda._memory_viz as viz
from click.testing import CliRunner, Result

from vgg_profile import InputError, ledger, walk
from vgg_profile.cli import main
from vgg_profile.core.setting import Setup
from vgg_profile.core.step import Step
from vgg_profile.predict.reserved import workspaces
from vgg_profile.render import snapshot

SETUPS = [
    Setup(),
    Setup(optimizer="adam"),
    Setup(optimizer="adam", first_step=True),
    Setup(amp="bfloat16", checkpoint="blocks"),
    Setup("inference"),
]
MIB = 2**20


def step_of(setup: Setup, name: str = "D-BN") -> Step:
    return ledger(walk(name, input=64, batch=4, device="cuda"), setup)


def read(step: Step) -> Any:
    return pickle.loads(snapshot(step))


@pytest.mark.parametrize("setup", SETUPS, ids=lambda setup: setup.label)
def test_replayed_its_peak_is_that_of_the_step(setup: Setup) -> None:
    step = step_of(setup)
    (entries,) = read(step)["device_traces"]
    sizes: dict[int, int] = {}
    live = []
    for entry in entries:
        if entry["action"] == "alloc":
            assert entry["addr"] not in sizes
            sizes[entry["addr"]] = entry["size"]
        elif entry["action"] == "free_completed":
            assert sizes.pop(entry["addr"]) == entry["size"]
        live.append(sum(sizes.values()))
    kept = sum(each.bytes for each in workspaces(None, has_backward=setup.has_backward))
    assert max(live) == step.peak.peak + kept
    assert live[-1] == step.moments[-1].live + kept


@pytest.mark.parametrize("setup", SETUPS, ids=lambda setup: setup.label)
def test_pytorchs_own_module_reads_it_and_its_accounts_add_up(setup: Setup) -> None:
    """``segsum`` checks that blocks and gaps fill each segment; ``trace`` that every address is in one."""
    content = read(step_of(setup))
    summary, told = viz.segsum(content), viz.trace(content)
    assert f"segments: {len(content['segments'])}\n" in summary
    assert f"{len(content['device_traces'][0])} entries" in told
    assert "= MEM[" not in told
    for plot in (viz.trace_plot, viz.segment_plot):
        page = plot(content)
        assert "snapshot.pickle" in page


def test_segments_are_what_was_reserved_and_not_given_back() -> None:
    content = read(step_of(Setup(optimizer="adam")))
    taken = {e["addr"]: e["size"] for e in content["device_traces"][0] if e["action"] == "segment_alloc"}
    assert {each["address"]: each["total_size"] for each in content["segments"]} == taken
    for segment in content["segments"]:
        place = segment["address"]
        for block in segment["blocks"]:
            assert block["address"] == place
            place += block["size"]
        assert place == segment["address"] + segment["total_size"]
        assert (segment["segment_type"] == "small") == (segment["total_size"] == 2 * MIB)
        assert segment["requested_size"] <= segment["allocated_size"] <= segment["total_size"]


def test_where_stack_frames_would_stand_are_what_the_operation_the_layer_and_the_module() -> None:
    content = read(step_of(Setup(optimizer="adam")))
    frames = [[frame["name"] for frame in e["frames"]] for e in content["device_traces"][0]]
    assert frames[0] == frames[1] == ["cuBLAS, forward", "workspace"]
    assert ["output (activations)", "convolution", "in forward of conv1_2", "features.3"] in frames
    assert [
        "gradient of weight (gradients)",
        "ConvolutionBackward0",
        "in backward of conv1_2",
        "features.3",
    ] in frames
    assert ["images (input)", "empty", "input"] in frames
    active = [b for s in content["segments"] for b in s["blocks"] if b["state"] == "active_allocated"]
    assert all(block["frames"] for block in active)
    flames = viz.memory(content, format_flamegraph=lambda lines: lines)
    assert "features.3" in flames


def test_it_is_plain_data_that_needs_no_torch() -> None:
    names = {
        argument for opcode, argument, _ in pickletools_ops(snapshot(step_of(Setup()))) if "GLOBAL" in opcode
    }
    assert names == set()


def pickletools_ops(data: bytes) -> Any:
    import pickletools

    return ((opcode.name, argument, place) for opcode, argument, place in pickletools.genops(data))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_the_command_writes_it_by_the_suffix(tmp_path: Path) -> None:
    path = tmp_path / "step.pickle"
    done = run("timeline", "8,M", "--input", 16, "--device", "cuda", "-o", path)
    assert (done.exit_code, done.stderr) == (0, f"Wrote {path}\n")
    assert pickle.loads(path.read_bytes()) == read(ledger(walk("8,M", input=16, device="cuda")))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("timeline", "8,M", "--input", 16), "this step is on the CPU. Add --device cuda."),
        (("table", "8,M", "--input", 16), "this command gives none. A timeline does: `vgg-profile timeline"),
        (("fit", "D", "--memory", "h100"), "this command gives none."),
        (("sweep", "8,M", "--input", 16), "this command gives none."),
        (("measure", "no-such-network"), "this command gives none."),  # before anything is run
    ],
    ids=lambda words: words[0],
)
def test_what_has_no_step_of_a_card_is_a_clear_error(
    words: tuple[object, ...], said: str, tmp_path: Path
) -> None:
    done = run(*words, "-o", tmp_path / "x.pickle")
    assert done.exit_code == 2
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_in_python_too() -> None:
    with pytest.raises(InputError, match="there is none in a Profile"):
        snapshot(walk("D"))
