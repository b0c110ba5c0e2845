"""The live page in a real browser: its numbers are Python's, and one wrong byte is noticed."""

from __future__ import annotations

import gzip
import json
import random
import re
from base64 import b64decode, b64encode

import pytest
from paging import NAMES, START, differences, expected

from vgg_profile import walk
from vgg_profile.ask.compare import Comparison
from vgg_profile.ask.report import Report
from vgg_profile.core import units
from vgg_profile.core.setting import Setup
from vgg_profile.predict.vgg.step import tensors_alone
from vgg_profile.render import live_page as to_live_page


def grid(count):
    """Settings at random, the same each time, and each value of each control among them."""
    chance = random.Random(5)
    values = {
        "network": NAMES,
        "batch": ("1", "2", "7", "64", "1000", "100000"),
        "dtype": ("float32", "bfloat16", "float16"),
        "optimizer": ("none", "sgd", "momentum", "adam", "adamw"),
        "size": ("64×64", "96×96", "224×224", "384×384", "512×512"),
        "norm": ("false", "true"),
        "checkpoint": ("none", "blocks"),
        "device": ("cpu", "cuda"),
        "memory": ("", "0.5", "1.125", "8", "23.75", "999999"),
        "card": ("", "", "RTX 4090", "H200"),
        "unit": ("bytes", "MiB", "GiB"),
    }
    return [START | {name: chance.choice(options) for name, options in values.items()} for _ in range(count)]


def test_the_grid_holds_each_value_of_each_control():
    settings = grid(60)
    assert {each["network"] for each in settings} == set(NAMES)
    assert {each["optimizer"] for each in settings} == {"none", "sgd", "momentum", "adam", "adamw"}
    assert {each["checkpoint"] for each in settings} == {"none", "blocks"}
    assert {len({each[name] for each in settings}) for name in ("dtype", "card", "unit")} == {3}


def test_the_pages_numbers_are_pythons(fresh):
    for setting in grid(60):
        assert not differences(fresh.show(**setting), expected(setting)), setting
    assert not fresh.complaints
    assert not fresh.asked_elsewhere


def test_the_page_begins_at_the_reports_own_setting(other, quick):
    profile = walk("64,M,128,M", input="48x80", batch=12, dtype="float64", batch_norm=True)
    setup = Setup(optimizer="momentum")
    other.open(to_live_page(Report(Comparison((profile,), setup), "vgg-profile report …")))
    other.page.locator("#layers tbody tr").first.wait_for()
    step = tensors_alone(profile, setup)
    assert other.text("#peak strong") == units.mebibytes(step.peak.peak)
    said = "64,M,128,M with batch norm, input 48×80, batch 12, float64; train, momentum; by the rules of"
    assert other.text("#setting").startswith(said)
    assert other.text("#whose") == "Live, at the report’s own setting:"
    other.page.get_by_label("batch", exact=True).fill("8")
    assert other.text("#whose") == "Live, at a setting of your own:"
    assert "Fixed, at its own setting: input 48×80, batch 12, float64; train, momentum;" in other.text(
        "#live"
    )


FIXED = {
    "checkpoint blocks": Setup(checkpoint="blocks"),
    "autocast to bfloat16": Setup(amp="bfloat16", optimizer="adam"),
    "eval, no optimizer": Setup(mode="eval"),
    "inference, no optimizer": Setup(mode="inference"),
    "train, adam, foreach, first step": Setup(optimizer="adam", foreach=True, first_step=True),
    "without oneDNN": Setup(onednn=False),
}


@pytest.mark.parametrize("words", FIXED)
def test_what_no_control_changes_is_said_and_every_view_agrees(other, quick, words):
    setup = FIXED[words]
    report = Report(Comparison((walk("8,8,M,16,M", input=64, batch=3),), setup), "vgg-profile report …")
    other.open(to_live_page(report)).page.locator("#layers tbody tr").first.wait_for()
    for optimizer, norm in ((setup.optimizer, "false"), (setup.optimizer, "true")):
        setting = START | {
            "network": "8,8,M,16,M",
            "batch": "5",
            "size": "64×64",
            "unit": "bytes",
            "optimizer": optimizer,
            "amp": setup.amp,
            "checkpoint": setup.checkpoint,
            "norm": norm,
        }
        shown = other.show(**setting)
        assert not differences(shown, expected(setting, setup))
        assert shown["figures"]["kept"][0] == f"{shown['total'][4]} bytes"
        assert words in shown["setting"]
    label = other.page.locator("#kept").locator("xpath=preceding-sibling::dt").text_content()
    assert label == ("saved for backward" if setup.has_backward else "left after forward")
    assert not other.complaints


def test_on_cuda_foreach_is_said_and_on_the_cpu_not(reader):
    assert "; train, adam, foreach; by" in reader.show(optimizer="adam", device="cuda")["setting"]
    assert "; train, adam; by" in reader.show(optimizer="adam")["setting"]


def test_the_legend_adds_up_to_the_peak(reader):
    shown = reader.show(batch="8", optimizer="adam", norm="true", unit="bytes")
    sizes = [int(size.replace(",", "")) for size in shown["legend"].values()]
    assert f"peak {sum(sizes):,} bytes" == shown["peak"]


def repacked(html, change):
    """The page with other data."""
    packed = re.search(r'id="data">([^<]+)<', html)[1]
    data = json.loads(gzip.decompress(b64decode(packed)))
    change(data)
    return html.replace(packed, b64encode(gzip.compress(json.dumps(data).encode())).decode())


def test_one_wrong_value_is_noticed(other, html):
    def corrupt(data):
        data["nets"][0][0][0][1] += 1

    setting = START | {"unit": "bytes"}
    other.open(repacked(html, lambda data: None)).page.locator("#layers tbody tr").first.wait_for()
    assert not differences(other.show(**setting), expected(setting))
    other.open(repacked(html, corrupt)).page.locator("#layers tbody tr").first.wait_for()
    assert differences(other.show(**setting), expected(setting)) == [
        "figures",
        "rows",
        "total",
        "moments",
        "peak",
    ]
