"""The live page of any network: its figures are Python's, at any batch, and nothing is complained of."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from paging import Reader, without_pictures
from torch import nn

from vgg_profile import trace
from vgg_profile.ask.compare import Comparison
from vgg_profile.ask.fit import beside_tensors
from vgg_profile.ask.report import Report
from vgg_profile.core.fold import kept_free
from vgg_profile.core.setting import Setup
from vgg_profile.core.step import as_traced
from vgg_profile.render import live_page as to_live_page


class Residual(nn.Module):
    """Branches that join, batch norm, and a convolution that runs twice."""

    def __init__(self):
        super().__init__()
        self.stem, self.again = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.norm, self.head = nn.BatchNorm2d(8), nn.Linear(8, 5)

    def forward(self, x):
        x = torch.relu(self.norm(self.stem(x)))
        x = x + torch.relu(self.again(torch.relu(self.again(x))))
        return self.head(x.mean((2, 3)))


class Tokens(nn.Module):
    """Words in, words out, by way of attention."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(50, 16)
        self.block = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        return self.head(self.block(self.embed(x))[:, 0])


NETS = {
    "residual": (Residual, "3x12x12", "sgd"),
    "tokens": (Tokens, "7:int64<50", "adam"),
    "hostile": (lambda: nn.Sequential(nn.Linear(6, 4), nn.Identity(), nn.Linear(4, 3)), "6", "momentum"),
}


@cache
def page_of(name):
    make, given, optimizer = NETS[name]
    step = trace(make(), given, setup=Setup(optimizer=optimizer), probe=False, batch=2)
    report = Report(Comparison((as_traced(step),), step.setup), "vgg-profile report <net>.py:Net")
    with pytest.MonkeyPatch.context() as patch:
        if name != "residual":  # one page has its pictures: drawing them takes the most time
            patch.setattr("vgg_profile.describe.documents.compose", without_pictures)
        return step, to_live_page(report)


@pytest.fixture(scope="module", params=NETS)
def traced(request, browser, tmp_path_factory):
    step, html = page_of(request.param)
    assert len(html.encode()) < 1_000_000
    reader = Reader(browser, tmp_path_factory.mktemp("page") / "net.html").open(html)
    reader.page.locator("#layers tbody tr").first.wait_for()
    yield step, reader
    reader.page.context.close()


def figures(page, batch):
    """What the page shows in bytes, once it is at a batch."""
    page.locator("[name=unit][value=bytes]").check(force=True)
    page.locator("[name=batch]").fill(str(batch))
    page.locator("#parts").evaluate("(parts) => { parts.open = true; }")
    page.locator("#moments tbody tr").first.wait_for()
    lines = "(rows) => rows.map((row) => [...row.cells].map((cell) => cell.textContent.replaceAll(',', '')))"
    return {
        "parameters": page.locator("#parameters strong").text_content(),
        "macs": page.locator("#macs strong").text_content(),
        "peak": page.locator("#peak strong").text_content(),
        "fit": page.locator("#fit span").text_content().rpartition(" ")[2],
        "boundaries": [int(line[1]) for line in page.locator("#moments tbody tr").evaluate_all(lines)],
        "rows": [line[0] for line in page.locator("#layers tbody tr").evaluate_all(lines)],
    }


def of_python(step, batch):
    there = step.at(batch)
    limit = 8 * 2**30
    available = limit - kept_free(limit, *beside_tensors("cpu"))
    return {
        "parameters": f"{step.profile.totals.parameters:,}",
        "macs": f"{step.profile.totals.macs:,}",
        "peak": f"{step.peak_bytes(batch):,} bytes",
        "fit": f"{step.largest_batch(available):,}",
        "boundaries": [moment.live for moment in there.moments],
        "rows": [row.name for row in step.profile.rows],
    }


def test_its_figures_are_pythons_at_any_batch(traced):
    step, reader = traced
    for batch in (2, 3, 17, 400):
        assert figures(reader.page, batch) == of_python(step, batch)
    assert not reader.complaints
    assert not reader.asked_elsewhere


def test_another_batch_would_be_noticed(traced):
    step, reader = traced
    assert figures(reader.page, 3) != of_python(step, 4)


def test_it_is_looked_into_and_walked_through_and_not_built(traced):
    step, reader = traced
    page = reader.page
    assert not page.locator("#build").is_visible()
    assert not page.locator("#to-build").is_visible()
    page.locator("#to-look").click()
    assert page.locator("#tensors tbody tr").count() > 0
    page.keyboard.press("Escape")
    page.locator("#to-scrub").click()
    page.locator("#event").press("End")
    assert page.locator("#count").text_content() == f"{len(step.events):,} of {len(step.events):,}"
    page.emulate_media(color_scheme="dark")
    assert not page.locator("details.layers table").is_visible()
    assert not reader.complaints
