"""How long does the live page take for an edit? The main thread's own time, up to the frame that shows it.

Random edits of a network and its setting are made in Chromium, one a frame: a layer is added, dropped, moved
or given another width, or the batch, the optimizer or batch norm is another; then again all of it at once,
which no hand can do. What each costs is read off Chromium's own trace: CPU time of the main thread, so that
what else the machine does counts little; tracing itself is counted. Each edit is made several times over:
``worst`` is the worst of all frames, ``again`` the edit whose median is the worst, which a busy machine does
not make. A frame has 16 ms; exit code 3 if that one takes longer.

    python examples/measure_page.py                         # the page of D, made now
    python examples/measure_page.py old.html new.html       # in turns: ratios to the first
    python examples/measure_page.py --edits 1000 --times 5
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

FRAME = 16
TURN = 20
"""Edits of one page before it is the next one's turn."""

WORK = {
    "script": ("EventDispatch", "FunctionCall"),
    "style": ("UpdateLayoutTree",),
    "layout": ("Layout",),
    "paint": ("PrePaint", "Paint", "Layerize", "Commit"),
}
"""What a frame is made of, by the names that Chromium's trace has for it."""

EDIT = """(setting) => new Promise((done) => {
    const form = document.getElementById("controls");
    for (const [name, value] of Object.entries(setting)) form.elements[name].value = value;
    performance.mark("edit");
    form.elements.batch.dispatchEvent(new Event("input", { bubbles: true }));
    requestAnimationFrame(() => {  // what is posted from here arrives after the frame
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => { performance.mark("shown"); done(); };
        port2.postMessage(0);
    });
})"""

VGG16 = "64,64,M,128,128,M,256,256,256,M,512,512,512,M,512,512,512,M"
CHOICES = {
    "batch": ("1", "8", "32", "64"),
    "optimizer": ("none", "sgd", "adam"),
    "norm": ("true", "false", "false"),
}


def edits(seed: int, is_all_at_once: bool, time: int = 0) -> Iterator[dict[str, str]]:
    """Settings one edit apart, as the page's controls hold them; never far from VGG-16's size.

    Another ``time`` has another number of classes: the page knows none of its networks from the time before.
    """
    chance, layers = random.Random(seed), VGG16.split(",")
    setting = {"net": "", "batch": "1", "optimizer": "none", "norm": "false"}
    while True:
        turned = set(setting) if is_all_at_once else {chance.choice(("net", "net", "net", *CHOICES))}
        if "net" in turned:
            rebuild(layers, chance)
        setting["net"] = f"{','.join(layers)};4096,4096;{1000 + time};3;7"
        for name in CHOICES.keys() & turned:
            others = [value for value in CHOICES[name] if is_all_at_once or value != setting[name]]
            setting[name] = chance.choice(others)
        yield dict(setting)


def rebuild(layers: list[str], chance: random.Random) -> None:
    place = chance.randrange(len(layers))
    convs = [place for place, layer in enumerate(layers) if layer != "M"]
    match chance.randrange(6):
        case 0 if len(layers) < 24:
            layers.insert(place, chance.choice(("64", "128", "512")))
        case 1 if len(layers) > 12 and convs != [place]:
            del layers[place]
        case 2:
            layers.insert(place, layers.pop(chance.randrange(len(layers))))
        case _:
            layers[chance.choice(convs)] = str(chance.randint(1, 600))


def frames(browser: Browser, page: Page, settings: list[dict[str, str]]) -> list[Counter[str]]:
    """Milliseconds of the main thread for each edit, by kind of work."""
    page.bring_to_front()
    browser.start_tracing(page=page, categories=["devtools.timeline", "blink.user_timing"])
    for setting in settings:
        page.evaluate(EDIT, setting)
    events = json.loads(browser.stop_tracing())["traceEvents"]
    marks = [each for each in events if each["name"] in ("edit", "shown") and "user_timing" in each["cat"]]
    marks.sort(key=lambda each: each["ts"])
    found = []
    for edit, shown in zip(marks[::2], marks[1::2], strict=True):
        assert (edit["name"], shown["name"]) == ("edit", "shown")
        of_this_frame = (
            each
            for each in events
            if each["tid"] == edit["tid"] and each["pid"] == edit["pid"]
            if each["ph"] == "X" and edit["ts"] <= each["ts"] < shown["ts"]
        )
        found.append(work(of_this_frame))
    return found


def work(events: Iterator[dict[str, Any]]) -> Counter[str]:
    """CPU time by kind of work; what runs within another's time is that one's."""
    found: Counter[str] = Counter()
    until = 0.0
    for event in sorted(events, key=lambda each: each["ts"]):
        kind = next((kind for kind, names in WORK.items() if event["name"] in names), None)
        if kind and event["ts"] >= until:
            found[kind] += event.get("tdur", event["dur"]) / 1000
            until = event["ts"] + event["dur"]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("pages", nargs="*", type=Path)
    parser.add_argument("--edits", type=int, default=200)
    parser.add_argument("--times", type=int, default=3, help="how often each edit is made (default: 3)")
    arguments = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as started:
        pages = [path.resolve() for path in arguments.pages] or [made_in(Path(folder))]
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        opened = [browser.new_page(viewport={"width": 1400, "height": 900}) for _ in pages]
        for path, page in zip(pages, opened, strict=True):
            page.goto(path.as_uri())
            page.locator("#layers tbody tr").first.wait_for(state="attached")
        found: dict[str, list[list[Counter[str]]]] = {}
        for turn in range(-1, arguments.edits // TURN):  # the first warms up, and is not counted
            for kind, is_all_at_once in (("", False), (", all at once", True)):
                settings = [
                    list(islice(edits(turn, is_all_at_once, time), TURN + 1))
                    for time in range(arguments.times)
                ]
                for path, page in zip(pages, opened, strict=True):
                    seen = [frames(browser, page, each) for each in settings]
                    of_each = list(zip(*seen, strict=True))[1:]  # the first comes from elsewhere
                    found.setdefault(f"{path.name}{kind}", []).extend(map(list, of_each) if turn >= 0 else [])
        count = arguments.edits // TURN * TURN
        print(f"{count} edits, each {arguments.times} times, Chromium {browser.version}; main thread, ms")
        browser.close()
    for line in told(found):
        print(line)
    return 0 if max(map(again, found.values())) < FRAME else 3


def again(its: list[list[Counter[str]]]) -> float:
    """The edit that takes longest, whenever it is made."""
    return max(statistics.median(sum(frame.values()) for frame in frames) for frames in its)


def made_in(folder: Path) -> Path:
    page = folder / "d.html"
    subprocess.run([sys.executable, "-m", "vgg_profile", "report", "D", "-o", page], check=True)
    return page


def told(found: dict[str, list[list[Counter[str]]]]) -> Iterator[str]:
    """A line a page: medians by kind of work, then of the whole: median, 95th percentile, worst, ratio."""
    columns = (*WORK, "whole", "95 %", "worst", "again", "ratio")
    yield f"{'page':32}" + "".join(f"{kind:>8}" for kind in columns)
    first = None
    for name, its in found.items():
        every = [frame for frames in its for frame in frames]
        whole = sorted(sum(frame.values()) for frame in every)
        parts = [statistics.median(frame[kind] for frame in every) for kind in WORK]
        middle = statistics.median(whole)
        first = first or middle
        figures = [*parts, middle, whole[int(0.95 * len(whole))], whole[-1], again(its)]
        yield f"{name:32}" + "".join(f"{each:8.1f}" for each in figures) + f"{middle / first:8.2f}"


if __name__ == "__main__":
    sys.exit(main())
