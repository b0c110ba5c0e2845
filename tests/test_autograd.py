"""What operations take and let go of, in their order: as PyTorch's engine and its kernels have it."""

from __future__ import annotations

import pytest
from conftest import Golden

from vgg_profile import ledger, walk
from vgg_profile.core.events import Category, Event, Storage
from vgg_profile.core.setting import Setup
from vgg_profile.core.sizes import NOTHING
from vgg_profile.predict.vgg.autograd import run_backward
from vgg_profile.predict.vgg.tape import Tape
from vgg_profile.predict.vgg.tensors import Backward, Result


def squared_norm() -> list[Event]:
    """The events of ``(-w).square().sum()`` and its backward, the square written as a product with itself."""
    tape = Tape(itemsize=4)
    weight = tape.parameter("weight", (4,))
    negative = tape.op("neg", (weight,), Backward("NegBackward0"), Result(what="negative"))
    product = Backward("MulBackward0", saves=(negative, negative))
    squares = tape.op("mul", (negative, negative), product, Result(what="squares"))
    tape.drop(negative)
    loss = tape.scalar("loss", 4)
    count = Storage("loss", "count", Category.ACTIVATIONS, loss.size)
    tape.reduce("sum", squares, loss, node="SumBackward0", beside=count)
    tape.drop(squares)
    run_backward(tape, loss)
    return tape.events


def test_the_gradient_given_goes_first_then_what_was_saved_then_what_was_added_into_another() -> None:
    """``engine.cpp``, ``evaluate_function``: a node's inputs move into its call, its variables are released
    after it, then each output is added to the buffer of the node that it is for.
    """
    (event,) = [event for event in squared_norm() if event.op == "MulBackward0"]
    assert [storage.what for storage in event.allocated] == ["gradient of negative"] * 2
    assert [storage.what for storage in event.freed] == [
        "gradient of squares",
        "negative",
        "gradient of negative",
    ]
    assert event.freed[-1] is event.allocated[-1], "the second is added into the first, in place"


def test_nothing_but_weights_their_gradients_and_the_loss_is_left() -> None:
    events = squared_norm()
    freed = {id(storage) for event in events for storage in event.freed}
    left = [storage for event in events for storage in event.allocated if id(storage) not in freed]
    assert [storage.what for storage in left] == ["weight", "loss", "gradient of weight"]


def test_a_python_number_takes_eight_bytes_and_its_cast_on_the_cpu() -> None:
    tape = Tape(itemsize=4)
    assert [tape.number(itemsize).fixed for itemsize in (2, 4, 8)] == [10, 12, 8]
    assert [tape.number(itemsize, whole=True).fixed for itemsize in (2, 4, 8)] == [10, 12, 16]
    assert Tape(itemsize=4, device="cuda").number(4) == NOTHING


@pytest.mark.parametrize("amp", ["none", "bfloat16"])
def test_every_event_of_a_local_response_norm_stays(golden: Golden, amp: str) -> None:
    """Operation by operation, what is taken and given back: many are covered by larger ones of their part."""
    step = ledger(walk("4,LRN,M", input=8, batch=2), Setup(amp=amp))
    lines = [
        f"{event.phase:<9} {event.op:<24} "
        + ", ".join(
            [f"+{each.what} ({each.size.at(2):,})" for each in event.allocated]
            + [f"-{each.what}" for each in event.freed]
        )
        for event in step.events
        if event.layer.startswith("lrn")
    ]
    golden(f"lrn_{amp}.txt", "\n".join(lines) + "\n")
