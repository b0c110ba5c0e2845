"""What a record says to a question of what fits: whose kernels ran, or what they took on a card."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from vgg_profile.ask.fit import Reserve
from vgg_profile.ask.question import Question
from vgg_profile.check.crosscheck import remainders
from vgg_profile.check.subject import check_network, check_setting, setup_of
from vgg_profile.core.setting import Setup
from vgg_profile.measure.reading import load
from vgg_profile.measure.record import Measurement
from vgg_profile.predict.vgg.configs import Source


def as_measured(question: Question, path: Path) -> Question:
    """The same with what a record says: on the CPU its processor and threads, on a card its scratch."""
    profile, setup = question.profile, question.setup
    record = _record(setup.on(profile.device), list(profile.input), profile.dtype, profile.device, path)
    if profile.device != "cpu":
        return replace(question, scratch=tuple(_scratch(profile.config, record, path)))
    remainders(profile.config, record)  # raises where the record does not hold
    return replace(question, setup=setup.on_the_machine_of(setup_of(record)))


def _record(setup: Setup, input_: list[int], dtype: str, device: str, path: Path) -> Measurement:
    """A record, which must be of the same network and setup, at any batch and on any processor."""
    record = load(path)
    check_network(record)
    asked = {"input": input_, "dtype": dtype, "device": device, **setup.to_dict()}
    del asked["processor"], asked["threads"]
    check_setting(record, asked)
    return record


def _scratch(net: Source, record: Measurement, path: Path) -> Iterator[Reserve]:
    """What a record took beside its tensors on a card."""
    source = f"measured at batch {record.subject['batch']:,} by {path}"
    terms = remainders(net, record)
    for term in terms:
        yield Reserve(term.value, term.name, source)
    if not terms:
        yield Reserve(0, "scratch at the peak", source)
