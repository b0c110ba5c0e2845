"""The CUDA rules against what an H100 answered (``tests/data/h100``): operations alone, and whole steps."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from vgg_profile import ledger, walk
from vgg_profile.core.events import Category, Phase
from vgg_profile.core.setting import Setup
from vgg_profile.core.step import Step
from vgg_profile.predict.vgg.configs import PAPER, from_dict
from vgg_profile.predict.vgg.optimizer import Optimizer
from vgg_profile.predict.vgg.tape import Tape

H100 = Path(__file__).parent / "data" / "h100"
DTYPES = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}


@cache
def answers(name: str) -> Any:
    return json.loads(gzip.decompress((H100 / f"{name}.json.gz").read_bytes()))


def steps() -> Iterator[str]:
    """Every step of one of the paper's networks in the default memory format."""
    for path in sorted(H100.glob("net-[A-E]*.json.gz")):
        name = path.name.removesuffix(".json.gz")
        if not {"channels_last", "fraction", "scaler"} & answers(name)["spec"].keys():
            yield name


def setting(spec: dict[str, Any]) -> tuple[Any, Setup]:
    net = spec["net"].removesuffix("-BN")
    profile = walk(
        PAPER[net],
        batch_norm=net != spec["net"],
        batch=spec.get("batch", 8),
        dtype=spec.get("dtype", "float32"),
        device="cuda",
    )
    setup = Setup(
        mode=spec.get("mode", "train"),
        optimizer=spec.get("opt", "none"),
        amp=spec.get("amp", "none"),
        checkpoint="blocks" if "checkpoint" in spec else "none",
        foreach=spec.get("foreach"),
        fused=spec.get("fused", False),
    )
    return profile, setup


@pytest.mark.parametrize("name", list(steps()))
def test_live_bytes_between_the_phases_are_those_that_the_h100_had(name: str) -> None:
    """The step there let go of its logits before the loss was back in its caller's hands."""
    answer = answers(name)
    profile, setup = setting(answer["spec"])
    live = {mark: stats["requested.current"] for mark, _, stats in answer["marks"]}
    step = ledger(profile, setup)
    points = step.fixed_points
    itemsize = 2 if setup.amp != "none" else profile.itemsize
    logits = profile.batch * profile.config.classes * itemsize
    start = points[Phase.LOAD] - live["2 start"]
    assert live["2 input"] + start == points[Phase.INPUT]
    if setup.has_backward:
        assert live["2 loss"] + start == points[Phase.LOSS] - logits
        assert live["2 backward"] + start == points[Phase.BACKWARD] - logits
    else:
        loss = 4  # which inference has not here
        assert live["2 loss"] + start == points[Phase.FORWARD] - logits + loss


def test_a_batch_norm_on_maps_of_one_value_takes_its_sums_beside_all_its_gradients() -> None:
    """PyTorch's own kernel, which two bytes a value take."""
    profile = walk("5,M,7", batch_norm=True, input=2, batch=3, dtype="bfloat16", device="cuda")
    taken = [
        [storage.what for storage in event.allocated]
        for event in ledger(profile).events
        if event.allocated and (event.op, event.layer) == ("NativeBatchNormBackward0", "bn2_1")
    ]
    assert taken == [["gradient of input", "gradient of weight", "gradient of bias", "temporary"]]


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_batch_norm_keeps_the_statistics_that_the_h100_kept(dtype: str, train: bool) -> None:
    """64 channels: float32 in a network of two bytes a value, and there in eval as well."""
    answer = answers("ops")[f"bn2d {DTYPES[dtype]} train={train} nchw"]["warm"]
    kept = sum(size for _, _, size, _ in answer["saved"][4:])
    net = from_dict({"name": "one", "layers": [64], "classifier": [], "classes": 2, "batch_norm": True})
    profile = walk(net, input=32, batch=8, dtype=dtype, device="cuda")
    step = ledger(profile, Setup(mode="train" if train else "eval"))
    after_forward = next(m for m in reversed(step.moments) if m.phase is Phase.FORWARD)
    assert after_forward.categories[Category.STATISTICS] == kept


@pytest.mark.parametrize("amp", ["bfloat16", "float16"])
def test_the_loss_under_autocast_is_taken_as_the_h100_took_it(amp: str) -> None:
    """Log-softmax in the logits' dtype, then a copy in float32 for the mean, one tensor after the other."""
    answer = answers("ops")[f"cross_entropy logits {DTYPES[amp]} autocast {DTYPES[amp]}"]["warm"]
    net = from_dict({"name": "one", "layers": [4], "classifier": [4], "classes": 1000})
    step = ledger(walk(net, input=8, batch=64, device="cuda"), Setup(amp=amp))
    made = [s.size.at(64) for e in step.events if e.phase is Phase.LOSS for s in e.allocated]
    assert [f"+{size}" for size in made] == answer["forward"]


OPTIMIZERS = {"sgd": "SGD {}", "momentum": "SGD {'momentum': 0.9}", "adam": "Adam {}", "adamw": "AdamW {}"}
WAYS = {"foreach": {"foreach": True}, "one by one": {"foreach": False}, "fused": {"fused": True}}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_an_optimizer_takes_and_frees_what_it_did_on_the_h100(optimizer: str, way: str) -> None:
    """In the first step, which makes the state, and in a later one; in order, to the byte."""
    first, later, _ = answers("ops")[f"optim {OPTIMIZERS[optimizer]} {WAYS[way]} f32"]
    for is_first, taken in ((True, first), (False, later)):
        tape = Tape(itemsize=4, device="cuda")
        shapes = enumerate(((100, 30), (7,), (64, 64, 3, 3), (1,)))
        weights = [tape.parameter(f"weight {number}", shape).storage for number, shape in shapes]
        setup = Setup(optimizer=optimizer, first_step=is_first, **WAYS[way]).on("cuda")
        steps = Optimizer(tape, setup, weights)
        if not is_first:
            steps.make_state()
        start = len(tape.events)
        steps.step()
        assert [
            f"{sign}{storage.size.at(1)}"
            for event in tape.events[start:]
            for sign, storages in (("+", event.allocated), ("-", event.freed))
            for storage in storages
        ] == taken


IN_ORDER = [
    name
    for name in steps()
    # autocast lets go of its copies in the order of a hash table, a checkpoint of a block's in another;
    # inference has no loss here, and local response norm's temporaries are one here
    if not {"amp", "checkpoint"} & answers(name)["spec"].keys()
    and "LRN" not in name
    and "inference" not in name
]


@pytest.mark.parametrize("name", IN_ORDER)
def test_a_step_takes_and_frees_what_it_did_on_the_h100_one_after_the_other(name: str) -> None:
    """Every event of the whole step, to the byte; cuDNN's scratch alone comes between, taken and given back.

    The step there let go of its logits with the loss, and of the gradients at its end.
    """
    answer = answers(name)
    profile, setup = setting(answer["spec"])
    step = ledger(profile, setup)
    predicted = [
        (sign, storage.size.at(profile.batch))
        for event in step.events[step.marks[1].event :]
        for sign, storages in (("+", event.allocated), ("-", event.freed))
        for storage in storages
    ]
    logits = ("-", profile.batch * profile.config.classes * profile.itemsize)
    number = {mark: entries for mark, entries, _ in answer["marks"]}
    part = answer["trace"][number["2 start"] : number["2 end"]]
    signs = {"alloc": "+", "free_completed": "-"}
    real = [(signs[action], size) for action, _, size, _ in part if action in signs and size]
    left = unpredicted(predicted, real, logits)
    gradients = Counter(
        storage.size.at(1)
        for event in step.events
        for storage in event.allocated
        if storage.category is Category.GRADIENTS
    )
    assert all(sign == "-" for sign, _ in left)
    assert Counter(size for _, size in left) - gradients <= Counter(
        (profile.itemsize, *two_of_the_input(step))
    )


def two_of_the_input(step: Step) -> list[int]:
    """The bytes of the images and of their targets, which the step there let go of at its end."""
    return [s.size.at(step.setting.batch) for e in step.events if e.phase is Phase.INPUT for s in e.allocated]


Event = tuple[str, int]


def unpredicted(predicted: list[Event], real: list[Event], logits: Event) -> list[Event]:
    """What remains of the real events once every predicted one was met, in order.

    Between two of them scratch may be taken, if it is all given back before the next.
    """
    waiting, scratch = list(reversed(predicted)), []
    for place, event in enumerate(real):
        if not waiting:
            return real[place:]
        if not scratch and event == waiting[-1]:
            waiting.pop()
        elif scratch and event == ("-", scratch[-1]):
            scratch.pop()
        elif event == logits and not scratch:
            logits = ("", 0)  # once
        else:
            assert event[0] == "+", f"{event} where {waiting[-1]} was predicted"
            scratch.append(event[1])
    assert not waiting
    return []


def test_an_event_that_did_not_happen_is_found_out() -> None:
    with pytest.raises(AssertionError):
        unpredicted(
            [("+", 8), ("-", 8), ("+", 4)], [("+", 8), ("+", 2), ("-", 2), ("-", 8), ("+", 6)], ("", 0)
        )
