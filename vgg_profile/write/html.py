"""Tables and documents as HTML, from the files in ``templates``: a fragment, or a page of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from vgg_profile.core.counts import Count
from vgg_profile.core.documents import Code, Document, Heading, Items, Part, Picture
from vgg_profile.core.forms import Cell, Table
from vgg_profile.write.cells import cell_text, total_texts

if TYPE_CHECKING:
    from vgg_profile.core.figures import Figure


def to_fragment(content: Table | Document) -> str:
    """A table or a document with its style, to stand within a page, such as a notebook's."""
    return _render("fragment", **_parts(content))


def to_page(content: Table | Document) -> str:
    """A whole page, in the reader's light or dark."""
    return _render("page", title=content.title, **_parts(content))


def part_to_html(part: Part) -> str:
    """One part of a document, without a style; a figure lies in it as a picture."""
    return _render("part", part=part)


def _parts(content: Table | Document) -> dict[str, Any]:
    """What a fragment is made of: a table tells its title itself."""
    if isinstance(content, Table):
        return {"heading": "", "parts": (content,)}
    return {"heading": content.title, "parts": content.parts}


def _render(template: str, **content: Any) -> str:
    return _ENVIRONMENT.get_template(f"{template}.html.jinja").render(content)


_PLAIN_IN_SOURCES = ' !"$()*+,/:;<=>?@[]^`{|}'
"""What an address in single quotes may hold as it is: as little as possible is written longer."""


def _address(figure: Figure) -> Markup:
    """The picture as the address of an image, which can neither run nor fetch anything."""
    from vgg_profile.write.plots.schemes import to_svg

    svg = " ".join(to_svg(figure).split())
    return Markup(f"data:image/svg+xml,{quote(svg, safe=_PLAIN_IN_SOURCES)}")


def _is_worked(cell: Cell) -> bool:
    """Whether a cell is a number with its working."""
    return isinstance(cell, Count) and not cell.is_plain


def _environment() -> Environment:
    """Everything that is filled in is escaped, and a name that is not there is an error."""
    made = Environment(
        loader=PackageLoader("vgg_profile.write"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {"address": _address, "cell_text": cell_text, "total_texts": total_texts}
    kinds = {"heading": Heading, "code": Code, "items": Items, "table": Table, "picture": Picture}
    made.tests |= {name: lambda part, kind=kind: isinstance(part, kind) for name, kind in kinds.items()}
    made.tests["worked"] = _is_worked
    return made


_ENVIRONMENT = _environment()
