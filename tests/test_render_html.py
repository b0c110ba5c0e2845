"""HTML from templates."""

from __future__ import annotations

import subprocess
import sys

import jinja2
import pytest

from vgg_profile.core.documents import Code, Heading, Items, Part
from vgg_profile.core.forms import Column, Table
from vgg_profile.write.html import _environment, part_to_html

# HTML from templates


@pytest.mark.parametrize(
    ("part", "html"),
    [
        ("a < b & c", "<p>a &lt; b &amp; c</p>\n"),
        (Heading("<i>", 3), "<h3>&lt;i&gt;</h3>\n"),
        (Code(("a<b", "  'c'")), "<pre>a&lt;b\n  &#39;c&#39;</pre>\n"),
        (Items(("<b>", "two")), "<ul>\n<li>&lt;b&gt;</li>\n<li>two</li>\n</ul>\n"),
        (
            Table("<t>", (Column("a", "<a>"),), (("<c>",),), footer=("<f>",)),
            "<table>\n<caption>&lt;t&gt;</caption>\n"
            '<thead><tr><th scope="col">&lt;a&gt;</th></tr></thead>\n'
            '<tbody>\n<tr><th scope="row">&lt;c&gt;</th></tr>\n</tbody>\n</table>\n<p>&lt;f&gt;</p>\n',
        ),
    ],
    ids=lambda each: type(each).__name__,
)
def test_a_part_is_filled_into_its_template_and_escaped(part: Part, html: str) -> None:
    assert part_to_html(part) == html


def test_a_name_that_a_template_misspells_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        _environment().from_string("{{ titel }}").render(title="t")


def loads_jinja2(*arguments: str) -> bool:
    """Whether a command has loaded the templates' library by its end, in a fresh interpreter."""
    code = (
        f"import sys\nfrom vgg_profile.cli import main\nmain({list(arguments)!r}, standalone_mode=False)\n"
        "print('jinja2' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stderr.endswith("True\n")


@pytest.mark.parametrize(
    "arguments",
    [("table", "D"), ("explain", "pool-indices"), ("notes", "--format", "markdown")],
    ids=" ".join,
)
def test_a_terminal_does_not_wait_for_templates(arguments: tuple[str, ...]) -> None:
    assert not loads_jinja2(*arguments)


def test_html_is_noticed_to_load_templates() -> None:
    assert loads_jinja2("table", "D", "--format", "html")
