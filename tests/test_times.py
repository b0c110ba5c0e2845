"""Times: the median and the spread of several passes, and what of them is the first touch of fresh memory."""

from __future__ import annotations

import json
import mmap
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count, cycle
from pathlib import Path
from typing import Any

import pytest
import torch

from vgg_profile.core.errors import InputError
from vgg_profile.core.signed import sign
from vgg_profile.describe.tables import describe
from vgg_profile.measure import timing
from vgg_profile.measure.consistent import check_consistent
from vgg_profile.measure.reading import load
from vgg_profile.measure.record import Measurement, Reading, dumps
from vgg_profile.measure.run import measure
from vgg_profile.measure.timing import Now
from vgg_profile.measure.vocabulary import TOUCH_RATE, pages_of, time_of
from vgg_profile.predict.vgg.configs import from_dict
from vgg_profile.render import render

NET = from_dict(
    {"name": "wide", "layers": [4, "M"], "classifier": [4096, 4096], "classes": 10, "pool": "none"}
)
OLD = Path(__file__).parent.parent / "reports" / "measured" / "D-adam-cpu.json"
HUGE = Path("/sys/kernel/mm/transparent_hugepage/enabled")


@pytest.fixture(scope="module")
def timed() -> Measurement:
    return measure(NET, input=8, repeats=4)


@pytest.fixture(scope="module")
def on_disk(timed: Measurement, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("times") / "record.json"
    path.write_text(dumps(timed), encoding="utf-8")
    return path


def medians(measurement: Measurement) -> list[Reading]:
    return [each for each in measurement.readings if each.unit == "s" or each.unit.endswith("/s")]


def test_each_median_lies_between_the_least_and_the_most_of_its_passes(timed: Measurement) -> None:
    assert len(medians(timed)) > 10
    for reading in medians(timed):
        assert reading.spread is not None
        assert isinstance(reading.value, float)
        assert reading.spread[0] <= reading.value <= reading.spread[1]
    assert any(each.spread and each.spread[0] < each.spread[1] for each in medians(timed))


def test_a_record_with_spreads_is_read_as_it_was_written(timed: Measurement, on_disk: Path) -> None:
    assert load(on_disk).readings == timed.readings
    assert dumps(load(on_disk)) == on_disk.read_text(encoding="utf-8")


def test_a_record_from_before_there_were_spreads_is_read_and_has_none() -> None:
    old = load(OLD)
    assert {reading.spread for reading in old.readings} == {None}
    assert "spread" not in dumps(old)
    row = dict(zip((column.key for column in describe(old).columns), describe(old).rows[0], strict=True))
    assert (row["forward_least_us"], row["fresh_pages"]) == (None, None)
    assert row["forward_us"] > 0


@pytest.mark.skipif(sys.platform != "linux", reason="pages are counted so on Linux")
@pytest.mark.skipif(
    HUGE.exists() and "[always]" in HUGE.read_text(), reason="the system hands out pages of 2 MiB here"
)
def test_a_gradient_that_malloc_maps_anew_is_fresh_in_every_pass(tmp_path: Path) -> None:
    """64 MiB are touched for the first time again, in a process whose malloc has kept nothing so large."""
    net, record = tmp_path / "net.json", tmp_path / "record.json"
    net.write_text(json.dumps(NET.to_dict()), encoding="utf-8")
    words = ["measure", net, "--input", "8", "--device", "cpu", "--repeats", "3", "-o", record]
    subprocess.run([sys.executable, "-m", "vgg_profile", *map(str, words)], check=True, capture_output=True)
    pages = load(record).layers(pages_of("backward"))
    most = max(pages, key=lambda layer: int(str(pages[layer].value)))
    assert most == "fc3"
    assert int(str(pages[most].value)) >= 4096 * 4096 * 4 // mmap.PAGESIZE
    assert int(str(pages["relu3"].value)) == 0


def test_the_table_says_the_spread_and_the_yardsticks(timed: Measurement) -> None:
    table = describe(timed)
    keys = [column.key for column in table.columns]
    rows = [dict(zip(keys, row, strict=True)) for row in table.rows]
    total = dict(zip(keys, table.total or (), strict=True))
    for row in rows:
        assert row["forward_least_us"] <= row["forward_us"] <= row["forward_most_us"]
    for key in ("forward_us", "backward_us", "fresh_pages"):
        assert total[key] == sum(row[key] or 0 for row in rows)
    assert total["forward_least_us"] is None, "each layer's least may be of another pass"
    said = " ".join(table.footer)
    rate = timed.get(TOUCH_RATE)
    assert rate is not None
    assert rate.spread is not None
    assert f"{rate.value:,.0f} ({rate.spread[0]:,.0f} to {rate.spread[1]:,.0f}) a second" in said
    header = str(render(timed, "csv")).splitlines()[0]
    assert all(key in header for key in keys)


def test_seconds_pages_and_rates_are_those_of_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time that this clock is looked at, 2 s have passed, and 3 more pages were touched than before."""
    looks = count()
    monkeypatch.setattr(
        timing, "_now", lambda: Now(2 * 10**9 * (look := next(looks)), 3 * look * (look + 1) // 2)
    )
    clock = timing.Clock(torch.device("cpu"))
    for mark in ("forward", "backward", "end"):
        clock.mark(mark, "fc6")
    assert clock.by_part() == {("forward", "fc6"): Now(2 * 10**9, 3), ("backward", "fc6"): Now(2 * 10**9, 6)}
    assert [(each.quantity, each.value, each.spread) for each in timing.timings([clock]) if each.layer] == [
        ("forward_time", 2.0, (2.0, 2.0)),
        ("forward_fresh_pages", 3, None),
        ("backward_time", 2.0, (2.0, 2.0)),
        ("backward_fresh_pages", 6, None),
    ]
    assert timing.matrix_product_rate(torch.device("cpu"), torch.float32).value == 2 * 1024**3 / 2.0


def test_touching_is_what_the_first_fill_takes_beyond_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first fill: 3 s and 16,384 pages, the second: 1 s and none."""
    looks = cycle((Now(0, 0), Now(3 * 10**9, 16_384), Now(4 * 10**9, 16_384)))
    monkeypatch.setattr(timing, "_now", lambda: next(looks))
    touch = timing.first_touch_rate()
    assert (touch.value, touch.spread) == (8192.0, (8192.0, 8192.0))


def test_memory_that_malloc_kept_is_not_taken_for_fresh() -> None:
    """Freed blocks of up to 32 MiB go back to the heap, and together they could hold what is touched."""
    for _ in range(2):
        kept = [torch.ones(24 * 2**20, dtype=torch.uint8) for _ in range(9)]
        last = torch.ones(2**10, dtype=torch.uint8)
        del kept
    touch = timing.first_touch_rate()
    assert last.sum() == 2**10
    assert isinstance(touch.value, float)
    assert touch.value > 0


def test_a_record_in_which_nothing_was_touched_has_a_table_all_the_same(timed: Measurement) -> None:
    still = (each._replace(value=0.0) if each.quantity == TOUCH_RATE else each for each in timed.readings)
    assert "first touched" not in " ".join(describe(replace(timed, readings=tuple(still))).footer)
    assert "first touched" in " ".join(describe(timed).footer)


# -- what no clock says


def altered(path: Path, change: Callable[[Mapping[tuple[str, str], Any], list[Any]], None]) -> str:
    """What is said of a record in which something was changed, signed anew."""
    content = json.loads(path.read_text(encoding="utf-8"))
    by_name = {(each["quantity"], each["layer"]): each for each in content["readings"]}
    change(by_name, content["readings"])
    forged = path.with_name("forged.json")
    forged.write_text(json.dumps(sign(content)), encoding="utf-8")
    try:
        load(forged)
    except InputError as error:
        return str(error)
    return "read"


FORWARD, LAYER = (time_of("forward"), ""), (time_of("forward"), "conv1_1")
PAGES = (pages_of("backward"), "fc2")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda by, _: by[LAYER]["spread"].reverse(), "is said to be from"),
        (lambda by, _: by[LAYER].update(value=by[LAYER]["spread"][0] - 1e-9), "is said to be from"),
        (lambda by, _: by[LAYER].pop("spread"), "some have a spread and others have none"),
        (lambda by, _: by["parameters", ""].update(spread=[0.0, 1.0]), "is the median of nothing"),
        (lambda by, _: by[LAYER].update(spread=[0.0, by[FORWARD]["spread"][1] + 1.0]), "in some pass"),
        (lambda by, _: by[LAYER].update(spread=[0.0, 1.0, 2.0]), "length"),
        (lambda by, _: by[LAYER]["spread"].__setitem__(0, by[LAYER]["spread"][0] / 3e4), "nanoseconds"),
        (lambda by, all_: all_.remove(by[PAGES]), "backward_fresh_pages of fc2 is missing"),
        (lambda by, all_: all_.remove(by[TOUCH_RATE, ""]), "first_touch_rate is missing"),
        (lambda by, _: by[PAGES].update(value=-1), "backward_fresh_pages of fc2"),
        (lambda by, _: by[PAGES].update(layer="fc9"), "of no part of its step"),
    ],
)
def test_what_no_clock_says_is_refused(
    change: Callable[[Mapping[tuple[str, str], Any], list[Any]], None], said: str, on_disk: Path
) -> None:
    assert altered(on_disk, lambda by, all_: None) == "read"
    assert said in altered(on_disk, change)


class Compared(Reading):
    """A reading that says how often one was held against another."""

    times = 0

    def __eq__(self, other: object) -> bool:
        Compared.times += 1
        return super().__eq__(other)

    __hash__ = Reading.__hash__


def test_spreads_are_looked_at_once_each(timed: Measurement) -> None:
    """Of ten thousand layers there are 40,000 times: none is searched among the others."""
    readings = tuple(Compared(*each) for each in timed.readings)
    check_consistent(replace(timed, readings=readings))
    assert Compared.times == 0


def test_a_system_that_counts_no_pages_has_none_of_them(on_disk: Path) -> None:
    def without(_: Mapping[tuple[str, str], Any], readings: list[Any]) -> None:
        readings[:] = [each for each in readings if not each["unit"].startswith("pages")]

    assert altered(on_disk, without) == "read"
