"""Draw docs/rooms.svg: the rooms of the package and the imports between them, read off the code.

python docs/draw_rooms.py             # write docs/rooms.svg
python docs/draw_rooms.py --check     # exit code 1 if it would change

An arrow says "imports". It is left out where a longer way says the same, and where pyproject.toml ignores it.
"""

from __future__ import annotations

import sys
import tomllib
from html import escape
from pathlib import Path
from typing import NamedTuple

import grimp

ROOT = Path(__file__).parent.parent
PICTURE = Path(__file__).parent / "rooms.svg"
PACKAGE = "vgg_profile"
HEAVY = ("fvcore", "jinja2", "matplotlib", "msgspec", "numpy", "pandas", "torch")

Arrows = dict[str, set[str]]


class Box(NamedTuple):
    """Where a room stands: its row, its first and last column; and what it is for."""

    row: int
    first: int
    last: int
    note: str


ROOMS = {
    "cli": Box(0, 0, 1, "commands"),
    PACKAGE: Box(0, 2, 3, "the names you import"),
    "render": Box(1, 0, 3, "a result in a format"),
    "describe": Box(2, 0, 2, "results as forms: tables, documents, figures"),
    "write": Box(2, 3, 3, "forms as text, files, pages"),
    "ask": Box(3, 0, 0, "fit, sweep, compare"),
    "teach": Box(3, 1, 1, "notes, topics, a layer"),
    "diagnose": Box(3, 2, 2, "a model's mistakes"),
    "check": Box(4, 0, 1, "predicted against measured"),
    "measure": Box(5, 1, 1, "a real pass"),
    "models": Box(6, 1, 1, "the VGGs as modules"),
    "predict": Box(7, 0, 2, "the step: on paper, on fake tensors"),
    "run": Box(8, 1, 1, "one real step's course"),
    "core": Box(9, 0, 3, "what everything speaks"),
}

NAMES_BEFORE = ("cards", "crosscheck", "fit", "training")
"""Modules that hold nothing but public names from before the rooms."""

ALWAYS = {("check", "predict")}
"""Drawn whatever else leads there: this is where the two roads meet."""

WIDTH, HEIGHT, ACROSS, DOWN, MARGIN = 210, 62, 20, 32, 20


def room(module: str) -> str:
    """``vgg_profile.ask.fit`` stands in ``ask``; ``python -m vgg_profile`` is the command line."""
    name = module.split(".")[1] if "." in module else PACKAGE
    if name in NAMES_BEFORE:
        return PACKAGE
    return "cli" if name == "__main__" else name


def imports() -> tuple[Arrows, Arrows]:
    """Room → the rooms that it imports, and the heavy packages."""
    graph = grimp.build_graph(
        PACKAGE, include_external_packages=True, exclude_type_checking_imports=True, cache_dir=None
    )
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    ignored = {arrow for contract in contracts for arrow in contract.get("ignore_imports", [])}
    ours = sorted(name for name in graph.modules if name.split(".")[0] == PACKAGE)
    rooms: Arrows = {room(name): set() for name in ours}
    heavy: Arrows = {name: set() for name in rooms}
    for module in ours:
        for imported in graph.find_modules_directly_imported_by(module):
            if imported in HEAVY:
                heavy[room(module)].add(imported)
            elif imported in ours and f"{module} -> {imported}" not in ignored:
                rooms[room(module)].add(room(imported))
    return {name: imported - {name} for name, imported in rooms.items()}, heavy


def reached(arrows: Arrows, start: str) -> set[str]:
    """Every room to which a chain of arrows leads."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = arrows[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def telling(arrows: Arrows) -> list[tuple[str, str]]:
    """The arrows without those that a longer way makes, but for ``ALWAYS``."""
    return [
        (importer, imported)
        for importer, all_imported in sorted(arrows.items())
        for imported in sorted(all_imported)
        if (importer, imported) in ALWAYS
        or not any(imported in reached(arrows, other) for other in all_imported - {imported})
    ]


def left(column: int) -> int:
    return MARGIN + column * (WIDTH + ACROSS)


def top(row: int) -> int:
    return MARGIN + row * (HEIGHT + DOWN)


def middle(box: Box) -> float:
    return (left(box.first) + left(box.last) + WIDTH) / 2


def ends(importer: Box, imported: Box) -> tuple[float, float]:
    """The x of an arrow's two ends: straight down a column where both stand and nothing is between."""
    between = [box for box in ROOMS.values() if importer.row < box.row < imported.row]
    for column in range(max(importer.first, imported.first), min(importer.last, imported.last) + 1):
        if not any(box.first <= column <= box.last for box in between):
            return (left(column) + WIDTH / 2,) * 2
    return middle(importer), middle(imported)


def drawn(rooms: Arrows, heavy: Arrows) -> str:
    """The picture as SVG: the same text for the same imports."""
    if missing := rooms.keys() - ROOMS:
        raise SystemExit(f"No place for {', '.join(sorted(missing))}: add it to ROOMS in docs/draw_rooms.py.")
    lines = []
    for importer, imported in telling(rooms):
        above, below = ROOMS[importer], ROOMS[imported]
        x, to = ends(above, below)
        y = top(above.row) + HEIGHT
        lines.append(f'<path class="arrow" d="M{x:g} {y}L{to:g} {top(below.row) - 3}"/>')
    for name in sorted(rooms, key=lambda name: ROOMS[name]):
        box = ROOMS[name]
        x, y, width = left(box.first), top(box.row), left(box.last) + WIDTH - left(box.first)
        loads = f"loads {', '.join(sorted(heavy[name]))}" if heavy[name] else ""
        y_text = y + (20 if loads else 27)
        lines += [
            f'<rect class="room" x="{x}" y="{y}" width="{width}" height="{HEIGHT}" rx="6"/>',
            f'<text class="name" x="{middle(box):g}" y="{y_text}">{escape(name)}</text>',
            f'<text class="note" x="{middle(box):g}" y="{y_text + 17}">{escape(box.note)}</text>',
        ]
        if loads:
            lines.append(f'<text class="note" x="{middle(box):g}" y="{y_text + 33}">{escape(loads)}</text>')
    width, height = left(4) - ACROSS + MARGIN, top(9) - DOWN + MARGIN
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" role="img">
<title>The rooms of {PACKAGE}: an arrow points from a room to one that it imports</title>
<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">
<path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>
<style>.room{{fill:#eef3f8;stroke:#4a6785}}.arrow{{stroke:#555;fill:none;marker-end:url(#head)}}
text{{text-anchor:middle;fill:#1b2733}}.name{{font-size:15px;font-weight:bold}}.note{{font-size:12px}}</style>
<rect width="{width}" height="{height}" fill="#fff"/>
{chr(10).join(lines)}
</svg>
"""


def main(arguments: list[str]) -> int:
    """Write the picture, or with ``--check`` say whether it would change."""
    picture = drawn(*imports())
    if arguments == ["--check"]:
        return int(not PICTURE.exists() or PICTURE.read_text("utf-8") != picture)
    PICTURE.write_text(picture, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
