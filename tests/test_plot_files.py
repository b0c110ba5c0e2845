"""Pictures as files and as axes: the same bytes each time, and axes to build on."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from plotting import EVERY, ROOT, faults, of_a_card, subject

from vgg_profile.core.errors import InputError
from vgg_profile.core.tree import Profile
from vgg_profile.describe.figures import depict
from vgg_profile.predict.steps import ledger
from vgg_profile.predict.vgg.walk import walk
from vgg_profile.render import PICTURES as FORMATS
from vgg_profile.write.plots import WIDTH, to_bytes

# -- files


SIGNATURES = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}


@pytest.mark.parametrize("format_", FORMATS)
def test_the_same_figure_gives_the_same_bytes(format_: str) -> None:
    figure = depict(subject(Profile, "tiny"), "shares")
    picture = to_bytes(figure, format_)
    assert picture.startswith(SIGNATURES[format_])
    assert picture == to_bytes(figure, format_)


@pytest.mark.parametrize(("kind", "result"), EVERY)
def test_every_kind_becomes_a_picture(kind: str, result: type) -> None:
    figure = depict(subject(result, "tiny"), kind)
    picture = to_bytes(figure, "svg")
    assert escape(figure.title).encode() in picture
    assert picture == to_bytes(figure, "svg")


def test_another_process_and_a_users_style_give_the_same_bytes(tmp_path: Path) -> None:
    code = (
        "import hashlib; from vgg_profile import walk, ledger\n"
        "from vgg_profile.describe.figures import depict\n"
        "from vgg_profile.render import PICTURES as FORMATS\n"
        "from vgg_profile.write.plots import to_bytes\n"
        "import sys; import matplotlib; matplotlib.rcParams['font.size'] = 20\n"
        "figure = depict(ledger(walk('8,M', input=16)))\n"
        "print(*(hashlib.sha256(to_bytes(figure, each)).hexdigest() for each in FORMATS))\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    figure = depict(ledger(walk("8,M", input=16)))
    assert done.stdout.split() == [hashlib.sha256(to_bytes(figure, each)).hexdigest() for each in FORMATS]


def test_a_picture_tells_what_it_shows_and_no_date() -> None:
    figure = depict(walk("D"), "parameters")
    picture = to_bytes(figure, "svg").decode()
    assert f"<title>{figure.title}</title>" in picture
    assert figure.alt in picture
    assert "<dc:date>" not in picture
    assert figure.title.encode() in to_bytes(figure, "png")
    assert b"CreationDate" not in to_bytes(figure, "pdf")


# -- axes to build on


def test_a_result_plots_itself_as_axes() -> None:
    axes = walk("D").plot()
    assert isinstance(axes, Axes)
    assert axes.get_xlabel() == "saved for backward (MiB)"
    assert walk("D").plot("macs").get_xlabel() == "MACs per image (billions)"
    assert ledger(walk("D")).plot().get_ylabel() == "live bytes (MiB)"
    shares = walk("D").plot("shares")
    assert len(shares.figure.axes) == 3


def test_a_notebook_shows_the_axes() -> None:
    assert walk("8,M", input=16).plot()._repr_png_().startswith(b"\x89PNG")


def test_a_result_plots_itself_into_axes_of_ones_own() -> None:
    canvas = Canvas(figsize=(2 * WIDTH, 5), layout="constrained")
    left, right = canvas.subplots(1, 2)
    assert walk("8,M", input=16).plot("parameters", left) is left
    assert ledger(walk("8,M", input=16)).plot(axes=right) is right
    assert left.get_title("left").startswith("fc")
    assert right.get_legend() is not None
    assert faults(canvas) == []


def test_narrow_axes_of_ones_own_keep_to_themselves() -> None:
    canvas = Canvas(figsize=(6.4, 4.8))
    left, right = canvas.subplots(1, 2)
    walk("D").plot("memory", left)
    of_a_card("8GiB").plot("batch", right)
    canvas.draw_without_rendering()
    for axes in (left, right):
        box, legend = axes.get_window_extent(), axes.get_legend()
        assert legend is not None
        for text in (axes._left_title, axes.xaxis.label, *legend.get_texts()):
            extent = text.get_window_extent()
            assert extent.x1 <= box.x1 + 1, text.get_text()
            assert 0 <= extent.y0 < extent.y1 <= canvas.bbox.y1
        assert legend.get_window_extent().y1 < axes.xaxis.label.get_window_extent().y0
        assert box.height > 100


def test_a_result_without_that_figure_says_which_it_has() -> None:
    with pytest.raises(
        InputError, match=r"For timeline use ledger\(profile\)\.plot\('timeline'\) or overlay"
    ):
        walk("D").plot("timeline")
    with pytest.raises(InputError, match=r"For macs use ledger\(profile, setup\)\.profile\.plot\('macs'\)\."):
        ledger(walk("D")).plot("macs")
    with pytest.raises(InputError, match=r"A Profile has no figure timeline\. It has memory, parameters"):
        walk("D").plot("timeline")
    with pytest.raises(InputError, match=r"Did you mean memory\?"):
        walk("D").plot("memry")
    with pytest.raises(InputError, match="no figure of this kind of result"):
        depict(3)
