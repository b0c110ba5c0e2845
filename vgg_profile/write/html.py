"""A table as HTML: a fragment for a notebook, or a page of its own."""

from __future__ import annotations

from html import escape

from vgg_profile.core.counts import Count
from vgg_profile.core.forms import Cell, Table
from vgg_profile.write.text import cell_text, total_texts

_STYLE = """
.vgg-profile { font: 14px/1.45 system-ui, sans-serif; overflow-x: auto; }
.vgg-profile table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.vgg-profile caption { white-space: normal; }
.vgg-profile caption { text-align: left; font-weight: 600; font-size: 1.15em; padding: .4em 0; }
.vgg-profile th, .vgg-profile td { padding: .22em .7em; text-align: right; white-space: nowrap; }
.vgg-profile thead th { border-bottom: 2px solid; vertical-align: bottom; white-space: pre-line; }
.vgg-profile .text { text-align: left; white-space: normal; }
.vgg-profile tbody th { font-weight: 600; }
.vgg-profile tr.end > * { border-bottom: 1px solid color-mix(in srgb, currentColor 30%, transparent); }
.vgg-profile tbody tr:hover { background: color-mix(in srgb, currentColor 8%, transparent); }
.vgg-profile tfoot { border-top: 2px solid; font-weight: 600; }
.vgg-profile .working { opacity: .62; }
.vgg-profile p { margin: .3em 0; max-width: 72em; }
"""


def _cell(cell: Cell) -> str:
    if isinstance(cell, Count) and not cell.is_plain:
        return f'<span class="working">{escape(cell.working)} =</span> {cell.value:,}'
    return escape(cell_text(cell))


def _row(tag: str, cells: list[str], table: Table) -> str:
    """One line of a table whose first cell names it; ``tag`` is for the other cells."""
    texts = []
    for place, (cell, column) in enumerate(zip(cells, table.columns, strict=True)):
        name, scope = ("th", ' scope="row"') if place == 0 else (tag, "")
        css = ' class="text"' if column.is_text else ""
        texts.append(f"<{name}{scope}{css}>{cell}</{name}>")
    return "".join(texts)


def bare_table(table: Table) -> str:
    """The table with its caption and footnotes, to stand among others."""
    head = "".join(
        f'<th scope="col"{" class=text" if column.is_text else ""}>{escape(column.header)}</th>'
        for column in table.columns
    )
    body = "\n".join(
        f"<tr{' class=end' if place in table.ends else ''}>{_row('td', [_cell(c) for c in row], table)}</tr>"
        for place, row in enumerate(table.rows)
    )
    foot = (
        f"<tfoot><tr>{_row('td', [escape(text) for text in total_texts(table)], table)}</tr></tfoot>\n"
        if table.total is not None
        else ""
    )
    notes = "\n".join(f"<p>{escape(line)}</p>" for line in table.footer)
    return (
        f"<table>\n<caption>{escape(table.title)}</caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody>\n{foot}</table>\n{notes}\n"
    )


def fragment(content: str) -> str:
    """HTML with the style of these tables, to stand within a page."""
    return f'<div class="vgg-profile">\n<style>{_STYLE}</style>\n{content}</div>\n'


def page(title: str, content: str) -> str:
    """A whole page around a fragment, in the reader's light or dark."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n</head>\n<body>\n{content}</body>\n</html>\n"
    )


def to_fragment(table: Table) -> str:
    """A table, styled, to stand within a page."""
    return fragment(bare_table(table))


def to_page(table: Table) -> str:
    """A table as a whole page."""
    return page(table.title, to_fragment(table))
