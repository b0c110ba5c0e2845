"""The live page on any screen, on paper and without scripts; and it asks for nothing."""

from __future__ import annotations

import re
from io import BytesIO

import pytest
from paging import NAMES, Reader, page_of_four
from PIL import Image

from vgg_profile import walk
from vgg_profile.ask.compare import Comparison
from vgg_profile.ask.report import Report
from vgg_profile.predict.vgg.configs import config, from_dict
from vgg_profile.render import live_page as to_live_page

HOSTILE = "</script><b>=1+1</b>"
CLIPPED = """() => [...document.querySelectorAll(".scroll")]
    .filter((box) => box.scrollWidth > box.clientWidth + 1).map((box) => box.ariaLabel)"""


@pytest.fixture(scope="module")
def html():
    """The page with its pictures."""
    return page_of_four()


def test_on_a_phone_the_table_scrolls_and_the_page_does_not(fresh):
    fresh.page.set_viewport_size({"width": 390, "height": 844})
    fresh.show(unit="bytes", batch="1000", optimizer="adam", norm="true")
    assert fresh.page.evaluate("document.documentElement.scrollWidth") == 390
    assert "Layer by layer" in fresh.page.evaluate(CLIPPED)


@pytest.mark.parametrize("width", [320, 380, 700, 800, 1024, 1240, 1366, 1600, 1920, 2560, 3840])
def test_at_no_width_does_the_page_itself_scroll_sideways(reader, width):
    reader.page.emulate_media(media="screen")
    reader.page.set_viewport_size({"width": width, "height": 800})
    assert reader.page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("width", [1280, 1400])
def test_on_a_desk_no_table_is_cut_and_pictures_use_the_width(fresh, width):
    fresh.page.set_viewport_size({"width": width, "height": 800})
    fresh.page.emulate_media(media="screen")
    assert not fresh.page.evaluate(CLIPPED)
    room = fresh.page.locator("main").bounding_box()["width"]
    for pictures in fresh.page.locator(".pictures").all():
        boxes = [picture.bounding_box() for picture in pictures.locator("figure").all()]
        assert max(box["x"] + box["width"] for box in boxes) - boxes[0]["x"] > 0.9 * room


def test_on_a_projector_everything_grows_alike(fresh):
    def sizes():
        return fresh.page.evaluate("""() => ["#layers", "#live", "#chart text", "#blocks", "#chain i"].map(
            (each) => document.querySelector(each).getBoundingClientRect().height)""")

    fresh.page.set_viewport_size({"width": 1920, "height": 1080})
    fresh.wait_until("document.getElementById('chart').viewBox.baseVal.width > 500")
    usual = sizes()
    fresh.page.set_viewport_size({"width": 3840, "height": 2160})
    fresh.page.wait_for_timeout(200)  # what is drawn follows its place
    assert sizes() == pytest.approx([2 * each for each in usual], rel=0.02)
    assert not fresh.page.evaluate(CLIPPED)


def test_on_a_phone_a_picture_is_large_enough_and_its_caption_stays(fresh):
    fresh.page.set_viewport_size({"width": 380, "height": 800})
    fresh.page.emulate_media(media="screen")
    assert fresh.page.locator("main img").first.bounding_box()["width"] >= 600
    assert fresh.page.locator("main figure").first.bounding_box()["width"] < 380
    for caption in fresh.page.locator("caption:visible").all():
        box = caption.bounding_box()
        assert box["x"] + box["width"] <= 380
    fresh.page.locator("#layers tbody tr").nth(1).click()
    box = fresh.page.locator("#tensors caption").bounding_box()
    assert box["x"] + box["width"] <= fresh.page.locator("#look .scroll").evaluate(
        "(each) => each.getBoundingClientRect().right"
    )


def test_in_print_nothing_is_clipped_and_no_control_shows(fresh):
    fresh.show(unit="bytes", batch="1000", optimizer="adam", norm="true")
    fresh.page.set_viewport_size({"width": 710, "height": 1030})  # A4 within its margins
    fresh.page.emulate_media(media="print", color_scheme="dark")
    assert not fresh.page.locator("#controls").is_visible()
    assert not fresh.page.locator("#shown-as").is_visible()
    assert fresh.page.locator("#setting").is_visible()
    assert fresh.page.locator("#layers").is_visible()
    assert fresh.page.locator("#chain span").first.is_visible()  # which network it is
    assert not fresh.page.locator(":is(#build, .side) :is(input, select, button:not(.part)):visible").count()
    assert not fresh.page.evaluate(CLIPPED)
    assert fresh.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_on_paper_the_pages_are_few_and_upright(fresh):
    fresh.page.emulate_media(media="print")
    pdf = fresh.page.pdf(prefer_css_page_size=True)
    sizes = re.findall(rb"/MediaBox\s*\[0 0 (\d+)[\d.]* (\d+)", pdf)
    assert len(sizes) <= 10
    assert set(sizes) == {(b"594", b"841")} or set(sizes) == {(b"595", b"841")}
    for row in ("tfoot tr", "tbody tr:last-child"):
        breaks = fresh.page.locator(f".report {row}").evaluate_all(
            "(rows) => [...new Set(rows.map((row) => getComputedStyle(row).breakBefore))]"
        )
        assert breaks == ["avoid"]


def test_on_paper_each_part_says_of_which_setting_it_is(fresh):
    fresh.show(batch="8", optimizer="adam")
    fresh.page.emulate_media(media="print")
    live, fixed = fresh.page.locator("p.of:visible").all_text_contents()
    assert live.startswith("Live, at a setting of your own: A, input 224×224, batch 8, float32; train, adam;")
    assert fixed.startswith("Fixed, at its own setting: input 224×224, batch 1, float32; train, no optimizer")


def test_light_and_dark_by_the_system_and_by_choice(fresh):
    def paper():
        return fresh.page.evaluate("getComputedStyle(document.body).backgroundColor")

    light = paper()
    fresh.page.emulate_media(color_scheme="dark")
    dark = paper()
    assert light != dark
    fresh.page.get_by_role("radio", name="light").check(force=True)
    assert paper() == light
    fresh.page.emulate_media(color_scheme="light")
    fresh.page.get_by_role("radio", name="dark").check(force=True)
    assert paper() == dark


def test_without_scripts_the_report_is_all_there(browser, tmp_path, html):
    reader = Reader(browser, tmp_path / "page.html", java_script_enabled=False).open(html)
    assert not reader.page.locator("#live").is_visible()
    assert "With scripts, the page is live" in reader.page.locator("noscript").text_content()
    assert not reader.page.locator("#shown-as").is_visible()
    for name in NAMES:
        assert reader.page.get_by_role("table", name=f"VGG config {name}:").is_visible()
    assert reader.page.locator("main img").count() == html.count("<img")
    reader.page.context.close()


def test_markup_and_formulas_in_a_name_are_text(other, quick):
    net = from_dict({"name": HOSTILE, "layers": [8, "M"], "classes": 10})
    comparison = Comparison((walk(net, input=64), walk(config("64,M"), input=64)))
    other.open(to_live_page(Report(comparison, f"vgg-profile report '{HOSTILE}.toml'")))
    other.page.locator("#layers tbody tr").first.wait_for()
    assert other.page.locator("[name=network] option").all_text_contents() == [HOSTILE, "64,M"]
    assert other.text("#setting").startswith(HOSTILE)
    assert other.page.get_by_text("=1+1", exact=True).count() == 0
    assert not other.complaints


def test_pictures_are_drawn(fresh):
    broken = "() => [...document.images].filter((each) => !each.complete || !each.naturalWidth).length"
    assert fresh.page.evaluate(broken) == 0


def grounds(page):
    """The colour at the top of some pictures, as it is seen."""
    seen = []
    for picture in page.locator("main figure:has(img)").all()[:3]:
        image = Image.open(BytesIO(picture.locator("img").screenshot())).convert("RGB")
        seen.append(image.getpixel((22, 40)))  # left of all that is drawn
    return set(seen)


def test_pictures_follow_the_colours_of_the_page(fresh):
    light, dark = {(255, 255, 255)}, {(22, 24, 28)}
    assert grounds(fresh.page) == light
    fresh.page.emulate_media(color_scheme="dark")
    assert grounds(fresh.page) == dark
    fresh.page.get_by_role("radio", name="light").check(force=True)
    assert grounds(fresh.page) == light
    fresh.page.get_by_role("radio", name="dark").check(force=True)
    fresh.page.emulate_media(media="print", color_scheme="light")
    assert grounds(fresh.page) == light


def test_the_page_of_four_networks_is_under_two_megabytes(html):
    assert len(html.encode()) < 2_000_000
    assert html.count("<img") >= 9


def test_no_layer_table_stands_there_twice(fresh):
    tables = fresh.page.locator("details.layers table")
    assert tables.count() == len(NAMES)
    for place, name in enumerate(NAMES):
        fresh.show(network=name)
        seen = [table.is_visible() for table in tables.all()]
        assert seen == [other != place for other in range(len(NAMES))]
    fresh.page.locator("details.layers summary").nth(3).click()  # whoever wants to see it sees it
    assert tables.nth(3).is_visible()
    fresh.show(network="E", batch="8")
    assert tables.nth(3).is_visible()


def test_a_request_would_be_noticed_and_is_forbidden(other, html):
    asking = html.replace("</main>", '<img src="http://localhost:9/x.png" alt="x"></main>')
    other.open(asking).page.wait_for_timeout(200)
    assert not other.asked_elsewhere
    assert any("Content Security Policy" in text for text in other.complaints)
    other.open(re.sub(r"<meta http-equiv[^>]+>", "", asking)).page.wait_for_timeout(200)
    assert other.asked_elsewhere == ["http://localhost:9/x.png"]


def test_a_script_of_somebody_elses_would_not_run(other, html):
    other.open(html.replace("</main>", "<script>document.title = 'theirs'</script></main>"))
    other.page.locator("#layers tbody tr").first.wait_for()
    assert other.page.title() == "What A, B, D and E cost"
