"""One SVG for light and dark: whoever shows it, such as a page around it, says which."""

from __future__ import annotations

import re
from zlib import crc32

from vgg_profile.core.figures import Figure
from vgg_profile.write.plots.picture import save
from vgg_profile.write.plots.style import DARK, LIGHT, Theme

_STYLE = re.compile('(?<=style=")[^"]*')
_COLOUR = re.compile("#[0-9a-f]{6}")
_PAIRS: dict[str, tuple[str, str]] = {}
"""Colour that stands in the drawing for two → that in light, that in dark."""


def to_svg(figure: Figure) -> str:
    """A figure as an SVG whose colours follow the ``color-scheme`` in which it is shown.

    It is drawn once, in colours that stand for two; each becomes ``light-dark(…)`` (CSS Color 5).
    """
    drawn = save(figure, "svg", "page", _BOTH).decode()
    return _STYLE.sub(lambda style: _COLOUR.sub(_both, style[0]), drawn).replace(
        "<svg ", '<svg style="color-scheme: light dark" ', 1
    )


def _both(colour: re.Match[str]) -> str:
    return f"light-dark({', '.join(_PAIRS[colour[0]])})" if colour[0] in _PAIRS else colour[0]


def _pair(light: str, dark: str) -> str:
    """A colour that stands for two; the same for the same two, for the ids that matplotlib makes from it."""
    light, dark = light.lower(), dark.lower()  # as matplotlib writes them
    if light == dark:
        return light
    seen = f"#{crc32(f'{light}/{dark}'.encode()) % 2**24:06x}"
    if _PAIRS.setdefault(seen, (light, dark)) != (light, dark):
        raise AssertionError(f"{seen} stands for two pairs of colours")
    return seen


class _Both(Theme):
    """The colours of both schemes, each pair as one."""

    __slots__ = ()

    def outlined(self, otherwise: str) -> str:
        light, dark = _PAIRS.get(otherwise, (otherwise, otherwise))
        return _pair(LIGHT.outlined(light), DARK.outlined(dark))

    def readable(self, colour: str, least: float) -> str:
        return _pair(LIGHT.readable(colour, least), DARK.readable(colour, least))


_BOTH = _Both(*(_pair(*(each or "transparent" for each in pair)) for pair in zip(LIGHT, DARK, strict=True)))
