"""The live page for everybody: axe finds nothing serious in it, light or dark, and would find something."""

from __future__ import annotations

import pytest
from paging import Reader

from vgg_profile import walk
from vgg_profile.ask.compare import Comparison
from vgg_profile.ask.report import Report
from vgg_profile.render import live_page as to_live_page

axe = pytest.importorskip("axe_playwright_python.sync_playwright")
STATES = {
    "at rest": None,
    "building": "#chain button[title=pool1]",
    "walking through the step": "#scrub [data-by='-1']",
    "looking inside": "#layers tbody tr:nth-child(2)",
}


def found(page):
    """What axe objects to, as far as it is serious."""
    violations = axe.Axe().run(page).response["violations"]
    return [
        (each["id"], each["nodes"][0]["target"])
        for each in violations
        if each["impact"] in ("serious", "critical")
    ]


@pytest.fixture
def open_page(browser, tmp_path, quick):
    report = Report(Comparison((walk("8,M", input=64),)), "vgg-profile report 8,M")
    readers = []

    def open_page(change=lambda html: html, **options):
        reader = Reader(browser, tmp_path / "page.html", bypass_csp=True, **options)
        readers.append(reader)
        reader.open(change(to_live_page(report))).page.locator("#layers tbody tr").first.wait_for()
        return reader.page

    yield open_page
    for reader in readers:
        reader.page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", STATES)
def test_axe_finds_nothing_serious(open_page, state, scheme):
    page = open_page(color_scheme=scheme)
    if STATES[state]:
        page.locator(STATES[state]).click()
    assert found(page) == []


def test_axe_would_find_a_control_without_a_name(open_page):
    page = open_page(lambda html: html.replace('aria-label="Event of the step"', ""))
    assert [name for name, _ in found(page)] == ["label"]
