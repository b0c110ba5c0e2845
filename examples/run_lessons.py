"""Run the lessons top to bottom, each in a fresh kernel, and write them back with their outputs.

    python examples/run_lessons.py             # run all, rewrite those that changed
    python examples/run_lessons.py --check     # run all, write nothing; exit code 1 if a text differs
    python examples/run_lessons.py 3 4         # only these

The same lessons give the same files: no times, no paths, no addresses of objects are kept. The pictures
follow matplotlib's version, so ``--check`` compares what is written and leaves the pixels out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

WIDGET = "application/vnd.jupyter.widget-view+json"
"""A widget in an output: its number is another in every run, and no code host knows it."""

FOLDER = Path(__file__).parent / "lessons"
LESSONS = sorted(FOLDER.glob("[1-9]_*.ipynb"))
AT_A_TIME = 2
SECONDS_A_CELL = 120
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def run(path: Path, more: str = "") -> NotebookNode:
    """A notebook with fresh outputs; raises ``CellExecutionError`` at the first cell that fails.

    ``more`` is run after its last cell, and does not stay.
    """
    notebook = nbformat.read(path, as_version=4)
    if more:
        notebook.cells.append(nbformat.v4.new_code_cell(more))
    NotebookClient(
        notebook,
        timeout=SECONDS_A_CELL,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        extra_arguments=["--log-level=ERROR"],
        record_timing=False,
        coalesce_streams=True,
    ).execute()
    if more:
        notebook.cells.pop()
    return as_slides(without_chance(notebook))


def without_chance(notebook: NotebookNode) -> NotebookNode:
    """The notebook less what differs from run to run: versions, addresses, the numbers of widgets."""
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                output.data.pop("text/plain", None)
                output.data.pop(WIDGET, None)
    return notebook


def as_slides(notebook: NotebookNode) -> NotebookNode:
    """The notebook with what `make_slides.py`, or another tool for slides, goes by: a section begins a slide.

    What proves the answer to the exercise is on no slide.
    """
    for cell in notebook.cells:
        is_answer = "answer" in cell.metadata.get("tags", [])
        is_section = cell.cell_type == "markdown" and cell.source.startswith("#")
        kind = "skip" if is_answer else "slide" if is_section else "subslide"
        cell.metadata["slideshow"] = {"slide_type": kind}
    return notebook


def texts(notebook: NotebookNode) -> Iterator[tuple[str, str]]:
    """Every text that a notebook prints, with the id of its cell; pictures are left out."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "stream":
                yield cell.id, f"{output.name}: {output.text}"
            for kind, content in sorted(output.get("data", {}).items()):
                if not kind.startswith("image/"):
                    yield cell.id, content


def differing(committed: NotebookNode, fresh: NotebookNode) -> list[str]:
    """The ids of the cells whose texts are not what is committed."""
    before, after = list(texts(committed)), list(texts(fresh))
    return list(dict.fromkeys(cell for cell, _ in [*before, *after] if _of(before, cell) != _of(after, cell)))


def _of(printed: list[tuple[str, str]], cell: str) -> list[str]:
    return [text for each, text in printed if each == cell]


def run_all(paths: list[Path], more: str = "") -> dict[Path, NotebookNode]:
    """Fresh runs of notebooks, two at a time; ``more`` is run at the end of each."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        return dict(zip(paths, pool.map(partial(run, more=more), paths), strict=True))


def main(arguments: list[str] | None = None) -> int:
    """Run the lessons that were asked for; the exit code is 1 if ``--check`` found a difference."""
    parser = argparse.ArgumentParser(description="Run the lessons and write them back with their outputs.")
    parser.add_argument("numbers", nargs="*", type=int, metavar="N", help="which lessons (default: all)")
    parser.add_argument("--check", action="store_true", help="write nothing, and say what differs")
    asked = parser.parse_args(arguments)
    known = {int(path.name[0]): path for path in LESSONS}
    for number in asked.numbers:
        if number not in known:
            parser.error(f"there is no lesson {number}; there are {min(known)} to {max(known)}")
    paths = [known[number] for number in sorted(set(asked.numbers or known))]
    is_equal = True
    for path, fresh in run_all(paths).items():
        cells = differing(nbformat.read(path, as_version=4), fresh)
        is_equal = is_equal and not cells
        print(f"{path.name}: {'differs in ' + ', '.join(cells) if cells else 'as committed'}")
        if not asked.check:
            nbformat.write(fresh, path)
    return 1 if asked.check and not is_equal else 0


if __name__ == "__main__":
    sys.exit(main())
