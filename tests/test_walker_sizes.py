"""Images of any size, what autograd keeps, and work that is linear in depth."""

from __future__ import annotations

import sys
from itertools import pairwise

import pytest
from facts import (
    PAPER,
    SAVED_FOR_BACKWARD,
    SAVED_IN_EVAL,
    SAVED_WITHOUT_GRAD,
)
from hypothesis import given, settings
from walking import own_walks

from vgg_profile.core.events import Phase
from vgg_profile.core.setting import LARGEST
from vgg_profile.predict.vgg import tape
from vgg_profile.predict.vgg.configs import config
from vgg_profile.predict.vgg.spelled_out import modules
from vgg_profile.predict.vgg.tape import Tape
from vgg_profile.predict.vgg.walk import forward, load, walk

# -- images of any size


def test_an_image_need_not_be_square():
    tall, wide = walk("D", input="256x192"), walk("D", input="192x256")
    assert tall.rows[1].output_shape == (64, 256, 192)
    assert tall.rows[1].values.working == "256*192*64"
    assert wide.rows[-5].output_shape == (512, 6, 8)
    assert tall.totals == wide.totals


def test_the_classifier_costs_the_same_at_every_size():
    small, large = walk("D", input=32), walk("D", input="512x1024")
    assert small.totals.parameters == large.totals.parameters == PAPER["D"].parameters
    assert small.to_dict()["rows"][-3:] == large.to_dict()["rows"][-3:]


@pytest.mark.parametrize(
    "size", [224, "224", "224x224", " 3X224×224 ", (224, 224), [3, 224, 224], ("3", 224, "224")]
)
def test_an_image_size_is_written_in_many_ways(size):
    assert walk("D", input=size).to_dict() == walk("D").to_dict()


def test_a_hundred_thousand_8k_frames_do_not_overflow():
    profile = walk("D", input="4320x7680", batch=100_000)
    values, height, width = 3 * 4320 * 7680, 4320, 7680
    for convolutions, channels in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)):
        values += convolutions * channels * height * width
        height, width = height // 2, width // 2
        values += channels * height * width
    values += 512 * 7 * 7 + 4096 + 4096 + 1000
    assert profile.rows[1].memory_bytes(100_000, 4) == 849_346_560_000_000
    assert profile.totals.values == values
    assert profile.totals.memory_bytes == 400_000 * values
    assert profile.totals.memory_bytes > 2**51


def test_the_largest_batch_of_the_largest_image_is_exact():
    profile = walk("8,", input=LARGEST, batch=LARGEST)
    assert profile.rows[1].memory_bytes(LARGEST, 4) == 32 * 10**27
    assert profile.rows[1].macs.value == 3 * 3 * 3 * 8 * 10**18


# -- what autograd keeps


@pytest.mark.parametrize("label", SAVED_FOR_BACKWARD)
def test_as_much_is_saved_for_backward_as_an_allocator_says(label):
    assert walk(label).totals.saved_bytes == SAVED_FOR_BACKWARD[label]


@pytest.mark.parametrize(
    ("mode", "live"),
    [
        ({"training": True}, SAVED_FOR_BACKWARD["D"]),
        ({"training": False}, SAVED_IN_EVAL),
        ({"training": False, "grad": False}, SAVED_WITHOUT_GRAD),
        ({"training": True, "grad": False}, SAVED_WITHOUT_GRAD),
    ],
    ids=str,
)
def test_eval_keeps_less_and_no_grad_keeps_the_logits_alone(mode, live):
    tape = Tape(itemsize=4, **mode)
    net = config("D")
    forward(tape, net, (3, 224, 224), load(tape, net, (3, 224, 224)))
    kept = [
        storage.size.at(1)
        for event in tape.events
        if event.phase is Phase.FORWARD
        for storage in event.allocated
        if storage.holders
    ]
    assert sum(kept) == live


@given(own_walks())
@settings(deadline=None)
def test_what_is_saved_grows_with_the_batch_by_the_same_step(profile):
    at = [sum(row.saved_bytes(batch) for row in profile.rows) for batch in (1, 2, 3)]
    assert at[2] - at[1] == at[1] - at[0] > 0


# -- linear in depth, by counting work and not by the clock


def calls_into_the_library(action):
    """How many of our functions an action calls."""
    calls = 0

    def count(frame, event, _):
        nonlocal calls
        calls += event == "call" and "vgg_profile" in frame.f_code.co_filename

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        action()
    finally:
        sys.setprofile(before)
    return calls


def steps(action, depths=(100, 200, 300)):
    """How much an action's figure grows from each depth to the next."""
    figures = [action(depth) for depth in depths]
    return [after - before for before, after in pairwise(figures)]


def test_twice_the_depth_is_twice_the_events():
    def events(depth):
        tape = Tape(itemsize=4)
        net = config([8, "LRN"] * depth, batch_norm=True)
        forward(tape, net, (3, 8, 8), load(tape, net, (3, 8, 8)))
        return len(tape.events)

    first, second = steps(events)
    assert first == second > 0


def test_twice_the_depth_is_twice_the_work():
    def work(depth):
        for known in (modules, tape._backward_of):
            known.cache_clear()
        return calls_into_the_library(lambda: walk([8, "LRN"] * depth, batch_norm=True).totals)

    work(100)  # enums and patterns warm up
    first, second = steps(work)
    assert first == second > 0


def test_counting_work_would_notice_a_quadratic_walk():
    def work(depth):
        return calls_into_the_library(lambda: [walk([8] * each) for each in range(1, depth)])

    first, second = steps(work, (5, 10, 15))
    assert first < second
