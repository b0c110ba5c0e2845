"""The live page for everybody: axe finds nothing serious, in any state, and would find something."""

from __future__ import annotations

import pytest
from paging import Reader, objections

from vgg_profile import walk
from vgg_profile.ask.compare import Comparison
from vgg_profile.ask.report import Report
from vgg_profile.render import live_page as to_live_page


def drop_a_layer(page):
    page.locator("#chain button[title=pool1]").click()
    page.locator("[data-do=drop]").click()


def say_what_cannot_be(page):
    page.locator("[name=batch]").fill("none")
    page.locator("[name=memory]").fill("lots")


def unfold(page):
    for each in page.locator("summary").all():
        each.click()


STATES = {
    "at rest": lambda page: None,
    "a convolution chosen": lambda page: page.locator("#chain button[title=conv1_1]").click(),
    "the input chosen": lambda page: page.locator("#chain button[title=input]").click(),
    "the average pool chosen": lambda page: page.locator("#chain button[title='average pool']").click(),
    "a hidden layer chosen": lambda page: page.locator("#chain .fc").first.click(),
    "a layer dropped": drop_a_layer,
    "a command given": lambda page: page.locator("#as-command").click(),
    "a file given": lambda page: page.locator("#as-toml").click(),
    "walking through the step": lambda page: page.locator("#scrub [data-by='-1']").click(),
    "playing": lambda page: page.locator("#play").click(),
    "pointing at the step": lambda page: page.locator("#chart").press("ArrowRight"),
    "pointing at a row": lambda page: page.locator("#layers tbody tr").nth(1).focus(),
    "looking inside": lambda page: page.locator("#layers tbody tr").nth(1).click(),
    "looking inside a pool": lambda page: page.locator("#layers tbody tr").nth(2).click(),
    "looking inside a classifier": lambda page: page.locator("#layers tbody tr").nth(3).click(),
    "sorted": lambda page: page.locator("th[data-column=macs] button").click(),
    "everything unfolded": unfold,
    "a card chosen": lambda page: page.locator("[name=card]").select_option("RTX 4090"),
    "nothing fits": lambda page: page.locator("[name=memory]").fill("0.1"),
    "what cannot be read": say_what_cannot_be,
    "in bytes": lambda page: page.locator("[name=unit][value=bytes]").check(force=True),
    "at the report": lambda page: page.locator("main").scroll_into_view_if_needed(),
}


AFRESH = (
    *("a layer dropped", "a command given", "walking through the step", "pointing at a row"),
    *("looking inside", "looking inside a pool", "looking inside a classifier"),  # each a dialog
    *("sorted", "everything unfolded", "a card chosen", "in bytes"),
)
"""Before these the page is loaded anew; in between, one state follows on another."""


@pytest.fixture
def open_page(browser, tmp_path, quick):
    report = Report(Comparison((walk("8,M", input=64),)), "vgg-profile report 8,M")
    readers = []

    def open_page(change=lambda html: html, **options):
        reader = Reader(browser, tmp_path / "page.html", bypass_csp=True, **options)
        readers.append(reader)
        return reader.open(change(to_live_page(report))).page

    yield open_page
    for reader in readers:
        reader.page.context.close()


DARK_TOO = ("a convolution chosen", "pointing at the step", "looking inside", "everything unfolded")
"""Where most colours are seen: in every run of the tests in the dark, too."""


@pytest.mark.parametrize(
    ("scheme", "states"),
    [("light", (*STATES,)), ("dark", DARK_TOO), pytest.param("dark", (*STATES,), marks=pytest.mark.slow)],
    ids=["light", "dark, most colours", "dark"],
)
def test_axe_finds_nothing_serious_in_any_state(open_page, scheme, states):
    page = open_page(color_scheme=scheme)
    found = {}
    for state in states:
        if state in AFRESH:
            page.reload()
        page.locator("#layers tbody tr").first.wait_for()
        STATES[state](page)
        found[state] = objections(page)
    assert {state: each for state, each in found.items() if each} == {}


@pytest.mark.parametrize(
    "width", [320, *(pytest.param(each, marks=pytest.mark.slow) for each in (390, 1024)), 3840]
)
@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_axe_finds_nothing_serious_at_any_width(open_page, width, scheme):
    page = open_page(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    page.locator("#chain button[title=conv1_1]").click()
    assert objections(page) == []
    page.locator("#to-look").click()
    assert objections(page) == []


def test_axe_finds_nothing_serious_on_paper(open_page):
    page = open_page(color_scheme="dark")
    page.locator("#layers tbody tr").first.wait_for()
    page.emulate_media(media="print")
    assert objections(page) == []


def test_axe_finds_nothing_serious_without_scripts(open_page):
    # axe is a script: the page's own is taken out of it, and what is left is what a reader without any sees
    page = open_page(lambda html: html.replace('type="module"', 'type="text/plain"'))
    assert not page.locator("#live").is_visible()
    assert objections(page) == []


def test_axe_would_find_a_control_without_a_name(open_page):
    page = open_page(lambda html: html.replace('aria-label="Event of the step"', ""))
    page.locator("#layers tbody tr").first.wait_for()
    assert [name for name, _ in objections(page)] == ["label"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_would_find_text_that_is_too_faint(open_page, scheme):
    page = open_page(
        lambda html: html.replace("</style>", "#keys { color: #888; }</style>", 1), color_scheme=scheme
    )
    page.locator("#layers tbody tr").first.wait_for()
    page.add_style_tag(content="#keys { background: #999; }")
    assert [name for name, _ in objections(page)] == ["color-contrast"]


def test_each_of_the_three_ways_is_in_sight_at_once_and_leads_there(open_page):
    page = open_page()
    for width, height in ((1280, 800), (390, 844), (320, 568)):
        page.set_viewport_size({"width": width, "height": height})
        page.reload()
        page.locator("#layers tbody tr").first.wait_for()
        for name in ("Build", "Look inside", "Scrub"):
            box = page.locator("#ways").get_by_role("button", name=name).bounding_box()
            assert box["y"] + box["height"] <= height
        page.locator("#to-build").click()
        assert page.evaluate("document.activeElement.title") == "conv1_1"
        assert part_is_seen(page, "#chain")
        assert page.locator("#editor b").text_content() == "conv1_1"
        assert part_is_seen(page, ".tiles") == (width == 1280)  # on a desk, what follows stays in sight
        page.locator("#to-scrub").click()
        assert page.evaluate("document.activeElement.id") == "play"
        assert part_is_seen(page, "#play")
        page.locator("#to-look").click()
        assert page.locator("#looked").text_content() == "conv1_1"


def part_is_seen(page, selector):
    box = page.locator(selector).bounding_box()
    return 0 <= box["y"] < page.viewport_size["height"]
