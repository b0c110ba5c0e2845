"""The live page, open in a browser, and what Python says that it must show."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from vgg_profile import walk
from vgg_profile.ask import cards
from vgg_profile.ask.compare import Comparison
from vgg_profile.ask.fit import Fit, beside_tensors
from vgg_profile.ask.report import Report
from vgg_profile.core import units
from vgg_profile.core.documents import Picture
from vgg_profile.core.events import Phase
from vgg_profile.core.fold import kept_free
from vgg_profile.core.setting import Setup
from vgg_profile.describe.documents import compose
from vgg_profile.predict.vgg.step import tensors_alone
from vgg_profile.render import live_page as to_live_page

NAMES = ("A", "B", "D", "E")
START = {
    "network": "A",
    "batch": "1",
    "dtype": "float32",
    "optimizer": "none",
    "size": "224×224",
    "norm": "false",
    "amp": "none",
    "checkpoint": "none",
    "net": "",
    "device": "cpu",
    "memory": "8",
    "card": "",
    "unit": "MiB",
    "theme": "auto",
}
"""The controls as the page of A B D E begins."""


SET_AND_READ = """(setting) => {
    const form = document.getElementById("controls");
    document.getElementById("parts").open = true;
    for (const [name, value] of Object.entries(setting)) form.elements[name].value = value;
    form.elements.batch.dispatchEvent(new Event("input", {bubbles: true}));
    const text = (selector) => [...document.querySelectorAll(selector)].map((each) => each.textContent);
    const lines = (selector) => [...document.querySelectorAll(selector)]
        .map((row) => [...row.cells].map((cell) => cell.textContent));
    return {
        figures: Object.fromEntries(["parameters", "macs", "kept", "peak", "fit"].map(
            (name) => [name, text(`#${name} > *`)])),
        rows: lines("#layers tbody tr"),
        total: lines("#layers tfoot tr")[0],
        moments: lines("#moments tbody tr"),
        legend: Object.fromEntries(lines_of_legend()),
        peak: text("#chart text.peak")[0],
        problem: document.getElementById("problem").textContent,
        setting: document.getElementById("setting").textContent,
    };
    function lines_of_legend() {
        return [...document.querySelectorAll("#legend li:not(:has(.limit))")].map((item) =>
            [item.querySelector("span").textContent, item.querySelector("b").textContent]);
    }
}"""


# -- what Python says


def expected(setting, setup=Setup()):  # noqa: B008 - frozen
    """What the page should show at a setting, in bytes, from a walk, a ledger and a fit of their own."""
    profile = walk(
        setting["network"],
        input=setting["size"],
        batch=int(setting["batch"]),
        dtype=setting["dtype"],
        device=setting["device"],
        batch_norm=setting["norm"] == "true",
    )
    chosen = {name: setting[name] for name in ("optimizer", "amp", "checkpoint")}
    step = tensors_alone(profile, replace(setup, **chosen))
    written = {"bytes": units.exact, "MiB": units.mebibytes, "GiB": units.gibibytes}[setting["unit"]]

    def write(size):
        return written(size).removesuffix(f" {setting['unit']}")

    def sized(size):
        return f"{write(size)} {setting['unit']}"

    def place(moment):
        return f"{moment.phase} of {moment.layer}" if moment.layer else str(moment.phase)

    totals, peak = profile.totals, step.peak
    mark = "" if profile.device == "cpu" or step.profile.verified else ", not verified on a card"
    return {
        "figures": {
            "parameters": [
                units.exact(totals.parameters),
                f"{sized(totals.parameters * profile.itemsize)} as {profile.dtype}",
            ],
            "macs": [units.exact(totals.macs), f"{2 * totals.macs:,} FLOPs"],
            "kept": [
                sized(step.fixed_points[Phase.FORWARD] - step.fixed_points[Phase.INPUT]),
                f"for {units.plural(profile.batch, 'image')}{mark}",
            ],
            "peak": [sized(peak.peak), f"in {place(peak)}{mark}"],
            "fit": fit_of(setting, step, sized),
        },
        "rows": [
            [
                row.name,
                units.shape(row.output_shape),
                units.exact(row.values.value),
                write(row.memory_bytes(profile.batch, profile.itemsize)),
                write(row.saved_bytes(profile.batch)),
                units.exact(row.weights.value),
                units.exact(row.biases),
                units.exact(row.macs.value),
            ]
            for row in step.profile.rows
        ],
        "total": [
            "total",
            "",
            units.exact(totals.values),
            write(totals.memory_bytes),
            write(step.profile.totals.saved_bytes),
            units.exact(totals.weights),
            units.exact(totals.biases),
            units.exact(totals.macs),
        ],
        "moments": [[place(each), write(each.live), write(each.peak)] for each in step.moments],
        "peak": f"peak {sized(peak.peak)}",
        "problem": "",
    }


def fit_of(setting, step, sized):
    given = setting["card"] or (setting["memory"] and f"{setting['memory']}GiB")
    if not given:
        return ["–", "give a memory or a card"]
    memory, batch = cards.memory(given), step.profile.batch
    available = memory.bytes - kept_free(memory.bytes, *beside_tensors(setting["device"]))
    largest, spare = step.largest_batch(available), available - step.peak_bytes(batch)
    room = f"{sized(abs(spare))} {'spare' if spare >= 0 else 'short'}; "
    if setting["device"] == "cpu":
        verdict, most = "Yes", f"largest batch {largest:,}"
        fit = Fit(step, cards.Memory(memory.bytes, "so much"), None, batch)
        assert (fit.largest_batch, fit.spare_bytes) == (largest, spare)
    else:  # what is reserved is more: a bound
        verdict = "Tensors do"
        most = f"at most batch {largest:,}, without cuDNN’s scratch, not verified on a card"
    return [verdict if spare >= 0 else "No", room + (most if largest else "not even one image fits")]


def differences(shown, wanted):
    """Where a page departs from what Python says."""
    return [key for key, value in wanted.items() if shown[key] != value]


@pytest.fixture
def quick(monkeypatch):
    """Pages with one image size and without pictures."""
    monkeypatch.setattr("vgg_profile.ask.page_data.SIZES", (64,))
    monkeypatch.setattr("vgg_profile.describe.documents.compose", without_pictures)


def without_pictures(report):
    document = compose(report)
    return replace(document, parts=tuple(part for part in document.parts if not isinstance(part, Picture)))


# -- in a browser


def shown(reader):
    return {
        name: reader.page.locator(f"#{name} > *").all_text_contents()
        for name in ("parameters", "macs", "peak", "fit")
    }


def wanted(net, **setting):
    figures = expected(START | {"network": net} | setting)["figures"]
    return {name: figures[name] for name in ("parameters", "macs", "peak", "fit")}


def press(reader, name):
    reader.page.get_by_role("button", name=name, exact=True).click()


def part(reader, name):
    return reader.page.locator(f'#chain button[title="{name}"]').first


def page_of_four():
    """The page of A, B, D and E."""
    comparison = Comparison(tuple(map(walk, NAMES)))
    return to_live_page(Report(comparison, "vgg-profile report A B D E -o networks.html"))


@pytest.fixture(scope="session")
def html():
    """It without its pictures, which take long to draw and to load: ``test_page_layout`` has them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vgg_profile.describe.documents.compose", without_pictures)
        return page_of_four()


class Reader:
    """A page that is open, and what it asked for and complained of."""

    def __init__(self, browser, path, **options):
        context = browser.new_context(viewport={"width": 1400, "height": 900}, **options)
        self.left = []
        """What would have gone out into the world."""
        context.route(re.compile("^https?:"), self._stop)
        self.page = context.new_page()
        self.path = path
        self.requests = []
        self.complaints = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _stop(self, route):
        self.left.append(route.request.url)
        route.abort()

    def open(self, text=None, anchor=""):
        if text is not None:
            self.path.write_text(text, encoding="utf-8")
        self.page.goto("about:blank")
        del self.requests[:], self.left[:], self.complaints[:]
        self.page.goto(f"{self.path.as_uri()}{anchor}")
        return self

    def go_to(self, anchor):
        """Another address of the page that is open, as a reader types it."""
        self.page.evaluate(
            """(anchor) => {
                history.replaceState(null, "", anchor);
                dispatchEvent(new HashChangeEvent("hashchange"));
            }""",
            anchor,
        )

    @property
    def asked_elsewhere(self):
        files = [url for url in self.requests if url.startswith("file:")]
        return self.left + [url for url in files if not url.startswith(self.path.as_uri())]

    def show(self, **setting):
        return self.page.evaluate(SET_AND_READ, START | setting)

    def text(self, selector):
        return self.page.locator(selector).text_content()

    def wait_until(self, condition):
        """Ask again until it holds; the page's policy forbids it to evaluate the question by itself."""
        for _ in range(100):
            if self.page.evaluate(condition):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"{condition} never held")


def objections(page):
    """What axe objects to, as far as it is serious: rules, and what each is about. It is put in once."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    tool = axe.Axe("") if page.evaluate("'axe' in window") else axe.Axe()
    violations = tool.run(page).response["violations"]
    return [
        (each["id"], each["nodes"][0]["target"])
        for each in violations
        if each["impact"] in ("serious", "critical")
    ]


@pytest.fixture(scope="module")
def window(browser, tmp_path_factory):
    """A reader that a file's tests share; nothing is open."""
    return Reader(browser, tmp_path_factory.mktemp("page") / "networks.html")


@pytest.fixture(scope="module")
def reader(window, html):
    """The page, opened once; ``show`` gives it a whole setting."""
    window.open(html).page.locator("#layers tbody tr").first.wait_for()
    return window


@pytest.fixture
def fresh(window, html):
    """The page as it begins, at its usual size."""
    window.page.set_viewport_size({"width": 1400, "height": 900})
    window.page.emulate_media(media="screen", color_scheme="light")
    window.open(html).page.locator("#layers tbody tr").first.wait_for()
    return window


@pytest.fixture
def other(browser, tmp_path):
    """A second reader, for pages of other kinds."""
    reader = Reader(browser, tmp_path / "page.html")
    yield reader
    reader.page.context.close()
