"""The live page's controls: what may be typed, clicked and pressed, and what it then says."""

from __future__ import annotations

import re

import pytest
from paging import START, differences, expected

from vgg_profile import walk
from vgg_profile.ask.compare import Comparison
from vgg_profile.ask.report import Report
from vgg_profile.core import units
from vgg_profile.render import live_page as to_live_page


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
        reserve = {"0.5": "0.35", "8": "0.703", "8.5": "0.703"}[
            meant
        ]  # all of 720 MiB, and in 0.5 GiB a part
        assert f"in {meant} GiB less {reserve} GiB in reserve" in shown["setting"]
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
def test_an_address_that_makes_no_sense_is_the_page_as_it_begins(window, html, anchor):
    window.open(html, anchor).page.locator("#layers tbody tr").first.wait_for()
    wanted = expected(START)["figures"]
    assert {name: window.page.locator(f"#{name} > *").all_text_contents() for name in wanted} == wanted
    assert window.text("#problem") == ""
    assert not window.complaints
    window.wait_until("location.hash === ''")


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
def test_the_working_of_a_row_is_in_sight_with_the_row(reader, width, height):
    reader.page.set_viewport_size({"width": width, "height": height})
    reader.show()
    for row in (0, 5, -1):
        reader.page.locator("#layers tbody tr").nth(row).focus()
        box = reader.page.locator("#working").bounding_box()
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= height
        line = reader.page.locator("#layers tbody tr").nth(row).bounding_box()
        assert 0 <= line["y"] <= height - line["height"]
        if width < 1240:
            assert line["y"] + line["height"] <= box["y"] + 1
    reader.page.keyboard.press("Escape")
    assert not reader.page.locator("#working").is_visible()


def test_at_the_pages_top_the_working_is_seen(fresh):
    box = fresh.page.locator("#layers tbody tr").first.bounding_box()
    fresh.page.mouse.move(200, box["y"] + 5)
    assert fresh.page.evaluate("scrollY") == 0
    box = fresh.page.locator("#working").bounding_box()
    assert box["y"] + box["height"] <= 900


@pytest.mark.parametrize("width", [1400, 380])
@pytest.mark.parametrize("memory", ["8", "7.9", "7.7", "7.5", "7", "5"])
def test_the_peaks_label_is_free_of_the_limits_line(reader, width, memory):
    reader.page.set_viewport_size({"width": width, "height": 900})
    reader.show(network="D", batch="66", optimizer="adam", memory=memory)
    label = reader.page.locator("#chart text.peak").bounding_box()
    line = reader.page.locator("#chart line.limit").bounding_box()["y"]
    assert not label["y"] < line < label["y"] + label["height"] - 3  # below the baseline there is nothing
    assert "GiB less reserve" in reader.text("#legend")
    chart = reader.page.locator("#chart").bounding_box()
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
    layer = fresh.page.locator("#layers").get_by_role("button", name="layer")
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
