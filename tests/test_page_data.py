"""What the live page is given, without a browser."""

from __future__ import annotations

import json
from itertools import product

import pytest

from vgg_profile import walk
from vgg_profile.ask.compare import Comparison
from vgg_profile.ask.page_data import page_data
from vgg_profile.ask.page_step import built, smallest, witness
from vgg_profile.ask.report import Report
from vgg_profile.core import fold
from vgg_profile.core.errors import InputError
from vgg_profile.core.events import Category
from vgg_profile.core.setting import Setup
from vgg_profile.predict.vgg.step import tensors_alone
from vgg_profile.render import live_page as to_live_page

# -- the data, without a browser


def figures_of(data, network=0, **choices):
    """What the page works out of its data, by the function that it runs itself."""
    start = data["setting"] | choices
    layers, classifier, classes, channels, _, pool = data["nets"][network]
    plane = [int(side) for side in start["size"].split("×")]
    figures = built(
        *(layers, classifier, classes, channels, json.loads(start["norm"]), pool, plane),
        *(start["dtype"], start["device"], data["setup"]),
        *(start["optimizer"], start["amp"], start["checkpoint"]),
    )
    return json.loads(json.dumps(figures))


def played(figures, batch):
    """The parts of a setting's step, as the page finds them: live bytes after each, and the most within."""
    marks, events, categories = (figures["tape"][name] for name in ("marks", "events", "categories"))
    sizes = fold.at_batch(figures["fixed"], figures["per_image"], batch)
    rows = fold.levels(events, categories, sizes, len(Category))
    parts = fold.parts(rows, [first for *_, first in marks])
    most = [fold.live_bytes(fold.highest(part)) for part in parts]
    assert most[fold.peak_part(parts)] == max(fixed + each * batch for fixed, each in figures["lines"])
    for (phase, layer, *_), part, peak in zip(marks, parts, most, strict=True):
        yield phase, layer, fold.live_bytes(part[-1]), peak


@pytest.mark.parametrize(
    ("source", "setting", "setup"),
    [
        ("64,M,LRN,128,M", {"input": 64}, Setup(optimizer="adam", first_step=True)),
        ("64,M,128,M", {"input": "48x80", "dtype": "float64"}, Setup(optimizer="momentum")),
        ("64,M,128,M", {"input": 64, "batch_norm": True}, Setup(amp="bfloat16", checkpoint="blocks")),
        ("64,M,128,M", {"input": 64, "device": "cuda"}, Setup(mode="inference")),
        ("64,M,128,M", {"input": 64}, Setup(mode="eval", onednn=False, freeze=("features.0",))),
    ],
)
def test_the_tapes_of_a_page_are_the_ledgers(source, setting, setup):
    profile = walk(source, **setting)
    data = json.loads(json.dumps(page_data(Comparison((profile,), setup))))
    figures = figures_of(data)
    for batch in (1, 3, 1000):
        moments = tensors_alone(profile.at(batch), setup).moments
        assert list(played(figures, batch)) == [tuple(each)[:4] for each in moments]
    assert data["setting"]["dtype"] in data["itemsizes"]


def test_a_page_offers_only_what_can_be():
    def offered(**setup):
        return page_data(Comparison((walk("64,M", input=64),), Setup(**setup)))

    assert offered(mode="inference")["optimizers"] == ("none",)
    assert offered(mode="inference")["checkpoints"] == ("none",)
    assert list(offered(onednn=False)["reserves"]) == ["cpu"]
    assert smallest([["pool"], ["conv", 8, 3], ["pool"]]) == 4


def test_both_norms_of_a_network_are_one_entry():
    data = page_data(Comparison((walk("64,M", batch_norm=True), walk("64,M"))))
    assert data["networks"] == ["64,M"]
    assert data["setting"]["norm"] == "true"


def test_whose_rules_a_card_confirmed_is_what_python_says():
    data = page_data(Comparison((walk("D"),)))
    for dtype, optimizer, amp, checkpoint in product(
        ("float32", "bfloat16"), ("none", "adam"), ("none", "bfloat16"), ("none", "blocks")
    ):
        if amp == "none" or dtype == "float32":
            for source in ("D", "D-BN", "8,M,GAP"):
                profile = walk(source, dtype=dtype, device="cuda")
                setup = Setup(optimizer=optimizer, amp=amp, checkpoint=checkpoint)
                known = data["verified"].get(",".join((dtype, optimizer, amp, checkpoint)), [])
                seen = data["witnesses"][witness(list(profile.kinds), known)]
                assert seen == tensors_alone(profile, setup).profile.verified


def test_numbers_stay_exact_in_a_script():
    huge = walk("64,M", input=60_000)
    data = page_data(Comparison((huge,)))
    assert 1 < data["most_images"] < 100_000
    assert max(peak for *_, peak in played(figures_of(data), data["most_images"])) < 2**53
    with pytest.raises(InputError, match="too many for a page's script"):
        page_data(Comparison((huge.at(10**9),)))


def test_networks_too_large_for_live_figures_have_their_report(monkeypatch, quick, html):
    monkeypatch.setattr("vgg_profile.ask.page_data.MOST_MODULES", 5)
    page = to_live_page(Report(Comparison((walk("8,M", input=64),)), "vgg-profile report 8,M"))
    assert "up to 5 modules" in page
    assert "<script" not in page
    assert "<script" in html


def test_how_far_a_page_is_can_be_shown(quick):
    shown = {}

    def progress(items, length, label):
        for number, item in enumerate(items, start=1):
            yield item
            shown[label] = (number, length)

    report = Report(Comparison((walk("8,M", input=64),)), "vgg-profile report 8,M")
    assert to_live_page(report, progress) == to_live_page(report)
    assert list(shown) == ["Drawing"]
    assert all(done == length > 1 for done, length in shown.values())
