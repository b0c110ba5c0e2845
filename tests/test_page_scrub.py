"""The live page's walk through the step: what is live at each event, and a real step laid over it."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from paging import START
from test_page_numbers import repacked

from vgg_profile import walk
from vgg_profile.ask.compare import Comparison
from vgg_profile.ask.report import Report
from vgg_profile.core.setting import Setup
from vgg_profile.measure.reading import load
from vgg_profile.predict.vgg.step import tensors_alone
from vgg_profile.render import live_page as to_live_page

RECORDS = Path(__file__).parent.parent / "reports" / "measured"

AT_EACH_EVENT = """() => {
    // a block is what a pointer in its middle is told
    const slider = document.getElementById("event");
    const text = (id) => document.getElementById(id).textContent;
    return Array.from({ length: Number(slider.max) + 1 }, (_, event) => {
        slider.value = event;
        slider.dispatchEvent(new Event("input", { bubbles: true }));
        return {
            where: text("where"),
            happens: text("happens"),
            blocks: [...document.querySelectorAll("#blocks path")].flatMap((path) => path.getAttribute("d")
                .split("z").slice(0, -1).map((block) => [path, ...block.match(/[0-9.e-]+/g).map(Number)]))
                .sort(([, left, up], [, right, down]) => left - right || up - down)
                .map(([path, left, top, width, height]) => {
                    const { x, y } = new DOMPoint(left + width / 2, top + height / 2)
                        .matrixTransform(path.getScreenCTM());
                    const there = { bubbles: true, clientX: x, clientY: y };
                    path.dispatchEvent(new PointerEvent("pointermove", there));
                    return [text("block"), path.getAttribute("class"), width, height];
                }),
        };
    });
}"""


def named(storage):
    return storage.what if storage.layer == "loss" else f"{storage.what} of {storage.layer}"


def live_at_each_event(step):
    """Before each event frees: what is live, in the order of birth; from the events themselves."""
    live = []
    for event in step.events:
        live += event.allocated
        yield event, list(live)
        live = [storage for storage in live if storage not in event.freed]


def departures(shown, step, batch):
    """The events at which a page shows something else than Python has."""
    found = []
    for number, (seen, (event, live)) in enumerate(zip(shown, live_at_each_event(step), strict=True)):
        sizes = {named(storage): storage.size.at(batch) for storage in live}
        total = sum(storage.size.at(batch) for storage in live)
        peak = step.peak_bytes(batch)
        wanted = [
            f"{named(storage)}: {storage.size.at(batch):,} bytes"
            for storage in live
            if storage.size.at(batch) >= peak / 5000  # smaller ones may be less than a pixel
        ]
        titles = [title.partition(" =")[0] for title, *_ in seen["blocks"]]
        is_right = (
            seen["where"].endswith(f": {total:,} bytes")
            and seen["happens"].startswith(event.op)
            and [title for title in titles if title in wanted] == wanted
            and {title.partition(":")[0] for title in titles} <= set(sizes)
        )
        if not is_right:
            found.append(number)
    return found


def test_every_event_shows_what_python_has(fresh):
    fresh.show(network="B", batch="3", optimizer="adam", norm="true", unit="bytes")
    step = tensors_alone(walk("B", batch=3, batch_norm=True), Setup(optimizer="adam"))
    shown = fresh.page.evaluate(AT_EACH_EVENT)
    assert len(shown) > 250
    assert not departures(shown, step, 3)
    assert not fresh.complaints


def test_another_network_is_noticed(other, html):
    def corrupt(data):
        data["nets"][0][0][2:3] = [["conv", 129, 3]]

    other.open(repacked(html, corrupt)).page.locator("#layers tbody tr").first.wait_for()
    other.show(unit="bytes")
    assert departures(other.page.evaluate(AT_EACH_EVENT), tensors_alone(walk("A")), 1)


def test_a_blocks_area_is_its_bytes(reader):
    reader.show(network="D", batch="16", unit="bytes")
    chance = random.Random(1)
    for seen in chance.sample(reader.page.evaluate(AT_EACH_EVENT), 20):
        measured = [
            (int(re.search(r": ([\d,]+) bytes", title)[1].replace(",", "")), width * height)
            for title, _, width, height in seen["blocks"]
        ]
        scale = sum(area for _, area in measured) / sum(size for size, _ in measured)
        assert all(area == pytest.approx(size * scale) for size, area in measured)


FOLLOWED = """(before) => document.querySelector("#blocks path").getAttribute("d") !== before
    && document.getElementById("blocks").getAttribute("aria-label").endsWith(
        `of the peak’s ${document.querySelector("#peak strong").textContent}`)"""


@pytest.mark.parametrize("height", [300, 2000])
def test_blocks_follow_an_edit_seen_or_not(fresh, height):
    """Beyond the window's edge they are drawn after the frame of the edit, and are there when one looks."""
    fresh.page.set_viewport_size({"width": 1400, "height": height})
    box = fresh.page.locator("#blocks").bounding_box()
    assert (box["y"] > height) is (height == 300)
    for setting in ({"batch": "8"}, {"network": "D"}, {"optimizer": "adam"}):
        before = fresh.page.locator("#blocks path").first.get_attribute("d")
        fresh.show(**setting)
        fresh.page.wait_for_function(FOLLOWED, arg=before)
    assert not fresh.complaints


def test_the_peak_is_found_and_the_keyboard_walks(fresh):
    page = fresh.page
    slider = page.get_by_label("Event of the step")
    assert fresh.text("#where").startswith("At the peak, in backward of ")
    peak = int(slider.input_value())
    slider.focus()
    page.keyboard.press("Home")
    assert fresh.text("#where").startswith("Now, in load: ")
    page.keyboard.press("ArrowRight")
    assert (slider.input_value(), fresh.text("#count").split()[0]) == ("1", "2")
    assert "Event 2 of" in slider.get_attribute("aria-valuetext")
    page.get_by_role("button", name="One event on").click()
    page.get_by_role("button", name="One event back").click()
    assert slider.input_value() == "1"
    page.get_by_role("button", name="Peak").click()
    assert int(slider.input_value()) == peak
    assert fresh.text("#where").startswith("At the peak, in backward of ")


def test_play_walks_on_until_it_is_paused_or_ends(fresh):
    page, now = fresh.page, lambda: int(fresh.page.get_by_label("Event of the step").input_value())
    page.get_by_role("button", name="▶ Play").click()
    fresh.wait_until("Number(document.getElementById('event').value) > 3")
    page.get_by_role("button", name="Pause").click()
    stopped = now()
    page.wait_for_timeout(300)
    assert now() == stopped
    page.get_by_label("Event of the step").press("End")
    page.get_by_role("button", name="One event back").click()
    page.get_by_role("button", name="▶ Play").click()
    fresh.wait_until("document.getElementById('play').textContent.includes('Play')")
    assert now() == int(page.get_by_label("Event of the step").get_attribute("max"))


def test_a_click_on_the_chart_goes_there(fresh):
    box = fresh.page.locator("#chart").bounding_box()
    fresh.page.mouse.click(box["x"] + box["width"] / 3, box["y"] + box["height"] / 2)
    fresh.page.mouse.move(0, 0)
    assert fresh.text("#where").startswith("Now, in forward of ")


def test_the_chart_says_what_a_click_does_and_names_the_parts(fresh):
    fresh.show(network="D", optimizer="adam")
    assert "click the chart" in fresh.text("#step figcaption")
    assert fresh.page.locator("#chart").evaluate("(each) => getComputedStyle(each).cursor") == "crosshair"
    names = fresh.page.locator("#chart text").all_text_contents()
    assert {"load", "forward", "loss", "backward", "step"} <= set(names)
    fresh.page.locator("#chart").focus()
    for key in ("Home", "Enter", "Tab"):
        fresh.page.keyboard.press(key)
    assert fresh.text("#where").startswith("Now, in load")


def test_no_two_names_in_the_chart_overlap(fresh):
    for size in (320, 768, 1400):
        fresh.page.set_viewport_size({"width": size, "height": 900})
        for norm in ("false", "true"):
            fresh.show(network="E", norm=norm, checkpoint="block", optimizer="adam")
            boxes = fresh.page.locator("#chart text:not(.peak)").evaluate_all(
                "(all) => all.map((each) => each.getBoundingClientRect().toJSON())"
            )
            for number, box in enumerate(boxes):
                assert not [
                    other
                    for other in boxes[:number]
                    if max(box["left"], other["left"]) < min(box["right"], other["right"])
                    if max(box["top"], other["top"]) < min(box["bottom"], other["bottom"])
                ]


def test_a_real_step_is_laid_over_its_own_setting_alone(other, quick):
    record = load(RECORDS / "D-adam-cpu.json")
    setting = record.setting
    profile = walk("D", batch=setting.batch)
    comparison = Comparison((profile,), setting.setup, measured={"D-adam-cpu.json": record})
    other.open(to_live_page(Report(comparison, "vgg-profile report D"))).page.locator(
        "#layers tbody tr"
    ).first.wait_for()
    own = START | {"network": "D", "batch": str(setting.batch), "optimizer": "adam", "unit": "bytes"}
    other.show(**own)
    assert other.page.locator("#chart .measured").count() == len(record.timeline)
    step = tensors_alone(profile, setting.setup)
    shown = other.page.evaluate(AT_EACH_EVENT)
    seen = [part.event for part in step.marks]
    starts = [event for event in seen if seen.count(event) == 1]
    for part, read in zip(step.marks, record.timeline, strict=True):
        if part.phase != "load" and part.event in starts:
            said = f"A real step had {read.live:,} bytes at the end of this part, {read.peak:,} bytes at most"
            assert said in shown[part.event]["happens"]
    other.show(**own | {"batch": "3"})
    assert other.page.locator("#chart .measured").count() == 0
    assert "real step" not in other.text("#happens")
    assert not other.complaints


def test_a_traced_network_is_walked_through_and_not_built(other, quick):
    import torch
    from torch import nn

    from vgg_profile import trace
    from vgg_profile.core.step import as_traced

    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 5))
    step = trace(model, "3x8x8", setup=Setup(optimizer="sgd"), probe=False, batch=2)
    report = Report(Comparison((as_traced(step),), step.setup), "vgg-profile report net.py:Net")
    other.open(to_live_page(report)).page.locator("#layers tbody tr").first.wait_for()
    assert not other.page.locator("#build").is_visible()
    other.page.get_by_role("radio", name="bytes").check(force=True)
    assert not departures(other.page.evaluate(AT_EACH_EVENT), step, 2)
    other.page.locator("#layers tbody tr").nth(1).click()
    assert other.page.locator("#look").is_visible()
    assert not other.page.locator("#sliding").is_visible()
    assert other.page.locator("#tensors tbody tr").count() >= 4
    assert not other.complaints
