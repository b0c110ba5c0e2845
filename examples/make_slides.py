"""Make slides of the lessons: one HTML file each, which holds all that it shows and fetches nothing.

    python examples/make_slides.py             # all lessons, beside the notebooks
    python examples/make_slides.py 3 4 -o out  # only these, into a folder
    python examples/make_slides.py --dark      # light on dark; the key D turns a slide either way

A section of a lesson begins a slide. What does not fit on one goes on to the next, and what is larger than a
slide alone is drawn smaller. They are the notebooks as they are committed, with their outputs: nothing runs,
and the cell that proves the exercise's answer is on none.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path

import nbformat
from jinja2 import Environment, FileSystemLoader
from nbconvert.filters.markdown_mistune import markdown2html_mistune
from nbformat import NotebookNode

FOLDER = Path(__file__).parent / "lessons"
LESSONS = sorted(FOLDER.glob("[1-9]_*.ipynb"))
TEMPLATE = "slides.html"


def slides(notebook: NotebookNode, *, dark: bool = False) -> str:
    """A lesson as one HTML file; its slides are as ``slideshow`` in the notebook's metadata has them.

    ``dark`` is how they begin: printed they are dark on light, whatever a screen shows.
    """
    sections: list[list[str]] = []
    for cell in notebook.cells:
        kind = cell.metadata.slideshow.slide_type
        if kind == "skip":
            continue
        if kind == "slide" or not sections:
            sections.append([])
        sections[-1].extend(blocks(cell))
    title = notebook.cells[0].source.splitlines()[0].lstrip("# ")
    environment = Environment(loader=FileSystemLoader(FOLDER), autoescape=True)
    return environment.get_template(TEMPLATE).render(title=title, sections=sections, dark=dark)


def blocks(cell: NotebookNode) -> Iterator[str]:
    """What a cell shows, each as HTML: its prose, or its code and what came of it."""
    if cell.cell_type == "markdown":
        yield markdown2html_mistune(cell.source)
        return
    yield f'<pre class="code">{escape(cell.source)}</pre>'
    for output in cell.outputs:
        if output.output_type == "stream":
            yield f'<pre class="said">{escape(output.text.rstrip())}</pre>'
        elif "image/png" in output.data:
            yield f'<img alt="" src="data:image/png;base64,{"".join(output.data["image/png"].split())}">'
        elif "text/html" in output.data:
            yield f'<div class="table">{output.data["text/html"]}</div>'
        else:
            yield f'<pre class="said">{escape(output.data["text/plain"])}</pre>'


def main(arguments: list[str] | None = None) -> int:
    """Write the slides of the lessons that were asked for, and say where."""
    parser = argparse.ArgumentParser(description="Make slides of the lessons, one HTML file each.")
    parser.add_argument("numbers", nargs="*", type=int, metavar="N", help="which lessons (default: all)")
    parser.add_argument("-o", "--output", type=Path, default=FOLDER, help="a folder (default: the lessons')")
    parser.add_argument("--dark", action="store_true", help="light on dark (in the slides: the key D)")
    asked = parser.parse_args(arguments)
    known = {int(path.name[0]): path for path in LESSONS}
    for number in asked.numbers:
        if number not in known:
            parser.error(f"there is no lesson {number}; there are {min(known)} to {max(known)}")
    asked.output.mkdir(parents=True, exist_ok=True)
    for number in sorted(set(asked.numbers or known)):
        made = asked.output / f"{known[number].stem}.slides.html"
        notebook = nbformat.read(known[number], as_version=4)
        made.write_text(slides(notebook, dark=asked.dark), encoding="utf-8")
        print(f"Wrote {made}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
