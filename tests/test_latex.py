"""LaTeX that LaTeX takes: every kind of table compiled with booktabs, hostile names too."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from vgg_profile.cli import main

ROOT = Path(__file__).parent.parent
RECORD = str(ROOT / "reports" / "measured" / "D-cpu.json")

PAGE = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{booktabs}
\usepackage[paperwidth=80cm,paperheight=120cm]{geometry}
\begin{document}
\input{table}
\end{document}
"""

needs_latex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no pdflatex here")


def compiles(folder: Path) -> bool:
    """Whether LaTeX takes the table in a folder, on a page with booktabs."""
    (folder / "page.tex").write_text(PAGE, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=60)
    return done.returncode == 0 and (folder / "page.pdf").stat().st_size > 1000


SLIDE = r"""\documentclass{beamer}
\usepackage{booktabs}
\begin{document}
\begin{frame}{VGG-16}
%s
\end{frame}
\end{document}
"""


def has_beamer() -> bool:
    """Whether LaTeX finds Beamer, and what that draws with."""
    found = shutil.which("kpsewhich") and subprocess.run(
        ["kpsewhich", "beamer.cls", "pgfmath.sty"], capture_output=True, text=True
    )
    return bool(found) and len(found.stdout.split()) == 2


@pytest.mark.skipif(not has_beamer(), reason="there is no Beamer: apt-get install texlive-pictures")
def test_the_notes_table_fits_a_slide_as_its_first_lines_say(tmp_path: Path) -> None:
    def over(content: str) -> list[str]:
        (tmp_path / "slide.tex").write_text(SLIDE % content, encoding="utf-8")
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "slide.tex"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout
        return re.findall(r"^Overfull .*", done.stdout, re.MULTILINE)

    CliRunner().invoke(main, ["table", "D", "--notes", "-o", str(tmp_path / "table.tex")])
    table = (tmp_path / "table.tex").read_text("utf-8")
    (told,) = re.findall(r"% higher than a slide of Beamer's: (.*)", table)
    assert over(r"\input{table}"), "as it is, it is too large"
    assert over(told.replace("FILE", "table")) == []


@needs_latex
@pytest.mark.parametrize(
    "arguments",
    [
        ("list",),
        ("table", "D-BN", "--all-layers"),
        ("table", "D", "--saved"),
        ("compare", "A", "D", "--relative-to", "A", "--measured", str(ROOT / "reports" / "measured")),
        ("timeline", "A", "--optimizer", "adam"),
        ("timeline", "D", "--measured", RECORD),
        ("fit", "D", "--memory", "8GiB"),
        ("sweep", "A", "--batch", "1,2"),
        ("check", "D", RECORD),
        ("notes",),
        ("notes", "examples/my_table.csv"),
        ("explain", "D", "conv3_2"),
    ],
    ids=" ".join,
)
def test_a_table_compiles(arguments: tuple[str, ...], tmp_path: Path) -> None:
    result = CliRunner().invoke(main, [*arguments, "-o", str(tmp_path / "table.tex")])
    assert result.exit_code == 0, result.output
    assert compiles(tmp_path)


@needs_latex
@pytest.mark.parametrize(("channels", "code"), [(3, 0), (4, 3)], ids=["no defect", "one"])
def test_a_diagnosis_compiles_with_and_without_a_defect(channels: int, code: int, tmp_path: Path) -> None:
    model = tmp_path / "model_.py"
    model.write_text(f"from torch import nn\nmodel = nn.Sequential(nn.Conv2d({channels}, 8, 3))\n")
    arguments = ["diagnose", f"{model}:model", "-o", str(tmp_path / "table.tex")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == code, result.output
    assert compiles(tmp_path)


@needs_latex
@pytest.mark.parametrize(
    "name", [r"50% of $x_1$ & #2 \input{page} {~^}", "[x](http://evil.example) [2]", "=cmd|' /C calc'!A0 `x`"]
)
def test_a_hostile_name_compiles(tmp_path: Path, name: str) -> None:
    net = tmp_path / "net.json"
    net.write_text(json.dumps({"name": name, "layers": [4, "M"], "classifier": [], "classes": 3}))
    arguments = ["compare", str(net), "A", "--input", "32", "-o", str(tmp_path / "table.tex")]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    assert compiles(tmp_path)


@needs_latex
def test_what_latex_does_not_take_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "table.tex").write_text(r"\begin{tabular}{l} 50% & \undefined \end{tabular}")
    assert not compiles(tmp_path)
