"""What is asked of a card, and what each answer says of which rule."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator
from typing import Any

from examples.verifying.machine import GIB, SMALL, Finding, Machine, Question
from vgg_profile.ask.cards import Memory
from vgg_profile.ask.fit import DEFAULT_RESERVE, Fit
from vgg_profile.ask.verification import architecture_of
from vgg_profile.check.crosscheck import crosscheck
from vgg_profile.check.results import Verdict
from vgg_profile.check.subject import profile_for
from vgg_profile.core.events import Category, Phase
from vgg_profile.core.setting import Setup
from vgg_profile.core.signed import digest
from vgg_profile.measure.record import MeasuredMoment, Measurement, Reading, dumps
from vgg_profile.predict.caching import CachingAllocator
from vgg_profile.predict.reserved import workspaces
from vgg_profile.predict.steps import ledger, trace
from vgg_profile.predict.vgg.configs import config
from vgg_profile.predict.vgg.walk import walk

# -- the card itself -------------------------------------------------------------------------------


def ask_environment(machine: Machine) -> dict[str, Any]:
    import torch

    machine.cuda.init()
    after_init = machine.beside()
    machine.cuda.memory._record_memory_history("all", context=None, stacks="python", max_entries=1_000_000)
    torch.ones(1, device=machine.device)
    properties = machine.cuda.get_device_properties(0)
    return {
        "device": properties.name,
        "is_card": machine.device == "cuda",
        "total_bytes": properties.total_memory,
        "compute": [properties.major, properties.minor],
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "beside_after_init": after_init,
        "beside_after_first_kernel": machine.beside(),
    }


def ask_context(machine: Machine) -> dict[str, Any]:
    machine.cuda.empty_cache()
    return {"beside": machine.beside()}


def conclude_context(answer: Any, answers: dict[str, Any]) -> Iterator[Finding]:
    most, seen = DEFAULT_RESERVE["cuda"].bytes, answer["beside"]
    rule, expected = "fit.DEFAULT_RESERVE: CUDA context and kernels", f"at most {most:,}"
    yield Finding(rule, expected, expected if 0 < seen <= most else seen)


def ask_workspaces(machine: Machine) -> list[int]:
    """What the first product of each kind leaves behind: here, with a bias, in the backward pass."""
    import torch

    left, weight = [], torch.ones(256, 256, device=machine.device, requires_grad=True)
    bias, x = torch.ones(256, device=machine.device), torch.ones(256, 256, device=machine.device)

    def backward() -> None:
        torch.mm(x, weight).sum().backward()
        weight.grad = None

    with torch.no_grad():
        firsts: list[Callable[[], object]] = [lambda: torch.mm(x, x), lambda: torch.addmm(bias, x, x)]
    for first in (*firsts, backward):
        before = machine.counter("requested")
        first()
        left.append(machine.counter("requested") - before)
    return left


def conclude_workspaces(answer: Any, answers: dict[str, Any]) -> Iterator[Finding]:
    for workspace, seen in zip(workspaces(family(answers)), answer, strict=True):
        yield Finding(f"reserved.workspaces: {workspace.what}", workspace.bytes, seen)


def family(answers: dict[str, Any]) -> str:
    return architecture_of(answers["environment"]["device"])


# -- operations alone ------------------------------------------------------------------------------

NORMS = [(dtype, mode) for dtype in ("float32", "bfloat16", "float16") for mode in ("train", "eval")]


def ask_batch_norm(machine: Machine) -> dict[str, int]:
    """The bytes that a batch norm of 64 channels saves beside what was there before."""
    import torch

    found = {}
    for dtype, mode in NORMS:
        kept: dict[int, int] = {}

        def note(tensor: torch.Tensor, kept: dict[int, int] = kept) -> torch.Tensor:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        norm = torch.nn.BatchNorm2d(64, device=machine.device, dtype=getattr(torch, dtype)).train(
            mode == "train"
        )
        x = torch.zeros(4, 64, 8, 8, device=machine.device, dtype=getattr(torch, dtype), requires_grad=True)
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            norm(x)
        known = (x, norm.weight, norm.running_mean, norm.running_var)
        for tensor in known:
            kept.pop(tensor.untyped_storage().data_ptr(), None)
        found[f"{dtype} {mode}"] = sum(kept.values())
    return found


def conclude_batch_norm(answer: Any, answers: dict[str, Any]) -> Iterator[Finding]:
    device = "cuda" if answers["environment"]["is_card"] else "cpu"
    for dtype, mode in NORMS:
        step = ledger(
            walk("64,M", batch_norm=True, classes=2, input=8, batch=4, dtype=dtype, device=device),
            Setup(mode),
        )
        forward = next(moment for moment in reversed(step.moments) if moment.phase is Phase.FORWARD)
        expected = forward.categories[Category.STATISTICS]
        yield Finding(f"BatchNorm2d.trace: saved, {dtype}, {mode}", expected, answer[f"{dtype} {mode}"])


# -- whole steps -----------------------------------------------------------------------------------

STEPS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("D-cuda", "D", {}),
    ("D-BN-cuda", "D-BN", {}),
    ("D-adam-cuda", "D", {"optimizer": "adam"}),
    ("D-amp-cuda", "D", {"amp": "bfloat16"}),
    ("D-checkpoint-cuda", "D", {"checkpoint": "blocks"}),
    ("A-cuda", "A", {}),
    ("E-cuda", "E", {}),
    ("B-cuda", "B", {}),
    ("A-BN-cuda", "A-BN", {}),
    ("B-BN-cuda", "B-BN", {}),
    ("E-BN-cuda", "E-BN", {}),
    ("D-bfloat16-cuda", "D", {"dtype": "bfloat16"}),
    ("D-float16-cuda", "D", {"dtype": "float16"}),
    ("D-BN-bfloat16-cuda", "D-BN", {"dtype": "bfloat16"}),
    ("D-BN-eval-bfloat16-cuda", "D-BN", {"dtype": "bfloat16", "mode": "eval"}),
    ("D-BN-amp-cuda", "D-BN", {"amp": "bfloat16"}),
    ("D-BN-eval-amp-cuda", "D-BN", {"amp": "bfloat16", "mode": "eval"}),
    ("D-BN-eval-amp-float16-cuda", "D-BN", {"amp": "float16", "mode": "eval"}),
    ("D-amp-float16-cuda", "D", {"amp": "float16"}),
    ("D-momentum-cuda", "D", {"optimizer": "momentum"}),
    ("D-adam-fused-cuda", "D", {"optimizer": "adam", "fused": True}),
    ("D-adam-loop-cuda", "D", {"optimizer": "adam", "foreach": False}),
    ("D-adamw-amp-checkpoint-cuda", "D", {"optimizer": "adamw", "amp": "bfloat16", "checkpoint": "blocks"}),
    ("D-sgd-cuda", "D", {"optimizer": "sgd"}),
    ("D-eval-cuda", "D", {"mode": "eval"}),
    ("D-inference-cuda", "D", {"mode": "inference"}),
    ("A-LRN-cuda", "A-LRN", {}),
    ("C-cuda", "C", {}),
    ("D-b32-cuda", "D", {"batch": 32}),
    ("D-b1-cuda", "D", {"batch": 1}),
)
"""Record → the network and how its step is run."""


def step_question(name: str, network: str, options: dict[str, Any]) -> Question:
    """One real step, measured as `vgg-profile measure` does it, and checked in full."""

    def ask(machine: Machine) -> dict[str, Any]:
        from vgg_profile.measure import measure

        how = dict(options)
        batch, dtype = how.pop("batch", machine.batch), how.pop("dtype", "float32")
        measurement = measure(
            machine.network(network),
            input=machine.size,
            batch=batch,
            dtype=dtype,
            device=machine.device,
            setup=Setup(**how),
            repeats=0,
        )
        text = dumps(measurement)
        records = machine.folder / "records"
        records.mkdir(exist_ok=True)
        (records / f"{name}.json").write_text(text, encoding="utf-8")
        return dict(json.loads(text))

    def conclude(answer: Any, answers: dict[str, Any]) -> Iterator[Finding]:
        measurement = measured(answer)
        found = crosscheck(profile_for(config_of(measurement), measurement), measurement).checks
        asked = [check for check in found if check.verdict is not Verdict.SKIP]
        failed = [check for check in asked if check.verdict is Verdict.FAIL]
        expected = f"{len(asked)} checks hold"
        wrong = ", ".join(f"{check.quantity} {check.layer} {check.residual}" for check in failed[:3])
        yield Finding(
            f"the step of {name.removesuffix('-cuda')}",
            expected,
            f"{len(failed)} fail: {wrong}" if failed else expected,
        )

    return Question(name, 12, ask, conclude)


def measured(answer: dict[str, Any]) -> Measurement:
    """The record in an answer, without msgspec; raises ``ValueError`` if it was changed."""
    content = dict(answer)
    if content.pop("sha256", None) != digest(content):
        raise ValueError("the record was changed after it was measured")
    return Measurement(
        content["subject"],
        content["environment"],
        tuple(Reading(**each) for each in content["readings"]),
        tuple(MeasuredMoment(**each) for each in content["timeline"]),
        content["skipped"],
    )


def config_of(measurement: Measurement) -> Any:
    """The network of a record: one of the paper's, or a dry run's."""
    subject = measurement.subject["config"]
    every = (*(config(network) for _, network, _ in STEPS), *SMALL.values())
    return next(each for each in every if subject.items() <= each.to_dict().items())


# -- the allocator ---------------------------------------------------------------------------------


def ask_allocator(machine: Machine) -> list[list[Any]]:
    """Everything that PyTorch's allocator did since the process began."""
    traces = machine.cuda.memory._snapshot()["device_traces"]
    machine.cuda.memory._record_memory_history(enabled=None)
    return [[each["action"], each["addr"], each["size"]] for each in traces[0]] if traces else []


def conclude_allocator(answer: Any, answers: dict[str, Any]) -> Iterator[Finding]:
    wanted = [tuple(each) for each in answer if each[0] != "snapshot"]
    yield Finding(
        "caching.CachingAllocator: every action and address",
        len(wanted),
        replayed(wanted) if wanted else None,
    )


def replayed(history: list[tuple[str, int, int]]) -> int:
    """How many actions a replay of a history's requests alone tells alike, up to the first that differs.

    A new segment is given its real address: where blocks lie in it, and when one is needed, is the replay's.
    """
    told: list[tuple[str, int, int]] = []
    new = iter([address for action, address, _ in history if action in ("segment_alloc", "segment_map")])
    allocator = CachingAllocator(
        expandable=any(action == "segment_map" for action, *_ in history),
        address_of_next=lambda size: next(new),
        log=lambda *action: told.append(action),
    )
    blocks, before = {}, ""
    try:
        for action, address, size in history:
            if action == "alloc":
                blocks[address] = allocator.malloc(size)
            elif action == "free_completed":
                allocator.free(blocks.pop(address))
            elif action in ("segment_free", "segment_unmap") and action != before:
                allocator.empty_cache()
            before = action
    except (StopIteration, KeyError, ValueError):
        pass  # it went its own way: what was told until then differs from the history
    pairs = zip(told, history, strict=False)
    return next((place for place, (one, real) in enumerate(pairs) if one != real), len(told))


# -- the limit -------------------------------------------------------------------------------------


def limit_question(number: int, optimizer: str) -> Question:
    """Whether the predicted batch runs within a limit, and none beyond the bound."""
    name = f"limit-{number}-{optimizer}"

    def ask(machine: Machine) -> dict[str, Any]:
        limit = machine.gib[number] * GIB
        total = machine.cuda.get_device_properties(0).total_memory
        if total < limit:
            return {"limit": limit, "skipped": "the card is smaller"}
        fit = within(machine, limit, optimizer)
        machine.cuda.set_per_process_memory_fraction(limit / total)
        try:
            tried = {
                batch: runs_twice(machine, batch, optimizer)
                for batch in (surely(fit.largest_batch), fit.largest_batch, fit.at_most + 1)
            }
        finally:
            machine.cuda.set_per_process_memory_fraction(1.0)
        return {"limit": limit, "predicted": fit.largest_batch, "at_most": fit.at_most, "tried": tried}

    def conclude(answer: Any, answers: dict[str, Any]) -> Iterator[Finding]:
        tried = {int(batch): ran for batch, ran in answer.get("tried", {}).items()}
        if not tried:
            return
        limit, most = answer["limit"] // GIB, answer["at_most"]
        predicted = answer["predicted"]
        rule = f"fit.largest_batch: D, {optimizer}, {limit} GiB: "
        less = surely(predicted)
        yield Finding(f"{rule}{less} runs, with room for scratch", "runs", tried.get(less))
        yield Finding(
            f"{rule}{predicted}, without cuDNN's scratch", "about", tried[predicted], is_claimed=False
        )
        yield Finding(
            f"fit.at_most: D, {optimizer}, {limit} GiB: {most + 1} does not", "out of memory", tried[most + 1]
        )

    return Question(name, 45, ask, conclude)


def surely(predicted: int) -> int:
    """A batch that runs whatever cuDNN takes: at 14 limits an H100 ran no less than four fifths of one."""
    return predicted * 4 // 5


def within(machine: Machine, limit: int, optimizer: str) -> Fit:
    """What is predicted for D within a limit, which does not count the context."""
    step = trace(walk(machine.network("D"), input=machine.size, device="cuda"), Setup(optimizer=optimizer))
    family = architecture_of(machine.cuda.get_device_properties(0).name)
    return Fit(step, Memory(limit, "the limit", "cuda", architecture=family), given=())


def runs_twice(machine: Machine, batch: int, optimizer: str) -> str:
    """Two steps of D at a batch: whether they run."""
    import torch

    from vgg_profile import models
    from vgg_profile.run.marks import Deaf
    from vgg_profile.run.step import TrainingStep
    from vgg_profile.run.tensors import Given

    batch = min(batch, machine.most)
    try:
        model = models.build(machine.network("D"), device=machine.device)
        steps = torch.optim.Adam(model.parameters(), lr=0.0) if optimizer == "adam" else None
        for _ in range(2):
            shape = (batch, 3, machine.size, machine.size)
            images = torch.empty(shape, device=machine.device).normal_()
            targets = torch.zeros(batch, dtype=torch.int64, device=machine.device)
            given = Given((images,), {}, targets)
            loss, setup = torch.nn.functional.cross_entropy, Setup(optimizer=optimizer)
            TrainingStep(model, given, loss, {}, setup, machine.device, steps).run(Deaf())
            model.zero_grad(set_to_none=True)
            del images, given
    except torch.OutOfMemoryError:
        return "out of memory"
    finally:
        model = steps = None
        gc.collect()
        machine.cuda.empty_cache()
    return "runs"


# -- all of them, the most telling first ------------------------------------------------------------

QUESTIONS = (
    Question("environment", 0, ask_environment, lambda answer, answers: iter(())),
    Question("workspaces", 0, ask_workspaces, conclude_workspaces),
    Question("batch-norm", 0, ask_batch_norm, conclude_batch_norm),
    step_question(*STEPS[0]),
    Question("allocator", 2, ask_allocator, conclude_allocator),
    *(step_question(*step) for step in STEPS[1:5]),
    limit_question(0, "adam"),
    *(step_question(*step) for step in STEPS[5:]),
    limit_question(1, "none"),
    Question("context", 0, ask_context, conclude_context),
)
