"""The slides of the lessons: files that need no network, on which nothing is cut off and nothing scrolls."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import nbformat
import pytest
from paging import objections

from examples.run_lessons import FOLDER, LESSONS

pytest.importorskip("nbconvert", reason="the slides are an extra: pip install '.[lessons]'")

from examples.make_slides import main

SMALLEST = 0.45
"""A table of twenty lines is drawn so much smaller; its letters are then as high as those of a footnote."""

READ = """() => [...document.querySelectorAll("section")].map((slide) => ({
    text: slide.textContent,
    over: [slide.scrollHeight - slide.clientHeight, slide.scrollWidth - slide.clientWidth],
    sizes: [...slide.children].map((block) => Number(block.style.zoom || 1)),
    parts: [...slide.children].map((block) => block.className || block.tagName),
}))"""


LOOKS = """() => [document.body, document.querySelector("section"), document.querySelector("pre.code")]
    .map((each) => getComputedStyle(each)).map(({ color, backgroundColor }) => [color, backgroundColor])"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("slides")
    assert main(["-o", str(folder)]) == 0
    return folder


def opened(browser, folder: Path, lesson: Path, **options):
    page = browser.new_page(viewport={"width": 1280, "height": 720}, **options)
    page.asked, page.complaints = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.goto((folder / f"{lesson.stem}.slides.html").as_uri())
    return page


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_a_lessons_slides_hold_all_of_it_and_nothing_is_cut_off(browser, folder, lesson):
    page = opened(browser, folder, lesson)
    page.wait_for_selector("body[data-ready]", state="attached")
    slides = page.evaluate(READ)
    assert [slide["text"][:40] for slide in slides if max(slide["over"]) > 0] == []
    assert min(size for slide in slides for size in slide["sizes"]) > SMALLEST
    assert all(set(slide["parts"]) - {"again"} for slide in slides)  # none holds a heading of another alone
    shown = words(" ".join(slide["text"] for slide in slides))
    for cell in nbformat.read(lesson, as_version=4).cells:
        is_answer = "answer" in cell.metadata.get("tags", [])
        if cell.cell_type == "code":
            text = " ".join(words(cell.source))
            assert (text in " ".join(shown)) is not is_answer, cell.source
    assert [url for url in page.asked if not url.startswith(("file:", "data:"))] == []
    assert not page.complaints
    page.close()


def test_before_they_are_laid_out_sections_are_higher_than_a_slide(browser, folder):
    page = opened(browser, folder, LESSONS[0], java_script_enabled=False)
    heights = [
        box["height"] for box in (each.bounding_box() for each in page.locator("section").all()) if box
    ]
    assert max(heights) > 2 * 720  # and without scripts all of them can be read
    page.close()


def test_keys_turn_the_slides_and_the_address_keeps_the_place(browser, folder):
    page = opened(browser, folder, LESSONS[0])
    page.wait_for_selector("body[data-ready]", state="attached")
    count = len(page.evaluate(READ))
    for key, at in (
        ("ArrowRight", 2),
        ("PageDown", 3),
        ("ArrowLeft", 2),
        ("End", count),
        (" ", count),
        ("Home", 1),
    ):
        page.keyboard.press(key)
        assert page.locator("#place").text_content() == f"{at} / {count}"
        assert page.url.endswith(f"#{at}")
        assert page.locator("section.shown").count() == 1
    page.get_by_role("button", name="On").click()
    page.reload()
    page.wait_for_selector("body[data-ready]", state="attached")
    assert page.locator("#place").text_content() == f"2 / {count}"
    page.close()


def test_a_slide_is_as_large_as_the_projector(browser, folder):
    page = opened(browser, folder, LESSONS[0])
    page.wait_for_selector("body[data-ready]", state="attached")
    for width, height, seen in (
        (1920, 1080, (1920, 1080)),
        (1024, 768, (1024, 576)),
        (640, 1000, (640, 360)),
    ):
        page.set_viewport_size({"width": width, "height": height})
        box = page.locator("section.shown").bounding_box()
        assert (round(box["width"]), round(box["height"])) == seen
    page.close()


def looks(page) -> list[list[str]]:
    return page.evaluate(LOOKS)


def test_slides_are_light_and_one_key_makes_them_dark(browser, folder):
    page = opened(browser, folder, LESSONS[0], color_scheme="dark")  # the laptop's taste is not the room's
    page.wait_for_selector("body[data-ready]", state="attached")
    light = looks(page)
    assert light[1][1] == "rgb(255, 255, 255)"
    page.keyboard.press("d")
    dark = looks(page)
    pairs = [zip(*both, strict=True) for both in zip(light, dark, strict=True)]
    assert all(one != other for pair in pairs for one, other in pair)
    page.get_by_role("button", name="Light or dark").click()
    assert looks(page) == light
    page.close()


def test_slides_begin_dark_where_that_is_asked_for_and_print_light(browser, tmp_path):
    assert main(["1", "--dark", "-o", str(tmp_path)]) == 0
    page = opened(browser, tmp_path, LESSONS[0])
    page.wait_for_selector("body[data-ready]", state="attached")
    picture = page.locator("img").first
    filtered = "each => getComputedStyle(each).filter"
    assert looks(page)[1][1] == "rgb(22, 24, 28)"
    assert picture.evaluate(filtered) != "none"
    page.emulate_media(media="print")
    assert looks(page)[0][1] == "rgb(255, 255, 255)"
    assert picture.evaluate(filtered) == "none"
    page.close()


@pytest.mark.parametrize(
    ("key", "first"),
    [("", 0), ("d", 1), *(pytest.param(*each, marks=pytest.mark.slow) for each in (("", 1), ("d", 0)))],
    ids=["light, the first and so on", "dark, the second and so on", "light, the others", "dark, the others"],
)
def test_every_slide_can_be_read(browser, folder, key, first):
    """As axe weighs each text against its ground; what it cannot judge, it does not count."""
    page = opened(browser, folder, LESSONS[0], bypass_csp=True)
    page.wait_for_selector("body[data-ready]", state="attached")
    if key:
        page.keyboard.press(key)
    for number, _ in enumerate(page.evaluate(READ)):
        if number % 2 == first:
            assert objections(page) == []
        page.keyboard.press("ArrowRight")
    page.close()


def test_the_teachers_page_has_the_command() -> None:
    command = re.search(
        r"^python (examples/make_slides.py.*)$", (FOLDER / "teachers.md").read_text("utf-8"), re.M
    )
    assert command
    assert shlex.split(command[1]) == ["examples/make_slides.py"]


def test_a_lesson_that_is_none_is_refused(capsys, tmp_path) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["12", "-o", str(tmp_path)])
    assert ended.value.code == 2
    assert "there is no lesson 12; there are 1 to 9" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
