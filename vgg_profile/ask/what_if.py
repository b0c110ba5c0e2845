"""What would help: each change to a step that saves memory, asked as a question of its own, and ranked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

from vgg_profile.ask.fit import Fit
from vgg_profile.ask.question import Question
from vgg_profile.core import units
from vgg_profile.core.display import Displayed
from vgg_profile.core.errors import InputError
from vgg_profile.core.inputs import Input
from vgg_profile.core.network import TracedNetwork
from vgg_profile.core.printable import command_line
from vgg_profile.core.setting import Setup
from vgg_profile.core.step import Step
from vgg_profile.core.tree import Profile

LIGHTER = {"momentum": ("sgd",), "adam": ("momentum", "sgd"), "adamw": ("momentum", "sgd")}
"""Optimizer → those that keep less state."""

SIDE = 32
"""A smaller image has the next multiple of so many pixels on each side: VGGs halve it five times."""


SAME_RESULT = ("--checkpoint", "--amp", "--optimizer")
"""The options that a hint is about: the network, its images and the loop stay as they are."""

FEW_LAYERS = 300
"""A network of more takes too long for a hint that nobody asked for."""


class Alternative(NamedTuple):
    """One change to a question: in words, and as options to type; ``question`` opens it changed.

    ``again`` is the command that traces a network so that was traced to a file; of what is no property of a
    step, and of a VGG, nothing.
    """

    what: str
    options: tuple[str, ...]
    question: Callable[[], Question]
    again: str = ""

    @property
    def typed(self) -> str:
        return command_line(self.options)


class Refused(NamedTuple):
    """A change that cannot be answered here: why, or how to trace the network so."""

    what: str
    options: str
    why: str


class Helped(NamedTuple):
    """What one change makes of the answer, in images and bytes.

    A step takes ``images`` at most: ``largest_batch`` at a time, times its micro-batches. Of as many images a
    step as the question is about, ``batch`` at a time, it takes ``taken_bytes``. ``flops`` are an image's,
    forward and backward, with what is run again.
    """

    what: str
    options: str
    largest_batch: int
    images: int
    gained: int
    batch: int
    fits: bool
    taken_bytes: int
    saved_bytes: int
    flops: int
    extra_flops: int
    is_at_least: bool = False
    """Whether something in it may take more than is known, so that fewer images may fit."""


@dataclass(frozen=True, repr=False)
class WhatIf(Displayed):
    """An answer, and what each change makes of it, the most images gained first, then the most bytes saved.

    ``refused`` has the changes that cannot be answered here.
    """

    fit: Fit
    changes: tuple[Helped, ...]
    refused: tuple[Refused, ...] = ()

    @property
    def helpful(self) -> tuple[Helped, ...]:
        """The changes that gain images or save bytes."""
        return tuple(each for each in self.changes if each.gained > 0 or each.saved_bytes > 0)

    @property
    def idle(self) -> tuple[Helped, ...]:
        """The others."""
        return tuple(each for each in self.changes if each not in self.helpful)

    def to_dict(self) -> dict[str, Any]:
        return {
            **self.fit.to_dict(),
            "flops_per_image": flops_of(self.fit.step),
            "what_if": [each._asdict() for each in self.changes],
            "not_answered": [each._asdict() for each in self.refused],
        }


def what_if(
    question: Question,
    progress: Callable[[Sequence[Alternative]], Iterator[Alternative]] = iter,
) -> WhatIf:
    """Ask a question again with each change that may help.

    >>> from vgg_profile import memory, walk
    >>> what_if(Question(walk("8,M", input=64), memory("1GiB"))).changes[0].options
    '--accumulate 2'
    """
    fit = question.answer()
    before = question.about(fit.batch, fit)
    helped: list[Helped] = []
    refused: list[Refused] = []
    for change in progress(list(changes(question, fit))):
        if question.is_carried and change.again:
            refused.append(Refused(change.what, change.typed, f"traced otherwise; type {change.again}"))
            continue
        try:
            helped.append(_helped(change, fit, before.taken_bytes))
        except InputError as error:
            refused.append(Refused(change.what, change.typed, error.problem.rstrip(".")))
    ranked = sorted(helped, key=lambda each: (-each.gained, -each.saved_bytes))
    return WhatIf(fit, tuple(ranked), tuple(refused))


def _helped(change: Alternative, fit: Fit, taken_before: int) -> Helped:
    """What one change makes of an answer; its books, large where there are many layers, end with it."""
    asked = change.question()
    largest = asked.answer()
    now, times = fit.step.setup.accumulate, largest.step.setup.accumulate
    batch = -(-fit.batch * now // times)
    here = asked.about(batch, largest)
    flops = flops_of(largest.step)
    return Helped(
        change.what,
        change.typed,
        largest.largest_batch,
        largest.largest_batch * times,
        largest.largest_batch * times - fit.largest_batch * now,
        batch,
        here.fits,
        here.taken_bytes,
        taken_before - here.taken_bytes,
        flops,
        flops - flops_of(fit.step),
        here.here.is_at_least,
    )


@dataclass(frozen=True, repr=False)
class Advised(Displayed):
    """An answer with a hint: options to type → the images a step with them, the most first."""

    fit: Fit
    would_help: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        return {**self.fit.to_dict(), "would_help": dict(self.would_help)}


def advised(question: Question, fit: Fit) -> Advised:
    """An answer, and what the options gain that leave network, images and loop as they are.

    The figures are those that :func:`what_if` has. A traced network would have to be traced again, and a
    large one takes long: of those nothing is said.

    >>> from vgg_profile import memory, walk
    >>> asked = Question(walk("D"), memory("8GiB"), Setup(optimizer="adam", processor="avx512", threads=2))
    >>> advised(asked, asked.answer()).would_help
    {'--amp bfloat16': 120, '--optimizer sgd': 89, '--checkpoint blocks': 86}
    """
    profile, times = fit.step.profile, fit.step.setup.accumulate
    if profile.is_traced or len(profile.module_rows) > FEW_LAYERS:
        return Advised(fit, {})
    options = {each.options[0]: each for each in changes(question, fit)}  # the last optimizer is the lightest
    found = {}
    for each in (options[name] for name in SAME_RESULT if name in options):
        with suppress(InputError):
            there = each.question().answer()
            is_known = there.run is not None or not there.here.is_at_least
            if is_known and there.largest_batch > fit.largest_batch:
                found[each.typed] = there.largest_batch * times
    return Advised(fit, dict(sorted(found.items(), key=lambda each: -each[1])))


def flops_of(step: Step) -> int:
    """An image's FLOPs: forward and backward, and what checkpointing runs again."""
    return (sum(step.flops.values()) + sum(step.recomputed_flops.values())) // step.profile.batch


def changes(question: Question, fit: Fit) -> Iterator[Alternative]:
    """What may help a step, as it is: nothing that it does already, nothing that no loop does."""
    setup, profile = fit.step.setup, fit.step.profile
    habit = Setup().on(profile.device).foreach
    as_traced = replace(setup, foreach=None) if setup.foreach == habit else setup

    def again(inputs: Sequence[str] | None = None, **changed: Any) -> str:
        there = replace(as_traced, **changed).on(profile.device)
        network = profile.config
        if not isinstance(network, TracedNetwork):
            return ""
        return network.to_trace(replace(profile.setting, setup=there), inputs=inputs)

    def of_setup(what: str, **changed: Any) -> Alternative:
        there = replace(question.setup, **changed)
        return Alternative(
            what,
            tuple(there.options(question.setup)),
            lambda: replace(question, setup=there),
            again(**changed),
        )

    if setup.has_backward and setup.checkpoint == "none" and not profile.is_traced:
        yield of_setup("each block run again in backward", checkpoint="blocks")
    if setup.amp == "none" and profile.dtype == "float32":
        yield of_setup("autocast to bfloat16", amp="bfloat16")
    for lighter in LIGHTER.get(setup.optimizer, ()):
        yield of_setup(f"{lighter} instead of {setup.optimizer}", optimizer=lighter)
    if setup.optimizer != "none" and setup.foreach:
        yield of_setup("one parameter stepped after the other", foreach=False)
    if setup.optimizer != "none" and not setup.fused and not question.setup.foreach:
        yield of_setup("stepped in one kernel", fused=True)
    if question.look is not None and (smaller := _smaller(_inputs(profile))):
        what, typed = smaller
        yield Alternative(what, typed, partial(_looked, question, typed[1]), again(inputs=typed[1:]))
    if setup.has_backward and setup.accumulate == 1 and fit.batch > 1:
        times = 2 if fit.fits or question.is_carried else _micro_batches(question, fit.batch)
        yield of_setup(f"{times:,} micro-batches a step", accumulate=times)
    parts = dict.fromkeys(row.module.partition(".")[0] for row in profile.module_rows if row.parameters)
    *others, last = [part for part in parts if part] or [""]
    if others and setup.has_backward and not setup.freeze:
        yield of_setup(f"{last} trained alone", freeze=tuple(others))
    if profile.device == "cuda" and not question.expandable:
        yield Alternative(
            "expandable segments",
            ("--expandable-segments",),
            lambda: replace(question, expandable=True),
        )


def _micro_batches(question: Question, batch: int) -> int:
    """The fewest with which a batch fits; how large one may be does not depend on how many there are."""
    each = replace(question, setup=replace(question.setup, accumulate=2)).answer().largest_batch
    return max(2, -(-batch // max(1, each)))


def _looked(question: Question, given: str) -> Question:
    """The same at another input."""
    assert question.look is not None
    return replace(question, profile=question.look((given,)), look=None)


def _inputs(profile: Profile) -> tuple[Input, ...]:
    """What a network is given; a VGG, one image."""
    network = profile.config
    return network.inputs if isinstance(network, TracedNetwork) else (Input(profile.input),)


def _smaller(inputs: tuple[Input, ...]) -> tuple[str, tuple[str, str]] | None:
    """The next smaller image, or half the sequence, of a network that takes one input; as options, too."""
    match [each for each in inputs if each.shape]:
        case [Input(shape=(channels, *sides), dtype=None) as only] if len(sides) == 2:
            shape = (channels, *((side - 1) // SIDE * SIDE for side in sides))
            what = f"images of {units.shape(shape[1:])}"
        case [Input(shape=(length,), dtype=str()) as only]:
            shape = (length // 2,)
            what = f"sequences of {shape[0]:,}"
        case _:
            return None
    return (what, ("--input", replace(only, shape=shape).label)) if all(shape) else None
