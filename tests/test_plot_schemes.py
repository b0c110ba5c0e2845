"""One SVG for light and dark: in each scheme it is what is drawn for that scheme alone."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from vgg_profile import walk
from vgg_profile.core.figures import Figure
from vgg_profile.core.setting import Setup
from vgg_profile.describe.figures import depict
from vgg_profile.predict.steps import ledger
from vgg_profile.write.plots import to_bytes
from vgg_profile.write.plots.schemes import to_svg

PROFILE = walk("B", batch_norm=True)
STEP = ledger(PROFILE, Setup(optimizer="adam"))
FIGURES = [
    *(depict(PROFILE, kind) for kind in ("memory", "macs", "parameters", "shares")),
    *(depict(STEP, kind) for kind in ("timeline", "batch")),
]


def in_scheme(svg: str, place: int) -> list[str]:
    """The lines of an SVG with the colours of one scheme."""
    svg = svg.replace('style="color-scheme: light dark" ', "", 1)
    return re.sub(r"light-dark\(([^,]+), ([^)]+)\)", lambda pair: pair[1 + place], svg).splitlines()


def marks(line: str) -> tuple[str, dict[str, str]]:
    """A line without the ids that matplotlib makes from colours; and its style, without what goes unsaid."""
    style = re.search('(?<=style=")[^"]*', line)
    said = dict(each.split(": ") for each in style[0].split("; ") if each) if style else {}
    if said.get("stroke", "none") in ("none", "transparent"):
        said = {name: value for name, value in said.items() if not name.startswith("stroke")}
    if said.get("fill") == "#000000":
        del said["fill"]
    rest = line.replace(style[0], "") if style else line
    return re.sub(r"\b[mpCh][0-9a-f]{9,}(_[0-9a-f_]+)?", "", rest), said


def differences(svg: str, figure: Figure, *, shown: int, own: bool) -> list[str]:
    """The lines of one scheme of an SVG that are not those of another drawing."""
    lines = to_bytes(figure, "svg", dark=own).decode().splitlines()
    return [
        seen
        for seen, wanted in zip(in_scheme(svg, shown), lines, strict=True)
        if marks(seen) != marks(wanted)
    ]


def departures(figure: Figure) -> list[list[str]]:
    """The same of a figure's own SVG, in light and in dark."""
    svg = to_svg(figure)
    return [differences(svg, figure, shown=int(is_dark), own=is_dark) for is_dark in (False, True)]


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.title[:20])
def test_in_each_scheme_it_is_that_schemes_own(figure: Figure) -> None:
    assert departures(figure) == [[], []]


def test_another_schemes_colours_would_be_noticed() -> None:
    assert differences(to_svg(FIGURES[0]), FIGURES[0], shown=1, own=False)


def test_what_a_name_says_of_style_is_text() -> None:
    assert departures(replace(FIGURES[0], title='style="fill: red"; <b>')) == [[], []]
