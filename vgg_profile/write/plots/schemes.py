"""One SVG for light and dark: whoever shows it, such as a page around it, says which."""

from __future__ import annotations

import re

from vgg_profile.core.figures import Figure
from vgg_profile.write.plots.picture import to_bytes

_STYLE = re.compile('(?<=style=")[^"]*')
_UNSAID = {"fill": "#000000", "stroke": "transparent"}
"""Colours of a mark that names none."""


def to_svg(figure: Figure) -> str:
    """A figure as an SVG whose colours follow the ``color-scheme`` in which it is shown.

    It is drawn light and dark; the two differ in nothing but colours and the ids that matplotlib makes from
    them, and each colour that differs becomes ``light-dark(…)`` (CSS Color 5).
    """
    light, dark = (to_bytes(figure, "svg", dark=is_dark).decode().splitlines() for is_dark in (False, True))
    lines = [_joined(one, other) for one, other in zip(light, dark, strict=True)]
    return "\n".join(lines).replace("<svg ", '<svg style="color-scheme: light dark" ', 1)


def _joined(light: str, dark: str) -> str:
    """A line of both drawings."""
    one, other = _STYLE.search(light), _STYLE.search(dark)
    if light == dark or not (one and other):
        return light
    mine, theirs = _said(one[0]), _said(other[0])
    both = {name: _either(name, mine.get(name), theirs.get(name)) for name in {**mine, **theirs}}
    style = "; ".join(f"{name}: {value}" for name, value in both.items())
    return light[: one.start()] + style + light[one.end() :]


def _said(style: str) -> dict[str, str]:
    return dict(each.split(": ", 1) for each in style.split("; ") if each)


def _either(name: str, light: str | None, dark: str | None) -> str:
    """A property in both schemes: a colour follows; what else one alone has does the other no harm."""
    if light == dark or name not in _UNSAID:
        return str(light or dark)
    return f"light-dark({light or _UNSAID[name]}, {dark or _UNSAID[name]})"
