"""Building a network on the live page: after every edit its figures are Python's, to the byte."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
from paging import START, differences, expected, part, press, shown, wanted

from vgg_profile import walk
from vgg_profile.ask.compare import Comparison
from vgg_profile.ask.page_step import built
from vgg_profile.ask.report import Report
from vgg_profile.core.errors import InputError
from vgg_profile.core.fold import at_batch, levels
from vgg_profile.core.setting import Setup
from vgg_profile.predict.vgg.configs import PAPER, Config, parse_layers
from vgg_profile.predict.vgg.step import tensors_alone
from vgg_profile.render import live_page as to_live_page

WORK_OUT = """([script, all]) => {
    const [rules, py] = (0, eval)(script);
    const plainly = (_, value) => (value instanceof Map ? Object.fromEntries(value) : value);
    return JSON.stringify(JSON.parse(all).map((asked) => {
        try {
            return rules.built(...asked);
        } catch (error) {
            if (!(error instanceof py.InputError)) throw error;
            return error.problem;
        }
    }), plainly);
}"""


def edited(chance, net):
    """A network after one edit at random: a layer in or out, another width, another head."""
    layers, head, classes, channels, norm, pool = json.loads(json.dumps(net))
    place = chance.randrange(len(layers))
    match chance.randrange(8):
        case 0:
            layers.insert(place, ["conv", chance.choice((1, 7, 64, 100, 512)), chance.choice((1, 3, 3, 5))])
        case 1:
            if chance.random() < 0.3:
                layers.insert(place, ["pool"])
        case 2:
            layers.insert(place, ["lrn"])
        case 3 | 4 if sum(kind == "conv" for kind, *_ in layers) > 1 or layers[place][0] != "conv":
            del layers[place]
        case 5:
            pool = chance.choice((7, 1, None, 3))
        case 6:
            head = [chance.choice((10, 512, 4096)) for _ in range(chance.randrange(4))]
            classes, norm = chance.choice((10, 1000)), chance.random() < 0.5
        case _:
            convs = [layer for layer in layers if layer[0] == "conv"]
            chance.choice(convs)[1] = chance.randint(1, 700)
    return [layers, head, classes, channels, norm, pool]


def edits(count):
    """Networks one edit apart, each at a setting of its own."""
    chance = random.Random(19)
    net = None
    for number in range(count):
        if number % 25 == 0:
            paper = chance.choice([*PAPER.values()])
            layers = [
                ["conv", each.width, each.kernel]
                if str(each)[0] in "1234567890c"
                else ["pool"]
                if str(each) == "M"
                else ["lrn"]
                for each in paper.layers
            ]
            net = [layers, [4096, 4096], 1000, 3, False, 7]
        net = edited(chance, net)
        mode = chance.choice(("train", "train", "train", "eval", "inference"))
        amp = chance.choice(("none", "none", "bfloat16", "float16"))
        setup = Setup(
            mode=mode,
            foreach=chance.choice((None, None, True, False)),
            first_step=chance.random() < 0.2,
            accumulate=1 if mode == "inference" else chance.choice((1, 1, 4)),
        )
        yield (
            net,
            [chance.choice((64, 75, 100, 224)), chance.choice((64, 96, 224))],
            "float32" if amp != "none" else chance.choice(("float32", "bfloat16", "float64")),
            chance.choice(("cpu", "cuda")),
            setup,
            "none" if mode == "inference" else chance.choice(("none", "sgd", "momentum", "adam", "adamw")),
            amp,
            "none" if mode == "inference" else chance.choice(("none", "none", "blocks")),
        )


def net_of(layers, head, classes, channels, norm, pool):
    short = {"pool": "M", "lrn": "LRN"}
    words = [f"conv{each[2]}-{each[1]}" if each[0] == "conv" else short[each[0]] for each in layers]
    return Config("own", parse_layers(words), tuple(head), classes, channels, norm, pool)


def in_python(net, plane, dtype, device, setup, optimizer, amp, checkpoint):
    """What the walk and the ledger say, by their own functions: what a page must find."""
    try:
        profile = walk(net_of(*net), input=f"{plane[0]}x{plane[1]}", dtype=dtype, device=device)
    except InputError as error:
        return error.problem
    step = tensors_alone(profile, replace(setup, optimizer=optimizer, amp=amp, checkpoint=checkpoint))
    totals = step.profile.totals
    batches = (1, 8, 1000)
    return {
        "parameters": totals.parameters,
        "macs": totals.macs,
        "values": totals.values,
        "rows": [row.name for row in step.profile.rows],
        "saved": [[row.saved_bytes(batch) for row in step.profile.rows] for batch in batches],
        "boundaries": [[moment.live for moment in step.at(batch).moments] for batch in batches],
        "peaks": [step.peak_bytes(batch) for batch in batches],
        "largest": [step.largest_batch(limit * 2**30) for limit in (1, 8, 80)],
        "setup": step.setup.label,
    }


def as_seen(figures):
    """The same from what ``built`` gives."""
    if isinstance(figures, str):
        return figures
    tape, totals = figures["tape"], figures["totals"]
    ends = [*(first for *_, first in tape["marks"][1:]), len(tape["events"])]

    def live(batch):
        sizes = at_batch(figures["fixed"], figures["per_image"], batch)
        return [0, *(row[0] for row in levels(tape["events"], [0] * len(sizes), sizes, 1))]

    at = {batch: live(batch) for batch in (1, 8, 1000)}
    loaded = tape["marks"][1][3]
    return {
        "parameters": totals["parameters"],
        "macs": totals["macs"],
        "values": totals["values"],
        "rows": [row["name"] for row in figures["rows"]],
        "saved": [
            [sum(at_batch(fixed, each, batch)) for _, fixed, each in figures["saved"][:-1]]
            for batch in at
        ],
        "boundaries": [[each[2 * end] for end in ends] for each in at.values()],
        "peaks": [max(each[2 * loaded :]) for each in at.values()],
        "largest": [
            0 if max(fixed for fixed, _ in figures["lines"]) > limit * 2**30
            else min((limit * 2**30 - fixed) // each for fixed, each in figures["lines"] if each)
            for limit in (1, 8, 80)
        ],
        "setup": figures["setup"],
    }  # fmt: skip


def asked(net, plane, dtype, device, setup, optimizer, amp, checkpoint):
    fields = [getattr(setup, name) for name in Setup.__dataclass_fields__]
    layers, head, classes, channels, norm, pool = net
    return [
        layers,
        head,
        classes,
        channels,
        norm,
        pool,
        plane,
        dtype,
        device,
        fields,
        optimizer,
        amp,
        checkpoint,
    ]


def script_of(html):
    """The page's own rules, cut out of it."""
    text = html[html.index("const py = ") : html.index("// The live part of a report.")]
    return f"(() => {{ {text}\nreturn [rules, py]; }})()"


@pytest.mark.parametrize("count", [25, pytest.param(1000, marks=pytest.mark.slow)])
def test_every_edit_is_worked_out_as_python_does(browser, html, count):
    cases = list(edits(count))
    page = browser.new_page()
    shown = json.loads(
        page.evaluate(WORK_OUT, [script_of(html), json.dumps([asked(*case) for case in cases])])
    )
    page.close()
    wrong = [case for case, seen in zip(cases, shown, strict=True) if as_seen(seen) != in_python(*case)]
    assert wrong == []
    assert sum(isinstance(each, dict) for each in shown) > count / 2


@pytest.mark.parametrize(
    ("rule", "mutant"),
    [
        ("py.mul(py.prod(shape), INDEX_BYTES())", "py.mul(py.prod(shape), 4)"),
        ("storage.holders = (storage.holders - 1)", "storage.holders = (storage.holders - 2)"),
        ("py.floor(height, 2)", "py.floor(py.add(height, 1), 2)"),
    ],
)
def test_a_changed_rule_of_the_page_is_noticed(browser, html, rule, mutant):
    script = script_of(html)
    assert rule in script
    cases = list(edits(20))
    page = browser.new_page()
    try:
        shown = json.loads(
            page.evaluate(
                WORK_OUT, [script.replace(rule, mutant), json.dumps([asked(*case) for case in cases])]
            )
        )
    except Exception:
        return
    finally:
        page.close()
    assert any(as_seen(seen) != in_python(*case) for case, seen in zip(cases, shown, strict=True))


def test_built_is_what_the_page_shows_at_its_own_setting():
    figures = built(
        *asked(
            [[["conv", 64, 3], ["pool"]], [], 10, 3, False, 7],
            [32, 32],
            "float32",
            "cpu",
            Setup(),
            "none",
            "none",
            "none",
        )
    )
    assert figures["totals"]["parameters"] == 3 * 3 * 3 * 64 + 64 + 64 * 7 * 7 * 10 + 10


# -- on the page


def test_layers_are_dropped_added_and_widened(fresh):
    part(fresh, "pool1").click()
    press(fresh, "Drop pool1")
    assert shown(fresh) == wanted("64,128,M,256,256,M,512,512,M,512,512,M")
    said = fresh.text("#changed")
    assert said.startswith("pool1 is gone: the last map is 512×14×14, was 512×7×7;")
    assert "the batch that fits goes from " in said
    part(fresh, "conv1_1").click()
    press(fresh, "+ convolution after")
    assert shown(fresh) == wanted("64,64,128,M,256,256,M,512,512,M,512,512,M")
    fresh.page.locator("#editor").get_by_label("width", exact=True).fill("96")
    assert shown(fresh) == wanted("64,96,128,M,256,256,M,512,512,M,512,512,M")
    press(fresh, "+ pool after")
    assert shown(fresh) == wanted("64,96,M,128,M,256,256,M,512,512,M,512,512,M")
    part(fresh, "average pool").click()
    fresh.page.locator("#editor select").select_option("1")
    assert shown(fresh) == wanted("64,96,M,128,M,256,256,M,512,512,M,512,512,M,GAP")
    assert fresh.text("#setting").startswith("your network, input 224×224")
    for _ in range(5):
        press(fresh, "Undo")
    assert shown(fresh) == wanted("A")
    assert fresh.page.get_by_role("button", name="Undo").is_disabled()
    assert not fresh.complaints


def test_what_cannot_be_is_said_and_nothing_changes(other, quick):
    report = Report(Comparison((walk("8,M", input=64),)), "vgg-profile report 8,M")
    other.open(to_live_page(report)).page.locator("#layers tbody tr").first.wait_for()
    before = shown(other)
    part(other, "conv1_1").click()
    press(other, "Drop conv1_1")
    assert "not here. A network has a convolution" in other.text("#changed")
    other.page.locator("#editor").get_by_label("width", exact=True).fill("0")
    assert shown(other) == before
    for _ in range(9):
        part(other, "pool1").click()
        press(other, "+ pool after")
    assert "The image is too small" in other.text("#problem")
    assert not other.complaints


NOT_NETWORKS = [
    "1", ";;;;", "M;;10;3;7", "64,M;0;10;3;7", "99999999;;10;3;7", "%3Cb%3E;;1;1;1", "8,conv2-8;;10;3;7",
    "8,;;10;3;7", "8;;10;3;7;9", "8," * 400 + "8;;10;3;7", "8;1e3;10;3;7", "8;;10;0;7", "8;;10;3;",
    "8;;10;3;x",
]  # fmt: skip
ANCHORS = [*(f"#net={each}" for each in NOT_NETWORKS), "#dtype=bfloat16&amp=float16"]


@pytest.mark.parametrize("anchor", ANCHORS)
def test_an_address_of_no_network_is_the_page_as_it_begins(reader, anchor):
    reader.go_to("#net=8,M;;10;3;7&batch=2")
    assert shown(reader) != wanted("A")
    reader.go_to(anchor)
    assert shown(reader) == (wanted("A", dtype="bfloat16") if "dtype" in anchor else wanted("A"))


@pytest.mark.parametrize(
    "anchor", [ANCHORS[0], *(pytest.param(each, marks=pytest.mark.slow) for each in ANCHORS[1:])]
)
def test_a_page_that_is_opened_at_an_address_of_no_network_is_as_it_begins(window, html, anchor):
    window.open(html, anchor).page.locator("#layers tbody tr").first.wait_for()
    assert shown(window) == (wanted("A", dtype="bfloat16") if "dtype" in anchor else wanted("A"))
    assert not window.complaints


def test_every_control_follows_a_network_of_ones_own(window, html):
    own = "32,M,conv1-48,64,M,LRN,96,M"
    anchor = f"#net={own};4096,4096;1000;3;7"
    window.open(html, anchor).page.locator("#layers tbody tr").first.wait_for()
    chance = random.Random(2)
    for _ in range(12):
        setting = {
            "batch": chance.choice(("1", "7", "64")),
            "optimizer": chance.choice(("none", "adam")),
            "size": chance.choice(("64×64", "224×224")),
            "norm": chance.choice(("true", "false")),
            "checkpoint": chance.choice(("none", "blocks")),
            "amp": chance.choice(("none", "bfloat16")),
            "device": chance.choice(("cpu", "cuda")),
            "unit": "bytes",
        }
        page = window.show(**setting, net=f"{own};4096,4096;1000;3;7")
        assert not differences(page, expected(START | setting | {"network": own}))
