"""The live page in a real browser: its numbers are Python's, it asks for nothing, everybody can read it."""

from __future__ import annotations

import gzip
import json
import random
import re
from base64 import b64decode, b64encode
from dataclasses import replace

import pytest

from vgg_profile import walk
from vgg_profile.ask import cards
from vgg_profile.ask.compare import Comparison
from vgg_profile.ask.fit import Fit, beside_tensors
from vgg_profile.ask.page_data import page_data
from vgg_profile.ask.report import Report
from vgg_profile.core import fold, units
from vgg_profile.core.errors import InputError
from vgg_profile.core.events import Phase
from vgg_profile.core.forms import Picture
from vgg_profile.core.setting import Setup
from vgg_profile.describe.documents import compose
from vgg_profile.predict.vgg.configs import config, from_dict
from vgg_profile.predict.vgg.step import tensors_alone
from vgg_profile.render import live_page as to_live_page

NAMES = ("A", "B", "D", "E")
HOSTILE = "</script><b>=1+1</b>"

START = {
    "network": "A",
    "batch": "1",
    "dtype": "float32",
    "optimizer": "none",
    "size": "224×224",
    "norm": "false",
    "device": "cpu",
    "memory": "8",
    "card": "",
    "unit": "MiB",
    "theme": "auto",
}
"""The controls as the page of A B D E begins."""

SET_AND_READ = """(setting) => {
    const form = document.getElementById("controls");
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
    step = tensors_alone(profile, replace(setup, optimizer=setting["optimizer"]))
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
    available = memory.bytes - beside_tensors(setting["device"])
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
    assert {len({each[name] for each in settings}) for name in ("dtype", "card", "unit")} == {3}


# -- the data, without a browser


def played(data, key, batch):
    """The parts of a setting's step, as the page finds them: live bytes after each, and the most within."""
    tape, fixed, per_image, lines = data["steps"][key]
    marks, events, categories = (data["tapes"][tape][name] for name in ("marks", "events", "categories"))
    sizes = fold.at_batch(data["sizes"][fixed], data["sizes"][per_image], batch)
    rows = fold.levels(events, categories, sizes, len(data["categories"]))
    parts = fold.parts(rows, [first for *_, first in marks])
    most = [fold.live_bytes(fold.highest(part)) for part in parts]
    assert most[fold.peak_part(parts)] == max(fixed + per_image * batch for fixed, per_image in lines)
    for (phase, layer, *_), part, peak in zip(marks, parts, most, strict=True):
        yield phase, layer, fold.live_bytes(part[-1]), peak


@pytest.mark.parametrize(
    ("source", "setting", "setup"),
    [
        ("64,M,LRN,128,M", {"input": 64}, Setup(optimizer="adam", first_step=True)),
        ("64,M,128,M", {"input": "48x80", "dtype": "float64"}, Setup(optimizer="momentum")),
        ("64,M,128,M", {"input": 64, "batch_norm": True}, Setup(amp="bfloat16", checkpoint="blocks")),
        ("64,M,128,M", {"input": 64, "device": "cuda"}, Setup(mode="inference")),
        ("64,M,128,M", {"input": 64}, Setup(mode="eval", onednn=False)),
    ],
)
def test_the_tapes_of_a_page_are_the_ledgers(source, setting, setup):
    profile = walk(source, **setting)
    data = json.loads(json.dumps(page_data(Comparison((profile,), setup))))
    start = data["setting"]
    key = f"0,{start['norm']},{start['size']},{profile.itemsize},{start['device']},{start['optimizer']}"
    for batch in (1, 3, 1000):
        moments = tensors_alone(profile.at(batch), setup).moments
        assert list(played(data, key, batch)) == [tuple(each)[:4] for each in moments]
    assert data["setting"]["dtype"] in data["itemsizes"]


def test_a_page_offers_only_what_can_be():
    def offered(**setup):
        return page_data(Comparison((walk("64,M", input=64),), Setup(**setup)))

    assert list(offered(amp="float16")["itemsizes"]) == ["float32"]
    assert offered(mode="inference")["optimizers"] == ("none",)
    assert list(offered(onednn=False)["reserves"]) == ["cpu"]
    deep = page_data(Comparison((walk(",".join(["8,M"] * 8), input=512),)))
    assert {key.split(",")[2] for key in deep["tables"]} == {
        "256×256",
        "320×320",
        "384×384",
        "448×448",
        "512×512",
    }


def test_both_norms_of_a_network_are_one_entry():
    data = page_data(Comparison((walk("64,M", batch_norm=True), walk("64,M"))))
    assert data["networks"] == ["64,M"]
    assert data["setting"]["norm"] == "true"


def test_numbers_stay_exact_in_a_script():
    huge = walk("64,M", input=60_000)
    data = page_data(Comparison((huge,)))
    assert 1 < data["most_images"] < 100_000
    key = "0,false,60000×60000,4,cpu,none"
    assert max(peak for *_, peak in played(data, key, data["most_images"])) < 2**53
    with pytest.raises(InputError, match="too many for a page's script"):
        page_data(Comparison((huge.at(10**9),)))


@pytest.fixture
def quick(monkeypatch):
    """Pages with one image size and without pictures."""
    monkeypatch.setattr("vgg_profile.ask.page_data.SIZES", (64,))
    monkeypatch.setattr("vgg_profile.describe.documents.compose", without_pictures)


def without_pictures(report):
    document = compose(report)
    return replace(document, parts=tuple(part for part in document.parts if not isinstance(part, Picture)))


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
    assert list(shown) == ["Drawing", "Counting"]
    assert all(done == length > 1 for done, length in shown.values())


def test_the_page_of_four_networks_is_under_two_megabytes(html):
    assert len(html.encode()) < 2_000_000
    assert html.count("<img") >= 9


# -- in a browser


@pytest.fixture(scope="module")
def html():
    comparison = Comparison(tuple(map(walk, NAMES)))
    return to_live_page(Report(comparison, "vgg-profile report A B D E -o networks.html"))


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


@pytest.fixture(scope="module")
def reader(browser, tmp_path_factory, html):
    """The page, opened once; ``show`` gives it a whole setting."""
    reader = Reader(browser, tmp_path_factory.mktemp("page") / "networks.html").open(html)
    reader.page.locator("#layers tbody tr").first.wait_for()
    return reader


@pytest.fixture
def fresh(reader, html):
    """The page as it begins, at its usual size."""
    reader.page.set_viewport_size({"width": 1400, "height": 900})
    reader.page.emulate_media(media="screen", color_scheme="light")
    reader.open(html)
    reader.page.locator("#layers tbody tr").first.wait_for()
    return reader


@pytest.fixture
def other(browser, tmp_path):
    """A second reader, for pages of other kinds."""
    reader = Reader(browser, tmp_path / "page.html")
    yield reader
    reader.page.context.close()


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
            "norm": norm,
        }
        shown = other.show(**setting)
        assert not differences(shown, expected(setting, setup))
        assert shown["figures"]["kept"][0] == f"{shown['total'][4]} bytes"
        assert words in shown["setting"]
    label = other.page.locator("#kept").locator("xpath=preceding-sibling::dt").text_content()
    assert label == ("saved for backward" if setup.has_backward else "left after forward")
    assert not other.complaints


def test_on_cuda_foreach_is_said_and_on_the_cpu_not(fresh):
    assert "; train, adam, foreach; by" in fresh.show(optimizer="adam", device="cuda")["setting"]
    assert "; train, adam; by" in fresh.show(optimizer="adam")["setting"]


def test_the_legend_adds_up_to_the_peak(fresh):
    shown = fresh.show(batch="8", optimizer="adam", norm="true", unit="bytes")
    sizes = [int(size.replace(",", "")) for size in shown["legend"].values()]
    assert f"peak {sum(sizes):,} bytes" == shown["peak"]


def repacked(html, change):
    """The page with other data."""
    packed = re.search(r'id="data">([^<]+)<', html)[1]
    data = json.loads(gzip.decompress(b64decode(packed)))
    change(data)
    return html.replace(packed, b64encode(gzip.compress(json.dumps(data).encode())).decode())


def test_one_wrong_byte_is_noticed(other, html):
    def corrupt(data):
        step = data["steps"]["0,false,224×224,4,cpu,none"]
        sizes = data["sizes"][step[2]]
        largest = max(range(len(sizes)), key=sizes.__getitem__)
        data["sizes"].append([size + (place == largest) for place, size in enumerate(sizes)])
        step[2] = len(data["sizes"]) - 1

    setting = START | {"unit": "bytes"}
    other.open(repacked(html, lambda data: None)).page.locator("#layers tbody tr").first.wait_for()
    assert not differences(other.show(**setting), expected(setting))
    other.open(repacked(html, corrupt)).page.locator("#layers tbody tr").first.wait_for()
    assert "moments" in differences(other.show(**setting), expected(setting))


def test_one_wrong_line_is_noticed(other, html):
    def corrupt(data):
        data["steps"]["0,false,224×224,4,cpu,none"][3][-1][1] *= 2

    other.open(repacked(html, corrupt)).page.locator("#layers tbody tr").first.wait_for()
    shown, wanted = other.show(), expected(START)
    assert differences(shown, wanted) == ["figures"]
    assert differences(shown["figures"], wanted["figures"]) == ["fit"]


def test_controls_move_the_figures_and_the_address(fresh):
    page = fresh.page
    page.get_by_label("network").select_option("D")
    page.get_by_label("batch", exact=True).fill("32")
    page.get_by_label("optimizer").select_option("adam")
    page.get_by_label("image").select_option("128×128")
    page.get_by_label("dtype").select_option("bfloat16")
    page.get_by_role("radio", name="on").check(force=True)
    page.get_by_role("radio", name="bytes").check(force=True)
    page.get_by_label("card").select_option("RTX 4090")
    assert page.get_by_label("rules of").input_value() == "cuda"  # a card's own, as `fit` has it
    assert page.get_by_label("memory, GiB").input_value() == "23.52"
    setting = START | {
        "network": "D",
        "batch": "32",
        "optimizer": "adam",
        "size": "128×128",
        "dtype": "bfloat16",
        "norm": "true",
        "unit": "bytes",
        "card": "RTX 4090",
        "device": "cuda",
    }
    wanted = expected(setting)["figures"]
    shown = {name: page.locator(f"#{name} > *").all_text_contents() for name in wanted}
    assert shown == wanted

    fresh.wait_until("location.hash.includes('card')")
    anchor = page.evaluate("location.hash")
    fresh.open(anchor=anchor).page.locator("#layers tbody tr").first.wait_for()
    assert {name: page.locator(f"#{name} > *").all_text_contents() for name in wanted} == wanted
    page.get_by_role("button", name="Reset").click()
    fresh.wait_until("document.getElementById('setting').textContent.startsWith('A, ')")
    assert page.locator("#peak > *").all_text_contents() == expected(START)["figures"]["peak"]


def test_the_slider_doubles_the_batch(fresh):
    fresh.page.get_by_label("batch, by doubling").focus()
    for _ in range(3):
        fresh.page.keyboard.press("ArrowRight")
    assert fresh.page.locator("[name=batch]").input_value() == "8"
    assert fresh.text("#kept span") == "for 8 images"


@pytest.mark.parametrize("batch", ["0", "-1", "1.5", "1e3", "100001", "abc", "", " ", "9" * 30])
def test_a_bad_batch_is_said_and_changes_nothing(reader, batch):
    before = reader.show(batch="8")
    after = reader.show(batch=batch)
    assert after["problem"] == "The batch is a whole number from 1 to 100,000; the figures are still of 8."
    assert reader.page.locator("[name=batch]").get_attribute("aria-invalid") == "true"
    assert {**after, "problem": ""} == before
    assert "NaN" not in reader.page.inner_text("#live")
    assert not reader.show(batch="9")["problem"]


@pytest.mark.parametrize("memory", ["0", "-8", "8GiB", "1e9", "1000000", "1.2345", "lots", ",", "1,2,3"])
def test_a_bad_memory_is_said(reader, memory):
    reader.show(memory="8")
    shown = reader.show(memory=memory)
    assert "The memory is a number of GiB" in shown["problem"]
    assert shown["problem"].endswith("; the figures are still of 8 GiB.")
    assert shown["figures"]["fit"] == expected(START)["figures"]["fit"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [(".5", "0.5"), (" 8 ", "8"), ("8,5", "8.5"), ("08", "8"), ("7.", None), ("1,024", None)],
)
def test_a_memory_is_read_as_it_is_meant_or_the_doubt_is_said(reader, typed, meant):
    shown = reader.show(memory=typed)
    if meant is None:
        assert "the figures are still" in shown["problem"]
    else:
        assert not differences(shown, expected(START | {"memory": meant}))
        assert f"in {meant} GiB less 1 GiB in reserve" in shown["setting"]
    assert ("group thousands or begin decimals" in shown["problem"]) == (typed == "1,024")


@pytest.mark.parametrize(("typed", "meant"), [(" 8 ", 8), ("1,000", 1000), ("007", 7)])
def test_a_batch_may_be_typed_as_the_page_writes_it(reader, typed, meant):
    shown = reader.show(batch=typed)
    assert not shown["problem"]
    assert not differences(shown, expected(START | {"batch": str(meant)}))


@pytest.mark.parametrize(
    "anchor",
    [
        "#network=Z&dtype=int8&card=x&size=7",
        "#=&%",
        "#constructor=1&theme=pink",
        "#memory=abc&batch=foo",
        "#batch=0&memory=-1&unit=TiB&norm=maybe&device=tpu&optimizer=lion",
    ],
)
def test_an_address_that_makes_no_sense_is_the_page_as_it_begins(fresh, anchor):
    fresh.open(anchor=anchor).page.locator("#layers tbody tr").first.wait_for()
    wanted = expected(START)["figures"]
    assert {name: fresh.page.locator(f"#{name} > *").all_text_contents() for name in wanted} == wanted
    assert fresh.text("#problem") == ""
    assert not fresh.complaints
    fresh.wait_until("location.hash === ''")


@pytest.mark.parametrize("anchor", ["#network=zzz", "#network=E&batch=4"])
def test_an_address_of_another_page_keeps_this_ones_network(other, quick, anchor):
    other.open(to_live_page(Report(Comparison((walk("64,M", input=64),)), "vgg-profile report …")))
    other.open(anchor=anchor).page.locator("#layers tbody tr").first.wait_for()
    assert other.text("#setting").startswith(f"64,M, input 64×64, batch {4 if 'batch' in anchor else 1}, ")
    assert not other.complaints


def test_what_cannot_be_trained_on_one_image_is_said(other, quick):
    deep = walk(",".join(["8,M"] * 6 + ["8"]), input=64)
    other.open(to_live_page(Report(Comparison((deep,)), "vgg-profile report …")))
    setting = START | {"network": deep.config.name, "size": "64×64", "norm": "true", "unit": "bytes"}
    other.page.locator("#layers tbody tr").first.wait_for()
    shown = other.show(**setting)
    assert shown["problem"].startswith("Batch norm cannot train at bn7_1: one image of 1×1")
    assert shown["problem"].endswith("The figures are of batch 2.")
    assert shown["figures"]["peak"] == expected(setting | {"batch": "2"})["figures"]["peak"]


def test_a_row_shows_its_working_and_lights_its_places(fresh):
    fresh.show(network="D", batch="8")
    fresh.page.locator("#layers tbody tr", has_text="conv1_2").hover()
    row = next(row for row in walk("D", batch=8).rows if row.name == "conv1_2")
    terms = fresh.page.locator("#detail dt").all_text_contents()
    said = dict(zip(terms, fresh.page.locator("#detail dd").all_text_contents(), strict=True))
    assert said["values"] == f"{row.values.working} = {row.values.value:,}"
    assert said["weights"] == f"{row.weights.working} = {row.weights.value:,}, and 64 biases"
    assert said["MACs"] == f"{row.macs.working} = {row.macs.value:,}"
    assert said["saved"].endswith(f"= {row.saved_bytes(8):,} bytes = {units.mebibytes(row.saved_bytes(8))}")
    memory, is_equal, result = said["memory"].partition(" = ")
    assert is_equal
    working = re.sub(r"[^\d*]", "", memory)
    assert f"{eval(working):,} bytes" in result
    assert fresh.page.locator("#lights .bar").count() == 4  # conv1_2 and relu1_2, forward and backward
    fresh.page.mouse.move(2, 2)
    assert fresh.page.locator("#lights .bar").count() == 0
    assert not fresh.page.locator("#working").is_visible()


@pytest.mark.parametrize(
    ("width", "height"), [(1920, 1080), (1400, 900), (1280, 720), (1024, 768), (390, 844)]
)
def test_the_working_of_a_row_is_in_sight_with_the_row(fresh, width, height):
    fresh.page.set_viewport_size({"width": width, "height": height})
    for row in (0, 5, -1):
        fresh.page.locator("#layers tbody tr").nth(row).focus()
        box = fresh.page.locator("#working").bounding_box()
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= height
        line = fresh.page.locator("#layers tbody tr").nth(row).bounding_box()
        assert 0 <= line["y"] <= height - line["height"]
        if width < 1240:
            assert line["y"] + line["height"] <= box["y"] + 1
    fresh.page.keyboard.press("Escape")
    assert not fresh.page.locator("#working").is_visible()


def test_at_the_pages_top_the_working_is_seen(fresh):
    fresh.page.mouse.move(200, 620)
    assert fresh.page.evaluate("scrollY") == 0
    box = fresh.page.locator("#working").bounding_box()
    assert box["y"] + box["height"] <= 900


@pytest.mark.parametrize("width", [1400, 380])
@pytest.mark.parametrize("memory", ["8", "7.9", "7.7", "7.5", "7", "5"])
def test_the_peaks_label_is_free_of_the_limits_line(fresh, width, memory):
    fresh.page.set_viewport_size({"width": width, "height": 900})
    fresh.show(network="D", batch="66", optimizer="adam", memory=memory)
    label = fresh.page.locator("#chart text.peak").bounding_box()
    line = fresh.page.locator("#chart line.limit").bounding_box()["y"]
    assert not label["y"] < line < label["y"] + label["height"] - 3  # below the baseline there is nothing
    assert "GiB less reserve" in fresh.text("#legend")
    chart = fresh.page.locator("#chart").bounding_box()
    assert chart["y"] + 12 < label["y"] + label["height"]


def test_pointing_at_the_chart_tells_that_part_of_the_step(fresh):
    box = fresh.page.locator("#chart").bounding_box()
    fresh.page.mouse.move(box["x"] + box["width"] * 0.97, box["y"] + box["height"] / 2)
    assert re.match(r"In backward of \w+: [\d,.]+ MiB", fresh.text("#where"))
    assert fresh.page.locator("#lights .bar").count() == 1
    assert fresh.page.locator("#layers tr.lit").count() == 1


def test_columns_sort_by_click_and_by_key(fresh):
    page = fresh.page
    head = page.locator("#layers thead th", has_text="MACs")
    button = head.get_by_role("button")
    names = page.locator("#layers tbody th")
    original = names.all_text_contents()
    macs = {row.name: row.macs.value for row in walk("A").rows}
    button.click()
    assert head.get_attribute("aria-sort") == "descending"
    assert names.all_text_contents() == sorted(original, key=lambda name: -macs[name])
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert names.all_text_contents() == sorted(original, key=macs.__getitem__)
    page.keyboard.press("Space")
    assert head.get_attribute("aria-sort") == "none"
    assert names.all_text_contents() == original


def test_a_click_on_layer_restores_the_networks_order(fresh):
    names = fresh.page.locator("#layers tbody th")
    original = names.all_text_contents()
    fresh.page.get_by_role("button", name="MACs").click()
    assert names.all_text_contents() != original
    layer = fresh.page.get_by_role("button", name="layer")
    layer.click()
    assert names.all_text_contents() == original
    assert fresh.page.locator("th[data-column=name]").get_attribute("aria-sort") == "ascending"
    layer.click()
    assert names.all_text_contents() == original[::-1]


def test_everything_is_reached_by_keyboard(fresh):
    page = fresh.page
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "(({id, name, dataset, tagName}) => id || name || dataset.row || tagName)"
                "(document.activeElement)"
            )
        )
    wanted = [
        "theme",
        "network",
        "batch",
        "slider",
        "dtype",
        "optimizer",
        "size",
        "norm",
        "device",
        "memory",
        "card",
    ]
    assert [each for each in dict.fromkeys(reached) if each in wanted] == wanted
    assert {"unit", "0", "chart", "SUMMARY"} <= set(reached)
    page.locator("#layers tbody tr").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.cells[0].textContent") == walk("A").rows[2].name
    assert page.locator("#detail dt").first.text_content() == walk("A").rows[2].name
    page.locator("#chart").focus()
    page.keyboard.press("Home")
    assert page.locator("#chart").get_attribute("aria-valuetext").startswith("In load: ")
    page.keyboard.press("ArrowRight")
    assert fresh.text("#where").startswith("In input: ")


def test_a_screen_reader_is_told(fresh):
    page = fresh.page
    said = page.locator("#said")
    assert said.get_attribute("aria-live") == "polite"
    before = said.text_content()
    fresh.show(batch="64")
    assert said.text_content() != before
    assert said.text_content().startswith("Batch 64: the peak is ")
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("input:not([type=hidden]), select")]
            .filter((each) => !each.labels.length && !each.ariaLabel).map((each) => each.name)"""
    )
    assert not unnamed
    assert page.locator("table").count() == page.locator("table > caption").count()
    assert page.locator("thead th:not([scope=col]), tbody th:not([scope=row])").count() == 0
    assert page.locator("img:not([alt]), img[alt='']").count() == 0


CLIPPED = """() => [...document.querySelectorAll(".scroll")]
    .filter((box) => box.scrollWidth > box.clientWidth + 1).map((box) => box.ariaLabel)"""


def test_on_a_phone_the_table_scrolls_and_the_page_does_not(fresh):
    fresh.page.set_viewport_size({"width": 390, "height": 844})
    fresh.show(unit="bytes", batch="1000", optimizer="adam", norm="true")
    assert fresh.page.evaluate("document.documentElement.scrollWidth") == 390
    assert "Layer by layer" in fresh.page.evaluate(CLIPPED)


@pytest.mark.parametrize("width", [320, 380, 700, 800, 1024, 1240, 1366, 1600])
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


def test_on_a_phone_a_picture_is_large_enough_and_its_caption_stays(fresh):
    fresh.page.set_viewport_size({"width": 380, "height": 800})
    fresh.page.emulate_media(media="screen")
    assert fresh.page.locator("main img").first.bounding_box()["width"] >= 600
    assert fresh.page.locator("main figure").first.bounding_box()["width"] < 380
    for caption in fresh.page.locator("caption:visible").all():
        box = caption.bounding_box()
        assert box["x"] + box["width"] <= 380


def test_in_print_nothing_is_clipped_and_no_control_shows(fresh):
    fresh.show(unit="bytes", batch="1000", optimizer="adam", norm="true")
    fresh.page.set_viewport_size({"width": 710, "height": 1030})  # A4 within its margins
    fresh.page.emulate_media(media="print", color_scheme="dark")
    assert not fresh.page.locator("#controls").is_visible()
    assert not fresh.page.locator("#themes").is_visible()
    assert fresh.page.locator("#setting").is_visible()
    assert fresh.page.locator("#layers").is_visible()
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
    assert not reader.page.locator("#themes").is_visible()
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
