"""A report as one page: the whole document, and over it figures that follow a reader's own setting.

The page needs nothing else: its style, script, pictures and figures lie within it, and its own policy
forbids it to ask for more. Without scripts the document is all there; the live part shows itself only
once it runs. Its script is the files of ``_SCRIPTS``, one after the other, behind rules translated from the
Python that runs them here: those of ``_RULES``, and those that it is given.
"""

from __future__ import annotations

import gzip
import inspect
import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from hashlib import sha256
from html import escape
from importlib.resources import files
from itertools import groupby
from string import Template
from typing import Any

from vgg_profile.core import digits, fold
from vgg_profile.core.documents import Document, Part, Picture
from vgg_profile.core.figures import PALETTE
from vgg_profile.core.forms import Table
from vgg_profile.write.html import part_to_html
from vgg_profile.write.javascript import translate

_RULES = (digits, fold)
_SCRIPTS = tuple(
    f"{name}.js"
    for name in [
        "start",
        "words",
        "figures",
        "table",
        "chart",
        "scrub",
        "changes",
        "build",
        "drag",
        "copy",
        "look",
        "controls",
    ]
)

_OFF = "This is the report. With scripts, the page is live, too: build on the network, look inside, scrub."

Progress = Callable[[Sequence[Any], int, str], Iterable[Any]]
"""Hands on items one by one, given their number and what is done with them."""


def draw(
    document: Document,
    progress: Progress = lambda items, length, label: items,
    *,
    live: tuple[Table, ...] = (),
) -> str:
    """The parts of a document as HTML; the tables that ``live`` ones stand for can be folded away."""
    return "".join(_runs(progress(document.parts, len(document.parts), "Drawing"), live))


def to_live_page(
    title: str,
    report: str,
    data: Mapping[str, Any] | None,
    *,
    rules: tuple[Callable[..., Any], ...] = (),
    remark: str = "",
) -> str:
    """The page of a report, as ``draw`` gives it, with live figures from ``data``, by ``ask.page_data``.

    ``rules`` are functions that the page runs, as ``ask.page_step`` has them. Without data it is the report
    alone, and the ``remark`` says why.
    """
    parts = {"title": escape(title), "style": _read("page.css"), "report": report}
    if data is None:
        parts["report"] += f"<p>{escape(remark)}</p>\n" if remark else ""
        return _page(**parts, live="", off="", shown_as="", scripts="", policy=_policy(""))
    packed = b64encode(gzip.compress(json.dumps({**data, "palette": PALETTE}).encode(), mtime=0)).decode()
    script = _script(rules)
    scripts = (f'type="text/plain" id="data">{packed}', f'type="module">{script}')
    return _page(
        **parts,
        live=Template(_read("live.html")).substitute(_controls(data)),
        off=f"<noscript><p>{_OFF}</p></noscript>\n",
        shown_as='<div id="shown-as" hidden>'
        f"{_choice('unit', 'unit', {unit: unit for unit in data['units']}, 'MiB')}"
        f"{_choice('theme', 'colours', _THEMES, 'auto')}</div>\n",
        scripts="".join(f"<script {each}</script>\n" for each in scripts),
        policy=_policy(script),
    )


def _page(**parts: str) -> str:
    return Template(_read("page.html")).substitute(parts)


def _read(name: str) -> str:
    return (files("vgg_profile.write") / "assets" / name).read_text("utf-8")


@cache
def _script(rules: tuple[Callable[..., Any], ...]) -> str:
    own = (
        function
        for module in _RULES
        for _, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__
    )
    return "\n".join(
        [_read("python.js"), f"const rules = {translate(*own, *rules)};\n", *map(_read, _SCRIPTS)]
    )


def _policy(script: str) -> str:
    """Nothing is fetched, nothing is sent, and no script runs but this one."""
    digest = b64encode(sha256(script.encode()).digest()).decode()
    return (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'"
    )


def _runs(parts: Iterable[Part], live: tuple[Table, ...]) -> Iterator[str]:
    """The parts of the document; pictures that follow one another share a box, side by side if it is wide."""
    for is_picture, run in groupby(parts, lambda part: isinstance(part, Picture)):
        html = "".join(_part(part, live) for part in run)
        yield f'<div class="pictures">\n{html}</div>\n' if is_picture else html


def _part(part: Part, live: tuple[Table, ...]) -> str:
    """A part of the document; a table in a box of its own, in which it scrolls where the page is narrow."""
    html = part_to_html(part)
    if not isinstance(part, Table):
        return html
    title = escape(part.title)
    box = f'<div class="scroll" tabindex="0" role="region" aria-label="{title}">\n{html}</div>\n'
    if part not in live:
        return box
    return f'<details class="layers" open><summary>{title}; with every working</summary>\n{box}</details>\n'


# -- the controls

_THEMES = {each: each for each in ("auto", "light", "dark")}


def _controls(data: Mapping[str, Any]) -> dict[str, str]:
    """Each control by its name."""
    setting = {name: escape(value) for name, value in data["setting"].items()}
    kept = ("saved for backward", "saved") if data["has_backward"] else ("left after forward", "left")
    return {
        "fixed": _fixed(data),
        "papers": "".join(f"<option>{escape(name)}</option>" for name in data.get("paper", ())),
        **dict(zip(("kept", "saved"), kept, strict=True)),
        "step": "training step" if data["has_backward"] else "pass",
        "network": _select("network", "network", data["networks"], setting)
        if len(data["networks"]) > 1
        else f'<input type="hidden" name="network" value="{setting["network"]}">\n',
        "batch": setting["batch"],
        "dtype": _select("dtype", "dtype", data["itemsizes"], setting),
        "optimizer": _select("optimizer", "optimizer", data["optimizers"], setting),
        "size": _select("size", "image", data["planes"], setting),
        "norm": _choice("norm", "batch norm", {"false": "off", "true": "on"}, setting["norm"])
        if "nets" in data
        else '<input type="hidden" name="norm" value="false">\n',
        **{
            name: _select(name, label, data[f"{name}s"], setting)
            if len(data[f"{name}s"]) > 1
            else f'<input type="hidden" name="{name}" value="{setting[name]}">\n'
            for name, label in (("amp", "autocast"), ("checkpoint", "checkpoint"))
        },
        "device": _select("device", "rules of", data["reserves"], setting),
        "card": _select("card", "card", ["", *data["cards"]], setting),
    }


def _fixed(data: Mapping[str, Any]) -> str:
    """What the report is of, whatever the controls say."""
    size, batch, dtype = (data["setting"][name] for name in ("size", "batch", "dtype"))
    return escape(
        f"input {size}, batch {int(batch):,}, {dtype}; {data['own_setup']}; "
        f"by the rules of device {data['rules']}"
    )


def _select(name: str, label: str, values: Iterable[str], setting: Mapping[str, str]) -> str:
    """One of many."""
    options = "".join(
        f'<option value="{value}"{" selected" * (value == setting.get(name))}>'
        f"{value or '…or a card'}</option>"
        for value in map(escape, values)
    )
    return f'<label><span>{label}</span><select name="{name}">{options}</select></label>\n'


def _choice(name: str, label: str, texts: Mapping[str, str], chosen: str) -> str:
    """One of two or three, all in sight."""
    options = "".join(
        f'<label><input type="radio" form="controls" name="{name}" value="{value}"'
        f"{' checked' * (value == chosen)}><b>{text}</b></label>"
        for value, text in texts.items()
    )
    return f'<fieldset><legend>{label}</legend><div class="choice">{options}</div></fieldset>\n'
