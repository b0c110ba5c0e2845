"""Addresses of the live page: what stands behind the # is somebody else's, and a network is built of it."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

NAMES = (
    "network", "batch", "dtype", "optimizer", "size", "norm", "amp", "checkpoint", "net", "device",
    "memory", "card", "unit", "theme", "odd", "__proto__", "constructor", "",
)  # fmt: skip
VALUES = (
    "A", "D", "8", "8.5", "1,5", "100000", "1e9", "-1", "0", "NaN", "Infinity", "9" * 40, "float16", "int8",
    "bfloat16", "adam", "sgd", "224×224", "32×32", "0×0", "true", "false", "blocks", "cuda", "tpu", "MiB",
    "dark", "<img src=x onerror=alert(1)>", "\"><script>alert(1)</script>", "javascript:alert(1)",
    "constructor", "__proto__", "toString", "\u202e", "\x00", "\ud800", "%", "%00", "%f0", "&", "=", ";;;;",
    "${alert(1)}", "url(https://example.org/x)", "https://example.org/", "//example.org", "../../x",
)  # fmt: skip
TOKENS = (
    "8",
    "64",
    "M",
    "LRN",
    "conv1-8",
    "conv5-8",
    "conv2-8",
    "conv99-1",
    "0",
    "-8",
    "99999",
    "",
    "m",
    "<b>",
)
"""Layers of a network as an address has them, and what is none."""


def _net(chance: random.Random) -> str:
    """A network: layers, the classifier's widths, classes, channels, the pool's size."""
    layers = [
        chance.choice(TOKENS[:5] if chance.random() < 0.9 else TOKENS) for _ in range(chance.randrange(9))
    ]
    layers *= chance.choice((1, 1, 1, 40, 2_000))
    head = ",".join(chance.choice(("16", "4096", "0", "x")) for _ in range(chance.randrange(3)))
    numbers = [chance.choice(("10", "1000", "3", "0", "x", "999999999")) for _ in range(2)]
    return ";".join([",".join(layers), head, *numbers, chance.choice(("7", "1", "none", "99", "x"))])


def address(chance: random.Random) -> str:
    """What stands behind the #: settings that the page has, and others, each written well or ill."""
    pairs = []
    for _ in range(chance.randrange(6)):
        name = chance.choice(NAMES)
        value = _net(chance) if name == "net" and chance.random() < 0.9 else chance.choice(VALUES)
        is_quoted = chance.random() < 0.8
        pairs.append(f"{name}={quote(value, errors='surrogatepass') if is_quoted else value}")
    return "#" + chance.choice(("&", "&", "&&", "#")).join(pairs)


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser without a window; raises ``FileNotFoundError`` where there is no Chromium."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        raise FileNotFoundError("no chromium: apt-get install chromium")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


_GO_TO = """(address) => {
    const form = document.getElementById("controls");
    const before = JSON.stringify([...new FormData(form)]);
    history.replaceState(null, "", address);
    dispatchEvent(new HashChangeEvent("hashchange"));
    const all = [...document.querySelectorAll("*")];
    const said = document.getElementById("problem").textContent;
    return {
        code: said || JSON.stringify([...new FormData(form)]) === before ? 2 : 0,
        said,
        shown: document.body.innerText,
        active: all.filter((each) => each.matches("script, iframe, object, embed, link, base, img")
            || each.getAttributeNames().some((name) => name.startsWith("on"))).length,
    };
}"""


class Page:
    """A live page that is open in a browser, and what it did that no page of ours does."""

    def __init__(self, browser: Any, path: Path) -> None:
        from vgg_profile import walk
        from vgg_profile.ask.compare import Comparison
        from vgg_profile.ask.report import Report
        from vgg_profile.render import live_page

        report = Report(Comparison((walk("A"), walk("D"))), "vgg-profile report A D -o page.html")
        path.write_text(live_page(report), encoding="utf-8")
        self._did: list[str] = []
        self.page = browser.new_page()
        self.page.goto(path.as_uri())
        self.page.locator("#layers tbody tr").first.wait_for()
        self._active = self.page.evaluate(_GO_TO, "#")["active"]
        self.page.on("request", lambda request: self._did.append(f"it asks for {request.url}"))
        self.page.on("pageerror", lambda error: self._did.append(f"traceback: {error}"))
        self.page.on("console", lambda message: self._did.append(f"it complains: {message.text}"))
        self.page.on("dialog", lambda dialog: (self._did.append("a dialog opens"), dialog.dismiss()))

    def go_to(self, address: str) -> dict[str, Any]:
        """What came of an address, as of a call: its code, seconds, and what was odd."""
        start = time.monotonic()
        told = self.page.evaluate(_GO_TO, address)
        odd, self._did[:] = "; ".join(self._did), []
        if told["active"] != self._active:
            odd = "the address became part of the page"
        elif any(word in told["shown"] for word in ("NaN", "undefined", "[object", "Infinity")):
            odd = "it shows what is no figure"
        elif len(told["said"]) > 1000:
            odd = "its sentence has no end"
        return {"code": told["code"], "seconds": time.monotonic() - start, "odd": odd, "memory": 0}
