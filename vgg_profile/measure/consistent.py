"""Whether a measurement says what one that was made can say, beyond the form of each field.

Nothing here knows what was predicted; ``check`` holds the figures themselves against the step.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from itertools import pairwise

from vgg_profile.core.errors import excerpt
from vgg_profile.core.events import Phase
from vgg_profile.core.validate import MisfitError
from vgg_profile.measure.record import EVERYTHING_ELSE, Measurement, Reading
from vgg_profile.measure.vocabulary import (
    ENVIRONMENT,
    RATE,
    SECONDS,
    TIMED,
    TIMES,
    TOUCH_RATE,
    pages_of,
    quantities,
    time_of,
)


def check_consistent(measurement: Measurement) -> None:
    """Refuse what no measurement writes: raises :class:`MisfitError`.

    Every reading is one that is known, taken once, in its unit and by its method; what is missing of the
    times is named as skipped; no part of the step has less within it than at its ends.
    """
    for look in (
        _input,
        _setup,
        _readings,
        _environment,
        _skipped,
        _times,
        _pages,
        _spreads,
        _clock,
        _speed,
        _moments,
    ):
        for problem in look(measurement):
            raise MisfitError(problem)


def _input(measurement: Measurement) -> Iterator[str]:
    """A VGG is given images, (C, H, W); any other network says itself what it is given."""
    config = measurement.subject["config"] or {}
    shape = measurement.subject["input"]
    if config and "inputs" not in config and len(shape) != 3:
        yield f"its input has {len(shape)} sizes, and an image has 3"


def _setup(measurement: Measurement) -> Iterator[str]:
    """Where no optimizer steps, every other word on how it would is a word that nothing could confirm."""
    setting = measurement.setting
    if setting.setup.measured_on(setting.device) != setting.setup:
        yield "it says how an optimizer steps, and none does"


_KINDS: dict[str, type] = {SECONDS: float, "FLOP/s": float, "pages/s": float, "values": list}
"""Unit → what a number in it is; else a whole one."""


def _readings(measurement: Measurement) -> Iterator[str]:
    known = quantities(measurement.setting.device)
    for reading in measurement.readings:
        quantity = known.get(reading.quantity)
        if quantity is None:
            yield f"nothing called {excerpt(reading.quantity)} is measured on {measurement.setting.device}"
            continue
        kind = _KINDS.get(quantity.unit, int)
        if not (quantity.is_of_layers if reading.layer else quantity.is_whole):
            whose = "of a layer" if reading.layer else "of the whole network"
            yield f"{_name(reading)} is not measured {whose}"
        elif reading.unit != quantity.unit:
            yield f"{_name(reading)} is in {excerpt(reading.unit)}, not in {quantity.unit}"
        elif type(reading.value) is not kind or (isinstance(reading.value, int) and reading.value < 0):
            yield f"{_name(reading)} is {excerpt(reading.value)} {reading.unit}"
        elif not re.fullmatch(quantity.method, reading.method):
            yield f"{_name(reading)} is not measured by {excerpt(reading.method, 120)}"
    names = Counter(map(_name, measurement.readings))
    yield from (f"{name}, {times} times" for name, times in names.items() if times > 1)


def _name(reading: Reading) -> str:
    return excerpt(" of ".join(filter(None, (reading.quantity, reading.layer))))


def _environment(measurement: Measurement) -> Iterator[str]:
    environment = measurement.environment
    if environment.keys() != ENVIRONMENT.keys():
        odd = sorted(environment.keys() ^ ENVIRONMENT.keys())
        yield f"of its environment, {_listed(odd)} is missing or unknown"
    for key, pattern in ENVIRONMENT.items():
        if key in environment and not re.fullmatch(pattern, environment[key]):
            yield f"its environment's {key} is {excerpt(environment[key])}"


def _skipped(measurement: Measurement) -> Iterator[str]:
    known = {*quantities(measurement.setting.device), TIMES, EVERYTHING_ELSE}
    read = {reading.quantity for reading in measurement.readings}
    if any(reading.unit == SECONDS for reading in measurement.readings):
        read.add(TIMES)
    for name in measurement.skipped:
        if name not in known:
            yield f"{excerpt(name)} is skipped, and nothing is called so"
        elif name in read:
            yield f"{name} is skipped, and read"


def _times(measurement: Measurement) -> Iterator[str]:
    """All times or none; a layer takes no longer in a phase than the phase does."""
    read = {
        (each.quantity, each.layer): each
        for each in measurement.readings
        if each.unit == SECONDS or each.quantity == RATE
    }
    wanted = set() if TIMES in measurement.skipped else {(RATE, ""), *_parts(measurement, time_of)}
    yield from _all_of(read, wanted, measurement)
    if len({each.method for each in read.values() if each.unit == SECONDS}) > 1:
        yield "its times are medians of different numbers of passes"
    for (quantity, layer), reading in read.items():
        if layer and (whole := read.get((quantity, ""))) and _seconds(reading) > _seconds(whole):
            yield f"{_name(reading)} is longer than all of {quantity}"


def _pages(measurement: Measurement) -> Iterator[str]:
    """Fresh pages of all parts that are timed, or of none: not every system counts them."""
    read = {
        (each.quantity, each.layer): each
        for each in measurement.readings
        if each.unit == "pages" or each.quantity == TOUCH_RATE
    }
    if read:
        skips = TIMES in measurement.skipped
        wanted = set() if skips else {(TOUCH_RATE, ""), *_parts(measurement, pages_of)}
        yield from _all_of(read, wanted, measurement)


def _parts(measurement: Measurement, quantity: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    """The readings that there are of a quantity where every part of the step that a clock reads has one."""
    for part in measurement.timeline:
        if part.phase in TIMED:
            yield from ((quantity(part.phase), layer) for layer in (part.layer or part.phase, ""))


def _all_of(
    read: Mapping[tuple[str, str], Reading], wanted: Set[tuple[str, str]], measurement: Measurement
) -> Iterator[str]:
    """What is read beside what there can be, and what of that is missing without a word."""
    too_many = [reading for key, reading in read.items() if key not in wanted]
    missing = [" of ".join(filter(None, key)) for key in sorted(wanted - read.keys())]
    if too_many:
        yield f"it has {_listed(map(_name, too_many))}, of no part of its step"
    if missing and EVERYTHING_ELSE not in measurement.skipped:
        yield f"{_listed(missing)} is missing, and not said to be skipped"


def _spreads(measurement: Measurement) -> Iterator[str]:
    """A median lies between the least and the most of its passes, and in each a layer is within its phase."""
    medians: list[Reading] = []
    for reading in measurement.readings:
        if reading.unit == SECONDS or reading.unit.endswith("/s"):
            medians.append(reading)
        elif reading.spread is not None:
            yield f"{_name(reading)} has a spread, and is the median of nothing"
    if len({each.spread is None for each in medians}) > 1:
        yield "of its medians some have a spread and others have none"
    for reading in medians:
        least, most = reading.spread or (_seconds(reading), _seconds(reading))
        if not least <= _seconds(reading) <= most:
            yield f"{_name(reading)} is {reading.value}, and is said to be from {least} to {most}"
        whole = measurement.get(reading.quantity)
        if reading.layer and whole and whole.spread and (least > whole.spread[0] or most > whole.spread[1]):
            yield f"{_name(reading)} is longer than all of {reading.quantity} in some pass"


def _clock(measurement: Measurement) -> Iterator[str]:
    """A clock counts whole nanoseconds, and a median is one of its times or the middle of two.

    Of older records a time is a sum of one float a part at most, and each addition rounds once.
    """
    roundings = len(measurement.timeline) + 2
    for reading in measurement.readings:
        for seconds in (_seconds(reading), *(reading.spread or ())) if reading.unit == SECONDS else ():
            halves = seconds * 2e9
            if abs(halves - round(halves)) > roundings * math.ulp(halves):
                yield f"{_name(reading)} is {seconds!r} s, and a clock counts whole nanoseconds"


MOST_FLOPS = 64
"""A core's FLOPs in a cycle, in float32: two units, 16 values each, a multiplication and an addition."""
MOST_HERTZ = 10**10
"""No processor has run so fast."""
FEWEST_MULTIPLICATIONS = 9
"""A 3×3 convolution needs no less than one in so many (Winograd 1980, Arithmetic Complexity)."""


def _speed(measurement: Measurement) -> Iterator[str]:
    """On a processor, in float32, a VGG's convolutions are no faster than any processor could be."""
    subject = measurement.subject
    if subject["device"] != "cpu" or subject["dtype"] != "float32" or subject["amp"] != "none":
        return
    if "layers" not in (subject["config"] or {}):
        return
    most = int(measurement.environment["threads"]) * MOST_FLOPS * MOST_HERTZ
    flops, seconds, rate = (measurement.get(each) for each in ("forward_flops", time_of(Phase.FORWARD), RATE))
    if rate and _seconds(rate) > most:
        yield f"{RATE} is {rate.value} FLOP/s, and no processor reaches {most:,}"
    if flops and seconds and int(str(flops.value)) > _seconds(seconds) * most * FEWEST_MULTIPLICATIONS:
        yield f"{_name(seconds)} is {seconds.value} s, and no processor is so fast"


def _seconds(reading: Reading) -> float:
    assert isinstance(reading.value, float)  # else it was refused
    return reading.value


def _moments(measurement: Measurement) -> Iterator[str]:
    for moment in measurement.timeline:
        if not 0 <= moment.live <= moment.peak:
            yield f"in {moment.place}, {moment.live:,} bytes are live at the end, and at most {moment.peak:,}"
    for before, moment in pairwise(measurement.timeline):
        if moment.peak < before.live:
            yield f"{moment.place} begins with {before.live:,} live bytes, and has at most {moment.peak:,}"


def _listed(names: Iterable[str], most: int = 3) -> str:
    """The first names, printable, and how many more there are."""
    found = [name if name.isprintable() else excerpt(name) for name in names]
    return ", ".join(found[:most]) + (f" and {len(found) - most} more" if len(found) > most else "")
