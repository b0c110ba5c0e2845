"""The ledger of a training step: one list of events, and everything read off it."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from vgg_profile import InputError, walk
from vgg_profile.cli import main
from vgg_profile.core.events import Category, Phase
from vgg_profile.core.setting import MODES, OPTIMIZERS, Setup
from vgg_profile.predict.steps import ledger
from vgg_profile.predict.vgg.step import out_of_memory

NETS = ["A", "A-LRN", "B", "C", "D", "E", "D-BN", "8,M,LRN,conv1-4,M"]


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("mode", MODES)
def test_the_categories_of_a_moment_add_up_to_what_is_live(name: str, mode: str) -> None:
    step = ledger(walk(name, batch=3, input=64), Setup(mode))
    assert all(sum(moment.categories.values()) == moment.live for moment in step.moments)
    assert all(size >= 0 for moment in step.moments for size in moment.categories.values())


@pytest.mark.parametrize("name", NETS)
def test_saved_for_backward_is_what_the_forward_pass_leaves(name: str) -> None:
    profile = walk(name, batch=2, input=64)
    points = ledger(profile).fixed_points
    assert points[Phase.FORWARD] - points[Phase.INPUT] == profile.totals.saved_bytes


@pytest.mark.parametrize(
    ("mode", "kept"), [("train", 72_757_152), ("eval", 72_691_616), ("inference", 4_000)]
)
def test_vgg_16_keeps_what_the_allocator_was_seen_to_keep(mode: str, kept: int) -> None:
    points = ledger(walk("D"), Setup(mode)).fixed_points  # FACTS: torch 2.13 on the CPU
    assert points[Phase.FORWARD] - points[Phase.INPUT] == kept


def test_the_pool_indices_are_twice_the_pooled_maps() -> None:
    profile = walk("D")
    forward = next(m for m in ledger(profile).moments if (m.phase, m.layer) == (Phase.FORWARD, "fc8"))
    pooled = sum(row.memory_bytes(1, 4) for row in profile.rows if row.kind == "maxpool")
    assert forward.categories[Category.INDICES] == 12_242_944 == 2 * pooled


@pytest.mark.parametrize("name", NETS)
def test_after_backward_only_weights_gradients_and_ends_are_left(name: str) -> None:
    profile = walk(name, batch=2, input=64)
    points = ledger(profile).fixed_points
    parameters = profile.totals.parameters * 4
    logits_and_loss = 2 * profile.config.classes * 4 + 4
    assert points[Phase.BACKWARD] == points[Phase.INPUT] + parameters + logits_and_loss


@pytest.mark.parametrize(
    ("optimizer", "copies", "counters"), [("sgd", 0, 0), ("momentum", 1, 0), ("adam", 2, 4), ("adamw", 2, 4)]
)
def test_an_optimizer_keeps_its_copies_of_the_weights(optimizer: str, copies: int, counters: int) -> None:
    profile = walk("D")
    points = ledger(profile, Setup(optimizer=optimizer, first_step=True)).fixed_points
    tensors = sum(2 for row in profile.module_rows if row.parameters)
    state = copies * profile.totals.parameters * 4 + counters * tensors
    assert points[Phase.STEP] - points[Phase.BACKWARD] == state


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_everything_allocated_is_live_or_was_freed_once(optimizer: str) -> None:
    step = ledger(walk("8,LRN,M,4", batch_norm=True, input=16), Setup(optimizer=optimizer))
    live: set[int] = set()
    for event in step.events:
        for storage in event.allocated:
            assert id(storage) not in live
            live.add(id(storage))
        for storage in event.freed:
            live.remove(id(storage))


def test_cuda_keeps_a_byte_where_the_cpu_keeps_a_float() -> None:
    masks = {
        device: ledger(walk("D", device=device)).moments[-1 - 41].categories[Category.MASKS]
        for device in ("cpu", "cuda")
    }
    assert masks == {"cpu": 4 * 8192, "cuda": 8192}


@settings(deadline=None, max_examples=60)
@given(
    name=st.sampled_from(NETS),
    optimizer=st.sampled_from(OPTIMIZERS),
    mode=st.sampled_from(["train", "eval"]),
    limit=st.integers(2**28, 2**36),
)
def test_the_largest_batch_fits_and_one_more_does_not(
    name: str, optimizer: str, mode: str, limit: int
) -> None:
    def peak(batch: int) -> int:
        return ledger(walk(name, input=64, batch=batch), Setup(mode, optimizer)).peak.peak

    largest = ledger(walk(name, input=64), Setup(mode, optimizer)).largest_batch(limit)
    assert largest == 0 or peak(largest) <= limit
    assert peak(largest + 1) > limit


def test_a_step_is_linear_in_depth() -> None:
    def events(depth: int) -> int:
        return len(ledger(walk([8] * depth, input=8), Setup(optimizer="adam")).events)

    assert events(300) - events(200) == events(200) - events(100)


def test_the_timeline_prints_every_moment_and_the_peak() -> None:
    result = CliRunner().invoke(main, ["timeline", "A", "--optimizer", "adam", "--format", "json"])
    content = json.loads(result.stdout)
    assert content["peak_bytes"] == max(m["peak_bytes"] for m in content["moments"])
    assert content["moments"][-1]["live_bytes"] == content["fixed_points"]["step"]
    live = sum(
        sign * sum(storage["bytes"] for storage in event[key])
        for event in content["events"]
        for key, sign in (("allocated", 1), ("freed", -1))
    )
    assert live == content["fixed_points"]["step"]
    text = CliRunner().invoke(main, ["timeline", "A", "--optimizer", "adam"]).stdout
    assert f"Peak: {content['peak_bytes']:,} bytes" in text


@pytest.mark.parametrize(
    "setup", [{"mode": "dream"}, {"optimizer": "lion"}, {"mode": "inference", "optimizer": "sgd"}]
)
def test_a_step_that_cannot_be_is_refused(setup: dict[str, str]) -> None:
    with pytest.raises(InputError):
        ledger(walk("A"), Setup(**setup))


def test_running_out_of_memory_names_what_was_live_there() -> None:
    profile = walk("D")
    moments = ledger(profile).moments
    place = next(i for i, m in enumerate(moments) if (m.phase, m.layer) == (Phase.FORWARD, "conv3_2"))
    said = out_of_memory(ledger(profile), "no room", "forward", "conv3_2")
    assert f"at forward of conv3_2, where {moments[place - 1].live:,} bytes" in said
    assert "It was at" not in out_of_memory(ledger(profile), "no room")


def test_a_recompute_is_no_phase_of_its_own() -> None:
    step = ledger(walk("A", batch=2, input=64), Setup(checkpoint="blocks", optimizer="sgd"))
    assert Phase.RECOMPUTE in {moment.phase for moment in step.moments}
    assert Phase.RECOMPUTE not in step.fixed_points
    ends = {moment.phase: moment.live for moment in step.moments if moment.phase is Phase.BACKWARD}
    assert step.fixed_points[Phase.BACKWARD] == ends[Phase.BACKWARD]


@pytest.mark.parametrize("layers", ["8,M", "M,8,M", "LRN,8,8,M"])
def test_only_the_first_layer_with_weights_leaves_the_images_without_a_gradient(layers: str) -> None:
    """What comes before it has no weights, and no FLOPs."""
    step = ledger(walk(layers, input=16))
    counted = [row for row in step.profile.module_rows if row.macs.value]
    passes = [step.flops[row.name] // (2 * row.macs.value) for row in counted]
    assert passes == [2] + [3] * (len(counted) - 1)


def test_batch_norm_asks_for_two_values_in_training_alone() -> None:
    """One image of one pixel leaves one value a channel; eval has its running statistics."""
    one, two = (walk("8,M,8", input=2, batch=batch, batch_norm=True) for batch in (1, 2))
    assert ledger(one, Setup(mode="eval")).peak.peak
    step = ledger(two)
    for refused in (lambda: ledger(one), lambda: step.check_batch(1)):
        with pytest.raises(InputError, match="Batch norm cannot train at bn2_1"):
            refused()
